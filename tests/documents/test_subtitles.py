"""Subtitles: sentences across cues, times as they were."""

import re

import pysubs2
import pytest
from fixtures.documents import SRT, VTT, read, same, shout, translated
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError


def cues(*texts, gap=0.1):
    """Cues of two seconds each."""
    parts = []
    for number, text in enumerate(texts):
        start = number * (2 + gap)
        times = [f"00:00:{at:06.3f}".replace(".", ",") for at in (start, start + 2)]
        parts.append(f"{number + 1}\n{times[0]} --> {times[1]}\n{text}\n")
    return "\n".join(parts)


def units(content, suffix=".srt"):
    return [unit.text for unit in read(suffix, content).units]


def test_a_sentence_that_goes_on_in_the_next_cue_is_one_text():
    assert units(SRT) == [
        "This is the first half of a sentence, and it goes on.",
        "Hello there.",
        "Hi you!",
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ("Over.", "Next one"),
        ("Over?", "next one"),
        ("one speaker", "- another"),
        ("music ♪", "next"),
        ("one place", "{\\an8}another place"),
        ("one", "ANNA: two"),
    ],
)
def test_a_sentence_ends_at_a_full_stop_a_speaker_or_another_place(texts):
    assert len(units(cues(*texts))) == 2


def test_a_sentence_does_not_go_on_after_a_pause():
    assert len(units(cues("and then", "he went"))) == 1
    assert len(units(cues("and then", "he went", gap=3))) == 2


@pytest.mark.parametrize(
    ("times", "num_texts"),
    [
        (((0, 4), (2, 6), (4, 8)), 1),  # automatic captions of YouTube
        (((0, 8), (2, 4), (9, 10)), 3),  # a sign that is shown beside what is said
        (((0, 4), (0, 4), (4, 8)), 2),
        (((4, 8), (2, 6), (0, 4)), 3),
    ],
)
def test_a_sentence_goes_on_in_a_cue_that_overlaps_with_the_one_before(times, num_texts):
    texts = ("so today we go to", "the big dog that", "lives in my house")
    source = "".join(
        f"{number}\n00:00:{start:02},000 --> 00:00:{end:02},000\n{text}\n\n"
        for number, ((start, end), text) in enumerate(zip(times, texts, strict=True), 1)
    )
    assert len(units(source)) == num_texts
    assert translated(".srt", source, shout) == re.sub("[a-z]+", lambda one: one[0].upper(), source)


def test_a_translation_is_split_by_length_and_preferably_at_a_comma():
    source = cues("The first part, that is short,", "comes before the second part")
    assert translated(".srt", source, shout) == source.replace(
        "The first part, that is short,", "THE FIRST PART, THAT IS SHORT,"
    ).replace("comes before the second part", "COMES BEFORE THE SECOND PART")


def test_no_cue_of_a_sentence_is_left_empty():
    def translate(lines, alignments):
        return same(["Un mot" for _ in lines], alignments)

    shown = [
        event.text for event in parsed(translated(".srt", cues("and so", "it goes"), translate))
    ]
    assert shown == ["Un", "mot"]


def test_long_lines_are_broken_in_two_of_about_equal_length():
    text = "This line is far too long to be shown on one line of a screen"
    (event,) = parsed(translated(".srt", cues(text), shout))
    lines = event.text.split("\\N")
    assert len(lines) == 2 and max(map(len, lines)) <= 42


def test_a_last_cue_without_a_line_end_is_broken_at_one():
    text = "This line is far too long to be shown on one line of a screen"
    (event,) = parsed(translated(".srt", cues(text).rstrip("\n"), shout))
    assert event.text.replace("\\N", " ") == text.upper()


def test_a_long_text_is_split_by_length_alone(monkeypatch):
    source = cues("one two three four", "five six seven eight")
    monkeypatch.setattr("nmt.documents.subtitles.MAX_STEPS", 0)
    shown = [event.text for event in parsed(translated(".srt", source, shout))]
    assert shown == ["ONE TWO THREE FOUR", "FIVE SIX SEVEN EIGHT"]


def test_italics_positions_and_speakers_stay():
    shown = translated(".srt", cues("{\\an8}<i>one two</i> three"))
    assert "{\\an8}THREE <i>TWO ONE</i>" in shown
    assert translated(".vtt", VTT).splitlines()[-1] == "<v Fred>WORLD <c.red>BIG</c> HELLO"


def test_italics_over_several_cues_are_closed_and_opened_again():
    shown = translated(".srt", SRT)
    assert shown.count("<i>") == shown.count("</i>") == 2


