"""JSON and tables: the strings in them, with all other characters as they are."""

import csv
import json
import re
from collections.abc import Iterable, Mapping

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
DELIMITERS = "\t;|,"  # in doubt the first one: a comma may be that of a number
_STATED_DELIMITER = re.compile(r"sep=([^\r\n])(?:\r\n|\n|\r|\Z)")  # the first line, for Excel
_SNIFFED, _SNIFFED_CHARACTERS = 20, 10_000  # lines, and characters of each


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
        try:
            json.loads(self._text)
        except ValueError as error:
            raise UserError(f"expected JSON. Received: {error}.") from None
        except RecursionError:
            raise UserError("expected JSON. Received: too many nested arrays.") from None
        self._is_ascii = self._text.isascii() and bool(_ESCAPED.search(self._text))
        for match in _JSON_STRING.finditer(self._text):
            if not match["colon"]:
                yield match.span(), json.loads(match[0], strict=False)

    def _quoted(self, value: str, raw: str) -> str:
        # Half a surrogate pair has no encoding but its escape.
        is_ascii = self._is_ascii or any("\ud800" <= one <= "\udfff" for one in value)
        return json.dumps(value, ensure_ascii=is_ascii)


class CsvDocument(_Strings):
    """`.csv`: cells with letters. The delimiter is the one that most lines have equally often."""

    media_type = "text/csv; charset=utf-8"
    delimiters = DELIMITERS

    def _strings(self) -> Iterable[tuple[tuple[int, int], str]]:
        stated = _STATED_DELIMITER.match(self._text)
        self._delimiter = stated[1] if stated else _delimiter(self._text, self.delimiters)
        escaped = re.escape(self._delimiter)
        cell = re.compile(
            rf'(?P<quoted>"(?:[^"]|"")*+"(?=[{escaped}\r\n]|\Z))|(?P<bare>[^{escaped}\r\n]*+)'
        )
        position = stated.end() if stated else 0
        while position <= len(self._text):
            match = cell.match(self._text, position)
            if match is None:
                break
            if match["quoted"]:
                yield match.span(), match[0][1:-1].replace('""', '"')
            else:
                yield match.span(), match[0]
            position = match.end() + 1

    def _quoted(self, value: str, raw: str) -> str:
        was_quoted = raw.startswith('"') and raw.endswith('"') and len(raw) > 1
        has_special = any(one in value for one in (self._delimiter, "\n", "\r"))
        # A quote that opens a cell is no part of it.
        if was_quoted or has_special or value.startswith('"') > raw.startswith('"'):
            value = value.replace('"', '""')
            return f'"{value}"'
        return value


class TsvDocument(CsvDocument):
    """`.tsv`: cells between tabs, which are never quoted."""

    media_type = "text/tab-separated-values; charset=utf-8"

    def _strings(self) -> Iterable[tuple[tuple[int, int], str]]:
        for match in re.finditer(r"[^\t\r\n]+", self._text):
            yield match.span(), match[0]

    def _quoted(self, value: str, raw: str) -> str:
        return re.sub(r"[\t\r\n]+", " ", value)


def _delimiter(text: str, delimiters: str) -> str:
    """By how often each stands in the first lines, where they agree."""
    # The module csv refuses a cell of more than 128 KB.
    rows = [line[:_SNIFFED_CHARACTERS] for line in text.splitlines()[:_SNIFFED] if line]
    counts: Mapping[str, list[int]] = {
        one: [len(next(csv.reader([row], delimiter=one), [])) for row in rows] for one in delimiters
    }

    # The delimiter that makes most rows equally long, then the one with more cells.
    def score(one: str) -> tuple[int, int]:
        lengths = counts[one]
        common = max(set(lengths), key=lengths.count, default=1)
        return (lengths.count(common) if common > 1 else 0, common)

    return max(delimiters, key=score)
