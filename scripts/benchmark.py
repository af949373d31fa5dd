#!/usr/bin/env python3
"""Measures the speed of training and translation, on a machine without other load.

    python scripts/benchmark.py train RECIPE --data PREFIX --dev PREFIX [--shape B S T]
        [--peer PEER ...]
    python scripts/benchmark.py memory RECIPE --data PREFIX --dev PREFIX [--repeat N] [--steps N]
    python scripts/benchmark.py translate RUN... --source FILE [--reference FILE] [--lines N]
        [--peer opennmt=PYTHON] [--peer joeynmt=PYTHON] [--peer marian=PYTHON]
        [--marian-model FOLDER] [--plot FILE]

train: complete updates (gradient, clipping, optimizer, moving average) on real batches of the
recipe. Prints target tokens/s without padding, time spent waiting for input, the share of padding,
and the arithmetic as a share of the machine's rate for a large product in the same precision.
Arithmetic is three times the products with weights of a forward pass, without padding. `--shape`
uses one batch of random ids instead: B sentences with S and T tokens. `--peer` is another program
that prints "N target tokens/s", or opennmt, joeynmt or marian and the interpreter of OpenNMT-tf
2.32, Joey NMT 2.3 or Marian 1.12 (see `train_with_peer.py`). It may be repeated: all run in turn,
three times each, and ratios are those of the medians.

memory: `nmt train` in a process of its own for some steps: the time from its start to the end of
the first update, and its peak memory, evaluation included. `--repeat` repeats the text.

translate: text to text, by engine and precision, each in a process of its own: sentences and target
tokens per second, greedy and with beam 5 (best of three passes), median time of one line with beam
5, peak memory, time of a cold `echo ... | nmt translate RUN`, and BLEU. "of rate" is the share of
the machine's rate for a large product in the same precision, measured in the same call; arithmetic
is that of the products with weights for the tokens of the translations, whether they are computed
or looked up. `--peer` is the interpreter of OpenNMT-tf 2.32, Joey NMT 2.3 or Marian 1.12 (see
`decode_with_peer.py`), which decode the same lines in float32 with a model of the same widths and
random weights; their hypotheses are as long as ours on average: compare tokens per second. With
`--marian-model`, Marian decodes with a model of `train_marian_student.py` instead, in int8 and in
float32. `--plot` draws BLEU over speed.
"""

import argparse
import itertools
import json
import math
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

WAYS = [("onnx", "int8"), ("onnx", "float32"), ("keras", "float32")]
BEAM_SIZES = {"greedy": 1, "beam 5": 5}
NUM_ALONE = 100


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    translate = commands.add_parser("translate", help="speed of translation")
    translate.add_argument("run", type=Path, nargs="+")
    translate.add_argument("--source", type=Path, required=True)
    translate.add_argument("--reference", type=Path, help="for BLEU")
    translate.add_argument("--lines", type=int, default=1000)
    translate.add_argument("--peer", action="append", default=[], metavar="PEER=PYTHON")
    translate.add_argument("--marian-model", type=Path, help="of train_marian_student.py")
    translate.add_argument("--plot", type=Path, help="draw BLEU over speed")
    translate.set_defaults(function=benchmark_translate)
    train = commands.add_parser("train", help="speed of training")
    train.add_argument("recipe")
    train.add_argument("--data", required=True)
    train.add_argument("--dev", required=True)
    train.add_argument("--set", action="append", default=[])
    train.add_argument("--shape", type=int, nargs=3, metavar=("B", "S", "T"))
    train.add_argument("--steps", type=int, default=100)
    train.add_argument("--peer", action="append", default=[], metavar="COMMAND|PEER=PYTHON")
    train.set_defaults(function=benchmark_train)
    memory = commands.add_parser("memory", help="start and memory of training")
    memory.add_argument("recipe")
    memory.add_argument("--data", required=True)
    memory.add_argument("--dev", required=True)
    memory.add_argument("--set", action="append", default=[])
    memory.add_argument("--steps", type=int, default=600)
    memory.add_argument("--repeat", type=int, default=1)
    memory.set_defaults(function=benchmark_memory)
    one = commands.add_parser("train-once")  # the process that `memory` starts
    one.set_defaults(function=train_once)
    one = commands.add_parser("translate-one-way")  # the process that `translate` starts
    one.add_argument("run", type=Path)
    one.add_argument("engine")
    one.add_argument("precision")
    one.set_defaults(function=translate_one_way)
    rate = commands.add_parser("matrix-rate")  # the process that `train` starts
    rate.add_argument("precision")
    rate.set_defaults(function=tensorflow_matrix_rate)
    options = parser.parse_args()
    options.function(options)


