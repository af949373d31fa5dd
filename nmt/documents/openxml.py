"""Office Open XML: `.docx`, `.pptx` and `.xlsx`, in which a paragraph is a sequence of runs.

Runs of the same formatting are one text. The formatting that most of a paragraph has is taken for
granted; other formatting, and links, are inline elements of the text.
"""

import copy
import functools
import html
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nmt.documents.archive import Archive, write_xml
from nmt.documents.document import (
    SYMBOL_FONT,
    Document,
    Ranges,
    ReadingOptions,
    Translations,
    Unit,
    blocks,
    close,
    formula_texts,
    library,
    limited,
    placed,
    words,
)
from nmt.documents.indirect import has_indirect, texts_of_names
from nmt.documents.sheet_header import MAX_LENGTH, read_headers, write_headers
from nmt.errors import UserError
from nmt.text.html_blocks import COLUMNS, AlignedText, Block, PartsBuilder, Tag, is_note_mark

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_CX = "{http://schemas.microsoft.com/office/drawing/2014/chartex}"
_STRICT = "{http://purl.oclc.org/ooxml/"
_XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
MAX_FIELDS = 8  # in one another; what is nested deeper is moved as one
# Of the properties of runs: what is not formatting.
_NO_FORMATTING = frozenset((f"{_W}lang", f"{_W}noProof", f"{_W}rPrChange", f"{_W}webHidden"))
_NO_FORMATTING_ATTRIBUTES = frozenset(("lang", "altLang", "dirty", "err", "noProof", "smtClean"))


@dataclass(frozen=True)
class RunNames:
    """The elements of paragraphs in a format."""

    run: str
    properties: str  # of a run
    text: str
    first: Collection[str]  # stay at the start of a paragraph
    last: Collection[str] = ()  # stay at its end
    readings: Collection[str] = ()  # of the text as it was, which a translation has not
    containers: Mapping[str, str | None] = field(default_factory=dict)  # -> child with the content
    boundaries: Collection[str] = ()
    invisible: Collection[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)  # elements that stand for characters
    states_space: bool = True  # `xml:space` says that white space at an edge of a text is kept
    has_lines: bool = True  # a line end in a text is one; otherwise it is a space


WORD = RunNames(
    run=f"{_W}r",
    properties=f"{_W}rPr",
    text=f"{_W}t",
    first=tuple(f"{_W}{name}" for name in ("pPr", "smartTagPr", "customXmlPr", "fldData")),
    containers={
        **dict.fromkeys(f"{_W}{name}" for name in ("hyperlink", "ins", "smartTag", "moveTo")),
        **dict.fromkeys(f"{_W}{name}" for name in ("customXml", "bdo", "dir")),
        f"{_W}sdt": f"{_W}sdtContent",
    },
    boundaries=tuple(f"{_W}{name}" for name in ("br", "cr", "tab", "ptab")),
    invisible=tuple(
        f"{_W}{name}"
        for name in (
            *("bookmarkStart", "bookmarkEnd", "proofErr", "lastRenderedPageBreak", "permStart"),
            *("permEnd", "commentRangeStart", "commentRangeEnd", "del", "moveFrom"),
            *("moveFromRangeStart", "moveFromRangeEnd", "moveToRangeStart", "moveToRangeEnd"),
        )
    ),
    texts={f"{_W}noBreakHyphen": "\u2011", f"{_W}softHyphen": "\u00ad"},
    has_lines=False,
)
DRAWING = RunNames(
    run=f"{_A}r",
    properties=f"{_A}rPr",
    text=f"{_A}t",
    first=(f"{_A}pPr",),
    last=(f"{_A}endParaRPr",),
    boundaries=(f"{_A}br",),
    states_space=False,
)
SHEET = RunNames(
    run=f"{_S}r",
    properties=f"{_S}rPr",
    text=f"{_S}t",
    first=(),
    last=(f"{_S}phoneticPr",),
    readings=(f"{_S}rPh",),
)
# A comment of a slide, without runs.
COMMENT = RunNames(
    run=f"{_P}r",
    properties=f"{_P}rPr",
    text=f"{_P}text",
    first=(f"{_P}pos",),
    last=(f"{_P}extLst",),
)
# A cell with a text of its own, as some programs write it, without runs.
CELL = RunNames(
    run=f"{_S}r",
    properties=f"{_S}rPr",
    text=f"{_S}v",
    first=(),
    last=(f"{_S}extLst",),
    states_space=False,
)
# A name of a series or of a category, without runs.
CHART = RunNames(run=f"{_C}r", properties=f"{_C}rPr", text=f"{_C}v", first=(), states_space=False)
# The same in the charts of Office 2016, such as maps and funnels.
NEW_CHART = RunNames(
    run=f"{_CX}r",
    properties=f"{_CX}rPr",
    text=f"{_CX}v",
    first=(f"{_CX}f",),
    states_space=False,
)


