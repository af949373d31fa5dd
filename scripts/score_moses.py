#!/usr/bin/env python3
"""BLEU on the scale of published Multi30k tables: of punctuation-normalised, Moses-tokenised, lowercased French.

    pip install sacremoses
    python scripts/score_moses.py HYPOTHESES REFERENCES

Both files hold raw text. Moses parts apostrophes where sacreBLEU's 13a does not: never compare the two scores.
"""

import sys
from pathlib import Path

import sacrebleu
from sacremoses import MosesPunctNormalizer, MosesTokenizer

from nmt.text import read_lines


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    normalizer, tokenizer = MosesPunctNormalizer(lang="fr"), MosesTokenizer(lang="fr")
    hypotheses, references = (
        [tokenizer.tokenize(normalizer.normalize(line), return_str=True).lower() for line in read_lines(Path(path))]
        for path in sys.argv[1:]
    )
    if len(hypotheses) != len(references):
        sys.exit(f"expected as many hypotheses as references. Received: {len(hypotheses)} and {len(references)}.")
    metric = sacrebleu.BLEU(tokenize="none", force=True)
    print(metric.corpus_score(hypotheses, [references]), metric.get_signature())


if __name__ == "__main__":
    main()