def benchmark_train(options: argparse.Namespace) -> None:
    from nmt.config.loader import load_config
    from nmt.training.distributed import Workers
    from nmt.training.input_pipeline import InputPipeline
    from nmt.training.setup import prepare
    from nmt.training.train_step import TrainStep
    from nmt.training.trainer import make_deterministic

    config = load_config(options.recipe, options.set)
    if config.training.deterministic:
        make_deterministic()
    data = config.data.model_copy(update={"train": options.data, "dev": options.dev})
    with tempfile.TemporaryDirectory() as folder:
        workers = Workers(config.training.batch_slices)
        prepared = prepare(config.model_copy(update={"data": data}), Path(folder) / "run")
        run = prepared.run
        precision = run.metadata["precision"]
        model = run.build_model("mixed_bfloat16" if precision == "bfloat16" else precision)
        update = TrainStep(model, run.build_model(), config.training, workers)
        pipeline = InputPipeline(run, prepared.corpus, workers)
        if options.shape:
            random, (b, s, t) = np.random.default_rng(0), options.shape
            ids = (
                random.integers(20, size, (b, n))
                for size, n in zip(model.vocabulary_sizes, (s, t + 1), strict=True)
            )
            source, target = (x.astype(np.int32) for x in ids)
            parts = (
                (source[i], target[i], np.ones(len(i), np.float32))
                for i in workers.parts(np.arange(b))
            )
            batches = itertools.repeat([list(parts)])
        else:
            batches = itertools.chain.from_iterable(map(pipeline.batches, itertools.count()))
        time_updates(
            update, batches, 8 if options.shape else 100
        )  # compiles, for each length of real batches
        ours, theirs = [], {peer: [] for peer in options.peer}
        for _ in range(3):
            ours.append(time_updates(update, batches, options.steps))
            for peer, rates in theirs.items():
                command, request = training_peer(peer, options.data, run)
                output = subprocess.run(
                    command, input=request, text=True, stdout=subprocess.PIPE, check=True
                ).stdout
                last = re.findall(r"([\d.,]+) target tokens/s", output)[-1]
                rates.append(float(last.replace(",", "")))
        found = sorted(ours, key=lambda times: times["tokens"] / times["seconds"])[1]
        rate = found["tokens"] / found["seconds"]
        # By all cores at one product: TensorFlow's threads are set for a process, and ours may each
        # do a slice.
        peak = in_another_process([sys.executable, __file__, "matrix-rate", precision], None)
        shapes = {variable.path: variable.shape for variable in model.trainable_variables}
        flop = 3 * forward_operations(shapes, found["source"], found["tokens"])
    print(f"{options.recipe}, {model.count_params() / 1e6:.1f} M parameters, {precision}")
    print(
        f"{rate:,.0f} real target tokens/s, {1e3 * found['seconds'] / options.steps:.0f} ms an"
        " update"
    )
    print(
        f"input: {found['waiting'] / found['seconds']:.1%} of the time; padding:"
        f" {found['padding']:.1%} of positions"
    )
    share = flop / found["seconds"] / peak
    print(f"{share:.0%} of {peak / 1e9:.0f} GFLOP/s, the rate of a large product in {precision}")
    for peer, rates in theirs.items():
        median = np.median(rates)
        print(f"{rate / median:.2f} times {peer}: {median:,.0f} target tokens/s")


def benchmark_memory(options: argparse.Namespace) -> None:
    from nmt.config.loader import load_config
    from nmt.text.lines import resolve_parallel

    config = load_config(options.recipe, options.set).data
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "train"
        texts = resolve_parallel(options.data, config.source, config.target)
        for path, language in ((texts.source, config.source), (texts.target, config.target)):
            with open(f"{data}.{language}", "wb") as file:
                for _ in range(options.repeat):
                    file.write(path.read_bytes())
        limits = [
            f"training.max_steps={options.steps}",
            f"training.evaluate_every={options.steps // 2}",
        ]
        arguments = [
            "train",
            options.recipe,
            "--data",
            str(data),
            "--dev",
            options.dev,
            "--run",
            f"{folder}/run",
        ]
        arguments += [
            argument for override in [*options.set, *limits] for argument in ("--set", override)
        ]
        started = time.time()
        ended = in_another_process([sys.executable, __file__, "train-once"], arguments)
    print(
        f"{options.recipe}, its text {options.repeat} times: {options.steps} steps, evaluated after"
        " each half"
    )
    peak = peak_memory(resource.RUSAGE_CHILDREN) / 1e9
    print(f"{ended - started:.0f} s to the first update's end; peak memory {peak:.2f} GB")


