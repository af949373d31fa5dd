#!/usr/bin/env python3
"""Prepare the text of recipe `general`: filter, clean, group by kind of text, set dev pairs aside.

    python scripts/general_corpus.py DATA_DIR OUTPUT_DIR

DATA_DIR holds the English and French files of `tatoeba`, `europarl`, `multi30k` (only to keep its
sets out of the text) and `general`; the embedded corpus everyday and what this project wrote
(data/first_phrases_*.tsv, data/phrases.tsv, data/sentences) are added. OUTPUT_DIR receives

    GROUP.{en,fr}        training text, a pair of files for each of GROUPS
    general_dev.{en,fr}, sentences_dev.{en,fr}
                         pairs of `general` and of data/sentences that are not in the training text
    dev.{en,fr}          what is evaluated during training, a mixture of dev sets
    corpora.json         how many pairs came in and went out, and why others were dropped

No sentence of tests/pretrained/sentences.*.tsv nor a near copy, and no side of any dev or test set
is left in the training text. The same command again changes nothing.
"""

import argparse
import contextlib
import hashlib
import heapq
import itertools
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nmt.corpora.words import has_extreme_ratio, is_copied, is_long, words_of
from nmt.errors import UserError
from nmt.terminal import progress_bar
from nmt.text.lines import (
    atomic_write,
    file_fingerprint,
    is_blank,
    read_parallel,
    resolve_parallel,
    write_lines,
)
from nmt.text.perturbations import with_marks
from nmt.text.placeholders import lone_words, translations_of_words

ROOT = Path(__file__).resolve().parents[1]
ORDINARY = ROOT / "tests" / "pretrained"
WRITTEN = "written"  # by this project, as tables in a folder of their own
QUOTED = "quoted"  # the phrases of such a table, in sentences that quote them
MARKED = "marked"  # pairs of a text with one word in quotes or brackets
sys.path.insert(0, str(ORDINARY))

from ordinary import read_ordinary  # type: ignore[import-not-found]  # noqa: E402

Pair = tuple[str, str]  # English, French

GROUPS = {
    "everyday": ["everyday/train"],
    "first_phrases_en": [f"{WRITTEN}/first_phrases_en"],
    "first_phrases_fr": [f"{WRITTEN}/first_phrases_fr"],
    "phrases": [f"{WRITTEN}/phrases"],
    "quotations": [
        f"{QUOTED}/first_phrases_en",
        f"{QUOTED}/first_phrases_fr",
        f"{QUOTED}/phrases",
    ],
    "marked": [f"{MARKED}/{WRITTEN}/sentences", f"{MARKED}/tatoeba/train"],
    "sentences": [f"{WRITTEN}/sentences"],
    "tatoeba": ["tatoeba/train", "general/tatoeba_175k_extra", "general/refugee_phrasebook"],
    "stories": ["general/african_storybook"],
    "services": [  # prose for citizens and readers of web pages
        "general/canada_gov_misc",
        "general/canada_services",
        "general/digital_canada",
        "general/mozilla_www",
        "general/opensource_guide",
    ],
    "ui": [
        "general/android_aosp",
        "general/duckduckgo",
        "general/mozilla_firefox",
        "general/thunderbird_android",
        "general/ui_misc",
    ],
    "docs": [
        "general/debian_www_2012on",
        "general/django_docs",
        "general/ethereum_org",
        "general/httpd_docs",
        "general/php_docs",
        "general/python_docs",
        "general/react_docs",
        "general/tldr",
        "general/vue_docs",
    ],
    "law": ["general/canada_laws"],
    "europarl": ["europarl/train"],
}
EVALUATION = [  # whose sides the training text must not hold
    "tatoeba/dev",
    "tatoeba/test",
    "europarl/dev",
    "europarl/test",
    "multi30k/val",
    "multi30k/test_2016_flickr",
    "multi30k/test_2017_flickr",
    "everyday/dev",
    "everyday/test",
    "everyday/test_recombined",
]
# Sentences in which a phrase is quoted, by the mark at its end. The first word of a quotation has
# other pieces than that of a sentence, and is rare in text without dialogue.
QUOTATIONS: dict[str, list[Pair]] = {
    ".": [
        ('"{}," she said.', "« {} », dit-elle."),
        ('"{}," he said.', "« {} », dit-il."),
        ('"{}," said the old man.', "« {} », dit le vieil homme."),
        ('"{}," my mother answered.', "« {} », répondit ma mère."),
        ('"{}," Paul whispered.', "« {} », murmura Paul."),
        ('She said, "{}."', "Elle a dit : « {}. »"),
        ('He answered: "{}."', "Il a répondu : « {}. »"),
        ('They always say "{}" to me.', "Ils me disent toujours « {} »."),
        ("The message is short ({}).", "Le message est court ({})."),
    ],
    "?": [
        ('"{}?" she asked.', "« {} ? » demanda-t-elle."),
        ('"{}?" he asked.', "« {} ? » demanda-t-il."),
        ('"{}?" asked the teacher.', "« {} ? » demanda le professeur."),
        ('She asked, "{}?"', "Elle a demandé : « {} ? »"),
        ('He always asks me: "{}?"', "Il me demande toujours : « {} ? »"),
    ],
    "!": [
        ('"{}!" he cried.', "« {} ! » cria-t-il."),
        ('"{}!" she shouted.', "« {} ! » cria-t-elle."),
        ('"{}!" shouted the children.', "« {} ! » crièrent les enfants."),
        ('He shouted, "{}!"', "Il a crié : « {} ! »"),
        ('They said "{}!" and left.', "Ils ont dit « {} ! » et sont partis."),
    ],
}
MOST_QUOTED_WORDS = 8
MARKED_OF_256 = 24  # of 256 pairs, if they can be
MARKS = ['""'] * 6 + ["()"] * 3 + ["''"]  # how often which
SET_ASIDE = ("general_dev", "sentences_dev")
DEV_MIXTURE = {
    "tatoeba/dev": 700,
    "europarl/dev": 500,
    "general_dev": 500,
    "sentences_dev": 400,
    "everyday/dev": 300,
}
LOOSELY_PAIRED = {  # one line in ten to fifty is no translation
    "general/african_storybook",
    "general/canada_gov_misc",
    "general/react_docs",
    "general/refugee_phrasebook",
    "general/vue_docs",
}
GENERAL_DEV_PAIRS, GENERAL_DEV_PER_FILE = 1000, 100
SENTENCES_DEV_OF_256 = 4  # of 256 pairs
SEED = "general-1"

