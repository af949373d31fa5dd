#!/usr/bin/env python
"""How many lines the browser translates like Python, with the site of a run.

    scripts/compare_browser.py RUN FILE [FILE ...] [--lines N] [--precision float32|int8]
                               [--onnxruntime-web PATH] [--in node|chromium] [--split]

Prints, for each file, the number of equal translations and the first lines that differ. Lines are
not divided into sentences, unless --split says so: the browser has shorter lists of abbreviations.
"""

import argparse
import functools
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from nmt import Translator
from nmt.runs.package import open_run
from nmt.serving.static_site import export_site, read_runtime
from nmt.text.lines import is_blank, read_lines, text_path

SHOWN = 3  # lines that differ, of a file
IN_NODE = """
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { site, lines, settings } = JSON.parse(readFileSync(0, "utf8"));
const { inflated, loadTranslator } = await import(pathToFileURL(`${site}/worker/load.js`));
const module = readFileSync(`${site}/onnxruntime/ort.js`).toString("base64");
const ort = await import(`data:text/javascript;base64,${module}`);
ort.env.wasm.numThreads = 1;
const read = async (name) => inflated(readFileSync(`${site}/${name}`));
ort.env.wasm.wasmBinary = (await read("onnxruntime/ort.wasm.bin")).buffer;
const translator = await loadTranslator(ort, (name) => read(`model/${name}`));
Object.assign(translator.settings.decoding, settings);
const texts = [];
for (const line of lines) texts.push((await translator.explain(line)).hypotheses[0]?.text ?? line);
process.stdout.write(JSON.stringify(texts));
"""
IN_PAGE = """async ([lines, settings]) => {
  const worker = new Worker("worker/worker.js", { type: "module" });
  const answers = new Promise((resolve, reject) => {
    const texts = [];
    worker.onmessage = ({ data }) => {
      if (data.error || data.failure) reject(new Error(data.error ?? data.failure));
      if (data.answer) texts.push(data.answer.lines[0].hypotheses[0]?.text ?? lines[data.id]);
      if (texts.length === lines.length) resolve(texts);
    };
  });
  lines.forEach((q, id) => worker.postMessage({ id, path: "v1/translate", body: { q } }));
  return answers;
}"""


def in_node(site: Path, lines: Sequence[str], settings: dict[str, bool]) -> list[str]:
    # Node takes a .js file for a module only where a package.json says so.
    (site / "package.json").write_text('{"type": "module"}')
    task = json.dumps({"site": str(site), "lines": lines, "settings": settings})
    command = ["node", "--input-type=module", "-e", IN_NODE]
    return list(
        json.loads(
            subprocess.run(command, input=task, capture_output=True, check=True, text=True).stdout
        )
    )


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def in_chromium(site: Path, lines: Sequence[str], settings: dict[str, bool]) -> list[str]:
    from playwright.sync_api import sync_playwright

    path = site / "model" / "settings.json"
    record = json.loads(path.read_bytes())
    record["decoding"] |= settings
    path.write_text(json.dumps(record))
    handler = functools.partial(SilentHandler, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        texts = page.evaluate(IN_PAGE, [lines, settings])
        browser.close()
    server.shutdown()
    return list(texts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", help="run folder with an export, NAME.nmt, or an installed model")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument(
        "--lines", type=int, default=1000, help="of each file (default: %(default)s)"
    )
    parser.add_argument("--precision", choices=["float32", "int8"], default="int8")
    parser.add_argument("--onnxruntime-web", type=Path, metavar="PATH")
    parser.add_argument("--in", choices=["node", "chromium"], default="node", dest="where")
    parser.add_argument("--split", action="store_true", help="divide lines into sentences")
    options = parser.parse_args()
    run = open_run(options.run)
    translator = Translator.load(run, engine="onnx", precision=options.precision)
    translate = {"node": in_node, "chromium": in_chromium}[options.where]
    settings = {"split_sentences": options.split}
    with tempfile.TemporaryDirectory() as folder:
        export_site(run, Path(folder), read_runtime(options.onnxruntime_web), options.precision)
        for file in options.files:
            lines = [line for line in read_lines(text_path(file)) if not is_blank(line)][
                : options.lines
            ]
            start = time.perf_counter()
            found = translate(Path(folder), lines, settings)
            seconds = time.perf_counter() - start
            expected = [one.text for one in translator.translate(lines, **settings)]
            different = [i for i in range(len(lines)) if found[i] != expected[i]]
            print(
                f"{file}: {len(lines) - len(different)} of {len(lines)} lines are equal"
                f" ({1000 * seconds / max(len(lines), 1):.0f} ms a line)"
            )
            for i in different[:SHOWN]:
                print(f"  {lines[i]}\n    Python:  {expected[i]}\n    browser: {found[i]}")


if __name__ == "__main__":
    main()
