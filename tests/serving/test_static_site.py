"""`nmt export --format web`: what is in the folder, and that it translates like Python."""

import base64
import contextlib
import gzip
import html
import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from fixtures.node import in_node, needs_node, onnxruntime_web
from fixtures.package import exported_run, packaged_run
from fixtures.run import assert_error, toy_pairs

from nmt.errors import UserError
from nmt.inference.translator import Translator
from nmt.runs.package import open_run
from nmt.serving import static_site
from nmt.serving.schemas import ExplainRequest, explained_line
from nmt.serving.static_site import RuntimeFiles, _html, export_site, read_runtime
from nmt.text.lines import atomic_write

pytest_plugins = ["fixtures.cli"]

EXPORTED = Path(__file__).parents[1] / "fixtures" / "old" / "run"
NO_RUNTIME = RuntimeFiles(b"export const env = {};", b"\0asm")
ODD = [
    "",
    "  ",
    "12 + 3",
    '"The cat."',
    "A DOG AND A HOUSE.",
    "cat https://a.bc/d dog {name}.",
    "cat\u00a0dog\u200b ?",
    "- river",
    "😀 cat Łódź",
    "cat. Dog! Is it night?",
    " ".join(["cat dog house tree"] * 15),
]


@pytest.fixture
def site(tmp_path):
    export_site(open_run(packaged_run()), tmp_path / "site", NO_RUNTIME)
    return tmp_path / "site"


# --------------------------------------------------------------------------------------- the folder


