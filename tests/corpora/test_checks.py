"""Each check on a small corpus in which its fault was planted."""

import json
import random

import pytest

from nmt.corpora import checks, duplicates, languages, misalignment
from nmt.corpora.analysis import analyse
from nmt.corpora.checks import CHECKS, HeldOut, Task
from nmt.errors import UserError
from nmt.text.lines import resolve_parallel


# A language of nouns, verbs and places whose words are translated one by one.
def dictionary(text):
    return dict(word.split(":") for word in text.split())


NOUNS = dictionary(
    "dog:chien cat:chat man:homme girl:fille boat:bateau house:maison child:enfant friend:ami"
)
VERBS = dictionary("sees:voit wants:veut hears:entend finds:trouve leaves:quitte loves:aime")
PLACES = dictionary("city:ville garden:jardin street:rue river:fleuve forest:foret market:marche")


def sentence(generator):
    (a, A), (c, C) = generator.sample(list(NOUNS.items()), 2)
    b, B = generator.choice(list(VERBS.items()))
    d, D = generator.choice(list(PLACES.items()))
    e, E = generator.choice(list(PLACES.items()))
    return (
        f"The {a} often {b} the {c} in the {d} behind the {e}.",
        f"Le {A} souvent {B} le {C} dans la {D} derrière la {E}.",
    )


def clean_pairs(count=400, seed=1):
    """Different pairs in which nothing is to be found."""
    generator = random.Random(seed)
    pairs = {}
    while len(pairs) < count:
        source, target = sentence(generator)
        pairs[source] = target
    return list(pairs.items())


@pytest.fixture
def write(tmp_path):
    def write(pairs, name="train"):
        for side, suffix in enumerate(("en", "fr")):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (tmp_path / f"{name}.{suffix}").write_text(text, "utf-8", newline="")
        return resolve_parallel(tmp_path / name, "en", "fr")

    return write


@pytest.fixture
def lines_of(write):
    """lines_of(key, pairs, **held-out sets) -> the line numbers of a finding."""

    def lines_of(key, pairs, **held_out):
        sets = {name: [HeldOut(write(text, name))] for name, text in held_out.items()}
        analysis = analyse(write(pairs), Task(("en", "fr"), sets), [key])
        return analysis.findings[key].lines.tolist()

    return lines_of


def planted(pairs, **at):
    """The clean pairs with others at these places: `planted(p10=("x", "y"))`, from 1."""
    pairs = list(pairs)
    for name, pair in at.items():
        pairs[int(name[1:]) - 1] = pair
    return pairs


# --------------------------------------------------------------------------- nothing, repeated


def test_nothing_is_found_in_clean_text(write):
    analysis = analyse(write(clean_pairs()), Task(("en", "fr")))
    found = {key: finding.count for key, finding in analysis.findings.items()}
    found.pop("near_duplicates")  # a small grammar resembles itself
    assert not any(found.values()), found
    assert set(analysis.not_checked) == {"dev_in_train", "test_in_train"}


def test_blank_sides_are_found(lines_of):
    pairs = planted(clean_pairs(20), p3=("", "Rien."), p5=("Nothing.", " \u00a0"), p7=("", ""))
    assert lines_of("blank", pairs) == [3, 5, 7]


def test_extra_copies_are_counted_and_the_first_is_not(lines_of):
    pairs = clean_pairs(20)
    pairs[5] = pairs[9] = pairs[2]
    pairs[11] = (pairs[0][0], "Autre chose.")
    assert lines_of("exact_duplicates", pairs) == [6, 10]


def test_near_duplicates_differ_by_case_punctuation_or_a_word_in_a_long_line(lines_of):
    long = [f"word{i}" for i in range(30)]
    pairs = [
        ("I love you.", "Je t'aime."),
        ("I love him.", "Je l'aime."),
        ("I LOVE YOU", "Je t'aime !"),
        (" ".join(long), " ".join(long)),
        (" ".join([*long[:15], "other", *long[16:]]), " ".join(long)),
        ("I love you.", "Je t'aime."),
    ]
    assert lines_of("near_duplicates", pairs) == [3, 5]


