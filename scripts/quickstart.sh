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
    nmt evaluate "$run" --source "data/everyday/$name.en" --reference "data/everyday/$name.fr" \
        --save-hypotheses "$run/$name.hypotheses.fr" | tee "$run/$name.scores.txt"
done
echo "== translations"
nmt translate "$run" <<'SENTENCES' | tee "$run/translations.fr"
My sisters bought an apple yesterday.
The old hotel is near the station.
I lost my keys, but I found them on the bus.
Sir, do you want some bread?
SENTENCES
nmt plot "$run" "The umbrellas that the waitresses looked for are on the table." --output "$run/heatmap.png"
echo "The run, its scores, its learning curve and a heat map are in $run. Try: .venv/bin/nmt translate $run"
