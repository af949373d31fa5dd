"""OpenDocument: `.odt`, `.odp`, `.ods`."""

import re
from collections.abc import Iterator
from typing import Any

from nmt.documents.archive import Archive, write_xml
from nmt.documents.document import (
    SYMBOL_FONT,
    Document,
    ReadingOptions,
    Translations,
    formula_texts,
    limited,
)
from nmt.documents.indirect import has_indirect, texts_of_names
from nmt.documents.mixed_content import BOUNDARY, INLINE, MARK, InlineRules, MixedContent
from nmt.errors import UserError
from nmt.text.html_blocks import is_note_mark

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_CALCEXT = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
_RAISED = re.compile(r"super|0*[1-9]")  # of the position of text
_PARTS = re.compile(r"(?:Object [^/]+/)*content\.xml|styles\.xml")  # and charts inside
_DELETED = f"{_TEXT}tracked-changes"
_PROPERTIES = re.compile(rb"<style:text-properties\b[^<>]*>")
_LANGUAGE = re.compile(rb"""\bfo:language=["']([a-zA-Z]+)["']""")
_COUNTRY = re.compile(rb"""\bfo:country=["'][^"']*["']""")
_COMMENT = f"{_OFFICE}annotation"
_CELL, _COVERED_CELL = f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"
_FORMULA = f"{_TABLE}formula"
# Attributes with formulas; those of conditional formats are LibreOffice's, and those of a style.
_FORMULAS = (
    *(_FORMULA, f"{_TABLE}condition", f"{_TABLE}expression"),
    *(f"{_CALCEXT}value", f"{_STYLE}condition"),
)
_NAMED = tuple(
    f"{_TABLE}{name}" for name in ("table", "named-range", "named-expression", "database-range")
)
_VALUE_TYPE = f"{_OFFICE}value-type"
_STRING_VALUE = f"{_OFFICE}string-value"
_ID = f"{_TEXT}id"
_INDEX_MARKS = ("toc-mark", "alphabetical-index-mark", "user-index-mark")
_RANGE = ("", "-start", "-end")
# Fields that show nothing, or the number of a page
_NO_VALUES = ("hidden-text", "script", "page-number", "page-count", "page-continuation")


def _is_value(element: Any) -> bool:
    """Whether an element is a field that shows what its sentence needs. Models read a sentence
    without a bare number better than with a stand-in for it."""
    # Notes and frames have paragraphs in them.
    is_field = element.tag.startswith(_TEXT) and not any(one.text for one in element)
    if not is_field or element.tag.removeprefix(_TEXT) in _NO_VALUES:
        return False
    text = "".join(element.itertext())
    return bool(text.strip()) and not is_note_mark(text, "")


_RULES = InlineRules(
    kinds={
        **dict.fromkeys(("span", "a", "meta", "ruby", "ruby-base"), INLINE),
        **dict.fromkeys(("content-control", "text-input"), INLINE),  # of forms
        **dict.fromkeys(("tab", "line-break"), BOUNDARY),
        **dict.fromkeys(("bookmark", "bookmark-start", "bookmark-end", "soft-page-break"), MARK),
        **dict.fromkeys(("reference-mark", "reference-mark-start", "reference-mark-end"), MARK),
        **dict.fromkeys(("change", "change-start", "change-end"), MARK),
        **dict.fromkeys(("annotation", "annotation-end", "ruby-text", "event-listeners"), MARK),
        **dict.fromkeys((f"{kind}{part}" for kind in _INDEX_MARKS for part in _RANGE), MARK),
    },
    is_value=_is_value,
    space=(f"{_TEXT}s", f"{_TEXT}c"),
    range_of={
        **dict.fromkeys(("bookmark-start", "bookmark-end"), f"{_TEXT}name"),
        **dict.fromkeys(("reference-mark-start", "reference-mark-end"), f"{_TEXT}name"),
        **dict.fromkeys(("change-start", "change-end"), f"{_TEXT}change-id"),
        **dict.fromkeys(("annotation", "annotation-end"), f"{_OFFICE}name"),
        **dict.fromkeys((f"{kind}{end}" for kind in _INDEX_MARKS for end in _RANGE[1:]), _ID),
    },
)


