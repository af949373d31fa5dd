"""What all formats have in common: a document is units of text and the rest, which stays.

A unit is one line of text with the inline markup in it taken out: a `Block` of
`nmt.text.html_blocks`, whatever the format. A format cuts its files into units and puts
translations back. It knows no translator.
"""

import html
import importlib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from nmt.about import install_command
from nmt.errors import UserError
from nmt.text.html import is_in_sentence, is_kept
from nmt.text.html_blocks import COLUMNS, AlignedText, Block, Entry, PartsBuilder, Space, Tag
from nmt.text.lines import HOW_TO_CONVERT
from nmt.text.model_input import has_letters
from nmt.text.placeholders import ENTITY, FILE_SUFFIXES, FORMAT_PLACEHOLDER, PATTERNS

MAX_BYTES = 50_000_000  # of a document; an office file of text alone has a hundredth of it
MAX_LINES = 500_000  # of a text file
MAX_UNITS = 200_000  # of a document: more than 1 KB of memory each
# Those of more programs: %r %(x)a %Y (Python, times), %PATH% (Windows), %1 %L1 %n (Qt, KDE), $NAME$
# (Chrome), {n, number} (ICU), ${a b} (JavaScript), <%= a %> %<n>d (Ruby), $t(key) (i18next), @:key
# (Vue), :name [2,*] (Laravel; also :emoji:), @name %name (Drupal; also @people), *|NAME|*
# (Mailchimp)
_PLACEHOLDER = (
    rf"{FORMAT_PLACEHOLDER}|(?<![\w%])%(?:L?\d{{1,2}}(?!\w)|[A-Za-z_]\w*%)"
    r"|(?<![\d%])%(?:\(\w+\))?[-+#0]*+\d*+(?:\.\d+)?[a-zA-Z](?![a-zA-Z])|\$[A-Za-z_]\w*\$"
    r"|\{\s*\w+\s*,\s*(?:number|date|time|spellout|ordinal|duration)\b[^{}]*\}"
    r"|[$#]\{[^{}\n]*\}|<%[^<>%\n]*%>"
    r"|\$t\([^()]*\)|(?<!\w)@(?:\.\w+)?:\w+(?:\.\w+)*|(?<![\w:]):[a-z]\w*:?(?![\w:])"
    r"|%<\w+>[-+#0]*\d*(?:\.\d+)?[a-zA-Z]|(?<![\w@.])@[a-z]\w*|(?<![\w%])(?<!\d )%[a-z_]\w+"
    r"|\*\|\w+\|\*|[\[\]](?:\d+|\*),(?:\d+|\*|Inf)[\[\]]"
)
# Entities are read as characters; those that are none of HTML's are placeholders.
PLACEHOLDER = re.compile(f"{_PLACEHOLDER}|{ENTITY}")
_DOLLAR_NUMBER = re.compile(r"\$[1-9](?![\d.,]?\d)")
# Of printf, without a name or a number: they take their values in order. %m is one of a time.
_UNNAMED = re.compile(r"%[-+#0]*\d*(?:\.\d+)?[hlLqjzt]*[a-zA-Z@]")
_PRINTF_TYPES = "diouxXfFgGcsr@"
# Messages of ICU: their keywords are no text, and their forms are no sentences of their own.
ICU_MESSAGE = re.compile(r"\{\s*\w+\s*,\s*(?:plural|select|selectordinal|choice)\s*,")
_NOT_TRANSLATED = re.compile(f"(?:{PATTERNS['urls']})|(?:{PATTERNS['emails']})|{_PLACEHOLDER}")
# A text that is one of these is for programs.
_IDENTIFIER = re.compile(
    r"""\s*(?:
        [a-zA-Z0-9]+(?:_[a-zA-Z0-9]+)+                              # first_name, MAX_SIZE
      | \#[0-9a-fA-F]{3,8} | 0x[0-9a-fA-F]+                         # a color, a number
      | [0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}        # a UUID
      | (?=[a-fA-F]*\d)[0-9a-fA-F]{16,}                             # a checksum
      | \d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?  # a time
      | [a-z]{2,3}[-_][A-Z]{2}                                      # a locale
      | [a-z][\w-]*+(?:\.[\w-]++)++ | (?:~|\.{1,2})?(?:/[\w.~-]++)++/?   # home.title, /api/v1
      | (?:application|audio|font|image|text|video)/[\w.+-]+        # a type of media
      | [\w./\\:~@-]+\.(?:@@)
        (?:[?\#]\S*)?                                              # a file
    )\s*""".replace("@@", FILE_SUFFIXES),
    re.VERBOSE,
)
_SPACE = re.compile(r"(\s+)")
_FORMULA_TEXT = re.compile(r'"((?:[^"]|"")+)"')
_COMPARISON = re.compile("^(?:<[>=]?|>=?|=)")
# Fonts whose letters are shown as signs: Word writes its arrow as "à" in Wingdings.
SYMBOL_FONT = re.compile(r"(?:Wingdings(?: [23])?|Webdings|Symbol|MT Extra)", re.IGNORECASE)


