#!/usr/bin/env python3
"""Measures how fast a run is, on a machine that does nothing else.

    python scripts/benchmark.py train RECIPE --data PREFIX --dev PREFIX [--shape B S T] [--peer COMMAND]
    python scripts/benchmark.py translate RUN --source FILE [--lines N]

train: whole updates (gradient, clipping, optimizer, moving average) on the recipe's real batches: real target tokens a
second, the wait for input, the share of padding, and the share of the machine's own rate for a large product in the
same precision. Arithmetic is counted as three times the products with weights of a forward pass, real tokens only.
`--shape` takes one batch of random ids instead, of B sentences with S and T tokens. `--peer` is another program that
prints "N target tokens/s": both run in turn, three times each, and the ratio is of the medians.

translate: text to text, by engine and precision, each in a process of its own: sentences a second, greedy and with beam
5 (the best of three passes), the median of one sentence alone with beam 5, peak memory, and the time of a cold
`echo ... | nmt translate RUN`. Ratios are of one call. "of peak" is the share that the products of the steps and of the
encoder take of the machine's own rate in float32, a large matrix product by NumPy, measured in the same call.

What was tried for translation, and what each gave (8,000 pieces, EPYC with VNNI, one core, other jobs beside them):

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
  18.2 ms of one core and, shared, 16.0 ms of two; one of 1 x 5 hypotheses 0.33 ms either way.
- Log-softmax before the best candidates and not log-sum-exp after them: 4.3 ms, against 4.5 and (ReduceLogSumExp) 13.1.
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

import numpy as np

WAYS = [("onnx", "int8"), ("onnx", "float32"), ("keras", "float32")]
NUM_ALONE = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    translate = commands.add_parser("translate", help="speed of translation")
    translate.add_argument("run", type=Path)
    translate.add_argument("--source", type=Path, required=True)
    translate.add_argument("--lines", type=int, default=1000)
    translate.set_defaults(function=benchmark_translate)
    train = commands.add_parser("train", help="speed of training")
    train.add_argument("recipe")
    train.add_argument("--data", required=True)
    train.add_argument("--dev", required=True)
    train.add_argument("--set", action="append", default=[])
    train.add_argument("--shape", type=int, nargs=3, metavar=("B", "S", "T"))
    train.add_argument("--steps", type=int, default=100)
    train.add_argument("--peer", metavar="COMMAND")
    train.set_defaults(function=benchmark_train)
    one = commands.add_parser("translate-one-way")  # the process that `translate` starts
    one.add_argument("run", type=Path)
    one.add_argument("engine")
    one.add_argument("precision")
    one.set_defaults(function=translate_one_way)
    options = parser.parse_args()
    options.function(options)


def benchmark_train(options: argparse.Namespace) -> None:
    from nmt.config import load_config
    from nmt.feed import Feed
    from nmt.prepare import prepare
    from nmt.update import Update
    from nmt.workers import Workers

    config = load_config(options.recipe, options.set)
    data = config.data.model_copy(update={"train": options.data, "dev": options.dev})
    with tempfile.TemporaryDirectory() as folder:
        prepared, workers = prepare(config.model_copy(update={"data": data}), Path(folder) / "run"), Workers()
        run = prepared.run
        precision = run.facts["precision"]
        model = run.build_model("mixed_bfloat16" if precision == "bfloat16" else precision)
        update, feed = Update(model, run.build_model(), config.training, workers), Feed(run, prepared.corpus, workers)
        if options.shape:
            random, (b, s, t) = np.random.default_rng(0), options.shape
            ids = (
                random.integers(20, size, (b, n)) for size, n in zip(model.vocabulary_sizes, (s, t + 1), strict=True)
            )
            batches = itertools.repeat([[(*(x.astype(np.int32) for x in ids), np.ones(b, np.float32))]])
        else:
            batches = itertools.chain.from_iterable(map(feed.batches, itertools.count()))
        time_updates(update, batches, 8)  # compiles, and fills caches
        ours, theirs = [], []
        for _ in range(3):
            ours.append(time_updates(update, batches, options.steps))
            if options.peer:
                output = subprocess.run(shlex.split(options.peer), text=True, stdout=subprocess.PIPE, check=True).stdout
                theirs.append(float(re.findall(r"([\d.,]+) target tokens/s", output)[-1].replace(",", "")))
        found = sorted(ours, key=lambda times: times["tokens"] / times["seconds"])[1]
        rate = found["tokens"] / found["seconds"]
        peak, flop = tensorflow_matrix_rate(precision), 3 * forward_operations(model, found)
    print(f"{options.recipe}, {model.count_params() / 1e6:.1f} M parameters, {precision}")
    print(f"{rate:,.0f} real target tokens/s, {1e3 * found['seconds'] / options.steps:.0f} ms an update")
    print(f"input: {found['waiting'] / found['seconds']:.1%} of the time; padding: {found['padding']:.1%} of positions")
    share = flop / found["seconds"] / peak
    print(f"{share:.0%} of {peak / 1e9:.0f} GFLOP/s, the rate of a large product in {precision}")
    if theirs:
        print(f"{rate / np.median(theirs):.2f} times {options.peer}: {np.median(theirs):,.0f} target tokens/s")


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
    """Two for each weight of the encoder and each source token, and of the decoder and each target token."""
    sizes = {
        variable.path: np.prod(variable.shape) for variable in model.trainable_variables if len(variable.shape) == 2
    }
    of_source = sum(size for path, size in sizes.items() if "encoder" in path or "key" in path.split("/")[-2])
    of_target = sum(size for path, size in sizes.items() if "decoder" in path) - sum(
        size for path, size in sizes.items() if "key" in path.split("/")[-2]
    )
    if model.decoder.tied:
        of_target += sizes[model.target_embedding.matrix.path]
    return 2.0 * (found["source"] * of_source + found["tokens"] * of_target)


def tensorflow_matrix_rate(precision: str) -> float:
    import tensorflow as tf

    a = tf.cast(tf.random.stateless_normal((4096, 4096), (1, 2)), precision)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(a, a)))
    return 2 * 4096**3 / min(seconds(lambda: product().numpy()) for _ in range(8))


def benchmark_translate(options: argparse.Namespace) -> None:
    from nmt.text import read_lines

    lines = list(read_lines(options.source))[: options.lines]
    peak = matrix_rate()
    print(f"{len(lines)} lines; a large product in float32: {peak / 1e9:.0f} GFLOP/s")
    print("engine  precision  greedy/s  beam5/s  of peak  one, beam 5    memory  cold start")
    for engine, precision in WAYS:
        command = [sys.executable, __file__, "translate-one-way", str(options.run), engine, precision]
        process = subprocess.run(command, input=json.dumps(lines), text=True, stdout=subprocess.PIPE, check=True)
        found = json.loads(process.stdout)
        share = found["flop"] / found["beam_5"] / peak
        print(
            f"{engine:7} {precision:10} {len(lines) / found['greedy']:7.0f} {len(lines) / found['beam_5']:8.0f} "
            f"{share:8.0%} {1e3 * found['alone']:9.1f} ms {found['memory']:6.0f} MB "
            f"{cold_start(options.run, lines[0], engine, precision):9.2f} s"
        )


def matrix_rate() -> float:
    """Floating-point operations a second of a large product."""
    a = np.random.default_rng(0).normal(size=(2048, 2048)).astype(np.float32)
    return 2 * 2048**3 / min(seconds(lambda: a @ a) for _ in range(10))


def cold_start(run: Path, line: str, engine: str, precision: str) -> float:
    """Median of five calls of `echo LINE | nmt translate RUN`."""
    command = [sys.executable, "-m", "nmt", "translate", run, "--engine", engine, "--precision", precision]

    def call() -> None:
        subprocess.run(command, input=line + "\n", text=True, capture_output=True, check=True)

    return float(np.median([seconds(call) for _ in range(5)]))


def translate_one_way(options: argparse.Namespace) -> None:
    """Reads lines as JSON, and writes seconds, megabytes and operations."""
    from nmt import Translator

    lines = json.load(sys.stdin)
    translator = Translator.load(options.run, options.engine, options.precision)
    translator.translate(lines[:64])
    alone = [seconds(lambda line=line: translator.translate([line], beam_size=5)) for line in lines[-NUM_ALONE:]]
    greedy = min(seconds(lambda: translator.translate(lines, beam_size=1)) for _ in range(3))
    beam_5 = min(seconds(lambda: translator.translate(lines, beam_size=5)) for _ in range(3))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    flop = operations(translator, lines, beam_size=5)
    json.dump(
        {"greedy": greedy, "beam_5": beam_5, "alone": np.median(alone), "memory": memory, "flop": flop}, sys.stdout
    )


def operations(translator, lines: list[str], beam_size: int) -> float:
    """Of the products with weights, which are nearly all: two for each weight, of the encoder for each source token, of
    the decoder for each target token and hypothesis. A lower bound, as search goes on a little longer than its result.
    """
    model = translator.run.config.model
    source = sum(len(translator.run.source_tokenizer.encode(line)) + 1 for line in lines)
    target = sum(
        len(translator.run.target_tokenizer.encode(translation.text)) + 1
        for translation in translator.translate(lines, beam_size=beam_size)
    )
    gates = 3 if model.layer.endswith("gru") else 4
    encoder, decoder, memory = model.encoder, model.decoder, model.memory_units
    width = model.embedding_units
    of_source = 0
    for index in range(encoder.num_layers):
        inputs = memory if index else width
        of_source += gates * memory * (inputs + encoder.units)
    of_source += memory * (decoder.attention_units or decoder.units)  # keys
    attend_first = decoder.cell == "attend_first"
    fed = width + memory * attend_first + model.readout_units * decoder.input_feeding
    of_target = gates * decoder.units * (fed + decoder.units + (decoder.num_layers - 1) * 2 * decoder.units)
    of_target += (decoder.attention_units or decoder.units) * decoder.units * (decoder.score == "additive")
    of_target += model.readout_units * (decoder.units + memory + width * attend_first)
    of_target += model.readout_units * translator.run.target_tokenizer.vocabulary_size
    return 2.0 * (source * of_source + beam_size * target * of_target)


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
