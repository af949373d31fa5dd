"""The view that the model has of a line: what a keyboard does to a line without changing it does
not change the view, and every character of it has its place in the raw line (invariant 10)."""

import itertools
import json
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nmt.text import characters
from nmt.text.characters import (
    RAW,
    SOURCE,
    TARGET,
    CharacterView,
    target_view,
    typography,
)
from nmt.text.model_input import (
    Casing,
    ModelInput,
    has_letters,
    is_shouted,
    peel,
    peel_pair,
)

ODD = (
    "ab É.!?;:,  \t\u00a0\u202f\u2009\u3000\u00ad\u200b\u200d\u200c\ufeff\ufe0f\u2060😀👍«»‹›"
    "“”„’‘`´"
    "-‐‑−…ﬁ\"'()*_e\u0301\u0915\u094d\u0627\x00\x85\u2028#5\U0001f3f4\U000e0067\u037eﬃ\u1fef"
)
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # "I want", with a ZWNJ
odd_text = st.text(st.sampled_from(ODD), max_size=12)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("He is\u00a0tired.", "He is tired."),
        ("He is\ttired.", "He is tired."),
        ("He  is \u2009 tired.", "He is tired."),
        ("He is\u200b \u200btired.", "He is tired."),
        ("He is tir\u00aded.", "He is tired."),
        ("He\u2060 is \u200etired\u200f.", "He is tired."),
        ("He is \ufefftired.", "He is tired."),
        ("He\x00 is tired.", "He is tired."),
        ("I don\u2019t like dogs.", "I don't like dogs."),
        ("I don`t like dogs.", "I don't like dogs."),
        ("the dogs\u2019 house", "the dogs' house"),
        ("\u201cHe\u201d is tired.", '"He" is tired.'),
        ("\u00ab\u00a0Il\u00a0\u00bb dort.", '"Il" dort.'),
        ("Er sagt \u201eja\u201c.", 'Er sagt "ja".'),
        ("a \u00bbb\u00ab c", 'a "b" c'),
        ("Quoi\u202f? Non !", "Quoi? Non!"),
        ("wait\u2026", "wait..."),
        ("well\u2011known", "well-known"),
        ("\ufb01ne o\ufb03ce", "fine office"),
        ("\uff28\uff45\uff59\uff12 you", "Hey2 you"),  # full-width
        ("it&#39;s &quot;a&quot;, &#039;b&apos; &#x22;c&rdquo;", "it's \"a\", 'b' \"c\""),
        ("Tom &amp; Jo &#390; &lt;b&gt; AT&T;", "Tom &amp; Jo &#390; &lt;b&gt; AT&T;"),
        ("cafe\u0301", "caf\u00e9"),
        ("f\ufb01\u0301", "ffi\u0301".replace("i\u0301", "\u00ed")),
        # What stays: joiners where they shape a character, faces, code.
        (FAMILY, FAMILY),
        ("\u2764\ufe0f 1\ufe0f\u20e3", "\u2764\ufe0f 1\ufe0f\u20e3"),
        (PERSIAN, PERSIAN),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("tired :) or ;-)", "tired :) or ;-)"),
        ("`code`", "`code`"),
        ("10:30", "10:30"),
    ],
)  # fmt: skip
def test_the_source_is_read_in_plain_characters(raw, read):
    assert SOURCE.read(raw) == read


def test_a_joiner_between_latin_letters_is_nothing():
    assert SOURCE.read("ti\u200dred\u200c") == "tired"


@pytest.mark.parametrize("raw", ["« Quoi\u202f?\u00a0»", "l’homme…", "well‑known", "“x”"])
def test_the_typography_of_a_target_stays(raw):
    assert TARGET.read(raw) == raw


def test_of_a_target_only_what_nobody_sees_goes():
    assert TARGET.read("un\u00ad e\u0301te\u0301\u200b  chaud\t!") == "un été chaud !"


@settings(max_examples=500, deadline=None)
@given(odd_text)
def test_reading_twice_is_reading_once(text):
    for view in (SOURCE, TARGET, CharacterView("NFC"), CharacterView("NFKC"), RAW):
        assert view.read(view.read(text)) == view.read(text)