def test_near_duplicates_are_those_of_comparing_all_pairs(lines_of):
    pytest.importorskip("rensa")
    pairs = clean_pairs(150, seed=3)
    generator = random.Random(2)
    for _ in range(20):
        source, target = generator.choice(pairs[:150])
        pairs.append((source.upper() + " Indeed so.", target))
    grams = [
        set(duplicates.bigrams(checks.Pair(i, *pair))) for i, pair in enumerate(pairs, start=1)
    ]
    expected = [
        j + 1
        for j in range(len(pairs))
        if any(len(grams[i] & grams[j]) >= 0.8 * len(grams[i] | grams[j]) for i in range(j))
    ]
    found = lines_of("near_duplicates", pairs)
    assert set(found) <= set(expected) and len(found) >= 0.9 * len(expected) > 10


def test_without_the_library_near_duplicates_are_not_checked(write, monkeypatch):
    monkeypatch.setattr(duplicates, "can_compare", lambda: False)
    analysis = analyse(write(clean_pairs(20)), Task(("en", "fr")))
    assert "pip install" in analysis.not_checked["near_duplicates"]
    assert "near_duplicates" not in analysis.findings


# -------------------------------------------------------------------------------------- leaks


def test_a_leak_is_found_on_either_side_whatever_the_case_and_accents(write):
    dev = [("A dev line.", "Une ligne à part."), ("Another one.", "Une autre.")]
    pairs = planted(
        clean_pairs(20),
        p2=("a DEV line!", "une ligne a part"),
        p4=("Another one.", "Encore une."),
        p6=("Something else.", "Une  autre…"),
    )
    task = Task(("en", "fr"), {"dev": [HeldOut(write(dev, "dev"))]})
    finding = analyse(write(pairs), task).findings["dev_in_train"]
    assert finding.lines.tolist() == [2, 4, 6]
    assert finding.check.details() == {
        "by side": {"both": 1, "source": 1, "target": 1},
        "dev lines": {"source": 2, "target": 2},
    }
    assert [e.detail for e in finding.examples] == [
        "both: dev line 1", "source: dev line 2", "target: dev line 2"
    ]  # fmt: skip


def test_lines_that_differ_by_vowel_signs_are_no_leak(lines_of):
    pairs = planted(clean_pairs(20), p2=("लड़का गया।", "が来た。"))
    assert lines_of("dev_in_train", pairs, dev=[("लड़की गई।", "か来た。")]) == []
    assert lines_of("dev_in_train", pairs, dev=[("लड़का गया", "か来た。")]) == [2]


def test_a_leak_is_found_whatever_the_spacing_of_a_script_without_spaces(lines_of):
    pairs = planted(clean_pairs(20), p2=("我 喜欢 你。", "x y"), p3=("z", "これは コーヒーです"))
    dev = [("我喜欢你", "Je t'aime."), ("This is coffee.", "これはコーヒー です。")]
    assert lines_of("dev_in_train", pairs, dev=dev) == [2, 3]


def test_blank_and_wordless_lines_are_no_leak(lines_of):
    pairs = planted(clean_pairs(20), p2=("", "!"), p3=("?", "..."))
    assert lines_of("test_in_train", pairs, test=[("", ""), ("!", "?")]) == []


# ---------------------------------------------------------------------------------- languages


def test_swapped_pairs_are_found(lines_of):
    pairs = clean_pairs()
    for line in (7, 300):
        pairs[line - 1] = pairs[line - 1][::-1]
    assert lines_of("swapped", pairs) == [7, 300]
    assert lines_of("wrong_language", pairs) == []


def test_a_corpus_whose_files_are_exchanged_is_swapped_as_a_whole(lines_of):
    pytest.importorskip("py3langid")
    pairs = [(target, source) for source, target in clean_pairs(100)]
    assert lines_of("swapped", pairs) == list(range(1, 101))


