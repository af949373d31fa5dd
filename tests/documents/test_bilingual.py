"""XLIFF and TMX."""

import pytest
from fixtures.documents import TMX, XLIFF_1, XLIFF_2, read, translated, translator
from lxml import etree

from nmt.documents.translating import translate_document
from nmt.errors import UserError


def targets(content):
    root = etree.fromstring(content.encode())
    return ["".join(one.itertext()) for one in root.iter("{*}target")]


def test_a_target_stands_after_its_source_with_its_inline_elements():
    (unit, *_) = etree.fromstring(translated(".xliff", XLIFF_1).encode()).iter("{*}trans-unit")
    assert [etree.QName(child).localname for child in unit] == ["source", "target", "note"]
    inline = [etree.QName(child).localname for child in unit[1]]
    assert sorted(inline) == ["bpt", "ept", "g", "x"]
    assert inline.index("bpt") < inline.index("ept")
    assert unit[1].get("state") == "needs-review-translation"
    assert unit[1].find("{*}g").text == "BIG"


def test_a_translation_is_kept_unless_asked_for_a_new_one():
    assert targets(translated(".xliff", XLIFF_1))[1:] == ["mot fait"]
    assert targets(translated(".xliff", XLIFF_1, retranslate=True))[1:] == ["WORD DONE"]


def test_what_is_not_to_be_translated_stays():
    assert "not me" not in [unit.text for unit in read(".xliff", XLIFF_1).units]
    (target,) = targets(translated(".xliff", XLIFF_2))
    assert "ACME" in target.split()


def test_version_2_names_its_language_and_the_state_of_a_segment():
    root = etree.fromstring(translated(".xliff", XLIFF_2).encode())
    assert root.get("trgLang") == "fr"
    assert next(root.iter("{*}segment")).get("state") == "translated"
    (target,) = root.iter("{*}target")
    assert {etree.QName(child).localname for child in target} == {"mrk", "pc"}


def test_a_segment_that_could_not_be_translated_has_no_target():
    @translator
    def forget(words):
        return ["x"], [(0, 0)]

    source = XLIFF_1.replace("strong", "strong %s")
    outcome = translate_document(read(".xliff", source), forget)
    assert targets(outcome.content.decode()) == ["mot fait"]
    assert len(outcome.left) == 1


def test_a_unit_of_tmx_gets_the_variant_that_it_lacks():
    root = etree.fromstring(translated(".tmx", TMX).encode())
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    units = [
        {variant.get(language): "".join(variant.itertext()) for variant in unit}
        for unit in root.iter("tu")
    ]
    assert units == [
        {"en-US": "Hello bbig/b world", "fr": "WORLD bBIG/b HELLO"},
        {"en": "done", "fr": "fait"},
    ]


@pytest.mark.parametrize("suffix", [".xliff", ".tmx"])
def test_another_xml_document_is_refused(suffix):
    with pytest.raises(UserError, match="Received: an XML document <html>"):
        read(suffix, "<html/>")


def unit(source, target="", state=""):
    return (
        '<xliff version="1.2"><file source-language="en-GB" target-language="fr-FR"><body>'
        f'<trans-unit id="1"><source>{source}</source>{target}</trans-unit></body></file></xliff>'
    )


@pytest.mark.parametrize("state", ["new", "needs-translation"])
def test_a_copy_of_the_source_in_a_state_that_says_so_is_no_translation(state):
    content = translated(".xliff", unit("one two", f'<target state="{state}">one two</target>'))
    assert ">TWO ONE</target>" in content
    assert content.count("<target") == 1


def test_a_new_translation_is_not_approved():
    source = unit("one two", "<target>un deux</target>").replace(
        "<trans-unit", '<trans-unit approved="yes"'
    )
    content = translated(".xliff", source, retranslate=True)
    assert ">TWO ONE</target>" in content and "approved" not in content
    assert 'approved="yes"' in translated(".xliff", source)


def test_a_file_whose_language_is_not_known_yet_is_read():
    assert read(".xliff", unit("un"), source="", target="fr").units
    variants = '<tuv xml:lang="{}"><seg>one</seg></tuv><tuv xml:lang="fr"><seg/></tuv>'.format
    for stated in ("en", "en-US"):
        source = f'<tmx><header srclang="{stated}"/><body><tu>{variants(stated)}</tu></body></tmx>'
        (found,) = read(".tmx", source, source="", target="fr").units
        assert found.text == "one"


def test_an_empty_variant_of_tmx_is_no_translation():
    source = (
        '<tmx version="1.4"><body><tu><tuv xml:lang="en"><seg>one two</seg></tuv>'
        '<tuv xml:lang="fr"><seg/></tuv></tu></body></tmx>'
    )
    content = translated(".tmx", source)
    assert '<tuv xml:lang="fr"><seg>TWO ONE</seg></tuv></tu>' in content
    assert content.count("<tuv") == 2


