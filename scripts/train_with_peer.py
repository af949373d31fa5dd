#!/usr/bin/env python3
"""How fast another toolkit trains a model like ours, for `benchmark.py train --peer`.

    PEERS_PYTHON scripts/train_with_peer.py opennmt|joeynmt|marian < request.json

It runs in the interpreter of the toolkit (OpenNMT-tf 2.32, Joey NMT 2.3, or Marian 1.12 by
`pymarian`), which `nmt` is not installed in, and by the toolkit's own command for training. The
model has a GRU encoder in both directions; no weights are tied. OpenNMT-tf and Joey NMT have a GRU
decoder with Luong's attention, a readout of the decoder's width and input feeding, which OpenNMT-tf
cannot leave out. Marian has its own model (`--type s2s`): a conditional GRU with Bahdanau's
attention, and an encoder as wide as the decoder in each direction. Batches are of 64 sentences of
our pieces, in float32, as none trains in bfloat16 on a processor. OpenNMT-tf and Marian have no
dropout, Joey NMT 0.2.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

BATCH_SIZE, STEPS, LOGGED_EVERY = 64, 100, 20
# Of the recipe `multi30k`.
EMBEDDING_UNITS, ENCODER_UNITS, DECODER_UNITS = 256, 256, 512

OPENNMT_MODEL = f"""
import opennmt
import tensorflow as tf
import tensorflow_addons as tfa


def model():
    cell = tf.keras.layers.GRUCell
    return opennmt.models.SequenceToSequence(
        opennmt.inputters.WordEmbedder({EMBEDDING_UNITS}),
        opennmt.inputters.WordEmbedder({EMBEDDING_UNITS}),
        opennmt.encoders.RNNEncoder(1, {2 * ENCODER_UNITS}, bidirectional=True, cell_class=cell),
        opennmt.decoders.AttentionalRNNDecoder(
            1, {DECODER_UNITS}, bridge_class=opennmt.layers.DenseBridge,
            attention_mechanism_class=tfa.seq2seq.LuongAttention, cell_class=cell,
        ),
    )