SIMILARITY = 0.8  # from which a sentence is a near copy of another
MIN_NEAR_COPY_WORDS = 4  # shorter ones must be equal: "I love you" is no copy of "I love it"


# ---------------------------------------------------------------------------------- held-out text


class NearCopies:
    """Finds the sentences that equal or resemble one of a set, in time that hardly grows with it.

    Two sentences of n and m words resemble each other if the Jaccard similarity of their bags of
    words, or the similarity 1 - edits / max(n, m) of their sequences, is at least SIMILARITY.
    Either implies that they share SIMILARITY * max(n, m) words, so a near copy has at least one of
    any (1 - SIMILARITY) * n + 1 words of the sentence: of its rarest ones, by which it is indexed.
    """

    def __init__(self, sentences: Iterable[str], frequencies: Counter[str]) -> None:
        self.keys: set[str] = set()
        self._words: list[list[str]] = []
        self._by_rare_word: dict[str, list[int]] = defaultdict(list)
        for sentence in sentences:
            words = words_of(sentence)
            if not words or " ".join(words) in self.keys:
                continue
            self.keys.add(" ".join(words))
            if len(words) < MIN_NEAR_COPY_WORDS:
                continue
            rarest = sorted(words, key=lambda word: (frequencies[word], word))
            for word in dict.fromkeys(rarest[: _most_edits(len(words)) + 1]):
                self._by_rare_word[word].append(len(self._words))
            self._words.append(words)
        self._max_words = max(map(len, self._words), default=0) / SIMILARITY + 1e-9

    def __contains__(self, words: Sequence[str]) -> bool:
        if " ".join(words) in self.keys:
            return True
        if not MIN_NEAR_COPY_WORDS <= len(words) <= self._max_words:
            return False
        candidates = {
            index
            for word in self._by_rare_word.keys() & set(words)
            for index in self._by_rare_word[word]
        }
        return any(_resemble(words, self._words[index]) for index in candidates)


def _most_edits(length: int) -> int:
    return int((1 - SIMILARITY) * length + 1e-9)


def _resemble(a: Sequence[str], b: Sequence[str]) -> bool:
    longer = max(len(a), len(b))
    if abs(len(a) - len(b)) > _most_edits(longer):
        return False
    shared = (Counter(a) & Counter(b)).total()
    if longer - shared > _most_edits(longer):
        return False
    jaccard = shared / (len(a) + len(b) - shared)
    return jaccard >= SIMILARITY - 1e-9 or _edits(a, b) <= _most_edits(longer)


