"""The command line: results on standard output and nothing else, one line for an error, and a
reader may leave."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from fixtures.run import assert_error, expected_texts, toy_pairs, trained_translator

import nmt
from nmt.terminal import keep_memory_together
from nmt.text.lines import read_lines, write_lines

pytest_plugins = ["fixtures.cli"]
pytestmark = pytest.mark.usefixtures("one_model")

LINES = [source for source, _ in toy_pairs(8, seed=11)]
NMT = [sys.executable, "-m", "nmt"]


# ------------------------------------------------------------------------------------------ at once


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["translate", "--help"], ["recipes"]], ids=" ".join
)
def test_what_needs_no_model_loads_none(arguments):
    program = (
        f"import sys; from nmt.cli.main import main\ntry: main({arguments})\nexcept SystemExit as"
        " stop: assert not stop.code, stop.code\nheavy = {'tensorflow', 'keras', 'sentencepiece',"
        " 'sacrebleu', 'matplotlib', 'pydantic'}\nprint(sorted(heavy & set(sys.modules)),"
        " file=sys.stderr)"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.stderr == ("['pydantic']\n" if arguments == ["recipes"] else "[]\n")
    assert process.stdout


def test_version(nmt_):
    assert nmt_("--version") == (0, f"nmt {nmt.__version__}\n", "")


def test_help_names_every_verb(nmt_):
    code, out, err = nmt_("--help")
    assert code == 0 and err == ""
    for verb in ("train", "export", "translate", "evaluate", "plot", "tokenizer", "recipes"):
        assert re.search(rf"^ +{verb}\s", out, re.MULTILINE), verb


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        ("train", "for other languages set data.source and data.target"),
        ("compare", "for other languages set data.source and data.target"),
        ("plot", "(default: heatmap.png)"),
        ("serve", "as its field `api_key`"),
        ("translate", "lines of a source phrase, a tab, and the phrase it requires"),
        ("translate", "lines of a source word, a tab, and its exact translation"),
        ("recipes", "the recipe to print (default: list all)"),
    ],
)
def test_help_says_how_a_value_is_written_or_used(verb, text, nmt_):
    code, out, _ = nmt_(verb, "--help")
    assert code == 0 and text in " ".join(out.split())


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["translate"], ["tokenizer"], ["translate", "r", "--beam", "x"]]
)
def test_a_command_line_that_cannot_be_read_is_exit_code_2(arguments, nmt_):
    code, out, err = nmt_(*arguments)
    assert code == 2 and out == ""
    assert "usage: nmt" in err and "error: " in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["translate", "r", "--n-bset", "3"], "--n-bset 3. Did you mean --n-best?"),
        (["data", "get", "x", "--outputs=y"], "--outputs=y. Did you mean --output?"),
        (["translate", "r", "-q"], "unrecognized arguments: -q\n"),
        (["translate", "r", "--input", "a.en", "b.en"], "'DIR/*.en'"),
        (["translate", "r", "--input", "a.en", "--input", "b.en"], "--input is given twice"),
        (["translate", "r", "--glossary", "a.en", "--glossary", "b.en"], "--glossary is given twi"),
    ],
)
def test_a_mistake_in_a_command_is_told_what_it_may_mean(
    arguments, message, nmt_, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("a.en", "b.en"):
        (tmp_path / name).write_text("cat.\n")
    code, out, err = nmt_(*arguments)
    assert (code, out) == (2, "") and message in err
    assert err.startswith(f"usage: nmt {arguments[0]}")


def test_a_missing_run_is_asked_for_once(nmt_):
    assert nmt_("translate")[2].endswith("the following arguments are required: RUN\n")


def test_without_a_verb_a_terminal_is_told_the_next_steps():
    terminal = Terminal(NMT)
    greeting = terminal.read_until("explains one\n")
    assert "nmt translate en-fr" in greeting and greeting.count("\n") == 5
    assert terminal.leave() == 0


# ---------------------------------------------------------------------------------------- translate


def test_translations_of_standard_input_go_to_standard_output(run, nmt_):
    stdin = "".join(line + "\n" for line in LINES).encode()
    assert nmt_("translate", run, stdin=stdin) == (
        0,
        "".join(text + "\n" for text in expected_texts(LINES)),
        "",
    )


@pytest.mark.parametrize(
    "options", [{"beam_size": 1}, {"beam_size": 2, "length_penalty": 0.0, "batch_size": 3}], ids=str
)
def test_search_options_are_handed_on(options, run, nmt_):
    stdin = "\n".join(LINES).encode()
    arguments = [
        word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)
    ]
    code, out, _ = nmt_("translate", run, *arguments, stdin=stdin)
    assert code == 0 and out.split("\n")[:-1] == expected_texts(LINES, **options)


def test_one_line_in_is_one_line_out(run, nmt_):
    """Blank lines, CRLF, odd white space, NUL, a line without an end: the count and the places
    stay."""
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
    monkeypatch.setattr("nmt.cli.translate.LINES_AT_ONCE", 3)
    code, out, _ = nmt_("translate", run, "--n-best", 2, stdin="\n".join(LINES).encode())
    assert code == 0
    ids = [int(line.split(" ||| ")[0]) for line in out.splitlines()]
    assert ids == [i for i in range(len(LINES)) for _ in range(2)]
    code, out, _ = nmt_("translate", run, stdin="\n".join(LINES).encode())
    assert out.splitlines() == expected_texts(LINES)


def test_n_best_lists_have_ids_hypotheses_and_scores(run, nmt_):
    code, out, err = nmt_(
        "translate", run, "--n-best", 3, stdin="\n".join([LINES[0], "", LINES[1]]).encode()
    )
    assert code == 0 and err == ""
    expected = [
        f"{index} ||| {candidate.text} ||| {candidate.score:.4f}"
        for index, translation in enumerate(
            trained_translator().translate([LINES[0], "", LINES[1]], n_best=3)
        )
        for candidate in translation.candidates
    ]
    assert out.splitlines() == expected
    assert [line.split(" ||| ")[0] for line in expected] == ["0"] * 3 + ["1"] + ["2"] * 3


@pytest.mark.parametrize("suffix", ["txt", "gz"])
def test_input_and_output_may_be_files(suffix, run, nmt_, tmp_path):
    source = tmp_path / f"source.{suffix}"
    write_lines(source, LINES)
    assert nmt_("translate", run, "--input", source, "--output", tmp_path / "out.txt")[:2] == (
        0,
        "",
    )
    assert list(read_lines(tmp_path / "out.txt")) == expected_texts(LINES)
    assert nmt_("translate", run, "--input", source)[1].splitlines() == expected_texts(LINES)


def test_an_output_file_ending_in_gz_is_compressed(run, nmt_, tmp_path):
    write_lines(tmp_path / "source", LINES[:2])
    assert (
        nmt_("translate", run, "--input", tmp_path / "source", "--output", tmp_path / "out.gz")[0]
        == 0
    )
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
        (["--n-best", "9"], r"at most the beam size \(3\), received 9"),
        (["--n-best", "0"], r"at least 1. Received: 0"),
        (["--beam-size", "0"], r"decoding\.beam_size.*received 0"),
        (["--batch-size", "-1"], r"decoding\.batch_size.*received -1"),
        (["--length-penalty", "nan"], "length_penalty"),
        (["--max-length-ratio", "1e9"], r"max_length_ratio.*less than or equal to 100"),
        (["--min-length-ratio", "1e9"], r"min_length_ratio.*less than or equal to 100"),
    ],
    ids=str,
)
def test_errors_of_translate_are_one_line(arguments, message, run, nmt_):
    assert_error(nmt_("translate", run, *arguments, stdin=b"cat.\n"), message)


@pytest.mark.parametrize("name", ["lines.en", "page.html"])
def test_an_output_that_is_an_input_is_refused(name, run, nmt_, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("cat.\n")
    (tmp_path / "link").symlink_to(name)
    for output in (name, f"./{name}", "link"):
        result = nmt_("translate", run, "--input", name, "--output", output)
        assert_error(result, "is an input, and would be overwritten. Choose another file")
    (tmp_path / "other").write_text("dog.\n")
    for option in ("--prefix-file", "--glossary", "--dictionary", "--ban-file"):
        result = nmt_("translate", run, "--input", "other", "--output", "link", option, name)
        assert_error(result, "link is an input")
    assert_error(nmt_("translate", name, "--input", "other", "--output", name), "is an input")
    assert (tmp_path / name).read_text() == "cat.\n"


def test_a_file_in_the_place_of_a_model_is_told_how_to_be_translated(nmt_, tmp_path, monkeypatch):
    monkeypatch.undo()  # `load` is the real one
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letters.en").write_text("cat.\n")
    message = "letters.en is no model. To translate a file: nmt translate en-fr --input letters.en"
    assert_error(nmt_("translate", "en-fr", "letters.en", stdin=b"cat.\n"), message)
    assert_error(nmt_("translate", "letters.en", stdin=b"cat.\n"), message)


def test_wrong_options_are_refused_where_there_is_no_line(run, nmt_):
    assert_error(nmt_("translate", run, "--beam-size", "0", stdin=b""), r"decoding\.beam_size")


def test_input_that_is_no_utf8_is_named_by_line(run, nmt_):
    assert_error(
        nmt_("translate", run, stdin=b"cat.\ndog \xe9.\n"),
        "standard input, line 2: expected UTF-8.*0xe9",
    )


def test_a_run_without_weights_is_resumed_by_training(run, nmt_, tmp_path, monkeypatch):
    monkeypatch.undo()  # `load` is the real one
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "best.npz").unlink()
    (tmp_path / "source").write_text("cat.\n")
    message = "best.npz is missing. Training stopped before its first evaluation. The same `nmt"
    message += " train` command resumes it"
    files = ["--input", tmp_path / "source"]
    for output in ([], ["--output", f"{tmp_path}/shards/"]):
        code, _, err = nmt_("translate", tmp_path / "run", *files, *output)
        assert (code, err.count("\n")) == (1, 1) and message in err, err


def test_a_run_that_is_none_is_refused_before_tensorflow_loads(tmp_path, nmt_, monkeypatch):
    monkeypatch.undo()
    code = (
        "import sys; from nmt.cli.main import main; print(main(sys.argv[1:]), 'tensorflow' in"
        " sys.modules)"
    )
    command = [sys.executable, "-c", code, "translate", str(tmp_path)]
    process = subprocess.run(command, input="cat.\n", capture_output=True, text=True)
    assert process.stdout == "1 False\n"
    assert re.fullmatch(
        r"nmt: error: .*run\.json is missing\. If its training .*\n", process.stderr
    )


def test_in_a_process_of_its_own_it_is_quiet_and_lets_its_reader_leave(run, tmp_path):
    """`nmt translate RUN < file | head -1`: neither TensorFlow's greetings nor a bar, and no word
    about the pipe."""
    write_lines(tmp_path / "text", LINES * 400)  # whose translations are more than a pipe holds
    with (
        open(tmp_path / "text", "rb") as stdin,
        subprocess.Popen(
            [*NMT, "translate", run, "--beam-size", "1"],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        first = process.stdout.readline().decode()
        process.stdout.close()
        err = process.stderr.read().decode()
    assert first == expected_texts(LINES[:1], beam_size=1)[0] + "\n"
    assert process.returncode == 0
    assert re.fullmatch(r".* holds no ONNX export: translating with Keras\..*\n", err)


@pytest.mark.parametrize(
    "arguments", [["recipes"], ["recipes", "quickstart"], ["--help"]], ids=" ".join
)
def test_a_reader_who_never_reads_is_no_error(arguments):
    read, write = os.pipe()
    os.close(read)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.run(
        [*NMT, *arguments], env=environment, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_an_output_without_room_is_one_error():
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "wb") as full:
        process = subprocess.run(
            [*NMT, "recipes"], env=environment, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert process.returncode == 1
    assert process.stderr == (
        "nmt: error: No space left on device, where standard output or a temporary file goes. Free"
        " some disk space and run the same command again.\n"
    )


# ------------------------------------------------------------------------------------------- prompt


ENVIRONMENT = {"TERM": "dumb", "PYTHONIOENCODING": "utf-8:strict"}  # strict, as in any locale but C


class Terminal:
    """A process behind a pseudo-terminal, typed to and read from like one."""

    def __init__(self, command, **streams):
        self.master, terminal = pty.openpty()
        files = {"stdin": terminal, "stdout": terminal, "stderr": terminal, **streams}
        self.process = subprocess.Popen(
            command, **files, env={**os.environ, **ENVIRONMENT}, start_new_session=True
        )
        os.close(terminal)
        self.seen = ""

    def type(self, text):
        os.write(self.master, text if isinstance(text, bytes) else text.encode())

    def read_until(self, text, seconds=90):
        """What has appeared since the last call, up to and with `text`."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select(
                [self.master], [], [], max(0.0, deadline - time.monotonic())
            )
            try:
                data = os.read(self.master, 4096) if ready else b""
            except OSError:
                data = b""
            assert data, f"expected {text!r}, received {self.seen!r}"
            self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def leave(self):
        code = self.process.wait(120)
        os.close(self.master)
        return code


