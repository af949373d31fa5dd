"""Exports a run: to an ONNX folder that translates without TensorFlow, and to a SavedModel.

An ONNX export is complete once its record, export.json, exists. Before that it must agree with
Keras on the dev set: encoder and steps in every number, and greedy BLEU in float32. int8 must
predict the dev set nearly as well, or is left out. That is measured in cross-entropy, whose
difference has a standard error below 0.001 on 1,000 lines, where BLEU changes by 0.2 by chance.
"""

import contextlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx

from nmt.about import VERSION
from nmt.errors import UserError
from nmt.evaluation.metrics import bleu
from nmt.export.int8 import quantized
from nmt.export.onnx_graph import encoder_graph, hoisted, step_graph, within_one
from nmt.inference.keras_engine import KerasEngine
from nmt.inference.onnx_artifact import (
    FOLDER,
    PRECISIONS,
    Export,
    Golden,
    Proof,
    file_name,
    open_engine,
)
from nmt.inference.onnx_engine import OnnxEngine
from nmt.inference.translator import Translator
from nmt.model.seq2seq import Seq2Seq
from nmt.model.signatures import encode_function, named_leaves, step_function
from nmt.runs.run_folder import EXPORT_RECORD, Run
from nmt.runs.temporary import temporary_folder
from nmt.search.beam import map_arrays
from nmt.text.lines import (
    file_fingerprint,
    is_blank,
    make_folder,
    read_parallel,
    resolve_parallel,
)
from nmt.text.tokenizer import padded

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4  # absolute for numbers below 1, relative above
BLEU_TOLERANCE = 0.05  # of float32: ties may be resolved differently
MAX_INT8_LOSS = 0.01  # by which int8 may exceed the cross-entropy of float32, in nats per token
MAX_CHANGED = 0.01  # share of lines that may change with the batch if int8 is to be the default
NUM_LINES, NUM_COMPARED, NUM_BATCHED, NUM_GOLDEN = 1000, 32, 200, 4
NUM_HYPOTHESES = 3
BATCH_SIZES = (1, 7, 64)


def export_onnx(run: Run, folder: Path | None = None, dev: str | None = None) -> Export:
    """Writes and proves the ONNX export of a run, in its folder `onnx` or in another; an older one
    is replaced.

    `dev`: the dev text, if it is no longer where the config says. Raises UserError, and keeps the
    older export, if the model cannot be converted or does not agree with Keras.
    """
    pairs = _dev_pairs(run, dev)
    folder = folder or run.path / FOLDER
    # Before they are read: what a training writes meanwhile makes this export an outdated one.
    weights = file_fingerprint([run.weights_file()])
    model = run.load_model()
    with _new_folder(folder, EXPORT_RECORD) as new:
        for name in ("config.yaml", "run.json", "tokenizer.model", "source.model", "target.model"):
            if (run.path / name).is_file():
                shutil.copy(run.path / name, new / name)
        for precision, (encoder, step) in onnx_graphs(model).items():
            onnx.save(encoder, new / file_name("encoder", precision))
            onnx.save(step, new / file_name("step", precision))
        export = _proved(run, model, new, pairs, weights)
        for precision in set(PRECISIONS) - export.golden.keys():
            for name in ("encoder", "step"):
                (new / file_name(name, precision)).unlink()
        export.save()
    logger.info(f"{folder}: {summary(export)}")
    return replace(export, folder=folder)


def onnx_graphs(model: Seq2Seq) -> dict[str, tuple[onnx.ModelProto, onnx.ModelProto]]:
    """The graphs of encoder and step in each precision."""
    step, bounded = step_graph(model), within_one(model)
    # Products inside ONNX's GRU and LSTM cannot be quantised; those of a Scan can.
    encoder = quantized(encoder_graph(model, native=False), bounded)
    return {
        "float32": hoisted(encoder_graph(model), step),
        "int8": hoisted(encoder, quantized(step, bounded)),
    }


def summary(export: Export) -> str:
    proof = export.proof
    scores = ", ".join(f"{name} {score:.2f}" for name, score in proof.bleu.items())
    changed = (
        f"; int8: {proof.changed:.1%} of lines change with the batch"
        if proof.changed is not None
        else ""
    )
    return (
        f"equal to Keras within {proof.largest_difference:.1g}; greedy BLEU on {proof.lines} dev"
        f" lines: {scores}{changed}; default {export.precision}"
    )


