"""The text in HTML: taken out to be translated, and put back; everything else stays as it is, byte
for byte.

The text of a block is one sentence: inline tags are taken out of it, and return to the words of
the translation that their words aligned to (`nmt.text.html_blocks`).

    translator = nmt.Translator.load("run")
    translate_html("<p>He is <b>tired</b>.</p>", translator.translate)

The tokenizer follows HTML's rules of where a tag begins and ends, in one pass: the standard
library's parser takes minutes for some 20,000 characters of malformed HTML, as of Python 3.11.7.
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from nmt.text.html_blocks import (
    COLUMNS,
    AlignedText,
    Block,
    Entry,
    PartsBuilder,
    Space,
    Tag,
    Written,
    is_note_mark,
)

# A tag of a template among the attributes of an element; its end may be far away in bad HTML.
_IN_TAG = (
    r"\{%[^{}]{0,500}%\}|\{\{[^{}]{0,500}\}\}"
    r"|<\?(?:[^?]|\?(?!>)){0,500}+\?>|<%(?:[^%]|%(?!>)){0,500}+%>"
)
# Markup without an end goes on to the end of the document.
_MARKUP = re.compile(
    r"""
      \{%(?:[^{%<]|\{(?!%)|%(?!\})|<(?![a-zA-Z/!]))*+%\}            # a statement of a template
    | \{\{(?:[^{}<]|\{(?!\{)|\}(?!\})|<(?![a-zA-Z/!]))*+\}\}\}?        # a value
    | <%(?:[^<%]|<(?![a-zA-Z/!%])|%(?!>))*+%>                       # the same, or a value
    | \{\#(?:[^#{<]|\#(?!\})|\{(?!\#)|<(?![a-zA-Z/!]))*+\#\}
    | <\?(?:php\b|=).*?(?:\?>|\Z)
    | \\\((?:[^<\\]|\\(?![()]))*+\\\) | \\\[(?:[^<\\]|\\(?![\[\]]))*+\\\]     # a formula
    | \$\$(?:[^<$]|\$(?!\$))++\$\$
    | <!--(?:-?>|.*?(?:--!?>|\Z))                                           # a comment
    | <(?:[!?]|/(?![a-zA-Z]|\Z))[^>]*+(?:>|\Z)          # a declaration, or an odd one
    | <(?P<slash>/?)(?P<name>[a-zA-Z][^ \t\n\f\r/>]*+)                      # a tag ...
      (?P<rest>(?:@@|[^=>]|=[ \t\n\f\r]*+(?:"(?:@@|[^"])*+"|'(?:@@|[^'])*+'|(?!["'])))*+)>
                                                                            # ... and its attributes
    | </?[a-zA-Z].*                                                         # a tag without end
    """.replace("@@", _IN_TAG),
    re.DOTALL | re.VERBOSE,
)
_STATEMENTS = ("{%", "{#", "<%")  # between them is a text of its own
_VALUES = ("{{", "<%=", "<%-", "<?=")
_COPIES = (*_VALUES, "\\(", "\\[", "$$")  # part of the sentence
# XML has sections in which tags are text.
_XML_MARKUP = re.compile(rf"<!\[CDATA\[.*?(?:\]\]>|\Z)|{_MARKUP.pattern}", _MARKUP.flags)
_ATTRIBUTE = re.compile(
    r"""(?P<name>[^ \t\n\f\r/>=][^ \t\n\f\r/>=]*+)
        (?:[ \t\n\f\r]*+=[ \t\n\f\r]*+
        (?P<value>"(?:@@|[^"])*+"|'(?:@@|[^'])*+'|[^ \t\n\f\r>"'][^ \t\n\f\r>]*+))?
    """.replace("@@", _IN_TAG),
    re.VERBOSE,
)
_TEXT = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<entity>&(?:#[xX][0-9a-fA-F]+|#[0-9]+|[a-zA-Z][a-zA-Z0-9]{0,31});?)"
    r"|[^\s&]+|&"
)
_NUMBER = re.compile(r"&#0*(\d+)")
# Attributes with these stay: a translation would be escaped.
_TEMPLATE = re.compile(r"\{%|<[?%]|\{\{[^{}]*[<>&]")
# What stands in `<sup>` after its tag, short and without elements that hide an end
_SUPERSCRIPT = re.compile(
    r"(?P<inside>(?:[^<]|</?(?:a|b|cite|em|i|ins|small|span|strong|u)\b[^<>]{0,400}>){1,40}+)"
    r"</sup[ \t\n\f\r]*>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]*>")
_TEXT_END = re.compile(rf"(\r?\n|\r|{COLUMNS})")  # where white space is kept
_NO_LETTER = re.compile(r"[\W\d_]*")

TRANSLATED_ATTRIBUTES = ("alt", "title", "placeholder", "aria-label")
_LABELLED = ("optgroup", "option", "track")  # their `label` is translated too
_BUTTONS = ("button", "reset", "submit")  # types of inputs that show their `value`
_RUBY_TEXTS = ("rt", "rp", "rtc")  # annotations over the text of `<ruby>`, which stay
_COPIED = ("code", "kbd", "math", "samp", "var")  # their content is not translated
_RAW = ("script", "style", "xmp", "iframe", "noembed", "noframes")  # what is in them is no HTML
_ESCAPABLE = ("textarea", "title")  # what is in them has character references, but no tags
_LINES = ("pre", "textarea", "listing")  # line breaks and columns in them are kept
# What ends an element that has no end tag: one of these, unless it stands in one of `_CONTAINERS`,
# or its parent's end.
_BLOCKS = (
    "address",
    "article",
    "aside",
    "blockquote",
    "details",
    "div",
    "dl",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
)
_ENDED_BY = {
    "p": _BLOCKS,
    "li": ("li",),
    "dt": ("dt", "dd"),
    "dd": ("dt", "dd"),
    "tr": ("tr",),
    "td": ("td", "th", "tr"),
    "th": ("td", "th", "tr"),
    "option": ("option", "optgroup"),
    **dict.fromkeys(("rt", "rp"), ("rb", *_RUBY_TEXTS)),
    "rtc": ("rb", "rtc"),
}
_CONTAINERS = ("dl", "menu", "ol", "select", "table", "ul")
_VOID = (
    "area",
    "base",
    "br",
    "col",
    "embed",
    "frame",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "param",
    "source",
    "track",
    "wbr",
)
# Their tags end a sentence, and so do those of `_BLOCKS`. All other elements are inline, also those
# that HTML does not know.
_BOUNDARIES = frozenset(
    (
        *_BLOCKS,
        *(name for name in _ENDED_BY if name not in _RUBY_TEXTS),
        *("area", "audio", "base", "body", "br", "button", "canvas", "caption", "center", "col"),
        *("colgroup", "dialog", "dir", "figcaption", "frame", "frameset", "head", "hgroup", "html"),
        *("legend", "link", "listing", "map", "meta", "noembed", "noframes", "noscript", "object"),
        *("optgroup", "param", "search", "select", "source", "summary", "tbody", "template"),
        *("desc", "foreignobject", "text"),  # of SVG
        *("textarea", "tfoot", "thead", "title", "track", "video", "xmp"),
    )
)


class Translated(Protocol):
    """Translations of a line, best first, as `inference.outputs.Translation`."""

    @property
    def candidates(self) -> Sequence[AlignedText]: ...


def translate_html(
    document: str,
    translate: Callable[..., Sequence[Translated]],
    *,
    attributes: bool = False,
    stand_ins: bool = False,
) -> str:
    """A document with its text translated and the same elements.

    `translate(lines, alignments=True)` or `False` is a translator's: it returns a translation for
    each line, with alignments where they are needed. `attributes` translates `alt`, `title`,
    `placeholder`, `aria-label`, labels of options and texts of buttons too. `stand_ins` lets the
    model place elements such as `<code>`, which are not translated: they are `{1}`, `{2}`, ... to
    it. Set it for a model that copies placeholders (`copying.classes`).
    """
    markup = parse_html(document, attributes=attributes, stand_ins=stand_ins)
    translations: list[AlignedText | None] = [None] * len(markup.texts)
    for is_aligned in (False, True):
        places = [i for i, needed in enumerate(markup.needs_alignment) if needed == is_aligned]
        lines = [markup.texts[i] for i in places]
        results = translate(lines, alignments=is_aligned) if lines else ()
        for place, result in zip(places, results, strict=True):
            translations[place] = result.candidates[0]
    return markup.filled([one for one in translations if one is not None])


@dataclass(frozen=True, eq=False)
class _Attribute:
    """The value of an attribute that is translated."""

    text: str
    quote: str
    raw: str  # with its quotes

    needs_alignment = False

    def filled(self, translation: AlignedText | None) -> str:
        if translation is None:
            return self.raw
        escaped = html.escape(translation.text, quote=False)
        reference = "&quot;" if self.quote == '"' else "&#x27;"
        return f"{self.quote}{escaped.replace(self.quote, reference)}{self.quote}"


@dataclass(frozen=True)
class Markup:
    """A document in parts: markup as it is written, and blocks of text. `attributes` are the parts
    of each tag with attributes that are translated."""

    parts: Sequence[str | Tag | Block]
    attributes: Sequence[tuple[Tag, Sequence[str | _Attribute]]]

    @property
    def units(self) -> list[Block | _Attribute]:
        blocks = [part for part in self.parts if isinstance(part, Block)]
        values = [
            part for _, parts in self.attributes for part in parts if isinstance(part, _Attribute)
        ]
        return [*blocks, *values]

    @property
    def texts(self) -> list[str]:
        """What is translated, each on one line: the blocks, and then the attributes."""
        return [unit.text for unit in self.units]

    @property
    def needs_alignment(self) -> list[bool]:
        """For each of `texts`: whether `filled` uses the alignment of its translation."""
        return [unit.needs_alignment for unit in self.units]

    def filled(self, translations: Sequence[AlignedText | None]) -> str:
        """The document with the translations of its texts, escaped, and the same elements. None
        leaves a text as it is."""
        translation_of: dict[Block | _Attribute, AlignedText | None] = dict(
            zip(self.units, translations, strict=True)
        )
        rewritten = {
            tag: "".join(
                part if isinstance(part, str) else part.filled(translation_of[part])
                for part in parts
            )
            for tag, parts in self.attributes
        }

        def written(part: str | Tag | Block) -> str:
            if isinstance(part, Block):
                return part.filled(translation_of[part], rewritten)
            return part if isinstance(part, str) else rewritten.get(part, part.raw)

        return "".join(map(written, self.parts))


def parse_html(
    document: str, *, attributes: bool = False, stand_ins: bool = False, is_xml: bool = False
) -> Markup:
    """Any string is a document. See `translate_html`. In XHTML (`is_xml`), scripts may be empty
    elements, and CDATA sections stay as they are.

    Not translated are scripts, styles, comments, `code`, `kbd`, `math`, `samp`, `var`, annotations
    of ruby (`rt`), marks of notes (`sup` with a number, `epub:type="noteref"`), values of templates
    (`{{ }}`, `<%= %>`), and elements with `translate="no"` or the class `notranslate`. White space
    around a text is markup.
    """
    parser = _Parser(document, attributes, stand_ins, is_xml)
    parser.parse()
    return Markup(parser.parts, parser.attributes)


class _Parser:
    """Cuts a document into parts.

    Tags of blocks end the text before them.
    """

    @property
    def parts(self) -> Sequence[str | Tag | Block]:
        return self._builder.parts

    def __init__(self, document: str, attributes: bool, stand_ins: bool, is_xml: bool):
        self._is_xml = is_xml
        self._markup = _XML_MARKUP if is_xml else _MARKUP
        self._document, self._translates_attributes = document, attributes
        self._builder = PartsBuilder(stand_ins)
        self.attributes: list[tuple[Tag, list[str | _Attribute]]] = []
        self._num_lines = 0  # elements around it whose line breaks and columns are kept

    def parse(self) -> None:
        document, end = self._document, 0
        while match := self._markup.search(document, end):
            self._read_text(document[end : match.start()])
            end = match.end()
            name, rest = (match["name"] or "").lower(), match["rest"] or ""
            if match["slash"]:
                self._end_tag(name, match[0])
                continue
            is_void = name in _VOID or rest.endswith("/")
            keeps, is_whole = is_kept(name, rest), True
            if name in _RAW and not (is_void and self._is_xml):
                end, is_whole = _raw_end(document, name, end)
            elif keeps and not is_void:
                end, is_whole = _kept_end(document, name, end, self._is_xml)
            elif name == "sup" and not is_void and (note_end := self._note_end(match)):
                end = note_end
            elif name and not keeps:
                self._start_tag(name, match, is_void)
                if name in _ESCAPABLE and not is_void:
                    end = self._read_escapable(name, end)
                continue
            else:  # a comment, or the like
                is_whole = end < len(document) or bool(name)
            raw = document[match.start() : end]
            if not name and raw.startswith(_STATEMENTS) and not raw.startswith(_VALUES):
                self._builder.boundary(raw)
                continue
            is_copied = keeps and not is_void and is_in_sentence(name, rest)
            is_copied |= not name and raw.startswith(_COPIES)
            if is_whole and name not in _BOUNDARIES:
                self._builder.add(Tag(raw, "point", is_copied=is_copied))
            else:
                self._builder.boundary(raw)
        self._read_text(document[end:])
        self._builder.end_text()

    def _read_text(self, raw: str) -> None:
        if not self._num_lines:
            self._builder.add(*_text_entries(raw))
            return
        for number, part in enumerate(_TEXT_END.split(raw)):
            if number % 2:
                self._builder.boundary(part)
            else:
                self._builder.add(*_text_entries(part))

    def _note_end(self, match: re.Match[str]) -> int:
        """Where `<sup>` ends if all in it is the mark of a note; else 0."""
        start = match.end()
        content = _SUPERSCRIPT.match(self._document, start)
        if content is None:
            return 0
        end, is_whole = _kept_end(self._document, "sup", start, self._is_xml)
        text = _unescaped(_TAG.sub("", content["inside"]))
        is_plain = "<" not in content["inside"]  # what links to a note is no exponent
        before = self._document[max(0, match.start() - 4) : match.start()] if is_plain else ""
        return end if is_whole and end == content.end() and is_note_mark(text, before) else 0

    def _read_escapable(self, name: str, start: int) -> int:
        """Reads text without tags, up to the end tag. Returns where that begins."""
        closing = _end_tag_of(name).search(self._document, start)
        end = closing.start() if closing else len(self._document)
        self._read_text(self._document[start:end])
        return end

    def _start_tag(self, name: str, match: re.Match[str], is_void: bool) -> None:
        tag = Tag(match[0], "point" if is_void else "open", name=name)
        if self._translates_attributes:
            self._read_attributes(tag, match)
        if name in _BOUNDARIES:
            self._builder.boundary(tag)
            self._num_lines += name in _LINES and not is_void
            return
        if is_void:
            self._builder.add(tag)
        else:
            self._builder.open(tag)

    def _end_tag(self, name: str, raw: str) -> None:
        innermost = self._builder.innermost
        if innermost is None or innermost.name != name or name in _BOUNDARIES:
            self._builder.boundary(raw)
            if name in _LINES:
                self._num_lines = max(0, self._num_lines - 1)
            return
        self._builder.close(Tag(raw, "close"))

    def _read_attributes(self, tag: Tag, match: re.Match[str]) -> None:
        parts: list[str | _Attribute] = []
        names = _translated_attributes(tag.name, match["rest"])
        seen: set[str] = set()
        end, offset = 0, match.start("rest") - match.start()
        for attribute in _ATTRIBUTE.finditer(match["rest"]):
            name, value = attribute["name"].lower(), attribute["value"]
            if name not in names or name in seen or not value:
                continue
            seen.add(name)
            quote = value[0] if value[0] in "\"'" else ""
            text = " ".join(_unescaped(value[1:-1] if quote else value).split())
            if _NO_LETTER.fullmatch(text) or _TEMPLATE.search(value):
                continue
            start = offset + attribute.start("value")
            parts += [tag.raw[end:start], _Attribute(text, quote or '"', value)]
            end = offset + attribute.end("value")
        if parts:
            self.attributes.append((tag, [*parts, tag.raw[end:]]))


def _text_entries(raw: str) -> Iterator[Entry]:
    for match in _TEXT.finditer(raw):
        if match["space"]:
            yield Space(raw=match[0])
        elif not match["entity"]:
            yield from _written(match[0], match[0])
        else:
            text = _unescaped(match[0])
            # The reference of a character that HTML does not allow, or of an entity of a DTD
            if not text or (text == match[0] and text.endswith(";")):
                yield Tag(match[0], "point")
            elif text.isspace():
                is_open = match[0][1] == "#" and match[0][-1] != ";"  # a digit may follow it later
                yield Space(match[0] + ";" * is_open)
            else:
                parts = [part for part in re.split(r"(\s+)", text) if part]
                if len(parts) == 1:
                    yield from _written(text, match[0])
                else:
                    yield from (Space(part) if part.isspace() else part for part in parts)


def _written(text: str, raw: str) -> Iterator[str]:
    yield text if html.escape(text, quote=False) == raw else Written(text, raw)


def _unescaped(text: str) -> str:
    # More than eight digits are no character's, and Python reads no number of thousands.
    return html.unescape(_NUMBER.sub(lambda match: f"&#{match[1][:8]}", text))


def _translated_attributes(name: str, rest: str) -> Sequence[str]:
    """The attributes of an element that people read."""
    if name in _LABELLED:
        return (*TRANSLATED_ATTRIBUTES, "label")
    if name == "input" and "value" in rest.lower():
        attributes = _attributes(rest.lower())
        # One with a name is sent, and the server may compare it.
        if attributes.get("type") in _BUTTONS and "name" not in attributes:
            return (*TRANSLATED_ATTRIBUTES, "value")
    return TRANSLATED_ATTRIBUTES


def _attributes(rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(rest):
        found.setdefault(match["name"], (match["value"] or "").strip("\"'"))
    return found


def is_kept(name: str, rest: str) -> bool:
    """Whether an element, by its name in lower case and the rest of its tag, is not translated."""
    lowered = rest.lower()
    attributes = _attributes(lowered) if "translate" in lowered else {}
    translate = attributes.get("translate")
    if "notranslate" in attributes.get("class", "").split() or translate == "no":
        return True
    if _is_note_reference(lowered):
        return True
    return name in (*_COPIED, *_RUBY_TEXTS) and translate != "yes"


def is_in_sentence(name: str, rest: str) -> bool:
    """Whether an element that is not translated is part of the sentence, as code is: it is no
    annotation, and no mark of a note."""
    return name not in _RUBY_TEXTS and not _is_note_reference(rest)


def _is_note_reference(rest: str) -> bool:
    """Whether an element is the mark of a note by its attributes."""
    lowered = rest.lower()
    attributes = _attributes(lowered) if "noteref" in lowered else {}
    types = attributes.get("epub:type", "").split() + attributes.get("role", "").split()
    return "noteref" in types or "doc-noteref" in types


def _end_tag_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}(?=[ \t\n\f\r/>])", re.IGNORECASE)


def _raw_end(document: str, name: str, start: int) -> tuple[int, bool]:
    """Where an element whose content is no HTML ends, and whether it has an end."""
    closing = _end_tag_of(name).search(document, start)
    tag = _MARKUP.match(document, closing.start()) if closing else None
    return (tag.end(), bool(tag["name"])) if tag else (len(document), False)


def _kept_end(document: str, kept: str, start: int, is_xml: bool) -> tuple[int, bool]:
    """Where an element that is not translated ends, and whether it is whole: that all in it that
    begins also ends there, and nothing else does."""
    inside: Counter[str] = Counter()  # the elements that are open in it
    is_balanced = True
    end = start
    markup = _XML_MARKUP if is_xml else _MARKUP
    while match := markup.search(document, end):
        end = match.end()
        name = (match["name"] or "").lower()
        if match["slash"]:
            if inside[name]:
                inside[name] -= 1
            elif name == kept:
                return end, is_balanced and not any(inside.values())
            elif kept in _ENDED_BY:  # its parent's end
                return match.start(), False
            else:
                is_balanced = False
        elif name in _RAW and not (is_xml and match["rest"].endswith("/")):
            end, _ = _raw_end(document, name, end)
        elif name and name not in _VOID and not match["rest"].endswith("/"):
            if name in _ENDED_BY.get(kept, ()) and not any(
                inside[container] for container in _CONTAINERS
            ):
                return match.start(), False
            inside[name] += 1
    return len(document), False