def _edits(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein's distance, in words."""
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            substitution = diagonal + (word != other)
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, substitution)
    return row[-1]


# ---------------------------------------------------------------------------------- cleaning

# Frequent words that the other language does not have.
ENGLISH = frozenset(words_of("the and of to is that with this you are it be from have not was by"))
FRENCH = frozenset(words_of("le la les des est une et dans que vous du un au sur pas qui pour"))


def why_not(pair: Pair, words: tuple[list[str], list[str]], loosely_paired: bool) -> str | None:
    """The reason why a pair is no good training text, or None."""
    english, french = words
    longest, shortest = sorted(map(len, pair), reverse=True)
    if is_blank(pair[0]) or is_blank(pair[1]) or not english or not french:
        return "blank"
    if is_long(*pair):
        return "long"
    if has_extreme_ratio(*pair):
        return "ratio"
    if is_copied(english, french):
        return "untranslated"
    if _is_in(FRENCH, english, ENGLISH) or _is_in(ENGLISH, french, FRENCH) or not _latin(pair):
        return "language"
    if loosely_paired and _looks_misaligned(pair, longest, shortest):
        return "misaligned"
    return None


def _is_in(language: frozenset[str], words: list[str], expected: frozenset[str]) -> bool:
    if language.isdisjoint(words):
        return False
    count = sum(word in language for word in words)
    return count >= 3 and count > 2 * sum(word in expected for word in words)


def _latin(pair: Pair) -> bool:
    for side in pair:
        if not side.isascii():
            letters = [character for character in side if character.isalpha()]
            if sum(letter > "\u024f" for letter in letters) * 2 > len(letters):
                return False
    return True


def _looks_misaligned(pair: Pair, longest: int, shortest: int) -> bool:
    if longest >= 10 and longest > 2 * shortest:
        return True
    if any(re.search(r"_{2,}|\.\.(?!\.)", side.replace("...", "")) for side in pair):
        return True  # a gap to fill in, which may be on one side only
    english, french = (sorted(re.findall(r"\d+", side)) for side in pair)
    return english != french or pair[0].endswith("?") != pair[1].endswith("?")


# ---------------------------------------------------------------------------------- the text


@dataclass
class Corpora:
    """Where the input is, and what is filtered out of it."""

    data: Path
    everyday: Path
    output: Path
    written: Path
    near_copies: tuple[NearCopies, NearCopies] = field(init=False)
    evaluation: tuple[set[str], set[str]] = field(init=False)  # normalised sides

    def __post_init__(self) -> None:
        self.evaluation = (set(), set())
        frequencies: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        for name in EVALUATION:
            for pair in self.pairs(name):
                for side, text in enumerate(pair):
                    words = words_of(text)
                    frequencies[side].update(words)
                    self.evaluation[side].add(" ".join(words))
        held_out: tuple[list[str], list[str]] = ([], [])
        for source, target in ((0, 1), (1, 0)):
            for sentence in read_ordinary(*(("en", "fr")[side] for side in (source, target))):
                held_out[source].append(sentence.source)
                held_out[target].extend(sentence.translations)
        self.near_copies = (
            NearCopies(held_out[0], frequencies[0]),
            NearCopies(held_out[1], frequencies[1]),
        )
        for keys in self.evaluation:
            keys.discard("")

    @cached_property
    def lexicon(self) -> dict[str, str]:
        """English words and their French translations."""
        return translations_of_words(self.pairs(f"{WRITTEN}/sentences"))

    def prefix(self, name: str) -> Path:
        folder, _, rest = name.partition("/")
        if not rest:
            return self.output / name
        return self.everyday / rest if folder == "everyday" else self.data / name

    def files(self, name: str) -> list[Path]:
        """Both sides of a text; of one written for this project its tables."""
        name = name.removeprefix(f"{MARKED}/")
        folder, _, rest = name.partition("/")
        if folder in (WRITTEN, QUOTED):
            path = self.written / rest
            return sorted(path.glob("*.tsv")) if path.is_dir() else [path.with_suffix(".tsv")]
        sides = resolve_parallel(self.prefix(name), "en", "fr")
        return [sides.source, sides.target]

    def pairs(self, name: str) -> Iterator[Pair]:
        folder, _, rest = name.partition("/")
        if folder == MARKED:
            for pair in self.pairs(rest):
                if _order(pair)[0] < MARKED_OF_256 and not self.why_not(rest, pair):
                    yield from marked(pair, self.lexicon)
            return
        if folder == QUOTED:
            phrases = f"{WRITTEN}/{rest}"
            for pair in self.pairs(phrases):
                if not self.why_not(phrases, pair):
                    yield from quotations(pair)
            return
        if folder == WRITTEN:
            for table in self.files(name):
                yield from read_phrases(table)
            return
        for english, french in read_parallel(resolve_parallel(self.prefix(name), "en", "fr")):
            yield english.strip(), french.strip()

    def why_not(self, name: str, pair: Pair) -> str | None:
        """The reason why a pair of a file must not be trained on, or None."""
        words = (words_of(pair[0]), words_of(pair[1]))
        for side in (0, 1):
            if " ".join(words[side]) in self.evaluation[side]:
                return "evaluation"
        reason = why_not(pair, words, name in LOOSELY_PAIRED)
        if reason is None and any(words[side] in self.near_copies[side] for side in (0, 1)):
            return "held_out"
        return reason

    def inputs(self) -> list[Path]:
        """All files that decide the output, this script and its rules included."""
        texts = [name for names in GROUPS.values() for name in names] + EVALUATION
        rules = ROOT / "nmt" / "corpora" / "words.py"
        code = [Path(__file__), rules, ORDINARY / "ordinary.py", *sorted(ORDINARY.glob("*.tsv"))]
        return code + list(dict.fromkeys(path for name in texts for path in self.files(name)))


