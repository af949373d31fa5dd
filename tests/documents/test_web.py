"""HTML files."""

import pytest
from fixtures.documents import read, same, shout, translated, translator

from nmt.errors import UserError


def test_text_and_the_attributes_that_people_read_are_translated():
    source = '<p title="a b">c <b>d</b> <img src="a b" alt="e f"></p>'
    assert translated(".html", source) == (
        '<p title="B A"><b>D</b> C <img src="a b" alt="F E"></p>'
    )


@pytest.mark.parametrize("declared", ['<meta charset="iso-8859-1">', "<meta charset=latin1>"])
def test_the_encoding_that_the_file_declares_is_kept(declared):
    source = f"{declared}<p>café d'été".encode("latin-1")
    assert translated(".html", source) == f"{declared}<p>D'ÉTÉ CAFÉ".encode("latin-1")


def test_what_the_encoding_lacks_is_a_reference():
    def translate(lines, alignments):
        from fixtures.documents import same

        return same(["œ"], alignments)

    source = '<meta charset="iso-8859-1"><p>one'.encode("latin-1")
    assert translated(".html", source, translate).endswith(b"<p>&#339;")


@pytest.mark.parametrize("start", ["", "<!DOCTYPE html>\n", '<?xml version="1.0"?>'])
@pytest.mark.parametrize("around", ["{}", '<div translate="no">{}</div>'])
def test_a_script_without_content_does_not_hide_a_chapter(start, around):
    source = f"{start}<html>{around.format('<script src=' + chr(34) + 'a.js' + chr(34) + '/>')}"
    assert translated(".xhtml", f"{source}<p>one two</p></html>") == (
        f"{source}<p>TWO ONE</p></html>"
    )


def test_a_cdata_section_stays():
    source = "<p>one</p><p><![CDATA[a > b <c> ]]></p><code><![CDATA[</code>]]></code>"
    assert translated(".xhtml", source) == source.replace("one", "ONE")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<html lang="en">', '<html lang="fr">'),
        ("<!DOCTYPE html>\n<HTML class=a LANG=en-US>", "<!DOCTYPE html>\n<HTML class=a LANG=fr>"),
        ("<html xml:lang=\"en\" lang='en'>", "<html xml:lang=\"fr\" lang='fr'>"),
        ('<html lang="de" data-lang="en">', '<html lang="de" data-lang="en">'),
        ("<html>", "<html>"),
    ],
)
def test_a_page_in_the_source_language_becomes_one_in_the_target_language(before, after):
    rest = '<body><p lang="en">{}<html lang="en"></body>'
    assert translated(".html", before + rest.format("one")) == after + rest.format("ONE")
    assert translated(".html", before + rest.format("1")) == before + rest.format("1")
    same_language = translated(".html", before + rest.format("one"), target="en")
    assert same_language == before + rest.format("ONE")


def test_an_unknown_encoding_is_refused():
    with pytest.raises(UserError, match="unknown encoding 'x-y'"):
        read(".html", '<meta charset="x-y"><p>one')


@pytest.mark.parametrize(
    "name", ["undefined", "idna", "punycode", "unicode_escape", "utf-7", "rot13", "cp037"]
)
def test_an_encoding_in_which_ascii_is_something_else_is_refused(name):
    with pytest.raises(UserError, match="unknown encoding"):
        read(".html", f'<meta charset="{name}"><p>one')


@pytest.mark.parametrize("name", ["utf-16", "UTF-32", "utf-16le"])
def test_what_says_utf_16_in_ascii_is_utf_8(name):
    source = f'<meta charset="{name}"><p>one été'
    assert translated(".html", source) == f'<meta charset="{name}"><p>ÉTÉ ONE'


def test_latin_1_is_windows_1252_as_in_browsers():
    source = '<meta charset="iso-8859-1"><p>don’t'.encode("cp1252")
    assert [unit.text for unit in read(".html", source).units] == ["don’t"]
    assert translated(".html", source) == '<meta charset="iso-8859-1"><p>DON’T'.encode("cp1252")


