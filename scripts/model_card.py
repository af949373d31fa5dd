"""Write the model card of a run of recipe general: `python scripts/model_card.py RUN > card.json`.

The card names every training text with its licence (data/models/sources.json) and has the scores
that scripts/train_general.sh left in the run: NAME.scores.json, as `nmt evaluate --json` prints it.
"""

import json
import sys
from pathlib import Path

from nmt.runs.package import CardScore, GivenCard, TextSource
from nmt.runs.run_folder import Run

SOURCES = Path(__file__).resolve().parents[1] / "data" / "models" / "sources.json"
TEST_SETS = {
    "tatoeba": "Tatoeba test, grouped references",
    "europarl": "Europarl test",
    "multi30k_2016": "Multi30k test_2016_flickr",
    "multi30k_2017": "Multi30k test_2017_flickr",
    "everyday": "everyday test",
}
LICENCE = (
    "by source: CC BY, CC0, Apache-2.0, MIT, BSD, MPL-2.0, OGL Canada, PSF; none stated for"
    " Europarl"
)
DESCRIPTION = (
    "Translates everyday sentences, notices, interfaces and simple prose. A recurrent"
    " encoder-decoder with attention, trained on two CPU cores by scripts/train_general.sh."
)
LIMITS = (
    "Long sentences, idioms, slang, poetry and specialist text often come out wrong.",
    "Each sentence is translated alone, without the ones around it.",
    "Check what matters: figures, names, medical and legal text.",
)


def main() -> None:
    run = Path(sys.argv[1])
    Run.open(run)  # UserError for a folder that is no run
    scores = []
    for name, title in TEST_SETS.items():
        path = run / f"{name}.scores.json"
        if path.is_file():
            bleu = json.loads(path.read_text("utf-8"))["scores"][0]
            scores.append(
                CardScore(
                    test_set=title, metric="BLEU", score=bleu["value"], signature=bleu["signature"]
                )
            )
    card = GivenCard(
        description=DESCRIPTION,
        licence=LICENCE,
        sources=tuple(TextSource(**one) for one in json.loads(SOURCES.read_text("utf-8"))),
        scores=tuple(scores),
        limits=LIMITS,
    )
    print(card.model_dump_json(indent=1))


if __name__ == "__main__":
    main()