class Unit(Protocol):
    """A line of text to translate. `needs_alignment` says whether the alignment of its translation
    is used."""

    @property
    def text(self) -> str: ...

    @property
    def needs_alignment(self) -> bool: ...


Translations = Mapping[Any, AlignedText]  # unit -> its translation; others stay as they are


@dataclass(frozen=True)
class ReadingOptions:
    """How documents are read. `source` is empty while it is not known; `stand_ins` is for models
    that copy placeholders, see `nmt.text.html`; `retranslate` also translates what has a
    translation."""

    source: str = "en"
    target: str = "fr"
    stand_ins: bool = False
    retranslate: bool = False

    def is_source(self, code: str) -> bool:
        """Whether a language that a document names is the source's, and has to become the
        target's."""
        return bool(self.source and is_of_language(code, self.source)) and not is_of_language(
            code, self.target
        )


class Document(ABC):
    """A document that has been read. Subclasses are the entries of `formats.FORMATS`.

    The constructor raises UserError for content that is not of the format.
    """

    media_type: ClassVar[str]
    libraries: ClassVar[Sequence[str]] = ()  # modules that it imports when it reads a document
    output_suffix: ClassVar[str | None] = None  # of the translated document, if it is another
    is_archive: ClassVar[bool] = False
    is_bilingual: ClassVar[bool] = False  # it holds translations beside its texts

    units: Sequence[Unit]

    @abstractmethod
    def __init__(self, content: bytes, options: ReadingOptions): ...

    @abstractmethod
    def filled(self, translations: Translations) -> bytes:
        """The document with translations in the place of their units. To be called once."""

    def problem(self, unit: Unit, translation: AlignedText) -> str | None:
        """Why a translation cannot stand in this document; None if it can."""
        return None


# ------------------------------------------------------------------------------------------ reading


