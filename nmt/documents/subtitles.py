"""Subtitles: a sentence is translated as one, even where it stands in several cues, and is split
again among them by the length of their text and their time."""

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nmt.documents.document import (
    Document,
    ReadingOptions,
    Translations,
    decode,
    escaped,
    has_entities,
    is_translatable,
    limited,
    placed,
    read_marked,
)
from nmt.errors import UserError
from nmt.text.html_blocks import Block, Entry, PartsBuilder, Tag

MAX_GAP = 1.5  # seconds between two cues of a sentence
MAX_JOINED = 6  # cues of a sentence
MAX_LINE = 42  # characters, as broadcasters ask for
READING_SPEED = 20.0  # characters a second; more are hard to read
MAX_STEPS = 100_000  # of the search for the best split; longer texts are split by length alone

# Programs that shift times write negative ones, and some write no milliseconds.
_TIME = (
    r"(?P<sign{0}>-?)(?:(?P<h{0}>\d{{1,9}}):)?(?P<m{0}>\d{{1,2}}):(?P<s{0}>\d{{1,2}})"
    r"(?:[.,:](?P<f{0}>\d{{1,3}}))?"
)
_TIMING = re.compile(rf"\s*{_TIME.format(1)}\s*-->\s*{_TIME.format(2)}(?=\s|$).*")
_WORD_TIME = re.compile(r"<[\d:.]+>")  # in WebVTT
_LIKE_TIMING = re.compile(r"\s*-?\d[\d:.,]*\s*-->")
_NUMBER = re.compile(r"\s*\d+\s*")  # of a cue
_CHEVRONS = r"(?:>|&gt;){2,3}"  # of a new speaker, as television writes them
# "DR. O'NEIL:", "MAN 2:"; a sound stands in brackets
_NAME_OR_SOUND = r"[A-ZÀ-Þ][A-ZÀ-Þ .'’\d-]+:(?=\s|$)|[\[(]"
_VOICE = re.compile(r"\s*<v[.\s]")
_STARTS_ANEW = re.compile(rf"\s*(?:[-–—♪>]|#\s|{_CHEVRONS}|{_NAME_OR_SOUND})")
_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
_SENTENCE_END = re.compile(r"[.!?:;…♪\])。！？]+[\"'”’»)\]]*$")
_LONGEST_END = 20  # characters, in which the end of a sentence is looked for
# What belongs to the cue and not to its words: positions, and who speaks.
_DASH = r"[-–—](?=\s|[^\W\d_])"
_CUE_START = re.compile(
    rf"(?:\{{\\[^{{}}]*\}}|<[vc][.\s][^<>]*>|{_DASH}|{_CHEVRONS}|\s)*+"
    # A dash inside an element, which goes on with the words
    rf"(?:(?P<style>(?:<(?:[ibu]|font\b[^<>]*)>)++)\s*+{_DASH}\s*)?"
)
_CUE_END = re.compile(r"(?:>[vc]/<|\s)*")  # read backwards
_VOICE_START, _VOICE_END = re.compile(r"<[vc][.\s>]"), re.compile(r"</[vc]>")
_LANGUAGE = re.compile(r"(Language:\s*)([\w-]+)")  # in the header, as YouTube writes it
_PUNCTUATION = re.compile(r"[,.;:!?…][\"'”’»)]*$")


@dataclass(eq=False)
class _Cue:
    """Text of a cue: all of it, or what one of several speakers says."""

    raw: str
    before: str
    text: str
    after: str
    start: float  # seconds
    end: float
    num_lines: int
    line_end: str
    style: str = ""  # tags before the dash, which `text` begins with, too
    repeated: "_Cue | None" = None  # captions that roll up show a line again, above the next one

    def again(self, shown: str) -> str:
        """This cue, if the one that it repeats is now `shown`."""
        if self.repeated is None or shown == self.repeated.raw:
            return self.raw
        shown = shown.removeprefix(self.repeated.before).removesuffix(self.repeated.after)
        words = _plain(shown)
        return self.before + words + self.after if words.strip() else self.raw


