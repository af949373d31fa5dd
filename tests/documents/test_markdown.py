"""Markdown: prose is translated, markup stays Markdown."""

import re
import textwrap

import pytest
from fixtures.documents import (
    MARKDOWN,
    read,
    refilled,
    reverse,
    same,
    shout,
    translated,
    translator,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nmt.documents.translating import translate_document
from nmt.errors import UserError


def rendered(text):
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# One *two* three", "# THREE *TWO* ONE"),
        ("One\n***two***\n===\n", "***TWO*** ONE\n===\n"),
        ("a `b c` d", "D A `b c`"),
        ("a [b c](u 'b') d", "D [C B](u 'b') A"),
        ("a ![b](u) c", "C A ![b](u)"),
        ("a <http://b.c> d", "D A <http://b.c>"),
        ("a <b>b</b> c", "C <b>B</b> A"),
        ("> a\n> b", "> B A"),
        ("* a b\n\n  c d\n", "* B A\n\n  D C\n"),
        ("1. 1. a b\n", "1. 1. B A\n"),
        ("a b\\\nc d", "B A\\\nD C"),
        ("- [ ] a b", "- [ ] B A"),
        ("| a b | c |\n|---|---|\n| d e | `f` g |", "| B A | C |\n|---|---|\n| E D | `f` G |"),
        ("[a b]\n\n[a b]: http://x.y\n", "[B A][a b]\n\n[a b]: http://x.y\n"),
        ("    code a\n\n~~~\ncode b\n~~~\n", "    code a\n\n~~~\ncode b\n~~~\n"),
        ("---\na: b\n---\nc d", "---\na: b\n---\nD C"),
        ("<div>\na <i>b</i>\n</div>\n", "<div>\n<i>B</i> A\n</div>\n"),
        ("a &amp; b &copy; c", "C © B & A"),
        ('!!! note "a b"\n    c d\n    e\n', '!!! note "a b"\n    E D C\n'),
        (":::tip\na b\nc\n:::\n", ":::tip\nC B A\n:::\n"),
        ("a *b*\n::: tip *x*\nc d\n:::", "*B* A\n::: tip *x*\nD C\n:::"),
        ("Term one\n: a b\n: c d\n", "ONE TERM\n: B A\n: D C\n"),
        ("a b\n:C d\n", "D :C B A\n"),
        ("~~a~~ b\r\n\r\nc d\r\n", "B ~~A~~\r\n\r\nD C\r\n"),
        ("a b\rc d\r\re f\r", "D C B A\r\rF E\r"),  # of old Macs
        ("a b\r\n\r\n- c d\n\n| e f |\n|--|\n", "B A\r\n\r\n- D C\n\n| F E |\n|--|\n"),
        ("---\na: b\n...\nc d", "---\na: b\n...\nD C"),
        ("a &lt;b&gt; c &amp; &copy; d", "D © & C &lt;B&gt; A"),
        ("a $x_i + y*z$ is $5 and $6", "$6 AND $5 IS A $x_i + y*z$"),
        ("> a b\n> $$\n>   x *y\n> $$\n> c d", "> B A\n> $$\n>   x *y\n> $$\n> D C"),
        ("$$\nx *y\n$$\n\n\\begin{a}\nx & y\n\\end{a}\n", None),
        ("a :tada: b [[Page of c|c]] d 12:30:45", "12:30:45 D B [[Page of c|c]] A :tada:"),
        ("*[AB]: a b", "*[AB]: B A"),
    ],
)
def test_markup_goes_with_its_words(source, expected):
    assert translated(".md", source) == (source if expected is None else expected)


def test_the_structure_is_the_same_after_translation():
    tags = [
        [token.type for token in MarkdownIt("commonmark").enable("table").parse(text)]
        for text in (MARKDOWN, translated(".md", MARKDOWN))
    ]
    assert tags[0] == tags[1]


def test_a_translation_that_would_be_parsed_otherwise_is_not_used():
    @translator
    def starred(words):
        return ["*a*"], [(0, 0)]

    outcome = translate_document(read(".md", "one\n"), starred)
    assert outcome.content == b"one\n"
    assert [one.reason for one in outcome.left] == ["its markup would be another"]


