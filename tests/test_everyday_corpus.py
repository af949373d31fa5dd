"""The everyday corpus: reproducible, split as it says, and right in both languages."""

import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

DATA = Path(__file__).resolve().parents[1] / "data"
sys.path.insert(0, str(DATA))

from everyday import english, french, generate  # noqa: E402
from everyday import lexicon as words  # noqa: E402
from everyday.core import Draw, Pair, Subject  # noqa: E402
from everyday.grammar import clause, finish, generic, infinitive, pronoun, thing, to_whom  # noqa: E402
from everyday.registry import country_from, country_in  # noqa: E402
from everyday.subjects import HE, SHE, WE, I  # noqa: E402
from everyday.verbs import CAN, VERB  # noqa: E402
from everyday.withheld import WITHHELD, WITHHELD_WORDS, withheld_in  # noqa: E402

EVERYDAY = DATA.parent / "nmt" / "everyday"
SPLITS = ("train", "dev", "test", "test_recombined")
SIDES = ("en", "fr")
NARROW, NO_BREAK = "\u202f", "\u00a0"


@cache
def built() -> dict[str, list[generate.Sentence]]:
    return generate.build()


def read(split: str) -> list[Pair]:
    sides = [(EVERYDAY / f"{split}.{side}").read_text("utf-8").split("\n")[:-1] for side in SIDES]
    return list(zip(*sides, strict=True))


def every_pair() -> list[Pair]:
    return [pair for split in SPLITS for pair in read(split)]


# ---------------------------------------------------------------------------------------- the files
def test_the_files_are_what_the_grammar_writes() -> None:
    for name, content in generate.files(built()).items():
        assert (EVERYDAY / name).read_bytes() == content, name


def test_another_process_with_another_hash_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, str(DATA / "everyday" / "generate.py")]
    subprocess.run([*command, "--output", str(tmp_path)], check=True, env={"PYTHONHASHSEED": "7"})
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (EVERYDAY / path.name).read_bytes(), path.name
    (tmp_path / "dev.en").write_text("Something else.\n", "utf-8")
    changed = subprocess.run(
        [*command, "--output", str(tmp_path), "--check"], capture_output=True, text=True
    )
    assert changed.returncode == 1 and "dev.en" in changed.stderr


def test_sizes() -> None:
    assert [len(read(split)) for split in SPLITS] == [24_000, 1_000, 1_000, 1_000]
    files = [path for path in EVERYDAY.iterdir() if path.suffix in (".en", ".fr")]
    parts = (*SPLITS, "sentences")  # the last is not generated: a part of data/sentences
    assert {path.name for path in files} == {f"{part}.{side}" for part in parts for side in SIDES}
    sizes = [path.stat().st_size for path in files]
    assert max(sizes) < 2_900_000 and sum(sizes) < 4_000_000


def test_no_sentence_occurs_twice_in_any_split_on_either_side() -> None:
    english_side, french_side = zip(*every_pair(), strict=True)
    for side in (english_side, french_side):
        assert len({line.lower() for line in side}) == len(side)


def test_held_out_sentences_use_only_word_forms_of_training() -> None:
    en = {form for pair in read("train") for form in generate.english_forms(pair[0])}
    fr = {form for pair in read("train") for form in generate.french_forms(pair[1])}
    for split in SPLITS[1:]:
        for pair in read(split):
            assert en.issuperset(generate.english_forms(pair[0])), pair
            assert fr.issuperset(generate.french_forms(pair[1])), pair


# ------------------------------------------------------------------------------- what is recombined
def test_only_the_recombined_set_shows_withheld_combinations() -> None:
    for split in ("train", "dev", "test"):
        assert not any(withheld_in(s.features) for s in built()[split]), split
    assert all(withheld_in(s.features) for s in built()["test_recombined"])


def test_every_withheld_combination_is_asked_and_its_two_halves_are_in_training() -> None:
    shown = {feature for s in built()["train"] for feature in s.features}
    constructions = {construction for construction, _ in shown}
    known_words = {word for _, word in shown}
    asked = {feature for s in built()["test_recombined"] for feature in withheld_in(s.features)}
    for feature in sorted(WITHHELD):
        assert feature[0] in constructions and feature[1] in known_words, feature
        assert feature in asked, feature


