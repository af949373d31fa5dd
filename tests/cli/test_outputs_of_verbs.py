"""What the command line gives out beside plain translations: JSON, scores, alignments, an answer at
a time."""

import argparse
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from fixtures.run import assert_error, expected_texts, toy_pairs, trained_translator

from nmt.cli.shared import SearchOptions
from nmt.cli.translate import _answers, _LineOptions
from nmt.errors import LineError
from nmt.evaluation.word_alignment import Alignment
from nmt.inference.outputs import Candidate, ScoredTarget, Translation, as_json, as_n_best
from nmt.text.lines import write_lines

pytest_plugins = ["fixtures.cli"]
pytestmark = pytest.mark.usefixtures("one_model")

PAIRS = toy_pairs(8, seed=11)
LINES = [source for source, _ in PAIRS]
STDIN = "\n".join([LINES[0], "", LINES[1]]).encode()


def lines_of(form, **options):
    translations = trained_translator().translate(STDIN.decode().split("\n"), **options)
    return [
        line for index, translation in enumerate(translations) for line in form(index, translation)
    ]


@pytest.fixture
def pair(tmp_path):
    for name, side in (("source", 0), ("target", 1)):
        write_lines(tmp_path / name, [pair[side] for pair in PAIRS] + [""])
    return ["--source", tmp_path / "source", "--target", tmp_path / "target"]


@pytest.fixture
def nothing_loads(monkeypatch):
    monkeypatch.setattr("nmt.cli.shared.load", lambda options: pytest.fail("loaded"))


# ---------------------------------------------------------------------------------------- translate


def test_json_is_an_object_a_line(run, nmt_):
    code, out, err = nmt_("translate", run, "--json", "--n-best", 2, stdin=STDIN)
    assert (code, err) == (0, "") and out.splitlines() == lines_of(as_json, n_best=2)


def test_alignments_are_a_field_more(run, nmt_, monkeypatch):
    monkeypatch.setattr("nmt.cli.translate.LINES_AT_ONCE", 2)
    code, out, _ = nmt_("translate", run, "--alignments", "--n-best", 2, stdin=STDIN)
    assert code == 0 and out.splitlines() == lines_of(as_n_best, n_best=2, alignments=True)
    code, out, _ = nmt_("translate", run, "--alignments", stdin=STDIN)
    assert [line.split(" ||| ")[0] for line in out.split("\n")[:-1]] == expected_texts(
        STDIN.decode().split("\n")
    )
    assert re.fullmatch(r".* \|\|\| 0-0( \d-\d)*", out.split("\n")[2])


def test_sentences_may_be_translated_one_by_one(run, nmt_):
    paragraphs = ["Cat dog.  Tree river?", "", "Milk."]
    code, out, _ = nmt_("translate", run, "--split-sentences", stdin="\n".join(paragraphs).encode())
    one, two, three = expected_texts(["Cat dog.", "Tree river?", "Milk."])
    assert (code, out) == (0, f"{one}  {two}\n\n{three}\n")


class Countdown:
    """A translator that notes how many lines have been read when it is asked."""

    def __init__(self):
        self.read, self.seen = 0, []

    def lines(self):
        while True:
            self.read += 1
            yield f"line {self.read}"

    def translate(self, lines, **options):
        self.seen.append((self.read, len(lines)))
        return [Translation(line, (Candidate(line.upper(), 0.0, 0.0, False),)) for line in lines]


@pytest.mark.parametrize("unbuffered, window", [(False, 2048), (True, 1)])
def test_no_more_is_read_of_an_endless_input_than_one_window(unbuffered, window):
    fake = Countdown()
    options = _LineOptions(SearchOptions({}), **({"lines_at_once": 1} if unbuffered else {}))
    answers = _answers(fake, fake.lines(), options, argparse.Namespace(update=None))
    for number in range(3):
        answer = next(answers)
        assert answer[0] == f"LINE {number * window + 1}" and len(answer) == window
        assert fake.seen[-1] == (fake.read, window) and fake.read == (number + 1) * window