@dataclass(eq=False)
class _Sentence:
    """Cues that are translated as one text."""

    cues: list[_Cue] = field(default_factory=list)
    parts: Sequence[str | Tag | Block] = ()
    block: Block | None = None

    def read(self, stand_ins: bool) -> None:
        text = " ".join(cue.text for cue in self.cues)
        text = re.sub(r"</(\w+)>(\s*)<\1>", r"\2", text)  # each cue was set in italics
        text = re.sub(r"[ \t\r\n]+", " ", text)
        for is_one in (False, True):
            builder = PartsBuilder(stand_ins)
            read_marked(builder, text, is_one=is_one)
            builder.end_text()
            found = [part for part in builder.parts if isinstance(part, Block)]
            if len(found) < 2:  # tags are in pairs
                break
        self.parts = builder.parts
        if found and is_translatable(found[0].text):
            self.block = found[0]

    def filled(self, translations: Translations) -> Iterator[tuple[_Cue, str]]:
        if self.block not in translations:
            yield from ((cue, cue.raw) for cue in self.cues)
            return
        entries = _timed(placed(self.parts, translations))
        is_escaped = any(has_entities(cue.text) for cue in self.cues)
        tokens = _words(escaped(entries) if is_escaped else entries)
        shares = _split(
            tokens,
            [len(_plain(cue.text)) for cue in self.cues],
            [READING_SPEED * (cue.end - cue.start) for cue in self.cues],
        )
        is_open: list[Tag] = []
        for cue, share in zip(self.cues, shares, strict=True):
            lines = _lines(share, cue.num_lines)
            written = "".join(tag.raw for tag in is_open)
            written += cue.line_end.join(
                " ".join(token.written for token in line) for line in lines
            )
            for token in share:
                for tag in token.tags:
                    if tag.kind == "open":
                        is_open.append(tag)
                    elif tag.kind == "close" and is_open:
                        is_open.pop()
            written += "".join(
                tag.partner.raw for tag in reversed(is_open) if tag.partner is not None
            )
            if written.startswith(cue.style):
                written = written.removeprefix(cue.style)
            else:  # other words come first: the element of the dash ends before them
                names = re.findall(r"<(\w+)", cue.style)
                written = "".join(f"</{name}>" for name in reversed(names)) + written
            yield cue, cue.before + written + cue.after


@dataclass
class _Token:
    """A word with the tags at it."""

    written: str = ""
    length: int = 0  # without tags
    tags: list[Tag] = field(default_factory=list)


class SubtitleDocument(Document):
    """`.srt` and `.vtt`: numbers, times, settings, styles and notes stay."""

    media_type = "application/x-subrip"
    is_vtt = False

    def __init__(self, content: bytes, options: ReadingOptions):
        text, self._encoding = decode(content)
        self._parts = _read(text, self.is_vtt)
        cues = [part for part in self._parts if isinstance(part, _Cue)]
        if not cues and text.strip().removeprefix("WEBVTT"):
            raise UserError("expected subtitles. Received: a text without any cue.")
        self._sentences = _sentences(cues)
        for sentence in limited(self._sentences):
            sentence.read(options.stand_ins)
        self.units = [one.block for one in self._sentences if one.block is not None]

    def filled(self, translations: Translations) -> bytes:
        text_of = dict(
            itertools.chain.from_iterable(one.filled(translations) for one in self._sentences)
        )

        def written(part: str | _Cue) -> str:
            if isinstance(part, str):
                return part
            if part.repeated is not None:
                return part.again(text_of[part.repeated])
            return text_of.get(part, part.raw)

        return self._encoding.encode("".join(map(written, self._parts)))


class VttDocument(SubtitleDocument):
    """WebVTT."""

    media_type = "text/vtt; charset=utf-8"
    is_vtt = True

    def __init__(self, content: bytes, options: ReadingOptions):
        super().__init__(content, options)
        self._options = options

    def filled(self, translations: Translations) -> bytes:
        header_end = self._parts.index("") if translations else 0
        for index, part in enumerate(self._parts[:header_end]):
            language = _LANGUAGE.fullmatch(part) if isinstance(part, str) else None
            if language and self._options.is_source(language[2]):
                self._parts[index] = language[1] + self._options.target
        return super().filled(translations)


# ------------------------------------------------------------------------------------------ reading


