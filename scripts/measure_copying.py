"""How much of what should be copied comes through exactly, and what it costs the rest.

    python scripts/measure_copying.py RUN DATA/train DATA/test

Words of the test pairs that translate each other become placeholders, addresses and names in
foreign letters, up to three in a pair, some at its start or its end: the test set is made as
training pairs are masked.
"""

import sys

from nmt import Translator
from nmt.evaluation.metrics import bleu
from nmt.text.lines import read_parallel, resolve_parallel
from nmt.text.placeholders import Copier, PairMasker, translations_of_words
from nmt.text.tokenizer import sample_lines

COPIES = [  # one for each copy symbol
    "{name}",
    "%s",
    "%1$d",
    "${total}",
    "{{ user.name }}",
    "%(count)d",
    "{0}",
    "%@",
    "https://example.org/a_b?c=d#e",
    "www.example.fr/été",
    "jean@exemple.fr",
    "a.b+c@mail.example.org",
    "Łódź",
    "東京",
    "Ελλάδα",
    "😀",
]


def main() -> None:
    run, *specs = sys.argv[1:]
    translator = Translator.load(run)
    data = translator.run.config.data
    train, test = (
        read_parallel(resolve_parallel(spec, data.source, data.target)) for spec in specs
    )
    partners = translations_of_words(sample_lines(train, 10_000, seed=1))
    masker = PairMasker(Copier((), lambda line: set()), partners, share=1.0, seed=1)
    masked = [
        pair for number, lines in enumerate(test) if (pair := masker.mask(number, *lines))[0].copies
    ]
    sources, references = (
        [pair[side].replaced(lambda copy: COPIES[copy.symbol]) for pair in masked]
        for side in (0, 1)
    )
    hypotheses = [translation.text for translation in translator.translate(sources)]
    wanted = [[COPIES[copy.symbol] for copy in source.copies] for source, _ in masked]
    exact = [
        hypothesis.count(copy) == 1
        for hypothesis, of_line in zip(hypotheses, wanted, strict=True)
        for copy in of_line
    ]
    for line in zip(sources[:3], hypotheses, references, strict=False):
        print(*line, sep="\n  ")
    print(
        f"{len(sources):,} lines, {len(exact):,} copies: {sum(exact) / len(exact):.1%} come through"
        " exactly once"
    )
    print(f"BLEU {bleu(hypotheses, [references]):.1f} against references with the same copies")


if __name__ == "__main__":
    main()