def test_unbuffered_answers_each_line_before_the_next_is_written(run):
    """Through a pipe, as another program would: it would wait for ever otherwise."""
    command = [
        sys.executable,
        "-m",
        "nmt",
        "translate",
        run,
        "--unbuffered",
        "--n-best",
        "2",
        "--engine",
        "keras",
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        answers = []
        for line in (LINES[0], "", LINES[1]):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            answers += [process.stdout.readline().decode() for _ in range(2 if line else 1)]
        process.stdin.close()
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    assert [answer.rstrip("\n") for answer in answers] == lines_of(as_n_best, n_best=2)
    assert process.returncode == 0


def test_an_unbuffered_file_is_refused(run, nmt_, nothing_loads, tmp_path):
    result = nmt_("translate", run, "--unbuffered", "--output", tmp_path / "out", stdin=b"cat.\n")
    assert_error(result, "--unbuffered answers on standard output.*Drop one")


# -------------------------------------------------------------------------------------------- score


def test_score_writes_a_log_probability_a_line_and_the_perplexity_beside(
    run, nmt_, pair, monkeypatch
):
    monkeypatch.setattr("nmt.cli.align.LINES_AT_ONCE", 3)
    expected = trained_translator().score([*LINES, ""], [*(target for _, target in PAIRS), ""])
    code, out, err = nmt_("score", run, *pair)
    assert code == 0 and out.split("\n")[:-1] == [f"{scored.log_prob:.4f}" for scored in expected]
    tokens = sum(len(scored.tokens) for scored in expected)
    perplexity = np.exp(-sum(scored.log_prob for scored in expected) / tokens)
    assert err == f"perplexity = {perplexity:.2f}  {tokens} tokens, 9 lines\n"


@pytest.mark.parametrize("verb", ["score", "align"])
def test_a_line_that_fails_has_its_number_in_the_text(verb, nmt_, pair, monkeypatch):
    class FailsInTheSecondWindow:
        answers = iter([[ScoredTarget("", 0.0, (), ())] * 3])
        alignments = iter([[Alignment([], [], np.zeros((0, 0)), [], [])] * 3])

        def check_options(self, **options):
            pass

        def score(self, *sides, batch_size):
            return self.answer(self.answers)

        def align_lines(self, *sides, lag, batch_size, progress):
            return self.answer(self.alignments)

        def answer(self, windows):
            if (window := next(windows, None)) is None:
                raise LineError(1, "too long.")
            return window

    monkeypatch.setattr("nmt.cli.align.LINES_AT_ONCE", 3)
    monkeypatch.setattr("nmt.cli.shared.load", lambda options: FailsInTheSecondWindow())
    code, _, err = nmt_(verb, "run", *pair)
    assert code == 1 and "nmt: error: line 5: too long." in err


def test_score_has_the_tokens_as_json(run, nmt_, pair):
    code, out, _ = nmt_("score", run, *pair, "--json", "--batch-size", 2)
    objects = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [fields["id"] for fields in objects] == list(range(9))
    for fields, (_, target) in zip(objects, PAIRS, strict=False):
        assert fields["text"] == target and fields["tokens"][-1] == "</s>"
        assert sum(fields["token_log_probs"]) == pytest.approx(fields["log_prob"], abs=1e-4)
    assert objects[8] == {"id": 8, "text": "", "log_prob": 0.0, "tokens": [], "token_log_probs": []}


@pytest.mark.parametrize("verb", ["score", "align"])
def test_pairs_that_are_none_are_refused_before_anything_loads(
    verb, run, nmt_, pair, tmp_path, nothing_loads
):
    write_lines(tmp_path / "short", ["chat."])
    short = ["--source", tmp_path / "source", "--target", tmp_path / "short"]
    assert_error(
        nmt_(verb, run, *short), r"equally many lines\. Received: 9 in .*source, 1 in .*short"
    )
    assert_error(nmt_(verb, run, *pair[:3], tmp_path / "missing"), "missing: no such file")
    assert_error(
        nmt_(verb, run, *pair[:3], "/dev/null"),
        "/dev/null: expected a file, which can be read twice",
    )
    assert_error(
        nmt_(verb, run, *pair[:3], "-"),
        "-: expected a file, which can be read twice. Received: standard input",
    )


# -------------------------------------------------------------------------------------------- align


def alignments():
    return trained_translator().align_lines([*LINES, ""], [*(target for _, target in PAIRS), ""])


def test_align_writes_links_a_line(run, nmt_, pair, monkeypatch):
    monkeypatch.setattr("nmt.cli.align.LINES_AT_ONCE", 4)
    code, out, err = nmt_("align", run, *pair)
    expected = [
        " ".join(f"{s}-{t}" for s, t in sorted(alignment.links())) for alignment in alignments()
    ]
    assert (code, err) == (0, "") and out.split("\n")[:-1] == expected
    assert out.split("\n")[8] == ""
    fewer = nmt_("align", run, *pair, "--threshold", 0.5)[1]
    assert 0 < len(fewer.split()) < len(out.split())


def test_align_has_words_and_weights_as_json(run, nmt_, pair, tmp_path):
    code, out, _ = nmt_(
        "align", run, *pair, "--format", "json", "--lag", 1, "--output", tmp_path / "out.gz"
    )
    assert (code, out) == (0, "")
    code, out, _ = nmt_("align", run, *pair, "--format", "json")
    for index, (line, alignment) in enumerate(zip(out.splitlines(), alignments(), strict=True)):
        fields = json.loads(line)
        assert fields["id"] == index and fields["source_words"] == alignment.source_words
        np.testing.assert_allclose(
            np.reshape(fields["weights"], alignment.weights_TS.shape),
            alignment.weights_TS,
            atol=1e-5,
        )


def test_align_has_arrays_for_numpy(run, nmt_, pair, tmp_path):
    assert nmt_("align", run, *pair, "--format", "npz", "--output", tmp_path / "x.npz")[:2] == (
        0,
        "",
    )
    with np.load(tmp_path / "x.npz") as arrays:
        for index, alignment in enumerate(alignments()):
            np.testing.assert_allclose(arrays[f"weights_{index}"], alignment.weights_TS, atol=1e-6)
            assert {tuple(link) for link in arrays[f"links_{index}"].tolist()} == alignment.links()


@pytest.mark.parametrize("form", ["pharaoh", "json", "npz"])
def test_links_do_not_replace_what_is_read(form, run, nmt_, pair, nothing_loads):
    for path in (pair[1], pair[3]):
        before = path.read_bytes()
        result = nmt_("align", run, *pair, "--format", form, "--output", path)
        assert_error(result, "is an input, and would be overwritten")
        assert path.read_bytes() == before


def test_a_reversed_run_is_symmetrised_with(run, nmt_, pair, tmp_path, monkeypatch):
    from inference.test_aligner import reversing

    translators = {run: trained_translator(), "back": reversing()}
    monkeypatch.setattr("nmt.cli.shared.load", lambda options: translators[str(options.runs[0])])
    by_method = {
        method: [
            set(line.split())
            for line in nmt_("align", run, *pair, "--reverse", "back", *method)[1].split("\n")
        ]
        for method in (
            (),
            ("--symmetrise", "intersection"),
            ("--symmetrise", "union"),
            ("--symmetrise", "forward"),
        )
    }
    default, smallest, largest, forward = by_method.values()
    assert (
        all(a <= b <= c for a, b, c in zip(smallest, default, largest, strict=True))
        and smallest != largest
    )
    assert forward == [set(line.split()) for line in nmt_("align", run, *pair)[1].split("\n")]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--symmetrise", "union"], "--symmetrise needs links of both directions.*--reverse"),
        (["--reverse", "x", "--symmetrise", "both"], "must be one of forward, .*Received: 'both'"),
        (["--format", "npz"], "file of arrays.*--output"),
    ],
)
def test_options_of_align_that_contradict_each_other_are_refused(
    arguments, message, run, nmt_, pair, nothing_loads
):
    assert_error(nmt_("align", run, *pair, *arguments), message)


