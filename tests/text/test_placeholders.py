"""What is copied: found where a reader would find it, kept exactly, and learnt from pairs that
agree on it."""

import time
from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.loader import CopyingConfig
from nmt.text.model_input import ModelInput
from nmt.text.placeholders import (
    NUM_COPY_SYMBOLS,
    PATTERNS,
    Copier,
    Copy,
    MaskedLine,
    PairMasker,
    places_of,
    translations_of_words,
    unseen_runs,
)
from nmt.text.tokenizer import COPY_IDS, train_tokenizer

UUID = "550e8400-e29b-41d4-a716-446655440000"
ALL = ["urls", "emails", "placeholders", "unseen"]
LINES = st.lists(
    st.sampled_from(
        [
            "a",
            "dog",
            " ",
            ".",
            "é",
            "Ł",
            "中",
            "😀",
            "{name}",
            "%s",
            "%",
            "{",
            "www.a.org",
            "｟0｠",
            "\u2581",
        ]
    )
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=3),
    max_size=12,
).map("".join)


def mask_both(copier, source, target):
    masked = copier.mask(source)
    return masked, copier.mask_target(masked, target)


def beyond_ascii(line):
    return {character for character in line if ord(character) > 126}


def copied(line, *classes, dictionary=None):
    return [
        span.restored
        for span in Copier(classes or ALL, beyond_ascii, dictionary=dictionary).find(line)
    ]


def shown(masked):
    """A masked line with <0>, <1>, ... in place of its copies."""
    return masked.replaced(lambda copy: f"<{copy.symbol}>")


@pytest.fixture(scope="module")
def tokenizer():
    lines = ["the dog sees a man.", "where is the old house?", "le chien voit un homme."] * 20
    return train_tokenizer(
        lines,
        algorithm="bpe",
        vocabulary_size=310,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=1000,
    )


# ------------------------------------------------------------------------------------------ finding


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("See https://a.org/b_c?d=e#f.", ["https://a.org/b_c?d=e#f"]),
        ("(http://en.wikipedia.org/wiki/Tea_(meal))", ["http://en.wikipedia.org/wiki/Tea_(meal)"]),
        ("Is it www.a.fr, or ftp://b.de/?", ["www.a.fr", "ftp://b.de/"]),
        ("[link](https://a.org/b) <https://a.org>", ["https://a.org/b", "https://a.org"]),
        ("https://a.org/{id}/x", ["https://a.org/{id}/x"]),
        ("Edit /etc/nginx/nginx.conf or ~/.bashrc.", ["/etc/nginx/nginx.conf", "~/.bashrc"]),
        (r"Open C:\Users\Bob\new, ../a/b/ and ./run.", [r"C:\Users\Bob\new", "../a/b/", "./run"]),
        ("and/or 5/6 he /she (s)/he 1/2/2020 km/h a/b/c", []),
        ("Read example.com/now; and example.org.", ["example.com/now", "example.org"]),
        ("I see it.Compare the two. And so on...", []),
        (
            "Open report_final-v2.docx, IMG_1.JPG. Use Node.js.",
            ["report_final-v2.docx", "IMG_1.JPG", "Node.js"],
        ),
        ("The pdf. Not foo.pdfx, .pdf or a.pdf.b", []),
    ],
)
def test_addresses_end_before_the_punctuation_of_the_sentence(line, found):
    assert copied(line, "urls") == found