"""


def opennmt(folder: Path) -> str:
    """Its dropout is left out, as it has none but around cells."""
    (folder / "model.py").write_text(OPENNMT_MODEL)
    vocabulary = str(folder / "vocabulary")
    config = {
        "model_dir": str(folder / "run"),
        "data": {
            "train_features_file": str(folder / "train.source"),
            "train_labels_file": str(folder / "train.target"),
            "source_vocabulary": vocabulary,
            "target_vocabulary": vocabulary,
        },
        "params": {
            "optimizer": "Adam",
            "optimizer_params": {"clipnorm": 1.0},
            "learning_rate": 0.001,
            "label_smoothing": 0.1,
        },
        "train": {
            "batch_size": BATCH_SIZE,
            "batch_type": "examples",
            "length_bucket_width": 1,
            "max_step": STEPS,
            "effective_batch_size": None,
            "maximum_features_length": 100,
            "maximum_labels_length": 100,
            "sample_buffer_size": -1,
            "save_summary_steps": LOGGED_EVERY,
            "save_checkpoints_steps": 10**6,
        },
    }
    output = run(
        folder,
        config,
        ["opennmt.bin.main", "--model", str(folder / "model.py"), "--config"],
        ["train"],
    )
    return median(re.findall(r"(\d+) target\)", output))


def joeynmt(folder: Path) -> str:
    side = {
        "max_length": 100,
        "lowercase": False,
        "level": "word",
        "voc_file": str(folder / "vocabulary"),
    }
    embeddings = {"embedding_dim": EMBEDDING_UNITS, "scale": False}
    shared = {
        "type": "recurrent",
        "rnn_type": "gru",
        "num_layers": 1,
        "dropout": 0.2,
        "embeddings": embeddings,
    }
    config = {
        "name": "peer",
        "joeynmt_version": "2.3.0",
        "model_dir": str(folder / "run"),
        "use_cuda": False,
        "fp16": False,
        "data": {
            "train": str(folder / "train"),
            "dev": str(folder / "train"),
            "dataset_type": "plain",
            "src": {"lang": "source", **side},
            "trg": {"lang": "target", **side},
        },
        "testing": {"beam_size": 1, "eval_metrics": ["bleu"]},
        "training": {
            "optimizer": "adam",
            "learning_rate": 0.001,
            "clip_grad_norm": 1.0,
            "label_smoothing": 0.1,
            "loss": "crossentropy",
            "batch_size": BATCH_SIZE,
            "batch_type": "sentence",
            "normalization": "tokens",
            "scheduling": "exponential",
            "decrease_factor": 0.99,
            "epochs": 1,
            "updates": STEPS,
            "logging_freq": LOGGED_EVERY,
            "validation_freq": 10**6,
            "overwrite": True,
            "print_valid_sents": [0],
        },
        "model": {
            "tied_embeddings": False,
            "tied_softmax": False,
            "encoder": {**shared, "bidirectional": True, "hidden_size": ENCODER_UNITS},
            "decoder": {
                **shared,
                "hidden_size": DECODER_UNITS,
                "attention": "luong",
                "input_feeding": True,
                "init_hidden": "bridge",
            },
        },
    }
    output = run(folder, config, ["joeynmt", "train"], ["--skip-test"])
    return median(re.findall(r"Tokens per Sec: +([\d.]+)", output))


def marian(folder: Path) -> str:
    """With a thread for each core, each of which computes a part of a batch."""
    vocabulary = folder / "vocabulary.txt"  # by this suffix a plain list
    (folder / "vocabulary").rename(vocabulary)
    texts = folder / "train.source", folder / "train.target"
    options = {
        "type": "s2s",
        "enc-type": "bidirectional",
        "enc-cell": "gru",
        "dec-cell": "gru",
        "dim-emb": EMBEDDING_UNITS,
        "dim-rnn": DECODER_UNITS,
        "train-sets": " ".join(map(str, texts)),
        "vocabs": f"{vocabulary} {vocabulary}",
        "model": folder / "model.npz",
        "optimizer": "adam",
        "learn-rate": 0.001,
        "clip-norm": 1,
        "label-smoothing": 0.1,
        "mini-batch": BATCH_SIZE,
        "max-length": 100,
        "after": f"{STEPS}u",
        "disp-freq": f"{LOGGED_EVERY}u",
        "cpu-threads": len(os.sched_getaffinity(0)),
        "sync-sgd": "",  # without it each thread would take a batch of its own
        "workspace": 1000,
    }
    return median(
        re.findall(r"([\d.]+) words/s", output_of(marian_command(sys.executable, options)))
    )


def marian_command(python: str, options: dict) -> list[str]:
    """Trains with Marian's options, in an interpreter that has pymarian."""
    arguments = " ".join(f"--{name} {value}".strip() for name, value in options.items())
    return [python, "-c", f"from pymarian import Trainer; Trainer({arguments!r}).train()"]


SPECIALS = {
    marian: ["</s>", "<unk>"],
    opennmt: ["<blank>", "<s>", "</s>"],
    joeynmt: ["<unk>", "<pad>", "<s>", "</s>"],
}


def run(folder: Path, config: dict, before: list[str], after: list[str]) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return output_of([sys.executable, "-m", *before, str(path), *after])


def output_of(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)
    return done.stdout


def median(rates: list[str]) -> str:
    """Without the first, in which it warms up."""
    rates = sorted(map(float, rates[1:]))
    return f"{rates[len(rates) // 2]:,.0f} target tokens/s"


PEERS = {"opennmt": opennmt, "joeynmt": joeynmt, "marian": marian}

if __name__ == "__main__":
    request, train = json.load(sys.stdin), PEERS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "vocabulary").write_text(
            "\n".join([*SPECIALS[train], *request["vocabulary"]]) + "\n", "utf-8"
        )
        for side in ("source", "target"):
            text = "".join(" ".join(pieces) + "\n" for pieces in request[side])
            (folder / f"train.{side}").write_text(text, "utf-8")
        print(train(folder))
