#!/usr/bin/env python3
"""Trains a small Marian model as Firefox's translators are, to compare BLEU and speed with a run.

    python scripts/train_marian_student.py RUN --python PEERS_PYTHON --data PREFIX --dev PREFIX \\
        --output FOLDER [--set NAME=VALUE ...]

PEERS_PYTHON is an interpreter with pymarian 1.12, which `nmt` need not be installed in. The model
has six Transformer layers in the encoder and two layers of simpler simple recurrent units (SSRU) in
the decoder, 256 units wide, with one matrix for all embeddings (Kim et al., 2019, "From Research to
Production and Back: Ludicrously Fast Neural Machine Translation"). It reads and writes the pieces
of RUN's tokenizer, which has to be one for both languages, is evaluated on the development set by
BLEU of pieces after each epoch, and ends after ten epochs without a better one. The same command
resumes an interrupted training. `--set` changes an option of Marian.

FOLDER gets `model.npz`, the best weights, `model.int8.bin`, the same in 8 bits, and
`vocabulary.txt`, for `benchmark.py translate RUN --peer marian=PEERS_PYTHON --marian-model FOLDER`.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from train_with_peer import SPECIALS, marian, marian_command

from nmt.runs.run_folder import Run
from nmt.text.lines import read_parallel, resolve_parallel

OPTIONS = {
    "type": "transformer",
    "enc-depth": 6,
    "dec-depth": 2,
    "dim-emb": 256,
    "transformer-dim-ffn": 1536,
    "transformer-heads": 8,
    "transformer-decoder-autoreg": "rnn",
    "dec-cell": "ssru",
    "tied-embeddings-all": "",
    "transformer-dropout": 0.2,
    "label-smoothing": 0.1,
    "learn-rate": 0.001,
    "lr-warmup": "2000u",
    "lr-decay-inv-sqrt": "2000u",
    "optimizer": "adam",
    "optimizer-params": "0.9 0.98 1e-09",
    "clip-norm": 1,
    "exponential-smoothing": 1e-3,
    "mini-batch": 64,
    "maxi-batch": 100,
    "max-length": 100,
    "valid-metrics": "bleu-segmented",
    "valid-freq": "1e",
    "valid-mini-batch": 64,
    "beam-size": 1,  # of the evaluations
    "early-stopping": 10,
    "save-freq": "1e",
    "overwrite": "",  # one file for the newest weights instead of one an epoch
    "keep-best": "",
    "disp-freq": "100u",
    "seed": 1,
    "sync-sgd": "",
    "workspace": 1000,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--dev", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    run = Run.open(options.run)
    tokenizer = run.source_tokenizer
    if run.target_tokenizer is not tokenizer:
        sys.exit(f"{options.run}: expected one tokenizer for both languages. Received: two.")
    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocabulary.txt"  # by this suffix a plain list
    pieces = tokenizer.pieces(range(4, tokenizer.vocabulary_size))
    vocabulary.write_text("\n".join([*SPECIALS[marian], *pieces]) + "\n", "utf-8")
    languages = run.config.data.source, run.config.data.target
    for name, prefix in (("train", options.data), ("dev", options.dev)):
        pairs = list(read_parallel(resolve_parallel(prefix, *languages)))
        for side, lines in zip(("source", "target"), zip(*pairs, strict=True), strict=True):
            encoded = (" ".join(tokenizer.pieces(tokenizer.encode(line))) for line in lines)
            (folder / f"{name}.{side}").write_text("\n".join(encoded) + "\n", "utf-8")
    chosen = OPTIONS | dict(one.split("=", 1) for one in options.set)
    chosen |= {
        "train-sets": f"{folder}/train.source {folder}/train.target",
        "valid-sets": f"{folder}/dev.source {folder}/dev.target",
        "vocabs": f"{vocabulary} {vocabulary}",
        "model": folder / "last.npz",
        "log": folder / "train.log",
        "cpu-threads": len(os.sched_getaffinity(0)),
    }
    subprocess.run(marian_command(options.python, chosen), check=True)
    shutil.copy(folder / "last.npz.best-bleu-segmented.npz", folder / "model.npz")
    convert = Path(options.python).with_name("pymarian")
    files = ["--from", folder / "model.npz", "--to", folder / "model.int8.bin"]
    subprocess.run([convert, "convert", *files, "--gemm-type", "intgemm8"], check=True)


if __name__ == "__main__":
    main()