def test_a_side_in_the_language_of_the_other_is_found(lines_of):
    pairs = clean_pairs()
    pairs[9] = (pairs[9][0], pairs[20][0])  # English twice, but other words
    pairs[19] = (pairs[30][1], pairs[19][1])
    assert lines_of("wrong_language", pairs) == [10, 20]
    assert lines_of("swapped", pairs) == []


def test_a_third_language_is_found(lines_of):
    pytest.importorskip("py3langid")
    spanish = "Los ciudadanos españoles quieren que el gobierno escuche también sus preguntas."
    pairs = planted(clean_pairs(), p8=("The dog often sees the cat in the city.", spanish))
    assert lines_of("wrong_language", pairs) == [8]


def test_a_tenth_of_a_third_language_is_no_french(lines_of):
    pytest.importorskip("py3langid")
    spanish = "Los ciudadanos quieren que el gobierno escuche también las preguntas de los"
    pairs = clean_pairs()
    for number in range(0, 400, 10):
        pairs[number] = (pairs[number][0], f"{spanish} {number} vecinos españoles.")
    assert lines_of("wrong_language", pairs) == list(range(1, 401, 10))


def test_without_the_detector_other_languages_are_not_found_and_that_is_said(write, monkeypatch):
    monkeypatch.setattr(languages, "can_detect", lambda: False)
    monkeypatch.setattr(checks, "can_detect", lambda: False)
    pairs = clean_pairs()
    pairs[6] = pairs[6][::-1]
    analysis = analyse(write(pairs), Task(("en", "fr")))
    assert analysis.findings["swapped"].lines.tolist() == [7]
    assert "not detected" in str(analysis.findings["wrong_language"].check.details())


# Sentences of a language without spaces: subject, verb, object, place.
CHINESE = dictionary(
    "dog:狗 cat:猫 man:男人 girl:女孩 boat:小船 house:房子 child:孩子 friend:朋友"
    " sees:看见 wants:想要 hears:听到 finds:找到 leaves:离开 loves:喜欢 city:城市 garden:花园"
    " street:街道 river:河流 forest:森林 market:市场 the:这 The:这 often:经常 in:在 behind:后面"
)


def chinese_pairs(count=400):
    return [
        (source, "".join(CHINESE[word] for word in source.rstrip(".").split()) + "。")
        for source, _ in clean_pairs(count)
    ]


@pytest.mark.parametrize("is_target", [True, False])
def test_faults_are_found_in_a_language_without_spaces(tmp_path, is_target):
    pairs = chinese_pairs()
    pairs[9] = pairs[9][::-1]
    pairs[19] = (pairs[19][1], pairs[19][1])
    pairs[29] = (pairs[40][1], pairs[29][1])
    pairs = pairs if is_target else [pair[::-1] for pair in pairs]
    for side, suffix in enumerate(("a", "b")):
        text = "".join(f"{pair[side]}\n" for pair in pairs)
        (tmp_path / f"train.{suffix}").write_text(text, "utf-8")
    codes = ("en", "zh") if is_target else ("zh", "en")
    analysis = analyse(resolve_parallel(tmp_path / "train", "a", "b"), Task(codes))
    found = {key: f.lines.tolist() for key, f in analysis.findings.items() if f.count}
    for key in ("near_duplicates", "outliers", "length_ratio"):
        found.pop(key, None)
    assert found == {"swapped": [10], "untranslated": [20], "wrong_language": [30]}


def test_untranslated_pairs_are_found_but_names_are_not(lines_of):
    pairs = planted(
        clean_pairs(),
        p3=("The dog often sees the cat.", "The dog often sees the cat."),
        p4=("Chicago O'Hare", "Chicago O'Hare"),
        p5=("12 34 56 78 90", "12 34 56 78 90"),
    )
    assert lines_of("untranslated", pairs) == [3]
    assert lines_of("wrong_language", pairs) == []


