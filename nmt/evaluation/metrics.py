"""How good a translation is, in numbers that others can check.

Every score is sacreBLEU's, on detokenised text against raw references, and carries its signature.
sacreBLEU reads every white-space character alike, so no score tells `Quoi ?` with U+202F from the
same with U+0020; `typography_agreement` does.

A *reference set* holds one reference for every line, None where a line has no reference in that
set: the shape sacreBLEU takes, `references[set][line]`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt.errors import UserError

ReferenceSet = Sequence[str | None]

MARKS_AFTER_A_SPACE = frozenset("?!;:»%€")
MARKS_BEFORE_A_SPACE = frozenset("«")


@dataclass(frozen=True)
class MetricScore:
    """One metric over a corpus; BLEU and chrF grow with quality, TER falls."""

    name: str
    value: float
    signature: str

    def as_dict(self) -> dict[str, str | float]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.name} = {self.value:.2f}  {self.signature}"


@dataclass(frozen=True)
class Agreement:
    """`matched` of the references' `total` typographic marks were reproduced, space and all."""

    matched: int
    total: int

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None when the references hold no such mark, which is neither good nor
        bad."""
        return self.matched / self.total if self.total else None

    def as_dict(self) -> dict[str, int | float | None]:
        return {"matched": self.matched, "total": self.total, "share": self.share}

    def __str__(self) -> str:
        if self.share is None:
            return "typography: the references have no mark that takes a space"
        return (
            f"typography = {100 * self.share:.1f} %  {self.matched} of {self.total} marks with the"
            " reference's space"
        )


def corpus_scores(
    hypotheses: Sequence[str], references: Sequence[ReferenceSet]
) -> list[MetricScore]:
    """BLEU, chrF and TER, in this order, with sacreBLEU's default settings: those of its command
    line.

    Raises UserError if there is nothing to score, if a set is not as long as `hypotheses`, or if a
    line has no reference; TypeError for a string in the place of a sequence of lines.
    """
    _check(hypotheses, references)
    return [_score(metric, hypotheses, references) for metric in (BLEU(), CHRF(), TER())]


def bleu(hypotheses: Sequence[str], references: Sequence[ReferenceSet]) -> float:
    """The BLEU of `corpus_scores`, alone and without a signature: cheap enough to follow a training
    with."""
    _check(hypotheses, references)
    # `force` changes no number: it keeps sacreBLEU from warning about tokenised text again at every
    # evaluation.
    return _score(BLEU(force=True), hypotheses, references).value


def typography_agreement(
    hypotheses: Sequence[str], references: Sequence[ReferenceSet]
) -> Agreement:
    """How often the spaces around French punctuation are those of the reference.

    A line is read as a multiset of pairs (mark, space): each of `? ! ; : » % €` with the character
    before it, and each `«` with the character after it. Only white space counts as a space, by its
    exact character (U+0020, U+00A0, U+202F ...); anything else, or the edge of the line, is "no
    space". `total` counts the pairs of the references, `matched` those that the hypothesis holds
    too, each at most as often as it holds it. So a mark that is missing altogether is not matched
    either, and one too many costs nothing: this is a recall. Where in the line a mark stands does
    not matter.

    Of several references for a line only the one most alike counts: the highest 2*matched / (pairs
    of both), where two lines without marks are alike, then the one with more marks, then the first.
    (By plain recall, a hypothesis without marks would be held against the one reference that has
    some.)

    Raises what `corpus_scores` raises.
    """
    _check(hypotheses, references)
    matched = total = 0
    for hypothesis, line_references in zip(hypotheses, zip(*references, strict=True), strict=True):
        found = _spaced_marks(hypothesis)
        candidates = [
            _spaced_marks(reference) for reference in line_references if reference is not None
        ]
        wanted = max(candidates, key=lambda marks: (_likeness(found, marks), marks.total()))
        matched += (found & wanted).total()
        total += wanted.total()
    return Agreement(matched, total)


def group_references(
    sources: Sequence[str], references: Sequence[str]
) -> tuple[list[str], list[list[str | None]]]:
    """Each distinct source line once, with all the references it has anywhere in the corpus.

    `references[i]` translates `sources[i]`. Returns the distinct sources in order of first
    appearance, and the reference sets for them: as many sets as the most-translated source has
    references, None where a source has fewer. A reference repeated for the same source is kept
    once. A source scored once per reference, each time against that one alone, would be marked
    wrong for choosing another.

    Raises UserError if the two are not equally long.
    """
    if len(sources) != len(references):
        raise UserError(
            "sources and references must have equally many lines to be grouped. Received:"
            f" {len(sources)} sources and {len(references)} references. Check that the files belong"
            " together."
        )
    grouped: dict[str, dict[str, None]] = {}  # a dict of None is a set that keeps its order
    for source, reference in zip(sources, references, strict=True):
        grouped.setdefault(source, {})[reference] = None
    num_sets = max((len(found) for found in grouped.values()), default=0)
    sets: list[list[str | None]] = [[] for _ in range(num_sets)]
    for found in grouped.values():
        padded: list[str | None] = [*found, *[None] * (num_sets - len(found))]
        for reference_set, one_or_none in zip(sets, padded, strict=True):
            reference_set.append(one_or_none)
    return list(grouped), sets


def _score(
    metric: Any, hypotheses: Sequence[str], references: Sequence[ReferenceSet]
) -> MetricScore:
    result = metric.corpus_score(hypotheses, references)
    # Only now does the metric know the number of references, which the signature states.
    return MetricScore(result.name, float(result.score), str(metric.get_signature()))


def _check(hypotheses: Sequence[str], references: Sequence[ReferenceSet]) -> None:
    """sacreBLEU itself cuts the longer side without a word, and fails obscurely on a line without
    references."""
    if isinstance(hypotheses, str) or any(
        isinstance(reference_set, str) for reference_set in references
    ):
        raise TypeError(
            "hypotheses must be a sequence of lines and references a sequence of such sequences,"
            " one per set."
        )
    if not hypotheses:
        raise UserError(
            "there must be at least one line to score. Received: no hypotheses. Check the input"
            " file."
        )
    if not references:
        raise UserError(
            "there must be at least one set of references. Received: none. Give a file of"
            " references."
        )
    for number, reference_set in enumerate(references, 1):
        if len(reference_set) != len(hypotheses):
            raise UserError(
                "hypotheses and references must have equally many lines. Received:"
                f" {len(hypotheses)} hypotheses and {len(reference_set)} references (set {number}"
                f" of {len(references)}). Check that the files belong together."
            )
    for number, line_references in enumerate(zip(*references, strict=True), 1):
        if all(reference is None for reference in line_references):
            raise UserError(
                f"every line must have a reference. Received: none for line {number}. Leave the"
                " line out."
            )


def _spaced_marks(line: str) -> Counter[tuple[str, str]]:
    """(mark, its space) -> how often; the space is "" where there is none."""
    pairs: Counter[tuple[str, str]] = Counter()
    for i, mark in enumerate(line):
        if mark in MARKS_AFTER_A_SPACE:
            neighbour = line[i - 1 : i]  # "" at the start of the line: [-1:0] is empty
        elif mark in MARKS_BEFORE_A_SPACE:
            neighbour = line[i + 1 : i + 2]
        else:
            continue
        pairs[mark, neighbour if neighbour.isspace() else ""] += 1
    return pairs


def _likeness(a: Counter[tuple[str, str]], b: Counter[tuple[str, str]]) -> float:
    size = a.total() + b.total()
    return 2 * (a & b).total() / size if size else 1.0