def train_once(options: argparse.Namespace) -> None:
    """Runs `nmt` with arguments from stdin, and prints when the first update has ended."""
    from nmt.cli.main import main
    from nmt.training.train_step import TrainStep

    sys.argv = ["nmt", *json.load(sys.stdin)]
    apply = TrainStep.apply

    def noting_its_end(*args: Any, **options: Any) -> Any:
        TrainStep.apply = apply
        result = apply(*args, **options)
        print(time.time(), flush=True)
        return result

    TrainStep.apply = noting_its_end
    sys.exit(main())


def training_peer(peer: str, data: str, run) -> tuple[list[str], str | None]:
    """The command, and its input: our sub-words for a toolkit, nothing for another command."""
    from nmt.text.lines import read_parallel, resolve_parallel

    kind, _, python = peer.partition("=")
    if kind not in ("opennmt", "joeynmt", "marian"):
        return shlex.split(peer), None
    languages = run.config.data.source, run.config.data.target
    pairs = list(itertools.islice(read_parallel(resolve_parallel(data, *languages)), 12_800))
    source, target = run.source_tokenizer, run.target_tokenizer
    request = {
        "source": [source.pieces(source.encode(line)) for line, _ in pairs],
        "target": [target.pieces(target.encode(line)) for _, line in pairs],
        "vocabulary": target.pieces(range(4, target.vocabulary_size)),
    }
    return [python, str(Path(__file__).with_name("train_with_peer.py")), kind], json.dumps(request)


def time_updates(update, batches, count: int) -> dict[str, float]:
    found = dict.fromkeys(("tokens", "source", "waiting", "padding"), 0.0)
    positions, start = 0, time.perf_counter()
    for _ in range(count):
        waited = time.perf_counter()
        parts = next(batches)
        found["waiting"] += time.perf_counter() - waited
        found["tokens"] += update.apply(parts, learning_rate=1e-3, decay=0.999)[0].tokens
        for source, target, _ in itertools.chain.from_iterable(parts):
            found["source"] += np.count_nonzero(source)
            positions += np.size(source) + np.size(target[:, 1:])
    found["seconds"] = time.perf_counter() - start
    found["padding"] = 1 - (found["source"] + found["tokens"]) / positions
    return found


def forward_operations(shapes: dict[str, Any], source: float, target: float) -> float:
    """Operations of the products with weights, which are nearly all: two per encoder weight and
    source token, and two per decoder weight and target token. `shapes` are those of the weights."""
    sizes = {path: math.prod(shape) for path, shape in shapes.items() if len(shape) == 2}
    keys = sum(size for path, size in sizes.items() if "_key/" in path)
    of_source = keys + sum(size for path, size in sizes.items() if path.startswith("encoder"))
    of_target = -keys + sum(
        size
        for path, size in sizes.items()
        if path.startswith("decoder") and "_bridge_" not in path
    )
    if "decoder/vocabulary" not in sizes:  # tied
        of_target += sizes["target_embedding/matrix"]
    return 2.0 * (source * of_source + target * of_target)


def tensorflow_matrix_rate(options: argparse.Namespace) -> None:
    """Prints the operations per second of a large product with TensorFlow on all cores."""
    import tensorflow as tf

    a = tf.cast(tf.random.stateless_normal((4096, 4096), (1, 2)), options.precision)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(a, a)))
    print(2 * 4096**3 / min(seconds(lambda: product().numpy()) for _ in range(8)))


