"""The text of recipe `general`: what is held out, dropped, set aside and written."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import general_corpus  # noqa: E402
from general_corpus import (  # noqa: E402
    DEV_MIXTURE,
    EVALUATION,
    GROUPS,
    MARKED,
    QUOTED,
    ROOT,
    WRITTEN,
    NearCopies,
    _quotas,
    marked,
    quotations,
    read_ordinary,
    read_phrases,
    why_not,
    words_of,
)

from nmt.config.loader import load_config  # noqa: E402
from nmt.errors import UserError  # noqa: E402
from nmt.text.lines import read_parallel, resolve_parallel  # noqa: E402

SIDES = ("en", "fr")
TRAINING = [
    name
    for names in GROUPS.values()
    for name in names
    if not name.startswith((f"{WRITTEN}/", f"{QUOTED}/", f"{MARKED}/"))
]


def write_pairs(prefix: Path, pairs: list[tuple[str, str]]) -> None:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    for side, suffix in enumerate(SIDES):
        text = "".join(f"{pair[side]}\n" for pair in pairs)
        Path(f"{prefix}.{suffix}").write_text(text, "utf-8")


def read_pairs(prefix: Path) -> list[tuple[str, str]]:
    sides = [Path(f"{prefix}.{suffix}").read_text("utf-8").split("\n")[:-1] for suffix in SIDES]
    return list(zip(*sides, strict=True))


def numbered(name: str, count: int) -> list[tuple[str, str]]:
    """Pairs that no other file has."""
    name = name.replace("/", "").replace("_", "")
    return [(f"The {name} cat eats {i}.", f"Le chat {name} mange {i}.") for i in range(count)]


@pytest.fixture
def folders(tmp_path):
    """A tiny DATA_DIR, the folder of the embedded corpus, an OUTPUT_DIR and what is
    written."""
    data, everyday, written = (tmp_path / name for name in ("data", "everyday", "written"))
    for name in TRAINING + EVALUATION:
        write_pairs(prefix(data, everyday, name), numbered(name, 6))
    (written / "sentences").mkdir(parents=True)
    counts = {"first_phrases_en": 6, "first_phrases_fr": 6, "phrases": 6}
    counts |= {"sentences/home": 3, "sentences/work": 3}
    for name, count in counts.items():
        table = "".join(f"{en}\t{fr}\n" for en, fr in numbered(name, count))
        (written / f"{name}.tsv").write_text(table, "utf-8")
    return data, everyday, tmp_path / "output", written


def prefix(data: Path, everyday: Path, name: str) -> Path:
    return everyday / name.split("/")[1] if name.startswith("everyday/") else data / name


def add(folders, name: str, *pairs: tuple[str, str]) -> None:
    data, everyday, *_ = folders
    path = prefix(data, everyday, name)
    write_pairs(path, read_pairs(path) + list(pairs))


def counts_of(folders, group: str, name: str) -> dict:
    report = json.loads((folders[2] / "corpora.json").read_text("utf-8"))
    return report["groups"][group]["files"][name]


def test_each_group_is_written_with_its_counts(folders):
    assert general_corpus.prepare(*folders)
    output = folders[2]
    report = json.loads((output / "corpora.json").read_text("utf-8"))
    assert set(report["groups"]) == set(GROUPS)
    set_aside = report["general_dev"]
    for group, names in GROUPS.items():
        pairs = read_pairs(output / group)
        assert len(pairs) == report["groups"][group]["pairs"]
        for name in names:
            if group == "marked":  # a share of other texts
                continue
            dev = set_aside.get(name, 0)
            assert counts_of(folders, group, name) == {
                "in": 6,
                "out": 6 - dev,
                "dropped": {"evaluation": dev} if dev else {},
            }
        english_words = sum(len(english.split()) for english, _ in pairs)
        assert report["groups"][group]["words"]["en"] == english_words
    assert not (output / "multi30k.en").exists()


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (("Where is the train station?", "Elle est loin."), "held_out"),  # a source
        (("Anything at all.", "Où se trouve la gare ?"), "held_out"),  # an accepted translation
        (("WHERE is the train-station", "Elle est loin."), "held_out"),  # equal but for its looks
        (("So where is the train station?", "Elle est loin."), "held_out"),  # a near copy
        (("Something else.", "Pourriez-vous m'aider à porter cette caisse ?"), "held_out"),
        (("Where is the dog?", "Où est le chien ?"), None),
        (("The tatoebadev cat eats 3!", "Il mange."), "evaluation"),
        (("It eats.", "« Le chat multi30kval mange 3 »"), "evaluation"),
        (("The everydaytestrecombined cat eats 3.", "Il mange."), "evaluation"),
        (("", "Rien."), "blank"),
        (("...", "Rien."), "blank"),
        (("yes " * 101, "oui " * 101), "long"),
        (("A very long English sentence about nothing.", "Court."), "ratio"),
        (("Do nothing here now", "Do nothing here now"), "untranslated"),
        (("Barack Obama 2012", "Barack Obama 2012"), None),
        (("The dog and the cat of the man", "The cats and the dog of that man"), "language"),
        (("Le chien de la voisine est dans la rue", "Un chien est dans la rue."), "language"),
        (("A Russian text", "Это русский текст"), "language"),
    ],
)
def test_what_must_not_be_trained_on_is_dropped_with_its_reason(folders, pair, reason):
    add(folders, "tatoeba/train", pair)
    general_corpus.prepare(*folders)
    counts = counts_of(folders, "tatoeba", "tatoeba/train")
    assert counts["dropped"] == ({reason: 1} if reason else {})
    assert (pair in read_pairs(folders[2] / "tatoeba")) == (reason is None)


def test_the_everyday_corpus_is_filtered_too(folders):
    add(folders, "everyday/train", ("I love you.", "Je t'aime."), ("I love it.", "Je l'aime."))
    general_corpus.prepare(*folders)
    assert counts_of(folders, "everyday", "everyday/train")["dropped"] == {"held_out": 1}
    assert ("I love it.", "Je l'aime.") in read_pairs(folders[2] / "everyday")


def test_a_pair_is_kept_once_whatever_its_typography(folders):
    add(
        folders,
        "tatoeba/train",
        ("It's you?", "C'est toi ?"),
        ("It’s you?", "C’est toi\u202f?"),
        ("It's you?", "C'est vous ?"),
    )
    add(folders, "europarl/train", ("It's you?", "C'est toi\u00a0?"))
    general_corpus.prepare(*folders)
    assert counts_of(folders, "tatoeba", "tatoeba/train")["dropped"] == {"duplicate": 1}
    assert counts_of(folders, "europarl", "europarl/train")["dropped"] == {"duplicate": 1}


def test_loosely_paired_files_are_checked_more_strictly():
    for pair in (
        ("is hungry", "Mon enfant a vraiment faim"),
        ("Where can I buy____?", "Où puis-je acheter ?"),
        ("Come at 3 o'clock.", "Venez à 4 heures."),
        ("Are you hungry?", "Vous avez faim."),
    ):
        words = (words_of(pair[0]), words_of(pair[1]))
        assert why_not(pair, words, loosely_paired=True) == "misaligned"
        assert why_not(pair, words, loosely_paired=False) is None


def test_dev_pairs_of_general_leave_the_training_text(folders):
    add(folders, "general/php_docs", *numbered("manual", 400))
    general_corpus.prepare(*folders)
    output = folders[2]
    report = json.loads((output / "corpora.json").read_text("utf-8"))
    general = [name for name in TRAINING if name.startswith("general/")]
    assert set(report["general_dev"]) == set(general)
    assert report["general_dev"]["general/php_docs"] == general_corpus.GENERAL_DEV_PER_FILE
    dev = read_pairs(output / "general_dev")
    assert len(dev) == sum(report["general_dev"].values()) == len(set(dev))
    trained = {pair for group in GROUPS for pair in read_pairs(output / group)}
    assert not trained & set(dev)
    assert {pair for name in general for pair in numbered(name, 6)} <= trained | set(dev)


def test_parts_of_a_total_are_in_proportion_up_to_a_limit():
    assert _quotas({"a": 1000, "b": 500, "c": 500}, 200, 100) == {"a": 100, "b": 50, "c": 50}
    assert _quotas({"a": 9000, "b": 500, "c": 500}, 200, 100) == {"a": 100, "b": 50, "c": 50}
    assert _quotas({"a": 4, "b": 1}, 200, 100) == {"a": 2, "b": 0}


def test_dev_mixes_its_sets_with_distinct_english_sentences(folders):
    again = ("The tatoebadev cat eats 1.", "Le chat de tatoeba mange 1.")
    add(folders, "tatoeba/dev", again, *numbered("more", 800))
    general_corpus.prepare(*folders)
    dev = read_pairs(folders[2] / "dev")
    report = json.loads((folders[2] / "corpora.json").read_text("utf-8"))
    assert report["dev"]["tatoeba/dev"] == DEV_MIXTURE["tatoeba/dev"]
    assert report["dev"]["everyday/dev"] == 6
    assert len(dev) == sum(report["dev"].values())
    assert max(Counter(english for english, _ in dev).values()) == 1
    assert again not in dev


def test_some_sentences_are_set_aside_and_more_sentences_do_not_change_them(folders):
    output, written = folders[2:]
    table = written / "sentences" / "home.tsv"

    def prepared(count):
        lines = [f"{en}\t{fr}\n" for en, fr in numbered("home", count)]
        table.write_text("".join(lines), "utf-8")
        assert general_corpus.prepare(*folders)
        return read_pairs(output / "sentences_dev"), read_pairs(output / "sentences")

    some, _ = prepared(300)
    more, training = prepared(900)
    assert 0 < len(some) < len(more) < 40 and set(some) < set(more)
    assert len(training) == 903 - len(more) and not set(more) & set(training)
    assert set(more) <= set(read_pairs(output / "dev"))


def test_the_same_command_changes_nothing_and_another_process_writes_the_same(folders, tmp_path):
    data, everyday, output, written = folders
    assert general_corpus.prepare(*folders)
    state = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in output.iterdir()}
    assert not general_corpus.prepare(*folders)
    assert state == {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in output.iterdir()
    }
    script = [sys.executable, str(SCRIPTS / "general_corpus.py"), str(data)]
    process = subprocess.run(
        [*script, str(tmp_path / "other"), "--everyday", str(everyday), "--written", str(written)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "europarl        6 of       6 pairs" in process.stdout
    assert "sentences       6 of       6 pairs" in process.stdout
    for path in (tmp_path / "other").iterdir():
        assert path.read_bytes() == state[path.name][0], path.name


def test_other_input_or_a_damaged_output_is_prepared_again(folders):
    general_corpus.prepare(*folders)
    damaged = folders[2] / "law.fr"
    before = damaged.read_bytes()
    damaged.write_bytes(before[:-5])
    assert general_corpus.prepare(*folders) and damaged.read_bytes() == before
    add(folders, "general/canada_laws", ("A new law.", "Une nouvelle loi."))
    assert general_corpus.prepare(*folders)
    assert ("A new law.", "Une nouvelle loi.") in read_pairs(folders[2] / "law")


def test_phrases_have_a_pair_for_each_choice(tmp_path):
    table = tmp_path / "phrases.tsv"
    table.write_text(
        "Hi.\tSalut.\nA {small|big} {cat|dog}!\tUn {petit|gros} {chat|chien} !\n", "utf-8"
    )
    assert list(read_phrases(table)) == [
        ("Hi.", "Salut."),
        ("A small cat!", "Un petit chat !"),
        ("A small dog!", "Un petit chien !"),
        ("A big cat!", "Un gros chat !"),
        ("A big dog!", "Un gros chien !"),
    ]
    table.write_text("Hi.\tSalut.\nA {red|blue} cat!\tUn chat rouge !\n", "utf-8")
    with pytest.raises(UserError, match="line 2: expected as many choices on both sides"):
        list(read_phrases(table))


@pytest.mark.parametrize(
    ("pair", "quotation"),
    [
        (("Thank you.", "Merci."), ('"Thank you," she said.', "« Merci », dit-elle.")),
        (("Hello", "Bonjour"), ('She said, "Hello."', "Elle a dit : « Bonjour. »")),
        (("Stop!", "Arrêtez !"), ('"Stop!" he cried.', "« Arrêtez ! » cria-t-il.")),
        (("Stop!", "Arrêtez !"), ('"Stop," he said.', "« Arrêtez », dit-il.")),
        (("Why?", "Pourquoi ?"), ('"Why?" she asked.', "« Pourquoi ? » demanda-t-elle.")),
    ],
)
def test_a_short_phrase_is_quoted_in_each_sentence_for_its_mark(pair, quotation):
    found = quotations(pair)
    assert quotation in found and len(set(found)) == len(found) > 4


def test_a_longer_phrase_is_quoted_once_and_others_never():
    pair = ("I do not know.", "Je ne sais pas.")
    assert len(quotations(pair)) == 1 and quotations(pair) == quotations(pair)
    (quoted,) = quotations(pair)
    assert "I do not know" in quoted[0] and "Je ne sais pas" in quoted[1]
    for other in (
        ("Why?", "Pourquoi."),
        ('He said "no".', "Il a dit « non »."),
        ("one two three four five six seven eight nine.", "un deux trois."),
        ("Wait...", "Attends…"),
    ):
        assert quotations(other) == []


LEXICON = {"house": "maison", "red": "rouge", "the": "la", "we": "nous"}


def test_a_word_and_its_translation_are_put_between_marks():
    pair = ("This house is new.", "Cette maison est neuve.")
    (found,) = marked(pair, LEXICON)
    english, french = (re.fullmatch(r"(.*?)([\"'(])(\w+)([\"')])(.*)", side) for side in found)
    assert english.groups() == ("This ", english[2], "house", english[4], " is new.")
    assert french.groups() == ("Cette ", english[2], "maison", english[4], " est neuve.")
    assert english[2] + english[4] in ('""', "()", "''")
    assert marked(pair, LEXICON) == [found]


@pytest.mark.parametrize(
    "pair",
    [
        ("The car is new.", "La voiture est neuve."),  # no word of the lexicon
        ("Her house and our house.", "Sa maison et notre maison."),  # twice
        ("A house-boat.", "Une maison flottante."),
        ('The "red" house.', "La maison « rouge »."),
        ("The house (old).", "La maison (vieille)."),
    ],
)
def test_without_a_word_that_stands_alone_no_mark_is_put(pair):
    assert marked(pair, {"house": "maison"}) == []


def test_what_is_held_out_is_not_marked(folders):
    english = [f"The house number {i} is red." for i in range(300)]
    add(
        folders,
        "tatoeba/train",
        *((line, f"La maison {i} est rouge.") for i, line in enumerate(english)),
    )
    add(folders, "tatoeba/dev", *((line, "Sa maison.") for line in english[1::2]))
    table = "".join(f"The house is {i}.\tLa maison est {i}.\n" for i in range(9))
    (folders[3] / "sentences" / "houses.tsv").write_text(table, "utf-8")
    general_corpus.prepare(*folders)
    numbers = [int(re.search(r"\d+", en)[0]) for en, _ in read_pairs(folders[2] / "marked")]
    assert len(numbers) > 5 and not any(number % 2 for number in numbers if number > 9)


def test_what_is_held_out_is_not_quoted(folders):
    with (folders[3] / "phrases.tsv").open("a", encoding="utf-8") as table:
        table.write("Where is the train station?\tElle est loin ?\n")
        table.write("Where is the dog?\tOù est le chien ?\n")
    general_corpus.prepare(*folders)
    text = "\n".join(en for en, _ in read_pairs(folders[2] / "quotations"))
    assert "Where is the dog" in text and "train station" not in text


@pytest.mark.parametrize(
    "table", sorted((SCRIPTS.parent / "data").rglob("*.tsv")), ids=lambda path: path.stem
)
def test_the_tables_that_are_kept_are_distinct_and_well_formed(table):
    pairs = list(read_phrases(table))
    assert len(pairs) > 100 and len(set(pairs)) == len(pairs)
    for pair in pairs:
        words = (words_of(pair[0]), words_of(pair[1]))
        assert why_not(pair, words, loosely_paired=False) in (None, "ratio"), pair
        assert not set("{}|\t’\u00a0\u202f") & set("".join(pair)) and "  " not in "".join(pair), (
            pair
        )


def test_the_sentences_of_the_package_are_of_this_project_and_none_is_held_out():
    """What installed models are fine-tuned on beside a text."""
    pairs = list(read_parallel(resolve_parallel("everyday/sentences", "en", "fr")))
    written = {
        pair
        for table in sorted((ROOT / "data" / "sentences").glob("*.tsv"))
        for pair in read_phrases(table)
    }
    assert len(set(pairs)) == len(pairs) > 9000 and written.issuperset(pairs)
    for side, name in enumerate((("en", "fr"), ("fr", "en"))):
        copies = NearCopies([sentence.source for sentence in read_ordinary(*name)], Counter())
        assert not [pair for pair in pairs if words_of(pair[side]) in copies]


def test_a_file_without_a_group_is_an_error(folders):
    write_pairs(folders[0] / "general" / "novels", numbered("novels", 1))
    with pytest.raises(UserError, match="general/novels: belongs to no group"):
        general_corpus.prepare(*folders)


def test_a_near_copy_shares_four_fifths_of_its_words_in_any_or_in_the_same_order():
    copies = NearCopies(["We met the old man here."], Counter())
    assert words_of("Wé met the OLD man, here!") in copies
    assert words_of("here we met the old man") in copies  # the same bag
    assert words_of("we met the old man") in copies
    assert words_of("we met the old woman here") in copies  # one of six exchanged
    assert words_of("we met the nice woman here") not in copies
    assert words_of("we met") not in copies
    assert words_of("we met the old man here and the dog") not in copies
    short = NearCopies(["I love you."], Counter())
    assert words_of("i love you") in short and words_of("i love you too") not in short


def test_near_copies_are_those_of_a_search_without_an_index():
    sentences = ["a b c d e", "b c d e f g", "a a b b c c d d e e", "f g h i", "a b a b a b"]
    copies = NearCopies(sentences, Counter("abacabad"))
    letters, seed = "abcdefghi", 1
    found = 0
    for _ in range(3000):
        seed = seed * 1103515245 + 12345 & 0x7FFFFFFF
        length = 3 + seed // 7 % 9
        words = [letters[(seed >> shift) % 9] for shift in range(4, 4 + 2 * length, 2)]
        expected = any(general_corpus._resemble(words, other.split()) for other in sentences)
        found += expected
        assert (words in copies) == expected, words
    for base in sentences:  # one edit from each
        words = base.split()
        for i in range(len(words)):
            changed = [*words[:i], "z", *words[i + 1 :]]
            expected = any(general_corpus._resemble(changed, s.split()) for s in sentences)
            assert (changed in copies) == expected, changed
            found += expected
    assert found


def test_a_first_phrase_of_one_direction_is_dropped_from_no_other_text(folders):
    *_, output, written = folders
    for name in ("first_phrases_en", "first_phrases_fr", "phrases"):
        with (written / f"{name}.tsv").open("a", encoding="utf-8") as table:
            table.write("Merry Christmas!\tJoyeux Noël !\n" * 2)
    assert general_corpus.prepare(*folders)
    for name in ("first_phrases_en", "first_phrases_fr", "phrases"):
        assert read_pairs(output / name).count(("Merry Christmas!", "Joyeux Noël !")) == 1, name
        assert counts_of(folders, name, f"written/{name}")["dropped"] == {"duplicate": 1}


def test_every_written_row_has_english_first():
    """By words that only one of the languages has and, as phrases are short, by whole texts: none
    stands on both sides."""
    french = re.compile(r"\b(le|la|les|des|une|est|dans|pour|que|qui|avec|vous|nous|je)\b", re.I)
    english = re.compile(r"\b(the|of|is|are|was|with|you|and|to|my|that|have|it)\b", re.I)
    data = ROOT / "data"
    tables = [*data.glob("*phrases*.tsv"), *data.glob("sentences/*.tsv")]
    assert len(tables) > 40
    sides: list[set[str]] = [set(), set()]
    for table in tables:
        for row in table.read_text("utf-8").splitlines():
            pair = row.split("\t")
            ours, theirs = (len(english.findall(t)) - len(french.findall(t)) for t in pair)
            assert ours >= -1 and theirs <= 1, (table.name, row)
            if table.parent == data:
                for side, text in zip(sides, pair, strict=True):
                    side.add(text)
    assert sides[0] & sides[1] <= {"Impossible."}


def test_the_script_that_trains_gives_each_group_a_weight_and_the_recipe_exists():
    script = (SCRIPTS / "train_general.sh").read_text("utf-8")
    for name in ("weights", "last"):
        first, rest = re.findall(rf'^{name}=(?:"(.*)"|.*:-\${name} (.*)}})$', script, re.MULTILINE)
        for source, target in (SIDES, SIDES[::-1]):
            items = f"{first[0]} {rest[1]}".replace("$source", source).split()
            weights = dict(item.split("=") for item in items)
            assert set(weights) == set(GROUPS) - {f"first_phrases_{target}"}
            assert all(0 < float(weight) <= 6 for weight in weights.values())
    assert load_config("general").data.typography.apostrophe == "straight"
