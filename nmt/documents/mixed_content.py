"""XML in which text and inline elements are mixed, as in OpenDocument, XLIFF and TMX.

The content of an element is read into parts, and written back from them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nmt.documents.document import (
    ICU_MESSAGE,
    Ranges,
    Translations,
    blocks,
    close,
    escaped,
    has_entities,
    placed,
    read_marked,
    words,
)
from nmt.text.html_blocks import Block, Entry, PartsBuilder, Space, Tag

# How an inline element is read
INLINE = "inline"  # its content belongs to the text around it
POINT = "point"  # it moves as one, with what is in it
MARK = "mark"  # the same, but nobody sees it
BOUNDARY = "boundary"  # it ends the text before it
START, END = "start", "end"  # of a span between two elements, paired by `pair_of`

_WHITE_SPACE = re.compile(r"[ \t\r\n]+")  # which formats with elements for spaces collapse


# Tags of Angular, which are elements `x`: START_LINK, or START_LINK_1 for another one, and
# CLOSE_LINK for both
_ANGULAR_TAGS = ("START_", "CLOSE_")


@dataclass(frozen=True)
class InlineRules:
    """How the inline elements of a format are read: by local name. Others are `default`.

    `pair_of` are the attributes by which a start and its end name each other. A `space` is an
    element that stands for spaces, with the attribute that counts them. With `has_markup`, an
    element holds a string: its lines, and tags that are escaped, are read as those of HTML. With
    `is_wrapped`, lines of it that are indented go on with the one before. `is_value` says of a
    point that it stands for words of its sentence, `is_break` that it ends a line.
    """

    kinds: Mapping[str, str]
    default: str = POINT
    pair_of: Mapping[str, str] | None = None  # local name of a start or an end -> attribute
    range_of: Mapping[str, str] | None = None  # the same, of marks: a range may cut across elements
    space: tuple[str, str] | None = None  # qualified name, attribute
    has_markup: bool = False
    is_wrapped: bool = False
    is_value: Callable[[Any], bool] = lambda element: False
    is_break: Callable[[Any], bool] = lambda element: False


class MixedContent:
    """The content of an element, as parts. `is_point` says of an inline element that it moves as
    one nevertheless."""

    def __init__(
        self,
        element: Any,
        rules: InlineRules,
        stand_ins: bool = False,
        is_point: Callable[[Any], bool] = lambda element: False,
    ):
        self.element, self._rules, self._is_point = element, rules, is_point
        self._builder = PartsBuilder(stand_ins)
        self._starts: dict[str, Tag] = {}
        self._elements: dict[Tag, Any] = {}
        self._is_end: set[Tag] = set()
        self._ranges = Ranges()
        self._whole: set[Any] = set()  # elements that are not translated
        self._has_entities = False
        self._collapses = True  # whether a space here is none, as after another one
        text = "".join(element.itertext()) if rules.has_markup else ""
        if ICU_MESSAGE.search(text):  # stays as it is, and is counted once
            self._builder.add(*words(text))
        else:
            self._read(element)
        self._builder.end_text()
        self.parts: list[str | Tag | Block] = self._builder.parts
        self.units = blocks(self.parts)

    def _read(self, element: Any) -> None:
        self._read_text(element.text or "")
        for child in element:
            self._read_child(child)
            self._read_text(child.tail or "")

    def _read_text(self, text: str) -> None:
        if self._rules.has_markup:
            self._has_entities |= has_entities(text)
            read_marked(self._builder, text, is_wrapped=self._rules.is_wrapped)
            return
        if self._rules.space:
            text = _WHITE_SPACE.sub(" ", text)
            if self._collapses:
                text = text.removeprefix(" ")
            if text:
                self._collapses = text.endswith(" ")
        self._builder.add(*words(text))

    def _read_child(self, child: Any) -> None:
        if not isinstance(child.tag, str):  # a comment or an instruction
            self._builder.add(self._tag(child, "point", "<!"))
            return
        name = child.tag.rpartition("}")[2]
        if self._rules.space and child.tag == self._rules.space[0]:
            self._builder.add(Space(" " * _count(child.get(self._rules.space[1]))))
            self._collapses = False
            return
        kind = self._rules.kinds.get(name, self._rules.default)
        if name == "x" and child.get("id", "").startswith(_ANGULAR_TAGS):
            kind = START if child.get("id").startswith(_ANGULAR_TAGS[0]) else END
        if kind == POINT and self._rules.is_break(child):
            kind = BOUNDARY
        self._collapses &= kind in (INLINE, MARK)
        if is_protected(child):
            tag = self._tag(child, "point", f"<{name}/>")
            tag.is_copied = True
            self._whole.add(child)
            self._builder.add(tag)
        elif kind == INLINE and self._is_point(child):
            self._collapses = False
            self._whole.add(child)
            self._builder.add(self._tag(child, "point", f"<{name}/>"))
        elif kind == INLINE:
            opening = self._tag(child, "open", f"<{name}>")
            is_sentence = child.get("mtype") == "seg"
            if is_sentence:
                self._builder.boundary(opening)
            else:
                self._builder.open(opening)
            self._read(child)
            closing = Tag("", "close")
            self._elements[closing] = child
            self._is_end.add(closing)
            if is_sentence:
                self._builder.boundary(closing)
            else:
                close(self._builder, closing, opening)
        elif kind == BOUNDARY:
            self._builder.boundary(self._tag(child, "point", f"<{name}/>"))
        elif kind == START:
            tag = self._tag(child, "open", f"<{name}/>")
            self._starts[self._key(name, child)] = tag
            self._builder.open(tag)
        elif kind == END:
            start = self._starts.get(self._key(name, child))
            tag = self._tag(child, "close", f"<{name}/>")
            if start is not None:
                close(self._builder, tag, start)
            else:
                self._builder.boundary(tag)
        else:
            tag = self._tag(child, "point", "<!" if kind == MARK else f"<{name}/>")
            tag.is_copied = kind == POINT and self._rules.is_value(child)
            self._note_range(name, child, tag)
            self._builder.add(tag)

    def _note_range(self, name: str, element: Any, tag: Tag) -> None:
        if (attribute := (self._rules.range_of or {}).get(name)) is None:
            return
        key = re.sub("-(?:start|end)$", "", name), element.get(attribute)
        self._ranges.note(key, tag, is_end=name.endswith("-end"))

    def _tag(self, element: Any, kind: str, raw: str) -> Tag:
        tag = Tag(raw, kind)
        self._elements[tag] = element
        return tag

    def _key(self, name: str, element: Any) -> str:
        if name == "x":
            return re.sub(r"^[A-Z]+_|_\d+$", "", element.get("id"))
        attribute = (self._rules.pair_of or {}).get(name, "id")
        return element.get(attribute) or element.get("id") or ""

    def is_changed(self, translations: Translations) -> bool:
        return any(unit in translations for unit in self.units)

    def write(self, translations: Translations) -> None:
        """Replaces the content of the element."""
        entries = self._ranges.in_order(placed(self.parts, translations))
        if self._has_entities:
            entries = list(escaped(entries))
        for element in self._elements.values():
            element.tail = None
            if self._is_inline(element):
                _empty(element)
        _empty(self.element)
        self._collapses = True
        self._write(entries)

    def _is_inline(self, element: Any) -> bool:
        if not isinstance(element.tag, str) or element in self._whole:
            return False
        name = element.tag.rpartition("}")[2]
        return self._rules.kinds.get(name, self._rules.default) == INLINE

    def _write(self, entries: Iterable[Entry]) -> None:
        inside = [self.element]
        pending = ""
        for entry in entries:
            if not isinstance(entry, Tag) or entry not in self._elements:
                pending += entry if isinstance(entry, str) else entry.raw
                continue
            self._write_text(inside[-1], pending)
            pending = ""
            element = self._elements[entry]
            if entry in self._is_end:
                if len(inside) > 1:
                    inside.pop()
                continue
            inside[-1].append(element)
            if self._is_inline(element):
                inside.append(element)
            elif not entry.raw.startswith("<!"):  # a space after what is seen is one
                self._collapses = False
        self._write_text(inside[-1], pending)

    def _write_text(self, parent: Any, text: str) -> None:
        if not self._rules.space:
            _append(parent, text)
            return
        # A space at the start of a paragraph, or after another one, has to be an element.
        name, attribute = self._rules.space
        for number, part in enumerate(re.split("( +)", text)):
            if number % 2 == 0:
                _append(parent, part)
                self._collapses &= not part
                continue
            if not self._collapses:
                _append(parent, " ")
                part = part[1:]
                self._collapses = True
            if part:
                space = parent.makeelement(name, nsmap=parent.nsmap)
                space.set(attribute, str(len(part)))
                parent.append(space)


def is_protected(element: Any) -> bool:
    """Whether an inline element is marked not to be translated."""
    return element.get("translate") == "no" or element.get("mtype") == "protected"


def _append(parent: Any, text: str) -> None:
    if not text:
        return
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _empty(element: Any) -> None:
    """Removes the content and keeps attributes and tail."""
    element.text = None
    for child in list(element):
        element.remove(child)


def _count(text: str | None) -> int:
    return min(int(text), 1000) if text and text.isdecimal() else 1
