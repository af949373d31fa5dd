"""Text in the form that SentencePiece receives, reversibly: characters that it gives a meaning are
escaped, the first letter of a line is folded, and a word begins after an opening mark as after a
space.
"""

import codecs
import itertools
import re
from collections.abc import Sequence

# An escape is a private-use character, which nobody types, and a digit. SentencePiece gives every
# digit a piece of its own (see `split_digits`), so an escape never grows into a neighbour's piece.
# U+2585 is escaped because SentencePiece's trainer reserves it and skips every line that has it.
_ESCAPE = "\uf8e0"
SPACE_MARK = "\u2581"
_ESCAPED = {
    _ESCAPE: _ESCAPE + "0",
    SPACE_MARK: _ESCAPE + "1",
    "｟": _ESCAPE + "2",
    "\u2585": _ESCAPE + "3",
}
_COPIED_SPACE, _EDGE_OF_COPY = _ESCAPE + "4", _ESCAPE + "5"
_UNESCAPED = {escaped: character for character, escaped in _ESCAPED.items()}
_UNESCAPED |= {_COPIED_SPACE: " ", _EDGE_OF_COPY: ""}
_TO_ESCAPE = re.compile("[" + "".join(_ESCAPED) + "]")
_TO_UNESCAPE = re.compile(_ESCAPE + "[0-5]?")
_TOKEN = re.compile(_ESCAPE + "[0-5]|.", re.DOTALL)

# A word begins after an opening quote or bracket, and after a dash or a slash between words. Its
# pieces shall be those that it has after a space: with "▁maison" in the vocabulary, «"maison"» is
# otherwise spelt "m", "aison", which training shows a hundred times more seldom.
_OPENING = r"(?:[«‹][\u00a0\u202f]?|[\"'“”„‟‚‘(\[{¿¡])++"
_BEFORE_WORD = rf"((?<=\s){_OPENING}|(?<=\S)[—–/])"
_TO_DETACH = re.compile(rf"{_BEFORE_WORD}(?=[^\W\d_]| )")
_DETACHED = re.compile(f"{_BEFORE_WORD} ")


def escape(line: str) -> str:
    """Replace, reversibly, characters with a meaning for SentencePiece, the first character of copy
    symbols, and the escape itself.

    Copy symbols occur between escaped text only: text that looks like one does not become one.
    """
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], line)


def unescape(text: str) -> str:
    """Undo `escape`. An incomplete escape, which only a model can write, is dropped."""
    return (
        _TO_UNESCAPE.sub(lambda match: _UNESCAPED.get(match[0], ""), text)
        if _ESCAPE in text
        else text
    )


def escape_copy(text: str) -> str:
    """`escape` for what a copy symbol is replaced by, of which `attach` changes nothing."""
    return _EDGE_OF_COPY + escape(text).replace(" ", _COPIED_SPACE) + _EDGE_OF_COPY


def detach(text: str) -> str:
    """An escaped line with a further space between an opening mark and the word after it."""
    return _TO_DETACH.sub(r"\1 ", " " + text)[1:]


def attach(text: str) -> str:
    """Undo `detach`, in a text that begins with the space that SentencePiece puts before it."""
    return _DETACHED.sub(r"\1", text)


def fold(line: str) -> str | None:
    """The line with its first letter in lower case, unless its first word is in capitals. None if
    `unfold` would neither restore the line nor leave it as it is."""
    small = line[:1].lower() + line[1:]
    if small != line and not line[1:2].isupper() and unfold(small) == line:
        return small
    return line if unfold(line) == line else None


def unfold(line: str) -> str:
    """The line with a capital first letter, if that is a single character and lower-casing it gives
    the letter back."""
    capital = line[:1].upper()
    return capital + line[1:] if len(capital) == 1 and capital.lower() == line[:1] else line


def locate(surfaces: Sequence[bytes], detached: bool = False) -> tuple[str, list[tuple[int, int]]]:
    """The text that pieces spell, in which words may be `detached`, and the span of each piece in
    it.

    By following each byte, not by SentencePiece's own offsets: those count UTF-8 bytes of the
    escaped line, take in a piece's leading space, and are empty for all but the last byte piece of
    a character.
    """
    data = b"".join(surfaces)
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    characters, byte_ends = "", []
    for end, byte in enumerate(data, start=1):
        if character := decoder.decode(bytes([byte])):
            characters += character
            byte_ends.append(end)

    added = {match.end() - 1 for match in _DETACHED.finditer(characters)} if detached else set()
    if characters.startswith(" "):
        added.add(0)  # the space put before each line
    text = ""
    character_at: dict[int, int] = {}  # byte -> character of `text`; dropped bytes are missing
    ends_before = [0] * (len(data) + 1)  # byte -> characters of `text` that end before it
    for match in _TOKEN.finditer(characters):
        raw = unescape(match[0]).replace("\n", "")
        if not raw or match.start() in added:
            continue
        last = match.end() - 1
        for byte in range(
            byte_ends[match.start()] - len(characters[match.start()].encode()), byte_ends[last]
        ):
            character_at[byte] = len(text)
        text += raw
        ends_before[byte_ends[last]] = 1
    ends_before = list(itertools.accumulate(ends_before))

    spans, end = [], 0
    for surface in surfaces:
        start, end = end, end + len(surface)
        found = [character_at[byte] for byte in range(start, end) if byte in character_at]
        found = list(itertools.dropwhile(lambda index: text[index] == " ", found))
        spans.append((found[0], found[-1] + 1) if found else (ends_before[end], ends_before[end]))
    return text, spans
