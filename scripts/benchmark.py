#!/usr/bin/env python3
"""Measures how fast a run is, on a machine that does nothing else.

    python scripts/benchmark.py translate RUN --source FILE [--lines N]

translate: text to text, by engine and precision, each in a process of its own: sentences a second, greedy and with beam
5 (the best of three passes), the median of one sentence alone with beam 5, peak memory, and the time of a cold
`echo ... | nmt translate RUN`. Ratios are of one call. "of peak" is the share that the products of the steps and of the
encoder take of the machine's own rate in float32, a large matrix product by NumPy, measured in the same call.

What was tried for translation, and what each gave (8,000 pieces, EPYC with VNNI, one core, other jobs beside them):

- The decoder's products in integers, one scale for each row of activations: 4x on products of 64 rows and more, as
  ONNX Runtime's dynamic quantization with one scale for the whole matrix (1.33 ms, 1.23 ms and in float32 4.5 ms for
  320 x 512 x 1536), but no line changes with its batch. MatMulNBits with 8 bits and accuracy level 4, the other way to
  have row-wise scales, is made for one row: 3.9 ms. Both weights and activations unsigned: 3.2 ms.
- Activations in 7 bits, so that no processor cuts sums: the same speed and BLEU (test_2016 56.6 in 7 and 8 bits).
- The encoder in int8 as a Scan, both directions in one loop: 12.2 ms for 64 x 16 tokens, against 20.6 ms with the GRU
  operator, which has no integers. In float32 it is the operator that is faster (24.0, 25.3 ms).
- One thread a session and batches side by side, not operations shared by two threads: a step of 64 x 5 hypotheses takes
  18.2 ms of one core and, shared, 16.0 ms of two; one of 1 x 5 hypotheses 0.33 ms either way.
- Log-softmax before the best candidates and not log-sum-exp after them: 4.3 ms, against 4.5 and (ReduceLogSumExp) 13.1.
"""

import argparse
import json
import resource
import subprocess
import sys
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
    one = commands.add_parser("translate-one-way")  # the process that `translate` starts
    one.add_argument("run", type=Path)
    one.add_argument("engine")
    one.add_argument("precision")
    one.set_defaults(function=translate_one_way)
    options = parser.parse_args()
    options.function(options)


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