def _read(text: str, is_vtt: bool) -> list[str | _Cue]:
    """Text of cues, and all else as it is."""
    parts: list[str | _Cue] = []
    previous: _Cue | None = None
    lines = [(match[1], match[2]) for match in _LINE.finditer(text)]
    index = 0
    while index < len(lines):
        line, end = lines[index]
        parts += [line, end]
        index += 1
        timing = _TIMING.fullmatch(line)
        if not timing:
            continue
        start, index = index, _cue_end(lines, index, is_vtt)
        for is_blank, group in itertools.groupby(
            lines[start:index], lambda one: not one[0].strip()
        ):
            if is_blank and not is_vtt:
                parts += itertools.chain.from_iterable(group)
            else:
                # The line end after the timing, for a last line that has none.
                times = _seconds(timing, 1), _seconds(timing, 2)
                for part in _cues(list(group), *times, end, previous):
                    parts.append(part)
                    if isinstance(part, _Cue) and part.text:
                        previous = part
    return parts


def _cue_end(lines: Sequence[tuple[str, str]], start: int, is_vtt: bool) -> int:
    """The line after the text of a cue. In WebVTT it ends at an empty line. In SubRip it goes on
    to the number of the next cue, as players have it."""
    end = start
    while end < len(lines) and not _LIKE_TIMING.match(lines[end][0]):
        if is_vtt and not lines[end][0]:
            return end
        end += 1
    if start < end < len(lines) and _NUMBER.fullmatch(lines[end - 1][0]):
        end -= 1
    return end


def _seconds(match: re.Match[str], number: int) -> float:
    hours, minutes, seconds, fraction = (match[f"{name}{number}"] or "0" for name in "hmsf")
    total = 3600 * int(hours) + 60 * int(minutes) + int(seconds) + float(f"0.{fraction}")
    return -total if match[f"sign{number}"] else total


def _cues(
    lines: Sequence[tuple[str, str]],
    start: float,
    end: float,
    line_end_of_file: str,
    previous: _Cue | None,
) -> list[str | _Cue]:
    """The text of a cue. Lines that begin with a dash, a voice, a name or a sound are of several
    speakers, those with a note are of a song, and a first line may repeat the text of the cue
    before."""
    groups: list[list[tuple[str, str]]] = []
    is_again = bool(previous and lines[0][0].strip() == _plain(previous.text).strip())
    for number, line in enumerate(lines):
        if not groups or _starts_anew(line[0]) or (is_again and number == 1):
            groups.append([])
        groups[-1].append(line)
    parts: list[str | _Cue] = []
    for number, group in enumerate(groups):
        raw = "".join(text + end_ for text, end_ in group[:-1]) + group[-1][0]
        head, tail, style = _text_span(raw)
        line_end = group[0][1] or line_end_of_file
        num_lines = sum(bool(text.strip()) for text, _ in group)
        before, text, after = raw[:head], style + raw[head:tail], raw[tail:]
        cue = _Cue(raw, before, text, after, start, end, num_lines, line_end, style)
        if previous and is_again and number == 0:
            cue.repeated = previous.repeated or previous
        parts += [cue, group[-1][1]]
    return parts


def _starts_anew(line: str) -> bool:
    """Whether a line is of another speaker, or another one of a song."""
    return bool(_VOICE.match(line) or _STARTS_ANEW.match(_plain(line)))


def _text_span(raw: str) -> tuple[int, int, str]:
    """Where the words of a cue begin and end, and the tags before the dash that begin there."""
    before = _CUE_START.match(raw)
    head = before.end() if before else 0
    style = (before["style"] or "") if before else ""
    after = _CUE_END.match(raw[head:][::-1])
    tail = len(raw) - (after.end() if after else 0)
    # What begins among the words ends there.
    num_open = len(_VOICE_START.findall(raw, head, tail)) - len(_VOICE_END.findall(raw, head, tail))
    ends = [match.end() for match in _VOICE_END.finditer(raw, tail)]
    if num_open > 0 and ends:
        tail = ends[min(num_open, len(ends)) - 1]
    return head, tail, style


def _sentences(cues: Sequence[_Cue]) -> list[_Sentence]:
    sentences: list[_Sentence] = []
    for cue in cues:
        if cue.repeated is not None or not cue.text:
            continue
        if sentences and _goes_on(sentences[-1].cues, cue):
            sentences[-1].cues.append(cue)
        else:
            sentences.append(_Sentence([cue]))
    return sentences