@dataclass(frozen=True)
class _Place:
    """What a tag stands for: formatting, a container, or elements in a run or in a paragraph."""

    elements: Sequence[Any] = ()  # a container; a point; what begins or ends a field
    inner: Any = None  # of a container: where its content goes
    formatting: Any = None  # properties of the runs inside, or of the run of a point
    kind: str = "point"  # "open", "close", "point" or "in run": a point that stands in a run


class Paragraph:
    """A paragraph as parts."""

    def __init__(self, element: Any, names: RunNames, stand_ins: bool = False):
        self.element, self._names = element, names
        self._builder = PartsBuilder(stand_ins)
        self._places: dict[Tag, _Place] = {}
        self._ranges = Ranges()  # by (name, id), such as ("bookmark", "3")
        # Text that stands in the element itself, and in no run.
        self._is_bare = element.find(names.text) is not None
        self._num_fields = 0  # that stand around what is read
        self._base: dict[Any, Any] = {}  # the paragraph or a container -> its usual formatting
        self._read(element)
        self._builder.end_text()
        self.parts: list[str | Tag | Block] = self._builder.parts
        self.units = blocks(self.parts)

    # ------------------------------------------------------------------------------------ reading

    def _read(self, parent: Any) -> None:
        names = self._names
        base = self._base[parent] = self._usual_formatting(parent)
        apart = (*names.first, *names.last, *names.readings)
        self._read_children([one for one in parent if one.tag not in apart], base)

    def _read_children(self, children: Sequence[Any], base: Any) -> None:
        current, opening = _key(base), None  # the formatting that is open, if it is not the usual
        field_ends = _field_ends(children)
        position = 0
        while position < len(children):
            child = children[position]
            position += 1
            key, properties = self._formatting(child, base, current)
            if key != current:
                if opening is not None:
                    self._end(opening)
                    opening = None
                current = key
                if key != _key(base):
                    opening = self._start(_Place(formatting=properties, kind="open"))
            if field_end := field_ends.get(position - 1):
                self._read_field(children[position - 1 : field_end], base)
                position = field_end
            elif child.tag == self._names.run and (base_text := _ruby_base(child)) is not None:
                self._read_container(child, base_text)
            elif self._is_note_mark(child):
                self._point(_Place((child,)))
            elif child.tag == self._names.run:
                self._read_run(child, properties)
            elif child.tag == self._names.text:
                self._read_text(child.text or "")
            elif child.tag in self._names.containers and not _is_choice(child):
                content = self._names.containers[child.tag]
                self._read_container(child, child if content is None else child.find(content))
            elif child.tag == _SIMPLE_FIELD and _TEXT_FIELD.match(child.get(f"{_W}instr", "")):
                self._read_container(child, child)
            else:
                self._point(_Place((child,)))
        if opening is not None:
            self._end(opening)

    def _formatting(self, child: Any, base: Any, current: bytes) -> tuple[bytes, Any]:
        """The formatting of an element, and the properties that say so."""
        if child.tag != self._names.run:
            return _key(base), None
        properties = child.find(self._names.properties)
        is_seen = _run_text(child, self._names).strip() and not _is_field(child)
        # The formatting of a space does not matter; the mark of a note keeps its own.
        if not is_seen or self._is_note_mark(child):
            return current, properties
        return _key(properties), properties

    def _is_note_mark(self, run: Any) -> bool:
        """Whether a run is the number of a note, typed as text in superscript."""
        names = self._names
        if run.tag != names.run or any(
            one.tag not in (names.properties, names.text) for one in run
        ):
            return False
        if not _is_superscript(run.find(names.properties)):
            return False
        siblings = run.itersiblings(preceding=True)
        previous = next((one for one in siblings if one.tag not in names.invisible), None)
        is_after_run = previous is not None and previous.tag == names.run
        before = _run_text(previous, names) if is_after_run else ""
        return is_note_mark(_run_text(run, names), before)

    def _read_field(self, runs: Sequence[Any], base: Any) -> None:
        """A field from its begin to its end goes around its text, or is moved as one."""
        code = _joined(runs, f"{_W}instrText")
        kinds = [[one.get(f"{_W}fldCharType") for one in run.iter(_FIELD_CHAR)] for run in runs]
        is_text = _TEXT_FIELD.match(code) and ["separate"] in kinds
        if not is_text or self._num_fields == MAX_FIELDS:
            self._point(_Place(runs), is_whole=True)
            return
        start = kinds.index(["separate"]) + 1
        opening = self._start(_Place(runs[:start], formatting=base, kind="open"))
        self._num_fields += 1
        self._read_children(runs[start:-1], base)
        self._num_fields -= 1
        self._end(opening, runs[-1:])

    def _usual_formatting(self, parent: Any) -> Any:
        """The properties of most of the text that stands directly in an element."""
        counts: Counter[bytes] = Counter()
        found: dict[bytes, Any] = {}
        for run in parent.iterchildren(self._names.run):
            properties = run.find(self._names.properties)
            key = _key(properties)
            found.setdefault(key, properties)
            counts[key] += len(_run_text(run, self._names).strip())
        return found[counts.most_common(1)[0][0]] if counts else None

    def _start(self, place: _Place) -> Tag:
        tag = Tag("<>", "open")
        self._places[tag] = place
        self._builder.open(tag)
        return tag

    def _end(self, opening: Tag, elements: Sequence[Any] = ()) -> None:
        tag = Tag("</>", "close")
        self._places[tag] = _Place(elements, kind="close")
        close(self._builder, tag, opening)

    def _read_container(self, container: Any, inner: Any) -> None:
        """An element around text, which stands in `inner`, the element itself or one inside."""
        if inner is None:
            self._point(_Place((container,)))
            return
        opening = self._start(_Place((container,), inner, kind="open"))
        self._read(inner)
        self._end(opening)

    def _read_run(self, run: Any, properties: Any) -> None:
        names = self._names
        children = list(run)
        field_end = 0
        for position, child in enumerate(children):
            if child.tag == names.properties or position < field_end:
                continue
            if child.tag == _FIELD_CHAR and (field_end := _field_end(children, position)):
                elements = children[position:field_end]
                self._point(_Place(elements, formatting=properties, kind="in run"), is_whole=True)
            elif child.tag == names.text and not _has_symbols(properties):
                self._read_text(child.text or "")
            elif child.tag in names.texts:
                self._builder.add(names.texts[child.tag])
            else:
                self._point(_Place((child,), formatting=properties, kind="in run"))

    def _read_text(self, text: str) -> None:
        if not self._names.has_lines:
            self._builder.add(*words(text))
            return
        for number, part in enumerate(_TEXT_END.split(text)):
            if number % 2:
                self._builder.boundary(part)
            else:
                self._builder.add(*words(part))

    def _point(self, place: _Place, *, is_whole: bool = False) -> None:
        """Elements that move as one; `is_whole` says that they are a field."""
        name = place.elements[0].tag
        is_value = (is_whole or name in _VALUES) and _shows_value(place.elements)
        tag = Tag("<!" if name in self._names.invisible else "", "point", is_copied=is_value)
        self._places[tag] = place
        self._note_range(tag, place.elements[0])
        # What is left of a field goes on in another paragraph.
        is_part = name in (_FIELD_CHAR, f"{_W}instrText") and not is_whole
        if name in self._names.boundaries or is_part:
            self._builder.boundary(tag)
        else:
            self._builder.add(tag)

    def _note_range(self, tag: Tag, element: Any) -> None:
        match = re.fullmatch(r"(.*)(Start|End)", element.tag)
        if match and element.tag in self._names.invisible:
            key = match[1], element.get(f"{_W}id", "")
            self._ranges.note(key, tag, is_end=match[2] == "End")

    # ------------------------------------------------------------------------------------ writing

    def is_changed(self, translations: Translations) -> bool:
        return any(unit in translations for unit in self.units)

    def write(self, translations: Translations) -> None:
        """Replaces the runs of the paragraph."""
        entries = self._ranges.in_order(placed(self.parts, translations))
        names = self._names
        last = [child for child in self.element if child.tag in names.last]
        for parent in self._base:
            for child in list(parent):
                if child.tag not in names.first:
                    parent.remove(child)
        writer = _Writer(self.element, names, self._base, self._is_bare)
        for entry in entries:
            if isinstance(entry, Tag):
                writer.place(self._places[entry])
            else:
                writer.text(entry if isinstance(entry, str) else entry.raw)
        writer.end_text()
        self.element.extend(last)