def test_the_page_allows_scripts_of_the_site_only_and_promises_no_server(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
    assert "unsafe-inline" not in policy and "http:" not in policy and "*" not in policy
    assert "POST" not in page and "openapi" not in page


@pytest.mark.parametrize("title", ["</title><script>", "a\\b", r"\g<1>", "a & b"])
def test_a_title_is_text(title):
    page = Path(static_site.__file__).with_name("static") / "index.html"
    made = _html(page.read_text("utf-8"), title)
    assert f"<title>{html.escape(title)}</title>" in made


def test_all_files_but_the_service_worker_are_kept_for_use_offline(site):
    text = (site / "service_worker.js").read_text(encoding="utf-8")
    kept = json.loads(re.search(r"const FILES = (\[.*?\]);", text)[1])
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert set(kept) == {"./", *files} - {"index.html", "service_worker.js"}


def test_the_version_of_the_site_changes_with_its_files(site, tmp_path):
    def version(folder):
        return re.search(r'VERSION = "(\w{16})"', (folder / "service_worker.js").read_text())[1]

    export_site(open_run(packaged_run()), tmp_path / "same", NO_RUNTIME)
    export_site(open_run(packaged_run()), tmp_path / "new", RuntimeFiles(b"", b"\0asm"))
    assert version(site) == version(tmp_path / "same") != version(tmp_path / "new")


def test_scripts_ask_for_files_of_the_site_only(site):
    for path in site.glob("**/*.js"):
        for name in re.findall(r'(?:from|import) "([^"]+)"', path.read_text(encoding="utf-8")):
            assert (path.parent / name).resolve().is_file(), (path, name)


def test_a_site_is_written_again_but_no_other_folder_is(site, tmp_path):
    (site / "worker" / "old.js").touch()
    export_site(open_run(packaged_run()), site, NO_RUNTIME)
    assert not (site / "worker" / "old.js").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(UserError, match="is not empty, and no site"):
        export_site(open_run(packaged_run()), tmp_path / "mine", NO_RUNTIME)


@pytest.mark.parametrize("num_files", [1, 2, 20])
def test_an_export_that_was_interrupted_can_be_repeated(tmp_path, monkeypatch, num_files):
    run, site, count = open_run(EXPORTED), tmp_path / "site", iter(range(num_files))

    @contextlib.contextmanager
    def interrupted(path):
        if next(count, None) is None:
            raise KeyboardInterrupt
        with atomic_write(path) as stream:
            yield stream

    with monkeypatch.context() as context:
        context.setattr("nmt.serving.static_site.atomic_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            export_site(run, site, NO_RUNTIME)
    export_site(run, site, NO_RUNTIME)
    export_site(run, tmp_path / "other", NO_RUNTIME)
    assert contents(site) == contents(tmp_path / "other")


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_options_that_the_browser_does_not_have_are_named(tmp_path, caplog):
    run = open_run(packaged_run())
    decoding = run.config.decoding.model_copy(update={"mbr": 1.0})
    export_site(run.with_decoding(decoding), tmp_path / "site", NO_RUNTIME)
    assert "decoding.mbr is left out" in caplog.text


# ------------------------------------------------------------------------------------- ONNX Runtime


def npm_archive(path, names):
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            info = tarfile.TarInfo(f"package/dist/{name}")
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    return path


NAMES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")


def test_onnx_runtime_is_read_from_an_archive_or_a_folder(tmp_path):
    archive = npm_archive(tmp_path / "onnxruntime-web.tgz", NAMES)
    expected = RuntimeFiles(*(name.encode() for name in NAMES))
    assert read_runtime(archive) == expected
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    for folder in (tmp_path, tmp_path / "package", tmp_path / "package" / "dist"):
        assert read_runtime(folder) == expected


def test_what_is_not_onnx_runtime_is_refused_with_what_was_expected(tmp_path):
    (tmp_path / "text.tgz").write_text("no archive")
    (tmp_path / "empty").mkdir()
    incomplete = npm_archive(tmp_path / "other.tgz", NAMES[:1])
    whole = npm_archive(tmp_path / "whole.tgz", NAMES).read_bytes()
    cut = [tmp_path / f"cut{length}.tgz" for length in range(20, len(whole) // 2, 10)]
    for number, path in enumerate(cut):
        path.write_bytes(whole[: 20 + 10 * number])
    flipped = tmp_path / "flipped.tgz"
    flipped.write_bytes(whole[:20] + bytes(byte ^ 0xFF for byte in whole[20:40]) + whole[40:])
    others = (tmp_path / "text.tgz", tmp_path / "empty", tmp_path / "none", incomplete)
    for path in (*others, *cut, flipped):
        with pytest.raises(UserError, match="expected the npm package onnxruntime-web"):
            read_runtime(path)


def test_without_npm_the_user_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UserError, match=r"Install Node\.js, or name a folder"):
        read_runtime()


# --------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize("kind", ["package", "run"])
def test_a_package_or_a_run_is_exported_by_one_command(nmt_, tmp_path, kind):
    run = packaged_run() if kind == "package" else exported_run()
    archive = npm_archive(tmp_path / "ort.tgz", NAMES)
    options = ["--format", "web", "--onnxruntime-web", archive, "--output", tmp_path / "site"]
    code, out, err = nmt_("export", run, *options)
    assert (code, out.strip()) == (0, str(tmp_path / "site")) and "http.server" in err
    weights = gzip.decompress((tmp_path / "site" / "model" / "weights.bin").read_bytes())
    assert weights == open_run(packaged_run()).package.members["weights.bin"]


def test_mistakes_are_named_before_anything_is_fetched(nmt_, tmp_path):
    web = ("export", packaged_run(), "--format", "web")
    assert_error(nmt_(*web), "a site is a folder")
    assert_error(nmt_(*web, "--output", tmp_path / "a", "--dev", "x"), "are for other formats")
    assert_error(nmt_("export", exported_run(), "--precision", "int8"), "are for --format web")
    path = ("--onnxruntime-web", tmp_path / "none")
    assert_error(nmt_(*web, "--output", tmp_path / "a", *path), "expected the npm package")
    archive = npm_archive(tmp_path / "ort.tgz", NAMES)
    float32 = ("--precision", "float32", "--onnxruntime-web", archive)
    assert_error(nmt_(*web, "--output", tmp_path / "a", *float32), "holds int8 only")


# ------------------------------------------------------------------------------------- translations


@needs_node
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_whole_translations_are_those_of_python(tmp_path, precision):
    run = open_run(packaged_run() if precision == "int8" else exported_run())
    export_site(run, tmp_path, read_runtime(onnxruntime_web()), precision)
    asked = ExplainRequest(
        q="x", source="en", target="fr", n_best=3, beam_size=4, attention=True, choices=True
    )
    # Sentences are divided by rules of its own in the browser.
    decoding = {"split_sentences": False, "max_source_tokens": 40}
    lines = [source for source, _ in toy_pairs(60, seed=9)] + ODD
    translator = Translator.load(run, engine="onnx", precision=precision)
    translations = translator.translate(
        lines, n_best=3, beam_size=4, alignments=True, choices=5, **decoding
    )
    found = in_node(
        "explain",
        site=str(tmp_path),
        lines=lines,
        options=asked.model_dump(include={"n_best", "beam_size", "attention", "choices"}),
        settings=decoding,
    )["answers"]
    for translation, theirs in zip(translations, found, strict=True):
        ours = json.loads(json.dumps(explained_line(translation, asked)))
        assert theirs["source_tokens"] == ours["source_tokens"]
        for one, other in zip(theirs["hypotheses"], ours["hypotheses"], strict=True):
            for name in ("text", "truncated"):
                assert one[name] == other[name], translation.source
            for name in ("pieces", "piece_words"):
                assert one.get(name, []) == other.get(name, []), translation.source
            assert [w["start"] for w in one["tokens"]] == [w["start"] for w in other["tokens"]]
            for name in ("score", "log_probability", "attention"):
                np.testing.assert_allclose(one[name], other[name], atol=0.01)
            np.testing.assert_allclose(
                [w["log_probability"] for w in one["tokens"]],
                [w["log_probability"] for w in other["tokens"]],
                atol=0.01,
            )


# ------------------------------------------------------------------------- the page and its worker


@needs_node
def test_the_page_keeps_one_file_and_ends_no_request_that_has_its_answer():
    found = in_node("files", names=["a.txt", "b.txt", "c.txt"])
    assert found["names"] == ["a_fr.txt", "b_fr.txt", "c_fr.txt"]
    assert found["kept"] == found["addresses"][-1:]
    assert found["aborted"] == 0


# -------------------------------------------------------------------------------- a host that fails


@needs_node
@pytest.mark.parametrize("failure", [404, 0, 203])
def test_settings_that_could_not_be_loaded_are_asked_for_again(failure):
    """Status 0: the host does not answer. 203: it answers with another file."""
    found = in_node("settings", statuses=[failure, failure, 200])
    assert found["errors"] == [503] and "model/settings.json cannot be loaded" in found["message"]
    assert found["languages"] == ["en", "fr"]
    assert found["requests"] == 3  # of which the first is for the size of the model


@needs_node
def test_a_worker_that_could_not_load_the_model_is_replaced():
    found = in_node("worker", failures=1)
    assert found["answers"] == [[503, "no model"], "chat", "chat"]
    assert (found["started"], found["running"]) == (2, 1)


# ---------------------------------------------------------------------------------------- documents

SRT = (
    "1\r\n00:00:01,000 --> 00:00:02,500\r\n- The cat\r\nsleeps in\r\n\r\n"
    "2\r\n00:00:02,600 --> 00:00:04,000\r\n<i>the house.</i>\r\n\r\n"
    "3\r\n00:00:05,000 --> 00:00:06,000\r\nIt <b>rains</b>.\r\n"
)
PO = """# A catalog.
msgid ""
msgstr "Language: fr\\n"

#: a.c:1
#, c-format
msgid "one\\n"
"%d \\"two\\""
msgstr ""

msgctxt "menu"
msgid "Open"
msgstr "Ouvrir"

msgctxt "door"
msgid "Close"
msgstr ""

msgid "%d file"
msgid_plural "%d files"
msgstr[0] ""
msgstr[1] ""
"""


@needs_node
def test_documents_keep_all_but_their_texts():
    documents = {"a.txt": "\ufeffOne.\r\n\r\n  12\nTwo.\n", "a.srt": SRT, "a.po": PO}
    asked = [
        {"name": name, "content": base64.b64encode(text.encode()).decode()}
        for name, text in documents.items()
    ]
    found = in_node("documents", documents=asked)
    same, shouted = (
        [base64.b64decode(one[name]).decode() for one in found] for name in ("same", "shouted")
    )
    assert same[:2] == [documents["a.txt"], documents["a.srt"]]
    assert shouted[0] == documents["a.txt"].upper()
    # A sentence over two cues is one text; bold print inside a cue is lost.
    assert found[1]["texts"] == ["The cat sleeps in the house.", "It rains."]
    assert shouted[1] == SRT.replace("<b>rains</b>", "rains").replace(
        "The cat\r\nsleeps in", "THE CAT\r\nSLEEPS IN"
    ).replace("the house", "THE HOUSE").replace("It rains", "IT RAINS")
    # What is translated, and what has plural forms, stays; the others are marked.
    assert found[2]["texts"] == ['one\n%d "two"', "Close"]
    assert shouted[2] == PO.replace("#, c-format", "#, fuzzy, c-format").replace(
        '"%d \\"two\\""\nmsgstr ""', '"%d \\"two\\""\nmsgstr ""\n"ONE\\n"\n"%D \\"TWO\\""'
    ).replace(
        'msgctxt "door"\nmsgid "Close"\nmsgstr ""',
        '#, fuzzy\nmsgctxt "door"\nmsgid "Close"\nmsgstr "CLOSE"',
    )


def test_cues_after_a_line_of_spaces_are_cues_of_their_own():
    content = SRT.replace("\r\n\r\n", "\r\n \r\n").encode()
    asked = {"name": "a.srt", "content": base64.b64encode(content).decode()}
    (found,) = in_node("documents", documents=[asked])
    assert "-->" not in "".join(found["texts"])
    assert base64.b64decode(found["same"]) == content


def test_cues_out_of_order_are_not_joined():
    cues = "1\n00:01:00,000 --> 00:01:01,000\none\n\n2\n00:00:01,000 --> 00:00:02,000\ntwo\n"
    asked = {"name": "a.srt", "content": base64.b64encode(cues.encode()).decode()}
    assert in_node("documents", documents=[asked])[0]["texts"] == ["one", "two"]


@needs_node
@pytest.mark.parametrize(
    ("cues", "translation", "expected"),
    [
        (["Good\nmorning."], "Bonjour.", ["Bonjour."]),
        (["Good\nmorning\nyou."], "Extraordinaire, oui.", ["Extraordinaire,\noui."]),
        (["I", "finally went home."], "Finalement je rentrai.", ["Finalement", "je rentrai."]),
        (["I went home to", "her."], "Je rentrai chez elle.", ["Je rentrai chez", "elle."]),
        (["Good", "morning."], "Bonjour.", ["Bonjour.", ""]),
    ],
)
def test_no_cue_begins_with_an_empty_line_or_is_empty_while_there_are_words(
    cues, translation, expected
):
    def written(texts):
        times = [f"00:00:0{n},000 --> 00:00:0{n},900" for n in range(len(texts))]
        parts = zip(times, texts, strict=True)
        return "\n\n".join(f"{n}\n{time}\n{text}" for n, (time, text) in enumerate(parts, 1))

    found = in_node("filled", name="a.srt", content=written(cues), translations=[translation])
    assert found == written(expected)


@needs_node
def test_a_line_of_text_ends_where_python_ends_it():
    text = "one.\rtwo.\x0bthree.\x0cfour.\x85five.\u2028six.\u2029seven.\r\neight.\n"
    asked = {"name": "a.txt", "content": base64.b64encode(text.encode()).decode()}
    (found,) = in_node("documents", documents=[asked])
    texts = [one for one in found["texts"] if one.strip()]
    assert texts == ["one.", "two.", "three.", "four.", "five.", "six.", "seven.", "eight."]
    assert base64.b64decode(found["shouted"]).decode() == text.upper()


@needs_node
def test_times_of_cues_are_read_as_in_python_and_what_is_no_cue_is_counted():
    def texts(*times):
        cues = [f"{n}\n{time}\ntext {n}\n\n" for n, time in enumerate(times)]
        asked = {"name": "a.srt", "content": base64.b64encode("".join(cues).encode()).decode()}
        return in_node("documents", documents=[asked])[0]["texts"]

    joined = ["text 0 text 1"]
    assert texts("00:00:01,000 --> 00:00:02,090", "00:00:02,100 --> 00:00:03,000") == joined
    assert texts("00:00:01,000 --> 00:00:02,050", "00:00:03,900 --> 00:00:05,000") != joined
    assert texts("00:01 --> 00:02", "00:00:02.5 --> 00:00:03") == joined
    cue = "1\n00:00:01,000 --> 00:00:02,000\none\n\nlost\n"
    found = in_node("translated_document", name="a.srt", content=cue, lost="x")
    assert (found["segments"], found["untranslated"]) == (2, 1)


def test_a_text_that_loses_a_placeholder_and_plural_forms_stay_and_are_counted():
    header = 'msgid ""\nmsgstr "Language: fr"\n\n'
    kept = (
        'msgid "lost %s"\nmsgstr ""\n\nmsgid "{n, plural, other {a}}"\nmsgstr ""\n\n'
        'msgid "one"\nmsgid_plural "some"\nmsgstr[0] ""\nmsgstr[1] ""\n\n'
        'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\nmsgstr[1] "d"\n\n'
    )
    content = f'{header}{kept}msgid "two {{x}}"\nmsgstr ""\n'
    found = in_node("translated_document", name="a.po", content=content, lost="lost")
    assert found["content"] == content  # {x} became {X}
    assert (found["segments"], found["untranslated"]) == (4, 4)
    content = f'{header}{kept}msgid "two"\nmsgstr ""\n'
    found = in_node("translated_document", name="a.po", content=content, lost="lost")
    expected = f'{header}{kept}#, fuzzy\nmsgid "two"\nmsgstr "TWO"\n'
    assert (found["content"], found["untranslated"]) == (expected, 3)
    for name in ("a.srt", "a.txt"):
        content = "1\n00:00:01,000 --> 00:00:02,000\nlost %s\n"
        found = in_node("translated_document", name=name, content=content, lost="lost")
        assert (found["content"], found["untranslated"]) == (content, 1)
