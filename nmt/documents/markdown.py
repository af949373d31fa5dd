"""Markdown: the text of paragraphs, headings, lists and tables, found by markdown-it-py.

The parser says on which lines a block of text stands, and where in it markup begins and ends; all
other characters of the file stay. A translation that would be parsed in another way is not used.
"""

import bisect
import functools
import html
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from nmt.documents.document import (
    RUBY_TEXT,
    Document,
    ReadingOptions,
    Translations,
    Unit,
    blocks,
    close,
    decode,
    is_translatable,
    kept_elements,
    library,
    limited,
    placed,
    words,
    written,
)
from nmt.documents.plain import MIN_WIDTH, wrapped
from nmt.errors import UserError
from nmt.text.html import parse_html
from nmt.text.html_blocks import (
    AlignedText,
    Block,
    Entry,
    PartsBuilder,
    Space,
    Tag,
    is_note_mark,
)

MAX_MARKS = 300_000  # which take up to 2 KB of memory each in the parser
_CONTEXT = 16  # parts of a text on both sides of a block whose translation is parsed
_MARK = re.compile(r"[\n*_`\[\]!&<~|\\]")
_FRONT_MATTER = re.compile(  # in YAML, TOML or JSON
    r"(?:---[ \t]*\n.*?\n(?:---|\.\.\.)|\+\+\+[ \t]*\n.*?\n\+\+\+|\{\n.*?\n\})[ \t]*(?:\n|\Z)",
    re.DOTALL,
)
# Tags of templates (Liquid, shortcodes of Hugo), and what is code or a comment between two of them
_TEMPLATE_TAG = re.compile(
    r"\{(?:%-?|\{[<%])\s*(?P<end>end|/)?(?P<name>(?:codeblock|comment|highlight|raw)\b)?[^{}]*\}"
)
# A paragraph that is no text: modules in MDX, a grid table of Pandoc, the place of the contents
_KEPT_PARAGRAPH = re.compile(
    r"import\s(?:[^\n]*\sfrom\s)?\s*[\"']|export\s+(?:async|class|const|default|function|let|[{*])"
    r"|\+[-=:+]+\+\n|\[TOC\]\Z"
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_HTML_TAG = re.compile(r"<(?P<slash>/?)(?P<name>[a-zA-Z][\w-]*)(?P<rest>[^<>]*)>")
# A line that begins so would be another block.
_HARD_BREAK = re.compile(r"(?:\\| {2,})\n *")
# A line of a dialect that the parser takes for text: the fence of a container or of an admonition,
# an include, a tag of a template, attributes, or what begins the definition of the term before it
_FENCE = (
    r"(?:(?:!!!|\?\?\?|:::|===[+!]?[ \t]+[\"']|<<<[ \t]|--8<--)[^\n]*"
    r"|(?:\{%[^{}\n]*%\}|\{\{[<%][^{}\n]*\}\}|\{:[^{}\n]*\})[ \t]*(?=\n|\Z))"
)
_HAS_INDENTED = re.compile(r"^(?:!!!|\?\?\?|===)|\A\[\^[^\]\s]+\]:", re.MULTILINE)
_DEFINITION = ":[ \\t]+"
_INDENTED = re.compile(rf"{_FENCE}\n([ \t]*)")
_DIALECT_LINE = re.compile(rf"{_FENCE}|{_DEFINITION}")
_ALERT = r"\[![\w|-]+\][+-]?"
_KEPT_BREAK = re.compile(
    rf"((?:\\| {{2,}})\n|\A{_ALERT}[^\n]*\n"  # or after an alert, with its title
    rf"|^{_FENCE}\n|\n(?=[ \t]*(?:{_FENCE}|{_DEFINITION})))",
    re.MULTILINE,
)
_BLOCK_START = re.compile(
    r"(?:[-+*]|\d{1,9}[.)]|#{1,6})(?:\s|$)|(?:=+|-+|(?:[*_-]\s*){3,})\s*$"
    r"|>|~~~|```|<[a-zA-Z/!?]|\[[^\]]*\]:|\|?\s*:?-+:?\s*\|"
)
# What stands before the text of a block: the box of a task, the label of a footnote, the kind of an
# alert.
_LABEL = re.compile(rf"\[[ xX]\]\s+|\[\^[^\]\s]+\]:\s+|(?P<alert>{_ALERT})\s*|\*\[[^\]\n]+\]:\s+")
# Markup of dialects that the parser does not know: what is part of a sentence (references to
# footnotes, templates, links of wikis, emoji, citations and people, tags, keys), what is not
# (attributes, names of blocks, comments), and what goes around text (marks, spans with attributes)
_OTHER_MARKUP = re.compile(
    r"(?P<part>\[\^[^\]\s]+\]|\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\}"
    r"|!?\[\[[^\[\]\n]+\]\]|(?<![\w:]):(?=[\w+-]*[a-z+-])[\w+-]+:(?![\w:])"
    r"|\[-?@[^\[\]\n]+\]|(?<![\w.@])@\w(?:[\w./-]*\w)?"
    r"|(?<![\w&#/])\#[a-zA-Z][\w/-]*|\+\+[\w+-]+\+\+)"
    r"|(?P<apart>\{\s*[#.:/][^{}\n]*\}|%%[^%\n]+%%)"
    r"|(?P<start>==(?=[^\s=][^=\n]*==)|\[(?=[^\[\]\n]+\]\{))(?P<inside>[^\[\]=\n]+)"
    r"(?P<end>==|\]\{[^{}\n]*\})"
)
_APART_AT_END = re.compile(r"(?<!\s)\s*(?:\{\s*[#.:][^{}\n]*\}|(?<=\s)\^[\w-]+)\s*\Z")
_ATTRIBUTES = re.compile(r"\{:?\s*(?:[#.]|[\w-]+=)[^{}\n]*\}")  # after an element
# Formulas, as Pandoc has them ("$5 and $6" is none), and with backslashes, where they look like one
_FORMULA = re.compile(
    r"(?<![\\$])\$\$(?!\$).{1,4000}?\$\$"
    r"|\\begin\{(?P<name>\w+\*?)\}.{1,4000}?\\end\{(?P=name)\}"
    r"|\\{1,2}\((?:[^\n\\]{1,3}|[^\n\\^_={}+]*+(?!\\{1,2}\))[\\^_={}+]"
    r"(?:(?!\\{1,2}[()])[^\n])*+)\\{1,2}\)"
    r"|\\{1,2}\[(?:[^\n\\]{1,3}|[^\\^_={}+]*+(?!\\{1,2}\])[\\^_={}+]"
    r"(?:(?!\\{1,2}[\[\]]).)*+)\\{1,2}\]"
    r"|(?<![\\\w$])\$(?![\s$]|\d[^$\n\\^_={}]*\$)[^$\n]*(?<![\s\\])\$(?![\w$])",
    re.DOTALL,
)
_RUBY_TEXT = re.compile(RUBY_TEXT)
# The number of a note, typed as text, perhaps with a link
_RAISED = re.compile(r"<sup>(?P<link><a\b[^<>]*>)?(?P<mark>[^<>\n]{1,20})(?(link)</a>)</sup>")
_FORMULA_LINES = re.compile(rf"\n?(?P<formula>{_FORMULA.pattern})\n?", re.DOTALL)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])|&(?:#\w+|[a-zA-Z]\w*);")
# A link to a heading of the file; its address is made of the heading's text.
_ANCHOR = re.compile(r"""(?P<start>\]\(<?|\bhref=["'])#(?P<slug>[^\s)>"']+)""")
_NO_SLUG = re.compile(r"[^\w -]")
_SPECIAL = "<>*_`[]|~\\"  # characters that are written as entities again


@dataclass(eq=False)
class _Text:
    """An inline token: its content, and where the lines of it stand in the file."""

    content: str
    spans: Sequence[tuple[int, int]]
    is_cell: bool
    is_heading: bool = False
    parts: Sequence[str | Tag | Block] = ()
    units: Sequence[Block] = ()
    labels: Mapping[Tag, str] = field(default_factory=dict)  # end of a link -> what it refers to

    @functools.cached_property
    def escapes(self) -> dict[str, str]:
        """See `_escapes`."""
        return _escapes(self.content)


class MarkdownDocument(Document):
    """`.md`: CommonMark with tables and strikethrough. Code, addresses, front matter and the
    definitions of links stay."""

    media_type = "text/markdown; charset=utf-8"
    libraries = ("markdown_it",)

    def __init__(self, content: bytes, options: ReadingOptions):
        self._text, self._encoding = decode(content)
        # The parser reads other line ends as "\n".
        ends = re.findall(r"\r\n?|\n", self._text)
        self._line_end = max(("\n", "\r\n", "\r"), key=ends.count)
        text = re.sub(r"\r\n?", "\n", self._text)
        self._joined_ends = [
            match.start() - number for number, match in enumerate(re.finditer(r"\r\n", self._text))
        ]
        if sum(1 for _ in _MARK.finditer(text)) > MAX_MARKS:
            raise UserError(
                f"a Markdown file may have at most {MAX_MARKS:,} lines and characters of markup."
                " Received: more. Split it."
            )
        self._parser = _parser()
        front_matter = _FRONT_MATTER.match(text)
        self._start = front_matter.end() if front_matter else 0
        self._body = text[self._start :]
        self._environment: dict[str, Any] = {}
        self._texts: list[_Text] = []
        self._html: list[tuple[tuple[int, int], Any]] = []
        self._read(options)
        self._place_of = {  # the text of a block, and which of its parts the block is
            part: (text, index)
            for text in self._texts
            for index, part in enumerate(text.parts)
            if isinstance(part, Block)
        }
        of_html = [
            unit for _, markup in self._html for unit in markup.units if is_translatable(unit.text)
        ]
        self.units = [*(unit for text in self._texts for unit in text.units), *of_html]

    def _read(self, options: ReadingOptions) -> None:
        try:
            tokens = self._tokens(self._body)
        except RecursionError:
            tokens = []
        lines = [match.span() for match in _LINE.finditer(self._body)]
        position = 0
        texts = [i for i, token in enumerate(tokens) if token.type in ("html_block", "inline")]
        kept = list(_template_regions(self._body))
        for index in limited(texts):
            token = tokens[index]
            first, last = lines[token.map[0]][0], lines[token.map[1] - 1][1]
            region = bisect.bisect_left(kept, last, key=lambda one: one[0]) - 1
            if (region >= 0 and kept[region][1] > first) or _KEPT_PARAGRAPH.match(token.content):
                continue
            if token.type == "html_block":
                raw = self._body[first:last]
                if raw.strip() == token.content.strip():
                    self._html.append(((first, last), parse_html(raw)))
                continue
            if not token.content.strip():
                continue
            is_cell = tokens[index - 1].type in ("th_open", "td_open")
            position = max(position, first)
            spans = self._found(token.content, lines, token.map, position, is_cell)
            if spans is None:
                continue
            position = spans[-1][1]
            is_heading = tokens[index - 1].type == "heading_open"
            text = _Text(token.content, spans, is_cell, is_heading)
            _Reader(text, token.children, options.stand_ins).read()
            text.units = blocks(text.parts)
            if text.units or is_heading or _ANCHOR.search(token.content):
                self._texts.append(text)

    def _tokens(self, text: str, first_line: int = 0) -> list[Any]:
        """The tokens of a text, and of what is indented below an admonition, a tab or a footnote,
        which is code to the parser."""
        tokens = self._parser.parse(text, self._environment)
        found: list[Any] = []
        for index, token in enumerate(tokens):
            if token.map:
                token.map = [line + first_line for line in token.map]
            is_after_text = index > 1 and tokens[index - 1].type == "paragraph_close"
            if (
                token.type == "code_block"
                and is_after_text
                and _HAS_INDENTED.search(tokens[index - 2].content)
            ):
                found += self._tokens(token.content, token.map[0])
            else:
                found.append(token)
        return found

    def _found(
        self,
        content: str,
        lines: Sequence[tuple[int, int]],
        of_token: Sequence[int],
        position: int,
        is_cell: bool,
    ) -> list[tuple[int, int]] | None:
        """Where the lines of a token's content stand; None if they cannot be found."""
        spans = []
        number = of_token[0]
        for line in content.split("\n"):
            if number >= of_token[1]:
                return None
            raw = line.replace("|", "\\|") if is_cell else line
            # A paragraph ends its line; cells stand one after the other.
            find = self._body.find if is_cell else self._body.rfind
            start = find(raw, max(position, lines[number][0]), lines[number][1])
            if start < 0:
                return None
            spans.append((start, start + len(raw)))
            position = start + len(raw)
            number += 1
        return spans

    def problem(self, unit: Unit, translation: AlignedText) -> str | None:
        if not isinstance(unit, Block) or unit not in self._place_of:
            return None
        text, index = self._place_of[unit]
        around = text.parts[max(0, index - _CONTEXT) : index + _CONTEXT + 1]
        new = self._content(text, {unit: translation}, around)
        is_all = len(around) == len(text.parts)
        old_content = text.content if is_all else self._content(text, {}, around)
        environment = dict(self._environment)
        tokens = self._parser.parseInline(new, environment)[0].children
        old = self._parser.parseInline(old_content, environment)[0].children
        first, *others = _HARD_BREAK.split(new)
        start, old_start = _BLOCK_START.match(first), _BLOCK_START.match(old_content)
        # A tag at the start of a paragraph may be another one.
        is_block = start and (not old_start or start[0][0] != old_start[0][0])
        if is_block or any(map(_BLOCK_START.match, others)) or _markup(tokens) != _markup(old):
            return "its markup would be another"
        return None

    def _content(
        self,
        text: _Text,
        translations: Translations,
        parts: Sequence[str | Tag | Block] | None = None,
    ) -> str:
        """A text, or some of its parts, as it is written with translations."""
        parts = text.parts if parts is None else parts
        is_new = any(part in translations for part in parts if isinstance(part, Block))

        def entry(one: Entry) -> Entry:
            if isinstance(one, str):
                return _escape(one, text.escapes)
            if is_new and isinstance(one, Tag) and one in text.labels:
                return Space(f"][{text.labels[one]}]")
            return one

        return written(map(entry, placed(parts, translations)))

    def _new_slugs(self, translations: Translations) -> dict[str, str]:
        """The slugs of headings whose text changes, old -> new, where they are of one heading."""
        headings = [text for text in self._texts if text.is_heading]
        old = [self._slug(self._content(text, {})) for text in headings]
        new = [self._slug(self._content(text, translations)) for text in headings]
        counts = Counter(old), Counter(new)
        return {
            before: after
            for before, after in zip(old, new, strict=True)
            if before != after and counts[0][before] == counts[1][after] == 1
        }

    def _slug(self, content: str) -> str:
        """The address of a heading, as GitHub makes it."""
        children = self._parser.parseInline(content, dict(self._environment))[0].children
        kinds = ("text", "text_special", "code_inline")
        shown = "".join(token.content for token in children if token.type in kinds)
        return _NO_SLUG.sub("", shown.strip().lower()).replace(" ", "-")

    def filled(self, translations: Translations) -> bytes:
        slugs = self._new_slugs(translations) if _ANCHOR.search(self._body) else {}

        def new_link(match: re.Match[str]) -> str:
            slug = slugs.get(unquote(match["slug"]))
            return f"{match['start']}#{slug}" if slug else match[0]

        changes: list[tuple[tuple[int, int], str, str]] = []  # place, old, new
        for text in self._texts:
            start, end = text.spans[0][0], text.spans[-1][1]
            old = new = self._body[start:end]
            if any(unit in translations for unit in text.units):
                new = self._new(text, translations)
            changes.append(((start, end), old, _ANCHOR.sub(new_link, new)))
        for (start, end), markup in self._html:
            old = new = self._body[start:end]
            if any(unit in translations for unit in markup.units):
                new = markup.filled([translations.get(unit) for unit in markup.units])
            changes.append(((start, end), old, _ANCHOR.sub(new_link, new)))
        parts, end = [], -self._start
        for (start, stop), old, new in sorted(changes):
            if new == old:
                continue
            parts += [self._raw(end, start), new.replace("\n", self._line_end)]
            end = stop
        parts.append(self._raw(end, len(self._body)))
        return self._encoding.encode("".join(parts))

    def _raw(self, start: int, end: int) -> str:
        """Characters of the body with the line ends of the file."""
        start, end = (
            place + bisect.bisect_left(self._joined_ends, place)
            for place in (self._start + start, self._start + end)
        )
        return self._text[start:end]

    def _new(self, text: _Text, translations: Translations) -> str:
        """The translated content as lines of the file."""
        content = self._content(text, translations)
        if text.is_cell:
            return re.sub(r"(?<!\\)\|", r"\\|", content.replace("\n", " "))
        if len(text.spans) == 1:
            return content.replace("\n", " ")
        line_starts = [self._body.rfind("\n", 0, start) + 1 for start, _ in text.spans]
        prefixes = [
            self._body[begin:start]
            for begin, (start, _) in zip(line_starts, text.spans, strict=True)
        ]
        width = max(MIN_WIDTH, *(end - start for start, end in text.spans))
        content = _FORMULA_LINES.sub(
            lambda match: match[0].translate(_HIDDEN) if "\n" in match["formula"] else match[0],
            content,
        )
        lines: list[str] = []
        for hard in _KEPT_BREAK.split(content):
            if hard.endswith("\n"):
                lines[-1] += hard[:-1]
            else:
                lines += _joined(wrapped(re.sub(r" *\n *", " ", hard), width))
        glue = "\n" + prefixes[1]
        if fence := _INDENTED.match(text.content):  # what an admonition contains is indented
            glue += fence[1]
        return glue.join(lines).translate({0: glue, 1: " "})


_HIDDEN = {ord("\n"): 0, ord(" "): 1}  # no text of a file has these characters


def _template_regions(text: str) -> Iterator[tuple[int, int]]:
    """Where tags of templates stand that go over several lines, and code and comments between two
    of them. What the parser finds in there is no text."""
    start, opened = 0, ""
    for match in _TEMPLATE_TAG.finditer(text):
        if not opened:
            start = match.start()
            opened = "" if match["end"] else match["name"] or ""
        elif match["end"] and match["name"] == opened:
            opened = ""
        if not opened and text.find("\n", start, match.end()) >= 0:
            yield start, match.end()


def _joined(lines: Iterable[str]) -> list[str]:
    """No line but the first begins as a block does."""
    found: list[str] = []
    for line in map(str.rstrip, lines):  # two spaces at the end would break the line
        if found and _BLOCK_START.match(line):
            found[-1] += f" {line}"
        else:
            found.append(line)
    return found


def _escapes(content: str) -> dict[str, str]:
    """The characters that are escaped in a text, as they are written."""
    found: dict[str, str] = {}
    for match in _ESCAPED.finditer(_FORMULA.sub("", content)):
        character = match[1] or html.unescape(match[0])
        if match[1] or (len(character) == 1 and character in _SPECIAL):
            found[character] = match[0]
    return found


def _escape(text: str, escapes: Mapping[str, str]) -> str:
    """Text as Markdown: what was escaped in the block is escaped again."""
    if "&" not in escapes:
        text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    return "".join(escapes.get(character, character) for character in text)


def _markup(tokens: Iterable[Any]) -> dict[tuple[str, str, str], int]:
    """How often each markup occurs: two texts with the same have the same structure."""
    counts: dict[tuple[str, str, str], int] = {}
    for token in tokens:
        if token.type in ("text", "text_special", "softbreak"):
            continue
        content = token.content if token.type in ("code_inline", "html_inline") else ""
        href = str(token.attrs.get("href", token.attrs.get("src", "")))
        key = token.type, content, href
        counts[key] = counts.get(key, 0) + 1
    return counts


# -------------------------------------------------------------------------------- places of markup

SPAN = "span"  # in the `meta` of a token: the characters that it was read from
_PLACED = ("code_inline", "image", "html_inline", "softbreak", "hardbreak", "text_special")


def _parser() -> Any:
    """A parser that notes where inline markup stands: markdown-it knows lines only."""
    parser = library("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.disable("text_join")  # escaped characters stay tokens of their own
    blocks = parser.block.ruler
    table = dict(zip(blocks.get_active_rules(), blocks.getRules(""), strict=True))["table"]
    blocks.at("table", _counting_cells(table), {"alt": ["paragraph", "reference"]})
    ruler = parser.inline.ruler
    for name, rule in zip(ruler.get_active_rules(), ruler.getRules(""), strict=True):
        ruler.at(name, _noting_spans(name, rule))
    return parser


def _counting_cells(table: Any) -> Any:
    """The rule of tables, for a bounded file: the parser fills up short rows, which have few marks,
    with cells that are not in the file. Full rows have fewer cells than marks."""
    num_cells = 0

    def counting(state: Any, start_line: int, end_line: int, silent: bool) -> bool:
        nonlocal num_cells
        num_tokens = len(state.tokens)
        is_table = bool(table(state, start_line, end_line, silent))
        num_cells += sum(token.type == "inline" for token in state.tokens[num_tokens:])
        if num_cells > MAX_MARKS:
            raise UserError(
                f"the tables of a Markdown file may have at most {MAX_MARKS:,} cells."
                " Received: more. Split it."
            )
        return is_table

    return counting


def _noting_spans(name: str, rule: Any) -> Any:
    def noting(state: Any, silent: bool) -> bool:
        start, num_tokens = state.pos, len(state.tokens)
        if not rule(state, silent):
            return False
        if not silent:
            _note(name, state, start, state.tokens[num_tokens:])
        return True

    return noting


def _note(name: str, state: Any, start: int, tokens: Sequence[Any]) -> None:
    end = state.pos
    if name in ("emphasis", "strikethrough"):  # a token for each delimiter, the last one at the end
        for token in reversed(tokens):
            if end > start:
                token.meta[SPAN] = end - len(token.content), end
                end -= len(token.content)
        return
    for token in tokens:
        if token.type == "link_open" and SPAN not in token.meta:
            token.meta[SPAN] = start, end if name == "autolink" else start + 1
        elif token.type == "link_close" and SPAN not in token.meta:
            label_end = end
            if name == "link":
                label_end = state.md.helpers.parseLinkLabel(state, start, True)
            token.meta[SPAN] = label_end, end
        elif token.type in _PLACED and SPAN not in token.meta:
            token.meta[SPAN] = start, end


def _note_marks(content: str) -> Iterator[re.Match[str]]:
    for match in _RAISED.finditer(content):
        before = "" if match["link"] else content[max(0, match.start() - 4) : match.start()]
        if is_note_mark(match["mark"], before):
            yield match


def _kept_elements(content: str, tokens: Iterable[Any]) -> Iterator[tuple[int, int, bool]]:
    """See `document.kept_elements`. Both tags of an element stand in the same Markdown."""
    tags: list[list[re.Match[str]]] = [[]]  # of each element of Markdown, and outside of all
    around = [tags[0]]
    for token in tokens:
        if token.nesting == 1:
            tags.append([])
            around.append(tags[-1])
        elif token.nesting == -1:
            around.pop()
        elif token.type == "html_inline" and (
            tag := _HTML_TAG.fullmatch(content, *token.meta[SPAN])
        ):
            around[-1].append(tag)
    return itertools.chain.from_iterable(map(kept_elements, tags))


def _mark(token: Any) -> tuple[int, int, Any]:
    """Where the markup of a token stands: start, end, and the token."""
    start, end = token.meta[SPAN]
    return start - (token.type == "strong_open"), end + (token.type == "strong_close"), token


class _Reader:
    """Reads the tokens of an inline content into the parts of a text."""

    def __init__(self, text: _Text, tokens: Sequence[Any], stand_ins: bool):
        self._text, self._content = text, text.content
        self._marks = sorted(
            [
                *(_mark(token) for token in tokens if SPAN in token.meta and token.type != "text"),
                # What is moved as one, and whether it is part of the sentence
                *((*match.span(), True) for match in _FORMULA.finditer(text.content)),
                *((*match.span(), False) for match in _RUBY_TEXT.finditer(text.content)),
                *((*match.span(), False) for match in _note_marks(text.content)),
                *_kept_elements(text.content, tokens),
            ],
            key=lambda mark: (mark[0], -mark[1]),
        )
        self._builder = PartsBuilder(stand_ins)
        self._open: list[tuple[Tag, int]] = []  # with where its content starts
        self._labels: dict[Tag, str] = {}

    def read(self) -> None:
        position = 0
        if label := _LABEL.match(self._content):
            self._builder.boundary(label[0])
            position = label.end()
        else:
            position = self._read_dialect(position)
        for start, end, token in self._marks:
            if start < position or start == end:  # inside an autolink, a formula or an annotation
                continue
            self._add_text(self._content[position:start])
            if isinstance(token, bool):
                self._add_whole(self._content[start:end], is_copied=token)
                position = end
            elif token.type == "softbreak":
                position = self._read_softbreak(start, end)
            else:
                attributes = _ATTRIBUTES.match(self._content, end)
                if attributes and (token.nesting == -1 or token.type in ("code_inline", "image")):
                    end = attributes.end()
                self._add(token, start, end)
                position = end
        if apart := _APART_AT_END.search(self._content, position):
            self._add_text(self._content[position : apart.start()])
            self._builder.boundary(apart[0])
        else:
            self._add_text(self._content[position:])
        self._builder.end_text()
        self._text.parts, self._text.labels = self._builder.parts, self._labels

    def _add_whole(self, raw: str, is_copied: bool) -> None:
        """Adds a formula or an element of HTML."""
        if "\n" in raw and not raw.startswith("<"):  # a formula on lines of its own
            self._builder.boundary(raw)
        else:
            self._builder.add(Tag(raw, "point", is_copied=is_copied))

    def _read_softbreak(self, start: int, end: int) -> int:
        """Reads the end of a line, and markup of a dialect at the start of the next one. Returns
        where that ends."""
        line_start = self._content.rfind("\n", 0, start) + 1
        is_after_fence = re.compile(_FENCE).fullmatch(self._content, line_start, start)
        label = _LABEL.match(self._content)
        is_title = line_start == 0 and label and label["alert"]
        if is_after_fence or is_title or _DIALECT_LINE.match(self._content, end):
            self._builder.boundary(self._content[start:end])
            return self._read_dialect(end)
        self._builder.add(Space(self._content[start:end]))
        return end

    def _read_dialect(self, start: int) -> int:
        markup = _DIALECT_LINE.match(self._content, start)
        if markup is None:
            return start
        self._builder.boundary(markup[0])
        return markup.end()

    def _add_text(self, text: str) -> None:
        position = 0
        for match in _OTHER_MARKUP.finditer(text):
            self._builder.add(*words(text[position : match.start()]))
            position = match.end()
            if match["inside"] is None:
                self._builder.add(Tag(match[0], "point", is_copied=match["part"] is not None))
            else:
                self._builder.open(Tag(match["start"], "open"))
                self._builder.add(*words(match["inside"]))
                self._builder.close(Tag(match["end"], "close"))
        self._builder.add(*words(text[position:]))

    def _add(self, token: Any, start: int, end: int) -> None:
        raw = self._content[start:end]
        if token.type == "hardbreak":
            self._builder.boundary(raw)
        elif token.type == "text_special":
            self._builder.add(Space(raw) if token.content.isspace() else token.content)
        elif token.type == "html_inline":
            self._add_html(raw)
        elif token.type == "code_inline" or token.markup == "autolink":
            self._builder.add(Tag(raw, "point", is_copied=True))
        elif token.nesting == 1:
            tag = Tag(raw, "open", name=token.tag)
            self._open.append((tag, end))
            self._builder.open(tag)
        elif token.nesting == -1 and self._open:
            opening, content_start = self._open.pop()
            tag = Tag(raw, "close")
            close(self._builder, tag, opening)
            if raw in ("]", "][]"):  # what it refers to is its text
                self._labels[tag] = self._content[content_start:start]
        else:
            self._builder.add(Tag(raw, "point"))

    def _add_html(self, raw: str) -> None:
        match = _HTML_TAG.fullmatch(raw)
        innermost = self._builder.innermost
        if match is None or match["rest"].endswith("/"):
            self._builder.add(Tag(raw, "point"))
        elif match["name"].lower() == "br":
            self._builder.boundary(raw)
        elif not match["slash"]:
            self._builder.open(Tag(raw, "open", name=match["name"]))
        elif innermost is not None and innermost.name == match["name"]:
            self._builder.close(Tag(raw, "close"))
        else:
            self._builder.boundary(raw)