class _Writer:
    """Writes runs: consecutive text of the same formatting is one."""

    def __init__(self, paragraph: Any, names: RunNames, base: Mapping[Any, Any], is_bare: bool):
        self._names, self._base, self._is_bare = names, base, is_bare
        # The elements around: where they are written to, and the formatting in them.
        self._stack: list[tuple[Any, Any]] = [(paragraph, base[paragraph])]
        self._text: Any = None  # to which more text can be added

    def text(self, text: str) -> None:
        if not text:
            return
        if self._text is None:
            parent, properties = self._stack[-1]
            run = parent if self._is_bare else self._run(parent, properties)
            self._text = _child(run, self._names.text)
            self._text.text = ""
        self._text.text += text

    def end_text(self) -> None:
        if self._text is not None and self._names.states_space:
            whole = self._text.text
            if whole != whole.strip() or "\n" in whole:
                self._text.set(_XML_SPACE, "preserve")
        self._text = None

    def place(self, place: _Place) -> None:
        self.end_text()
        parent, _ = self._stack[-1]
        if place.kind == "close":
            if len(self._stack) > 1:
                self._stack.pop()
            self._stack[-1][0].extend(place.elements)
        elif place.kind == "in run":
            self._run(parent, place.formatting).extend(place.elements)
        else:
            parent.extend(place.elements)
        if place.kind == "open":
            is_container = place.inner is not None
            inner = place.inner if is_container else parent
            self._stack.append((inner, self._base[inner] if is_container else place.formatting))

    def _run(self, parent: Any, properties: Any) -> Any:
        run = _child(parent, self._names.run)
        if properties is not None:
            run.append(copy.deepcopy(properties))
        return run