def test_a_line_of_a_long_paragraph_is_judged_with_those_around_it():
    @translator
    def starred(words):
        return ["*a" if word == "two" else word for word in words], [(0, 0)]

    source = "one\\\n" * 100 + "two\\\n{}\\\n" + "three\\\n" * 100 + "four"
    for text, num_left in (("b\\*", 0), ("b*", 1)):  # which would be in italics
        outcome = translate_document(read(".md", source.format(text)), starred)
        assert len(outcome.left) == num_left
        assert outcome.content.decode().count("*a") == 1 - num_left


def test_no_line_of_a_paragraph_becomes_a_list_or_a_heading():
    source = "We were born in the month of June in 1970. It was a long summer that\nwent on - hot."

    @translator
    def moved(words):
        return [*words[:12], "+", "#", *words[12:]], [(i, i) for i in range(len(words))]

    assert rendered(translated(".md", source, moved)).count("<p>") == 1
    assert "<ul>" not in rendered(translated(".md", source, moved))


TEXT = ["a", "b c", "é", "\\*", "&amp;", "\n", "  \n", "\n\n", "`"]
INLINE = [
    "*d*",
    "**e f**",
    ":::",
    "!!! u",
    ": v",
    "_k_",
    "~~p~~",
    "`g`",
    "[h](i)",
    "[t]",
    "![l](m)",
    "<http://n.o>",
    "==u v==",
    "[w x]{.y}",
    "{#z}",
    "\\(a^2\\)",
    "{% if c %}",
    "<rt>e</rt>",
    "<kbd>f g</kbd>",
]
BLOCKS = ["<b>j</b>", "#", "- q", "> r", "1. s"]
PIECES = st.sampled_from([*TEXT, *INLINE, *BLOCKS])


@settings(deadline=None, max_examples=40)
@given(st.lists(PIECES, max_size=12))
def test_any_markdown_stays_byte_for_byte_if_its_translation_is_itself(pieces):
    source = " ".join(pieces)
    assert translated(".md", source, same) == source


@settings(deadline=None, max_examples=40)
@given(st.lists(PIECES, max_size=12))
def test_any_markdown_that_is_written_again_is_rendered_alike(pieces):
    source = " ".join(pieces)
    again = refilled(".md", source).decode()
    # A line that is wrapped loses spaces at the edges of code.
    edges = re.compile(r"(?<=<code>)\s+|\s+(?=</code>)")
    words = [edges.sub("", rendered(text)).split() for text in (source, again)]
    assert words[0] == words[1]


@settings(deadline=None, max_examples=40)
@given(st.lists(PIECES, max_size=12))
@example(["<b>j</b>", "#"])
def test_any_markdown_has_the_same_blocks_after_translation(pieces):
    source = " ".join(pieces)
    for translate in (reverse, shout):
        blocks = [
            [token.type for token in MarkdownIt("commonmark").enable("table").parse(text)]
            for text in (source, translated(".md", source, translate))
        ]
        assert blocks[0] == blocks[1]


def test_a_line_after_a_hard_break_begins_no_block():
    """Here the last word, a number sign, would come to the beginning of the second line."""
    source = "a   \n b #\n"
    assert "\n#" not in translated(".md", source, reverse).replace(" ", "")


def test_labels_of_footnotes_and_alerts_stay_in_front():
    source = "see[^1] here\n\n[^1]: note one\n\n> [!NOTE]\n> three four\n"
    expected = "HERE SEE[^1]\n\n[^1]: ONE NOTE\n\n> [!NOTE]\n> FOUR THREE\n"
    assert translated(".md", source) == expected