def test_entities_are_read_as_characters_and_written_again():
    source = VTT.replace("<c.red>big</c>", "Tom &amp; Jerry")
    assert read(".vtt", source).units[0].text == "Hello Tom & Jerry world"
    assert translated(".vtt", source).splitlines()[-1].endswith("WORLD JERRY &amp; TOM HELLO")


def test_a_tag_without_a_partner_stays():
    assert "<i>ONE TWO" in translated(".srt", cues("<i>one two"), shout)


def test_notes_styles_and_times_stay():
    before, after = VTT.splitlines(), translated(".vtt", VTT).splitlines()
    assert before[:-1] == after[:-1]


def parsed(content, kind="srt"):
    return pysubs2.SSAFile.from_string(content, format_=kind)


TEXTS = st.text(st.sampled_from("ab .,!é{}<i>-\n"), min_size=1, max_size=40).map(
    lambda text: re.sub(r"\n\s*(?=\n)", "", text).strip() or "a"
)


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_any_subtitles_keep_their_cues_and_times(texts):
    source = cues(*texts)
    assert translated(".srt", source, same) == source
    times = [
        [(event.start, event.end) for event in parsed(one)]
        for one in (source, translated(".srt", source))
    ]
    assert times[0] == times[1]


def test_a_text_without_cues_is_refused():
    with pytest.raises(UserError, match="without any cue"):
        read(".srt", "just text\n")


def test_a_time_of_thousands_of_digits_is_no_time():
    with pytest.raises(UserError, match="without any cue"):
        read(".srt", f"1\n{'9' * 5000}:00:01,000 --> 00:00:02,000\none\n")


CUE_1 = "1\n00:00:01,000 --> 00:00:02,000\n"
CUE_2 = "2\n00:00:05,000 --> 00:00:06,000\n"


@pytest.mark.parametrize(
    ("suffix", "source"),
    [
        (".srt", f"{CUE_1}one.\n{CUE_2}two.\n3\n00:00:07,000 --> 00:00:08,000\n\n4\n"),
        (".srt", f"{CUE_1}one.\n\nafter a blank line\n\n{CUE_2}two.\n"),
        (".srt", f"{CUE_1}one\n\n2020\n\n{CUE_2}7 days.\n"),
        (".srt", f"{CUE_1}so --> there.\n\n{CUE_2}two.\n"),
        (".srt", f"-{CUE_1[2:]}one.\n\n2\n0:00:05 --> 0:00:06\ntwo.\n\n00:07:250-->00:08:5\nten\n"),
        (".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\none.\n00:03.000 --> 00:04.000\ntwo.\n"),
        # A line of one space is no end, as in YouTube's captions.
        (".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n \none<00:01.500><c> two</c>\n"),
        (".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>one\n<v Bo>two\n"),
    ],
)
def test_cues_as_programs_and_people_write_them(suffix, source):
    words = re.compile(r"(?<![\w/:<])[a-z]+(?![\w>])")
    expected = words.sub(lambda word: word[0].upper(), source)
    assert translated(suffix, source, shout) == expected
    assert translated(suffix, source, same) == source


def test_what_follows_a_blank_line_in_webvtt_is_no_text():
    source = "WEBVTT\n\n00:01.000 --> 00:02.000\none\n\nnot me\n\nnor me\n00:03.000 --> 00:04.000\n"
    assert units(source, ".vtt") == ["one"]


def test_a_dash_or_chevrons_before_a_speaker_are_no_text():
    for source in ("-One two.\n-Three four", ">> One two.\n>> Three four", ">>> One two."):
        expected = source.replace("One two.", "TWO. ONE").replace("Three four", "FOUR THREE")
        assert expected in translated(".srt", cues(source))
        assert translated(".srt", cues(source), same) == cues(source)
    assert "DEGREES -5" in translated(".srt", cues("-5 degrees"))
    source = VTT.replace("<v Fred>", "&gt;&gt; ")
    assert translated(".vtt", source).splitlines()[-1] == "&gt;&gt; WORLD <c.red>BIG</c> HELLO"