def _child(parent: Any, name: str) -> Any:
    return library("lxml.etree").SubElement(parent, name)


def _run_text(run: Any, names: RunNames) -> str:
    """The text of a run, in which symbols are none."""
    if _has_symbols(run.find(names.properties)):
        return ""
    return "".join(child.text or "" for child in run.iterchildren(names.text))


def _has_symbols(properties: Any) -> bool:
    """Whether the font is one of symbols, by `rFonts` of Word, `latin` of drawings or `rFont` of
    Excel. (`a:sym` is that of characters for private use alone.)"""
    if properties is None:
        return False
    return any(
        SYMBOL_FONT.fullmatch(one.get(attribute, ""))
        for one in properties.iterchildren("{*}rFonts", "{*}latin", "{*}rFont")
        for attribute in (f"{_W}ascii", f"{_W}hAnsi", "typeface", "val")
    )


def _is_superscript(properties: Any) -> bool:
    """By `vertAlign` of Word and Excel, or `baseline` of drawings, in thousandths of a percent."""
    if properties is None:
        return False
    baseline = properties.get("baseline", "0").removesuffix("%")
    values = [one.get(f"{_W}val") or one.get("val") for one in properties.iter("{*}vertAlign")]
    return "superscript" in values or (baseline.isdecimal() and int(baseline[:9]) > 0)