def test_emails_are_found_whole():
    line = "Write to jean-luc.o+x@mail.example.co.uk, or (a@b.fr)."
    assert (
        copied(line, "emails")
        == copied(line, "urls", "emails")
        == ["jean-luc.o+x@mail.example.co.uk", "a@b.fr"]
    )
    assert copied("a @ b, @home, x@y", "emails") == []
    assert copied("(mailto:a@b.fr)", "emails") == ["mailto:a@b.fr"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Hello {name}, {0} of {count:,d}!", ["{name}", "{0}", "{count:,d}"]),
        ("${a} %{b} #{c} {{ d }} {}", ["${a}", "%{b}", "#{c}", "{{ d }}", "{}"]),
        (
            "%s%d %-5.2f %1$s %(name)s %@ %ld %%",
            ["%s", "%d", "%-5.2f", "%1$s", "%(name)s", "%@", "%ld", "%%"],
        ),
        ("%#@items@ of %#@a@b, %#@ and 5 %#@x", ["%#@items@", "%#@a@", "%#@", "%#@"]),
        ("50% of it, 100 %increase, 5%d; {two words}", []),
        ("%dh %dm, %ss", ["%d", "%d", "%s"]),
        (
            "A <b>big</b> <x id='1' y=\"a b\"/><br /></0>",
            ["<b>", "</b>", "<x id='1' y=\"a b\"/>", "<br />", "</0>"],
        ),
        ("3<5 and 7>2, a < b > c, x<y and y>z, <3, <a b>, <>", []),
        ("Tom &amp; Jo&#39;s &#xA0; &foo; AT&T, R & D;", ["&amp;", "&#xA0;", "&foo;"]),
        (
            "Run `git commit -m 'x'`, `a`. It`s 5 o`clock, ``so'' ` a `",
            ["`git commit -m 'x'`", "`a`"],
        ),
        (":smile: hi :+1: at 10:30: a:b:c :)", [":smile:", ":+1:"]),
        ("#GoVegan, #100Days_x and issue #12 of C#, a#b", ["#GoVegan", "#100Days_x"]),
        ("@alice, @Bob_9: hi a@b @ c", ["@alice", "@Bob_9"]),
        ("Set first_name, MAX_SIZE2. Fill in ____ or _this_", ["first_name", "MAX_SIZE2"]),
    ],
)
def test_placeholders_of_the_usual_kinds_are_found(line, found):
    assert copied(line, "placeholders") == found


def test_numbers_are_found_whole():
    line = "On 12/05/2024 at 10:30, 1,000.5 of x2 and 3D, 7."
    assert copied(line, "numbers") == ["12/05/2024", "10:30", "1,000.5", "7"]
    assert copied(line) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Call +33 6 12 34 56 78.", ["+33 6 12 34 56 78"]),
        ("06.12.34.56.78 or +33 (0)6 12 34 56 78", ["06.12.34.56.78", "+33 (0)6 12 34 56 78"]),
        ("(212) 555-0123, 555-123-4567", ["(212) 555-0123", "555-123-4567"]),
        ("192.168.0.1:8080, 192.168.0.1", ["192.168.0.1"] * 2),
        ("2024-05-12 10:30, 12/05/2024", []),
        ("12 345 678 900 people, 12.345.678.900, 5 - 6", []),
        ("ISBN 978-3-16-148410-0.", ["978-3-16-148410-0"]),
        (f"id {UUID}, commit 3f2a9bc.", [UUID, "3f2a9bc"]),
        ("effaced defaced 1234567 12ab 3f2a9bcx", []),
        ("00:1A:2B:3C:4D:5E, fe80::1, ::1.", ["00:1A:2B:3C:4D:5E", "fe80::1", "::1"]),
        ("at 14:05:33, 1:02:33.5", ["14:05:33", "1:02:33.5"]),
        ("at 14:05: yes, 3:2, std::vector, face::add", []),
    ],
)
def test_telephone_numbers_and_addresses_of_machines_are_found_whole(line, found):
    assert copied(line, "phones") == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Łódź, is fine😀!", ["Łódź", "😀"]),
        ("the naïve-looking man’s dog", ["naïve"]),
        ("see 你好，世界 there", ["你好，世界"]),
        ("a\u00a0b \u3000", ["\u00a0", "\u3000"]),
        ("👩‍👩‍👧 and cafe\u0301.", ["👩‍👩‍👧", "cafe\u0301"]),
        ("plain text", []),
    ],
)
def test_words_in_unseen_characters_are_copied_whole_and_signs_alone(line, found):
    assert copied(line, "unseen") == found
    assert unseen_runs(line, set()) == []


