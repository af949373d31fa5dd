"""Cleaning: what is dropped and fixed, what is written, and what is refused."""

import gzip
import multiprocessing
import os
import time
import tracemalloc
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt.corpora import analysis, cleaning, temporaries
from nmt.corpora.checks import CHECKS
from nmt.corpora.cleaning import DEFAULT_DROP, DEFAULT_FIX, Output

pytest_plugins = ["fixtures.cli"]

PAIRS = [
    ("A dog runs in the park today.", "Un chien court dans le parc aujourd'hui."),
    ("", "Rien."),
    ("A dog runs in the park today.", "Un chien court dans le parc aujourd'hui."),
    ("Two  cats sleep.", "Deux chats\u00ad dorment. "),
    ("A summer.", "Un Ã©tÃ©."),
    ("A dev line.", "Une ligne."),
    ("a " * 10, "b " * 60),
    ("Lost.", "Un \ufffdt\ufffd."),
]


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("train", PAIRS)
    write("dev", [("A dev line!", "Autre chose.")])
    return tmp_path


def write(prefix, pairs):
    for side, suffix in enumerate(("en", "fr")):
        with open(f"{prefix}.{suffix}", "w", encoding="utf-8", newline="") as stream:
            stream.writelines(f"{pair[side]}\n" for pair in pairs)


def read(name):
    with open(name, encoding="utf-8", newline="") as stream:
        return stream.read().split("\n")[:-1]


def test_defaults_drop_and_fix_a_few_things_and_say_how_many(corpus, nmt_):
    pytest.importorskip("ftfy")
    code, out, err = nmt_("data", "clean", "train", "--dev", "dev", "--output", "clean")
    assert code == 0, err
    assert out.splitlines() == [
        "kept 4 of 8 pairs",
        "dropped 1: blank",
        "dropped 1: exact_duplicates",
        "dropped 1: dev_in_train",
        "dropped 1: length_ratio",
        "fixed 1: mojibake",
        "fixed 1: control_characters",
        "fixed 1: spaces",
    ]
    kept = "A dog runs in the park today.", "Two cats sleep.", "A summer.", "Lost."
    assert read("clean.en") == list(kept)
    assert read("clean.fr")[1:] == ["Deux chats dorment.", "Un été.", "Un \ufffdt\ufffd."]
    assert read("clean.dropped.tsv") == [
        "2\tblank\t\tRien.",
        "3\texact_duplicates\t" + "\t".join(PAIRS[2]),
        "6\tdev_in_train\tA dev line.\tUne ligne.",
        "7\tlength_ratio\t" + "\t".join(PAIRS[6]),
    ]


def test_the_input_is_not_touched_and_the_output_needs_no_more_cleaning(corpus, nmt_):
    before = {name: os.stat(name).st_mtime_ns for name in ("train.en", "train.fr")}
    nmt_("data", "clean", "train", "--output", "clean")
    assert before == {name: os.stat(name).st_mtime_ns for name in before}
    code, out, _ = nmt_("data", "clean", "clean", "--output", "again")
    assert code == 0 and out == "kept 5 of 5 pairs\n"
    assert read("again.fr") == read("clean.fr")


def test_what_fixing_makes_blank_held_out_or_a_copy_is_dropped(corpus, nmt_):
    write(
        "t",
        [
            ("A dog runs.", "Un chien court."),
            ("A dog\u00ad runs.", "Un chien court."),  # a copy of the first
            ("\u200b", "Rien."),
            ("A d\u00adev line.", "Une ligne."),
            ("Two cats.\u2028", "Deux chats."),
        ],
    )
    clean = ["data", "clean", "t", "--dev", "dev", "--output", "clean"]
    assert nmt_(*clean)[1].splitlines()[:4] == [
        "kept 2 of 5 pairs", "dropped 1: blank", "dropped 1: exact_duplicates",
        "dropped 1: dev_in_train",
    ]  # fmt: skip
    assert read("clean.en") == ["A dog runs.", "Two cats."]
    assert read("clean.dropped.tsv")[0].startswith("2\texact_duplicates\tA dog\u00ad runs.")


def test_a_pair_is_kept_once_although_its_first_copy_is_dropped():
    cleaner = cleaning._Cleaner({}, frozenset({"misaligned", "exact_duplicates"}), frozenset())
    reasons = [cleaner.clean(("a", "b"), found)[2] for found in (["misaligned"], [], [])]
    assert reasons == ["misaligned", None, "exact_duplicates"]


def test_findings_take_eight_bytes_each():
    num_pairs = 50_000
    check = SimpleNamespace(at=lambda pair: "", afterwards=list)
    pairs = (SimpleNamespace(number=n, source="", target="") for n in range(1, num_pairs + 1))
    tracemalloc.start()
    try:
        findings = analysis._second_pass(pairs, {"blank": check, "spaces": check})
        of_lines = cleaning._found(SimpleNamespace(findings=findings))
        assert all(next(of_lines) == ["blank", "spaces"] for _ in range(num_pairs))
        assert next(of_lines) == []
        assert tracemalloc.get_traced_memory()[1] < 2 * 5 * 8 * num_pairs
    finally:
        tracemalloc.stop()


