"""Tiny models beside their ONNX graphs, converted once a process."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import onnx
from conftest import _tiny_model

from nmt.keras_engine import KerasEngine
from nmt.onnx_engine import OnnxEngine
from nmt.onnx_graph import encoder_graph, hoisted, step_graph, within_one
from nmt.quantize import quantized

FORBIDDEN = (0, 1, 2, 7)
SOURCE = np.array([[4, 9, 7, 5, 6, 3], [8, 6, 3, 0, 0, 0], [3, 0, 0, 0, 0, 0]])
TARGET = np.array([[2, 4, 9, 7, 3], [2, 6, 1, 3, 0], [2, 3, 0, 0, 0]])

# Every cell with every score, and among them each value of the other options with nearly each value of each other.
VARIANTS = {
    "attend first, additive": {"attention": "bahdanau", "tied": "all"},
    "attend first, dot": {"attention": "attend_first/dot", "layer": "lstm", "encoder_layers": 2, "bridge": "last"},
    "attend first, general, fed": {
        "attention": "attend_first/general", "layer": "lstm", "num_layers": 2, "bridge": "zero", "input_feeding": True,
    },
    "update first, additive, fed": {
        "attention": "update_first/additive", "layer": "layer_norm_lstm", "tied": "target", "input_feeding": True,
    },
    "update first, dot, fed": {
        "attention": "update_first/dot", "encoder_layers": 2, "num_layers": 2, "bridge": "last", "input_feeding": True,
    },
    "conditional, additive, lexical": {"attention": "conditional/additive", "num_layers": 2, "lexical": True},
    "attend first, heads": {"attention": "attend_first/multihead", "lexical": True, "input_feeding": True},
    "update first, monotonic": {"attention": "update_first/monotonic"},
    "update first, general": {"attention": "luong", "encoder_layers": 2, "bridge": "zero", "tied": "target"},
    "conditional, general": {
        "attention": "conditional/general", "layer": "layer_norm_gru", "encoder_layers": 2, "lexical": True,
    },
}  # fmt: skip


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="nmt-onnx-")  # removed when the process ends


def onnx_engine(model, *, native=True, integers=False, forbidden=FORBIDDEN):
    """An engine of the model's graphs, through files."""
    folder = Path(tempfile.mkdtemp(dir=_folder().name))
    graphs = encoder_graph(model, native), step_graph(model)
    if integers:
        graphs = [quantized(graph, within_one(model)) for graph in graphs]
    for name, graph in zip(("encoder", "step"), hoisted(*graphs), strict=True):
        onnx.save(graph, folder / name)
    return OnnxEngine(folder / "encoder", folder / "step", forbidden)


@functools.cache
def both_engines(name="attend first, additive"):
    """Keras and ONNX, of the same weights."""
    model = _tiny_model(**VARIANTS[name])
    return KerasEngine(model, FORBIDDEN), onnx_engine(model)


@functools.cache
def integer_engine():
    return onnx_engine(both_engines()[0].model, native=False, integers=True)