def test_withheld_demonstratives_are_absent_from_the_text_of_training_itself() -> None:
    nouns = [words.NOUN[name] for name in WITHHELD_WORDS["this, these"].split(", ")]
    text = "\n".join(en for en, _ in read("train"))
    for noun in nouns:
        assert not re.search(
            rf"\b(this|these) ({noun.en}|{noun.en_plural})\b", text, re.IGNORECASE
        ), noun
        assert re.search(rf"\b({noun.en}|{noun.en_plural})\b", text), noun


def test_the_readme_names_everything_that_is_withheld() -> None:
    readme = (DATA / "README.md").read_text("utf-8")
    for construction, text in WITHHELD_WORDS.items():
        row = rf"^\| {re.escape(construction)} \|.*\| {re.escape(text)} \|$"
        assert re.search(row, readme, re.MULTILINE), construction


# -------------------------------------------------------------------------------- right in spelling
ASPIRATE = r"(?!(?:héros|haricots?|hamsters?|hiboux?|hau|huit|homard|onze)\b)"
FORBIDDEN_FRENCH = (
    r"\bde les?\b",
    r"\bà les?\b(?! )",
    r"\bà les? (?!\w+er\b)",
    r"\bde des\b",
    r"\bde du\b",
    r"\bde de\b",
    rf"(?<![-\w])(?:le|la|de|je|ne|me|te|se|que|jusque) {ASPIRATE}[aeiouhàâéèêîôùœ]",
    r"\b[ldnmtsj]' ",
    r"\b[ldnmtsjc]'[^aeiouyhàâéèêîïôùûœAEIOUYÉÎ]",
    r"\bqu'[^aeioéêhAEIOÉ]",
    r"\b(?:l|d)'(?:héros|haricot|hamster|hibou)",
    r"\bce (?:[aeiouéêœ]|h(?:omme|ôtel|ôpital))",
    r"\bcet (?:hamster|hibou|haricot|héros)",
    r"\b(?:ma|ta|sa) [aeiouéêœ]",
    r"\bsi ils?\b",
    r"\b(?:beau|nouveau|vieux) (?:appartement|hôtel|ami|avion|oiseau|hôpital|ordinateur|homme)\b",
    r"\bles \w+[^sxz\W](?<!ez)\b(?= (?:est|sont))",
    r"\bdes (?:petits|petites|grands|grandes|beaux|belles|vieux) ",
    r"\b(?:mange|bois|boit|achète|avons|ai|a) pas (?:un|une|des|du) ",
    r"\bj'(?:ai|avais) (?:\w+é) allé",
    r"\bvous \w+ons\b",
    r"\bnous \w+ez\b",
    r"  ",
    r" [?!;:]",
    r"[?!;]\S",
    r"[°’{}_]",
    r"\d\x20h\b",
    r"\d\x20€",
    r"[a-z][?!]",
)
FORBIDDEN_ENGLISH = (
    r"\ba [aeio]",
    r"\ban [^aeiouh]",
    r"\b[Ii] (?:is|are|has|does)\b",
    r"\b(?:he|she) (?:are|have|do|am)\b",
    r"\b(?:don't|doesn't|didn't|never) \w+ some\b",
    r"\bcan not\b",
    r"\b(?:these|two|three) \w+[^s\W] (?:is|was)\b",
    r"  ",
    r" [.,?!;:]",
    r"[{}_°]",
    r"\bto to\b",
    r"\bthe the\b",
    r"\bi\b",
)


@pytest.mark.parametrize("wrong", FORBIDDEN_FRENCH)
def test_french_never_has(wrong: str) -> None:
    found = [fr for _, fr in every_pair() if re.search(wrong, fr)]
    assert not found, found[:5]


@pytest.mark.parametrize("wrong", FORBIDDEN_ENGLISH)
def test_english_never_has(wrong: str) -> None:
    found = [en for en, _ in every_pair() if re.search(wrong, en)]
    assert not found, found[:5]


def test_sentences_begin_with_a_capital_and_end_with_the_same_mark() -> None:
    for en, fr in every_pair():
        assert en[0].isupper() and fr[0].isupper(), (en, fr)
        assert en[-1] == fr[-1] and en[-1] in ".?!", (en, fr)
        assert fr[-1] == "." or fr[-2] == NARROW, fr
        assert ("€" in en) == ("€" in fr) and ("€" not in fr or NO_BREAK + "€" in fr), fr


def test_every_french_noun_keeps_one_gender() -> None:
    genders: dict[str, str] = {}
    for noun in (*words.NOUN.values(), *words.EXTRA.values()):
        assert genders.setdefault(noun.fr, noun.gender) == noun.gender, noun