def test_a_threshold_is_a_share(run, nmt_, pair):
    for text in ("1", "-0.1", "nan", "abc"):
        code, out, err = nmt_("align", run, *pair, f"--threshold={text}")
        assert (code, out) == (2, "")
        assert f"at least 0 and below 1. Received: {text!r}" in err and "invalid" not in err


# ----------------------------------------------------------------------------------------- evaluate


def test_the_error_rate_of_alignments_is_printed_beside_the_diagonal(run, nmt_, pair, tmp_path):
    gold = [" ".join(f"{i}-{i}" for i in range(1, len(line.split()) + 1)) for line in LINES]
    write_lines(tmp_path / "gold", [*gold, ""])
    arguments = [pair[0], pair[1], "--reference", pair[3], "--gold-alignments", tmp_path / "gold"]
    code, out, err = nmt_("evaluate", run, *arguments)
    assert (code, err) == (0, "")
    assert (
        re.match(r"forward: AER = \d+\.\d  precision .*\ndiagonal: AER = ", out)
        and out.count("\n") == 2
    )
    report = json.loads(nmt_("evaluate", run, *arguments, "--json")[1])
    assert report["lines"] == 9 and 0 < report["alignments"]["forward"]["aer"] < 1
    assert (
        report["alignments"]["diagonal"]["recall"] > 0.8
    )  # a question's mark is a word of the target only


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--lag", "1"], "Give gold links with --gold-alignments"),
        (["--gold-alignments", "gold", "--group-references"], "its one reference"),
        (["--gold-alignments", "gold", "--save-hypotheses", "x"], "Leave out --save-hypotheses"),
        (["--gold-alignments", "gold"], "gold: no such file"),
    ],
)
def test_evaluations_that_make_no_sense_are_refused(
    arguments, message, run, nmt_, pair, nothing_loads
):
    assert_error(nmt_("evaluate", run, *pair[:2], "--reference", pair[3], *arguments), message)