@pytest.mark.parametrize(
    "declared", ["iso-8859-1", "Windows-1252", "us-ascii", "ISO-8859-15", "windows-1251", "koi8-r"]
)
def test_utf_8_under_another_name_is_read_as_utf_8(declared):
    source = f'<meta charset="{declared}"><p>“été” one'
    assert translated(".html", source) == f'<meta charset="{declared}"><p>ONE “ÉTÉ”'


def test_what_is_not_translated_is_not_written_anew():
    source = (
        "<p title=a alt='b  &eacute;&nbsp;c' placeholder=\"d\n e>\">42</p><img alt='&#169; 2' >"
    )
    assert translated(".html", source, same) == source


def test_references_of_a_text_that_is_not_translated_stay():
    source = (
        '<p>&copy; 2020 &lt; &#x32; a&shy;b &eacute;t&eacute; &copy2 c < d &amp e&quot;f & g">h'
    )
    assert translated(".html", source, same) == source
    assert translated(".html", source, shout).startswith("<p>© 2020 &lt; 2 A\xadB ÉTÉ")


def test_a_reference_to_an_entity_of_a_dtd_stays():
    start = '<!DOCTYPE html [<!ENTITY firm "A &amp; B">]>'
    assert translated(".xhtml", f"{start}<p>a &firm; b</p>", shout) == f"{start}<p>A &firm; B</p>"
    assert translated(".html", "<p>&firm; a AT&T</p>", shout) == "<p>&firm; A AT&amp;T</p>"


def test_a_page_in_ascii_that_declares_no_encoding_stays_one():
    @translator
    def accented(words):
        return ["é"], []

    assert translated(".html", "<html><p>e", accented) == "<html><p>&#233;"
    for source in ("<p>e", "<html><meta charset=utf-8><p>e", "<html>é<p>e", "\ufeff<html><p>e"):
        assert translated(".html", source, accented) == source[:-1].replace("é", "é") + "é"
    assert translated(".xhtml", "<html><p>e", accented) == "<html><p>é"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "a <ruby>b<rp>(</rp><rt>x y</rt><rp>)</rp></ruby> c",
            "C <ruby>B<rp>(</rp><rt>x y</rt><rp>)</rp></ruby> A",
        ),
        (
            "<ruby><rb>b</rb><rtc><rt>x</rt></rtc></ruby> c",
            "C <ruby><rb>B</rb><rtc><rt>x</rt></rtc></ruby>",
        ),
        ("<ruby>a<rt>x</rt></ruby>", "<ruby>A<rt>x</rt></ruby>"),
        # Where an annotation has no end tag, the text ends before it.
        ("a <ruby>b<rp>(<rt>x<b>y</b><rp>)</ruby> c", "A <ruby>B<rp>(<rt>x<b>y</b><rp>)</ruby> C"),
        ("<ruby>b<rt>x<rb>d<rt>y</ruby>", "<ruby>B<rt>x<rb>D<rt>y</ruby>"),
    ],
)
@pytest.mark.parametrize("suffix", [".html", ".xhtml"])
def test_annotations_over_a_text_are_no_part_of_it(suffix, source, expected):
    assert translated(suffix, f"<p>{source}</p>") == f"<p>{expected}</p>"
    assert translated(suffix, f"<p>{source}</p>", same) == f"<p>{source}</p>"


@pytest.mark.parametrize(
    ("suffix", "around"),
    [
        (".md", "{}\n"),
        (".json", '"{}"'),
        (".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n"),
        (".po", 'msgid "{}"\nmsgstr ""\n'),
    ],
)
def test_annotations_in_strings_are_no_part_of_their_text(suffix, around):
    source = around.format("a <ruby>b<rp>(</rp><rt>x y</rt><rp>)</rp></ruby> c")
    assert "C <ruby>B<rp>(</rp><rt>x y</rt><rp>)</rp></ruby> A" in translated(suffix, source)


def test_columns_stay_where_white_space_is_kept():
    source = "<p>a\tb    c</p><pre>one two\tthree    <b>four</b>\n\tfive</pre>"
    expected = "<p>C B A</p><pre>TWO ONE\tTHREE    <b>FOUR</b>\n\tFIVE</pre>"
    assert translated(".html", source) == expected
