"""Attention: scores that compare a query with keys, and the weights and the context that follow
from them.

B batch  S source  T target, or hypotheses of a search  H units of the query  D width of the memory
U of the keys

A score says how well each query fits each key. A new one is a subclass of `Score`, registered in
`schema.SCORES`; scores that do more than compare are in `nmt.model.mechanisms`.
"""

import dataclasses
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nmt.config.loader import check_score
from nmt.config.schema import SCORES, installed_scores, nearest
from nmt.errors import UserError
from nmt.linear import Linear, Product, Tensor
from nmt.seeding import derive_seed


class ScoreWeights:
    """The weights that a score reads in each step, products and tensors, by name.

    Not a dict: Keras refuses to pass layers a structure that mixes tensors with other objects.
    """

    def __init__(self, **weights: Any):
        self._weights = weights

    def __getitem__(self, name: str) -> Any:
        return self._weights[name]


class Score(keras.layers.Layer):
    """query bth, keys bsu and the score's own state -> scores bts and its new state.

    Keys are projected once per sentence. A score that carries something from step to step (the last
    weights, a coverage vector, a position) sets `carries_state` and returns its initial value, a
    structure of bt..., from `initial_state`. Keras hands it to `call` in the precision of the
    computation; integers stay as they are.

    The decoder calls `attend`: `call`, then `weigh`, then `read`, the mean of the values under
    these weights. In a loop a score that has `step_weights` receives them as the last argument of
    `call` and `weigh`.
    """

    carries_state = False

    def __init__(
        self,
        query_units: int,
        memory_units: int,
        units: int,
        *,
        seed: int = 0,
        name: str,
        dtype: Any = None,
        **options: Any,
    ):
        super().__init__(name=name, dtype=dtype)
        self.supports_masking = True  # or Keras warns in `nmt.layers` that its masks are lost
        self.query_units, self.memory_units, self.units = query_units, memory_units, units
        self.seed = seed
        self.build_weights(**options)
        self.built = True

    def build_weights(self, *_: Any, **options: Any) -> None:
        """Creates the score's weights. Its keyword arguments are what `score_options` of the config
        may set."""

    def project_keys(self, states_BSD: Tensor) -> Tensor:
        """states bsd -> keys bsu, once per sentence; by default the states themselves."""
        return states_BSD

    def initial_state(self, keys_BSU: Tensor, num_queries: int) -> Any:
        """keys bsu -> the state before the first step, a structure of bt... for T = `num_queries`;
        by default none, `()`."""
        return ()

    def start(self, keys_BSU: Tensor, final_BD: Tensor) -> Any:
        """The state before the first step, of one hypothesis; `final` is the last state of the
        encoder's top layer."""
        return self.initial_state(keys_BSU, 1)

    def step_weights(self) -> dict[str, Any]:
        """The weights that `attend` reads in each step, in the precision of the computation. A
        `StepProduct` among them must be computed exactly once per step."""
        return {}

    def loop_weights(self) -> dict[str, Any]:
        """`step_weights`, taken once for a loop, if all of `attend`, `call` and `weigh` accept
        them. A subclass that overrides one of these without them reads its layers in each step:
        same numbers, less speed."""
        methods = (self.attend, self.call, self.weigh)
        accepted = all("weights" in inspect.signature(method).parameters for method in methods)
        return self.step_weights() if accepted else {}

    def call(
        self,
        query_BTH: Tensor,
        keys_BSU: Tensor,
        state: Any,
        weights: ScoreWeights | None = None,
    ) -> Any:
        """query bth, keys bsu, state -> scores bts and the new state. `weights` are those of
        `step_weights`, which a loop passes to each step."""
        return self.compare(query_BTH, keys_BSU, state, self.resolve_weights(weights))

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        """Computes what `call` returns, from `step_weights`. A subclass overrides this, or `call`
        if it reads its layers in each step."""
        raise NotImplementedError

    def resolve_weights(self, weights: ScoreWeights | None) -> ScoreWeights:
        """The weights that a loop passes to each step, or outside of loops the score's own."""
        return weights or ScoreWeights(**self.step_weights())

    def weigh(
        self,
        scores_BTS: Tensor,
        mask_BS: Tensor,
        query_BTH: Tensor,
        state: Any,
        weights: ScoreWeights | None = None,
    ) -> tuple[Tensor, Any]:
        """-> weights bts, in float32, and the new state: non-negative, 0 on padding, with a sum of
        1 or at most 1."""
        return masked_softmax(scores_BTS, ops.expand_dims(mask_BS, 1)), state

    def attend(
        self,
        query_BTH: Tensor,
        keys_BSU: Tensor,
        values_BSD: Tensor,
        mask_BS: Tensor,
        state: Any,
        weights: Mapping[str, Any] | None = None,
    ) -> tuple[Tensor, Tensor, Any]:
        """-> context btd, weights bts, state. The mask is true at real positions; `weights` are
        `loop_weights`, taken before the loop by its caller."""
        given = {"weights": ScoreWeights(**weights)} if weights else {}
        scores_BTS, state = self(query_BTH, keys_BSU, state, **given)
        weights_BTS, state = self.weigh(scores_BTS, mask_BS, query_BTH, state, **given)
        context_BTD, weights_BTS = self.read(weights_BTS, keys_BSU, values_BSD)
        return context_BTD, weights_BTS, state

    def read(
        self, weights_BTS: Tensor, keys_BSU: Tensor, values_BSD: Tensor
    ) -> tuple[Tensor, Tensor]:
        """-> context btd, the mean of the values under the weights, and weights bts."""
        return ops.matmul(ops.cast(weights_BTS, values_BSD.dtype), values_BSD), weights_BTS

    def linear(self, input_units: int, units: int, name: str, use_bias: bool = False) -> Linear:
        """A projection that belongs to this score, seeded and named after it."""
        name = f"{self.name}_{name}"
        return Linear(
            input_units,
            units,
            use_bias=use_bias,
            seed=self.seed,
            name=name,
            dtype=self.dtype_policy,
        )

    def vector(self, units: int, name: str) -> keras.Variable:
        """A weight u1 that belongs to this score: a product with it turns energies ...u into scores
        ...1."""
        glorot = keras.initializers.GlorotUniform(seed=derive_seed(self.seed, self.name, name))
        return self.add_weight((units, 1), initializer=glorot, name=name)

    def _cast(self, variable: keras.Variable) -> Tensor:
        return ops.cast(variable, self.compute_dtype)