def test_escaped_tags_go_with_their_words_and_lines_stay():
    content = translated(".xliff", unit("click &lt;b&gt;right here&lt;/b&gt; now\nthree four"))
    assert ">NOW &lt;b&gt;HERE RIGHT&lt;/b&gt; CLICK\nFOUR THREE</target>" in content


def test_entities_of_an_escaped_string_are_written_again():
    content = translated(".xliff", unit("fish &amp;amp; chips <ph id='1'>&amp;nbsp;</ph>"))
    assert "CHIPS &amp;amp; FISH" in content
    content = translated(".xliff", unit("fish &amp; chips <ph id='1'>&amp;nbsp;</ph>"))
    assert "CHIPS &amp; FISH" in content


def test_a_file_of_other_languages_is_refused():
    for options in ({"source": "fr", "target": "en"}, {"target": "de"}):
        with pytest.raises(UserError, match=r"expected (?:source|target)-language"):
            read(".xliff", unit("one"), **options)


def test_sentences_that_a_tool_has_marked_are_translated_one_by_one():
    mark = '<mrk mtype="seg">One two.</mrk> <mrk mtype="seg">Three <x id="1"/>four.</mrk>'
    cut = f"<seg-source>{mark}</seg-source>"
    content = translated(".xliff", unit('One two. Three <x id="1"/>four.', f"{cut}<target/>"))
    new = '<mrk mtype="seg">TWO. ONE</mrk> <mrk mtype="seg"><x id="1"/>FOUR. THREE</mrk></target>'
    assert new in content and cut in content and content.count("<target") == 1


@pytest.mark.parametrize(
    ("space", "expected"), [("default", "\n  FOUR THREE TWO ONE\n"), ("preserve", "\n  TWO ONE\n")]
)
def test_indented_lines_go_on_where_white_space_does_not_matter(space, expected):
    source = unit("\n  one two\n  three four\n", "").replace("<file", f'<file xml:space="{space}"')
    assert f">{expected}" in translated(".xliff", source).partition("<target")[2]


def test_a_new_state_has_no_old_substate():
    source = XLIFF_2.replace("<segment", '<segment state="initial" subState="x:y"')
    assert "subState" not in translated(".xliff", source)


def test_a_variant_of_tmx_1_1_names_its_language_as_the_others_do():
    source = (
        '<tmx version="1.1"><body><tu><tuv lang="EN"><seg>one two</seg></tuv></tu></body></tmx>'
    )
    assert '<tuv lang="fr"><seg>TWO ONE</seg></tuv>' in translated(".tmx", source)


@pytest.mark.parametrize("suffix", [".xliff", ".tmx"])
def test_a_file_in_which_nothing_is_translated_stays_as_it_is(suffix):
    source = {".xliff": "<xliff>\r\n</xliff>", ".tmx": '<tmx version = "1.4"></tmx>'}[suffix]
    assert translated(suffix, source) == source


IMAGE = '<ph id="1">&lt;img alt="<sub>{}</sub>" title="<sub>{}</sub>"/&gt;</ph>'.format


def test_a_text_inside_an_inline_code_is_translated_on_its_own_and_the_code_stays():
    content = translated(".xliff", unit(f"see {IMAGE('big dog', '42')} here"))
    assert f">HERE SEE {IMAGE('DOG BIG', '42')}</target>" in content
    assert f">see {IMAGE('big dog', '42')} here</source>" in content
    content = translated(".xliff", unit(IMAGE("big dog", "red cat")))  # without other text
    assert f"{IMAGE('DOG BIG', 'CAT RED')}</target>" in content


def test_texts_inside_a_code_of_a_text_inside_a_code():
    inner = '<it id="2" pos="open">{x}<sub>three four</sub></it>'
    source = f'one <bpt id="1">a <sub>five {inner} six</sub></bpt>two<ept id="1">b</ept>'
    content = translated(".xliff", unit(source))
    new = inner.replace("three four", "FOUR THREE")
    assert f'<bpt id="1">a <sub>SIX FIVE {new}</sub></bpt>TWO<ept id="1">b</ept> ONE' in content


@pytest.mark.parametrize("mark", ['mtype="protected"', 'translate="no"'])
def test_a_text_inside_a_protected_code_stays(mark):
    content = translated(".xliff", unit(f"one <mrk {mark}>{IMAGE('big dog', 'x')}</mrk> two"))
    assert f">TWO ONE <mrk {mark}>{IMAGE('big dog', 'x')}</mrk></target>" in content


def test_a_segment_whose_inner_text_could_not_be_translated_has_no_target():
    @translator
    def forget(words):
        return ["x"], [(0, 0)]

    outcome = translate_document(read(".xliff", unit(f"see {IMAGE('%s dog', 'x')}")), forget)
    assert b"<target" not in outcome.content and len(outcome.left) == 1


def test_a_text_inside_a_code_of_tmx_is_translated():
    segment = '<seg>{} <ph x="1">[note: <sub>{}</sub>]</ph></seg>'.format
    source = f'<tmx version="1.4"><body><tu><tuv xml:lang="en">{segment("one", "two three")}</tuv>'
    content = translated(".tmx", f"{source}</tu></body></tmx>")
    assert f'<tuv xml:lang="fr">{segment("ONE", "THREE TWO")}</tuv>' in content