@settings(max_examples=500, deadline=None)
@given(odd_text)
def test_every_character_read_has_a_span_and_spans_ascend(text):
    for view in (SOURCE, TARGET, CharacterView("NFC"), CharacterView("NFKC"), RAW):
        spans = view.spans(text)
        assert len(spans) == len(view.read(text))
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_no_more_than_thirty_marks_in_a_row_are_read(form):
    view = CharacterView(form)
    marks = "\u0323\u0301"
    assert view.read("e" + marks * 15 + "x") == unicodedata.normalize(form, "e" + marks * 15 + "x")
    long = "e" + marks * 40 + "x"
    assert view.read(long) == view.read("e" + marks * 15 + "x")
    assert view.spans(long)[0] == (0, 31) and view.spans(long)[-1] == (81, 82)
    assert view.read("e" + "\u0301" * 31) == "é" + "\u0301" * 29
    assert view.spans("e" + "\u0301" * 31)[-1] == (0, 31)
    assert view.read("😀" * 40) == "😀" * 40


@settings(max_examples=500, deadline=None)
@given(odd_text)
def test_no_rule_is_missed_by_the_quick_look(text):
    slowly = characters.Rules(characters._RULES).replace(text)
    assert SOURCE._once(text) == unicodedata.normalize("NFC", slowly)
    if characters._PLAIN.fullmatch(text):
        assert SOURCE._once(text) == text


@pytest.mark.parametrize(
    ("raw", "before", "core", "after"),
    [
        ('"He is tired."', "«\u00a0", "He is tired.", "\u00a0»"),
        ("“He is tired.”", "«\u00a0", "He is tired.", "\u00a0»"),
        ('"He is tired".', "«\u00a0", "He is tired", "\u00a0»."),
        ("'I don't know.'", "'", "I don't know.", "'"),
        ('"I said "no", (and "never")."', "«\u00a0", 'I said "no", (and "never").', "\u00a0»"),
        ('"I said "no.""', "«\u00a0", 'I said "no."', "\u00a0»"),
        ("“I said “no” to him.”", "«\u00a0", "I said “no” to him.", "\u00a0»"),
        ("(He is tired.)", "(", "He is tired.", ")"),
        ("[He (she) is tired.]", "[", "He (she) is tired.", "]"),
        ("**He is tired.**", "**", "He is tired.", "**"),
        ("*tired*", "*", "tired", "*"),
        ("_tired_", "_", "tired", "_"),
        ('("tired")', "(«\u00a0", "tired", "\u00a0»)"),
        ("- He is tired.", "- ", "He is tired.", ""),
        ("1. He is tired.", "1. ", "He is tired.", ""),
        ("• He is tired.", "• ", "He is tired.", ""),
        ("  * He is tired.", "  * ", "He is tired.", ""),
        ("## Tired", "## ", "Tired", ""),
        ("a) He is tired.", "a) ", "He is tired.", ""),
        (">> He is tired.", ">> ", "He is tired.", ""),
        ("- [ ] He is tired.", "- [ ] ", "He is tired.", ""),
        ("iv) He is tired.", "iv) ", "He is tired.", ""),
        ("1.2. He is tired.", "1.2. ", "He is tired.", ""),
        ("•He is tired.", "•", "He is tired.", ""),
        ("-He is tired.", "-", "He is tired.", ""),
        ("「He is tired.」", "「", "He is tired.", "」"),
        ("［He is tired.］", "［", "He is tired.", "］"),
        ("“He is tired.\"", "«\u00a0", "He is tired.", "\u00a0»"),
        ("〝He is tired.〞", "«\u00a0", "He is tired.", "\u00a0»"),
        ("==He is tired.==", "==", "He is tired.", "=="),
        ("`He is tired.`", "`", "He is tired.", "`"),
        ("**He is tired**.", "**", "He is tired", "**."),
        ("| He is tired. |", "| ", "He is tired.", " |"),
        ("...he is tired", "...", "he is tired", ""),
        ("He is tired 😀", "", "He is tired", " 😀"),
        ("❤️He is tired!❤️ 👩\u200d👧", "❤️", "He is tired!", "❤️ 👩\u200d👧"),
        ("1️⃣ He is tired. 1️⃣", "1️⃣ ", "He is tired.", " 1️⃣"),
        (":-) He is tired ;D", ":-) ", "He is tired", " ;D"),
        ("He is tired!!!", "", "He is tired!", "!!"),
        ("'He is tired?!'", "'", "He is tired?", "!'"),
        ("   He is tired.  \t", "   ", "He is tired.", "  \t"),
        ("\ufeff\u200eHe is tired.\u200b", "", "He is tired.", ""),
        # Marks that are a part of the text.
        ('"He" and "she"', "", '"He" and "she"', ""),
        ('"I" "he" "she"', "", '"I" "he" "she"', ""),
        ("“He” and “she”", "", "“He” and “she”", ""),
        ('"a " b " c"', "", '"a " b " c"', ""),
        ("--help", "", "--help", ""),
        ("#tired", "", "#tired", ""),
        ("Wait...", "", "Wait...", ""),
        ("C:/ or (see note:)", "", "C:/ or (see note:)", ""),
        ("(He) is (tired)", "", "(He) is (tired)", ""),
        ("'a' or 'b'", "", "'a' or 'b'", ""),
        ("*a* and *b*", "", "*a* and *b*", ""),
        ("snake_case_", "", "snake_case_", ""),
        ("He is tired (very).", "", "He is tired (very).", ""),
        ("-5 degrees", "", "-5 degrees", ""),
        ("3.5 euros", "", "3.5 euros", ""),
        ("I am tired.", "", "I am tired.", ""),
    ],
)  # fmt: skip
def test_what_stands_around_a_text_is_put_back_around_its_translation(raw, before, core, after):
    peeled = peel(raw, "fr")
    assert (peeled.before, peeled.core, peeled.after) == (before, core, after)
    assert raw[peeled.start : peeled.end] == core


