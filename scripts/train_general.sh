#!/usr/bin/env bash
# The English-French models for everybody's text: prepares the text, trains, scores, packages.
#   scripts/train_general.sh DATA_DIR [SOURCE TARGET]     (en fr; or fr en)
# DATA_DIR holds tatoeba, europarl, general and multi30k, the last for its tests only: see
# scripts/general_corpus.py. Interrupted, the same command resumes. Everything goes to RUNS/general
# (RUNS: runs): the text to text/, the runs of two stages to SOURCE-TARGET/ and SOURCE-TARGET-last/.
# Extra overrides, one or several: NMT_SET="training.max_steps=40 training.batch_size=2000".
set -euo pipefail
data=${1:?"usage: scripts/train_general.sh DATA_DIR [SOURCE TARGET]"}
data=$(realpath -- "$data")
source=${2:-en}
target=${3:-fr}
case "$source-$target" in
en-fr) space=no_break quotes=guillemets ;;
fr-en) space=none quotes=straight ;; # English writes no space before ! ? : ;
*) echo "usage: scripts/train_general.sh DATA_DIR [en fr | fr en]" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
. scripts/environment.sh
install ".[plot]"

folder=${RUNS:-runs}/general
text=$folder/text
run=$folder/$source-$target
mkdir -p "$folder"
python scripts/general_corpus.py "$data" "$text"

# First everything: about 6 M target tokens per epoch. A weight says how often a pair is drawn per
# epoch; those below 1 draw other pairs in the next one. Manuals and laws count little, or everything
# sounds like them; so does the generated grammar of `everyday`.
weights="everyday=0.5 first_phrases_$source=6 phrases=4 quotations=0.5 marked=1 sentences=2 tatoeba=1"
weights=${WEIGHTS:-$weights stories=2 services=1 ui=1 docs=0.1 law=0.2 europarl=0.125}
# Then, from these weights and with a rate of its own, more of what people say and write every day:
# a phrase must be seen dozens of times before it is not translated word by word. Epochs are small.
last="everyday=0.012 first_phrases_$source=6 phrases=2.4 quotations=0.5 marked=0.1 sentences=0.09"
last=${LAST_WEIGHTS:-$last tatoeba=0.06 ui=0.03 stories=0.12 services=0.048 docs=0.0048 law=0.006 europarl=0.0072}

train() { # RUN WEIGHTS [ARGUMENT...]
    local corpora= overrides=() weight override
    for weight in $2; do
        corpora+="${corpora:+, }{path: '$text/${weight%=*}', weight: ${weight#*=}}"
    done
    for override in ${NMT_SET:-}; do
        overrides+=(--set "$override")
    done
    nmt train general --run "$1" --dev "$text/dev" --set "data.train=[$corpora]" \
        --set "data.source=$source" --set "data.target=$target" --set "data.typography.space=$space" \
        --set "data.typography.quotes=$quotes" --set "decoding.typography.quotes=$quotes" \
        "${@:3}" "${overrides[@]}"
}
train "$run" "$weights"
train "$run-last" "$last" --init-from "$run" --set training.learning_rate=1e-3 \
    --set training.warmup_steps=100 --set training.ema_decay=0.999 --set training.batch_size=1800 \
    --set training.evaluate_every=1000 --set training.max_steps=6000 --set training.epochs=40
run=$run-last

score() { # NAME PREFIX [ARGUMENT...]
    echo "== $source-$target, $1"
    nmt evaluate "$run" --precision int8 --beam-size 5 --json \
        --source "$2.$source" --reference "$2.$target" \
        --save-hypotheses "$run/$1.hypotheses.$target" "${@:3}" | tee "$run/$1.scores.json"
}
score tatoeba "$data/tatoeba/test" --group-references
score europarl "$data/europarl/test"
score multi30k_2016 "$data/multi30k/test_2016_flickr"
score multi30k_2017 "$data/multi30k/test_2017_flickr"
score everyday everyday/test

python scripts/model_card.py "$run" >"$run/card.json"
nmt export "$run" --format package --output "$run/$source-$target.nmt" \
    --card "$run/card.json" --golden "data/models/golden.$source"
echo "The model: $run/$source-$target.nmt. In nmt/pretrained it is an installed model."
