"""Text in the browser is Python's: characters, the view that the model reads, copies, numbers,
tokenizers. Random lines of odd characters go through both."""

import base64
import functools
import json
import os
import random
import re
import unicodedata

import pytest
from fixtures.node import in_node, needs_node

from nmt.runs.package import installed_models, open_run
from nmt.search.numbers import SourceNumbers
from nmt.text import model_input
from nmt.text.amounts import regrouped
from nmt.text.characters import SOURCE, CharacterView, typography
from nmt.text.escaping import fold, unfold
from nmt.text.lines import EVERYDAY, read_lines
from nmt.text.placeholders import PATTERNS, Copier
from nmt.text.sentence_splitter import sentences
from nmt.text.tokenizer import Tokenizer, train_tokenizer

pytestmark = needs_node

ODD = (
    "\u00a0\u202f\u2009\u00ad\u200b\u200c\u200d\u200e\ufeff\u2060\t \x1f\x85\u2028«»‹›“”„’‘'\"`´‐‑−"
    "–—…ﬁﬀ()[]{}*_~#>•.!?;:,%$@/-0123456789aAÀéßİıſΣςÅe\u0301\u0323a\u0300\u0345\u0334\u0f77ÉŁ日本語。！？"
    "😀👩🏴\U000e0067\U000e007f\ufe0f♥\u0915\u200d\u0930فارسی\u2581\u2585｟｠\uf8e0\x00\x01\x7f\u037e½²Ⅷ٣"
    "\ufffd\U00010400\U00010428"
)
AROUND = [
    ('"', '"'),
    ("“", "”"),
    ("« ", " »"),
    ("«\u202f", "\u202f»."),
    ("»", "«"),
    ("„", "“"),
    ("(", ")"),
    ("*", "*"),
    ("**", "**."),
    ("- ", ""),
    ("1. ", ""),
    ("a) ", ""),
    ("‘", "’"),
    ('["', '"]'),
    ("「", "」"),
    ("〝", "〞"),
    ("`", "`."),
    ("==", "=="),
    ("- [ ] ", ""),
    (">> ", ""),
    ("•", ""),
    ("iv) ", ""),
    ("1.2. ", ""),
    ("...", "!?!"),
    ("😀 ", " ❤️"),
    ("1️⃣ ", "1️⃣"),
    (":-) ", " ;D"),
    ("| ", " |"),
]
AFTER = [
    " http://a.bc/d_(e).",
    " x@y.org, ",
    " {name} %s %1$d 50% {{ a }} %-5.2f %(n)d %% 100 %increase",
    " www.é.com/ü?x",
    " 1,234.5 and 19:45 h 1990s, 06 12 34 56 78, 12.000 € 7.45 p.m. 05",
    " $1,250.50 at 8 p.m., US$5 €20 ¥300-£4 1 250,50 € à 20 h 30",
]


def odd_lines(count: int, seed: int) -> list[str]:
    """Lines that no keyboard writes, of characters that this Python knows."""
    generator = random.Random(seed)
    known = [*read_lines(EVERYDAY / "test.en"), *read_lines(EVERYDAY / "test.fr")]
    lines = []
    while len(lines) < count:
        line = generator.choice(known)
        kind = generator.random()
        if kind < 0.3:
            line = "".join(generator.choice(ODD) for _ in range(generator.randint(0, 14)))
        elif kind < 0.4:
            codes = [generator.choice([0xFF, 0x2FFF, 0x1FFFF]) for _ in range(12)]
            line = "".join(chr(generator.randint(32, code)) for code in codes)
        for _ in range(generator.randint(0, 4)):
            place = generator.randint(0, len(line))
            line = line[:place] + generator.choice(ODD) + line[place:]
        if generator.random() < 0.2:
            line = line.upper()
        if generator.random() < 0.3:
            before, after = generator.choice(AROUND)
            line = before + line + after
        if generator.random() < 0.3:
            line += generator.choice(AFTER)
        kept = (one for one in line if unicodedata.category(one) not in ("Cn", "Cs"))
        lines.append("".join(kept).replace("\n", ""))
    return lines


