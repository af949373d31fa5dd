#!/usr/bin/env python3
"""Measures how fast a run is, on a machine that does nothing else.

    python scripts/benchmark.py train RECIPE --data PREFIX --dev PREFIX [--shape B S T] [--peer PEER]
    python scripts/benchmark.py memory RECIPE --data PREFIX --dev PREFIX [--repeat N] [--steps N]
    python scripts/benchmark.py translate RUN --source FILE [--reference FILE] [--lines N]
        [--peer opennmt=PYTHON] [--peer joeynmt=PYTHON]

train: whole updates (gradient, clipping, optimizer, moving average) on the recipe's real batches:
real target tokens a second, the wait for input, the share of padding, and the share of the
machine's own rate for a large product in the same precision. Arithmetic is counted as three times
the products with weights of a forward pass, real tokens only. `--shape` takes one batch of random
ids instead, of B sentences with S and T tokens. `--peer` is another program that prints "N target
tokens/s", or names the interpreter of OpenNMT-tf 2.32 or Joey NMT 2.3 (see `train_with_peer.py`):
both run in turn, three times each, and the ratio is of the medians.

memory: `nmt train` in a process of its own, so many steps: the time from its start to the first
update's end, and the peak of its memory, evaluation included. `--repeat` trains on a text so many
times as long, the same one repeated.

translate: text to text, by engine and precision, each in a process of its own: sentences and target
tokens a second, greedy and with beam 5 (the best of three passes), the median of one line alone
with beam 5, peak memory, the time of a cold `echo ... | nmt translate RUN`, and BLEU. "of rate" is
the share that the arithmetic takes of the machine's own rate, of a large product in the same
precision, measured in the same call; arithmetic is that of the products with weights, of what is in
the translations, whether it is computed or looked up. `--peer` names the interpreter of OpenNMT-tf
2.32 or Joey NMT 2.3 (see `decode_with_peer.py`), which decode the same lines in float32 with a
model of the same widths and random weights, whose hypotheses are made as long as ours are on
average: compare tokens a second.

What was tried for training (64 x 20 x 22, bfloat16; milliseconds on one core, which other jobs
disturb least):

- The loss by XLA: with the accuracy by the row's maximum and not by argmax 33 -> 15 ms on two cores. By TensorFlow's
  operations in as few passes as it can: 22; by its fused sparse softmax: 30; in parts that fit the cache: 21 to 30.
- The loss in parts of 512 rows, each from product to gradient by XLA, and not of all logits at once, with their bias:
  on a Xeon with AMX 400 -> 335 ms on one core (`multi30k`), 154 -> 141 ms (`luong`) and 232 -> 227 (`bahdanau`) on two.
  There the vocabulary's product with its bias took 29 ms and, into memory that is in the cache and without it, takes 9.
- On that Xeon, whose products take a quarter of the time they take on the EPYC, a GRU's arithmetic by XLA within the
  loop: 240 and 242 ms on one core (`luong`). glibc's allocator told to keep what it has, and huge pages: 400 -> 375 ms.
- Clipping, optimizer and moving average by XLA: 23 -> 6.4 ms on two cores.
- A whole update is then 284 ms of which its products need 195 at the full rate (`luong`), 420 and 247 (`bahdanau`).
- A GRU's gradient by hand: 1 to 2 %. A loop of our own that keeps products alone and computes the rest again: 285 and
  282 ms (`luong`). The gradient of the attended values in one product after the loop: 427 and 429 ms (`bahdanau`).
- A batch in two halves, each by one of two cores (`training.batch_slices`): 231 -> 185 ms (`luong`), 294 -> 261
  (`bahdanau`); by a single core a tenth slower.
- glibc's allocator told to keep what it has, or to ask for huge pages: 192 -> 188 to 237 ms (`luong`).
- The gradient of the tied vocabulary as rows^T times upstream: no difference. One thread for operations side by side:
  a quarter slower on two cores.
- Additive attention by XLA within the loop: forward 0.57 -> 0.32 ms a step, but compiled for each pair of batch size
  and source length, of which Europarl in batches of tokens has 1,300; backward, with its sums, three times slower.

What was tried for translation, and what each gave (EPYC with VNNI, one core, other jobs beside it);
with 8,000 pieces:

- The decoder's products in integers, one scale for each row of activations: 4x on products of 64 rows and more, as
  ONNX Runtime's dynamic quantization with one scale for the whole matrix (1.33 ms, 1.23 ms and in float32 4.5 ms for
  320 x 512 x 1536), but no line changes with its batch. MatMulNBits with 8 bits and accuracy level 4, the other way to
  have row-wise scales, is made for one row: 3.9 ms. Both weights and activations unsigned: 3.2 ms.
- A scale for each part of a concatenated row, as of state, context and embedding before the readout: the root mean
  square error of a token's log-probability falls from 0.030 to 0.018, for two more products.
- Activations in 7 bits, so that no processor cuts sums: the same speed and BLEU (test_2016 56.6 in 7 and 8 bits).
- The encoder in int8 as a Scan, both directions in one loop: 12.2 ms for 64 x 16 tokens, against 20.6 ms with the GRU
  operator, which has no integers. In float32 it is the operator that is faster (24.0, 25.3 ms).
- One thread a session and batches side by side, not operations shared by two threads: a step of 64 x 5 hypotheses takes
  18.2 ms of one core and, shared, 16.0 ms of two. One caption in int8, beam 5, with 4,000 pieces: 7.0 ms by one thread,
  7.6 ms by two; in float32 12.3 and 9.7 ms, which is the only place where two are faster.
- Log-softmax before the best candidates and not log-sum-exp after them: 4.3 ms, against 4.5 and (ReduceLogSumExp) 13.1.
- No search beyond the point where nothing can change the n best that are asked for: 94 rows of steps a caption -> 85.
- The bias of the vocabulary within its product, no copies for outputs, no reshapes around products, no arithmetic for
  negative ids: 87 operations -> 43, a step of 1 x 5 hypotheses 0.27 -> 0.22 ms, of 45 x 5 9.3 -> 7.7 ms.

and with 4,000 pieces, weights random:

- Embeddings times input weights looked up in a table of 16 bits (12 MB): a step of 1 x 5 hypotheses 0.170 -> 0.149 ms,
  of 45 x 5 5.3 -> 4.7 ms; encoding 64 x 13 tokens 9.1 -> 6.4 ms. In 8 bits it is as fast, but the root mean square
  error of a token's log-probability is 0.022, and not 0.014.
- No scale for what lies between -1 and 1 anyway: 0.151 -> 0.137 ms and 4.8 -> 4.5 ms; encoding one sentence 0.45 ->
  0.36 ms. The error of a log-probability stays what it was.
- Methods of arrays in place of NumPy's functions around them: the search of one caption, without the engine, 54 -> 40
  microseconds a step.
- Batches of 32, 64 and 128 captions: 398, 379 and 336 sentences/s with beam 5; 1,381, 1,400 and 865 greedy.
- What must not be emitted left to the engine, which looks at the candidates (never one in 40,000 steps of a trained
  model), in place of a sum over all V: a step of 1 x 5 hypotheses 0.136 -> 0.132 ms, of 45 x 5 4.2 -> 4.0 ms.
- What a step computes of the memory alone (the mask, transposed keys) moved to the encoder: 41 operations a step -> 37.
- Known bounds of the context in place of each row's largest number: 33 operations, but with `bahdanau` int8 loses 0.28
  BLEU in place of 0.15; not kept.
- Nothing was won by RunOptions that execute the path to the outputs only, nor without memory arena or patterns.

Before that, of a step of 45 x 5 hypotheses, 4.0 ms, products of integers took 2.35 ms, at four
fifths of what the core can, the best candidates 0.56, log-softmax 0.24, attention 0.22.
"""

