"""The command line: results on standard output and nothing else, one line for an error, and a reader may leave."""

import io
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fixtures_run import tiny_config, toy_data, toy_pairs, trained_run, trained_translator

import nmt
from nmt.cli import main
from nmt.errors import UserError
from nmt.text import read_lines, write_lines

LINES = [source for source, _ in toy_pairs(8, seed=11)]
NMT = [sys.executable, "-m", "nmt"]


@pytest.fixture
def run():
    return str(trained_run())


@pytest.fixture(autouse=True)
def one_model(monkeypatch):
    """Loading the trained run takes a second each time; `load` itself is tested in a process of its own."""
    monkeypatch.setattr("nmt.cli._load", lambda path: loaded(Path(path)))


def loaded(path):
    from nmt.run import Run
    from nmt.translator import Translator

    return trained_translator() if path == trained_run() else Translator.load(Run.open(path))


@pytest.fixture
def nmt_(capfdbinary, monkeypatch):
    """nmt_(*arguments, stdin=...) -> exit code, standard output, standard error."""

    def call(*arguments, stdin=b""):
        with open(os.devnull, "rb") as devnull:
            stream = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8") if stdin else io.TextIOWrapper(devnull)
            monkeypatch.setattr(sys, "stdin", stream)
            try:
                code = main([str(argument) for argument in arguments])
            except SystemExit as stop:  # argparse
                code = stop.code
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return call


def assert_error(result, message):
    code, out, err = result
    assert code == 1 and out == ""
    assert re.fullmatch(rf"nmt: error: .*(?:{message}).*\n", err), err


def expected_texts(lines, **options):
    return [translation.text for translation in trained_translator().translate(lines, **options)]


# ----------------------------------------------------------------------------------------------------- at once


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["translate", "--help"], ["recipes"]], ids=" ".join)
def test_what_needs_no_model_loads_none(arguments):
    program = (
        "import sys; from nmt.cli import main\n"
        f"try: main({arguments})\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "heavy = {'tensorflow', 'keras', 'sentencepiece', 'sacrebleu', 'matplotlib', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.stderr == ("['pydantic']\n" if arguments == ["recipes"] else "[]\n")
    assert process.stdout


def test_version(nmt_):
    assert nmt_("--version") == (0, f"nmt {nmt.__version__}\n", "")


def test_help_names_every_verb(nmt_):
    code, out, err = nmt_("--help")
    assert code == 0 and err == ""
    for verb in ("train", "translate", "evaluate", "plot", "tokenizer", "recipes"):
        assert re.search(rf"^ +{verb}\s", out, re.MULTILINE), verb


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["translate"], ["tokenizer"], ["translate", "r", "--beam", "x"]]
)
def test_a_command_line_that_cannot_be_read_is_exit_code_2(arguments, nmt_):
    code, out, err = nmt_(*arguments)
    assert code == 2 and out == ""
    assert "usage: nmt" in err and "error: " in err and "Traceback" not in err


# ---------------------------------------------------------------------------------------------------- translate


def test_translations_of_standard_input_go_to_standard_output(run, nmt_):
    stdin = "".join(line + "\n" for line in LINES).encode()
    assert nmt_("translate", run, stdin=stdin) == (0, "".join(text + "\n" for text in expected_texts(LINES)), "")


@pytest.mark.parametrize(
    "options", [{"beam_size": 1}, {"beam_size": 2, "length_penalty": 0.0, "batch_size": 3}], ids=str
)
def test_search_options_are_handed_on(options, run, nmt_):
    stdin = "\n".join(LINES).encode()
    arguments = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
    code, out, _ = nmt_("translate", run, *arguments, stdin=stdin)
    assert code == 0 and out.split("\n")[:-1] == expected_texts(LINES, **options)


def test_one_line_in_is_one_line_out(run, nmt_):
    """Blank lines, CRLF, odd white space, NUL, a line without an end: the count and the places stay."""
    lines = [
        b"",
        b"cat dog.\r",
        b" ",
        b"\xc2\xa0",
        b"cat\xe2\x80\xa8dog",
        b"\x00",
        b"\r",
        b"\x0c",
        b"cat\rdog",
        b"tree.",
    ]
    code, out, err = nmt_("translate", run, stdin=b"\xef\xbb\xbf" + b"\n".join(lines))
    assert code == 0 and err == ""
    translations = out.split("\n")
    assert translations.pop() == "" and len(translations) == len(lines)
    assert [translations[i] for i in (0, 2, 3, 6, 7)] == ["", " ", "\u00a0", "", "\x0c"]
    assert [translations[1], translations[9]] == expected_texts(["cat dog.", "tree."])