def benchmark_translate(options: argparse.Namespace) -> None:
    from nmt.evaluation.metrics import bleu
    from nmt.text.lines import read_lines

    if options.plot and not options.reference:
        sys.exit("--plot draws BLEU: it needs --reference FILE.")
    lines = list(read_lines(options.source))[: options.lines]
    references = list(read_lines(options.reference))[: options.lines] if options.reference else []
    peak = {precision: matrix_rate(precision) for precision in ("int8", "float32")}
    print(f"{len(lines)} lines; billions of operations a second in a large product:", end=" ")
    print(", ".join(f"{rate / 1e9:,.0f} in {precision}" for precision, rate in peak.items()))
    print(
        "                            sentences/s    target tokens/s    the first is  of rate,"
        "  one line,           cold\n"
        "                          greedy  beam 5   greedy  beam 5  times as fast    beam 5"
        "     beam 5   memory  start   BLEU"
    )
    rows: list[Row] = []

    def add(found: dict[str, Any]) -> None:
        texts = found.get("texts", {}) if references else {}
        scores = [bleu(texts[search], [references]) for search in texts]
        rows.append(Row(len(lines), found, scores))
        rows[-1].print(rows[0])

    for run in options.run:
        for engine, precision in WAYS:
            found = in_another_process(
                [sys.executable, __file__, "translate-one-way", run, engine, precision], lines
            )
            found["share"] = found["operations"] / found["seconds"]["beam 5"] / peak[precision]
            found["cold"] = cold_start(run, lines[0], engine, precision)
            name = f"{run.name} {precision}" + (" in Keras" if engine == "keras" else "")
            add(found | {"name": name})
    for peer in options.peer:
        kind, python = peer.split("=", 1)
        request = peer_request(options.run[0], lines)
        models = [None]
        if kind == "marian" and options.marian_model:
            models = [options.marian_model / name for name in ("model.int8.bin", "model.npz")]
        length = round(rows[1].tokens["beam 5"] / len(lines))  # of the first run in float32
        for model in models:
            request |= {"model": str(model)} if model else {"length": length}
            command = [python, str(Path(__file__).with_name("decode_with_peer.py")), kind]
            found = in_another_process(command, request)
            if model:
                found["texts"] = texts_of(options.run[0], found["pieces"])
            else:
                found["name"] += f", {found['parameters'] / 1e6:.1f} M random weights"
                found.setdefault("tokens", dict.fromkeys(BEAM_SIZES, length * len(lines)))
            add(found)
    if options.plot:
        plot_speed_and_quality(rows, options.plot)


@dataclass
class Row:
    """One engine's figures; those that were not measured are missing."""

    num_lines: int
    found: dict[str, Any]
    scores: list[float]  # BLEU, greedy and with beam 5; none without references or texts

    @property
    def speeds(self) -> list[float]:
        """Sentences per second, greedy and with beam 5."""
        return [self.num_lines / self.found["seconds"][search] for search in BEAM_SIZES]

    @property
    def tokens(self) -> dict[str, int]:
        return self.found["tokens"]

    @property
    def rates(self) -> list[float]:
        """Target tokens per second, greedy and with beam 5."""
        return [self.tokens[search] / self.found["seconds"][search] for search in BEAM_SIZES]

    def print(self, first: "Row") -> None:
        speeds, rates, found = self.speeds, self.rates, self.found
        ratios = [ours / rate for ours, rate in zip(first.rates, rates, strict=True)]
        cells = [
            f"{found['name']:26} {speeds[0]:5,.0f} {speeds[1]:7,.0f} {rates[0]:8,.0f}"
            f" {rates[1]:7,.0f} {ratios[0]:8.2f} {ratios[1]:5.2f}",
            f"{found['share']:9.0%}" if "share" in found else " " * 9,
            f"{1e3 * found['alone']:7.1f} ms" if "alone" in found else " " * 10,
            f"{found['memory']:6.0f} MB" if "memory" in found else " " * 9,
            f"{found['cold']:5.2f} s" if "cold" in found else " " * 7,
            " ".join(f"{score:6.2f}" for score in self.scores),
        ]
        print(" ".join(cells).rstrip(), flush=True)


def texts_of(run: Path, pieces: dict[str, list[list[str]]]) -> dict[str, list[str]]:
    """What a peer wrote with the pieces of a run's vocabulary."""
    from nmt.runs.run_folder import Run

    tokenizer = Run.open(run).target_tokenizer
    return {
        search: [tokenizer.decode(tokenizer.ids_of_pieces(line)) for line in lines]
        for search, lines in pieces.items()
    }


def plot_speed_and_quality(rows: list[Row], path: Path) -> None:
    """BLEU over sentences per second: one line a row, from beam 5 to greedy."""
    from matplotlib.figure import Figure

    figure = Figure((7, 4.2), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        if row.scores:
            axes.plot(row.speeds, row.scores, marker="o", label=row.found["name"])
    axes.set(xscale="log", xlabel="sentences per second (log scale)", ylabel="BLEU")
    axes.set_title("greedy (right) and beam 5 (left) on two cores", fontsize="medium")
    axes.grid(color="0.9", which="both")
    axes.legend()
    figure.savefig(path, dpi=150)


def peak_memory(whose: int) -> int:
    """Peak memory of this process, or of its largest child, in bytes."""
    return resource.getrusage(whose).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)