def test_half_translated_pairs_are_found(lines_of):
    pairs = clean_pairs()
    english, french = pairs[11]
    half = " ".join([*french.split()[:7], *english.split()[5:]])
    pairs[11] = (english, half)
    assert lines_of("half_translated", pairs) == [12]


# --------------------------------------------------------------------------------- characters


def test_mojibake_is_found_and_fixed(write):
    pytest.importorskip("ftfy")
    pairs = planted(
        clean_pairs(20),
        p3=("A summer.", "Un Ã©tÃ©."),
        p4=("Itâ€™s here.", "C'est l’été."),
        p5=("A summer.", "Un \ufffdt\ufffd."),
    )
    finding = analyse(write(pairs), Task(("en", "fr")), ["mojibake"]).findings["mojibake"]
    assert finding.lines.tolist() == [3, 4, 5]
    assert finding.examples[0].detail == "'Ã©tÃ©.' for 'été.'"
    assert finding.check.fix(*pairs[2]) == ("A summer.", "Un été.")
    assert finding.check.fix(*pairs[4]) == pairs[4]


def test_control_characters_are_found_named_and_removed(write):
    pairs = planted(
        clean_pairs(20),
        p2=("a\tb", "x"),
        p3=("soft\u00adly", "x"),
        p4=("a\u200bb\ufeff", "x"),
        p5=("a\x07b", "x\u2028y"),
        p6=("l’été\u00a0: 👨\u200d👩 ❤\ufe0f", "no-break spaces and emoji are right"),
    )
    key = "control_characters"
    finding = analyse(write(pairs), Task(("en", "fr")), [key]).findings[key]
    assert finding.lines.tolist() == [2, 3, 4, 5]
    assert finding.examples[1].detail == "U+00ad soft hyphen"
    fixed = [finding.check.fix(*pairs[line - 1]) for line in finding.lines]
    assert fixed == [("a b", "x"), ("softly", "x"), ("ab", "x"), ("ab", "x y")]


@pytest.mark.parametrize(
    "character",
    [*"\u3164\u115f\u1160\u17b4\u17b5\u034f\u180b\u180e\uffa0\ufe0f\ufe00\u200b\u00ad\ue000",
     "\U000e0101", "\U000e0041", "\U0001d173"],
    ids=ascii,
)  # fmt: skip
def test_a_hidden_character_is_found_where_it_is_the_only_one(write, character):
    key = "control_characters"
    pairs = planted(clean_pairs(10), p4=(f"a{character}b", "x"))
    finding = analyse(write(pairs), Task(("en", "fr")), [key]).findings[key]
    assert finding.lines.tolist() == [4] and finding.check.fix(*pairs[3]) == ("ab", "x")


@pytest.mark.parametrize(
    "line",
    ["❤\ufe0f", "1\ufe0f\u20e3", "👨\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "می\u200cخواهم",
     "क्\u200dष", "🏴\U000e0067\U000e0062\U000e007f", "Ça coûte 3\u202f€"],
    ids=ascii,
)  # fmt: skip
def test_characters_that_emoji_and_scripts_need_are_left(lines_of, line):
    assert lines_of("control_characters", planted(clean_pairs(10), p4=(line, line))) == []


@pytest.mark.parametrize(
    "line", ["x\ufe0f\u200d👩", "x" + "\U000e0041" * 100_000, "x" + "\ufe0f\u200d" * 100_000]
)
def test_what_hangs_on_a_removed_character_is_removed_too(line):
    assert checks._without_controls(line) in ("x", "x👩")


def test_spaces_at_edges_and_in_a_row_are_found_and_removed(write):
    pairs = planted(
        clean_pairs(20), p2=(" a", "b\u00a0"), p3=("a  b   c", "d"), p4=("a b", "c d"), p5=("", " ")
    )
    finding = analyse(write(pairs), Task(("en", "fr")), ["spaces"]).findings["spaces"]
    assert finding.lines.tolist() == [2, 3]
    assert [finding.check.fix(*pairs[line]) for line in (1, 2)] == [("a", "b"), ("a b c", "d")]
    long = " " * 300_000
    assert finding.check.fix(f"{long}a{long}b{long}", f"a\u00a0{long}") == ("a b", "a")