def masked_softmax(scores_BTS: Tensor, mask_BTS: Tensor) -> Tensor:
    """Exactly 0 where the mask is false; rows sum to 1 (each row needs a place where it is true).

    Computed in float32: in bfloat16 the sum is off by up to a percent.
    """
    # A sum and not `where`, which becomes seven operations in ONNX.
    barred_BTS = (ops.cast(mask_BTS, "float32") - 1.0) * 1e9
    # Not `ops.softmax`, which calls it the same but warns of a source with one state.
    return tf.nn.softmax(ops.cast(scores_BTS, "float32") + barred_BTS, axis=-1)


class AdditiveScore(Score):
    """Bahdanau et al. (2015), A.1.2:  score = v . tanh(W query + U state + b).

    query bth, keys bsu -> scores bts;  keys are U state + b.
    """

    use_bias = True

    def build_weights(self, *_: Any, **options: Any) -> None:
        self.query_layer = self.linear(self.query_units, self.units, "query")
        self.key_layer = self.linear(self.memory_units, self.units, "key", use_bias=self.use_bias)
        self.v = self.vector(self.units, "v")

    def project_keys(self, states_BSD: Tensor) -> Tensor:
        return self.key_layer(states_BSD)

    def step_weights(self) -> dict[str, Any]:
        return {"query": self.query_layer.product(), "v": Product(self._cast(self.v))}

    def energy(self, query_BTH: Tensor, keys_BSU: Tensor, weights: ScoreWeights) -> Tensor:
        """The argument of tanh, btsu."""
        query_BTU = weights["query"](query_BTH)
        # `expand_dims` and `squeeze` and not slices, whose gradients are padded with zeros.
        return ops.expand_dims(query_BTU, 2) + ops.expand_dims(keys_BSU, 1)

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        energy_BTSU = self.energy(query_BTH, keys_BSU, weights)
        return ops.squeeze(weights["v"](ops.tanh(energy_BTSU)), -1), state


