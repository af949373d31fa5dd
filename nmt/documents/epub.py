"""EPUB: chapters by `nmt.text.html`, and the tables of contents."""

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from nmt.documents.archive import Archive, write_xml
from nmt.documents.document import Document, ReadingOptions, Translations, limited
from nmt.documents.mixed_content import InlineRules, MixedContent
from nmt.documents.web import XhtmlDocument
from nmt.errors import UserError

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
# Books of old programs name the types of HTML and of the format before EPUB.
_XHTML = ("application/xhtml+xml", "text/html", "text/x-oeb1-document")
_NCX = "application/x-dtbncx+xml"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_LANGUAGE = "{http://purl.org/dc/elements/1.1/}language"
_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_RULES = InlineRules(kinds={})


class EpubDocument(Document):
    """`.epub`: chapters, table of contents and title."""

    media_type = "application/epub+zip"
    libraries = ("lxml",)
    is_archive = True

    def __init__(self, content: bytes, options: ReadingOptions):
        self._archive = Archive(content, "a book (.epub)")
        self._options = options
        container = self._archive.read_xml(_CONTAINER)
        package = next((one.get("full-path") for one in container.iter("{*}rootfile")), None)
        if package is None:
            raise UserError(f"{_CONTAINER} names no book.")
        package = package.lstrip("/")
        root = self._archive.read_xml(package)
        names = set(self._archive.names)
        items = [item for item in _items(root, package) if item[0] in names]
        self._check_encryption({name for name, _ in items})
        self._chapters = {
            name: XhtmlDocument(self._archive.read_text(name), options)
            for name, media_type in items
            if media_type in _XHTML
        }
        self._package = package
        self._roots: dict[str, Any] = {package: root}
        self._labels = [(package, MixedContent(one, _RULES)) for one in root.iter(_TITLE)]
        for name, media_type in items:
            if media_type == _NCX:
                self._roots[name] = self._archive.read_xml(name)
                self._labels += [
                    (name, MixedContent(one, _RULES))
                    for one in limited(self._roots[name].iter("{*}text"))
                    if not one.getparent().tag.endswith("}docAuthor")
                ]
        self.units = [
            *limited(unit for chapter in self._chapters.values() for unit in chapter.units),
            *(unit for _, label in self._labels for unit in label.units),
        ]

    def _check_encryption(self, names: set[str]) -> None:
        """Fonts may be obfuscated; text may not."""
        if _ENCRYPTION not in self._archive.names:
            return
        root = self._archive.read_xml(_ENCRYPTION)
        encrypted = {unquote(one.get("URI", "")) for one in root.iter("{*}CipherReference")}
        if encrypted & names:
            raise UserError("the book is encrypted (DRM) and cannot be read.")

    def filled(self, translations: Translations) -> bytes:
        changed = {
            name: chapter.filled(translations)
            for name, chapter in self._chapters.items()
            if any(unit in translations for unit in chapter.units)
        }
        for name, label in self._labels:
            if label.is_changed(translations):
                label.write(translations)
                changed[name] = b""
        if changed:
            for language in self._roots[self._package].iter(_LANGUAGE):
                if self._options.is_source((language.text or "").strip()):
                    language.text = self._options.target
                    changed[self._package] = b""
        for name in changed:
            root = self._roots.get(name)
            if root is not None:
                if self._options.is_source(root.get(_XML_LANGUAGE, "")):
                    root.set(_XML_LANGUAGE, self._options.target)
                changed[name] = write_xml(root)
        return self._archive.replaced(changed)


def _items(root: Any, package: str) -> Iterator[tuple[str, str]]:
    """Names and media types of the manifest's text; what it lists twice is one file."""
    seen = set()
    for item in root.iter("{*}item"):
        media_type = item.get("media-type", "")
        path = posixpath.join(posixpath.dirname(package), unquote(item.get("href", "")))
        name = posixpath.normpath(path)
        if media_type in (*_XHTML, _NCX) and name not in seen:
            seen.add(name)
            yield name, media_type
