"""Attention layers for any Keras model. Models saved with them, as `.keras` or `.h5`, load once
`nmt.layers` is imported, without `custom_objects`.

B batch  S steps that are attended to  T steps that attend  D width of what is attended to
H width of what attends  U units

All layers treat masks, precision and seeds alike. A mask (of an `Embedding` with `mask_zero`, of
`Masking`, or given as `mask=`) is true at real steps: padding is never attended to, the output for
a step on padding is 0, and the mask is passed on. Weights are computed in float32 whatever the
precision, are 0 on padding and sum to 1 over real steps; a sequence of padding alone, or of no
steps, has weights 0, and no NaN. A batch may be empty. The time axis may be None, unless a layer
says otherwise. `return_attention_scores=True`, as Keras calls it, returns the weights, too;
`AttentionLayer`, which has no such argument, always does. Integers are read as floats. Equal seeds
make equal layers; without a seed, Keras's `set_random_seed` decides.
"""

import math
import numbers
import random
from typing import Any

import keras
from keras import ops, tree

from nmt.attention import ConcatScore, DotScore, GeneralScore, Score, masked_softmax
from nmt.errors import UserError
from nmt.linear import Linear, Tensor

TensorShape = tuple[int | None, ...]


class _Attention(keras.layers.Layer):
    """Seeds, masks and output shapes, which all layers share."""

    def __init__(self, *, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.seed = seed
        # From `random`, as in Keras's initialisers.
        self._weight_seed = random.randrange(2**31) if seed is None else seed

    def __call__(self, inputs: Any, mask: Any = None, **kwargs: Any) -> Any:
        # Passed on even if it is None. Otherwise Keras writes the mask it finds into the graph of
        # the model, and cannot load an `.h5` because it does not know the operation that made the
        # mask (`NotEqual`, for an `Embedding`).
        return super().__call__(inputs, mask=mask, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._shapes(input_shape)[0]

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, return_attention_scores: bool = False
    ) -> Any:
        output_shape, weights_shape = self._shapes(
            tree.map_structure(lambda tensor: tensor.shape, inputs)
        )
        output = keras.KerasTensor(output_shape, self.compute_dtype)
        return (
            (output, keras.KerasTensor(weights_shape, "float32"))
            if return_attention_scores
            else output
        )

    def _shapes(self, input_shape: Any) -> tuple[TensorShape, TensorShape]:
        """The shapes of the output and of the weights."""
        raise NotImplementedError

    def _floats(self, inputs: Tensor) -> Tensor:
        """Integers in the precision of the computation: of floats Keras takes care."""
        is_float = keras.backend.is_float_dtype(inputs.dtype)
        return inputs if is_float else ops.cast(inputs, self.compute_dtype)

    def _part(self, kind: type, *units: int, name: str, **kwargs: Any) -> Any:
        """A score or a projection that belongs to this layer."""
        return kind(*units, seed=self._weight_seed, name=name, dtype=self.dtype_policy, **kwargs)


@keras.saving.register_keras_serializable("nmt")
class AttentionLayer(_Attention):
    """Attention of Bahdanau et al. (2015), of a whole decoder sequence over an encoder sequence:

    score = v . tanh(W decoder + U encoder),  weights = softmax of the scores,
    context = sum of weights * encoder.

    `context, weights = layer([encoder_out, decoder_out])`:
    encoder bsd, decoder bth -> context btd, weights bts.

    `units` is the length of v, by default D. Equal to `keras.layers.AdditiveAttention` after two
    bias-free `Dense` layers.
    """

    def __init__(self, units: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = None if units is None else _count("units", units)

    def build(self, input_shape: Any) -> None:
        encoder, decoder = _two_sequences(input_shape)
        self.input_spec = [_width_of(encoder), _width_of(decoder)]
        self.score = self._part(
            ConcatScore, decoder[-1], encoder[-1], self.units or encoder[-1], name="score"
        )

    def call(self, inputs: Any, mask: Any = None) -> tuple[Any, Any]:
        encoder_BSD, decoder_BTH = (self._floats(sequence) for sequence in inputs)
        encoder_mask_BS, decoder_mask_BT = _two_masks(mask)
        encoder_BSD, encoder_mask_BS = _without_padding(encoder_BSD, encoder_mask_BS)
        decoder_BTH = _zero_on_padding(decoder_BTH, decoder_mask_BT)  # a NaN has a gradient, too
        context_BTD, weights_BTS = _attend(
            self.score, decoder_BTH, encoder_BSD, encoder_BSD, encoder_mask_BS
        )
        return _zero_on_padding(context_BTD, decoder_mask_BT), weights_BTS

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return _two_masks(mask)[1]

    def compute_output_shape(self, input_shape: Any) -> tuple[TensorShape, TensorShape]:
        return self._shapes(input_shape)

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, return_attention_scores: bool = True
    ) -> Any:
        return super().compute_output_spec(inputs, mask, return_attention_scores)

    def _shapes(self, input_shape: Any) -> tuple[TensorShape, TensorShape]:
        encoder, decoder = _two_sequences(input_shape)
        return (*decoder[:2], encoder[2]), (*decoder[:2], encoder[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class _PlainGeneralScore(GeneralScore):
    """query . W state with an undivided W, so that weights of other programs can be copied."""

    def project_keys(self, states_BSD: Tensor) -> Any:
        return self.key_layer(states_BSD)


POOLING_SCORES: dict[str, type[Score]] = {"luong": _PlainGeneralScore, "bahdanau": ConcatScore}


@keras.saving.register_keras_serializable("nmt")
class AttentionPooling(_Attention):
    """A sequence as one vector: its last real step attends to all steps.

    context = sum of weights * states,  output = tanh(W [context; last]),
    weights = softmax of the scores, which are

    luong:     last . W_s state    (Luong et al., 2015, equation 8, general; output: equation 5)
    bahdanau:  v . tanh(W_1 last + W_2 state)

    bsd -> b, units; weights bs. There are no biases; W_s, W_1 and W_2 are D x D. A sequence without
    real steps becomes 0.
    """

    def __init__(self, units: int, score: str = "luong", **kwargs: Any):
        super().__init__(**kwargs)
        if score not in POOLING_SCORES:
            raise UserError(
                f"score must be one of {', '.join(POOLING_SCORES)}. Received: {score!r}."
            )
        self.units, self.score = _count("units", units), score

    def build(self, input_shape: Any) -> None:
        self.input_spec = _width_of(_sequence(input_shape))
        width = input_shape[-1]
        self.score_layer = self._part(POOLING_SCORES[self.score], width, width, width, name="score")
        self.output_layer = self._part(Linear, 2 * width, self.units, use_bias=False, name="output")

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        states_BSD, mask_BS = _without_padding(self._floats(inputs), mask)
        # Padding may come first. Sums, because `max` and a gather fail on an empty batch.
        real_BS = ops.cast(mask_BS, "int32")
        is_last_BS = ops.logical_and(
            mask_BS, ops.equal(ops.cumsum(real_BS, axis=1), ops.sum(real_BS, axis=1, keepdims=True))
        )
        zero = ops.zeros((), states_BSD.dtype)
        last_B1D = ops.sum(
            ops.where(is_last_BS[..., None], states_BSD, zero), axis=1, keepdims=True
        )
        context_B1D, weights_B1S = _attend(
            self.score_layer, last_B1D, states_BSD, states_BSD, mask_BS
        )
        features_B1F = ops.concatenate([context_B1D, last_B1D], axis=-1)
        output_BU = ops.tanh(self.output_layer(features_B1F))[:, 0]
        return (output_BU, weights_B1S[:, 0]) if return_attention_scores else output_BU

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None  # the output has no steps

    def _shapes(self, input_shape: Any) -> tuple[TensorShape, TensorShape]:
        batch, steps, _ = _sequence(input_shape)
        return (batch, self.units), (batch, steps)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "score": self.score}


@keras.saving.register_keras_serializable("nmt")
class SelfAttention(_Attention):
    """One head of Vaswani et al. (2017), equation 1:

    softmax(Q K^T / scale) V,  Q, K, V = W_q inputs, W_k inputs, W_v inputs.

    bsd -> bsu; weights bss, one row per query. `scale` is a divisor, by default sqrt(units). There
    are no biases. Equal to `keras.layers.Attention` on the projected inputs, with the query divided
    by the scale.
    """

    def __init__(self, units: int, scale: float | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if scale is not None and not _is_divisor(scale):
            raise UserError(
                "scale divides the scores: it must be a finite number and must not be 0. Received:"
                f" {scale!r}. Leave it out for sqrt(units)."
            )
        self.units = _count("units", units)
        self.scale = None if scale is None else float(scale)

    def build(self, input_shape: Any) -> None:
        self.input_spec = _width_of(_sequence(input_shape))
        width = input_shape[-1]
        self.query_layer, self.key_layer, self.value_layer = (
            self._part(Linear, width, self.units, use_bias=False, name=name)
            for name in ("query", "key", "value")
        )
        self.score = self._part(DotScore, self.units, self.units, self.units, name="score")

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        states_BSD, mask_BS = _without_padding(self._floats(inputs), mask)
        query_BSU = self.query_layer(states_BSD) / (self.scale or self.units**0.5)
        keys_BSU, values_BSU = self.key_layer(states_BSD), self.value_layer(states_BSD)
        context_BSU, weights_BSS = _attend(self.score, query_BSU, keys_BSU, values_BSU, mask_BS)
        context_BSU = _zero_on_padding(context_BSU, mask)
        return (context_BSU, weights_BSS) if return_attention_scores else context_BSU

    def _shapes(self, input_shape: Any) -> tuple[TensorShape, TensorShape]:
        batch, steps, _ = _sequence(input_shape)
        return (batch, steps, self.units), (batch, steps, steps)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "scale": self.scale}


@keras.saving.register_keras_serializable("nmt")
class TimeStepAttention(_Attention):
    """Weights the steps of each feature by all of its steps: permute, dense softmax over time,
    permute, multiply.

    weights of feature d = softmax(W inputs of feature d + b),  output = weights * inputs,

    where W is S x S.

    bsd -> bsd; weights bsd, which sum to 1 over time. The time axis is fixed; there are S (S + 1)
    parameters.
    """

    def build(self, input_shape: Any) -> None:
        steps = _sequence(input_shape)[1]
        if steps is None:
            raise UserError(
                "expected a fixed number of steps, because each has weights of its own. Received: a"
                " time axis of None."
            )
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={1: steps})
        self.time_layer = self._part(Linear, steps, steps, name="time")

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        states_BSD, mask_BS = _without_padding(self._floats(inputs), mask)
        scores_BDS = self.time_layer(ops.transpose(states_BSD, (0, 2, 1)))
        weights_BSD = ops.transpose(masked_softmax(scores_BDS, mask_BS[:, None]), (0, 2, 1))
        weights_BSD = _zero_on_padding(weights_BSD, mask_BS)
        output_BSD = ops.cast(weights_BSD, states_BSD.dtype) * states_BSD
        return (output_BSD, weights_BSD) if return_attention_scores else output_BSD

    def _shapes(self, input_shape: Any) -> tuple[TensorShape, TensorShape]:
        shape = tuple(_sequence(input_shape))
        return shape, shape


def _attend(
    score: Score, query_BTH: Tensor, states_BSD: Tensor, values_BSD: Tensor, mask_BS: Tensor
) -> tuple[Tensor, Tensor]:
    """-> context btd, weights bts. For a sequence of padding alone both are 0."""
    context_BTD, weights_BTS, _ = score.attend(
        query_BTH, score.project_keys(states_BSD), values_BSD, mask_BS, ()
    )
    return context_BTD, ops.where(mask_BS[:, None], weights_BTS, 0.0)


def _without_padding(states_BSD: Tensor, mask_BS: Tensor) -> tuple[Tensor, Tensor]:
    """-> the states, 0 on padding so that not even a NaN there has an effect, and the mask, true
    everywhere if there is none."""
    if mask_BS is None:
        return states_BSD, ops.ones(ops.shape(states_BSD)[:2], "bool")
    return _zero_on_padding(states_BSD, mask_BS), ops.cast(mask_BS, "bool")


def _zero_on_padding(states_BSD: Tensor, mask_BS: Tensor) -> Tensor:
    if mask_BS is None:
        return states_BSD
    return ops.where(
        ops.cast(mask_BS, "bool")[..., None], states_BSD, ops.zeros((), states_BSD.dtype)
    )


def _sequence(shape: Any) -> Any:
    if (
        isinstance(shape, dict)
        or len(shape) != 3
        or shape[-1] is None
        or isinstance(shape[0], list | tuple)
    ):
        raise UserError(
            f"expected one sequence of vectors, of shape (batch, time, width). Received: {shape}."
        )
    return shape


def _two_sequences(shapes: Any) -> Any:
    if isinstance(shapes, dict) or len(shapes) != 2 or not isinstance(shapes[0], list | tuple):
        raise UserError(
            f"expected [encoder_out, decoder_out], two sequences of vectors. Received: {shapes}."
        )
    return [_sequence(shape) for shape in shapes]


def _two_masks(mask: Any) -> Any:
    if mask is None:
        return None, None
    if not isinstance(mask, list | tuple) or len(mask) != 2:
        raise UserError(
            "mask must be [encoder_mask, decoder_mask], of which either may be None. Received:"
            f" {mask!r}."
        )
    return mask


def _width_of(shape: Any) -> keras.layers.InputSpec:
    """What a layer that was built for sequences of this shape takes."""
    return keras.layers.InputSpec(ndim=3, axes={-1: shape[-1]})


def _count(name: str, number: Any) -> int:
    # Not `int`: the numbers of NumPy are none.
    if not isinstance(number, numbers.Integral) or isinstance(number, bool):
        raise UserError(f"{name} must be an integer. Received: {number!r}.")
    if number < 1:
        raise UserError(f"{name} must be at least 1. Received: {number}.")
    return int(number)


def _is_divisor(number: Any) -> bool:
    is_number = isinstance(number, numbers.Real) and not isinstance(number, bool)
    return is_number and math.isfinite(number) and number != 0