def test_a_session_at_the_prompt(run):
    sentence, other = LINES[:2]
    texts = expected_texts([sentence, other])
    terminal = Terminal([*NMT, "translate", run])
    assert terminal.read_until("\n> ").endswith("en -> fr. :help for help, Ctrl-D to leave.\n> ")
    answers = {}
    for line in (sentence, ":look", other, "", "   ", ":help", ":look", sentence, ":-) cat."):
        terminal.type(line + "\n")
        answers[line] = terminal.read_until("\n> ") if line.strip() else terminal.read_until("> ")
    terminal.type(":quit\n")
    assert terminal.leave() == 0
    assert "attention is hidden" in answers[":look"]
    assert ":look           show" in answers[":help"]
    assert expected_texts([":-) cat."])[0] in answers[":-) cat."].split("\n")
    shown = answers[other].split("\n")
    assert texts[1] in shown
    assert [line.split()[0] for line in shown if "<-" in line] == texts[1].split()
    assert texts[0] in answers[sentence] and "<-" not in answers[sentence]


def test_an_output_file_takes_what_is_typed(run, tmp_path):
    terminal = Terminal([*NMT, "translate", run, "--output", tmp_path / "out"])
    terminal.read_until("reading lines from the terminal; Ctrl-D ends them\n")
    terminal.type(LINES[0] + "\n")
    terminal.type(b"\x04")
    assert terminal.leave() == 0
    assert (tmp_path / "out").read_text("utf-8") == expected_texts(LINES[:1])[0] + "\n"


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
    expected = [
        f"{candidate.score:8.4f}  {candidate.text}"
        for result in best
        for candidate in result.candidates
    ]
    assert (tmp_path / "out").read_text("utf-8").splitlines() == expected