# --------------------------------------------------------------------------------- right in grammar
def say(pair: Pair, mark: str = ".") -> str:
    return finish(Draw(Random(0)), pair, None, mark)[1].replace(NARROW, " ").replace(NO_BREAK, " ")


def draw() -> Draw:
    return Draw(Random(0))


def person(name: str, gender: str) -> Subject:
    return Subject(name, name, 3, False, gender, False)


MARIE, PAUL = person("Marie", "f"), person("Paul", "m")
SISTERS = Subject("my sisters", "mes sœurs", 3, True, "f", True)
SIR, MADAM = (
    Subject("you", "vous", 2, True, "m", False),
    Subject("you", "vous", 2, True, "f", False),
)
THOU = Subject("you", "tu", 2, False, "f", False)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        (("hotel", "the", False, None), "l'hôtel"),
        (("hero", "the", False, None), "le héros"),
        (("boy", "this", False, None), "ce garçon"),
        (("bird", "this", False, None), "cet oiseau"),
        (("horse", "some", True, ("white", "blanc", False)), "des chevaux blancs"),
        (("newspaper", "some", True, ("old", "vieux", True)), "de vieux journaux"),
        (("apartment", "a", False, ("new", "nouveau", True)), "un nouvel appartement"),
        (("apartment", "a", False, ("beautiful", "beau", True)), "un bel appartement"),
        (("house", "a", False, ("old", "vieux", True)), "une vieille maison"),
        (("apple", "some", True, ("red", "rouge", False)), "des pommes rouges"),
        (("scarf", "a", False, ("white", "blanc", False)), "une écharpe blanche"),
        (("water", "some", False, None), "de l'eau"),
        (("bread", "some", False, None), "du pain"),
        (("jam", "some", False, None), "de la confiture"),
        (("shoe", "21", True, None), "vingt et une chaussures"),
        (("shirt", "these", True, ("brown", "marron", False)), "ces chemises marron"),
        (("onion", "lots", True, None), "beaucoup d'oignons"),
        (("bean", "lots", True, None), "beaucoup de haricots"),
    ],
)
def test_noun_phrases(
    phrase: tuple[str, str, bool, tuple[str, str, bool] | None], expected: str
) -> None:
    noun, determiner, plural, adjective = phrase
    dressed = words.Adjective(*adjective) if adjective else None
    made = thing(
        draw(), words.NOUN[noun], "this" if determiner == "these" else determiner, plural, dressed
    )
    assert french.realise(made.fr) == expected


def test_possessives_look_at_the_word_that_follows() -> None:
    scarf, old = words.NOUN["scarf"], words.Adjective("old", "vieux", True)
    assert french.realise(thing(draw(), scarf, "my", owner=I).fr) == "mon écharpe"
    assert (
        french.realise(thing(draw(), scarf, "my", adjective=old, owner=I).fr)
        == "ma vieille écharpe"
    )


def test_the_article_contracts_and_the_pronoun_does_not() -> None:
    assert french.realise("de °le train") == "du train"
    assert french.realise("à °les hôtels de °le hôtel") == "aux hôtels de l'hôtel"
    assert french.realise("jusque à °le marché") == "jusqu'au marché"
    assert french.realise("essayer de le voir") == "essayer de le voir"


def test_negation_turns_the_article_into_de() -> None:
    meat = thing(draw(), words.NOUN["meat"], "some", negated=True)
    assert (
        say(clause(draw(), HE, VERB["eat"], "present", meat.pair, negation="not"))
        == "Il ne mange pas de viande."
    )
    egg = thing(draw(), words.NOUN["egg"], "a", negated=True)
    assert (
        say(clause(draw(), I, VERB["buy"], "past", egg.pair, negation="never"))
        == "Je n'ai jamais acheté d'œuf."
    )
    assert say(clause(draw(), WE, VERB["smoke"], negation="no longer")) == "Nous ne fumons plus."


def test_participles_agree_with_the_subject_of_etre_and_the_object_before_avoir() -> None:
    d = draw()
    apples = thing(d, words.NOUN["apple"], "the", True)
    assert say(clause(d, MARIE, VERB["leave"], "past")) == "Marie est partie."
    assert say(clause(d, SISTERS, VERB["go to bed"], "past")) == "Mes sœurs se sont couchées."
    assert say(clause(d, MADAM, VERB["go out"], "past")) == "Vous êtes sortie."
    assert (
        say(clause(d, PAUL, VERB["eat"], "past", clitic=pronoun(d, apples)))
        == "Paul les a mangées."
    )
    assert say(clause(d, PAUL, VERB["see"], "past", apples.pair)) == "Paul a vu les pommes."
    denied = clause(
        d,
        I,
        VERB["open"],
        "past",
        clitic=pronoun(d, thing(d, words.NOUN["letter"], "the")),
        negation="not",
    )
    assert say(denied) == "Je ne l'ai pas ouverte."


