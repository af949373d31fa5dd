"""Score functions and masked attention.

B batch  S source  T target, or hypotheses of a search  H units of the query  D width of the memory  U of the keys

A score says how well each query fits each key. A new one is a subclass of `Score`, registered in `SCORES`.
"""

import importlib
from typing import Any

import keras
from keras import ops

from nmt.errors import UserError
from nmt.recurrent import Linear, linear
from nmt.seeds import derive_seed


class Score(keras.layers.Layer):
    """query bth, keys bsu and the score's own state -> scores bts and its new state.

    Keys are projected once per sentence. A score that carries something from step to step (the last weights, a coverage
    vector, a position) sets `carries_state` and returns the start of it, a structure of bt..., from `initial_state`.
    """

    carries_state = False

    def __init__(self, query_units: int, memory_units: int, units: int, *, seed: int = 0, name: str, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.query_units, self.memory_units, self.units, self.seed = query_units, memory_units, units, seed
        self.build_weights()
        self.built = True

    def build_weights(self) -> None:
        """Creates the score's weights."""

    def project_keys(self, states_BSD: Any) -> Any:
        return states_BSD

    def initial_state(self, keys_BSU: Any, num_queries: int) -> Any:
        return ()

    def call(self, query_BTH: Any, keys_BSU: Any, state: Any) -> Any:
        raise NotImplementedError

    def query_kernels(self) -> list[Any]:
        """Weights that `call` multiplies the query with, by `linear`, exactly once: their gradient is then taken
        outside the loop (see `recurrent.scan`). Naming none is right, too."""
        return []

    def linear(self, input_units: int, units: int, name: str, use_bias: bool = False) -> Linear:
        """A projection that belongs to this score, seeded and named after it."""
        name = f"{self.name}_{name}"
        return Linear(input_units, units, use_bias=use_bias, seed=self.seed, name=name, dtype=self.dtype_policy)


class AdditiveScore(Score):
    """Bahdanau et al. (2015), A.1.2:  score = v . tanh(W query + U state + b).

    query bth, keys bsu -> scores bts;  keys are U state + b.
    """

    def build_weights(self) -> None:
        self.query_layer = self.linear(self.query_units, self.units, "query")
        self.key_layer = self.linear(self.memory_units, self.units, "key", use_bias=True)
        glorot = keras.initializers.GlorotUniform(seed=derive_seed(self.seed, self.name, "v"))
        self.v = self.add_weight((self.units, 1), initializer=glorot, name="v")

    def project_keys(self, states_BSD: Any) -> Any:
        return self.key_layer(states_BSD)

    def query_kernels(self) -> list[Any]:
        return [self.query_layer.kernel]

    def call(self, query_BTH: Any, keys_BSU: Any, state: Any) -> Any:
        # `expand_dims` and `squeeze` and not slices, whose gradients are padded with zeros.
        query_BT1U = ops.expand_dims(self.query_layer(query_BTH), 2)
        energy_BTSU = ops.tanh(query_BT1U + ops.expand_dims(keys_BSU, 1))
        return ops.squeeze(linear(energy_BTSU, self.v), -1), state


class DotScore(Score):
    """Luong et al. (2015), equation 8:  score = query . state."""

    def call(self, query_BTH: Any, keys_BSU: Any, state: Any) -> Any:
        return ops.matmul(query_BTH, ops.transpose(keys_BSU, (0, 2, 1))), state


class GeneralScore(DotScore):
    """Luong et al. (2015), equation 8:  score = query . W state,  where W = kernel / sqrt(H).

    Any W can be written so. But an optimizer whose steps do not depend on the gradient's size (Adam) moves every entry
    of the kernel alike, and a score sums H * D of them: undivided, one step can turn attention over.
    """

    def build_weights(self) -> None:
        self.key_layer = self.linear(self.memory_units, self.query_units, "key")

    def project_keys(self, states_BSD: Any) -> Any:
        return self.key_layer(states_BSD) / self.query_units**0.5


SCORES: dict[str, type[Score]] = {"additive": AdditiveScore, "dot": DotScore, "general": GeneralScore}


def score_class(name: str) -> type[Score]:
    """A score by its name in `SCORES`, or by MODULE:CLASS. Raises UserError if there is none."""
    if name in SCORES:
        return SCORES[name]
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"no score '{name}': {error}. Use one of {', '.join(SCORES)}, or MODULE:CLASS.") from error
    if not (isinstance(found, type) and issubclass(found, Score)):
        raise UserError(f"expected '{name}' to be a subclass of nmt.attention.Score. Received: {found!r}.")
    return found


def attend(scores_BTS: Any, values_BSD: Any, mask_BS: Any) -> tuple[Any, Any]:
    """scores bts, values bsd, mask bs (true: a real position) -> context btd, weights bts.

    Weights are exactly 0 on padding and sum to 1 over real positions. The softmax is taken in float32: in bfloat16 its
    sum is off by up to a percent.
    """
    scores = ops.where(mask_BS[:, None], ops.cast(scores_BTS, "float32"), -1e9)
    weights_BTS = ops.softmax(scores, axis=-1)
    context_BTD = ops.matmul(ops.cast(weights_BTS, values_BSD.dtype), values_BSD)
    return context_BTD, weights_BTS