def in_another_process(command: list[str], request: Any) -> Any:
    """Sends and receives JSON; ignores what another toolkit prints before its answer."""
    process = subprocess.run(
        command, input=json.dumps(request), text=True, stdout=subprocess.PIPE, check=True
    )
    return json.loads(process.stdout.splitlines()[-1])


def peer_request(run: Path, lines: list[str]) -> dict[str, Any]:
    """What a peer needs for a model like ours: see `decode_with_peer.py`."""
    from nmt.runs.run_folder import Run

    opened = Run.open(run)
    source, target, model = opened.source_tokenizer, opened.target_tokenizer, opened.config.model
    return {
        "sentences": [source.pieces(source.encode(line)) for line in lines],
        "vocabulary": target.pieces(range(4, target.vocabulary_size)),
        "alone": alone(lines),
        "embedding_units": model.embedding_units,
        "encoder_units": model.encoder.units,
        "decoder_units": model.decoder.units,
    }


def matrix_rate(precision: str) -> float:
    """Operations per second of a large product with ONNX Runtime on all cores."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    integers = precision == "int8"
    size, types = 2048, (np.uint8, np.int8) if integers else (np.float32, np.float32)
    weights = numpy_helper.from_array(np.ones((size, size), types[1]), "W")
    product = helper.make_node("MatMulInteger" if integers else "MatMul", ["x", "W"], ["y"])
    x = helper.make_tensor_value_info(
        "x", helper.np_dtype_to_tensor_dtype(np.dtype(types[0])), [size, size]
    )
    y = helper.make_tensor_value_info(
        "y", TensorProto.INT32 if integers else TensorProto.FLOAT, [size, size]
    )
    graph = helper.make_graph([product], "product", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = {"x": np.ones((size, size), types[0])}
    return 2 * size**3 / min(seconds(lambda: session.run(None, feed)) for _ in range(10))


def cold_start(run: Path, line: str, engine: str, precision: str) -> float:
    """Median of five calls of `echo LINE | nmt translate RUN`."""
    command = [
        sys.executable,
        "-m",
        "nmt",
        "translate",
        run,
        "--engine",
        engine,
        "--precision",
        precision,
    ]

    def call() -> None:
        subprocess.run(command, input=line + "\n", text=True, capture_output=True, check=True)

    return float(np.median([seconds(call) for _ in range(5)]))


def translate_one_way(options: argparse.Namespace) -> None:
    """Reads lines as JSON; prints seconds, tokens, texts, megabytes and operations."""
    from nmt import Translator

    lines = json.load(sys.stdin)
    translator = Translator.load(options.run, options.engine, options.precision)
    translator.translate(lines[:64])
    single = [
        seconds(lambda line=lines[i]: translator.translate([line], beam_size=5))
        for i in alone(lines)
    ]
    times, tokens, texts = {}, {}, {}
    for search, beam_size in BEAM_SIZES.items():
        times[search] = min(
            seconds(lambda size=beam_size: translator.translate(lines, beam_size=size))
            for _ in range(3)
        )
        found = translator.translate(lines, beam_size=beam_size)
        tokens[search] = sum(len(translation.candidates[0].tokens) for translation in found)
        texts[search] = [translation.text for translation in found]
    memory = peak_memory(resource.RUSAGE_SELF) / 2**20
    answer = {
        "seconds": times,
        "tokens": tokens,
        "texts": texts,
        "alone": np.median(single),
        "memory": memory,
    }
    print(
        json.dumps(
            {**answer, "operations": operations(translator, lines, tokens["beam 5"], beam_size=5)}
        )
    )


def alone(lines: list[str]) -> list[int]:
    """Which lines are timed one by one: from all over, as captions differ in length."""
    return list(range(0, len(lines), max(1, len(lines) // NUM_ALONE)))


def operations(translator, lines: list[str], target: int, beam_size: int) -> float:
    """A lower bound of those of a search, which takes more steps than the result has tokens."""
    from nmt.runs.run_folder import load_arrays

    run = translator.run
    weights = run.package.weights() if run.package else load_arrays(run.weights_file())[0]
    source = sum(len(run.source_tokenizer.encode(line)) + 1 for line in lines)
    shapes = {path: array.shape for path, array in weights.items()}
    return forward_operations(shapes, source, beam_size * target)


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