def test_no_input_is_no_output(run, nmt_):
    assert nmt_("translate", run) == (0, "", "")


def test_input_longer_than_a_window_keeps_its_order(run, nmt_, monkeypatch):
    monkeypatch.setattr("nmt.cli.LINES_AT_ONCE", 3)
    code, out, _ = nmt_("translate", run, "--n-best", 2, stdin="\n".join(LINES).encode())
    assert code == 0
    ids = [int(line.split(" ||| ")[0]) for line in out.splitlines()]
    assert ids == [i for i in range(len(LINES)) for _ in range(2)]
    code, out, _ = nmt_("translate", run, stdin="\n".join(LINES).encode())
    assert out.splitlines() == expected_texts(LINES)


def test_n_best_lists_have_ids_hypotheses_and_scores(run, nmt_):
    code, out, err = nmt_("translate", run, "--n-best", 3, stdin="\n".join([LINES[0], "", LINES[1]]).encode())
    assert code == 0 and err == ""
    expected = [
        f"{index} ||| {candidate.text} ||| {candidate.score:.4f}"
        for index, translation in enumerate(trained_translator().translate([LINES[0], "", LINES[1]], n_best=3))
        for candidate in translation.candidates
    ]
    assert out.splitlines() == expected
    assert [line.split(" ||| ")[0] for line in expected] == ["0"] * 3 + ["1"] + ["2"] * 3


@pytest.mark.parametrize("suffix", ["txt", "gz"])
def test_input_and_output_may_be_files(suffix, run, nmt_, tmp_path):
    source = tmp_path / f"source.{suffix}"
    write_lines(source, LINES)
    assert nmt_("translate", run, "--input", source, "--output", tmp_path / "out.txt")[:2] == (0, "")
    assert list(read_lines(tmp_path / "out.txt")) == expected_texts(LINES)
    assert nmt_("translate", run, "--input", source)[1].splitlines() == expected_texts(LINES)


def test_an_output_file_ending_in_gz_is_compressed(run, nmt_, tmp_path):
    write_lines(tmp_path / "source", LINES[:2])
    assert nmt_("translate", run, "--input", tmp_path / "source", "--output", tmp_path / "out.gz")[0] == 0
    assert list(read_lines(tmp_path / "out.gz")) == expected_texts(LINES[:2])


def test_an_error_leaves_the_previous_output_alone(run, nmt_, tmp_path):
    (tmp_path / "source").write_bytes(b"cat.\n\xff\n")
    (tmp_path / "out").write_text("previous\n")
    result = nmt_("translate", run, "--input", tmp_path / "source", "--output", tmp_path / "out")
    assert_error(result, "source, line 2: expected UTF-8")
    assert (tmp_path / "out").read_text() == "previous\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--input", "missing.txt"], "missing.txt: no such file"),
        (["--output", "missing/out.txt"], "missing/out.txt: could not be written.*create it first"),
        (["--n-best", "9"], r"from 1 to the beam size \(3\), received 9"),
        (["--n-best", "0"], r"from 1 to the beam size \(3\), received 0"),
        (["--beam-size", "0"], r"decoding\.beam_size.*received 0"),
        (["--batch-size", "-1"], r"decoding\.batch_size.*received -1"),
        (["--length-penalty", "nan"], "length_penalty"),
    ],
    ids=str,
)
def test_errors_of_translate_are_one_line(arguments, message, run, nmt_):
    assert_error(nmt_("translate", run, *arguments, stdin=b"cat.\n"), message)


def test_input_that_is_no_utf8_is_named_by_line(run, nmt_):
    assert_error(nmt_("translate", run, stdin=b"cat.\ndog \xe9.\n"), "standard input, line 2: expected UTF-8.*0xe9")


def test_a_run_that_is_none_is_refused_before_tensorflow_loads(tmp_path, nmt_, monkeypatch):
    monkeypatch.undo()
    code = "import sys; from nmt.cli import main; print(main(sys.argv[1:]), 'tensorflow' in sys.modules)"
    command = [sys.executable, "-c", code, "translate", str(tmp_path)]
    process = subprocess.run(command, input="cat.\n", capture_output=True, text=True)
    assert process.stdout == "1 False\n"
    assert re.fullmatch(r"nmt: error: .*run\.json is missing\.\n", process.stderr)


