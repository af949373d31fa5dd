#!/usr/bin/env bash
# From nothing to a translator. First a model that ships with the package translates three sentences;
# then a small one is trained from start to end on the embedded corpus, scored, and looked into.
# Everything goes into .venv and runs/quickstart; run it again to go on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
install ".[plot,serve,documents]"

run=runs/quickstart
mkdir -p "$run"
echo "== a model that ships: nmt translate en-fr"
printf '%s\n' "Where is the train station?" "I would like a glass of water, please." \
    "The children are playing in the garden." >"$run/first.en"
nmt translate en-fr <"$run/first.en" | paste "$run/first.en" -
nmt plot en-fr "The children are playing in the garden." --output "$run/en-fr.png"
echo "Where it looked: $run/en-fr.png"

echo "== a small model of your own: nmt train quickstart"
nmt train quickstart --run "$run"
for name in test test_recombined; do
    echo "== $name"
    nmt evaluate "$run" --source "everyday/$name.en" --reference "everyday/$name.fr" \
        --save-hypotheses "$run/$name.hypotheses.fr" | tee "$run/$name.scores.txt"
done
echo "== translations"
head -n 5 nmt/everyday/test.en | tee "$run/sentences.en" | nmt translate "$run" >"$run/sentences.fr"
paste "$run/sentences.en" "$run/sentences.fr"
nmt plot "$run" "The umbrellas that the waitresses looked for are on the table." --output "$run/heatmap.png"
echo "The run, its scores, its learning curve and a heat map are in $run."
echo "Try: .venv/bin/nmt translate en-fr, .venv/bin/nmt serve"