# What random lines hardly have.
RARE = [
    "See report_v2.pdf, IMG.JPG, <b>b</b> <x id=\"1\" y='c'/> </0> &amp; &#xe9; :smile: #1a @me_2.",
    "Set é_b9, mailto:a@b.fr, 978-3-16-148410-0, 3f2a9bc, fe80::1, 14:05:33.5, not 3:2, #1 or x_.",
    "It&#39;s &#039;a&apos; &quot;b&QUOT; &#x22;c&#34;&#0000034; &rsquo; AT&T &ldquo",
    "\uff28\uff25\uff11 \uff57orld\uff01",
    "Run `git a -m 'x' {b}`, `a`. It`s 5 o`clock, ``so'' ` a ` `b\u2028`, `<i>`é",
    "550e8400-e29b-41d4-a716-446655440000 <a b=c d = e> x<y and y>z: a.b.TXT.gz? #٣ ٣:٣:٣ 0:٣:1,٣",
    "ℹ😀😀😀) foo bar",
    "ℹ😀😀😀😀😀) foo bar",
    "at 5 H\u0345, 5 heure\u017f, 5 O'CLOC\u212a, 5 P. M and 5 HEURES",
    "e" + "\u0301\u0323" * 40 + "x",
    "a" + "\u0301" * 30 + "b" + "\u0301" * 31 + "c\u200b" + "\u0334" * 62,
    "e" + "\u0344" * 25 + "\u0345" * 25,  # each of the first is two
    "\U00011099\U000110ba" * 40,  # marks of two units
    "😀" * 40,
    "+33 (0)6 12 34 56 78, 06.12.34.56.78, (212) 555-0123, 555-123-4567x, 1-800-555-0199.",
    "$3 million, $5-10, $10–$20, 10-20 €, 1.250,50 €, 12 €50, -5€, $1.2.3, $3M, $20 bill",
    "$3bn, £1.5 million; US$2 trillion, €1,000 million, $4k, $20 billions of ¥1M, ₽3 million",
    "12 a.m. 3 p.m.-5 p.m. 9-5 p.m. 8PM: 0.5 pm, at 8 P.M. 20 h, de 9h à 18 h, à 2 h de Lyon",
    "Vers 20\u00a0heures, è à 23h59, entre 9\u202fh et 18 h 5, éà 9 h, vers 20 h du soir",
    "30 s, 40\u00a0kg, 500 m², 100 km/h, 60 Hzx and 90 µm; 1,234,567.5 or 1 234 567, 1.234.567,80",
    "192.168.0.1:8080, 12 345 678 900, 12.345.678.900, ٣ ٤ ٥ ٦ ٧, 2024-05-12 10:30-11:30",
]
LINES = [*odd_lines(1500, seed=1), *RARE]


def as_json(value):
    return json.loads(json.dumps(value))


def assert_same(found, expected, lines=LINES):
    different = [
        (line, ours, theirs)
        for line, ours, theirs in zip(lines, as_json(expected), found, strict=True)
        if ours != theirs
    ]
    assert not different, (len(different), different[0])


# ---------------------------------------------------------------------------------------- the view


