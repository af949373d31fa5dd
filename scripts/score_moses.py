#!/usr/bin/env python3
"""BLEU on the scale of published Multi30k tables: of punctuation-normalised, Moses-tokenised,
lowercased French.

    pip install '.[moses]'
    python scripts/score_moses.py HYPOTHESES... REFERENCES

All files hold raw text. Of several translations, by runs with other seeds, the mean and the
standard deviation follow. Moses parts apostrophes where sacreBLEU's 13a does not: never compare the
two scores.
"""

import statistics
import sys
from pathlib import Path

import sacrebleu
from sacremoses import MosesPunctNormalizer, MosesTokenizer

from nmt.text.lines import read_lines


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    *paths, path_of_references = map(Path, sys.argv[1:])
    references = _tokenized(path_of_references)
    metric = sacrebleu.BLEU(tokenize="none", force=True)
    scores = []
    for path in paths:
        lines = _tokenized(path)
        if len(lines) != len(references):
            sys.exit(
                f"{path}: expected as many lines as references. Received: {len(lines)} and"
                f" {len(references)}."
            )
        score = metric.corpus_score(lines, [references])
        scores.append(score.score)
        print(score, metric.get_signature(), path)
    if len(scores) > 1:
        mean, deviation = statistics.mean(scores), statistics.stdev(scores)
        print(
            f"BLEU = {mean:.2f} ± {deviation:.2f}, mean and standard deviation of {len(scores)}"
            " runs"
        )


def _tokenized(path: Path) -> list[str]:
    normalizer, tokenizer = MosesPunctNormalizer(lang="fr"), MosesTokenizer(lang="fr")
    return [
        tokenizer.tokenize(normalizer.normalize(line), return_str=True).lower()
        for line in read_lines(path)
    ]


if __name__ == "__main__":
    main()