def test_quotes_take_the_form_of_the_target_language():
    assert peel("« Il dort. »", "en").before == '"'
    assert peel("“He sleeps.”", "en").before == "“"
    assert peel('"He sleeps."', "de").before == "„"
    assert peel('"He sleeps."', "xx").before == '"'


@pytest.mark.parametrize(
    "raw", ['""', "()", "**", "- ", "( . )", '"42"', "***", "   ", "", "-", "(", "1. 2. 3."]
)
def test_marks_around_nothing_stay(raw):
    assert not has_letters(peel(raw, "fr").core)


@pytest.mark.parametrize("raw", ["½", "①", "x²"[1:], "3½ ③", "Ⅷ"])
def test_numbers_of_other_kinds_are_no_letters(raw):
    assert not has_letters(raw)


def test_both_sides_of_a_pair_are_peeled_or_neither():
    def cores(*pair):
        return tuple(side.core for side in peel_pair(*pair))

    assert cores('"He sleeps."', "« Il dort. »") == ("He sleeps.", "Il dort.")
    assert cores('"He sleeps."', "Il dort.") == ('"He sleeps."', "Il dort.")
    assert cores("He sleeps.", "« Il dort. »") == ("He sleeps.", "« Il dort. »")
    assert cores('- "He sleeps."', "- Il dort.") == ('"He sleeps."', "Il dort.")
    assert cores("He sleeps!!", "Il dort !!") == ("He sleeps!", "Il dort !")
    assert cores("He sleeps!!", "Il dort !") == ("He sleeps!!", "Il dort !")
    assert cores("😀 He sleeps.", "😀 Il dort.") == ("He sleeps.", "Il dort.")
    assert cores("He sleeps. 😀", "Il dort.") == ("He sleeps. 😀", "Il dort.")
    assert cores("1. He sleeps.", "2. Il dort.") == ("1. He sleeps.", "2. Il dort.")
    assert cores("  He sleeps.", "Il dort. ") == ("He sleeps.", "Il dort.")


@settings(max_examples=500, deadline=None)
@given(odd_text)
@example("\x89…\x00🏴a")
@example("a😀\u200b 🏴")
@example("😀\u200b🏴 a 😀 \u200b🏴!!")
def test_what_a_translation_stands_in_is_peeled_from_it_again(text):
    view = ModelInput("view", "fr")
    source = view.peel(text)
    if not has_letters(source.core):
        return
    translation = f"{source.before}chat{source.after}"
    assert view.peel_target(source, translation).core == "chat"


@settings(max_examples=500, deadline=None)
@given(odd_text)
def test_a_peeled_core_has_no_edges_left_to_peel(text):
    core = peel(text).core
    assert not core[:1].isspace() and not core[-1:].isspace()


