"""Tiny models that several test modules share. TensorFlow is imported only by the tests that ask
for one."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before any test module imports TensorFlow

from typing import Any

import numpy as np
import pytest

VOCABULARY_SIZE = 11


def _randomize(layer: Any, seed: int = 0, scale: float = 0.5) -> Any:
    """Gives every weight, biases too, a value of its own: a zero hides its term."""
    generator = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(generator.normal(0.0, scale, variable.shape))
    return layer


def _tiny_model(
    *,
    attention: str = "attend_first/additive",
    layer: str = "gru",
    num_layers: int = 1,
    encoder_layers: int = 1,
    bridge: str = "dense",
    input_feeding: bool = False,
    lexical: bool = False,
    tied: str = "none",
    dropout: float = 0.0,
    seed: int = 1,
    randomize: bool = True,
    dtype: str = "float32",
    score_options: Any = None,
) -> Any:
    """A model of a few units. Wherever the config allows it, every width is another one: no two can
    be mixed up."""
    from nmt.config.loader import ModelConfig
    from nmt.model.seq2seq import Seq2Seq

    score = attention.partition("/")[2]
    same_width = bridge == "last" or score in ("dot", "scaled_dot", "multihead")
    if score_options is None:
        # Windows that do not hold everything, a place too few, and no noise: two passes in training
        # shall be equal.
        tiny = {"local_m": {"window": 1}, "local_p": {"window": 2}, "location": {"max_length": 4}}
        score_options = {**tiny, "monotonic": {"noise": 0.0}}.get(score, {})
    config = {
        "layer": layer,
        "embedding_units": 5,
        "tied_embeddings": tied,
        "encoder": {"units": 4 if same_width else 3, "num_layers": encoder_layers},
        "decoder": {
            "attention": attention,
            "units": 8,
            "num_layers": num_layers,
            "bridge": bridge,
            "attention_units": 7,
            "input_feeding": input_feeding,
            "lexical": lexical,
            "score_options": score_options,
            "readout_units": 9 if tied == "none" else None,
        },
        "dropout": dict.fromkeys(
            ["embedding", "layer", "readout", "source_word", "target_word"], dropout
        ),
    }
    sizes = (VOCABULARY_SIZE, VOCABULARY_SIZE if tied == "all" else VOCABULARY_SIZE + 2)
    model = Seq2Seq(
        ModelConfig.model_validate(config), *sizes, seed=seed, dtype=dtype, allow_custom=True
    )
    return _randomize(model) if randomize else model


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no process is left with them at the end."""
    items.sort(key=lambda item: "tests/training/" not in item.path.as_posix())


@pytest.fixture(scope="session")
def randomize() -> Any:
    return _randomize


@pytest.fixture(scope="session")
def tiny_model() -> Any:
    return _tiny_model


@pytest.fixture(scope="session", autouse=True)
def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is trained once a session is kept in a folder that all of its processes see."""
    from fixtures.run import keep_in

    folder = tmp_path_factory.getbasetemp()
    keep_in(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)