def _key(properties: Any) -> bytes:
    """Equal for properties that look alike."""
    if properties is None:
        return b""
    plain = copy.deepcopy(properties)
    plain.tail = None
    for child in list(plain):
        if child.tag in _NO_FORMATTING:
            plain.remove(child)
    for attribute in _NO_FORMATTING_ATTRIBUTES & set(plain.attrib):
        del plain.attrib[attribute]
    if not len(plain) and not plain.attrib:
        return b""
    key: bytes = library("lxml.etree").tostring(plain, method="c14n")
    return key


# Excel escapes control characters.
_TEXT_END = re.compile(rf"((?:_x000[dD]_)?\r?\n|{COLUMNS})")
_CONTROL = re.compile(r"_x([0-9A-Fa-f]{4})_")
_FIELD_CHAR = f"{_W}fldChar"
_SIMPLE_FIELD = f"{_W}fldSimple"
# Fields that show a text of the author. Others show what Word computes, or what text refers to.
_TEXT_FIELD = re.compile(r"\s*(?:HYPERLINK|FORMTEXT)\b", re.IGNORECASE)
_PAGE_FIELD = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES|slidenum)\b", re.IGNORECASE)
_CONTENT_CONTROL = f"{_W}sdt"
# Elements that stand for words of a sentence: fields, choices and formulas
_VALUES = (_SIMPLE_FIELD, f"{_A}fld", _CONTENT_CONTROL, f"{_M}oMath")
_IN_FIELD = frozenset((_FIELD_CHAR, f"{_W}instrText", f"{_W}rPr"))


def _field_ends(children: Sequence[Any]) -> dict[int, int]:
    """Where fields end that begin and end in these children: index of the first run -> after the
    last one."""
    found: dict[int, int] = {}
    begun: list[int] = []
    for index, child in enumerate(children):
        kinds = [one.get(f"{_W}fldCharType") for one in child.iterchildren(_FIELD_CHAR)]
        if kinds and any(one.tag not in _IN_FIELD for one in child):
            begun.clear()  # no field around it can be moved
            continue
        for kind in kinds:
            if kind == "begin":
                begun.append(index)
            elif kind == "end" and begun and (start := begun.pop()) < index:
                found[start] = index + 1
    return found


def _shows_value(elements: Sequence[Any]) -> bool:
    """Whether a field, a choice or a formula shows what its sentence needs. Models read a sentence
    without a bare number, or the number of a page, better than with a stand-in for it."""
    text = _joined(elements, f"{_W}t", f"{_A}t", f"{_M}t")
    stated = elements[0].get(f"{_W}instr") or elements[0].get("type")
    code = stated or _joined(elements, f"{_W}instrText")
    return bool(text.strip()) and not is_note_mark(text, "") and not _PAGE_FIELD.match(code)


def _joined(elements: Sequence[Any], *names: str) -> str:
    """The text of all elements of these names."""
    return "".join(one.text or "" for element in elements for one in element.iter(*names))


def _is_choice(element: Any) -> bool:
    """Whether a content control shows one of its own entries, or a value that stands elsewhere."""
    if element.tag != _CONTENT_CONTROL:
        return False
    kinds = (f"{_W}dropDownList", f"{_W}comboBox", "{*}dataBinding")
    properties = element.find(f"{_W}sdtPr")
    return properties is not None and any(properties.find(one) is not None for one in kinds)