@pytest.mark.parametrize(
    "markup",
    [
        *("{{ a.b }}", "{% if x %}", '{{< ref "a b.md" >}}', "{{% p x %}}", "$$a b$$", "[^note]"),
        *("{#an-id}", "{: .b #c}", "{ .md-button }", "{/* a comment */}", "%%a comment%%"),
        *("[@smith04, p. 3]", "@octocat", "@babel/core", "#tag/sub", "++ctrl+alt+del++"),
        *("\\(a^2 + b\\)", "\\\\(x\\\\)", "\\[E = mc^2\\]", "![[image one.png|300]]"),
    ],
)
def test_markup_of_dialects_is_copied(markup):
    assert sorted(translated(".md", f"one {markup} two\n").split()) == sorted(
        f"ONE {markup} TWO".split()
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a ==b c== d", "D ==C B== A"),
        ("a [b c]{.d e=f} g", "G [C B]{.d e=f} A"),
        ("a [b](c){ .d } e", "E [B](c){ .d } A"),
        ('a [b](c){:target="_blank"} d', 'D [B](c){:target="_blank"} A'),
        ("a `b`{.c} d", "D A `b`{.c}"),
        ("a ![b](c){width=50%} d", "D A ![b](c){width=50%}"),
        ("a b ^block-1", "B A ^block-1"),
        ("# a `b` {#c}", "# A `b` {#c}"),
        ("a b{: .c}", "B A{: .c}"),
        ("> [!tip]- a b\n> c d\n> e", "> [!tip]- B A\n> E D C"),
        ("a b\n{: .c}\n\n# d e\n{: #f}", "B A\n{: .c}\n\n# E D\n{: #f}"),
        ("{% if a %}\nb\nc\n{% endif %}", "{% if a %}\nC B\n{% endif %}"),
        ("{{< tabs >}}\na b\n{{< /tabs >}}", "{{< tabs >}}\nB A\n{{< /tabs >}}"),
        ("a [b] \\[c=d\\] e", "E [B] \\[c=d\\] A"),
        ("a \\[no formula\\] b", "B FORMULA\\] \\[NO A"),
    ],
)
def test_markup_of_dialects_stays_at_its_words(source, expected):
    assert translated(".md", source) == expected
    assert translated(".md", source, same) == source


CODE = "def show\n\n  puts a, *b*\nend"


@pytest.mark.parametrize(
    "kept",
    [
        f"{{% highlight ruby %}}\n{CODE}\n{{% endhighlight %}}",
        f'{{{{< highlight go "a=b" >}}}}\n{CODE}\n{{{{< /highlight >}}}}',
        f"{{%- raw -%}}\n<p>{CODE}</p>\n{{%- endraw -%}}",
        "{% comment %}\na b\n{% endcomment %}",
        '{% include a.html\n  title="b c" %}',
        '{{< figure\n  src="a b.png"\n  caption="c d"\n>}}',
        "import A from '@theme/A';\nimport { b } from \"b\"\nimport './c.css'",
        "export const a = (b) => (\n  <span>c d</span>\n);",
        "<<< @/snippets/a.js{1,3}",
        '--8<-- "a.md"',
        "+---+---+\n| a | b |\n+===+===+\n| c | d |\n+---+---+",
        "[TOC]",
        "\\[\nE = mc^2\n\\]",
    ],
)
def test_what_is_code_in_a_dialect_stays(kept):
    source = f"one two\n\n{kept}\n\nthree four\n"
    assert translated(".md", source) == f"TWO ONE\n\n{kept}\n\nFOUR THREE\n"


@pytest.mark.parametrize(
    "text", ["import taxes are high", "export goods", "{a", "a {% b", "{% raw %}"]
)
def test_what_begins_as_code_and_is_none_is_text(text):
    assert "ONE" in translated(".md", f"{text}\n\none\n")


@pytest.mark.parametrize(
    "matter", ['{\n  "title": "A b"\n}\n', "+++\ntitle = 'A b'\n+++\n", "---\ntitle: A b\n---\n"]
)
def test_front_matter_stays(matter):
    assert translated(".md", f"{matter}\none two\n") == f"{matter}\nTWO ONE\n"


@pytest.mark.parametrize(
    "source", ["a b\rc\r", "a\r\n\r\nb\n\nc\r\n", "---\r\nt: x\n---\r\na\n\rb"]
)
def test_line_ends_stay_as_they_are(source):
    assert translated(".md", source, same) == source


ADMONITION = """!!! note "t u"

    one two

    - three
        - four five

    ```
    code
    ```

    ??? tip
        six

        seven *eight*

=== "Tab x"

    nine [ten][a]

[^1]: eleven more

    twelve

Text:

    code here

[a]: b
"""


def test_what_is_indented_below_an_admonition_a_tab_or_a_footnote_is_text():
    expected = re.sub(
        r"one two|three|four five|six|seven|eight|nine|ten|eleven more|twelve|Text",
        lambda words: words[0].upper(),
        ADMONITION,
    )
    assert translated(".md", ADMONITION, shout) == expected
    assert refilled(".md", ADMONITION).decode() == ADMONITION