def test_what_is_dropped_and_fixed_can_be_chosen(corpus, nmt_):
    clean = ["data", "clean", "train", "--output", "clean"]
    assert nmt_(*clean, "--drop", "blank", "--fix", "none")[1] == (
        "kept 7 of 8 pairs\ndropped 1: blank\n"
    )
    assert nmt_(*clean, "--drop", "none", "--fix", "none")[1] == "kept 8 of 8 pairs\n"
    assert read("clean.fr") == read("train.fr")
    out = nmt_(*clean, "--drop", "none", "--fix", "spaces,control_characters")[1]
    assert out == "kept 8 of 8 pairs\nfixed 1: control_characters\nfixed 2: spaces\n"


def test_what_cannot_be_fixed_is_dropped_if_both_are_asked_for(corpus, nmt_):
    pytest.importorskip("ftfy")
    out = nmt_("data", "clean", "train", "--output", "c", "--drop", "mojibake", "--fix", "mojibake")
    assert out[1] == "kept 7 of 8 pairs\ndropped 1: mojibake\nfixed 1: mojibake\n"
    assert "Un été." in read("c.fr") and "Lost." not in read("c.en")


def test_swapped_pairs_can_be_exchanged(corpus, nmt_):
    from corpora.test_checks import clean_pairs

    pairs = clean_pairs()
    write("swapped", [*pairs[:5], pairs[5][::-1], *pairs[6:]])
    code, out, err = nmt_("data", "clean", "swapped", "--output", "clean", "--fix", "swapped")
    assert code == 0 and "fixed 1: swapped" in out, err
    assert read("clean.en")[5] == pairs[5][0]


@pytest.mark.parametrize("spec", ["train.en.gz,train.fr.gz", "train.tsv", "train.tsv.gz"])
def test_other_formats_are_read(corpus, nmt_, spec):
    rows = [f"{source}\t{target}" for source, target in PAIRS]
    files = {
        "train.en.gz": read("train.en"), "train.fr.gz": read("train.fr"),
        "train.tsv": rows, "train.tsv.gz": rows,
    }  # fmt: skip
    for name in spec.split(","):
        text = "".join(f"{line}\n" for line in files[name]).encode()
        with open(name, "wb") as stream:
            stream.write(gzip.compress(text) if name.endswith(".gz") else text)
    code, out, err = nmt_("data", "clean", spec, "--output", "out.tsv.gz", "--drop", "blank")
    assert code == 0 and out.startswith("kept 7 of 8 pairs"), err
    with gzip.open("out.tsv.gz", "rt", encoding="utf-8") as stream:
        assert stream.readline() == "\t".join(PAIRS[0]) + "\n"
    assert read("out.dropped.tsv") == ["2\tblank\t\tRien."]


@pytest.mark.parametrize("output", ["train", "./train", "../{folder}/train", "link", "dev"])
def test_the_output_may_not_be_the_input(corpus, nmt_, output):
    os.symlink("train.en", "link.en")
    output = output.format(folder=corpus.name)
    code, _, err = nmt_("data", "clean", "train", "--dev", "dev", "--output", output)
    assert code == 1 and "would be overwritten" in err
    assert read("train.en") == [source for source, _ in PAIRS]


def test_mistakes_are_said_before_the_text_is_read(corpus, nmt_, monkeypatch):
    def clean(*arguments):
        code, out, err = nmt_("data", "clean", "train", "--output", "clean", *arguments)
        assert code == 1 and not out and not list(corpus.glob("clean*"))
        return err

    assert "--drop: expected blank, " in clean("--drop", "blanks")
    assert "--fix: expected swapped, mojibake" in clean("--fix", "blank")
    assert "--drop test_in_train: cannot be checked: give --test" in clean(
        "--drop", "test_in_train"
    )
    assert "the folder no does not exist" in clean("--output", "no/clean")
    monkeypatch.setattr(cleaning, "analyse", lambda *_: pytest.fail("read"))
    for name in ("out.en", "out.fr", "out.dropped.tsv"):
        (corpus / name).mkdir()
        message = f"{name}: expected a file to write to. Received: a folder"
        assert message in clean("--output", "out")
        (corpus / name).rmdir()
    from nmt.corpora import duplicates

    monkeypatch.setattr(duplicates, "can_compare", lambda: False)
    assert "needs rensa: pip install" in clean("--drop", "near_duplicates")


def test_a_text_that_breaks_off_leaves_no_output(corpus, nmt_):
    with open("train.fr", "ab") as stream:
        stream.write(b"\xff\n")
    code, _, err = nmt_("data", "clean", "train", "--output", "clean")
    assert code == 1 and "expected UTF-8" in err
    assert not list(corpus.glob("clean*")) and not list(corpus.glob(".*tmp"))


