#!/usr/bin/env bash
# From nothing to a translator: environment, training on the embedded corpus, scores, translations, a heat map.
# Everything goes into .venv and runs/quickstart; run it again to go on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
install ".[plot]"

run=runs/quickstart
nmt train quickstart --run "$run"
for name in test test_recombined; do
    echo "== $name"
    nmt evaluate "$run" --source "everyday/$name.en" --reference "everyday/$name.fr" \
        --save-hypotheses "$run/$name.hypotheses.fr" | tee "$run/$name.scores.txt"
done
echo "== translations"
head -n 5 data/everyday/test.en | tee "$run/sentences.en" | nmt translate "$run" >"$run/sentences.fr"
paste "$run/sentences.en" "$run/sentences.fr"
nmt plot "$run" "The umbrellas that the waitresses looked for are on the table." --output "$run/heatmap.png"
echo "The run, its scores, its learning curve and a heat map are in $run. Try: .venv/bin/nmt translate $run"