class OpenDocument(Document):
    """Paragraphs and headings, in tables, notes, frames, headers and footers too. Fields such as
    page numbers and dates stay, and so do cells that are numbers or dates."""

    media_type = "application/vnd.oasis.opendocument.text"
    libraries = ("lxml",)
    is_archive = True

    def __init__(self, content: bytes, options: ReadingOptions):
        self._archive = Archive(content, "an OpenDocument file")
        self._options = options
        if "META-INF/manifest.xml" in self._archive.names and (
            b"encryption-data" in self._archive.read("META-INF/manifest.xml")
        ):
            raise UserError("the document is encrypted. Save it without a password.")
        names = [name for name in self._archive.names if _PARTS.fullmatch(name)]
        names.sort(key=lambda name: name != "content.xml")  # the text before headers and charts
        self._roots = {name: self._archive.read_xml(name) for name in names}
        if "content.xml" not in self._roots:
            self._archive.read("content.xml")  # says what is missing
        # Names of styles
        self._superscripts: set[str | None] = set()
        self._symbols: set[str | None] = set()
        for root in self._roots.values():
            for properties in root.iter(f"{_STYLE}text-properties"):
                style = properties.getparent().get(f"{_STYLE}name")
                if _RAISED.match(properties.get(f"{_STYLE}text-position", "")):
                    self._superscripts.add(style)
                if SYMBOL_FONT.fullmatch(properties.get(f"{_STYLE}font-name", "")):
                    self._symbols.add(style)
        self._contents = [
            (name, MixedContent(paragraph, _RULES, options.stand_ins, self._is_whole))
            for name, root in self._roots.items()
            for paragraph in limited(self._paragraphs(root))
        ]
        self.units = [unit for _, content in self._contents for unit in content.units]

    def _paragraphs(self, root: Any) -> Iterator[Any]:
        return _paragraphs(root)

    def _is_whole(self, element: Any) -> bool:
        """Whether a span moves as one: text in a font of symbols, or the number of a note, typed
        as text in superscript."""
        style = element.get(f"{_TEXT}style-name")
        if style is None or style in self._symbols:
            return style is not None
        return style in self._superscripts and _is_note_mark(element)

    def filled(self, translations: Translations) -> bytes:
        changed = set()
        for name, content in self._contents:
            if content.is_changed(translations):
                content.write(translations)
                for cell in content.element.iterancestors(_CELL):
                    cell.attrib.pop(_STRING_VALUE, None)  # the same text, which would be shown
                changed.add(name)
        parts = {name: write_xml(self._roots[name]) for name in changed}
        if parts and "styles.xml" in self._roots:
            parts.setdefault("styles.xml", self._archive.read("styles.xml"))
        return self._archive.replaced(
            {name: _PROPERTIES.sub(self._in_target_language, part) for name, part in parts.items()}
        )

    def _in_target_language(self, properties: re.Match[bytes]) -> bytes:
        """Properties of text in the source language; the country is not known then."""
        language = _LANGUAGE.search(properties[0])
        if language is None or not self._options.is_source(language[1].decode("ascii")):
            return properties[0]
        new = f'fo:language="{self._options.target}"'.encode()
        return _COUNTRY.sub(b'fo:country="none"', properties[0].replace(language[0], new))


class OpenPresentation(OpenDocument):
    """`.odp`"""

    media_type = "application/vnd.oasis.opendocument.presentation"


class OpenSpreadsheet(OpenDocument):
    """`.ods`. Cells with a text that formulas, lists of valid values, conditional formats, filters
    and pivot tables compare with stay."""

    media_type = "application/vnd.oasis.opendocument.spreadsheet"

    def _paragraphs(self, root: Any) -> Iterator[Any]:
        kept = _compared(root)
        for paragraph in _paragraphs(root):
            if "".join(paragraph.itertext()).casefold() not in kept:
                yield paragraph

    def filled(self, translations: Translations) -> bytes:
        if any(content.is_changed(translations) for _, content in self._contents):
            self._drop_results()
        return super().filled(translations)

    def _drop_results(self) -> None:
        """Removes the texts that formulas gave before: LibreOffice would go on to show them."""
        for root in self._roots.values():
            for cell in root.iter(_CELL):
                if _FORMULA in cell.attrib and cell.get(_VALUE_TYPE) == "string":
                    for attribute in (_VALUE_TYPE, _STRING_VALUE):
                        cell.attrib.pop(attribute, None)
                    for paragraph in list(cell.iterchildren(f"{_TEXT}p")):
                        cell.remove(paragraph)


def _is_note_mark(element: Any) -> bool:
    previous = element.getprevious()
    before = element.getparent().text if previous is None else previous.tail
    return is_note_mark("".join(element.itertext()), before or "")


def _paragraphs(root: Any) -> Iterator[Any]:
    for element in root.iter(f"{_TEXT}p", f"{_TEXT}h"):
        if not any(text.strip() for text in element.itertext()):
            continue
        around = list(element.iterancestors(_CELL, _COVERED_CELL, _COMMENT, _DELETED))
        if any(one.tag == _DELETED for one in around):
            continue
        # A comment has no type and no formula, whatever cell it belongs to.
        if around and (
            around[0].get(_VALUE_TYPE, "string") != "string" or _FORMULA in around[0].attrib
        ):
            continue
        yield element


def _compared(root: Any) -> set[str]:
    """The texts that cells are compared with, without case."""
    found: set[str] = set()
    is_indirect = False
    for element in root.iter(f"{_TABLE}*", f"{_CALCEXT}condition", f"{_STYLE}map"):
        for attribute in _FORMULAS:
            formula = element.get(attribute, "")
            found.update(formula_texts(formula))
            is_indirect = is_indirect or has_indirect(formula.encode())
        for attribute in (f"{_TABLE}value", f"{_TABLE}source-field-name"):
            if attribute in element.attrib:
                found.add(element.get(attribute).casefold())
    if is_indirect:
        named = (element.get(f"{_TABLE}name", "") for element in root.iter(*_NAMED))
        found |= texts_of_names(named)
    return found
