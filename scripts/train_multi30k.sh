#!/usr/bin/env bash
# The real recipe: trains both decoders on Multi30k English-French and scores them.
#   scripts/train_multi30k.sh DATA_DIR [RUNS_DIR]
# DATA_DIR holds train, val, test_2016_flickr and test_2017_flickr (.en and .fr, raw text). Interrupted, the same
# command resumes; finished runs are only scored. Extra --set overrides: NMT_SET="training.seed=2".
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?"usage: scripts/train_multi30k.sh DATA_DIR [RUNS_DIR]"}
runs=${2:-runs}
. scripts/environment.sh
install ".[plot]"

for attention in bahdanau luong; do
    run="$runs/multi30k-$attention"
    nmt train multi30k --run "$run" --data "$data/train" --dev "$data/val" \
        --set "model.decoder.attention=$attention" ${NMT_SET:+--set "$NMT_SET"}
    for name in val test_2016_flickr test_2017_flickr; do
        for beam in 1 5; do
            echo "== $attention, $name, beam $beam"
            nmt evaluate "$run" --source "$data/$name.en" --reference "$data/$name.fr" --beam-size "$beam" \
                --save-hypotheses "$run/$name.beam$beam.fr" | tee "$run/$name.beam$beam.txt"
        done
    done
done