def _ruby_base(run: Any) -> Any:
    """The text under an annotation, which is all that stands in its run; else None."""
    children = [child for child in run if child.tag != f"{_W}rPr"]
    is_ruby = len(children) == 1 and children[0].tag == f"{_W}ruby"
    return children[0].find(f"{_W}rubyBase") if is_ruby else None


def _is_field(run: Any) -> bool:
    if run.find(_FIELD_CHAR) is None:
        return False
    children = [child for child in run if child.tag != f"{_W}rPr"]
    return children[0].tag == _FIELD_CHAR and _field_end(children, 0) == len(children)


def _field_end(children: Sequence[Any], start: int) -> int:
    """After the end of a field that begins and ends in one run, as Google Docs writes it; else 0.

    Such a field has no formatting of its own."""
    depth = 0
    for index, child in enumerate(children[start:], start):
        kind = child.get(f"{_W}fldCharType") if child.tag == _FIELD_CHAR else ""
        depth += (kind == "begin") - (kind == "end")
        if depth < 1:
            return index + 1 if index > start else 0
    return 0


# ---------------------------------------------------------------------------------------- documents


class _OfficeDocument(Document):
    """A document whose paragraphs stand in some parts of an archive."""

    libraries = ("lxml",)
    is_archive = True
    kind = ""
    part: re.Pattern[str]  # names of the parts with text
    main = ""  # the part that there has to be
    styles = re.compile("(?!)")  # names of parts with the language of texts which name none
    names: ClassVar[Mapping[str, RunNames]]  # of paragraphs: by their elements

    def __init__(self, content: bytes, options: ReadingOptions):
        self._archive = Archive(content, self.kind)
        self._options = options
        self._main = main = self._main_part()
        root = self._archive.read_xml(main)
        if root.tag.startswith(_STRICT):
            raise UserError(
                f"expected {self.kind}. Received: Strict Open XML. Save it as an ordinary one."
            )
        self._roots = {
            name: root if name == main else self._archive.read_xml(name)
            for name in self._archive.names
            if name == main or self._has_text(name)
        }
        self._paragraphs = [
            (name, Paragraph(element, self.names[element.tag], options.stand_ins))
            for name, root in self._roots.items()
            for element in limited(self._elements(root))
        ]
        self.units = [unit for _, paragraph in self._paragraphs for unit in paragraph.units]

    def _main_part(self) -> str:
        """The main part by the relationships of the archive: some programs number it."""
        if _RELATIONSHIPS in self._archive.names:
            for one in self._archive.read_xml(_RELATIONSHIPS).iter("{*}Relationship"):
                name = one.get("Target", "").removeprefix("/")
                is_main = one.get("Type", "").endswith("/officeDocument")
                if is_main and name.startswith(self.main.partition("/")[0] + "/"):
                    return str(name)
        return self.main

    def _has_text(self, name: str) -> bool:
        return bool(self.part.fullmatch(name))

    def _elements(self, root: Any) -> Iterator[Any]:
        """Paragraphs with text: thousands of empty ones would take memory for nothing."""
        for element in root.iter(*self.names):
            if element.tag == f"{_C}pt" and element.getparent().tag not in _STRINGS:
                continue
            text = self.names[element.tag].text
            if not any(one.text and not one.text.isspace() for one in element.iter(text)):
                continue
            if not any(map(_is_choice, element.iterancestors(_CONTENT_CONTROL))):
                yield element

    def _changed_parts(self, translations: Translations) -> dict[str, bytes]:
        """The parts with translations in them."""
        changed = set()
        for name, paragraph in self._paragraphs:
            if paragraph.is_changed(translations):
                paragraph.write(translations)
                changed.add(name)
        return {name: write_xml(self._roots[name]) for name in changed}

    def filled(self, translations: Translations) -> bytes:
        parts = self._changed_parts(translations)
        for name in self._archive.names if parts else ():
            if self.styles.fullmatch(name):
                parts[name] = self._archive.read(name)
        return self._archive.replaced(
            {name: _LANGUAGE.sub(self._new_language, part) for name, part in parts.items()}
        )

    def _new_language(self, match: re.Match[bytes]) -> bytes:
        is_source = self._options.is_source(match[2].decode("ascii"))
        return match[1] + (self._options.target.encode() if is_source else match[2])