@pytest.mark.parametrize(
    "text",
    [
        "HE IS TIRED.",
        "ÉTÉ À PARIS",
        "IT'S TEN PAST TWO!",
        "NATO AND THE EU",
        "VISIT www.x.org NOW",
        "ALL 3 DOGS",
        "DIE STRAßE IST LANG",
        "THE {name} IS %s",
        "THE 2nd DOG, 5kg",
    ],
)
def test_a_line_in_capitals_is_shouted(text):
    assert is_shouted(text)


@pytest.mark.parametrize(
    "text", ["VOTE", "UCITS", "I", "A B", "OK, fine", "He IS", "42", "", "你好 世界", "STOP!"]
)
def test_a_word_in_capitals_is_not(text):
    assert not is_shouted(text)


def test_casing_is_learnt_from_where_no_sentence_begins():
    lines = [
        "The dog of Paul sleeps.",
        "Does Paul sleep in the USA?",
        "No. The USA is big.",
        "Then Paul and the USA.",
    ]
    casing = Casing.learn(lines)
    assert casing.starts_upper and dict(casing.names) == {"paul": "Paul", "usa": "USA"}
    assert (
        casing.quiet("THE DOG OF PAUL SLEEPS IN THE USA.") == "The dog of Paul sleeps in the USA."
    )
    assert casing.quiet("PAUL SLEEPS", is_start=False) == "Paul sleeps"
    assert not Casing.learn(["the dog sleeps.", "a cat"]).starts_upper


TITLES = Casing.from_dict(
    {
        "starts_upper": True,
        "names": "Paris",
        "common": "he is tired a day in the cross red open file how to b new année bonne"
        " l d n o a t il est ai été pas qu air de clock",
    }
)


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("He Is Tired", "He is tired"),
        ("He Is Tired Of Paris", "He is tired Of Paris"),
        ("How to Open a File", "How to open a file"),
        ("How To Open A File", "How to open a file"),
        ("3. Open The File!", "3. Open the file!"),
        ("The Red Cross in Paris", "The red cross in Paris"),
        ("Une Bonne Année", "Une bonne année"),
        ("The NATO File Is Open", "The NATO file is open"),
        ("Is Option B: Open The File", "Is Option B: open the file"),
        ("L'Air N'Est Pas Bonne.", "L'air n'est pas bonne."),
        ("L'air N'est Pas Bonne.", "L'air n'est pas bonne."),
        ("J'apprécie L'air De D'Angelo.", "J'apprécie l'air de D'Angelo."),
        ("A-T-Il Été Pas L’Air ?", "A-t-il été pas l’air ?"),
        ("Don't Open The File!", "Don't open the file!"),
        ("J'Ai Été D'Angelo Il N'Ai", "J'ai été D'Angelo il n'ai"),
    ],
)
def test_a_line_in_title_case_is_read_with_its_common_words_in_small_letters(title, read):
    assert TITLES.is_titled(title)
    assert TITLES.lowered(title) == read
    assert not Casing(names=TITLES.names).is_titled(title)  # of a run made before
    assert not ModelInput("raw", "fr", TITLES).is_titled(title)


@pytest.mark.parametrize(
    "text",
    [
        "He is tired.",
        "Open File",  # too short to tell from a name
        "John Smith and Mary Jones",
        "Is the Red Cross in Paris?",  # no more capitals than small words
        "He is tired of the Red Cross File",
        "Open All Remaining files",
        "I like R & B, Plan B",
        "J'apprécie L'Oréal et D'Angelo.",
        "HE IS TIRED",
        "",
    ],
)
def test_a_line_with_names_is_not_in_title_case(text):
    assert not TITLES.is_titled(text)


@settings(max_examples=300, deadline=None)
@given(odd_text)
def test_a_text_in_small_letters_is_as_long_as_before(text):
    assert len(Casing().quiet(text.upper())) == len(text.upper())
    assert len(TITLES.lowered(text)) == len(text)
    everything = Casing(common=frozenset(text.lower().split()))
    assert len(everything.lowered(text)) == len(text)


