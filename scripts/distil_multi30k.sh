#!/usr/bin/env bash
# The students of docs/results/multi30k.md: each run of recipe multi30k, trained on from what it and the next one translate
# together, which is the training text, and new lines that a reversed run makes of its targets.
#   scripts/distil_multi30k.sh DATA_DIR [RUNS_DIR]
# DATA_DIR and RUNS_DIR are those of scripts/train_multi30k.sh, which comes first, with two seeds or more. Interrupted, the
# same command goes on. Fewer students: STUDENTS=1; extra overrides: NMT_SET="training.max_steps=20".
set -euo pipefail
data=${1:?"usage: scripts/distil_multi30k.sh DATA_DIR [RUNS_DIR]"}
data=$(realpath -- "$data")
runs=${2:+$(realpath -m -- "$2")}
runs=${runs:-runs}
cd "$(dirname "$0")/.."
. scripts/environment.sh
install ".[plot,moses]"

teachers=("$runs"/multi30k/*/seed*)
students=$runs/multi30k-students
mkdir -p "$students"

translate() {  # OUTPUT RUN ARGUMENT...: unless that was done before
    [ -e "$1" ] || nmt translate "${@:2}" --output "$1"
}

nmt train multi30k-fast --data "$data/train.fr,$data/train.en" --dev "$data/val.fr,$data/val.en" \
    --run "$students/reversed" --set training.epochs=6 ${NMT_SET:+--set "$NMT_SET"}
translate "$students/samples" "$students/reversed" --input "$data/train.fr" --sampling --top-p 0.9 --n-best 3
python scripts/new_sources.py "$students/samples" "$data/train.en" > "$students/new.en"

for ((i = 0; i < ${STUDENTS:-${#teachers[@]}}; i++)); do
    teacher=${teachers[i]}
    pair=("$teacher" "${teachers[(i + 1) % ${#teachers[@]}]}")
    student=$students/${teacher##*/}
    translate "$student.translations" "${pair[@]}" --input "$data/train.en" --beam-size 4 --n-best 4
    translate "$student.new.fr" "${pair[@]}" --input "$students/new.en" --beam-size 4
    { python scripts/distilled_text.py "$student.translations" "$data/train.en" "$data/train.fr"
      paste "$students/new.en" "$student.new.fr"; } > "$student.tsv"
    nmt train multi30k --data "$student.tsv" --dev "$data/val" --run "$student" --init-from "$teacher" \
        --set training.epochs=3 --set training.learning_rate=1e-3 ${NMT_SET:+--set "$NMT_SET"}
done
for text in val test_2016_flickr test_2017_flickr; do
    for student in "$students"/seed*/; do
        nmt evaluate "$student" --precision float32 --source "$data/$text.en" --reference "$data/$text.fr" \
            --save-hypotheses "$student/$text.txt"
    done
    echo "== students, $text, Moses-tokenised and lowercased"
    python scripts/score_moses.py "$students"/seed*/"$text.txt" "$data/$text.fr"
done