def _goes_on(cues: Sequence[_Cue], following: _Cue) -> bool:
    last = cues[-1]
    text = _plain(last.text).rstrip()
    return (
        len(cues) < MAX_JOINED
        # Captions may overlap in time, but one that is shown during another belongs to no sentence.
        and last.start < following.start <= last.end + MAX_GAP
        and last.end <= following.end
        and is_translatable(text)
        and is_translatable(following.text)
        and not _SENTENCE_END.search(text[-_LONGEST_END:])
        and not following.before.strip()
        and not _starts_anew(following.text)
    )


def _timed(entries: Iterable[Entry]) -> list[Entry]:
    """Entries with the times of words in order, which a translation may turn over."""
    ordered = list(entries)
    found = {
        place: one
        for place, one in enumerate(ordered)
        if isinstance(one, Tag) and _WORD_TIME.fullmatch(one.raw)
    }
    times = sorted(found.values(), key=lambda one: (len(one.raw), one.raw))
    for place, time in zip(found, times, strict=True):
        ordered[place] = time
    return ordered


def _plain(text: str) -> str:
    return re.sub(r"<[^<>]*>|\{\\[^{}]*\}", "", text)


# ---------------------------------------------------------------------------------------- splitting


def _words(entries: Iterable[Entry]) -> list[_Token]:
    """Entries as words; a tag stands at the word that it touches."""
    tokens = [_Token()]
    for entry in entries:
        if isinstance(entry, Tag):
            tokens[-1].written += entry.raw
            tokens[-1].tags.append(entry)
            continue
        text = entry if isinstance(entry, str) else entry.raw
        for number, part in enumerate(re.split(r"[ \t\r\n]+", text)):
            if number and (tokens[-1].length or tokens[-1].tags):
                tokens.append(_Token())
            tokens[-1].written += part
            tokens[-1].length += len(part)
    return [token for token in tokens if token.written] or [_Token()]


def _split(
    tokens: Sequence[_Token], lengths: Sequence[int], limits: Sequence[float]
) -> list[Sequence[_Token]]:
    """Tokens in as many runs as `lengths`, to whose proportions theirs are as close as can be.

    A run longer than its limit costs more, one that ends at a punctuation mark less.
    """
    count = len(lengths)
    if count == 1:
        return [tokens]
    ends = [0, *itertools.accumulate(token.length + 1 for token in tokens)]
    scale = ends[-1] / max(1, sum(length + 1 for length in lengths))
    if count * len(tokens) ** 2 > MAX_STEPS:
        goals = itertools.accumulate(scale * (length + 1) for length in lengths[:-1])
        cuts = [0, *(bisect.bisect_left(ends, goal) for goal in goals), len(tokens)]
        return [tokens[start:end] for start, end in itertools.pairwise(cuts)]
    # costs[end]: the least cost of the runs so far, up to token `end`, and where the last starts
    costs: list[tuple[float, int]] = [(0.0, 0)] + [(float("inf"), 0)] * len(tokens)
    starts: list[list[int]] = []
    for length, limit in zip(lengths, limits, strict=True):
        ideal = scale * (length + 1)
        following = [(float("inf"), 0)] * (len(tokens) + 1)
        for start, (cost, _) in enumerate(costs):
            if cost == float("inf"):
                continue
            for end in range(start, len(tokens) + 1):
                size = ends[end] - ends[start]
                added = (size - ideal) ** 2 + 4 * max(0.0, size - limit) ** 2
                added += 1e6 * (end == start)  # an empty cue
                if start < end < len(tokens):
                    is_pause = _PUNCTUATION.search(_plain(tokens[end - 1].written))
                    added += 0 if is_pause else 36.0
                if cost + added < following[end][0]:
                    following[end] = cost + added, start
        costs = following
        starts.append([start for _, start in costs])
    runs: list[Sequence[_Token]] = []
    end = len(tokens)
    for of_run in reversed(starts):
        runs.append(tokens[of_run[end] : end])
        end = of_run[end]
    return runs[::-1]


def _lines(tokens: Sequence[_Token], num_lines: int) -> list[Sequence[_Token]]:
    """Lines of about equal length: as many as there were, or two if one would be too long."""
    length = sum(token.length + 1 for token in tokens) - 1
    if length > MAX_LINE:
        num_lines = max(num_lines, 2)
    if num_lines > 1 and length <= MAX_LINE / 2:
        num_lines = 1
    num_lines = min(num_lines, len(tokens)) or 1
    return _split(tokens, [1] * num_lines, [float("inf")] * num_lines)
