#!/usr/bin/env bash
# Behind the README's rows of students: the runs of recipe multi30k, each trained on from what they translate together;
# and these students, each trained on once more, with new lines beside, which a reversed run makes and they translate.
#   scripts/distil_multi30k.sh DATA_DIR [RUNS_DIR]
# DATA_DIR and RUNS_DIR are those of scripts/train_multi30k.sh, which comes first. Interrupted, the same command goes on.
# Extra overrides: NMT_SET="training.max_steps=20".
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?"usage: scripts/distil_multi30k.sh DATA_DIR [RUNS_DIR]"}
runs=${2:-runs}
. scripts/environment.sh
install ".[plot,moses]"

train_students() {  # FOLDER TEACHER...: each teacher trained on with FOLDER/text.tsv
    local students=$1 teacher text student
    shift
    for teacher in "$@"; do
        nmt train multi30k --data "$students/text.tsv" --dev "$data/val" --run "$students/${teacher##*/}" \
            --init-from "$teacher" --set training.epochs=3 --set training.learning_rate=1e-3 ${NMT_SET:+--set "$NMT_SET"}
    done
    for text in val test_2016_flickr test_2017_flickr; do
        for student in "$students"/seed*; do
            nmt evaluate "$student" --precision float32 --source "$data/$text.en" --reference "$data/$text.fr" \
                --save-hypotheses "$student/$text.txt"
        done
        echo "== ${students##*/}, $text, Moses-tokenised and lowercased"
        python scripts/score_moses.py "$students"/seed*/"$text.txt" "$data/$text.fr"
    done
}

translate() {  # OUTPUT RUN ARGUMENT...: unless that was done before
    [ -e "$1" ] || nmt translate "${@:2}" --output "$1"
}

teachers=("$runs"/multi30k/*/seed*)
first=$runs/multi30k-students
mkdir -p "$first"
translate "$first/translations" "${teachers[@]}" --input "$data/train.en" --beam-size 8 --n-best 8
python scripts/distilled_text.py "$first/translations" "$data/train.en" "$data/train.fr" > "$first/text.tsv"
train_students "$first" "${teachers[@]}"

second=$runs/multi30k-students-2
mkdir -p "$second"
nmt train multi30k-fast --data "$data/train.fr,$data/train.en" --dev "$data/val.fr,$data/val.en" \
    --run "$second/reversed" --set training.epochs=6 ${NMT_SET:+--set "$NMT_SET"}
translate "$second/samples" "$second/reversed" --input "$data/train.fr" --sampling --top-p 0.9 --n-best 3
python scripts/new_sources.py "$second/samples" "$data/train.en" > "$second/new.en"
translate "$second/new.fr" "$first"/seed* --input "$second/new.en" --beam-size 4
{ cat "$first/text.tsv"; paste "$second/new.en" "$second/new.fr"; } > "$second/text.tsv"
train_students "$second" "$first"/seed*