def test_pronouns_stand_before_the_verb_that_governs_them() -> None:
    d = draw()
    letter = pronoun(d, thing(d, words.NOUN["letter"], "the"))
    assert say(clause(d, SHE, VERB["read"], "near", clitic=letter)) == "Elle va la lire."
    assert say(clause(d, I, VERB["get up"], "near")) == "Je vais me lever."
    en, fr = infinitive(d, HE, VERB["look for"], clitic=letter)
    assert (
        say(clause(d, HE, CAN, "present", (en, fr), negation="not"))
        == "Il ne peut pas la chercher."
    )
    assert (
        say(clause(d, I, VERB["give"], "past", ("a pen", "un stylo"), clitic=to_whom(SISTERS)))
        == "Je leur ai donné un stylo."
    )


def test_questions_are_est_ce_que_except_to_sir_and_madam() -> None:
    d = draw()
    assert say(clause(d, HE, VERB["smoke"], question=True), "?") == "Est-ce qu'il fume ?"
    assert (
        say(clause(d, THOU, VERB["come back"], "past", question=True), "?")
        == "Est-ce que tu es revenue ?"
    )
    assert say(
        clause(
            d, SIR, VERB["prefer"], "present", generic(d, words.NOUN["tea"]).pair, question=True
        ),
        "?",
    ) == ("Préférez-vous le thé ?")


def test_conjugation() -> None:
    forms = [
        ("manger", "present", 1, True, "mangeons"),
        ("commencer", "imperfect", 1, False, "commençais"),
        ("manger", "imperfect", 1, True, "mangions"),
        ("acheter", "present", 3, False, "achète"),
        ("acheter", "future", 1, True, "achèterons"),
        ("préférer", "future", 3, False, "préférera"),
        ("appeler", "present", 3, True, "appellent"),
        ("nettoyer", "future", 2, True, "nettoierez"),
        ("finir", "imperfect", 3, True, "finissaient"),
        ("vendre", "present", 3, False, "vend"),
        ("être", "imperfect", 1, True, "étions"),
        ("envoyer", "future", 1, False, "enverrai"),
        ("aller", "imperative", 2, False, "va"),
        ("ouvrir", "imperative", 2, False, "ouvre"),
        ("prendre", "imperative", 2, False, "prends"),
        ("regarder", "imperative", 2, True, "regardez"),
        ("boire", "imperfect", 2, True, "buviez"),
        ("peindre", "present", 3, True, "peignent"),
    ]
    for infinitive_form, tense, who, plural, expected in forms:
        assert french.conjugate(infinitive_form, tense, who, plural) == expected


def test_numbers_in_words_count_up() -> None:
    assert [french.number(n) for n in (21, 71, 80, 81, 91, 99)] == [
        "vingt et un",
        "soixante et onze",
        "quatre-vingts",
        "quatre-vingt-un",
        "quatre-vingt-onze",
        "quatre-vingt-dix-neuf",
    ]
    assert all(french.number(a) != french.number(b) for a, b in pairwise(range(100)))
    assert english.number(42) == "forty-two"


def test_countries_take_their_prepositions() -> None:
    by_name = {country[0]: country for country in words.COUNTRIES}
    said = {
        name: (country_in(by_name[name]), french.realise(country_from(by_name[name])))
        for name in by_name
    }
    assert said["France"] == ("en France", "de France")
    assert said["Japan"] == ("au Japon", "du Japon")
    assert said["Iran"] == ("en Iran", "d'Iran")
    assert said["the United States"] == ("aux États-Unis", "des États-Unis")


def test_english_forms() -> None:
    assert [english.article(w) for w in ("apple", "university", "old car", "useful book")] == [
        "an",
        "a",
        "an",
        "a",
    ]
    assert [english.comparative(a) for a in ("big", "happy", "nice", "patient", "tall")] == [
        "bigger",
        "happier",
        "nicer",
        "more patient",
        "taller",
    ]
    assert (
        english.contract_not("she does not know and cannot come")
        == "she doesn't know and can't come"
    )