@pytest.mark.parametrize(
    "mark", ["<sup>1</sup>", "<sup>[2]</sup>", '<sup><a href="#n">3</a></sup>']
)
def test_the_number_of_a_note_typed_as_text_is_no_text_and_stays_behind_its_word(mark):
    source = f"one time{mark} more\n"
    for stand_ins in (False, True):
        assert read(".md", source, stand_ins=stand_ins).units[0].text == "one time more"
        assert translated(".md", source, stand_ins=stand_ins) == f"MORE TIME{mark} ONE\n"
    assert read(".md", "20 m<sup>2</sup> of `<sup>1</sup>`").units[0].text == "20 m2 of"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "# Getting started\n\nsee [one two](#getting-started) now\n",
            "# STARTED GETTING\n\nNOW [TWO ONE](#started-getting) SEE\n",
        ),
        (  # of the text that is shown
            "A *b*, `c_d` & (e)!\n===\n\n- [f](#a-b-c_d--e)\n",
            "(E)! & *B*, `c_d` A\n===\n\n- [F](#e--b-c_d-a)\n",
        ),
        (  # in a text that stays, and in HTML
            "# a b\n\n[1](#a-b)\n\nc <a href='#a-b'>d</a> f\n\n<p><a href=\"#a-b\">e</a></p>\n",
            "# B A\n\n[1](#b-a)\n\nF <a href='#b-a'>D</a> C\n\n<p><a href=\"#b-a\">E</a></p>\n",
        ),
        (  # headings in another alphabet may be written in percent
            '# é b\n\n[c](#%C3%A9-b "t")\n',
            '# B É\n\n[C](#b-é "t")\n',
        ),
        *(  # of two headings, of none, of another file, of an address that is given, and code
            (source, source.replace("a b", "B A").replace("[c]", "[C]"))
            for source in (
                "# a b\n\n# a b\n\n[c](#a-b)\n",
                "# a b\n\n- [c](#a)\n- [c](#c-a-b)\n",
                "# a b\n\n[c](x.md#a-b)\n",
                "# a b {#a-b}\n\n[c](#a-b)\n",
                "# a b\n\n```\n[x](#a-b)\n```\n",
            )
        ),
        ("# a b\n\n# b, a\n\n[c](#a-b)\n", "# B A\n\n# A B,\n\n[C](#b-a)\n"),
    ],
)
def test_a_link_to_a_heading_goes_to_its_translation(source, expected):
    assert translated(".md", source) == expected
    assert refilled(".md", source).decode() == source


def test_links_to_headings_stay_where_nothing_is_translated():
    source = "# a b\r\n\r\n[c\r\nd](#a-b) [e](#a-b)\r\n"
    assert translated(".md", source, same) == source


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a <code>b *c*\nd</code> e", "E <code>b *c* d</code> A"),
        ("a `<code>` b `</code>` c", "C `</code>` B `<code>` A"),  # of no element
        ("a <code>b *c</code> d* e", "A <code>B *C</code> D* E"),
    ],
)
def test_an_element_of_html_stays_if_both_of_its_tags_stand_in_the_same_markdown(source, expected):
    assert translated(".md", source, stand_ins=True) == expected


def test_a_file_has_at_most_so_much_markup(monkeypatch):
    monkeypatch.setattr("nmt.documents.markdown.MAX_MARKS", 10)
    assert read(".md", "one *two*\n" * 3).units
    with pytest.raises(UserError, match="at most 10 lines"):
        read(".md", "one *two*\n" * 4)


@pytest.mark.parametrize(("before", "indent"), [("", ""), ("", "> "), ("!!! note\n\n", "    ")])
def test_the_tables_of_a_file_have_at_most_so_many_cells(before, indent, monkeypatch):
    monkeypatch.setattr("nmt.documents.markdown.MAX_MARKS", 1000)
    table = textwrap.indent("|a" * 20 + "\n" + "|-" * 20 + "\n" + "|a\n" * 40, indent)
    document = f"{before}{table}\n\n"  # 820 cells
    assert len(read(".md", document).units) == 60
    with pytest.raises(UserError, match="tables of a Markdown file may have at most 1,000 cells"):
        read(".md", document * 2)