# The language of a text, in its properties or in those of a style
_LANGUAGE = re.compile(
    rb"""(<(?:w:lang|a:(?:rPr|endParaRPr|defRPr))\b[^<>]*?\s(?:w:val|lang)=["'])([a-zA-Z-]+)"""
)
_RELATIONSHIPS = "_rels/.rels"
_STRINGS = frozenset((f"{_C}strCache", f"{_C}strLit", f"{_C}lvl"))  # other caches are of numbers
_DRAWN = {f"{_A}p": DRAWING, f"{_C}pt": CHART, f"{_CX}txData": NEW_CHART}
# Text boxes in charts are drawings.
_DRAWN_PARTS = r"charts/chart(?:Ex)?\d+|diagrams/(?:data|drawing)\d+|drawings/drawing\d+"


class DocxDocument(_OfficeDocument):
    """`.docx`: body, tables, text boxes, headers, footers, notes, comments, charts, diagrams.
    Fields and deleted text stay."""

    media_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    kind = "a Word document (.docx)"
    main = "word/document.xml"
    styles = re.compile(r"word/styles\d*\.xml", re.IGNORECASE)
    part = re.compile(
        r"word/(?:document|(?:header|footer|footnotes|endnotes|comments)\d*|"
        rf"{_DRAWN_PARTS})\.xml",
        re.IGNORECASE,
    )
    names: ClassVar = {f"{_W}p": WORD, **_DRAWN}


class PptxDocument(_OfficeDocument):
    """`.pptx`: slides, notes, comments, charts, diagrams."""

    media_type = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    kind = "a presentation (.pptx)"
    main = "ppt/presentation.xml"
    part = re.compile(
        r"ppt/(?:slides/slide\d+|notesSlides/notesSlide\d+|comments/(?:comment\d+|modernComment_\w+)|"
        rf"{_DRAWN_PARTS})\.xml",
        re.IGNORECASE,
    )
    names: ClassVar = {f"{_P}cm": COMMENT, **_DRAWN}


_CELL = f"{_S}c"
_CELL_TEXTS = (f"{_S}si", f"{_S}is", _CELL)