@pytest.mark.parametrize("listed", ["Noël", "Noe\u0308l"])
def test_a_word_that_is_translated_is_not_copied_for_a_rare_letter(listed):
    copier = Copier(["unseen"], lambda line: {"ë", "Ë", "\u0308"} & set(line), translated=[listed])
    line = "Raphaël: Noël, NOËL, l'noël et Noe\u0308l, noëls"
    assert [restored for _, _, restored in copier.find(line)] == ["Raphaël", "noëls"]


def test_a_capital_that_is_read_as_a_small_letter_is_not_unseen():
    lines = ["à demain, ça va", "le chat", "À demain", "Le chat"] * 20
    folding = train_tokenizer(
        lines,
        algorithm="bpe",
        vocabulary_size=300,
        byte_fallback=True,
        character_coverage=1.0,
        max_lines=100,
        fold_initial=True,
    )
    assert folding.unknown_characters("À demain") == set()
    assert folding.unknown_characters("Le À") == {"À"}
    copier = Copier(["unseen"], folding.unknown_characters, ModelInput("view"))
    assert copier.find("À demain, Ça va") == [(10, 12, "Ça")]
    assert copier.find("ÇA VA À DEMAIN") == []  # read in small letters
    assert copier.find("ÇA VA À ŁÓDŹ") == [(8, 12, "ŁÓDŹ")]


def test_unseen_is_what_the_tokenizer_has_no_piece_for(tokenizer):
    assert tokenizer.unknown_characters("the dog\t(Łódź) ▁｟0｠") == set("\t()Łóź▁｟｠0")
    assert tokenizer.unknown_characters("old man?") == set()


def test_a_listed_word_is_restored_as_what_the_dictionary_says():
    dictionary = {"foo": "bar", "New York": "Nouvelle-York", "foo fighters": "les Foo"}
    line = "foo foo-x food New York: foo fighters {foo}"
    assert copied(line, dictionary=dictionary) == [
        "bar",
        "bar",
        "Nouvelle-York",
        "les Foo",
        "{foo}",
    ]


@given(LINES)
def test_what_is_found_is_in_order_apart_and_as_it_stands(line):
    spans = Copier([*ALL, "phones", "numbers"], beyond_ascii).find(line)
    assert all(line[span.start : span.end] == span.restored != "" for span in spans)
    edges = [edge for span in spans for edge in (span.start, span.end)]
    assert edges == sorted(edges)


def test_no_class_finds_nothing():
    assert Copier([], beyond_ascii).find("{name} Ł www.a.org") == []


# ------------------------------------------------------------------------------------------ masking


def test_copies_are_numbered_in_order_and_the_seventeenth_is_text():
    masked = Copier(ALL, beyond_ascii).mask(" ".join(f"{{{i}}}" for i in range(18)))
    assert shown(masked) == " ".join([*(f"<{i}>" for i in range(16)), "{16}", "{17}"])
    assert len(masked.copies) == NUM_COPY_SYMBOLS == len(COPY_IDS)


def test_what_the_normal_form_makes_known_is_not_copied():
    copier = Copier(
        ["unseen"], lambda line: {c for c in line if c not in "abcdefé 2?"}, ModelInput("nfkc")
    )
    assert [span.restored for span in copier.find("cafe\u0301 a² b\u202f? ﬀ")] == []
    assert [span.restored for span in copier.find("cafe\u0301 a² bo\u0302 \u202f?")] == ["bo\u0302"]


def test_placeholders_are_found_in_linear_time():
    copier = Copier(["placeholders"], lambda line: set())
    start = time.process_time()
    assert copier.find("%" + "0" * 20_000) == []
    assert time.process_time() - start < 1


def test_the_rest_is_normalised_and_copies_are_not():
    masked = Copier(["placeholders"], beyond_ascii, ModelInput("nfkc")).mask("ﬁ {ﬁ} ² {x²} e\u0301")
    assert masked.text == "fi {ﬁ} 2 {x²} é"
    assert [masked.text[copy.start : copy.end] for copy in masked.copies] == ["{ﬁ}", "{x²}"]


