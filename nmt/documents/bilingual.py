"""XLIFF and TMX: segments with their translations beside them."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from nmt.documents.archive import parse_xml, write_xml
from nmt.documents.document import (
    Document,
    ReadingOptions,
    Translations,
    is_of_language,
    limited,
)
from nmt.documents.mixed_content import (
    END,
    INLINE,
    POINT,
    START,
    InlineRules,
    MixedContent,
    is_protected,
)
from nmt.errors import UserError

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
# Line breaks, formatting and pictures, by the type of a code or by what it stands for
_BREAK_TYPE = re.compile(r"(?:x-|xlf:)?(?:x-)?(?:html-)?(?:br|hr|lb|pb)")
_BREAK = re.compile(r"<br\b|\\n|\n")
_NO_VALUE_TYPE = re.compile(r"fmt|(?:x-)?(?:image|img)")
_MARKUP = re.compile(r"\s*[<&\\]")


def _says(code: Any, of_type: re.Pattern[str], of_text: re.Pattern[str]) -> bool:
    """Whether a code has such a type, or stands for such a text."""
    types = (code.get(name, "") for name in ("ctype", "type", "subType"))
    shown = (code.text or "", *(code.get(name, "") for name in ("equiv-text", "equiv", "disp")))
    return any(map(of_type.fullmatch, types)) or any(map(of_text.match, shown))


def _is_code(element: Any) -> bool:
    """Whether it is a code that stands alone, without texts inside it."""
    return element.tag.rpartition("}")[2] in ("x", "ph") and not len(element)


def _is_break(element: Any) -> bool:
    return _is_code(element) and _says(element, _BREAK_TYPE, _BREAK)


def _is_value(element: Any) -> bool:
    """Whether a code stands for words of its sentence, as "%s" does. Codes of which nothing is said
    are taken for values."""
    return _is_code(element) and not _says(element, _NO_VALUE_TYPE, _MARKUP)


_XLIFF_1 = InlineRules(
    kinds={
        **dict.fromkeys(("g", "mrk"), INLINE),
        **dict.fromkeys(("bpt", "bx"), START),
        **dict.fromkeys(("ept", "ex"), END),
    },
    pair_of=dict.fromkeys(("bpt", "bx", "ept", "ex"), "rid"),
    has_markup=True,
    is_value=_is_value,
    is_break=_is_break,
)
_XLIFF_2 = InlineRules(
    kinds={
        **dict.fromkeys(("pc", "mrk"), INLINE),
        **dict.fromkeys(("sc", "sm"), START),
        **dict.fromkeys(("ec", "em"), END),
    },
    pair_of={"sc": "id", "sm": "id", "ec": "startRef", "em": "startRef"},
    has_markup=True,
    is_value=_is_value,
    is_break=_is_break,
)
_UNTRANSLATED = ("new", "needs-translation", "initial")  # states of XLIFF 1.2 and 2
_TMX = InlineRules(
    kinds={"hi": INLINE, "bpt": START, "ept": END, "ut": POINT},
    pair_of=dict.fromkeys(("bpt", "ept"), "i"),
    has_markup=True,
    is_value=_is_value,
    is_break=_is_break,
)


@dataclass(frozen=True)
class _Segment:
    """What is translated: an element with a place for the translation, its source, and the
    sentences of it that have a translation, by the `mid` of the marks of a tool around them."""

    place: Any
    source: Any
    rules: InlineRules
    translated: Mapping[str, Any] = field(default_factory=dict)


class _Target:
    """The translation of a segment, which is a copy of its source. Texts inside its inline codes
    (`<sub>`) are texts of their own."""

    def __init__(self, segment: _Segment, stand_ins: bool):
        self.place, self.element = segment.place, copy.deepcopy(segment.source)
        self.element.tail = None
        texts = [self.element]
        if segment.translated:
            texts = []
            for sentence in _sentences(self.element):
                if (old := segment.translated.get(sentence.get("mid"))) is None:
                    texts.append(sentence)
                else:
                    sentence.text, sentence[:] = old.text, copy.deepcopy(old)[:]
        texts += [
            inside
            for text in list(texts)
            for inside in text.iter("{*}sub")
            if not any(map(is_protected, inside.iterancestors()))
        ]
        self.texts = [MixedContent(one, segment.rules, stand_ins) for one in texts]
        self.units = [unit for text in self.texts for unit in text.units]


class _BilingualXml(Document):
    """Segments of XML, each with the place of its translation."""

    libraries = ("lxml",)
    is_bilingual: ClassVar[bool] = True

    def __init__(self, content: bytes, options: ReadingOptions):
        self._options, self._content = options, content
        self._root = parse_xml(content, "the file")
        self._targets: list[_Target] = []
        for segment in limited(self._segments()):
            target = _Target(segment, options.stand_ins)
            if target.units:
                self._targets.append(target)
        self.units = [unit for target in self._targets for unit in target.units]

    def _segments(self) -> Iterator[_Segment]:
        """Segments without a translation."""
        raise NotImplementedError

    def _insert(self, place: Any, target: Any) -> None:
        """Puts the translation of a segment into the document."""
        raise NotImplementedError

    def filled(self, translations: Translations) -> bytes:
        is_changed = False
        for target in self._targets:
            # A segment is translated as a whole or not at all.
            if all(unit in translations for unit in target.units):
                for text in target.texts:
                    text.write(translations)
                self._insert(target.place, target.element)
                is_changed = True
        return write_xml(self._root) if is_changed else self._content


class XliffDocument(_BilingualXml):
    """`.xliff`, `.xlf`, and those of Trados and memoQ: versions 1.2 and 2. Segments without a
    target get one, in the state that asks for review, and so do segments in which a sentence that a
    tool has marked is without one. What is marked not to be translated stays."""

    media_type = "application/x-xliff+xml"

    def _segments(self) -> Iterator[_Segment]:
        name = _local_name(self._root)
        if name != "xliff":
            raise UserError(f"expected XLIFF. Received: an XML document <{name}>.")
        self._is_version_2 = (self._root.get("version") or "").startswith("2")
        self._check_languages()
        rules = _XLIFF_2 if self._is_version_2 else _XLIFF_1
        wanted = "segment" if self._is_version_2 else "trans-unit"
        for segment in self._root.iter("{*}" + wanted):
            source, target = segment.find("{*}source"), segment.find("{*}target")
            if source is None or not _is_to_translate(segment):
                continue
            cut = segment.find("{*}seg-source")  # the source, in which a tool marks sentences
            translated: dict[str, Any] = {}
            if not self._options.retranslate and self._is_translated(segment, target):
                sentences = () if cut is None else _sentences(cut)
                translated = {one.get("mid"): one for one in _sentences(target) if _has_text(one)}
                if all(one.get("mid") in translated for one in sentences) or not translated:
                    continue
            is_wrapped = _inherited(segment, _SPACE) != "preserve"
            yield _Segment(
                segment,
                source if cut is None else cut,
                replace(rules, is_wrapped=is_wrapped),
                translated,
            )

    def _check_languages(self) -> None:
        stated = [(self._root, "srcLang", "trgLang")] if self._is_version_2 else []
        stated += [
            (file, "source-language", "target-language") for file in self._root.iter("{*}file")
        ]
        for element, source, target in stated:
            for attribute, wanted in (
                (source, self._options.source),
                (target, self._options.target),
            ):
                language = element.get(attribute)
                if language and wanted and not is_of_language(language, wanted):
                    raise UserError(f"expected {attribute}={wanted!r}. Received: {language!r}.")

    def _is_translated(self, segment: Any, target: Any) -> bool:
        """Whether there is a translation: tools copy the source, in a state that says so."""
        state = None
        if target is not None:
            state = segment.get("state") if self._is_version_2 else target.get("state")
        return _has_text(target) and state not in _UNTRANSLATED

    def _insert(self, segment: Any, target: Any) -> None:
        source = segment.find("{*}source")
        target.tag = source.tag.replace("}source", "}target").replace("source", "target")
        language = target.attrib.pop(_LANGUAGE, None)
        if language is not None:
            target.set(_LANGUAGE, self._options.target)
        old = segment.find("{*}target")
        if old is not None:
            segment.remove(old)
        segment.attrib.pop("approved", None)
        after = segment.find("{*}seg-source")
        after = source if after is None else after
        target.tail = after.tail
        segment.insert(segment.index(after) + 1, target)
        if self._is_version_2:
            segment.set("state", "translated")
            segment.attrib.pop("subState", None)  # which is one of the old state
            if "trgLang" not in self._root.attrib:
                self._root.set("trgLang", self._options.target)
            return
        target.set("state", "needs-review-translation")
        target.set("state-qualifier", "mt-suggestion")
        for file in segment.iterancestors("{*}file"):
            if "target-language" not in file.attrib:
                file.set("target-language", self._options.target)


class TmxDocument(_BilingualXml):
    """`.tmx`: units in the source language without one in the target language get it."""

    media_type = "application/x-tmx+xml"

    def _segments(self) -> Iterator[_Segment]:
        name = _local_name(self._root)
        if name != "tmx":
            raise UserError(f"expected TMX. Received: an XML document <{name}>.")
        header = self._root.find("{*}header")
        stated = "" if header is None else header.get("srclang", "").partition("-")[0]
        self._source = self._options.source or stated
        for unit in self._root.iter("{*}tu"):
            source = _variant(unit, self._source)
            target = _variant(unit, self._options.target)
            if source is None or source.find("{*}seg") is None:
                continue
            has_target = target is not None and _has_text(target.find("{*}seg"))
            if not has_target or self._options.retranslate:
                yield _Segment(unit, source.find("{*}seg"), _TMX)

    def _insert(self, unit: Any, segment: Any) -> None:
        old = _variant(unit, self._options.target)
        source = _variant(unit, self._source)
        variant = unit.makeelement(source.tag, nsmap=source.nsmap)
        # TMX 1.1 has an attribute of its own.
        is_old = _LANGUAGE not in source.attrib
        variant.set("lang" if is_old else _LANGUAGE, self._options.target)
        variant.append(segment)
        variant.tail = source.tail
        if old is not None:
            unit.replace(old, variant)
        else:
            unit.append(variant)


def _local_name(element: Any) -> str:
    name: str = element.tag.rpartition("}")[2]
    return name


def _sentences(element: Any) -> list[Any]:
    """The marks of sentences."""
    return [mark for mark in element.iter("{*}mrk") if mark.get("mtype") == "seg"]


def _has_text(element: Any) -> bool:
    return element is not None and bool("".join(element.itertext()).strip())


def _is_to_translate(segment: Any) -> bool:
    return _inherited(segment, "translate") != "no"


def _inherited(segment: Any, attribute: str) -> str | None:
    """The innermost attribute of this name around a segment."""
    for element in (segment, *segment.iterancestors()):
        if (value := element.get(attribute)) is not None:
            return str(value)
    return None


def _variant(unit: Any, language: str) -> Any:
    """The variant of a unit in a language: "en" is also that of "en-US"."""
    for variant in unit.iterchildren("{*}tuv"):
        if is_of_language(variant.get(_LANGUAGE) or variant.get("lang") or "", language):
            return variant
    return None