def export_saved_model(run: Run, folder: Path | None = None) -> Path:
    """Writes a TensorFlow SavedModel by Keras's export, with the signatures of
    `nmt.model.signatures`, encode and step."""
    folder = folder or run.path / "savedmodel"
    model = run.load_model()
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("encode", encode_function(model))
    archive.add_endpoint("step", step_function(model))
    with _new_folder(folder, "saved_model.pb") as new:
        archive.write_out(new, verbose=False)
    return folder


def _dev_pairs(run: Run, dev: str | None) -> list[tuple[str, str]]:
    data = run.config.data
    spec = dev or data.dev
    if spec is None:
        raise UserError(
            f"an export is proved on development text, and {run.path} names none. Give --dev"
            " PREFIX."
        )
    try:
        files = resolve_parallel(spec, data.source, data.target, "of the run")
    except UserError as error:
        if dev:
            raise
        raise UserError(f"{error} If the development text has moved, give --dev PREFIX.") from error
    pairs = [pair for pair in read_parallel(files) if not is_blank(pair[0])]
    if not pairs:
        raise UserError(
            f"an export is proved on development text. Received: no lines in {spec}. Give --dev"
            " PREFIX."
        )
    return pairs[:NUM_LINES]


@contextlib.contextmanager
def _new_folder(folder: Path, mark: str) -> Iterator[Path]:
    """Yields an empty folder that replaces `folder` when the `with` ends. An existing `folder` is
    replaced only if it is empty or an earlier export, which holds the file `mark`."""
    if (
        folder.exists()
        and not (folder / mark).is_file()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise UserError(
            f"{folder} exists and is no export ({mark} is missing). Choose another folder with"
            " --output."
        )
    make_folder(folder.parent)
    with temporary_folder(folder.parent, folder.name) as temporary:
        new = temporary / "new"
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(temporary / "old")
        new.rename(folder)


# ---------------------------------------------------------------------------------------- the proof


def _proved(
    run: Run, model: Seq2Seq, folder: Path, pairs: Sequence[tuple[str, str]], weights: str
) -> Export:
    forbidden = run.forbidden_ids
    keras_engine = KerasEngine(model, forbidden)
    engines = {precision: open_engine(folder, precision, forbidden) for precision in PRECISIONS}
    difference = _largest_difference(run, keras_engine, engines["float32"], pairs[:NUM_COMPARED])
    sources, references = zip(*pairs, strict=True)
    translators = {"keras": Translator.greedy(run, keras_engine)}
    translators |= {
        precision: Translator.greedy(run, engine) for precision, engine in engines.items()
    }
    scores, translations = {}, {}
    for name, translator in translators.items():
        translations[name] = translator.translate(sources)
        scores[name] = round(
            bleu([translation.text for translation in translations[name]], [references]), 2
        )
    if round(abs(scores["float32"] - scores["keras"]), 2) > BLEU_TOLERANCE:
        raise UserError(
            f"the ONNX form of {run.path} has BLEU {scores['float32']:.2f} on the dev set, Keras "
            f"{scores['keras']:.2f}. It was not written. Translate with Keras, and report this."
        )
    of_float32, of_int8 = (
        _cross_entropy(translators[precision], sources, references) for precision in PRECISIONS
    )
    changed, proved = None, ["float32"]
    if not of_int8 - of_float32 <= MAX_INT8_LOSS:  # NaN too
        logger.warning(
            f"no int8: its cross-entropy on the dev set is {of_int8:.3f} per token, that of"
            f" float32 {of_float32:.3f}, and {MAX_INT8_LOSS} more is allowed. Everything works in"
            " float32, more slowly; training for longer often helps"
        )
    else:
        changed = _share_changed(translators["int8"], sources[:NUM_BATCHED])
        proved.append("int8")
    golden = {
        precision: [
            Golden(one.source, one.text, one.candidates[0].log_prob)
            for one in translations[precision]
        ]
        for precision in proved
    }
    packages = ("onnxruntime", "onnx", "tf2onnx", "tensorflow", "keras", "numpy", "sentencepiece")
    return Export(
        folder=folder,
        weights=weights,
        precision="int8" if changed is not None and changed < MAX_CHANGED else "float32",
        golden={
            precision: [one for one in ones if one.is_short][:NUM_GOLDEN]
            for precision, ones in golden.items()
        },
        proof=Proof(difference, len(pairs), scores, changed, round(of_int8 - of_float32, 5)),
        versions={"nmt": VERSION, **{name: metadata.version(name) for name in packages}},
    )


def _cross_entropy(
    translator: Translator, sources: Sequence[str], references: Sequence[str]
) -> float:
    """In nats per token of the references."""
    scored = translator.score(sources, references)
    tokens = sum(len(one.token_log_probs) for one in scored)
    return -sum(one.log_prob for one in scored) / max(tokens, 1)


def _largest_difference(
    run: Run, keras: KerasEngine, ours: OnnxEngine, pairs: Sequence[tuple[str, str]]
) -> float:
    """The largest difference between Keras and ONNX in the outputs of the encoder for each source
    alone, of the steps folded over all targets together, and of a step with several hypotheses.
    Raises UserError if a number differs by more than the tolerance."""
    tokenizers = run.source_tokenizer, run.target_tokenizer
    views = run.model_input.source, run.model_input.target
    sources, targets = (
        [tokenizer.encode(view.read(pair[side])) for pair in pairs]
        for side, (tokenizer, view) in enumerate(zip(tokenizers, views, strict=True))
    )
    largest = 0.0

    def compare(found: np.ndarray, expected: np.ndarray, name: str) -> None:
        nonlocal largest
        difference = np.abs(found - expected, dtype=np.float64)
        # Not `any(difference > ...)`, which is false for NaN.
        if not np.all(difference <= TOLERANCE * np.maximum(1.0, np.abs(expected))):
            raise UserError(
                f"the ONNX form of {run.path} differs from Keras: {name} by up to"
                f" {difference.max():.2g}. It was not written. Translate with Keras, and report"
                " this."
            )
        largest = max(largest, float(difference.max(initial=0.0)))

    for source in sources:
        memory, state = keras.encode(padded([source]))
        of_onnx: dict[str, Any] = {
            name: array for part in ours.encode(padded([source])) for name, array in part.items()
        }
        for name, expected in [*named_leaves(memory, "memory"), *named_leaves(state, "state")]:
            # Leaves that the steps read in another form are absent; the steps prove them.
            if name in of_onnx:
                compare(of_onnx[name].astype(np.float32), expected.astype(np.float32), name)
    source_BS, target_BT = padded(sources), padded(targets, begin=True)
    real_BT = target_BT[:, 1:] != 0
    names = "the log-probabilities of steps", "the attention weights of steps"
    for name, found, expected in zip(
        names, ours.force(source_BS, target_BT), keras.force(source_BS, target_BT), strict=True
    ):
        compare(found[real_BT], expected[real_BT], name)
    found, expected = (
        _of_several_hypotheses(e, source_BS, target_BT[:, :NUM_HYPOTHESES]) for e in (ours, keras)
    )
    compare(found, expected, "the log-probabilities of several hypotheses")
    return largest


def _of_several_hypotheses(engine: Any, source_BS: np.ndarray, ids_BK: np.ndarray) -> np.ndarray:
    """Log-probabilities bkv after one step of K hypotheses; 0 for forbidden ids."""
    memory, state = engine.encode(source_BS)
    state = map_arrays(lambda leaf: np.repeat(leaf, ids_BK.shape[1], axis=1), state)
    log_probs_BKV = engine.step(ids_BK, state, memory, np.iinfo(np.int32).max).log_probs_BKC
    return np.where(np.isneginf(log_probs_BKV), 0.0, log_probs_BKV)


def _share_changed(translator: Translator, lines: Sequence[str]) -> float:
    """Share of the lines whose translation depends on the batch size."""
    texts = [
        [one.text for one in translator.translate(lines, batch_size=size)] for size in BATCH_SIZES
    ]
    return float(np.mean([len(set(of_line)) > 1 for of_line in zip(*texts, strict=True)]))
