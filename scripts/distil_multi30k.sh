#!/usr/bin/env bash
# Behind the README's row of students: the runs of recipe multi30k, each trained on from what they translate together.
#   scripts/distil_multi30k.sh DATA_DIR [RUNS_DIR]
# DATA_DIR and RUNS_DIR are those of scripts/train_multi30k.sh, which comes first. Interrupted, the same command goes on.
# Extra overrides: NMT_SET="training.max_steps=20".
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?"usage: scripts/distil_multi30k.sh DATA_DIR [RUNS_DIR]"}
runs=${2:-runs}
. scripts/environment.sh
install ".[plot,moses]"

teachers=("$runs"/multi30k/*/seed*)
students=$runs/multi30k-students
mkdir -p "$students"
[ -e "$students/translations" ] ||
    nmt translate "${teachers[@]}" --input "$data/train.en" --beam-size 8 --n-best 8 --output "$students/translations"
python scripts/distilled_text.py "$students/translations" "$data/train.en" "$data/train.fr" > "$students/text.tsv"
for teacher in "${teachers[@]}"; do
    nmt train multi30k --data "$students/text.tsv" --dev "$data/val" --run "$students/${teacher##*/}" --init-from "$teacher" \
        --set training.epochs=3 --set training.learning_rate=1e-3 ${NMT_SET:+--set "$NMT_SET"}
done
for text in val test_2016_flickr test_2017_flickr; do
    for student in "$students"/seed*; do
        nmt evaluate "$student" --precision float32 --source "$data/$text.en" --reference "$data/$text.fr" \
            --save-hypotheses "$student/$text.txt"
    done
    echo "== students, $text, Moses-tokenised and lowercased"
    python scripts/score_moses.py "$students"/seed*/"$text.txt" "$data/$text.fr"
done