@pytest.mark.parametrize("output", ["", "folder/", "folder/.", "..", "folder/.tsv", ".tsv.gz"])
def test_an_output_without_a_file_name_is_refused(corpus, nmt_, output):
    (corpus / "folder").mkdir()
    before = sorted(corpus.rglob("*"))
    code, _, err = nmt_("data", "clean", "train", "--output", output)
    assert code == 1 and "--output: expected a prefix that ends in the beginning of a" in err
    assert f"Received: {output!r}" in err and sorted(corpus.rglob("*")) == before


def test_what_killed_processes_have_left_is_removed_unless_others_write(corpus, nmt_):
    names = ["clean.en", "clean.fr", "clean.dropped.tsv"]
    left_over = [corpus / f".{name}.0123456789ab.tmp" for name in names]
    others = [corpus / ".other.en.0123456789ab.tmp", corpus / ".clean.en.mine.tmp"]
    for path in (*left_over, *others):
        path.touch()
    clean = ["data", "clean", "train", "--output", "clean"]
    with temporaries.without_left_overs([corpus / "else"]):  # another process in the folder
        assert nmt_(*clean)[0] == 0
        assert all(path.exists() for path in left_over)
    assert nmt_(*clean)[0] == 0
    assert not any(path.exists() for path in left_over) and all(p.exists() for p in others)


def test_a_process_that_was_killed_leaves_nothing_to_the_next(corpus, nmt_):
    def write_and_wait(started):
        with cleaning._writer(Output.from_prefix("clean", ("en", "fr"))):
            started.set()
            time.sleep(60)

    context = multiprocessing.get_context("fork")
    started = context.Event()
    process = context.Process(target=write_and_wait, args=(started,))
    process.start()
    assert started.wait(30)
    clean = ["data", "clean", "train", "--output", "clean"]
    assert nmt_(*clean)[0] == 0 and len(list(corpus.glob(".clean*.tmp"))) == 3
    process.kill()
    process.join()
    assert nmt_(*clean)[0] == 0 and not list(corpus.glob(".*"))


def decoded_wrongly(text):
    """As by a program that reads UTF-8 as Windows-1252."""
    return "".join(
        bytes([byte]).decode("cp1252", "replace").replace("\ufffd", chr(byte))
        for byte in text.encode()
    )


HIDDEN = "\ufeff\u200b\u2028\u00ad\u0085\u2060\u034f\u3164\ufe0f\t\u200d\ue000\u200e"
PIECES = [*HIDDEN, *" \u00a0\u202f", "é", "été", "l’été", "👩", "mot", "«", "!", "à", "“ok”"]


@given(
    st.lists(
        st.tuples(st.sampled_from(PIECES), st.integers(0, 2)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["mojibake,control_characters,spaces", "mojibake,mixed_typography", None]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_cleaning_what_was_cleaned_changes_nothing(tmp_path_factory, pieces, fix):
    pytest.importorskip("ftfy")
    from nmt.corpora.checks import Task
    from nmt.text.lines import ParallelFiles

    faulty = ""
    for piece, times in pieces:
        for _ in range(times):
            piece = decoded_wrongly(piece)
        faulty += piece
    folder = tmp_path_factory.mktemp("clean")
    pairs = [*PAIRS[:1], (f"A {faulty} dog.", f"{faulty}Un chien{faulty}"), ("Two.", "Deux !")]
    write(folder / "t0", pairs)
    rules = cleaning.Rules((), None if fix is None else fix.split(","))
    for number in (0, 1):
        files = ParallelFiles(folder / f"t{number}.en", folder / f"t{number}.fr")
        output = Output.from_prefix(str(folder / f"t{number + 1}"), ("en", "fr"))
        cleaned = cleaning.clean(files, Task(("en", "fr")), output, rules)
    assert not cleaned.fixed
    for suffix in ("en", "fr"):
        assert read(folder / f"t1.{suffix}") == read(folder / f"t2.{suffix}")


@pytest.mark.parametrize("hidden", ["\ufeff", "\u200b", "\u2028", "\u00ad"])
def test_what_repairing_letters_brings_to_light_is_removed(corpus, nmt_, hidden):
    pytest.importorskip("ftfy")
    write("t", [*PAIRS[:1], ("A summer.", decoded_wrongly(f"{hidden}Un été{hidden}"))])
    code, out, err = nmt_("data", "clean", "t", "--output", "clean")
    assert code == 0 and "fixed 1: mojibake" in out, err
    assert read("clean.fr")[1] == "Un été"


def test_a_fixed_pair_is_dropped_for_what_fixing_shows(corpus, nmt_):
    pytest.importorskip("ftfy")
    sides = "L'Ã©tÃ© est une saison.", "L'été est une saison."
    write("t", [*PAIRS[:1], sides])
    assert "dropped 1: untranslated" in nmt_("data", "clean", "t", "--output", "clean")[1]


def test_the_defaults_are_few():
    assert DEFAULT_FIX == ("mojibake", "control_characters", "spaces")
    left_alone = set(CHECKS) - set(DEFAULT_DROP) - set(DEFAULT_FIX)
    assert left_alone == {
        "near_duplicates", "half_translated", "mixed_typography", "long_lines", "outliers"
    }  # fmt: skip