def test_lines_with_another_typography_than_most_are_found_and_fixed(write):
    pairs = [("It's him!", "C'est lui !")] * 8 + [
        ("It’s him!", "C'est lui !"),
        ("It's him !", "C’est lui\u202f!"),
        ("“It's him.”", "«\u00a0C'est lui.\u00a0»"),
    ]
    key = "mixed_typography"
    finding = analyse(write(pairs), Task(("en", "fr")), [key]).findings[key]
    assert finding.lines.tolist() == [9, 10]
    assert finding.check.fix(*pairs[8]) == pairs[0]
    assert finding.check.fix(*pairs[9]) == pairs[0]


# ------------------------------------------------------------------------- length and content


def test_extreme_length_ratios_and_long_lines_are_found(lines_of):
    pairs = planted(
        clean_pairs(20),
        p2=("No way!", "Il n'en est pas question !"),
        p3=("a " * 10, "b " * 60),
        p4=("word " * 101, "mot " * 99),
    )
    assert lines_of("length_ratio", pairs) == [3]
    assert lines_of("long_lines", pairs) == [4]


def test_a_length_ratio_is_extreme_relative_to_that_of_the_corpus(lines_of):
    """Chinese needs a quarter of the characters of English."""
    pairs = [(source, target[: len(source) // 4]) for source, target in clean_pairs(40)]
    assert lines_of("length_ratio", pairs) == []
    assert lines_of("length_ratio", [pair[::-1] for pair in pairs]) == []
    pairs[4] = (pairs[4][0], "x" * 60)
    pairs[8] = (pairs[8][0], "xy")
    assert lines_of("length_ratio", pairs) == [5, 9]


def test_a_stretch_whose_lines_are_shifted_is_found(write):
    pairs = clean_pairs(600)
    targets = [target for _, target in pairs]
    targets[200:230] = targets[201:231]  # a French line is missing
    shifted = [(source, target) for (source, _), target in zip(pairs, targets, strict=True)]
    shifted[400] = (shifted[400][0], shifted[500][1])  # one wrong pair is no stretch
    analysis = analyse(write(shifted), Task(("en", "fr")), ["misaligned"])
    finding = analysis.findings["misaligned"]
    lines = finding.lines.tolist()
    assert 198 <= lines[0] <= 206 and 225 <= lines[-1] <= 233
    assert len(finding.examples) == 10
    assert finding.examples[0].source == shifted[finding.examples[0].line - 1][0]


def pairs_of_rare_words(count, vocabulary, seed=1):
    """Pairs of eight words each, most of which occur a few times in the whole corpus."""
    generator = random.Random(seed)
    weights = [1 / (rank + 3) for rank in range(vocabulary)]
    words = [generator.choices(range(vocabulary), weights, k=8) for _ in range(count)]
    return [tuple(" ".join(f"{side}{i}" for i in line) for side in "ef") for line in words]


@pytest.mark.parametrize(("count", "vocabulary"), [(600, 300), (600, 600), (1500, 1500)])
def test_a_corpus_whose_second_half_is_shifted_is_found(lines_of, count, vocabulary):
    """Its wrong pairs are half of what the lexicon is trained on."""
    pairs = pairs_of_rare_words(count, vocabulary)
    assert lines_of("misaligned", pairs) == []
    sources, targets = map(list, zip(*pairs, strict=True))
    targets[count // 2 :] = [*targets[count // 2 + 1 :], targets[count // 2]]
    lines = lines_of("misaligned", list(zip(sources, targets, strict=True)))
    assert abs(lines[0] - (count // 2 + 1)) <= 2 and len(lines) >= 0.95 * (count // 2)


@pytest.mark.parametrize("num_pairs", [10, 30, 100])
def test_a_small_corpus_is_no_stretch(lines_of, num_pairs):
    assert lines_of("misaligned", clean_pairs(num_pairs)) == []


def test_a_stretch_is_found_where_unrelated_pairs_outweigh_the_change_of_state():
    scores = [5.0] * 10 + [-8.0] * 5 + [5.0] * 10 + [-30.0] + [5.0] * 10
    assert misalignment.stretches(scores) == [(10, 15)]
    assert misalignment.stretches([]) == []
    assert misalignment.stretches([-9.0] * 4) == [(0, 4)]
    assert misalignment.stretches([-9.0, -9.0]) == []  # not longer than an accident


def test_an_idiom_with_many_translations_is_no_stretch(lines_of):
    pairs = clean_pairs(400)
    idioms = ["Pas question", "Jamais", "Tu plaisantes", "Hors de question", "C'est exclu"]
    pairs[100:105] = [("The dog often sees the cat in the city.", text) for text in idioms]
    assert lines_of("misaligned", pairs) == []


def test_pairs_far_from_the_rest_are_found_with_the_reason(write):
    pairs = planted(
        clean_pairs(),
        p5=("0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0", "0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8"),
        p9=("The dog sees. " * 80, "Le chien voit. " * 80),
    )
    finding = analyse(write(pairs), Task(("en", "fr")), ["outliers"]).findings["outliers"]
    assert finding.lines.tolist() == [5, 9]
    assert finding.examples[0].detail.startswith("letters in the")
    assert finding.examples[1].detail.startswith("characters of the")


# ------------------------------------------------------------------------------------ all text


def test_every_check_says_what_it_means_and_what_to_do():
    for key, kind in CHECKS.items():
        assert kind.meaning and kind.advice.endswith((".", "first.")), key
        assert kind.is_fixable or not kind.is_fixed


@pytest.mark.parametrize(
    "line",
    ["x" * 1_000_000, "mot é " * 170_000, "\u00ad" * 300_000, "' " * 300_000, "!" * 500_000,
     "Ã©" * 100_000, "\u200d" * 300_000, "“" * 300_000],
)  # fmt: skip
def test_a_line_of_a_megabyte_is_read_in_linear_time(write, line):
    write([*clean_pairs(30), (line, line)])
    analysis = analyse(write([*clean_pairs(30), (line, line)]), Task(("en", "fr")))
    assert analysis.num_pairs == 31


def test_any_languages_and_scripts_are_read(write):
    pairs = [("这是一个句子。", "هذه جملة"), ("मैं", "😀😀"), ("\u0301", "\ud7ff")] * 5
    analysis = analyse(write(pairs), Task(("zh", "ar")))
    assert analysis.findings["exact_duplicates"].count == 12


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (b"", b"", "expected at least one pair"),
        (b"a\nb\n", b"a\n", "equally many lines. Received: 2"),
        (b"a\n\xff\n", b"a\nb\n", "line 2: expected UTF-8"),
    ],
)
def test_text_that_is_no_corpus_is_refused(tmp_path, source, target, message):
    (tmp_path / "t.en").write_bytes(source)
    (tmp_path / "t.fr").write_bytes(target)
    with pytest.raises(UserError, match=message):
        analyse(resolve_parallel(tmp_path / "t", "en", "fr"), Task(("en", "fr")))


def test_a_report_in_json_can_be_read_back(write):
    from nmt.corpora.report import as_dict

    pairs = planted(clean_pairs(), p3=("", "x"), p7=("A\u00adb", "C"))
    report = json.loads(json.dumps(as_dict(analyse(write(pairs), Task(("en", "fr"))))))
    assert report["findings"]["blank"]["count"] == 1
    assert report["findings"]["blank"]["examples"] == [
        {"line": 3, "source": "", "target": "x", "detail": ""}
    ]