import argparse
import itertools
import json
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
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
    translate.add_argument("run", type=Path)
    translate.add_argument("--source", type=Path, required=True)
    translate.add_argument("--reference", type=Path, help="for BLEU")
    translate.add_argument("--lines", type=int, default=1000)
    translate.add_argument("--peer", action="append", default=[], metavar="opennmt|joeynmt=PYTHON")
    translate.set_defaults(function=benchmark_translate)
    train = commands.add_parser("train", help="speed of training")
    train.add_argument("recipe")
    train.add_argument("--data", required=True)
    train.add_argument("--dev", required=True)
    train.add_argument("--set", action="append", default=[])
    train.add_argument("--shape", type=int, nargs=3, metavar=("B", "S", "T"))
    train.add_argument("--steps", type=int, default=100)
    train.add_argument("--peer", metavar="COMMAND|opennmt=PYTHON|joeynmt=PYTHON")
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
    import tensorflow as tf

    from nmt.config.loader import load_config
    from nmt.training.distributed import Workers
    from nmt.training.input_pipeline import InputPipeline
    from nmt.training.setup import prepare
    from nmt.training.train_step import TrainStep

    config = load_config(options.recipe, options.set)
    if config.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    data = config.data.model_copy(update={"train": options.data, "dev": options.dev})
    with tempfile.TemporaryDirectory() as folder:
        workers = Workers(config.training.batch_slices)
        prepared = prepare(config.model_copy(update={"data": data}), Path(folder) / "run")
        run = prepared.run
        precision = run.facts["precision"]
        model = run.build_model("mixed_bfloat16" if precision == "bfloat16" else precision)
        update, feed = (
            TrainStep(model, run.build_model(), config.training, workers),
            InputPipeline(run, prepared.corpus, workers),
        )
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
            batches = itertools.chain.from_iterable(map(feed.batches, itertools.count()))
        time_updates(
            update, batches, 8 if options.shape else 100
        )  # compiles, for each length of real batches
        ours, theirs = [], []
        command, request = (
            training_peer(options.peer, options.data, run) if options.peer else ([], None)
        )
        for _ in range(3):
            ours.append(time_updates(update, batches, options.steps))
            if options.peer:
                output = subprocess.run(
                    command, input=request, text=True, stdout=subprocess.PIPE, check=True
                ).stdout
                theirs.append(
                    float(re.findall(r"([\d.,]+) target tokens/s", output)[-1].replace(",", ""))
                )
        found = sorted(ours, key=lambda times: times["tokens"] / times["seconds"])[1]
        rate = found["tokens"] / found["seconds"]
        # By all cores at one product: TensorFlow's threads are set for a process, and ours may each
        # do a slice.
        peak = in_another_process([sys.executable, __file__, "matrix-rate", precision], None)
        flop = 3 * forward_operations(model, found)
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
    if theirs:
        print(
            f"{rate / np.median(theirs):.2f} times {options.peer}: {np.median(theirs):,.0f} target"
            " tokens/s"
        )


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
    """Reads arguments of `nmt`; is `nmt`, and writes when the first update has ended."""
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
    """What to run, and what it reads: a toolkit is given our pieces, another command nothing."""
    from nmt.text.lines import read_parallel, resolve_parallel

    kind, _, python = peer.partition("=")
    if kind not in ("opennmt", "joeynmt"):
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


