"""Translation quality: BLEU, chrF and TER by sacreBLEU, and agreement of French typography.

Scores are computed on detokenised text against raw references and carry sacreBLEU's signature.
sacreBLEU treats all white-space characters alike, so its scores do not distinguish `Quoi ?` with
U+202F from `Quoi ?` with U+0020; `typography_agreement` does.

A *reference set* holds one reference per line, or None for a line without a reference in that set.
This is the shape that sacreBLEU takes: `references[set][line]`.
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
    """A corpus-level score. Higher is better for BLEU and chrF, lower for TER."""

    name: str
    value: float
    signature: str

    def as_dict(self) -> dict[str, str | float]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.name} = {self.value:.2f}  {self.signature}"


@dataclass(frozen=True)
class Agreement:
    """`matched` of the `total` typographic marks in the references were reproduced with their
    space."""

    matched: int
    total: int

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None if the references contain no such mark."""
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
    """BLEU, chrF and TER, in this order, with the default settings of sacreBLEU's command line.

    Raises UserError if there is nothing to score, if a set is not as long as `hypotheses`, or if a
    line has no reference; TypeError for a string instead of a sequence of lines.
    """
    _check(hypotheses, references)
    return [_score(metric, hypotheses, references) for metric in (BLEU(), CHRF(), TER())]


def bleu(hypotheses: Sequence[str], references: Sequence[ReferenceSet]) -> float:
    """BLEU as in `corpus_scores`, without a signature. Used for validation during training."""
    _check(hypotheses, references)
    # `force` only silences a warning about tokenised text at every evaluation.
    return _score(BLEU(force=True), hypotheses, references).value


def typography_agreement(
    hypotheses: Sequence[str], references: Sequence[ReferenceSet]
) -> Agreement:
    """How often the spaces around French punctuation equal those of the reference.

    A line is treated as a multiset of pairs (mark, space): each of `? ! ; : » % €` with the
    character before it, and each `«` with the character after it. White space is compared by exact
    character (U+0020, U+00A0, U+202F ...); any other character, or the edge of the line, is "no
    space". `total` counts the pairs of the references, and `matched` those that also occur in the
    hypothesis, at most as often as they occur there. This is a recall: missing marks count as
    errors, additional ones do not. Positions in the line are ignored.

    Of several references for a line only the most similar one counts: the highest 2*matched /
    (pairs of both), where two lines without marks are equal, then the one with more marks, then the
    first. (With plain recall, a hypothesis without marks would be compared to the only reference
    that has some.)

    Raises what `corpus_scores` raises.
    """
    _check(hypotheses, references)
    matched = total = 0
    for hypothesis, line_references in zip(hypotheses, zip(*references, strict=True), strict=True):
        marks = _spaced_marks(hypothesis)
        candidates = [
            _spaced_marks(reference) for reference in line_references if reference is not None
        ]
        best = max(candidates, key=lambda other: (_similarity(marks, other), other.total()))
        matched += (marks & best).total()
        total += best.total()
    return Agreement(matched, total)


def group_references(
    sources: Sequence[str], references: Sequence[str]
) -> tuple[list[str], list[list[str | None]]]:
    """Groups the references of repeated source lines.

    `references[i]` translates `sources[i]`. Returns the distinct sources in order of first
    appearance, and their reference sets: as many sets as the source with most references needs,
    None where a source has fewer. Repeated references of a source are kept once. Without grouping,
    a valid translation would be scored against each of the other references in turn.

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
    num_sets = max(map(len, grouped.values()), default=0)
    sets: list[list[str | None]] = [[] for _ in range(num_sets)]
    for of_source in grouped.values():
        padded: list[str | None] = [*of_source, *[None] * (num_sets - len(of_source))]
        for reference_set, one_or_none in zip(sets, padded, strict=True):
            reference_set.append(one_or_none)
    return list(grouped), sets


def _score(
    metric: Any, hypotheses: Sequence[str], references: Sequence[ReferenceSet]
) -> MetricScore:
    result = metric.corpus_score(hypotheses, references)
    # The signature includes the number of references, which is known after scoring only.
    return MetricScore(result.name, float(result.score), str(metric.get_signature()))


def _check(hypotheses: Sequence[str], references: Sequence[ReferenceSet]) -> None:
    """sacreBLEU truncates the longer side silently, and a line without references gives an obscure
    error."""
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
    """Counts of (mark, its space); "" for no space."""
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


def _similarity(a: Counter[tuple[str, str]], b: Counter[tuple[str, str]]) -> float:
    size = a.total() + b.total()
    return 2 * (a & b).total() / size if size else 1.0