def marked(pair: Pair, lexicon: Mapping[str, str]) -> list[Pair]:
    """The pair with a word and its translation in quotes or brackets. No pair if it has such marks
    already, or no word of the lexicon that stands alone, and once, on both sides."""
    if any(re.search(r'["«»()\[\]]', side) for side in pair):
        return []
    english, french = map(lone_words, pair)
    found = [
        (places[0], others[0])
        for word, places in english.items()
        if len(places) == len(others := french.get(lexicon.get(word, ""), [])) == 1
    ]
    if not found:
        return []
    drawn = _order(pair)
    marks = MARKS[drawn[1] % len(MARKS)]
    english_word, french_word = found[drawn[2] % len(found)]
    return [
        (
            with_marks(pair[0], english_word.start, english_word.end, *marks),
            with_marks(pair[1], french_word.start, french_word.end, *marks),
        )
    ]


def read_phrases(path: Path) -> Iterator[Pair]:
    """The pairs of a table in which `{a|b}` stands for each of its choices: the first group of one
    side goes with the first of the other. Raises UserError if the numbers of choices differ."""
    files = resolve_parallel(str(path), "en", "fr")
    for number, (english, french) in enumerate(read_parallel(files), start=1):
        sides = [re.split(r"\{([^{}]*)\}", side) for side in (english, french)]
        groups = [[group.split("|") for group in side[1::2]] for side in sides]
        if list(map(len, groups[0])) != list(map(len, groups[1])):
            raise UserError(f"{path}, line {number}: expected as many choices on both sides.")
        for choice in itertools.product(*(range(len(group)) for group in groups[0])):
            chosen = [
                "".join(
                    part if i % 2 == 0 else of_side[i // 2][choice[i // 2]]
                    for i, part in enumerate(side)
                )
                for side, of_side in zip(sides, groups, strict=True)
            ]
            yield chosen[0], chosen[1]


def quotations(pair: Pair) -> list[Pair]:
    """Sentences that quote a phrase: one of QUOTATIONS, or each if the phrase is short.

    No sentence if the sides end with different marks, or if the phrase is long or has quotation
    marks itself.
    """
    phrase = [re.fullmatch(r"""([^"«»()…:]*\w)\s?([.?!]?)""", side) for side in pair]
    num_words = len(pair[0].split())
    if not all(phrase) or phrase[0][2] != phrase[1][2] or num_words > MOST_QUOTED_WORDS:
        return []
    frames = QUOTATIONS[phrase[0][2] or "."]
    if num_words >= MIN_NEAR_COPY_WORDS:
        frames = [frames[int.from_bytes(_order(pair)) % len(frames)]]
    elif phrase[0][2] == "!":
        frames = frames + QUOTATIONS["."]
    return [(one.format(phrase[0][1]), other.format(phrase[1][1])) for one, other in frames]


def _order(pair: Pair) -> bytes:
    """A pair's place in a random order that depends on the pair and the seed only."""
    return hashlib.blake2b("\n".join((SEED, *pair)).encode(), digest_size=8).digest()


def _typography_free(pair: Pair) -> bytes:
    text = re.sub(r"\s+", "", "\n".join(pair).replace("’", "'").replace("\n", "\t\x00"))
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def draw_general_dev(corpora: Corpora, tick: Callable[[], Any]) -> dict[str, list[Pair]]:
    """Pairs of each file of `general` for dev, in proportion to its size up to a limit."""
    drawn: dict[str, list[Pair]] = {}
    eligible: dict[str, int] = {}
    seen: set[bytes] = set()
    for name in sorted(name for names in GROUPS.values() for name in names):
        if not name.startswith("general/"):
            continue
        candidates: dict[Pair, None] = {}
        for pair in corpora.pairs(name):
            tick()
            if len(pair[0].split()) < MIN_NEAR_COPY_WORDS or corpora.why_not(name, pair):
                continue
            key = _typography_free(pair)
            if key not in seen:
                seen.add(key)
                candidates[pair] = None
        eligible[name] = len(candidates)
        drawn[name] = heapq.nsmallest(GENERAL_DEV_PER_FILE, candidates, key=_order)
    quotas = _quotas(eligible, GENERAL_DEV_PAIRS, GENERAL_DEV_PER_FILE)
    return {name: pairs[: quotas[name]] for name, pairs in drawn.items()}


def draw_sentences_dev(corpora: Corpora) -> list[Pair]:
    """A share of the sentences for dev, the same whatever is added to them."""
    name = f"{WRITTEN}/sentences"
    return [
        pair
        for pair in corpora.pairs(name)
        if _order(pair)[0] < SENTENCES_DEV_OF_256 and not corpora.why_not(name, pair)
    ]


def _quotas(sizes: dict[str, int], total: int, limit: int) -> dict[str, int]:
    """Parts of a total in proportion to sizes; what exceeds the limit goes to the others.

    No file gives more than half of its pairs.
    """
    limits = {name: min(limit, size // 2) for name, size in sizes.items()}
    total = min(total, sum(limits.values()))
    quotas = dict.fromkeys(sizes, 0)
    while total > sum(quotas.values()):
        rest = total - sum(quotas.values())
        open_names = [name for name in sizes if quotas[name] < limits[name]]
        weight = sum(sizes[name] for name in open_names)
        for name in sorted(open_names, key=lambda name: -sizes[name]):
            part = max(1, rest * sizes[name] // weight)
            part = min(part, limits[name] - quotas[name], total - sum(quotas.values()))
            quotas[name] += part
    return quotas


def dev_mixture(corpora: Corpora, set_aside: dict[str, list[Pair]]) -> dict[str, list[Pair]]:
    """Pairs of several dev sets, with distinct English sentences, in the order of their files."""
    mixture: dict[str, list[Pair]] = {}
    for name, count in DEV_MIXTURE.items():
        pairs = set_aside[name] if name in set_aside else corpora.pairs(name)
        distinct: dict[str, Pair] = {}
        for pair in pairs:
            words = (words_of(pair[0]), words_of(pair[1]))
            if not why_not(pair, words, loosely_paired=False):
                distinct.setdefault(" ".join(words[0]), pair)
        chosen = set(heapq.nsmallest(count, distinct.values(), key=_order))
        mixture[name] = [pair for pair in distinct.values() if pair in chosen]
    return mixture


@contextlib.contextmanager
def _pair_writer(prefix: Path) -> Iterator[Callable[[Pair], None]]:
    with atomic_write(f"{prefix}.en") as english, atomic_write(f"{prefix}.fr") as french:

        def write(pair: Pair) -> None:
            english.write(f"{pair[0]}\n".encode())
            french.write(f"{pair[1]}\n".encode())

        yield write


def write_pairs(prefix: Path, pairs: Sequence[Pair]) -> None:
    for side, suffix in enumerate(("en", "fr")):
        write_lines(f"{prefix}.{suffix}", (pair[side] for pair in pairs))


def write_groups(corpora: Corpora, tick: Callable[[], Any]) -> dict[str, Any]:
    """Write the training text; returns the counts of each group.

    A pair is written once, but each table of first phrases is whole: a model is trained with one of
    them only.
    """
    seen_before: set[bytes] = set()
    report: dict[str, Any] = {}
    for group, names in GROUPS.items():
        files: dict[str, Any] = {}
        num_words = [0, 0]
        seen = set() if group.startswith("first_phrases") else seen_before
        with _pair_writer(corpora.output / group) as write:
            for name in names:
                counts: Counter[str] = Counter()
                for pair in corpora.pairs(name):
                    tick()
                    reason = corpora.why_not(name, pair)
                    if reason is None:
                        key = _typography_free(pair)
                        reason = "duplicate" if key in seen else "out"
                        seen.add(key)
                    counts[reason] += 1
                    if reason == "out":
                        write(pair)
                        num_words = [
                            n + len(side.split()) for n, side in zip(num_words, pair, strict=True)
                        ]
                files[name] = {
                    "in": counts.total(),
                    "out": counts.pop("out", 0),
                    "dropped": dict(sorted(counts.items())),
                }
        report[group] = {
            "pairs": sum(counts["out"] for counts in files.values()),
            "words": dict(zip(("en", "fr"), num_words, strict=True)),
            "files": files,
        }
    return report


# ---------------------------------------------------------------------------------- command


def _text_files(output: Path) -> dict[str, str]:
    """What was written, and its fingerprint."""
    names = [*GROUPS, *SET_ASIDE, "dev"]
    paths = [output / f"{name}.{suffix}" for name in names for suffix in ("en", "fr")]
    return {path.name: file_fingerprint([path]) for path in paths if path.exists()}


def prepare(data: Path, everyday: Path, output: Path, written: Path) -> bool:
    """Write all of OUTPUT_DIR; returns False if it was there already."""
    unknown = {f"general/{path.stem}" for path in (data / "general").glob("*.en")}
    unknown -= {name for names in GROUPS.values() for name in names}
    if unknown:
        raise UserError(
            f"{', '.join(sorted(unknown))}: belongs to no group. Add it to GROUPS in"
            f" {Path(__file__).name}, or move it out of {data}."
        )
    corpora = Corpora(data, everyday, output, written)
    inputs = file_fingerprint(corpora.inputs())
    report_path = output / "corpora.json"
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        report = json.loads(report_path.read_text("utf-8"))
        if report["inputs"] == inputs and report["outputs"] == _text_files(output):
            return False
    output.mkdir(parents=True, exist_ok=True)
    with progress_bar("preparing") as bar:
        general_dev = draw_general_dev(corpora, bar.update)
        set_aside = {
            "general_dev": [pair for pairs in general_dev.values() for pair in pairs],
            "sentences_dev": draw_sentences_dev(corpora),
        }
        for name, pairs in set_aside.items():
            for pair in pairs:
                for side, text in enumerate(pair):
                    corpora.evaluation[side].add(" ".join(words_of(text)))
            write_pairs(output / name, pairs)
        mixture = dev_mixture(corpora, set_aside)
        write_pairs(output / "dev", [pair for pairs in mixture.values() for pair in pairs])
        groups = write_groups(corpora, bar.update)
    report = {
        "groups": groups,
        "general_dev": {name: len(pairs) for name, pairs in general_dev.items()},
        "dev": {name: len(pairs) for name, pairs in mixture.items()},
        "held_out": {
            side: len(copies.keys)
            for side, copies in zip(("en", "fr"), corpora.near_copies, strict=True)
        },
        "inputs": inputs,
        "outputs": _text_files(output),
    }
    with atomic_write(report_path) as stream:
        stream.write(json.dumps(report, indent=2, ensure_ascii=False).encode() + b"\n")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA_DIR")
    parser.add_argument("output", type=Path, metavar="OUTPUT_DIR")
    parser.add_argument(
        "--everyday",
        type=Path,
        default=ROOT / "nmt" / "everyday",
        metavar="DIR",
        help="folder of the embedded corpus (default: that of this checkout)",
    )
    parser.add_argument(
        "--written",
        type=Path,
        default=ROOT / "data",
        metavar="DIR",
        help="folder of the tables that this project writes (default: that of this checkout)",
    )
    arguments = parser.parse_args()
    try:
        changed = prepare(arguments.data, arguments.everyday, arguments.output, arguments.written)
    except UserError as error:
        sys.exit(f"error: {error}")
    report = json.loads((arguments.output / "corpora.json").read_text("utf-8"))
    if not changed:
        print(f"{arguments.output} is up to date")
    for group, counts in report["groups"].items():
        read = sum(file["in"] for file in counts["files"].values())
        dropped: Counter[str] = Counter()
        for file in counts["files"].values():
            dropped.update(file["dropped"])
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items()))
        print(f"{group:9}{counts['pairs']:8} of {read:7} pairs; dropped: {reasons or 'none'}")


if __name__ == "__main__":
    main()