def forward_operations(model, found: dict[str, float]) -> float:
    """Two for each weight of the encoder and each source token, and of the decoder and each target
    token."""
    sizes = {
        variable.path: np.prod(variable.shape)
        for variable in model.trainable_variables
        if len(variable.shape) == 2
    }
    of_source = sum(
        size for path, size in sizes.items() if "encoder" in path or "key" in path.split("/")[-2]
    )
    of_target = sum(size for path, size in sizes.items() if "decoder" in path) - sum(
        size for path, size in sizes.items() if "key" in path.split("/")[-2]
    )
    if model.decoder.tied:
        of_target += sizes[model.target_embedding.matrix.path]
    return 2.0 * (found["source"] * of_source + found["tokens"] * of_target)


def tensorflow_matrix_rate(options: argparse.Namespace) -> None:
    """Writes operations a second of a large product, two for each number and weight, by TensorFlow
    on all cores."""
    import tensorflow as tf

    a = tf.cast(tf.random.stateless_normal((4096, 4096), (1, 2)), options.precision)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(a, a)))
    print(2 * 4096**3 / min(seconds(lambda: product().numpy()) for _ in range(8)))


def benchmark_translate(options: argparse.Namespace) -> None:
    from nmt.evaluation.metrics import bleu
    from nmt.text.lines import read_lines

    lines = list(read_lines(options.source))[: options.lines]
    references = list(read_lines(options.reference))[: options.lines] if options.reference else []
    rates = {precision: matrix_rate(precision) for precision in ("int8", "float32")}
    print(f"{len(lines)} lines; billions of operations a second in a large product:", end=" ")
    print(", ".join(f"{rate / 1e9:,.0f} in {precision}" for precision, rate in rates.items()))
    print(
        "                  sentences/s    target tokens/s  int8 is so many  of rate,  one line,    "
        "       cold"
    )
    print(
        "                greedy  beam 5   greedy  beam 5  times as fast    beam 5    beam 5   "
        " memory  start   BLEU"
    )
    first = []  # target tokens a second, greedy and with beam 5

    def row(name: str, seconds: dict[str, float], tokens: dict[str, int], rest: str) -> None:
        speeds = [len(lines) / seconds[search] for search in BEAM_SIZES]
        rates = [tokens[search] / seconds[search] for search in BEAM_SIZES]
        first.extend(rates if not first else ())
        ratios = [ours / rate for ours, rate in zip(first, rates, strict=True)]
        print(
            f"{name:16} {speeds[0]:5,.0f} {speeds[1]:7,.0f} {rates[0]:8,.0f} {rates[1]:7,.0f}"
            f" {ratios[0]:7.2f} {ratios[1]:5.2f} {rest}"
        )

    for engine, precision in WAYS:
        found = in_another_process(
            [sys.executable, __file__, "translate-one-way", options.run, engine, precision], lines
        )
        scores = (
            " ".join(f"{bleu(texts, [references]):5.2f}" for texts in found["texts"].values())
            if references
            else ""
        )
        share = found["operations"] / found["seconds"]["beam 5"] / rates[precision]
        cold = cold_start(options.run, lines[0], engine, precision)
        rest = (
            f"{share:12.0%} {1e3 * found['alone']:9.1f} ms {found['memory']:6.0f} MB {cold:5.2f} s "
            f" {scores}"
        )
        row(f"{engine} {precision}", found["seconds"], found["tokens"], rest)
        if engine == "onnx" and precision == "float32":
            length = round(found["tokens"]["beam 5"] / len(lines))
    for peer in options.peer:
        kind, python = peer.split("=", 1)
        command = [python, str(Path(__file__).with_name("decode_with_peer.py")), kind]
        found = in_another_process(command, peer_request(options.run, lines, length))
        forced = dict.fromkeys(BEAM_SIZES, length * len(lines))
        rest = f"   {found['parameters'] / 1e6:.1f} M random weights, {length} tokens a line"
        row(found["name"], found["seconds"], forced, rest)