def test_in_a_process_of_its_own_it_is_quiet_and_lets_its_reader_leave(run, tmp_path):
    """`nmt translate RUN < file | head -1`: neither TensorFlow's greetings nor a bar, and no word about the pipe."""
    write_lines(tmp_path / "text", LINES * 400)  # whose translations are more than a pipe holds
    with (
        open(tmp_path / "text", "rb") as stdin,
        subprocess.Popen(
            [*NMT, "translate", run, "--beam-size", "1"], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process,
    ):
        first = process.stdout.readline().decode()
        process.stdout.close()
        err = process.stderr.read().decode()
    assert first == expected_texts(LINES[:1], beam_size=1)[0] + "\n"
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("arguments", [["recipes"], ["recipes", "quickstart"], ["--help"]], ids=" ".join)
def test_a_reader_who_never_reads_is_no_error(arguments):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run([*NMT, *arguments], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (process.returncode, process.stderr) == (0, b"")


# ------------------------------------------------------------------------------------------------------- prompt


ENVIRONMENT = {"TERM": "dumb", "PYTHONIOENCODING": "utf-8:strict"}  # strict, as in any locale but C


class Terminal:
    """A process behind a pseudo-terminal, typed to and read from like one."""

    def __init__(self, command, **streams):
        self.master, terminal = pty.openpty()
        files = {"stdin": terminal, "stdout": terminal, "stderr": terminal, **streams}
        self.process = subprocess.Popen(command, **files, env={**os.environ, **ENVIRONMENT}, start_new_session=True)
        os.close(terminal)
        self.seen = ""

    def type(self, text):
        os.write(self.master, text if isinstance(text, bytes) else text.encode())

    def read_until(self, text, seconds=90):
        """What has appeared since the last call, up to and with `text`."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            try:
                data = os.read(self.master, 4096) if ready else b""
            except OSError:
                data = b""
            assert data, f"expected {text!r}, received {self.seen!r}"
            self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def leave(self):
        code = self.process.wait(30)
        os.close(self.master)
        return code


def test_a_session_at_the_prompt(run):
    sentence, other = LINES[:2]
    texts = expected_texts([sentence, other])
    terminal = Terminal([*NMT, "translate", run])
    assert terminal.read_until("\n> ").endswith("en -> fr. :help for help, Ctrl-D to leave.\n> ")
    answers = {}
    for line in (sentence, ":look", other, "", "   ", ":help", ":nonsense", ":look", sentence):
        terminal.type(line + "\n")
        answers[line] = terminal.read_until("\n> ") if line.strip() else terminal.read_until("> ")
    terminal.type(":quit\n")
    assert terminal.leave() == 0
    assert "attention is hidden" in answers[":look"]
    assert ":look    show" in answers[":help"] and ":look    show" in answers[":nonsense"]
    shown = answers[other].split("\n")
    assert texts[1] in shown
    assert [line.split()[0] for line in shown if "<-" in line] == texts[1].split()
    assert texts[0] in answers[sentence] and "<-" not in answers[sentence]


def test_a_prompt_whose_output_goes_elsewhere_stays_out_of_it(run, tmp_path):
    """`nmt translate RUN > file`, typed; bytes that are no UTF-8 and Ctrl-D."""
    with open(tmp_path / "out", "wb") as out:
        terminal = Terminal([*NMT, "translate", run, "--n-best", "2"], stdout=out)
        terminal.read_until("Ctrl-D to leave.\n")
        terminal.type(LINES[0] + "\n")
        terminal.type(b"\xff\xfe\n")
        terminal.type(LINES[1] + "\n")
        terminal.type(b"\x04")
        assert "expected UTF-8. Received: b'\\xff\\xfe" in terminal.read_until("\n\n")
        assert terminal.leave() == 0
    best = trained_translator().translate(LINES[:2], n_best=2)
    expected = [f"{candidate.score:8.4f}  {candidate.text}" for result in best for candidate in result.candidates]
    assert (tmp_path / "out").read_text("utf-8").splitlines() == expected


# ----------------------------------------------------------------------------------------------------- evaluate


@pytest.fixture
def test_set(tmp_path):
    """Files of sources and of two references; the first is the right one."""
    pairs = toy_pairs(8, seed=12)
    paths = [tmp_path / name for name in ("source", "reference", "other")]
    for path, lines in zip(paths, [*zip(*pairs, strict=True), [target + " x" for _, target in pairs]], strict=True):
        write_lines(path, lines)
    return paths


def test_scores_are_those_of_sacrebleu_with_their_signatures(run, nmt_, test_set):
    from nmt.evaluate import corpus_scores, typography_agreement

    source, reference, _ = test_set
    code, out, err = nmt_("evaluate", run, "--source", source, "--reference", reference)
    hypotheses, references = expected_texts(list(read_lines(source))), [list(read_lines(reference))]
    expected = [*corpus_scores(hypotheses, references), typography_agreement(hypotheses, references)]
    assert code == 0 and out.splitlines() == list(map(str, expected))
    assert re.fullmatch(r"BLEU = \d+\.\d\d  nrefs:1\|.*\|version:.*", out.splitlines()[0])
    assert re.fullmatch(r"8 lines in \d+\.\d s.*\n", err)


def test_several_references_count_together(run, nmt_, test_set):
    source, reference, other = test_set
    scores = []
    for references in ([reference], [reference, other]):
        arguments = [word for path in references for word in ("--reference", path)]
        code, out, _ = nmt_("evaluate", run, "--source", source, "--json", *arguments)
        assert code == 0
        scores.append(json.loads(out))
    assert [score["scores"][0]["signature"].split("|")[0] for score in scores] == ["nrefs:1", "nrefs:2"]
    assert scores[1]["scores"][0]["value"] >= scores[0]["scores"][0]["value"]
    assert scores[0]["lines"] == 8 and set(scores[0]["typography"]) == {"matched", "total", "share"}
    assert [score["name"] for score in scores[0]["scores"]] == ["BLEU", "chrF2", "TER"]


def test_references_of_the_same_source_may_be_grouped(run, nmt_, tmp_path):
    write_lines(tmp_path / "source", ["cat dog.", "tree.", "cat dog.", "cat dog."])
    write_lines(tmp_path / "reference", ["chat chien.", "arbre.", "chien chat.", "chat chien."])
    arguments = ["--source", tmp_path / "source", "--reference", tmp_path / "reference", "--group-references"]
    code, out, _ = nmt_("evaluate", run, *arguments, "--json", "--save-hypotheses", tmp_path / "out")
    assert code == 0
    report = json.loads(out)
    assert report["lines"] == 2 and report["scores"][0]["signature"].startswith("nrefs:var")
    assert list(read_lines(tmp_path / "out")) == expected_texts(["cat dog.", "tree."])
    assert_error(
        nmt_("evaluate", run, *arguments, "--reference", tmp_path / "reference"), "takes one --reference. Received: 2"
    )


def test_hypotheses_are_saved(run, nmt_, test_set, tmp_path):
    source, reference, _ = test_set
    arguments = ["--source", source, "--reference", reference, "--save-hypotheses", tmp_path / "out.gz"]
    assert nmt_("evaluate", run, *arguments)[0] == 0
    assert list(read_lines(tmp_path / "out.gz")) == expected_texts(list(read_lines(source)))


def test_unequal_counts_are_both_said_and_nothing_is_translated(run, nmt_, test_set, tmp_path, monkeypatch):
    source, reference, _ = test_set
    write_lines(tmp_path / "short", ["chat."])
    monkeypatch.setattr("nmt.cli._load", lambda path: pytest.fail("loaded"))
    arguments = ["--source", source, "--reference", reference, "--reference", tmp_path / "short"]
    assert_error(nmt_("evaluate", run, *arguments), f"Received: 8 in {source}, 1 in {tmp_path / 'short'}")
    write_lines(tmp_path / "empty", [])
    arguments = ["--source", tmp_path / "empty", "--reference", tmp_path / "empty"]
    assert_error(nmt_("evaluate", run, *arguments), "at least one line")


def test_a_place_where_nothing_can_be_saved_is_found_before_translating(run, nmt_, test_set, monkeypatch):
    source, reference, _ = test_set
    monkeypatch.setattr("nmt.cli._load", lambda path: pytest.fail("loaded"))
    arguments = ["--source", source, "--reference", reference, "--save-hypotheses", "missing/out.txt"]
    assert_error(nmt_("evaluate", run, *arguments), "missing/out.txt.*create it first")


# --------------------------------------------------------------------------------------------------------- plot


@pytest.mark.parametrize("suffix, magic", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_plot_draws_a_picture_and_prints_the_translation(suffix, magic, run, nmt_, tmp_path):
    picture = tmp_path / f"x.{suffix}"
    assert nmt_("plot", run, LINES[0], "--output", picture) == (0, expected_texts(LINES[:1])[0] + "\n", "")
    assert picture.read_bytes().startswith(magic)


def test_plot_looks_at_a_given_translation(run, nmt_, tmp_path):
    assert (
        nmt_("plot", run, "cat dog.", "--target", "chien\u202f!", "--output", tmp_path / "x.svg")[1] == "chien\u202f!\n"
    )
    assert "chien" in (tmp_path / "x.svg").read_text("utf-8")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["\u202f "], "blank one"),
        (["cat.", "--target", ""], "word"),
        (["cat.", "--output", "x.gif"], r"\.png"),
        (["cat.", "--output", "missing/x.png"], "missing"),
    ],
    ids=str,
)
def test_errors_of_plot_are_one_line(arguments, message, run, nmt_, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_error(nmt_("plot", run, *arguments), message)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------------------- tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    write_lines(folder / "en", LINES)
    write_lines(folder / "fr", [target for _, target in toy_pairs(40)])
    arguments = ["--input", folder / "en", folder / "fr", "--vocabulary-size", 330]
    assert main([str(word) for word in ["tokenizer", "train", folder / "x.model", *arguments]]) == 0
    return folder / "x.model"


STRANGE_LINES = ["cat  dog.", "", " ", "\u202f? é 日本 🙂", "▁ ｟1｠\t\x00", "a\rb", "\u2028", "\x85"]


def test_encode_and_decode_in_a_pipe_lose_nothing(model, nmt_):
    stdin = "".join(line + "\n" for line in STRANGE_LINES).encode()
    code, ids, err = nmt_("tokenizer", "encode", model, "--ids", stdin=stdin)
    assert code == 0 and err == ""
    assert re.fullmatch(r"(?:[\d ]*\n)*", ids) and ids.count("\n") == len(STRANGE_LINES)
    assert nmt_("tokenizer", "decode", model, stdin=ids.encode()) == (0, stdin.decode(), "")


def test_encode_shows_pieces(model, nmt_):
    code, out, _ = nmt_("tokenizer", "encode", model, stdin="cat é".encode())
    assert code == 0 and "".join(out.split()).replace("▁", " ").startswith(" cat ")
    assert "<0xC3> <0xA9>" in out or "é" in out


def test_a_tokenizer_is_trained_from_files(nmt_, tmp_path):
    write_lines(tmp_path / "text.gz", LINES)
    arguments = ["--input", tmp_path / "text.gz", "--vocabulary-size", 64, "--no-byte-fallback", "--algorithm", "bpe"]
    code, out, err = nmt_("tokenizer", "train", tmp_path / "x.model", *arguments)
    assert (code, out) == (0, "") and err == f"{tmp_path / 'x.model'}: 64 pieces\n"
    assert nmt_("tokenizer", "encode", tmp_path / "x.model", "--ids", stdin="é".encode())[1].split()[-1] == "1"


@pytest.mark.parametrize("line", [b"x", b"1 2.5", b"99999", b"-1"])
def test_what_are_no_ids_is_named_by_line(line, model, nmt_):
    result = nmt_("tokenizer", "decode", model, stdin=b"5\n" + line + b"\n")
    assert result[0] == 1
    assert re.fullmatch(r"nmt: error: standard input, line 2: expected ids.*\n", result[2])


@pytest.mark.parametrize("size", [9, 99999, 0, -5])
def test_a_vocabulary_size_that_cannot_be_is_refused(size, nmt_, tmp_path):
    write_lines(tmp_path / "text", LINES)
    arguments = ["--input", tmp_path / "text", "--vocabulary-size", size]
    assert_error(nmt_("tokenizer", "train", tmp_path / "x.model", *arguments), str(size))
    assert not (tmp_path / "x.model").exists()


@pytest.mark.parametrize("action", ["encode", "decode"])
def test_a_missing_tokenizer_is_named(action, nmt_):
    assert_error(nmt_("tokenizer", action, "missing.model"), r"missing\.model")


# ------------------------------------------------------------------------------------------------------ recipes


def test_recipes_are_listed_and_printed(nmt_):
    code, out, _ = nmt_("recipes")
    assert code == 0
    names = [line.split()[0] for line in out.splitlines()]
    assert {"quickstart", "multi30k"} <= set(names)
    code, text, _ = nmt_("recipes", "quickstart")
    assert code == 0 and text.startswith("# ") and "\ntraining:\n" in text
    assert_error(nmt_("recipes", "quickstrat"), "Did you mean 'quickstart'")


# -------------------------------------------------------------------------------------------------------- train


@pytest.fixture
def trained(monkeypatch):
    """What `train` was called with, instead of a training."""
    calls = []

    def train(config, path):
        calls.append((config, path))
        return type("Run", (), {"path": path})

    monkeypatch.setattr("nmt.train.train", train)
    return calls


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny_config(toy_data(tmp_path / "text", num_pairs=40, num_dev=2)).to_yaml())
    return path


def test_train_takes_recipe_data_and_overrides(recipe, nmt_, trained):
    code, out, err = nmt_(
        "train", recipe, "--data", "x/été", "--dev", "y", "--set", "training.epochs=3", "--set", "training.seed=5"
    )
    ((config, path),) = trained
    assert (code, out) == (0, "") and "nmt translate runs/tiny" in err
    assert (config.data.train, config.data.dev) == ("x/été", "y")
    assert (config.training.epochs, config.training.seed) == (3, 5)
    assert path == Path("runs/tiny")


@pytest.mark.parametrize("prefix", ["123", "1e3", "nan", "null", "yes", "a: b", "[x", "~/🙂", "a,b", " x", "#x"])
def test_any_path_may_hold_data(prefix, recipe, nmt_, trained):
    assert nmt_("train", recipe, "--data", prefix, "--run", "there")[0] == 0
    ((config, path),) = trained
    assert config.data.train == prefix and path == Path("there")


def test_a_shipped_recipe_is_named_without_its_suffix(nmt_, trained):
    assert nmt_("train", "quickstart")[0] == 0
    ((config, path),) = trained
    assert config.data.train == "data/everyday/train" and path == Path("runs/quickstart")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--set", "training.lr=1"], r"unknown key 'training\.lr'\. Did you mean 'training\.learning_rate'"),
        (["--set", "training.epochs"], "expected KEY=VALUE"),
        (["--set", "training.epochs=many"], r"'training\.epochs'.*received 'many'"),
        (["--data", "missing"], "no parallel text at missing"),
        (["--dev", "missing.tsv"], r"missing\.tsv: no such file"),
    ],
    ids=str,
)
def test_errors_of_train_are_one_line(arguments, message, recipe, nmt_, tmp_path):
    assert_error(nmt_("train", recipe, "--run", tmp_path / "run", *arguments), message)
    assert not (tmp_path / "run").exists()


def test_a_missing_recipe_is_named_with_those_there_are(nmt_):
    assert_error(nmt_("train", "quickstrat"), r"quickstrat.*multi30k, quickstart.*Did you mean 'quickstart'")


def test_a_run_of_another_config_is_refused(recipe, nmt_, tmp_path):
    run = shutil.copytree(trained_run(), tmp_path / "run", ignore=shutil.ignore_patterns("corpus"))
    code, out, err = nmt_("train", recipe, "--run", run)
    assert (code, out) == (1, "")
    assert "training.epochs: 8 -> 1\n" in err and err.startswith("nmt: error: ") and "Traceback" not in err


def test_an_interrupted_training_says_so(recipe, nmt_, monkeypatch):
    from nmt.train import Interrupted

    def train(config, path):
        raise Interrupted(15)

    monkeypatch.setattr("nmt.train.train", train)
    code, out, err = nmt_("train", recipe)
    assert (code, out) == (143, "") and err.endswith(
        "stopped by SIGTERM; everything is saved. The same command resumes.\n"
    )


def test_ctrl_c_anywhere_else_is_no_traceback(recipe, nmt_, monkeypatch):
    def train(config, path):
        raise KeyboardInterrupt

    monkeypatch.setattr("nmt.train.train", train)
    assert nmt_("train", recipe) == (130, "", "nmt: interrupted\n")


def test_user_errors_are_value_errors():
    assert issubclass(UserError, ValueError)
