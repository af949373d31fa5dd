"""Translating a document: what is asked of a translator, and what stays as it was."""

import json
from collections import Counter
from types import SimpleNamespace

from fixtures.documents import read, reverse, same

from nmt.documents.translating import lines_of, translate_document
from nmt.errors import LineError


def translation(text):
    return SimpleNamespace(candidates=[SimpleNamespace(text=text, alignment=None)])


def test_a_text_that_stands_there_twice_is_translated_once():
    document = read(".json", '["one", "one", "two"]')
    assert [line.text for line in lines_of(document)] == ["one", "two"]
    assert translate_document(document, reverse).content == b'["ONE", "ONE", "TWO"]'


def test_alignments_are_asked_for_where_markup_stands_in_a_text():
    asked = Counter()

    def translate(lines, alignments):
        asked[alignments] += len(lines)
        return same(lines, alignments)

    translate_document(read(".json", '["one", "a <b>b</b>", "two"]'), translate)
    assert asked == {False: 2, True: 1}


def test_a_text_whose_placeholder_is_lost_doubled_or_new_stays():
    made = {"a {x}": "b", "c %s": "d %s %s", "e": "f {y}", "g ${z} %(n)d": "%(n)d h ${z}"}

    def translate(lines, alignments):
        return [translation(made[line]) for line in lines]

    source = '["a {x}", "c %s", "e", "g ${z} %(n)d"]'
    outcome = translate_document(read(".json", source), translate)
    assert outcome.content.decode() == '["a {x}", "c %s", "e", "%(n)d h ${z}"]'
    assert [(one.text, one.reason) for one in outcome.left] == [
        ("a {x}", "placeholder {x} is lost"),
        ("c %s", "placeholder %s is new"),
        ("e", "placeholder {y} is new"),
    ]


def test_numbered_values_of_mediawiki_are_placeholders_and_prices_are_not():
    made = {"$1 deleted $2": "1 $ supprimé $2", "It costs $2.": "Ça coûte 2 $."}

    def translate(lines, alignments):
        return [translation(made[line]) for line in lines]

    outcome = translate_document(read(".json", json.dumps(list(made))), translate)
    assert json.loads(outcome.content) == ["$1 deleted $2", "Ça coûte 2 $."]
    assert [(one.text, one.reason) for one in outcome.left] == [
        ("$1 deleted $2", "placeholder $1 is lost")
    ]


def test_values_that_a_program_fills_in_by_their_order_stay_in_order():
    texts = [
        "%s has %d",
        "%(a)s has %(b)d",
        "%2$s has %1$d",
        "%d/%m/%Y is %s",
        "{} has %s",
        "50%% of %s",
    ]
    outcome = translate_document(read(".json", json.dumps(texts)), reverse)
    assert [(one.text, one.reason) for one in outcome.left] == [
        ("%s has %d", "placeholder %s takes another value")
    ]


def test_values_in_tags_stay_in_the_order_of_those_in_the_text():
    texts = [
        "Your <a href='%s'>account</a> has %s",
        "<a href='%s'>a</a> or <a href='%s'>b</a>",
        "Use <code>%s</code> for %s",
        "See <a href='%s'>a %(b)s</a>",
        "See <a href='?a=%20d&b=%C3%A9'>here</a> %s",
        "<b>%s</b> is",
    ]
    document = read(".json", json.dumps(texts), stand_ins=True)
    outcome = translate_document(document, reverse)
    assert [(one.text, one.reason) for one in outcome.left] == [
        ("Your account has %s", "placeholder %s takes another value"),
        ("a or b", "placeholder %s takes another value"),
        ("Use {1} for %s", "placeholder %s takes another value"),
    ]
    assert len(translate_document(document, same).left) == 0


def test_a_text_that_cannot_be_translated_stays_and_the_others_do_not():
    def translate(lines, alignments):
        return [
            LineError(3, "too long") if line == "bad" else translation(line.upper())
            for line in lines
        ]

    outcome = translate_document(read(".json", '["bad", "good"]'), translate)
    assert outcome.content == b'["bad", "GOOD"]'
    assert outcome.summary() == "1 segment translated, 1 left as it was: 'bad' (too long)"


def test_a_document_without_text_has_nothing_to_translate():
    outcome = translate_document(read(".json", "[1, 2]"), reverse)
    assert outcome.summary() == "nothing to translate: the document stays as it is"
    assert not outcome.has_failed


def test_the_summary_names_a_few():
    def translate(lines, alignments):
        return [LineError(0, "no")] * len(lines)

    outcome = translate_document(read(".json", '["a", "b", "c", "d"]'), translate)
    assert outcome.has_failed
    assert outcome.summary() == (
        "nothing was translated, 4 left as they were: 'a' (no), 'b' (no), 'c' (no), ..."
    )


def test_a_placeholder_comes_back_by_alignment_where_the_model_loses_its_stand_in():
    document = read(".xliff", _PROTECTED, stand_ins=True)
    (unit,) = document.units
    assert unit.text == "Use {1} now"

    def translate(lines, alignments):
        return [translation("Maintenant")]

    outcome = translate_document(document, translate)
    assert not outcome.left
    assert b'<mrk id="1" mtype="protected">ACME</mrk>' in outcome.content.split(b"<target")[1]


_PROTECTED = """<xliff version="1.2"><file source-language="en"><body><trans-unit id="1">
<source>Use <mrk id="1" mtype="protected">ACME</mrk> now</source></trans-unit></body></file></xliff>
"""