def library(name: str) -> Any:
    """An optional library. Raises UserError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        needed = name.partition(".")[0]
        raise UserError(
            f"this format needs {needed}. Install it with: {install_command('documents')}"
        ) from error


@dataclass(frozen=True)
class Encoding:
    """The encoding of a text file, and the byte order mark it starts with."""

    name: str
    mark: bytes = b""

    def encode(self, text: str, errors: str = "strict") -> bytes:
        return self.mark + text.encode(self.name, errors)


_UTF_16_OR_32 = re.compile(r"utf-?(?:16|32)(?:-?[lb]e)?|ucs-?[24]", re.IGNORECASE)
_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_ASCII = "".join(map(chr, range(0x20, 0x7F))) + "\\u0041.."


def decode(content: bytes, declared: str | None = None) -> tuple[str, Encoding]:
    """The text of a file by its byte order mark, by what it declares itself to be, or in UTF-8.
    Raises UserError for other bytes."""
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    if declared and _UTF_16_OR_32.fullmatch(declared):
        declared = None  # a file that says so in ASCII is in UTF-8, as HTML's standard has it
    if declared and not mark and not _extends_ascii(declared):
        raise UserError(f"unknown encoding {declared!r}. Convert the file to UTF-8.")
    encoding = Encoding(_MARKS[mark] if mark else declared or "utf-8", mark)
    try:
        text = content[len(mark) :].decode(encoding.name)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, len(mark) + error.start) + 1
        raise UserError(
            f"line {line}: expected {encoding.name.upper()}. Received: the byte"
            f" 0x{error.object[error.start]:02x} ({error.reason}). {HOW_TO_CONVERT}"
        ) from None
    if "\0" in text:
        raise UserError("expected text. Received: binary data.")
    if text.count("\n") + text.count("\r") - text.count("\r\n") > MAX_LINES:
        raise UserError(
            f"a document may have at most {MAX_LINES:,} lines. Received: more. Split it."
        )
    return text, encoding


def _extends_ascii(encoding: str) -> bool:
    """Whether Python knows an encoding by this name, in which ASCII is ASCII, as in a file that
    names it. Python has others, such as "idna" and "unicode_escape", which are none of text."""
    try:
        return bool(_ASCII.encode(encoding) == _ASCII.encode())
    except (LookupError, ValueError):
        return False


def is_of_language(code: str, language: str) -> bool:
    """Whether a code is a language, or a variant of it: "en-US" of "en"."""
    code, wanted = (one.lower().replace("_", "-") for one in (code, language))
    return code == wanted or code.partition("-")[0] == wanted


# -------------------------------------------------------------------------------------------- parts


def is_translatable(text: str) -> bool:
    """Whether there are letters beside addresses, placeholders and what is for programs."""
    return has_letters(_NOT_TRANSLATED.sub(" ", text)) and not _IDENTIFIER.fullmatch(text)


def placeholders_of(text: str) -> list[str]:
    """All but those of MediaWiki in the order in which they stand. $1 and $2 are some where there
    is a $1; else they are prices."""
    numbered = _DOLLAR_NUMBER.findall(text)
    return PLACEHOLDER.findall(text) + (numbered if "$1" in numbered else [])


def in_order(placeholders: Iterable[str]) -> list[str]:
    """Those that take their values in the order in which they stand."""
    unnamed = [one for one in placeholders if _UNNAMED.fullmatch(one)]
    return unnamed if all(one[-1] in _PRINTF_TYPES for one in unnamed) else []


def formula_texts(formula: str) -> Iterator[str]:
    """The strings in a formula of a spreadsheet, without case, as they are compared with cells:
    COUNTIF takes "<>Done" for all but "Done"."""
    for match in _FORMULA_TEXT.findall(formula):
        text = match.replace('""', '"').casefold()
        yield from {text, _COMPARISON.sub("", text)}


Text = TypeVar("Text")


def limited(texts: Iterable[Text]) -> Iterator[Text]:
    """The texts of a document while they are read. UserError for too many."""
    for number, text in enumerate(texts):
        if number == MAX_UNITS:
            raise UserError(
                f"a document may have at most {MAX_UNITS:,} segments. Received: more. Split it."
            )
        yield text


def words(text: str) -> Iterator[Entry]:
    """A text as entries of a block."""
    for number, part in enumerate(_SPACE.split(text)):
        if part:
            yield Space(part) if number % 2 else part


def blocks(parts: Iterable[str | Tag | Block]) -> list[Block]:
    """The blocks that have something to translate."""
    return [part for part in parts if isinstance(part, Block) and is_translatable(part.text)]


def placed(parts: Iterable[str | Tag | Block], translations: Translations) -> Iterator[Entry]:
    """Text (str), tags, and what is written as it was (Space), in order."""
    for part in parts:
        if isinstance(part, Block):
            yield from part.placed(translations.get(part))
        else:
            yield Space(part) if isinstance(part, str) else part


class Ranges:
    """Ranges of a text, such as comments and bookmarks: their starts and ends are points of their
    own, which a translation may turn over."""

    def __init__(self) -> None:
        self._starts: dict[Any, Tag] = {}
        self._ranges: list[tuple[Tag, Tag]] = []

    def note(self, key: Any, tag: Tag, is_end: bool) -> None:
        """The start or the end of the range `key` is read."""
        if not is_end:
            self._starts[key] = tag
        elif start := self._starts.pop(key, None):
            self._ranges.append((start, tag))

    def in_order(self, entries: Iterable[Entry]) -> list[Entry]:
        """Entries in which the start of each range stands before its end."""
        ordered = list(entries)
        place = {entry: i for i, entry in enumerate(ordered) if isinstance(entry, Tag)}
        for start, end in self._ranges:
            first, last = place[start], place[end]
            if last < first:
                ordered[first], ordered[last] = end, start
        return ordered


def close(builder: PartsBuilder, tag: Tag, opening: Tag) -> None:
    """Closes an element, or ends the text if it began in another one."""
    if builder.innermost is opening:
        builder.close(tag)
    else:
        builder.boundary(tag)


# ----------------------------------------------------------------- strings with some markup in them

# An annotation over the text of `<ruby>`
RUBY_TEXT = r"<(?P<ruby>rt|rp)\b[^<>]*+>[^<>]*+</(?P=ruby)>"
# Of reStructuredText: |release|, which is no bar between texts
_SUBSTITUTION = r"""(?<![^\s("'])\|[A-Za-z][\w.-]*\|_{0,2}(?!\w)"""
_MARKUP = re.compile(
    rf"{RUBY_TEXT}|(?P<end>\r\n|\n|\r)"
    # What may have bars in it; line breaks as programs write them, but not \nabla; plural forms
    r"|(?P<kept>\{[^{}\n]*\}|\*\|\w+\|\*|[A-Za-z]:\\\S*)"
    # a bar with the spaces around it, which are read once
    r"|(?P<between>(?:\\[Nnrt])+(?![a-z])"
    rf"|(?:(?<![^\S\r\n])[^\S\r\n]++)?(?!{_SUBSTITUTION})\|\s*)"
    # values and links of reStructuredText: :ref:`text <target>`, `text <https://...>`_
    rf"|(?P<value>{_SUBSTITUTION})"
    r"|(?P<opening>(?<![\w:`])(?P<role>:(?:[\w.+-]+:){1,3})?`)(?P<label>(?!\s)[^`<>\r\n]+)"
    r"(?P<closing>\s<[^<>`\r\n]+>`(?(role)_{0,2}|__?)(?!\w))"
    # a tag, or one of i18next: <0>text</0>
    r"|(?P<tag>(?<!(?<!\d)%)<(?P<slash>/?)(?P<name>[a-zA-Z][\w:.-]*+|\d{1,3}(?=\s*/?>))"
    r"(?P<rest>[^<>]*+)>)"
    r"|\{\\(?P<style>[bisu])(?P<on>[01])\}"  # of Aegisub: {\i1}text{\i0}
    r"|(?P<other>\{\\[^{}]*\}|<\d[\d:.]*>)"
)
_COLUMNS = re.compile(f"({COLUMNS})")
_VOID = ("br", "hr", "img", "input", "wbr")
_INDENTED_LINE = re.compile(r"[ \t]{2,}[^ \t\r\n]")


class MarkedText:
    """A string: its lines are blocks, and `<b>`, `</b>` and the like inline tags in them."""

    def __init__(self, text: str, stand_ins: bool = False):
        self._has_entities = has_entities(text)
        builder = PartsBuilder(stand_ins)
        read_marked(builder, text)
        builder.end_text()
        self.parts = builder.parts
        self.units = blocks(builder.parts)

    def filled(self, translations: Translations) -> str:
        entries = placed(self.parts, translations)
        return written(escaped(entries) if self._has_entities else entries)


def read_marked(
    builder: PartsBuilder, text: str, *, is_one: bool = False, is_wrapped: bool = False
) -> None:
    """Adds the text of a string, as `MarkedText` reads it. `is_one` makes it one block: a tag
    without a partner does not end the text then. In a text that `is_wrapped`, the start of an
    indented line does not end it either, and spaces make no columns."""
    if ICU_MESSAGE.search(text):  # stays as it is, and is counted once
        builder.add(*words(text))
        return

    def add(part: str) -> None:
        for number, column in enumerate([part] if is_wrapped else _COLUMNS.split(part)):
            if number % 2:
                builder.boundary(column)
            else:
                builder.add(*_decoded(column))

    kept = {}
    if "</" in text:  # most strings have no element
        tags = (match for match in _MARKUP.finditer(text) if match["tag"])
        kept = {start: (end, is_copied) for start, end, is_copied in kept_elements(tags)}
    position = 0
    for match in _MARKUP.finditer(text):
        is_inside = match.start() < position  # of an element that is kept
        if is_inside or match["kept"] or (is_one and match["between"]):
            continue
        add(text[position : match.start()])
        if match.start() in kept:
            position, is_copied = kept[match.start()]
            raw = text[match.start() : position]
            builder.add(Tag(raw, "point", is_copied=is_copied))
            continue
        position = match.end()
        if match["value"]:
            builder.add(Tag(match[0], "point", is_copied=True))
            continue
        if match["label"]:
            builder.open(Tag(match["opening"], "open"))
            add(match["label"])
            builder.close(Tag(match["closing"], "close"))
            continue
        # WebVTT's <c.yellow> ends with </c>
        name = (match["name"] or match["style"] or "").partition(".")[0]
        if is_one or match["other"] or match["ruby"]:
            builder.add(Tag(match[0], "point"))
        elif match["end"] and is_wrapped and _INDENTED_LINE.match(text, position):
            builder.add(Space(match[0]))
        elif match["end"] or match["between"] or name.lower() == "br":
            builder.boundary(match[0])
        elif match["slash"] or match["on"] == "0":
            if builder.innermost is not None and builder.innermost.name == name:
                builder.close(Tag(match[0], "close"))
            elif match["on"]:
                builder.add(Tag(match[0], "point"))
            else:
                builder.boundary(match[0])
        elif match["on"]:
            builder.open(Tag(match[0], "open", name=name))
        elif name.lower() in _VOID or match["rest"].endswith("/"):
            builder.add(Tag(match[0], "point"))
        else:
            builder.open(Tag(match[0], "open", name=name))
    add(text[position:])


def kept_elements(tags: Iterable[re.Match[str]]) -> Iterator[tuple[int, int, bool]]:
    """The elements of HTML that are not translated: where they start and end, and whether they are
    part of the sentence. `tags` are matches with the groups `slash`, `name` and `rest`; an element
    without an end among them is none. Inner elements come first."""
    open_tags: list[re.Match[str]] = []
    num_open: Counter[str] = Counter()
    for tag in tags:
        name = tag["name"].lower()
        if not tag["slash"]:
            if not tag["rest"].endswith("/"):
                open_tags.append(tag)
                num_open[name] += 1
            continue
        while num_open[name]:  # what has no end before this one has none
            opening = open_tags.pop()
            opened = opening["name"].lower()
            num_open[opened] -= 1
            if opened == name:
                if is_kept(name, opening["rest"]):
                    yield opening.start(), tag.end(), is_in_sentence(name, opening["rest"])
                break


def has_entities(text: str) -> bool:
    """Whether a string is written with character references, as those of HTML are."""
    return any(html.unescape(one) != one for one in re.findall(ENTITY, text))


def escaped(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries of a string that has entities, as they are written."""
    return (html.escape(one, quote=False) if isinstance(one, str) else one for one in entries)


def _decoded(text: str) -> Iterator[Entry]:
    if not has_entities(text):
        yield from words(text)
        return
    for number, part in enumerate(re.split(f"({ENTITY})", text)):
        decoded = html.unescape(part) if number % 2 else part
        if number % 2 and (decoded == part or not decoded):
            yield Tag(part, "point")
        elif number % 2 and decoded.isspace():
            yield Space(part)
        else:
            yield from words(decoded)


def written(entries: Iterable[Entry]) -> str:
    return "".join(entry if isinstance(entry, str) else entry.raw for entry in entries)