def peak_memory(whose: int) -> int:
    """Of this process, or the largest of its children's, in bytes."""
    return resource.getrusage(whose).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)


def in_another_process(command: list[str], request: Any) -> Any:
    """Writes and reads JSON. What another toolkit may print before its answer is passed over."""
    process = subprocess.run(
        command, input=json.dumps(request), text=True, stdout=subprocess.PIPE, check=True
    )
    return json.loads(process.stdout.splitlines()[-1])


def peer_request(run: Path, lines: list[str], length: int) -> dict[str, Any]:
    """What a peer needs for a model like ours: see `decode_with_peer.py`."""
    from nmt.runs.run_folder import Run

    opened = Run.open(run)
    source, target, model = opened.source_tokenizer, opened.target_tokenizer, opened.config.model
    return {
        "sentences": [source.pieces(source.encode(line)) for line in lines],
        "vocabulary": target.pieces(range(4, target.vocabulary_size)),
        "length": length,
        "embedding_units": model.embedding_units,
        "encoder_units": model.encoder.units,
        "decoder_units": model.decoder.units,
    }


def matrix_rate(precision: str) -> float:
    """Operations a second of a large product, two for each number and weight, by ONNX Runtime on
    all cores."""
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
    """Reads lines as JSON, and writes seconds, tokens, texts, megabytes and operations."""
    from nmt import Translator

    lines = json.load(sys.stdin)
    translator = Translator.load(options.run, options.engine, options.precision)
    translator.translate(lines[:64])
    some = lines[:: max(1, len(lines) // NUM_ALONE)]  # from all over: captions differ in length
    alone = [seconds(lambda line=line: translator.translate([line], beam_size=5)) for line in some]
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
        "alone": np.median(alone),
        "memory": memory,
    }
    print(
        json.dumps(
            {**answer, "operations": operations(translator, lines, tokens["beam 5"], beam_size=5)}
        )
    )


def operations(translator, lines: list[str], target: int, beam_size: int) -> float:
    """Of the products with weights, which are nearly all: two for each weight, of the encoder for
    each source token, of the decoder for each target token and hypothesis. A lower bound, as search
    goes on a little longer than its result.
    """
    model = translator.run.config.model
    source = sum(len(translator.run.source_tokenizer.encode(line)) + 1 for line in lines)
    gates = 3 if model.layer.endswith("gru") else 4
    encoder, decoder, memory = model.encoder, model.decoder, model.memory_units
    width = model.embedding_units
    of_source = 0
    for index in range(encoder.num_layers):
        inputs = memory if index else width
        of_source += gates * memory * (inputs + encoder.units)
    of_source += memory * (decoder.attention_units or decoder.units)  # keys
    attend_first = decoder.cell == "attend_first"
    values = memory + width * decoder.lexical
    fed = width + values * attend_first + model.readout_units * decoder.input_feeding
    of_target = (
        gates * decoder.units * (fed + decoder.units + (decoder.num_layers - 1) * 2 * decoder.units)
    )
    of_target += (
        (decoder.attention_units or decoder.units) * decoder.units * (decoder.score == "additive")
    )
    of_target += model.readout_units * (decoder.units + values + width * attend_first)
    of_target += model.readout_units * translator.run.target_tokenizer.vocabulary_size
    return 2.0 * (source * of_source + beam_size * target * of_target)


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