def test_characters_belong_to_the_classes_of_python():
    found = in_node("classes")
    codes = {
        name: {code for first, last in found[name] for code in range(first, last + 1)}
        for name in ("space", "word", "letter", "assigned")
    }
    # Each knows characters of its own version of Unicode only.
    known = [c for c in codes["assigned"] if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    for name, is_member in (
        ("space", str.isspace),
        ("word", re.compile(r"\w").fullmatch),
        ("letter", model_input.has_letters),
    ):
        assert [c for c in known if bool(is_member(chr(c))) != (c in codes[name])] == []
    cases = {character: (upper, lower) for character, upper, lower in found["cases"]}
    different = [
        c
        for c in map(chr, known)
        # A letter whose capital was added to Unicode later.
        if cases.get(c, (c, c)) != (c.upper(), c.lower())
        and all(unicodedata.category(one) != "Cn" for one in "".join(cases.get(c, "")))
    ]
    assert different == []


@pytest.mark.parametrize("kind", ["view", "nfc", "nfkc"])
def test_a_line_is_read_alike_and_found_again_in_the_raw_one(kind):
    view = {"view": SOURCE, "nfc": CharacterView("NFC"), "nfkc": CharacterView("NFKC")}[kind]
    expected = [{"text": view.read(line), "spans": view.spans(line)} for line in LINES]
    assert_same(in_node("read", lines=LINES, kind=kind), expected)


@pytest.mark.parametrize("language", [None, "fr", "en", "de"])
def test_edges_are_peeled_alike(language):
    peeled = [model_input.peel(line, language) for line in LINES]
    expected = [{"core": p.core, "before": p.before, "after": p.after} for p in peeled]
    assert_same(in_node("peel", lines=LINES, language=language), expected)


def test_capitals_and_title_case_become_the_same_small_letters_and_initials_are_folded_alike():
    common = {word.lower() for line in LINES for word in line.split()[1:] if word.islower()}
    record = {
        "starts_upper": True,
        "names": "Paris USA I McDonald",
        "common": " ".join(sorted(common)),
    }
    casing = model_input.Casing.from_dict(record)
    lines = [*LINES, *(line.title() for line in LINES), "Plan B: A Day In The Life", "The End."]
    expected = [
        {
            "shouted": model_input.is_shouted(line),
            "quiet": casing.quiet(line),
            "titled": casing.is_titled(line),
            "lowered": casing.lowered(line),
            "inside": casing.lowered(line, False),
            "fold": fold(line),
            "unfold": unfold(line),
        }
        for line in lines
    ]
    assert_same(in_node("capitals", lines=lines, casing=record), expected, lines)


@pytest.mark.parametrize(
    ("apostrophe", "space", "quotes"),
    [
        ("curly", "narrow", "keep"),
        ("straight", "none", "straight"),
        ("keep", "keep", "guillemets"),
        ("keep", "no_break", "guillemets"),
    ],
)
def test_typography_is_written_alike(apostrophe, space, quotes):
    options = {"apostrophe": apostrophe, "space": space, "quotes": quotes}
    expected = [typography(**options).read(line) for line in LINES]
    assert_same(in_node("typography", lines=LINES, options=options), expected)


def test_numbers_are_found_alike():
    expected = []
    for line in LINES:
        numbers = SourceNumbers.of(line)
        names = ("permitted", "required")
        expected.append({name: [sorted(one) for one in getattr(numbers, name)] for name in names})
    assert_same(in_node("numbers", lines=LINES), expected)


@pytest.mark.parametrize("languages", [("en", "fr"), ("fr", "en"), ("de", "it"), ("eo", "fr")])
def test_large_numbers_are_regrouped_alike(languages):
    lines = [*LINES, "1,234,567 of 1\u202f234,5 and 12 345.67 or 3.456.789,1"]
    kept = [(12, 14)]  # in characters, and in the units of JavaScript
    lines = [line for line in lines if max(line[:14], default="") < "\U00010000"]
    expected = [regrouped(line.replace(",", "."), kept, line, *languages) for line in lines]
    found = in_node("regrouped", lines=lines, kept=kept, languages=languages)
    assert_same(found, expected, lines)


# --------------------------------------------------------------------------------------- tokenizers


@functools.cache
def tokenizer(algorithm: str, byte_fallback: bool, fold_initial: bool) -> Tokenizer:
    text = [*read_lines(EVERYDAY / "dev.en"), *read_lines(EVERYDAY / "dev.fr")]
    return train_tokenizer(
        text,
        algorithm=algorithm,
        vocabulary_size=600 if byte_fallback else 350,
        byte_fallback=byte_fallback,
        character_coverage=0.999,
        max_lines=1000,
        fold_initial=fold_initial,
    )


every_tokenizer = pytest.mark.parametrize(
    "kind",
    [
        ("bpe", True, True),
        ("bpe", False, False),
        ("unigram", True, False),
        ("unigram", False, True),
    ],
)


def encoded_model(tokenizer):
    return base64.b64encode(tokenizer.model).decode()


@every_tokenizer
@pytest.mark.parametrize(
    ("view", "languages"), [("view", ("en", "fr")), ("raw", ("fr", "en")), ("raw", ("de", "x"))]
)
def test_lines_are_masked_and_encoded_to_the_same_ids_at_the_same_places(kind, view, languages):
    ours = tokenizer(*kind)
    classes = [*PATTERNS, "unseen"]
    input_view = model_input.ModelInput(view)
    translated = ["Noël", "łódź"]
    copier = Copier(
        classes,
        ours.unknown_characters,
        input_view,
        languages=languages,
        translated=translated,
    )
    lines = [*LINES, "Noël, NOËL, l'noël et Noe\u0308l, noëls", "Łódź ŁÓDŹ"]
    expected = []
    for line in lines:
        masked = copier.mask(line)
        copies = [[copy.start, copy.end, copy.restored] for copy in masked.copies]
        expected.append(
            {
                "text": masked.text,
                "copies": copies,
                "ids": ours.encode(masked),
                "spans": ours.spans(masked),
            }
        )
    found = in_node(
        "mask",
        lines=lines,
        classes=classes,
        translated=translated,
        model=encoded_model(ours),
        kind=view,
        languages=languages,
    )
    assert_same(found, expected, lines)


@every_tokenizer
def test_whole_lines_are_encoded_to_the_same_ids(kind):
    ours = tokenizer(*kind)
    lines = odd_lines(1500, seed=2)
    found = in_node("encode", lines=lines, model=encoded_model(ours))
    assert_same(found, [ours.encode(line) for line in lines], lines)


@every_tokenizer
def test_ids_are_decoded_to_the_same_text_with_the_same_spans(kind):
    ours = tokenizer(*kind)
    generator = random.Random(3)
    sizes = [ours.vocabulary_size] * 500 + [300] * 500  # the small ids are bytes
    rows = [[generator.randrange(size) for _ in range(generator.randint(0, 12))] for size in sizes]
    rows += [ours.encode(line) for line in LINES[:500]]
    pairs = [ours.decode_with_spans(row) for row in rows]
    expected = [{"text": text, "spans": spans} for text, spans in pairs]
    assert_same(in_node("decode", rows=rows, model=encoded_model(ours)), expected, rows)


def test_the_shipped_tokenizers_encode_alike():
    for path in installed_models().values():
        ours = open_run(path).source_tokenizer
        found = in_node("encode", lines=LINES, model=encoded_model(ours))
        assert_same(found, [ours.encode(line) for line in LINES])


@pytest.mark.parametrize("task", ["read", "peel", "typography", "numbers", "capitals"])
def test_a_hostile_line_takes_linear_time(task):
    """JavaScript has no possessive quantifiers: a run of characters that two alternatives match
    would take exponential time."""
    arguments = {
        "read": {"kind": "view"},
        "peel": {"language": "fr"},
        "typography": {
            "options": {"apostrophe": "curly", "space": "narrow", "quotes": "guillemets"}
        },
        "capitals": {"casing": {"starts_upper": True, "names": "", "common": ""}},
    }
    units = [*sorted({*ODD}), "- ", "* ", "( ", '" ', "a.", "1,", "1 ", "a'", ":(", "\u200d\u0301"]
    lines = [unit * 3000 + end for unit in units for end in ("", "a")]
    start = os.times().children_user
    assert len(in_node(task, lines=lines, **arguments.get(task, {}))) == len(lines)
    assert os.times().children_user - start < 20


# --------------------------------------------------------------------------------------- sentences


@pytest.mark.parametrize("language", ["en", "fr"])
def test_paragraphs_are_divided_where_python_divides_them(language):
    lines = list(read_lines(EVERYDAY / f"test.{language}"))
    texts = [" ".join(lines[start : start + 4]) for start in range(0, 400, 4)]
    texts += [
        "Mr. Smith saw Dr. J. Jones at 5 p.m. on Sunday. He left.",
        "It costs 3.50 € (a lot).",
        "1. See chapter 3. The bus leaves at 7. 2. Wait for number 8. Then go.",
    ]
    found = in_node("sentences", texts=texts, language=language)
    assert all("".join(parts) == text for parts, text in zip(found, texts, strict=True))
    same = sum(f == sentences(text, language) for f, text in zip(found, texts, strict=True))
    assert same >= 0.95 * len(texts)


@pytest.mark.parametrize(
    "text", ["a. " * 30_000, "a. (b. c) " * 10_000, "a" + "." * 100_000, "“«a. " * 30_000]
)
def test_marks_that_end_no_sentence_take_linear_time(text):
    start = os.times().children_user
    assert in_node("sentences", texts=[text], language="en") == [[text]]
    assert os.times().children_user - start < 2
