"""JSON and tables: the strings in them, with all other characters as they are."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from nmt.documents.document import (
    Document,
    MarkedText,
    ReadingOptions,
    Translations,
    decode,
    is_translatable,
    limited,
)
from nmt.errors import UserError

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"(?P<colon>\s*:)?', re.DOTALL)
_ESCAPED = re.compile(r"\\u(?:00[89a-fA-F]|0[1-9a-fA-F]|[1-9a-fA-F])")  # more than ASCII
# What need not be escaped, as the tags in "\u003cb\u003e"; and other escapes
_ESCAPE = re.compile(r"\\(?:(?P<ascii>/|u00[2-7][0-9a-fA-F])|.)", re.DOTALL)
DELIMITERS = "\t;|,"  # in doubt the first one: a comma may be that of a number
_STATED_DELIMITER = re.compile(r"sep=([^\r\n])(?:\r\n|\n|\r|\Z)")  # the first line, for Excel
# A cell with its quotes doubled, or escaped as Spark and MySQL do
_DOUBLED = r'"(?:[^"]|"")*+"'
_ESCAPED_QUOTES = r'"(?:[^"\\\r\n]|\\[^\r\n])*+"'
_FORMULA = re.compile(r"=[^=\s]")
_SNIFFED, _SNIFFED_CHARACTERS = 20, 200_000  # records, within so many characters


class _Strings(Document):
    """Strings at places of a text, the rest of which stays."""

    def __init__(self, content: bytes, options: ReadingOptions):
        self._text, self._encoding = decode(content)
        self._values: dict[tuple[int, int], MarkedText] = {}
        strings = (string for string in self._strings() if is_translatable(string[1]))
        for span, value in limited(strings):
            self._values[span] = MarkedText(value, options.stand_ins)
        self.units = [unit for value in self._values.values() for unit in value.units]

    def _strings(self) -> Iterable[tuple[tuple[int, int], str]]:
        """Where the strings stand, and their values."""
        raise NotImplementedError

    def _quoted(self, value: str, raw: str) -> str:
        """A new value as it is written, in the place of a raw one."""
        raise NotImplementedError

    def filled(self, translations: Translations) -> bytes:
        parts, end = [], 0
        for (start, stop), value in self._values.items():
            raw = self._text[start:stop]
            is_new = any(unit in translations for unit in value.units)
            text = self._quoted(value.filled(translations), raw) if is_new else raw
            parts += [self._text[end:start], text]
            end = stop
        return self._encoding.encode("".join([*parts, self._text[end:]]))


class JsonDocument(_Strings):
    """`.json`: string values. Keys, numbers and layout stay."""

    media_type = "application/json"

    def _strings(self) -> Iterable[tuple[tuple[int, int], str]]:
        self._check()
        self._is_ascii = self._text.isascii() and bool(_ESCAPED.search(self._text))
        escapes = {f"\\{one}" for one in set(_ESCAPE.findall(self._text)) if one}
        characters = {escape: json.loads(f'"{escape}"') for escape in escapes}
        self._escapes = {
            ord(one): escape
            for escape, one in characters.items()
            if not one.isalnum() and one not in '"\\'
        }
        for match in _JSON_STRING.finditer(self._text):
            if not match["colon"]:
                yield match.span(), json.loads(match[0], strict=False)

    def _quoted(self, value: str, raw: str) -> str:
        # Half a surrogate pair has no encoding but its escape.
        is_ascii = self._is_ascii or any("\ud800" <= one <= "\udfff" for one in value)
        return json.dumps(value, ensure_ascii=is_ascii).translate(self._escapes)

    def _check(self) -> None:
        _check_json(self._text)


class JsonLinesDocument(JsonDocument):
    """`.jsonl`, `.ndjson`: a value on each line, as in `.json`. Blank lines stay."""

    media_type = "application/jsonl"

    def _check(self) -> None:
        for number, line in enumerate(self._text.split("\n"), 1):
            if line.strip(" \t\r"):
                _check_json(line, number)


def _check_json(text: str, first_line: int = 1) -> None:
    """Raises UserError with the line of a text that is no JSON."""
    try:
        json.loads(text, parse_int=str)  # int() refuses long numbers
    except json.JSONDecodeError as error:
        line, reason = first_line + error.lineno - 1, f"{error.msg} (column {error.colno})"
    except RecursionError:
        line, reason = first_line, "too many nested arrays"
    else:
        return
    raise UserError(f"line {line}: expected JSON. Received: {reason}.")


class CsvDocument(_Strings):
    """`.csv`: cells with letters. The delimiter is the one that most records have equally often."""

    media_type = "text/csv; charset=utf-8"

    def _strings(self) -> Iterable[tuple[tuple[int, int], str]]:
        stated = _STATED_DELIMITER.match(self._text)
        self._delimiter = stated[1] if stated else _delimiter(self._text)
        yield from self._texts(_cells(self._text, self._delimiter, stated.end() if stated else 0))

    def _texts(self, cells: Iterable[re.Match[str]]) -> Iterator[tuple[tuple[int, int], str]]:
        """Where cells stand, and their texts; not those of formulas."""
        self._has_escapes = False  # whether quotes are escaped in this table
        for cell in cells:
            text = _unquoted(cell[0])
            self._has_escapes |= '\\"' in cell[0] and not re.fullmatch(_DOUBLED, cell[0])
            if not _FORMULA.match(text):
                yield cell.span(), text

    def _quoted(self, value: str, raw: str) -> str:
        has_special = any(one in value for one in (self._delimiter, "\n", "\r"))
        # A quote that opens a cell is no part of it.
        is_opened = value.startswith('"') > raw.startswith('"')
        if not (has_special or is_opened or raw != _unquoted(raw)):
            return value
        quotes, written = (r'(?<!\\)"', r'\\"') if self._has_escapes else ('"', '""')
        value = re.sub(quotes, written, value)
        return f'"{value}"'


class TsvDocument(CsvDocument):
    """`.tsv`: cells between tabs. Spreadsheets write some in quotes, the standard none."""

    media_type = "text/tab-separated-values; charset=utf-8"
    _delimiter = "\t"

    def _strings(self) -> Iterable[tuple[tuple[int, int], str]]:
        # A quote that opens a cell may be one of its text: it does not reach the next cell.
        yield from self._texts(_cells(self._text, self._delimiter, doubled=r'"(?:[^"\t]|"")*+"'))

    def _quoted(self, value: str, raw: str) -> str:
        if raw == _unquoted(raw):
            return re.sub(r"[\t\r\n]+", " ", value)
        return super()._quoted(value, raw)


def _unquoted(cell: str) -> str:
    if re.fullmatch(_DOUBLED, cell):
        return cell[1:-1].replace('""', '"')
    if re.fullmatch(_ESCAPED_QUOTES, cell):
        return cell[1:-1].replace('\\"', '"')
    return cell


def _cells(
    text: str, delimiter: str, position: int = 0, doubled: str = _DOUBLED
) -> Iterator[re.Match[str]]:
    escaped = re.escape(delimiter)
    cell = re.compile(rf"(?:{doubled}|{_ESCAPED_QUOTES})(?=[{escaped}\r\n]|\Z)|[^{escaped}\r\n]*+")
    while position <= len(text) and (match := cell.match(text, position)):
        yield match
        position = match.end() + 1


def _lengths(text: str, delimiter: str) -> Iterator[int]:
    """How many cells each record has, but for empty lines."""
    length = 0
    for cell in _cells(text, delimiter):
        length += 1
        if text[cell.end() : cell.end() + 1] != delimiter:
            if length > 1 or cell[0]:
                yield length
            length = 0


def _delimiter(text: str) -> str:
    """By how often each stands in the first records, where they agree."""
    beginning = text[:_SNIFFED_CHARACTERS]

    # The delimiter that makes most records equally long, then the one with more cells.
    def score(one: str) -> tuple[float, int]:
        lengths = list(islice(_lengths(beginning, one), _SNIFFED))
        common = max(set(lengths), key=lambda n: (lengths.count(n), n), default=1)
        return (lengths.count(common) / len(lengths) if common > 1 else 0, common)

    return max(DELIMITERS, key=score)