class NormedAdditiveScore(AdditiveScore):
    """Additive with weight normalisation (Salimans and Kingma, 2016, equation 2):

    score = g v / ||v|| . tanh(W query + U state + b),
    g = 1 / sqrt(U) at first, as in tf.contrib.seq2seq.
    """

    def build_weights(self, *_: Any, **options: Any) -> None:
        super().build_weights()
        self.g = self.add_weight(
            (), initializer=keras.initializers.Constant(self.units**-0.5), name="g"
        )

    def step_weights(self) -> dict[str, Any]:
        return {**super().step_weights(), "g": self._cast(self.g)}

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        v, g = (ops.cast(value, "float32") for value in (weights["v"].kernel, weights["g"]))
        direction = g * v * ops.rsqrt(ops.sum(ops.square(v)))
        product = dataclasses.replace(weights["v"], kernel=self._cast(direction))
        energy_BTSU = self.energy(query_BTH, keys_BSU, weights)
        return ops.squeeze(product(ops.tanh(energy_BTSU)), -1), state


class ConcatScore(AdditiveScore):
    """Luong et al. (2015), equation 8:  score = v . tanh(W [query; state]).

    W [query; state] is W_1 query + W_2 state: the additive score without its bias.
    """

    use_bias = False


class DotScore(Score):
    """Luong et al. (2015), equation 8:  score = query . state."""

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        return ops.matmul(query_BTH, ops.transpose(keys_BSU, (0, 2, 1))), state


class GeneralScore(DotScore):
    """Luong et al. (2015), equation 8:  score = query . W state,  where W = kernel / sqrt(H).

    Any W can be written like this. Adam, whose steps do not depend on the size of the gradient,
    moves every entry of the kernel by the same amount, and a score sums H * D of them: without the
    division a single update can invert the attention.
    """

    def build_weights(self, *_: Any, **options: Any) -> None:
        self.key_layer = self.linear(self.memory_units, self.query_units, "key")

    def project_keys(self, states_BSD: Tensor) -> Tensor:
        return self.key_layer(states_BSD) / self.query_units**0.5


class _Scaled(DotScore):
    """A score times a learned g, 1 at first: `scale=True` of LuongAttention in tf.contrib.seq2seq.
    (Not the fixed factor 1 / sqrt(H) of Vaswani et al., 2017.)"""

    def build_weights(self, *_: Any, **options: Any) -> None:
        super().build_weights()
        self.g = self.add_weight((), initializer="ones", name="g")

    def step_weights(self) -> dict[str, Any]:
        return {**super().step_weights(), "g": self._cast(self.g)}

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        scores_BTS, state = super().compare(query_BTH, keys_BSU, state, weights)
        return ops.cast(weights["g"], scores_BTS.dtype) * scores_BTS, state


class ScaledDotScore(_Scaled):
    """score = g query . state,  g learned."""


class ScaledGeneralScore(_Scaled, GeneralScore):
    """score = g query . W state,  g learned, W as in `general`."""


def score_class(name: str, allow_custom: bool = False) -> type[Score]:
    """The class of a score, by its name in `schema.SCORES` or that of an installed entry point of
    the group `nmt.scores`; with `allow_custom` also by MODULE:CLASS, which is imported. Loading a
    `.keras` file, the user permits one by `custom_objects={"MODULE:CLASS": the_class}`.

    Raises UserError if there is none, or if it is not allowed.
    """
    try:
        if name in SCORES:
            found = _imported(SCORES[name].path)
        elif name in (installed := installed_scores()):
            found = installed[name].load()
        elif registered := keras.saving.get_registered_object(name):
            found = registered
        elif ":" in name:
            check_score(name, allow_custom)
            found = _imported(name)
        else:
            raise ValueError("unknown name")
    except UserError:
        raise
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"no score '{name}': {error}. Use one of {', '.join(SCORES)}, or MODULE:CLASS."
        ) from error
    if not (isinstance(found, type) and issubclass(found, Score)):
        raise UserError(
            f"expected '{name}' to be a subclass of nmt.attention.Score. Received: {found!r}."
        )
    return found


def _imported(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def make_score(
    score: str,
    units: tuple[int, int, int],
    options: Mapping[str, Any],
    allow_custom: bool = False,
    **layer: Any,
) -> Score:
    """Makes a score by its name (see `score_class`), with `units` of the query, of the memory and
    of its own, and the options of the config.

    Raises UserError if there is no such score, or if it has no such option.
    """
    found = score_class(score, allow_custom)
    known = [
        key
        for key in inspect.signature(found.build_weights).parameters
        if key not in ("self", "_", "options")
    ]
    for option in options:
        if option not in known:
            raise UserError(
                f"model.decoder.score_options: score '{score}' has no option '{option}'; it has "
                f"{', '.join(known) or 'none'}{nearest(option, known) or '.'}"
            )
    query_units, memory_units, own_units = units
    return found(query_units, memory_units, own_units, **layer, **options)