# ------------------------------------------------------------------------------------------ recipes


def test_recipes_are_listed_and_printed(nmt_):
    code, out, _ = nmt_("recipes")
    assert code == 0
    names = [line.split()[0] for line in out.splitlines()]
    assert {"quickstart", "multi30k"} <= set(names)
    assert all(line.endswith(".") for line in out.splitlines())  # none is cut off
    code, text, _ = nmt_("recipes", "quickstart")
    assert code == 0 and text.startswith("# ") and "\ntraining:\n" in text
    assert_error(nmt_("recipes", "quickstrat"), "Did you mean 'quickstart'")


def test_keys_of_recipes_are_explained(nmt_):
    code, out, err = nmt_("recipes", "--keys", "ema_decay")
    assert (code, err) == (0, "")
    assert out.startswith("training.ema_decay: number ≥ 0, < 1; default 0.999\n    Decay of the ")
    assert len(nmt_("recipes", "--keys")[1].splitlines()) > 100
    assert_error(nmt_("recipes", "--keys", "learning_rte"), "Did you mean 'learning_rate'")
    assert_error(nmt_("recipes", "quickstart", "--keys"), "Leave out NAME")


def test_memory_is_kept_together_unless_the_environment_says_how(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "nmt.terminal.ctypes.CDLL",
        lambda _: SimpleNamespace(mallopt=lambda *pair: calls.append(pair)),
    )
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    keep_memory_together()
    assert dict(calls) == {
        -8: os.cpu_count(),
        -3: 4 << 20,
        -1: 16 << 20,
    }  # malloc.h: arenas, mmap, trim
    calls.clear()
    monkeypatch.setattr(
        "nmt.terminal.ctypes.CDLL", lambda _: SimpleNamespace()
    )  # as of another system
    keep_memory_together()
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    keep_memory_together()
    assert not calls


@pytest.mark.parametrize("package", ["tensorflow", "sacrebleu"])
def test_what_an_installation_for_translating_lacks_is_named(package, nmt_, monkeypatch):
    def verb(options):
        raise ModuleNotFoundError(f"No module named '{package}'", name=f"{package}.python")

    monkeypatch.setattr("nmt.cli.train._recipes", verb)
    assert_error(nmt_("recipes"), f"this needs {package}, which is not installed")


def test_a_missing_module_that_every_installation_has_is_a_fault_of_ours(nmt_, monkeypatch):
    def verb(options):
        raise ModuleNotFoundError("No module named 'nmt.x'", name="nmt.x")

    monkeypatch.setattr("nmt.cli.train._recipes", verb)
    with pytest.raises(ModuleNotFoundError):
        nmt_("recipes")