class XlsxDocument(_OfficeDocument):
    """`.xlsx`: text of cells, headers and footers, comments, text boxes, charts, diagrams. Formulas
    and names of sheets stay, and so do cells with a text that something else in the workbook refers
    to: headers of tables and pivot tables, and what formulas, filters and lists of valid values
    compare with."""

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    kind = "a workbook (.xlsx)"
    main = "xl/workbook.xml"
    part = re.compile(
        rf"xl/(?:sharedStrings\d*|comments\d*|comments/comment\d+|{_DRAWN_PARTS})\.xml",
        re.IGNORECASE,
    )
    names: ClassVar = {
        **dict.fromkeys((*_CELL_TEXTS, f"{_S}text"), SHEET),
        _CELL: CELL,
        **_DRAWN,
    }
    _table = re.compile(r"xl/(?:tables/[^/]+|pivotCache/pivotCacheDefinition[^/]*)\.xml")
    _sheet = re.compile(r"xl/(?:work|chart|dialog)sheets/[^/]+")
    # An attribute is looked for ahead, once: there may be millions of it.
    _inline_string = re.compile(
        rb"<(?:\w+:)?(?:is[\s>]|c\b(?=[^<>]*\bt=[\"']str[\"'])[^<>]*>\s*<(?:\w+:)?v\b)"
    )

    def __init__(self, content: bytes, options: ReadingOptions):
        super().__init__(content, options)
        self._headers = {
            name: read_headers(self._archive.read(name), options.stand_ins)
            for name in self._archive.names
            if self._sheet.fullmatch(name)
        }
        self._header_of = {
            unit: header
            for headers in self._headers.values()
            for header in headers
            for unit in header.units
        }
        self.units = list(limited([*self.units, *self._header_of]))

    def problem(self, unit: Unit, translation: AlignedText) -> str | None:
        header = self._header_of.get(unit)  # type: ignore[call-overload]
        if header is not None and not header.has_room(unit, translation):
            return f"a header has at most {MAX_LENGTH} characters"
        return None

    def _changed_parts(self, translations: Translations) -> dict[str, bytes]:
        parts = super()._changed_parts(translations)
        for name, headers in self._headers.items():
            if any(header.is_changed(translations) for header in headers):
                sheet = parts.get(name) or self._archive.read(name)
                parts[name] = write_headers(sheet, headers, translations)
        if parts:  # Excel shows the texts that formulas gave before unless it is told to calculate
            book = self._archive.read(self._main)
            parts[self._main] = _CALCULATION.sub(rb'\g<0> fullCalcOnLoad="1"', book)
        return parts

    def _has_text(self, name: str) -> bool:
        if not self._sheet.fullmatch(name):
            return super()._has_text(name)
        # Sheets are long, and few have text of their own.
        return bool(self._inline_string.search(self._archive.read(name)))

    def _elements(self, root: Any) -> Iterator[Any]:
        for element in super()._elements(root):
            if element.tag == _CELL and (
                element.get("t") != "str" or element.find(f"{_S}f") is not None
            ):
                continue
            if element.tag in _CELL_TEXTS:
                text = _unescaped("".join(one.text or "" for one in _cell_texts(element)))
                if text.casefold() in self._referred_to:
                    continue
            yield element

    @functools.cached_property
    def _referred_to(self) -> set[str]:
        """The texts of cells that other parts refer to, without case."""
        found: set[str] = set()
        named: set[str] = set()
        is_indirect = False
        for name in self._archive.names:
            if self._table.fullmatch(name):
                table = self._archive.read_xml(name)
                named.add(table.get("displayName", ""))
                for column in table.iter(*_COLUMNS):
                    names = (column.get(one, "") for one in ("name", "totalsRowLabel"))
                    found.update(_unescaped(one).casefold() for one in names)
            elif name == self._main or self._sheet.fullmatch(name):
                part = self._archive.read(name)
                found.update(_compared(part))
                is_indirect = is_indirect or has_indirect(part)
        for one in self._roots[self._main].iter(f"{_S}sheet", f"{_S}definedName"):
            named.add(one.get("name", ""))
        return found | texts_of_names(named) if is_indirect else found


_COLUMNS = (f"{_S}tableColumn", f"{_S}cacheField")
# What a sheet compares cells with: a formula, a list of valid values, a filter
_COMPARED = re.compile(
    rb"<(?:\w+:)?(?:(?:f|formula|definedName)\b[^<>]*>(?P<formula>[^<]+)<"
    rb"|formula1[^<>]*>(?P<list>[^<]+)<"
    rb"|(?:filter|customFilter)\b[^<>]*\bval=[\"'](?P<filter>[^<>\"']+))"
)
_CALCULATION = re.compile(rb"<(?:\w+:)?calcPr\b(?![^<>]*\sfullCalcOnLoad=)")


def _cell_texts(element: Any) -> Iterator[Any]:
    """The text of a cell, in runs or in none, without its phonetic readings."""
    for child in element.iterchildren(f"{_S}t", f"{_S}r", f"{_S}v"):
        yield from child.iter(f"{_S}t", f"{_S}v")


def _compared(sheet: bytes) -> Iterator[str]:
    for match in _COMPARED.finditer(sheet):
        text = html.unescape(match[match.lastgroup or 0].decode("utf-8", "replace"))
        if match["filter"]:
            yield text.casefold()
        for value in formula_texts(text):
            yield value
            if match["list"]:
                yield from (one.strip() for one in value.split(","))


def _unescaped(text: str) -> str:
    """A text of Excel with its control characters, and lines that end as those of XML do."""
    text = _CONTROL.sub(lambda match: chr(int(match[1], 16)), text)
    return text.replace("\r\n", "\n").replace("\r", "\n")
