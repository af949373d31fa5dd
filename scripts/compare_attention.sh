#!/usr/bin/env bash
# The comparison in docs/results/attention.md: ten variants of the decoder, three seeds each.
#   scripts/compare_attention.sh DATA_DIR [RUNS_DIR]
# DATA_DIR holds train, val, test_2016_flickr and test_2017_flickr (.en and .fr, raw text); with gold alignments in
# GOLD_DIR (dev.en, dev.fr, dev.gold), error rates are measured, too. Interrupted, the same command goes on; the report
# in RUNS_DIR is rewritten after each run. Extra overrides: NMT_SET="training.max_steps=20"; fewer: ATTENTION, SEEDS;
# several trainings at a time: JOBS.
set -euo pipefail
data=${1:?"usage: scripts/compare_attention.sh DATA_DIR [RUNS_DIR]"}
data=$(realpath -- "$data")
runs=${2:+$(realpath -m -- "$2")}
runs=${runs:-runs/attention}
cd "$(dirname "$0")/.."
. scripts/environment.sh
install ".[plot]"

# One thing differs from the baseline, `luong` = update_first/general, in each of the others; in `bahdanau`, two.
variants=luong,bahdanau,luong+input_feeding=true
for score in additive dot concat local_p multihead uniform none; do
    variants+=,update_first/$score
done

nmt compare attention --attention "${ATTENTION:-$variants}" --seeds "${SEEDS:-3}" --jobs "${JOBS:-1}" --output "$runs" \
    --data "$data/train" --dev "$data/val" --test "test_2016=$data/test_2016_flickr" \
    --test "test_2017=$data/test_2017_flickr" ${GOLD_DIR:+--gold-alignments "$GOLD_DIR/dev" "$GOLD_DIR/dev.gold"} \
    ${NMT_SET:+--set "$NMT_SET"}
