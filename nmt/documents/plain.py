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

MIN_WIDTH = 40  # characters; shorter lines are lists or verses, and no wrapped paragraph

_LINE_END = re.compile(r"(\r\n|\n|\r)")
_BULLET = r"(?:[-*+•–—]|\d{1,9}[.)]|[a-zA-Z][.)])\s+"
_LINE = re.compile(rf"(?P<indent>\s*(?:{_BULLET})?)(?P<text>(?:.*\S)?)(?P<rest>\s*)", re.DOTALL)


@dataclass(eq=False)
class Paragraph:
    """Lines that are one text. `width` is what they were wrapped to, None for a single line."""

    text: str
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
        return part.filled(translations[part].text if part in translations else part.text)

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
    (line, end), (following, _) = lines[index : index + 2]
    word = following.split(maxsplit=1)[0]
    return (
        width >= MIN_WIDTH
        and end == lines[0][1]
        and not re.match(_BULLET, following.lstrip())
        and len(line.rstrip()) + 1 + len(word) > width
    )


def _paragraph(lines: Sequence[tuple[str, str]], width: int) -> list[str | Paragraph]:
    matches = [match for line, _ in lines if (match := _LINE.fullmatch(line))]
    text = " ".join(match["text"] for match in matches)
    indents = [match["indent"] for match in matches[:2]]
    is_wrapped = len(lines) > 1
    paragraph = Paragraph(
        text, indents, matches[-1]["rest"], lines[0][1], width if is_wrapped else None
    )
    return [paragraph, lines[-1][1]]


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