@pytest.mark.parametrize(
    ("line", "expected"), [("{a} \u00a0%s", True), ("{a}.", False), (" ", False), ("", False)]
)
def test_a_line_of_copies_alone_has_nothing_to_translate(line, expected):
    assert Copier(["placeholders"], beyond_ascii).mask(line).is_all_copies == expected


@given(LINES)
def test_ids_of_a_masked_line_restore_the_line(tokenizer, line):
    masked = Copier(ALL, tokenizer.unknown_characters).mask(line)
    ids = tokenizer.encode(masked)
    assert tokenizer.decode(ids, masked.copies) == line
    assert sorted(id for id in ids if id in COPY_IDS) == [
        COPY_IDS[copy.symbol] for copy in masked.copies
    ]
    text, spans = tokenizer.decode_with_spans(ids, masked.copies)
    assert (text, spans) == (line, tokenizer.spans(masked))


@given(LINES)
def test_text_that_looks_like_a_symbol_never_becomes_one(tokenizer, line):
    assert tokenizer.decode(tokenizer.encode(line)) == line
    assert not set(tokenizer.encode(line)) & set(COPY_IDS)


def test_a_symbol_has_the_span_of_what_it_stands_for(tokenizer):
    masked = Copier([], beyond_ascii, dictionary={"zeugma": "attelage"}).mask("a zeugma, man")
    ids = tokenizer.encode(masked)
    place = ids.index(COPY_IDS[0])
    assert tokenizer.spans(masked)[place] == (2, 8)
    assert tokenizer.word_of_piece(masked)[place] == 1
    assert tokenizer.decode(ids, masked.copies) == "a attelage, man"


def test_a_symbol_without_its_copy_stays_a_symbol(tokenizer):
    assert tokenizer.decode([COPY_IDS[3]], [Copy(0, 1, 2, "x")]) == "｟3｠"


# ---------------------------------------------------------------------------------------- two sides


def test_a_place_is_a_whole_word_or_a_whole_copy():
    assert [(place.start, place.end) for place in places_of("Ann", "Ann, Anna and Ann")] == [
        (0, 3),
        (14, 17),
    ]
    copier = Copier(ALL, beyond_ascii)
    line = "www.a.org www.a.org/b"
    assert [
        (place.start, place.end) for place in places_of("www.a.org", line, copier.find(line))
    ] == [(0, 9)]


def test_a_target_is_masked_with_the_symbols_of_its_source():
    copier = Copier(ALL, beyond_ascii, dictionary={"zeugma": "attelage"})
    lines = "{a} sees a zeugma, {b} and {a}: {c}.", "{b} et {a} voient {a}, {a} ou l'attelage {d}"
    source, target = mask_both(copier, *lines)
    assert source == copier.mask(lines[0])
    assert shown(target) == "<2> et <0> voient <3>, {a} ou l'<1> {d}"


def test_of_two_copies_the_longer_is_taken_where_one_holds_the_other():
    copier = Copier([], beyond_ascii, dictionary={"x": "tour", "y": "la tour noire"})
    assert shown(mask_both(copier, "x y", "la tour noire, tour")[1]) == "<1>, <0>"


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("see {a} and {b}", "vois {b} et {a}", [("{a}", 4), ("{b}", 12)]),
        ("{a} {a}", "{a}", []),
        ("{a}", "{a} {a}", []),
        ("{a} www.x.org", "{a}", [("{a}", 0)]),
        ("Ł", "ŁŁ Ł", [("Ł", 0)]),
    ],
)
def test_a_pair_is_masked_where_both_sides_agree(source, target, expected):
    pairs = Copier(ALL, beyond_ascii).pair_up(source, target)
    assert [(of_source.restored, of_source.start) for of_source, _ in pairs] == expected
    assert all(target[place.start : place.end] == place.restored for _, place in pairs)


def symbols_of(masked):
    return {copy.restored: copy.symbol for copy in masked.copies}


