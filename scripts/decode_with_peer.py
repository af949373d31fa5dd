#!/usr/bin/env python3
"""How fast another toolkit decodes with a model like ours, for `benchmark.py translate --peer`.

    PEERS_PYTHON scripts/decode_with_peer.py opennmt|joeynmt|marian < request.json > answer.json

It runs in the interpreter of the toolkit (OpenNMT-tf 2.32, Joey NMT 2.3, or Marian 1.12 by
`pymarian`), which `nmt` is not installed in. The model has a GRU encoder in both directions, a GRU
decoder with Luong's attention (Joey NMT's without input feeding, OpenNMT-tf's with it), or Marian's
conditional GRU with Bahdanau's, whose encoder is as wide as its decoder; the sizes and the
vocabulary of the request, and random weights: so every hypothesis is made to have `length` tokens
(Marian's: about as many in proportion to the source, and they are counted), which takes the time
that as many real ones do. Source pieces are given, and target pieces are left as they are: no text
is tokenised. If the request names a `model` of `train_marian_student.py`, Marian decodes with that
one, and the answer has its pieces, too.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

BATCH_SIZE = 64
BEAM_SIZES = {"greedy": 1, "beam 5": 5}


def opennmt(request: dict) -> dict:
    import opennmt
    import tensorflow as tf
    import tensorflow_addons as tfa

    with tempfile.TemporaryDirectory() as folder:
        vocabulary, source = Path(folder) / "vocabulary", Path(folder) / "source"
        vocabulary.write_text(
            "\n".join(["<blank>", "<s>", "</s>", *request["vocabulary"]]) + "\n", "utf-8"
        )
        source.write_text(
            "".join(" ".join(pieces) + "\n" for pieces in request["sentences"]), "utf-8"
        )
        model = opennmt.models.SequenceToSequence(
            opennmt.inputters.WordEmbedder(request["embedding_units"]),
            opennmt.inputters.WordEmbedder(request["embedding_units"]),
            opennmt.encoders.RNNEncoder(
                1, request["encoder_units"], bidirectional=True, cell_class=tf.keras.layers.GRUCell
            ),
            opennmt.decoders.AttentionalRNNDecoder(
                1,
                request["decoder_units"],
                bridge_class=opennmt.layers.DenseBridge,
                attention_mechanism_class=tfa.seq2seq.LuongAttention,
                cell_class=tf.keras.layers.GRUCell,
            ),
            share_embeddings=opennmt.models.EmbeddingsSharingLevel.SOURCE_TARGET_INPUT,
        )
        files = {"source_vocabulary": str(vocabulary), "target_vocabulary": str(vocabulary)}
        length = {
            "minimum_decoding_length": request["length"],
            "maximum_decoding_length": request["length"],
        }
        seconds = {}
        for name, beam_size in BEAM_SIZES.items():
            model.initialize(files, params={**length, "beam_width": beam_size})
            batches = model.examples_inputter.make_inference_dataset(
                str(source), BATCH_SIZE, length_bucket_width=1
            )
            infer = tf.function(model.infer, input_signature=(batches.element_spec,))

            def decode(infer=infer, batches=batches) -> None:
                for batch in batches:
                    infer(batch)["tokens"].numpy()

            seconds[name] = best_time(decode)
        parameters = sum(int(tf.size(variable)) for variable in model.trainable_variables)
    return {
        "name": f"OpenNMT-tf {opennmt.__version__}",
        "parameters": parameters,
        "seconds": seconds,
    }


def joeynmt(request: dict) -> dict:
    from importlib.metadata import version
    from types import SimpleNamespace

    import torch
    from joeynmt.batch import Batch
    from joeynmt.model import build_model
    from joeynmt.search import search
    from joeynmt.vocabulary import Vocabulary

    names = {f"{name}_token": f"<{name}>" for name in ("unk", "pad", "bos", "eos")}
    ids = {f"{name}_id": id for id, name in enumerate(("unk", "pad", "bos", "eos"))}
    specials = SimpleNamespace(**names, **ids, sep_token=None, sep_id=None, lang_tags=[])
    vocabulary = Vocabulary(request["vocabulary"], specials)
    embeddings = {"embedding_dim": request["embedding_units"]}
    model = build_model(
        {
            "tied_embeddings": True,
            "encoder": {
                "type": "recurrent",
                "rnn_type": "gru",
                "bidirectional": True,
                "embeddings": embeddings,
                "hidden_size": request["encoder_units"],
                "num_layers": 1,
            },
            "decoder": {
                "type": "recurrent",
                "rnn_type": "gru",
                "attention": "luong",
                "input_feeding": False,
                "embeddings": embeddings,
                "hidden_size": request["decoder_units"],
                "num_layers": 1,
            },
        },
        vocabulary,
        vocabulary,
    ).eval()
    batches = []
    sentences = sorted(request["sentences"], key=len, reverse=True)
    for start in range(0, len(sentences), BATCH_SIZE):
        chosen = sentences[start : start + BATCH_SIZE]
        padded, lengths, _ = vocabulary.sentences_to_ids(chosen, bos=False, eos=True)
        batches.append((torch.tensor(padded), torch.tensor(lengths)))
    options = {
        "min_output_length": request["length"],
        "max_output_length": request["length"],
        "beam_alpha": 1.0,
    }

    def decode(beam_size: int) -> None:
        for ids, lengths in batches:
            batch = Batch(
                ids,
                lengths,
                None,
                None,
                None,
                torch.arange(len(ids)),
                torch.device("cpu"),
                vocabulary.pad_index,
                vocabulary.eos_index,
                is_train=False,
            )
            search(model, batch, beam_size=beam_size, **options)

    seconds = {name: best_time(lambda size=size: decode(size)) for name, size in BEAM_SIZES.items()}
    parameters = sum(weights.numel() for weights in model.parameters())
    return {"name": f"Joey NMT {version('joeynmt')}", "parameters": parameters, "seconds": seconds}


def marian(request: dict) -> dict:
    import numpy as np
    import pymarian

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary, model, text = (
            folder / file for file in ("vocabulary.txt", "model.npz", "text")
        )
        vocabulary.write_text("\n".join(["</s>", "<unk>", *request["vocabulary"]]) + "\n", "utf-8")
        lines = [" ".join(pieces) for pieces in request["sentences"]]
        text.write_text("".join(f"{line}\n" for line in lines[:64]), "utf-8")
        vocabularies = f"--vocabs {vocabulary} {vocabulary}"
        # One update makes the weights; how the library prints cannot be turned off in Python.
        options = (
            f"--type s2s --enc-type bidirectional --dim-emb {request['embedding_units']}"
            f" --dim-rnn {request['decoder_units']} --train-sets {text} {text} {vocabularies}"
            f" --model {model} --after 1u --mini-batch 64 --cpu-threads 1 --quiet"
        )
        program = f"from pymarian import Trainer; Trainer({options!r}).train()"
        subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
        weights = dict(np.load(model))
        parameters = sum(
            array.size for key, array in weights.items() if not key.startswith("special:")
        )
        weights["decoder_ff_logit_l2_b"][0, 0] = -1e9  # never </s>
        np.savez(model, **weights)
        source_length = sum(len(pieces) + 1 for pieces in request["sentences"]) / len(lines)
        options = f"--allow-unk --max-length-factor {request['length'] / source_length}"
        answer = decode_with_marian(f"--models {model} {vocabularies} {options}", lines)
    return {
        "name": f"Marian {pymarian.__version__}",
        "parameters": parameters,
        "seconds": answer["seconds"],
        "tokens": answer["tokens"],
    }


def trained_marian(request: dict) -> dict:
    """Also the median time of one line with beam 5, the peak memory in MB, and the pieces."""
    model = Path(request["model"])
    vocabulary = model.with_name("vocabulary.txt")
    lines = [" ".join(pieces) for pieces in request["sentences"]]
    options = f"--models {model} --vocabs {vocabulary} {vocabulary} --normalize 1"
    answer = decode_with_marian(options, lines)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    translate = marian_translator(f"{options} --beam-size 5 --mini-batch 1 --cpu-threads 1")
    alone = [seconds_of(partial(translate, lines[i])) for i in request["alone"]]
    precision = "int8" if model.suffix == ".bin" else "float32"
    return {
        **answer,
        "name": f"Marian {precision}, {model.stat().st_size / 1e6:.1f} MB",
        "memory": memory,
        "alone": sorted(alone)[len(alone) // 2],
    }


def decode_with_marian(options: str, lines: list[str]) -> dict:
    """Seconds, tokens and pieces by search."""
    answer: dict[str, dict] = {"seconds": {}, "tokens": {}, "pieces": {}}
    batches = f"--mini-batch {BATCH_SIZE} --maxi-batch 1000 --maxi-batch-sort src --cpu-threads 2"
    for search, beam_size in BEAM_SIZES.items():
        translate = marian_translator(f"{options} {batches} --beam-size {beam_size}")
        found: list[str] = []

        def decode(translate=translate, found=found) -> None:
            found[:] = translate("\n".join(lines)).split("\n")

        answer["seconds"][search] = best_time(decode)
        answer["pieces"][search] = [line.split() for line in found]
        answer["tokens"][search] = sum(len(line) + 1 for line in answer["pieces"][search])
    return answer


def marian_translator(options: str) -> Callable[[str], str]:
    import pymarian

    return pymarian.Translator(f"{options} --quiet --quiet-translation").translate


def best_time(decode: Callable[[], object]) -> float:
    return min(seconds_of(decode) for _ in range(3))


def seconds_of(decode: Callable[[], object]) -> float:
    start = time.perf_counter()
    decode()
    return time.perf_counter() - start


if __name__ == "__main__":
    request = json.load(sys.stdin)
    peers = {"opennmt": opennmt, "joeynmt": joeynmt, "marian": marian}
    decode = trained_marian if "model" in request else peers[sys.argv[1]]
    print(json.dumps(decode(request)))
