#!/usr/bin/env bash
# Everything behind the Multi30k results (docs/results/multi30k.md): two recipes, three seeds each, and the fast one in
# float32 beside bfloat16.
#   scripts/train_multi30k.sh [DATA_DIR [RUNS_DIR]]
# DATA_DIR holds train, val, test_2016_flickr and test_2017_flickr (.en and .fr, raw text). Without one, or if it is "",
# they are downloaded into RUNS_DIR/text/multi30k (`nmt data get multi30k`; a mirror: NMT_DATA_MIRROR). Interrupted, the
# same command goes on; the reports in RUNS_DIR are rewritten after each run. Fewer seeds: SEEDS; other recipes: RECIPES;
# extra overrides: NMT_SET="training.max_steps=20".
set -euo pipefail
data=${1:+$(realpath -- "$1")}
runs=${2:+$(realpath -m -- "$2")}
runs=${runs:-runs}
cd "$(dirname "$0")/.."
. scripts/environment.sh
install ".[plot,moses]"
if [ -z "$data" ]; then
    data=$runs/text/multi30k
    nmt data get multi30k --output "$data"
fi

for recipe in ${RECIPES:-multi30k-fast multi30k}; do
    precisions=bfloat16
    [ "$recipe" = multi30k ] || precisions+=,float32
    nmt compare "$recipe" --vary "training.precision=$precisions" --seeds "${SEEDS:-3}" \
        --data "$data/train" --dev "$data/val" --output "$runs/$recipe" \
        --test "test_2016=$data/test_2016_flickr" --test "test_2017=$data/test_2017_flickr" ${NMT_SET:+--set "$NMT_SET"}
    for text in dev=val test_2016=test_2016_flickr test_2017=test_2017_flickr; do
        for precision in ${precisions//,/ }; do
            echo "== $recipe in $precision, ${text#*=}, Moses-tokenised and lowercased"
            python scripts/score_moses.py "$runs/$recipe"/*"$precision"/seed*/compare/"${text%=*}.txt" "$data/${text#*=}.fr"
        done
    done
done