def test_both_sides_of_a_training_pair_hold_the_same_symbols_drawn_at_random():
    masker = PairMasker(Copier(ALL, beyond_ascii), {}, 0.0, seed=1)
    seen = Counter()
    for number in range(300):
        source, target = masker.mask(number, "{a} {b}", "{b} {a}!")
        assert (
            symbols_of(source) == symbols_of(target) and len(set(symbols_of(source).values())) == 2
        )
        seen.update(symbols_of(source).values())
    assert set(seen) == set(range(NUM_COPY_SYMBOLS)) and max(seen.values()) < 4 * min(seen.values())


PAIRS = [
    ("the dog sees Ann.", "le chien voit Ann."),
    ("a dog sleeps.", "un chien dort."),
    ("the cat.", "le chat."),
]
ANN = [("Ann sleeps.", "Ann dort.")]  # who does not only see


def test_words_that_occur_together_are_taken_for_translations():
    pairs = (PAIRS + ANN) * 3
    assert translations_of_words(pairs) == {
        "dog": "chien",
        "sees": "voit",
        "Ann": "Ann",
        "sleeps": "dort",
        "cat": "chat",
    }
    assert translations_of_words(PAIRS) == {}  # once or twice proves nothing


def test_the_pairs_of_words_that_are_counted_have_a_bound(monkeypatch):
    """A paragraph a line has ten thousand of them, and there are ten thousand lines."""
    pairs = [("dog", "chien")] * 4 + [("cat", "chat")] * 4
    assert translations_of_words(pairs) == {"dog": "chien", "cat": "chat"}
    monkeypatch.setattr("nmt.text.placeholders._MAX_CELLS", 5)
    assert translations_of_words(pairs) == {"dog": "chien"}


def test_in_a_share_of_the_pairs_words_become_symbols():
    masker = PairMasker(Copier(ALL, beyond_ascii), {"dog": "chien", "sees": "voit"}, 0.25, seed=1)
    lines = [
        masker.mask(number, "the dog sees Ann.", "le chien voit Ann.") for number in range(2000)
    ]
    replaced = [(source, target) for source, target in lines if source.copies]
    assert 400 < len(replaced) < 600
    words = Counter(copy.restored for source, _ in replaced for copy in source.copies)
    assert set(words) == {"dog", "sees", "Ann", "x"} and min(words.values()) > 80
    for source, target in replaced:
        places = [{copy.symbol: copy.restored for copy in side.copies} for side in (source, target)]
        french = {"dog": "chien", "sees": "voit"}
        assert {symbol: french.get(word, word) for symbol, word in places[0].items()} == places[1]
    added = [source.text for source, _ in replaced if source.text != "the dog sees Ann."]
    assert set(added) == {"x the dog sees Ann.", "the dog sees Ann. x"} and 80 < len(added) < 170


def test_only_words_that_are_clear_are_replaced():
    masker = PairMasker(Copier(ALL, beyond_ascii), {"dog": "chien", "man": "homme"}, 0.999, seed=1)
    for number in range(50):
        for pair in (
            ("dog dog", "chien"),
            ("a man", "l'homme"),
            ("the man's {dog}", "homme {dog}"),
            ("an", "an"),
        ):
            source, _ = masker.mask(number, *pair)
            assert {copy.restored for copy in source.copies} <= {"x", "{dog}"}


def test_masking_is_a_function_of_seed_and_number():
    def masked(seed, order):
        masker = PairMasker(Copier(ALL, beyond_ascii), {"dog": "chien", "sees": "voit"}, 0.5, seed)
        return {number: masker.mask(number, *PAIRS[number % 3]) for number in order}

    assert masked(1, range(40)) == masked(1, reversed(range(40))) != masked(2, range(40))


# ------------------------------------------------------------------------------------------- config


def test_the_config_names_every_class():
    (names,) = get_args(CopyingConfig.model_fields["classes"].annotation)
    assert set(get_args(names)) == {*PATTERNS, "unseen"}
    assert MaskedLine("a").is_all_copies is False
