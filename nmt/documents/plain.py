"""Plain text: paragraphs. The lines of a paragraph that was wrapped are one text, and are wrapped
again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nmt.documents.document import (
    Document,
    ReadingOptions,
    Translations,
    decode,
    is_translatable,
    limited,
)
from nmt.text.html_blocks import COLUMNS

MIN_WIDTH = 40  # characters; shorter lines are lists or verses, and no wrapped paragraph

_LINE_END = re.compile(r"(\r\n|[\n\r\v\f\x85\u2028\u2029])")
_BULLET = r"(?:[-*+•–—]|\d{1,9}[.)]|[a-zA-Z][.)])\s+"
_QUOTE = r"\s*(?:>\s*)*"  # of mail
_LINE = re.compile(
    rf"(?P<indent>(?P<quote>{_QUOTE})(?P<bullet>{_BULLET})?)(?P<text>(?:.*\S)?)(?P<rest>\s*)",
    re.DOTALL,
)
_COLUMNS = re.compile(f"({COLUMNS})")
_CELLS = re.compile(r"((?<!\s)\s*\|\s*)")  # of a table whose lines begin with "|"


@dataclass(eq=False)
class Paragraph:
    """Lines that are one text, and how they were written. `width` is what they were wrapped to,
    None for a single line."""

    text: str
    raw: str
    indents: Sequence[str]  # of the first line, and of the others
    rest: str  # white space after the last line
    line_end: str
    width: int | None = None

    needs_alignment = False

    def filled(self, text: str) -> str:
        first, other = self.indents[0], self.indents[-1]
        lines = [text] if self.width is None else wrapped(text, self.width, first, other)
        glue = self.line_end + other
        return first + glue.join(lines) + self.rest


class TextDocument(Document):
    """`.txt`: paragraphs, with blank lines and indents as they were."""

    media_type = "text/plain; charset=utf-8"

    def __init__(self, content: bytes, options: ReadingOptions):
        text, self._encoding = decode(content)
        self._parts = paragraphs(text)
        texts = [part for part in self._parts if isinstance(part, Paragraph)]
        self.units = list(limited(text for text in texts if is_translatable(text.text)))

    def filled(self, translations: Translations) -> bytes:
        return self._encoding.encode(fill_paragraphs(self._parts, translations))


def fill_paragraphs(parts: Sequence[str | Paragraph], translations: Translations) -> str:
    def text_of(part: str | Paragraph) -> str:
        if isinstance(part, str):
            return part
        return part.filled(translations[part].text) if part in translations else part.raw

    return "".join(map(text_of, parts))


def paragraphs(text: str, slack: float = 0.0) -> list[str | Paragraph]:
    """A text as paragraphs and what stands between them. `slack` is how much shorter than the
    longest one a line may be that was wrapped, as a share: lines of print differ in characters."""
    pieces = _LINE_END.split(text)
    lines = list(zip(pieces[::2], [*pieces[1::2], ""], strict=True))
    parts: list[str | Paragraph] = []
    start = 0
    while start < len(lines):
        end = start
        while end < len(lines) and lines[end][0].strip():
            end += 1
        if start == end:
            parts.append("".join(lines[start]))
            start += 1
        else:
            parts += _block(lines[start:end], slack)
            start = end
    return parts


def _block(lines: Sequence[tuple[str, str]], slack: float) -> list[str | Paragraph]:
    """The paragraphs of lines without a blank one among them: a line that ended early ends its
    paragraph."""
    width = max(len(line.rstrip()) for line, _ in lines)
    parts: list[str | Paragraph] = []
    start = 0
    for index in range(len(lines)):
        if index + 1 < len(lines) and _is_wrapped(lines, index, width * (1 - slack)):
            continue
        parts += _paragraph(lines[start : index + 1], width)
        start = index + 1
    return parts


def _is_wrapped(lines: Sequence[tuple[str, str]], index: int, width: float) -> bool:
    """Whether a line goes on in the next one, as the first word of that one did not fit."""
    end = lines[index][1]
    line, following = (_LINE.fullmatch(one) for one, _ in lines[index : index + 2])
    if line is None or following is None or not (line["text"] and following["text"]):
        return False
    word = following["text"].split(maxsplit=1)[0]
    return (
        width >= MIN_WIDTH
        and end == lines[0][1]
        and not following["bullet"]
        and line["quote"].count(">") == following["quote"].count(">")
        and not any(_cell_ends(one["text"]).search(one["text"]) for one in (line, following))
        and len(line[0].rstrip()) + 1 + len(word) > width
    )


def _paragraph(lines: Sequence[tuple[str, str]], width: int) -> list[str | Paragraph]:
    matches = [match for line, _ in lines if (match := _LINE.fullmatch(line))]
    line_end, rest = lines[0][1], matches[-1]["rest"]
    indents = [match["indent"] for match in matches[:2]]
    if len(lines) > 1:
        text = " ".join(match["text"] for match in matches)
        raw = "".join(line + end for line, end in lines).removesuffix(lines[-1][1])
        return [Paragraph(text, raw, indents, rest, line_end, width), lines[-1][1]]
    text = matches[0]["text"]
    cells = _cell_ends(text).split(text)
    first = Paragraph(cells[0], indents[0] + cells[0], indents, "", line_end)
    others = [
        Paragraph(cell, gap + cell, [gap], "", line_end)
        for gap, cell in zip(cells[1::2], cells[2::2], strict=True)
    ]
    return [first, *others, rest, line_end]


def _cell_ends(text: str) -> re.Pattern[str]:
    """What stands between the cells of a line."""
    return _CELLS if text.startswith("|") else _COLUMNS


def wrapped(text: str, width: int, first: str = "", other: str = "") -> list[str]:
    """The text in lines of at most `width`, indents included, where its words allow it. Only plain
    spaces are broken at."""
    lines: list[str] = []
    line, available = "", width - len(first)
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > available:
            lines.append(line)
            line, available = word, width - len(other)
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
