"""Catalogs of gettext (`.po`, `.pot`), read and written by polib."""

import gettext
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from nmt.documents.document import (
    MAX_UNITS,
    Document,
    Encoding,
    MarkedText,
    ReadingOptions,
    Translations,
    decode,
    is_of_language,
    is_translatable,
    library,
    placeholders_of,
)
from nmt.errors import UserError

_CHARSET = re.compile(rb"charset=([\w.:-]+)")
_PLURAL_FORMS = re.compile(r"\s*nplurals\s*=\s*(\d{1,2})\s*;\s*plural\s*=\s*([^;]+);?\s*")
# Of a catalog that does not say: gettext's manual, for languages with two forms.
_ONE_AND_OTHER = "nplurals=2; plural=(n != 1);"
_TWO_FORMS = (
    *("af", "bg", "ca", "da", "de", "el", "en", "eo", "es", "et", "eu", "fi"),
    *("gl", "he", "hu", "it", "nb", "nl", "nn", "no", "pt", "sv", "tr"),
)
_PLURALS_OF = {
    **dict.fromkeys(_TWO_FORMS, _ONE_AND_OTHER),
    **dict.fromkeys(("fr", "pt_BR", "pt-BR"), "nplurals=2; plural=(n > 1);"),
}
_NUMBERS = range(2, 122)  # in which each form that is there for many numbers occurs
# A line of a message. polib takes the last character of one without a quote for it.
_STRING_LINE = re.compile(r'(?:msg[a-z]+(?:\[\d+\])?[ \t]*)?(?P<string>".*)')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"')
# Messages whose translations are the names of the translators, in GNOME and in KDE
_CREDITS = ("translator-credits", "translator_credits")
_CREDITS_CONTEXT = re.compile("(?:NAME|EMAIL) OF TRANSLATORS")
_UTF_8 = "text/plain; charset=UTF-8"


class PoDocument(Document):
    """`.po`: messages without a translation get one, marked as fuzzy: a person has to look at it.

    The form of one gets the translation of `msgid`, the others that of `msgid_plural`. So does the
    form of one where it is that of many numbers, and `msgid` does not say which ("One file").
    """

    media_type = "text/x-gettext-translation"
    libraries = ("polib",)
    is_bilingual = True

    def __init__(self, content: bytes, options: ReadingOptions):
        declared = _CHARSET.search(content)
        charset = declared[1].decode("ascii") if declared else "utf-8"
        text, self._encoding = decode(content, None if charset == "CHARSET" else charset)
        self._content = content
        self._line_end = "\r\n" if "\r\n" in text else "\n"
        if text.count("msgid ") > MAX_UNITS:  # polib's entries take more memory than units
            raise UserError(f"a catalog may have at most {MAX_UNITS:,} messages. Split it.")
        self._catalog = _parsed(text)
        self._source, self._language = options.source, options.target
        self._count, self._plural = self._plural_forms()
        self._messages: list[tuple[Any, MarkedText, MarkedText | None]] = []
        for entry in self._catalog:
            if entry.obsolete or (_is_translated(entry) and not options.retranslate):
                continue
            if not is_translatable(f"{entry.msgid}\n{entry.msgid_plural}") or _is_credits(entry):
                continue
            plural = entry.msgid_plural
            self._messages.append(
                (
                    entry,
                    MarkedText(entry.msgid, options.stand_ins),
                    MarkedText(plural, options.stand_ins) if plural else None,
                )
            )
        self.units = [unit for text in self._texts() for unit in text.units]

    def _texts(self) -> Iterator[MarkedText]:
        for _, singular, plural in self._messages:
            yield singular
            if plural is not None:
                yield plural

    def _plural_forms(self) -> tuple[int, Callable[[int], int]]:
        """How many forms there are, and which one a number takes."""
        stated = self._catalog.metadata.get("Plural-Forms", "")
        if not _PLURAL_FORMS.fullmatch(stated):
            stated = _PLURALS_OF.get(self._language, _ONE_AND_OTHER)
        count, expression = _PLURAL_FORMS.sub(r"\1 \2", stated).split(" ", 1)
        try:
            plural = gettext.c2py(expression)
            if plural(1) not in range(int(count)):
                raise ValueError(f"the form of 1 is not among its {count}")
            self._is_one_shared = plural(1) in map(plural, _NUMBERS)
        except (ValueError, ArithmeticError) as error:
            raise UserError(f"the header Plural-Forms cannot be read: {error}.") from None
        return int(count), plural

    def filled(self, translations: Translations) -> bytes:
        is_changed = False
        for entry, singular, plural in self._messages:
            # A message of which a line could not be translated stays without a translation.
            if not all(
                unit in translations
                for text in (singular, plural)
                if text is not None
                for unit in text.units
            ):
                continue
            is_changed = True
            if plural is None:
                entry.msgstr = singular.filled(translations)
            else:
                one = self._form_of_one(entry)
                entry.msgstr_plural = {
                    form: (singular if form == one else plural).filled(translations)
                    for form in range(self._count)
                }
            if "fuzzy" not in entry.flags:
                entry.flags.append("fuzzy")
        if not is_changed:
            return self._content
        self._complete_header()
        try:
            return self._encoding.encode(self._written())
        except UnicodeEncodeError:  # Latin-1 has no "œ"
            self._catalog.metadata["Content-Type"] = _UTF_8
            return Encoding("utf-8").encode(self._written())

    def _form_of_one(self, entry: Any) -> int | None:
        """The form that gets the translation of `msgid`. None: no form does."""
        one = self._plural(1)
        singular, plural = (
            Counter(placeholders_of(text)) for text in (entry.msgid, entry.msgid_plural)
        )
        is_of_one = not self._is_one_shared or (self._count > 1 and singular == plural)
        return one if is_of_one else None

    def _written(self) -> str:
        text = str(self._catalog).rstrip("\n") + "\n"
        return text.replace("\n", self._line_end)

    def _complete_header(self) -> None:
        """Fills what a template leaves open and the translations need."""
        header = self._catalog.metadata
        stated = header.get("Language", "")
        if not stated or is_of_language(stated, self._source):
            header["Language"] = self._language
        if "CHARSET" in header.get("Content-Type", "CHARSET"):
            header["Content-Type"] = _UTF_8
        has_plurals = any(plural is not None for _, _, plural in self._messages)
        is_stated = _PLURAL_FORMS.fullmatch(header.get("Plural-Forms", ""))
        if has_plurals and not is_stated and self._language in _PLURALS_OF:
            header["Plural-Forms"] = _PLURALS_OF[self._language]


def _parsed(text: str) -> Any:
    polib = library("polib")
    for number, line in enumerate(text.splitlines(), 1):
        match = _STRING_LINE.fullmatch(line.strip())
        if match and not _STRING.fullmatch(match["string"]):
            raise UserError(
                f"expected a gettext catalog. Received: line {number} with a quote that is missing"
                " or not escaped."
            )
    try:
        # polib opens a file if the text is a file's name, which a line break makes impossible.
        return polib.pofile(f"{text}\n", wrapwidth=78)
    except (OSError, ValueError, IndexError) as error:
        reason = str(error).replace("Syntax error in po file", "a syntax error").strip()
        raise UserError(f"expected a gettext catalog. Received: {reason}.") from None


def _is_credits(entry: Any) -> bool:
    return entry.msgid in _CREDITS or bool(_CREDITS_CONTEXT.fullmatch(entry.msgctxt or ""))


def _is_translated(entry: Any) -> bool:
    return bool(entry.msgstr or any(entry.msgstr_plural.values()))