@pytest.mark.parametrize(
    "lines",
    [
        ("JOHN: No two", "MARY: I was three"),
        ("DR. O'NEIL: No two", "MAN 2: three"),
        ("ÉLOÏSE: No two", "JEAN-LUC:"),
        ("I was two", "[door creaks]"),
        ("(sighs)", "(door creaks) I was three"),
    ],
)
def test_a_name_or_a_sound_at_the_start_of_a_line_begins_a_text(lines):
    expected = [line for line in lines if line != "JEAN-LUC:"]
    found = units(cues("\n".join(lines)))
    assert found[: len(expected)] == expected
    assert found == units(cues(*lines))
    assert translated(".srt", cues("\n".join(lines)), same) == cues("\n".join(lines))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("<i>- No two.</i>", "<i>- I was</i>"), ("<i>- TWO. NO</i>", "<i>- WAS I</i>")),
        (("<i>- No two.", "- I was</i>"), ("<i>- TWO. NO", "- WAS I</i>")),
        (("{\\an8}- No two.", "{\\an8}- I was"), ("{\\an8}- TWO. NO", "{\\an8}- WAS I")),
        (
            ("<font color='red'><b>–No two.</b></font>", "<u> - I was</u>"),
            ("<font color='red'><b>–TWO. NO</b></font>", "<u> - WAS I</u>"),
        ),
        (
            ("<i>- No</i> two.", "<i>(sighs)</i> I was"),
            ("<i>- </i>TWO. <i>NO</i>", "WAS I <i>(SIGHS)</i>"),
        ),
        (
            ("<b>JOHN:</b> No two.", "<b>ANN:</b> I was"),
            ("TWO. NO <b>JOHN:</b>", "WAS I <b>ANN:</b>"),
        ),
        (("♪ Oh two ♪", "<i>♪ I was ♪</i>"), ("♪ TWO OH ♪", "<i>♪ WAS I ♪</i>")),
        (("# Oh two #", "# I was #"), ("# TWO OH #", "# WAS I #")),
    ],
)
def test_speakers_and_lines_of_a_song_stay_apart_whatever_their_style(lines, expected):
    source = cues("\n".join(lines))
    assert translated(".srt", source) == cues("\n".join(expected))
    assert translated(".srt", source, same) == source


def test_a_sentence_in_italics_behind_a_dash_goes_on_in_the_next_cue():
    source = cues("<i>- I was at home</i>", "<i>and went out.</i>")
    assert units(source) == ["I was at home and went out."]
    expected = cues("<i>- I WAS AT HOME</i>", "<i>AND WENT OUT.</i>")
    assert translated(".srt", source, shout) == expected


def test_a_number_sign_at_a_word_begins_no_text():
    assert units(cues("We are\n#1 now")) == units(cues("We are", "#1 now")) == ["We are #1 now"]


@pytest.mark.parametrize(
    "lines", [("He said NOW", "At 10:30 he went"), ("and THEN", "NASA:s plan"), ("one", "A: two")]
)
def test_a_colon_alone_begins_no_text(lines):
    assert units(cues("\n".join(lines))) == [" ".join(lines)]


def test_styles_of_aegisub_go_with_their_words():
    assert "{\\an8}THREE {\\i1}TWO{\\i0} ONE" in translated(
        ".srt", cues("{\\an8}one {\\i1}two{\\i0} three")
    )
    assert "THREE TWO{\\b0} ONE" in translated(".srt", cues("one two{\\b0} three"))


YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.389 align:start position:0%
\x20
hello<00:00:00.480><c> big</c><00:00:01.000><c> world</c>

00:00:02.389 --> 00:00:02.399 align:start position:0%
hello big world
\x20

00:00:02.399 --> 00:00:04.470 align:start position:0%
hello big world
and<00:00:02.879><c> all</c>

00:00:04.470 --> 00:00:04.480 align:start position:0%
and all
\x20

"""


def test_captions_that_roll_up_are_translated_once_and_repeated():
    assert units(YOUTUBE, ".vtt") == ["hello big world and all"]
    assert translated(".vtt", YOUTUBE, same) == YOUTUBE
    marks = re.compile(r"</?c>|<[\d:.]+>")
    shown, was = translated(".vtt", YOUTUBE), marks.sub("", YOUTUBE)
    assert marks.sub("", shown) == was.replace("hello big world", "ALL AND WORLD").replace(
        "and all", "BIG HELLO"
    ).replace("Language: en", "Language: fr")
    times = re.findall(r"<[\d:.]+>", shown)
    assert times == sorted(times) and len(times) == 3


def test_a_cue_that_repeats_the_one_before_keeps_its_own_dash_and_style():
    source = cues("- No.", "No.", "<i>No.</i>", "No.\nWhy not?")
    expected = cues("- NO.", "NO.", "<i>NO.</i>", "NO.\nNOT? WHY")
    assert translated(".srt", source) == expected


def test_a_span_at_the_end_of_a_cue_ends_in_its_text():
    source = VTT.replace("Hello <c.red>big</c> world", "Hello <c.red>big world</c></v>")
    last = translated(".vtt", source).splitlines()[-1]
    assert last == "<v Fred><c.red>WORLD BIG</c> HELLO</v>"
