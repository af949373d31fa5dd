#!/usr/bin/env bash
# The English-French models for everybody's text: prepares the text, trains, scores, packages.
#   scripts/train_general.sh DATA_DIR [SOURCE TARGET]     (en fr; or fr en)
# DATA_DIR holds tatoeba, europarl, general and multi30k, the last for its tests only: see
# scripts/general_corpus.py. Interrupted, the same command resumes. Everything goes to RUNS/general
# (RUNS: runs): the text to text/, the run to SOURCE-TARGET/. Extra overrides, one or several:
# NMT_SET="training.epochs=4 training.batch_size=2000".
set -euo pipefail
data=${1:?"usage: scripts/train_general.sh DATA_DIR [SOURCE TARGET]"}
data=$(realpath -- "$data")
source=${2:-en}
target=${3:-fr}
case "$source-$target" in
en-fr) space=no_break ;;
fr-en) space=none ;; # English writes no space before ! ? : ;
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

# How often a pair is drawn per epoch: about 5 M target tokens, a third of them everyday sentences.
# Weights below 1 draw other pairs in the next epoch. Manuals and laws count little, or everything
# sounds like them; so does the generated grammar of `everyday`.
weights=${WEIGHTS:-everyday=0.5 phrases=4 sentences=2 tatoeba=1 stories=2 services=1 ui=1 docs=0.1 law=0.2 europarl=0.125}
corpora=
for weight in $weights; do
    corpora+="${corpora:+, }{path: '$text/${weight%=*}', weight: ${weight#*=}}"
done
overrides=()
for override in ${NMT_SET:-}; do
    overrides+=(--set "$override")
done

nmt train general --run "$run" --dev "$text/dev" --set "data.train=[$corpora]" \
    --set "data.source=$source" --set "data.target=$target" --set "data.typography.space=$space" \
    "${overrides[@]}"

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