def test_what_was_learnt_is_written_and_read():
    casing = Casing.learn(["We saw Łódź.", "In Łódź it rains.", "Is Łódź big?", "Yes, it is big."])
    casing = replace(casing, common=casing.common | {"été"})
    read = Casing.from_dict(json.loads(json.dumps(casing.as_dict())))
    assert read == casing and read.names["łódź"] == "Łódź"


def test_words_mostly_in_small_letters_are_common():
    lines = ["We saw a dog.", "Is the dog big?", "No, the Dog is.", "He saw dogs.", "A dog of Dogs"]
    assert Casing.learn(lines).common == {"dog"}  # three times at least


def test_a_record_of_an_older_run_has_no_common_words():
    assert Casing.from_dict({"starts_upper": True, "names": "Paul"}).common == frozenset()


@pytest.mark.parametrize(
    "record", [None, [], {}, "x", {"names": 3}, {"starts_upper": True, "names": [1]}]
)
def test_a_damaged_record_is_a_value_error(record):
    with pytest.raises(ValueError, match="names"):
        Casing.from_dict(record)


@pytest.mark.parametrize(
    ("raw", "apostrophe", "space", "written"),
    [
        ("l'homme d’ici, dit-il", "curly", "keep", "l’homme d’ici, dit-il"),
        ("l'homme d’ici, dit-il", "straight", "keep", "l'homme d'ici, dit-il"),
        ("Quoi? Non !", "keep", "narrow", "Quoi\u202f? Non\u202f!"),
        ("Quoi\u202f? Non\u00a0!", "keep", "none", "Quoi? Non!"),
        ("«Quoi ?»", "keep", "no_break", "«\u00a0Quoi\u00a0?\u00a0»"),
        ("à 10:30, http://x.org :)", "keep", "narrow", "à 10:30, http://x.org :)"),
        ("Voici : un", "keep", "no_break", "Voici\u00a0: un"),
        ("Quoi ?!", "keep", "narrow", "Quoi\u202f?!"),
    ],
)
def test_typography_is_brought_to_one_convention(raw, apostrophe, space, written):
    view = typography(apostrophe, space)
    assert view.read(raw) == written
    assert view.read(written) == written
    assert len(view.spans(raw)) == len(written)
    assert target_view(apostrophe, space).read(raw) == written


@pytest.mark.parametrize(
    ("raw", "quotes", "written"),
    [
        ('Il dit : "Je pars."', "guillemets", "Il dit : «\u00a0Je pars.\u00a0»"),
        ('« Je suis fatigué."', "guillemets", "«\u00a0Je suis fatigué.\u00a0»"),
        ('("Quoi ?", dit-il)', "guillemets", "(«\u00a0Quoi ?\u00a0», dit-il)"),
        ("Le “A” et «B»", "guillemets", "Le «\u00a0A\u00a0» et «\u00a0B\u00a0»"),
        ('5\'10" de haut, a"b, " seul', "guillemets", '5\'10" de haut, a"b, " seul'),
        ("Il dit : « Je pars. »", "straight", 'Il dit : "Je pars."'),
        ("He said “no” and „yes”.", "straight", 'He said "no" and "yes".'),
    ],
)
def test_quotes_are_brought_to_one_convention(raw, quotes, written):
    view = typography(quotes=quotes)
    assert view.read(raw) == written
    assert view.read(written) == written
    assert len(view.spans(raw)) == len(written)


@pytest.mark.parametrize("kind", ["raw", "nfc", "nfkc"])
def test_runs_of_older_versions_read_lines_as_they_were_trained(kind):
    view = ModelInput(kind, "fr")
    for line in (' "HE IS TIRED." ', "42", "He is\u00a0tired."):
        assert (
            view.peel(line).core == line and not view.is_copied(line) and not view.is_shouted(line)
        )
    assert (
        view.source.read("e\u0301\u00a0x")
        == {"raw": "e\u0301\u00a0x", "nfc": "é\u00a0x", "nfkc": "é x"}[kind]
    )


def test_a_hostile_line_takes_linear_time():
    for text in (
        " \u200b" * 50_000,
        "(" * 50_000,
        '"' * 50_000,
        "*" * 50_000,
        "\u200d" * 50_000,
        "- " * 50_000,
        "\u0301\u0323" * 50_000,
    ):
        peel(text + "a" + text, "fr")
        SOURCE.read(text)
        is_shouted(text)
        TITLES.is_titled(text)
        TITLES.lowered(text)