def test_references_of_version_2_to_other_units_stay():
    code = '<ph id="1" subFlows="u2 u3"/>'
    paired = '<pc id="2" subFlowsStart="u4" subFlowsEnd="u5">{}</pc>'.format
    source = XLIFF_2.replace("Hello", f"Hello {code} {paired('one two')}")
    source = source.replace(
        "</unit>", '</unit><unit id="u2"><segment><source>big dog</source></segment></unit>'
    )
    content = translated(".xliff", source)
    assert content.count(code) == 2 and paired("TWO ONE") in content
    assert "<target>DOG BIG</target>" in content


def test_tags_of_angular_go_around_their_words():
    link = '<x id="START_LINK{}"/>{}<x id="CLOSE_LINK"/>'.format
    content = translated(
        ".xliff", unit(f"one {link('', 'two three')} four {link('_1', 'five')} six")
    )
    assert f">SIX {link('_1', 'FIVE')} FOUR {link('', 'THREE TWO')} ONE</target>" in content
    content = translated(".xliff", unit('one <x id="INTERPOLATION_1"/> two<x id="CLOSE_B"/>'))
    assert '<x id="INTERPOLATION_1"/>' in content.partition("<target")[2]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('<ph id="1">%s</ph>', "delete {1} now"),
        ('<ph id="1" disp="{{name}}" equiv="PH"/>', "delete {1} now"),
        ('<x id="1" ctype="x-other" equiv-text="name()"/>', "delete {1} now"),
        ('<x id="1"/>', "delete {1} now"),
        ('<x id="1" equiv-text="&lt;img/&gt;"/>', "delete now"),
        ('<ph id="1">&amp;nbsp;</ph>', "delete now"),
        ('<ph id="1">note: <sub>3</sub></ph>', "delete now"),
        ('<it id="1" pos="open">b</it>', "delete now"),
    ],
)
def test_a_code_of_a_value_is_a_word_of_its_sentence_for_a_model_that_copies(code, text):
    source = unit(f"delete {code} now")
    assert [one.text for one in read(".xliff", source, stand_ins=True).units] == [text]
    assert code in translated(".xliff", source, stand_ins=True).partition("<target")[2]
    source = f'<tu><tuv xml:lang="en"><seg>delete {code} now</seg></tuv></tu>'
    (one,) = read(".tmx", f'<tmx version="1.4"><body>{source}</body></tmx>', stand_ins=True).units
    assert one.text == text


@pytest.mark.parametrize(
    "code",
    [
        '<x id="1" ctype="lb"/>',
        '<x id="1" ctype="x-html-br" equiv-text="&lt;br/&gt;"/>',
        '<ph id="1" ctype="x-br"/>',
        '<ph id="1" type="fmt" subType="xlf:lb"/>',
        '<ph id="1">&lt;br/&gt;</ph>',
        '<ph id="1">\\n</ph>',
    ],
)
def test_a_code_of_a_line_break_ends_a_sentence(code):
    source = unit(f"open it{code}close it")
    assert f"IT OPEN{code}IT CLOSE</target>" in translated(".xliff", source, stand_ins=True)
    source = f'<tu><tuv xml:lang="en"><seg>open it{code}close it</seg></tuv></tu>'
    units = read(".tmx", f'<tmx version="1.4"><body>{source}</body></tmx>').units
    assert [one.text for one in units] == ["open it", "close it"]


def test_values_of_a_sentence_go_where_the_model_puts_them():
    code = '<ph id="{}">{}</ph>'.format
    source = unit(f"delete {code(1, '%s')} from {code(2, '{a}')}?")
    new = f"{code(2, '{a}')}? FROM {code(1, '%s')} DELETE</target>"
    assert new in translated(".xliff", source, stand_ins=True)


def test_marks_between_two_elements_go_around_their_words():
    mark = '<sm id="m" type="term"/>{}<em startRef="m"/>'.format
    content = translated(".xliff", XLIFF_2.replace("Hello", f"one {mark('two three')} four"))
    assert mark("THREE TWO") in content


def test_sentences_without_a_translation_get_one_beside_those_that_have_one():
    mark = '<mrk mtype="seg" mid="{}">{}</mrk>'.format
    second = mark(2, '<g id="5">big</g> dog')
    cut = f"<seg-source>{mark(1, 'One two.')} {second}</seg-source>"
    translation = (mark(1, 'Un <x id="3"/>deux.') + " {}").format
    for missing in ("", mark(2, "")):
        target = f"{cut}<target>{translation(missing)}</target>"
        content = translated(".xliff", unit("One two. Big dog", target))
        new = translation(mark(2, 'DOG <g id="5">BIG</g>'))
        assert f"{new}</target>" in content and content.count("<target") == 1
    full = f"{cut}<target>{translation(mark(2, 'gros chien'))}</target>"
    assert translated(".xliff", unit("x", full)) == unit("x", full)
