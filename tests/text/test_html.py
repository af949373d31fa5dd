"""HTML: text out, translations in, all else byte for byte."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nmt.text.html import parse_markup


def upper(document):
    markup = parse_markup(document)
    return markup.filled([text.upper() for text in markup.texts])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("plain", "PLAIN"),
        ('<p class="green">Hello!</p>', '<p class="green">HELLO!</p>'),
        ("<P  Class=a\n title='b > c' >one</P >", "<P  Class=a\n title='b > c' >ONE</P >"),
        ("a<br/>b<br>c<img src=x alt='no'>", "A<br/>B<br>C<img src=x alt='no'>"),
        ("  one\n <b> two </b>three", "  ONE\n <b> TWO </b>THREE"),
        (
            "<!DOCTYPE html><!-- a <b>no</b> --><?php no ?>yes",
            "<!DOCTYPE html><!-- a <b>no</b> --><?php no ?>YES",
        ),
        ("<script>if (a < b) no()</script>yes", "<script>if (a < b) no()</script>YES"),
        ("<style>p > b {}</style>yes", "<style>p > b {}</style>YES"),
        (
            '<div translate="no">no<div>no</div>no</div>yes',
            '<div translate="no">no<div>no</div>no</div>YES',
        ),
        ("<ul><li translate=no>no<li>yes</ul>yes", "<ul><li translate=no>no<li>YES</ul>YES"),
        (
            "<ul><li translate=no>no<ul><li>no</ul>no</ul>yes",
            "<ul><li translate=no>no<ul><li>no</ul>no</ul>YES",
        ),
        (
            "<div><p translate=no>no <b>no</b> no<p>yes</div>yes",
            "<div><p translate=no>no <b>no</b> no<p>YES</div>YES",
        ),
        (
            "<p translate=no>no<script>no</script>no<p>yes",
            "<p translate=no>no<script>no</script>no<p>YES",
        ),
        ("<div><p translate=no>no</div>yes", "<div><p translate=no>no</div>YES"),
        ("<tr><td translate=no>no<td>yes<tr>yes", "<tr><td translate=no>no<td>YES<tr>YES"),
        ("<tr translate=no><td>no<td>no<tr>yes", "<tr translate=no><td>no<td>no<tr>YES"),
        ("<b translate=no>no</i>no</b>yes", "<b translate=no>no</i>no</b>YES"),
        (
            "<a translate=no>no</a><b translate=no>no</b>yes",
            "<a translate=no>no</a><b translate=no>no</b>YES",
        ),
        ("<br translate=no>yes<i translate=no />yes", "<br translate=no>YES<i translate=no />YES"),
        ("<SCRIPT>a</script >b<xmp><b></xmp>c", "<SCRIPT>a</script >B<xmp><b></xmp>C"),
        ("a<!-->b<!--->c<!-- > -->d<!-- --!>e", "A<!-->B<!--->C<!-- > -->D<!-- --!>E"),
        ("1 < 2 <3 a<b", "1 &lt; 2 &lt;3 A<b"),
        ('a<b c="', 'A<b c="'),
        ('a<b c=">">d', 'A<b c=">">D'),
        ("a<b c=d'>e'>f", "A<b c=d'>E'&gt;F"),
        ("a</>b</ c>d</", "A</>B</ c>D&lt;/"),
        ("", ""),
        (" \n ", " \n "),
        ("<b></b>", "<b></b>"),
    ],
)
def test_text_is_translated_and_all_else_stays(document, expected):
    assert upper(document) == expected


def test_a_text_reaches_the_model_without_entities_and_on_one_line():
    assert parse_markup("Tom &amp; J&#233;r&ocirc;me &lt;b&gt;\n  ran\u00a0off.").texts == (
        "Tom & Jérôme <b> ran\u00a0off.",
    )


def test_translations_are_escaped():
    markup = parse_markup("<i>x</i>")
    assert (
        markup.filled(['<script>alert("&")</script>'])
        == '<i>&lt;script&gt;alert("&amp;")&lt;/script&gt;</i>'
    )


def test_an_escaped_script_stays_escaped():
    document = "&lt;script&gt;alert(1)&lt;/script&gt;"
    markup = parse_markup(document)
    assert markup.texts == ("<script>alert(1)</script>",)
    assert markup.filled(markup.texts) == document


@pytest.mark.parametrize(
    "part",
    [
        "<!--",
        "<!",
        "<a ",
        "</",
        "<a b='",
        "<a b=",
        "<?",
        "&",
        "&#",
        "<script>",
        "<p translate=no>",
        "<a\n",
        "=",
        " ",
        "a ",
        "<p translate=no><b>",
        "&#1",
    ],
)
def test_no_document_takes_long(part):
    """Of these the standard library's parser takes up to minutes."""
    start = time.process_time()
    parse_markup(part * 20_000)
    parse_markup("a" + 20_000 * part + "b")
    assert time.process_time() - start < 1


@given(
    st.text(
        st.sampled_from("<>/!-?&;#=\"' \n\tabp") | st.characters(exclude_categories=["Cs"]),
        max_size=60,
    )
)
@example("<![CDATA[x]]>")
@example("<script><b")
@example("a</")
@example("&#" + "1" * 5000 + ";")
@example("&#" + "0" * 5000 + "65;")
@example("<p translate=no>")
@example("&#0;&amp")
def test_nothing_is_lost_of_any_string(document):
    markup = parse_markup(document)
    assert "".join(markup.pieces) == document
    assert all(markup.pieces[place] for place in markup.places)
    assert all(
        text.strip(" \t\n\f\r") and "\n" not in text for text in markup.texts if text.strip()
    )
