"""Attention that does more than compare query and key: by position, in windows, in heads, with a
state of its own, and none at all.

B batch  S source  T target, or hypotheses of a search  H units of the query  D width of the memory
U of the keys  N heads
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from nmt.attention import (
    AdditiveScore,
    GeneralScore,
    NormedAdditiveScore,
    Score,
    ScoreWeights,
    masked_softmax,
)
from nmt.linear import Product, Tensor
from nmt.seeding import derive_seed


class LocationScore(Score):
    """Luong et al. (2015), equation 7:  weights = softmax(W query): only the position counts, not
    what the source says there.

    W has `max_length` rows. Positions beyond them get weight 0: of a longer source only the first
    `max_length` states are seen.
    """

    def build_weights(self, *, max_length: int) -> None:
        self.max_length = max_length
        self.place_layer = self.linear(self.query_units, max_length, "place")

    def step_weights(self) -> dict[str, Any]:
        return {"place": self.place_layer.product()}

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        scores_BTL, places_S = weights["place"](query_BTH), ops.arange(ops.shape(keys_BSU)[1])
        scores_BTS = ops.take(scores_BTL, ops.minimum(places_S, self.max_length - 1), axis=-1)
        return (
            ops.where(places_S < self.max_length, scores_BTS, ops.cast(-1e9, scores_BTS.dtype)),
            state,
        )


class LocalMonotonicScore(GeneralScore):
    """Luong et al. (2015), 3.2, local-m, with the general score: at step t the softmax covers the
    2 D + 1 states around the t-th, D = `window`. A target longer than its source (a case the paper
    leaves open) stays at the last state.

    Positions and steps are counted from 1. The state is t, bt.
    """

    carries_state = True

    def build_weights(self, *, window: int) -> None:
        super().build_weights()
        self.window = window

    def initial_state(self, keys_BSU: Tensor, num_queries: int) -> Any:
        return ops.zeros((ops.shape(keys_BSU)[0], num_queries), "int32")

    def weigh(
        self,
        scores_BTS: Tensor,
        mask_BS: Tensor,
        query_BTH: Tensor,
        state: Any,
        weights: ScoreWeights | None = None,
    ) -> tuple[Tensor, Any]:
        steps_BT = state + 1
        center_BT = ops.cast(ops.minimum(steps_BT, _lengths(mask_BS)[:, None]), "float32")
        return (
            masked_softmax(scores_BTS, self.inside(_distances(mask_BS, center_BT), mask_BS)),
            steps_BT,
        )

    def inside(self, distances_BTS: Tensor, mask_BS: Tensor) -> Any:
        return ops.logical_and(mask_BS[:, None], ops.abs(distances_BTS) <= self.window)


class LocalPredictiveScore(LocalMonotonicScore):
    """Luong et al. (2015), 3.2, local-p, with the general score, equations 9 and 10:

    p = S sigmoid(v . tanh(W query)),
    weight(s) = softmax(s) exp(-(s - p)^2 / (2 sigma^2)),  sigma = D / 2,

    with the softmax over the positions at most D = `window` from p, S the length of the source. The
    Gaussian leaves a sum below 1, as in the paper.
    """

    carries_state = False

    def build_weights(self, *, window: int) -> None:
        super().build_weights(window=window)
        self.position_layer = self.linear(self.query_units, self.units, "position")
        self.v = self.vector(self.units, "v")

    def initial_state(self, keys_BSU: Tensor, num_queries: int) -> Any:
        return ()

    def step_weights(self) -> dict[str, Any]:
        return {"position": self.position_layer.product(), "v": Product(self._cast(self.v))}

    def weigh(
        self,
        scores_BTS: Tensor,
        mask_BS: Tensor,
        query_BTH: Tensor,
        state: Any,
        weights: ScoreWeights | None = None,
    ) -> tuple[Tensor, Any]:
        weights = self.resolve_weights(weights)
        energy_BT = weights["v"](ops.tanh(weights["position"](query_BTH)))[..., 0]
        share_BT = ops.sigmoid(ops.cast(energy_BT, "float32"))
        center_BT = ops.cast(_lengths(mask_BS), "float32")[:, None] * share_BT
        distances_BTS = _distances(mask_BS, center_BT)
        weights_BTS = masked_softmax(scores_BTS, self.inside(distances_BTS, mask_BS))
        return weights_BTS * ops.exp(-2.0 * ops.square(distances_BTS / self.window)), state


def _lengths(mask_BS: Tensor) -> Tensor:
    return ops.sum(ops.cast(mask_BS, "int32"), axis=1)


def _distances(mask_BS: Tensor, center_BT: Tensor) -> Tensor:
    """From the centers to each position, counted from 1: bts."""
    return ops.cast(1 + ops.arange(ops.shape(mask_BS)[1]), "float32") - center_BT[..., None]


class MultiHeadScore(Score):
    """Vaswani et al. (2017), 3.2.2, over the encoder's states:

    head n = softmax(Q_n K_n / sqrt(H / N)) V_n,  Q = W_q query, K = W_k state, V = W_v state,

    each split into N = `heads` parts; the context is the concatenation of the heads. W_o of the
    paper is left to the layer that reads the context, which would only be multiplied by it. The
    weights returned are the mean over the heads; the embeddings of a lexical memory are averaged
    with it.

    keys are [K; V], so that V too is computed once per sentence.
    """

    def build_weights(self, *, heads: int) -> None:
        self.heads = heads
        self.query_layer = self.linear(self.query_units, self.query_units, "query")
        self.key_layer = self.linear(self.memory_units, self.query_units, "key")
        self.value_layer = self.linear(self.memory_units, self.memory_units, "value")

    def project_keys(self, states_BSD: Tensor) -> Tensor:
        return ops.concatenate([self.key_layer(states_BSD), self.value_layer(states_BSD)], axis=-1)

    def step_weights(self) -> dict[str, Any]:
        return {"query": self.query_layer.product()}

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        """-> scores of each head, bnts."""
        query_BNTX = self._cut(weights["query"](query_BTH))
        keys_BNSX = self._cut(keys_BSU[..., : self.query_units])
        scores_BNTS = ops.matmul(query_BNTX, ops.transpose(keys_BNSX, (0, 1, 3, 2)))
        return scores_BNTS / (self.query_units // self.heads) ** 0.5, state

    def weigh(
        self,
        scores_BNTS: Tensor,
        mask_BS: Tensor,
        query_BTH: Tensor,
        state: Any,
        weights: ScoreWeights | None = None,
    ) -> tuple[Tensor, Any]:
        """-> weights of each head, bnts, and the state."""
        return masked_softmax(scores_BNTS, mask_BS[:, None, None]), state

    def read(
        self, weights_BNTS: Tensor, keys_BSU: Tensor, values_BSD: Tensor
    ) -> tuple[Tensor, Tensor]:
        heads_BNTX = ops.matmul(
            ops.cast(weights_BNTS, values_BSD.dtype), self._cut(keys_BSU[..., self.query_units :])
        )
        context_BTD = ops.concatenate(ops.unstack(heads_BNTX, self.heads, axis=1), axis=-1)
        weights_BTS = ops.mean(weights_BNTS, axis=1)
        if values_BSD.shape[-1] > self.memory_units:
            beside = ops.matmul(
                ops.cast(weights_BTS, values_BSD.dtype), values_BSD[..., self.memory_units :]
            )
            context_BTD = ops.concatenate([context_BTD, beside], axis=-1)
        return context_BTD, weights_BTS

    def _cut(self, rows: Tensor) -> Tensor:
        """btu -> bnt(u/n). Not by `reshape`, which tf2onnx 1.17 would merge wrongly with one before
        it."""
        return ops.stack(ops.split(rows, self.heads, axis=-1), axis=1)


class CoverageScore(AdditiveScore):
    """See et al. (2017), equation 11 (after Tu et al., 2016):

    score = v . tanh(W query + U state + b + w coverage)

    The coverage, bts, is the sum of all weights so far, and the state. The paper's coverage loss is
    `training.coverage_loss`.
    """

    carries_state = True

    def build_weights(self, *_: Any, **options: Any) -> None:
        super().build_weights()
        self.autocast = False  # a sum in bfloat16 stops growing: 1 + 0.003 is 1
        self.w = self.vector(self.units, "w")

    def initial_state(self, keys_BSU: Tensor, num_queries: int) -> Tensor:
        batch, source = ops.shape(keys_BSU)[:2]
        return ops.zeros((batch, num_queries, source), "float32")

    def step_weights(self) -> dict[str, Any]:
        return {**super().step_weights(), "w": self._cast(self.w)}

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        coverage_BTS1 = ops.expand_dims(ops.cast(state, query_BTH.dtype), -1)
        w_U = ops.squeeze(weights["w"], -1)
        energy_BTSU = self.energy(query_BTH, keys_BSU, weights) + coverage_BTS1 * w_U
        return ops.squeeze(weights["v"](ops.tanh(energy_BTSU)), -1), state

    def weigh(
        self,
        scores_BTS: Tensor,
        mask_BS: Tensor,
        query_BTH: Tensor,
        state: Any,
        weights: ScoreWeights | None = None,
    ) -> tuple[Tensor, Any]:
        weights_BTS, _ = super().weigh(scores_BTS, mask_BS, query_BTH, state)
        return weights_BTS, state + weights_BTS


class MonotonicScore(NormedAdditiveScore):
    """Raffel et al. (2017): attention moves on from its last position and stops at state j with
    probability

    p_j = sigmoid(e_j),  e = g v / ||v|| . tanh(W query + U state + b) + r   (equations 5 and 16).

    In `mode` `expected`, for training, the weights are the probabilities to stop at j:

    weight_j = p_j (sum over k <= j of last_k (1 - p_k) ... (1 - p_(j-1)))   (equation 9, solved).

    In `mode` `hard`, for translating, attention stops at the first j from the last position on with
    p_j > 1/2, which has no gradient. Both start at the first state. Attention that has passed the
    end has no weights from then on, so that a sum may be below 1.

    `noise` is the standard deviation of the noise added to e in training, which drives p towards 0
    and 1; `initial_bias` is the initial r, lower for longer sources. The state is the last weights,
    bts.
    """

    carries_state = True

    def build_weights(self, *, mode: str, noise: float, initial_bias: float) -> None:
        super().build_weights()
        self.autocast = False  # the state stays in float32, as the weights are
        self.mode, self.noise = mode, noise
        self.r = self.add_weight(
            (), initializer=keras.initializers.Constant(initial_bias), name="r"
        )
        self.random = keras.random.SeedGenerator(derive_seed(self.seed, self.name, "noise"))

    def initial_state(self, keys_BSU: Tensor, num_queries: int) -> Any:
        batch, source = ops.shape(keys_BSU)[:2]
        first_S = ops.cast(ops.equal(ops.arange(source), 0), "float32")
        return first_S + ops.zeros((batch, num_queries, 1))

    def step_weights(self) -> dict[str, Any]:
        return {**super().step_weights(), "r": self._cast(self.r)}

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        scores_BTS, state = super().compare(query_BTH, keys_BSU, state, weights)
        return ops.cast(scores_BTS, "float32") + ops.cast(weights["r"], "float32"), state

    def call(
        self,
        query_BTH: Tensor,
        keys_BSU: Tensor,
        state: Any,
        weights: ScoreWeights | None = None,
        training: bool = False,
    ) -> Any:
        scores_BTS, state = super().call(query_BTH, keys_BSU, state, weights)
        if training and self.noise:
            scores_BTS += self.noise * keras.random.normal(ops.shape(scores_BTS), seed=self.random)
        return scores_BTS, state

    def weigh(
        self,
        scores_BTS: Tensor,
        mask_BS: Tensor,
        query_BTH: Tensor,
        state: Any,
        weights: ScoreWeights | None = None,
    ) -> tuple[Tensor, Any]:
        modes = {"expected": expected_alignment, "hard": hard_alignment}
        weights_BTS = modes[self.mode](scores_BTS, mask_BS, state)
        return weights_BTS, weights_BTS


def expected_alignment(scores_BTS: Tensor, mask_BS: Tensor, last_BTS: Tensor) -> Tensor:
    """Equation 9 of Raffel et al., for all j and k at once. Equation 10, the paper's way to compute
    it, divides by a product of all 1 - p and loses everything behind a p near 1; here logarithms of
    the products are subtracted."""
    skipped_BTS = -ops.softplus(scores_BTS)  # log(1 - p)
    walked_BTS = ops.cumsum(skipped_BTS, axis=-1) - skipped_BTS  # sum over the states before j
    places_S = ops.arange(ops.shape(mask_BS)[1])
    before_KJ = places_S[:, None] <= places_S[None]
    walk_BTKJ = ops.where(before_KJ, walked_BTS[:, :, None] - walked_BTS[..., None], -1e9)
    reached_BTS = ops.matmul(last_BTS[:, :, None], ops.exp(ops.minimum(walk_BTKJ, 0.0)))[:, :, 0]
    return ops.where(mask_BS[:, None], ops.sigmoid(scores_BTS) * reached_BTS, 0.0)


def hard_alignment(scores_BTS: Tensor, mask_BS: Tensor, last_BTS: Tensor) -> Tensor:
    """Algorithm 1 of Raffel et al.: 1 where attention stops, 0 elsewhere; all 0 once it has passed
    the end."""
    stops_BTS = ops.cast(ops.logical_and(mask_BS[:, None], scores_BTS > 0.0), "float32")
    stops_BTS *= ops.cumsum(last_BTS, axis=-1)  # 0 before the last place, 1 from it on
    return stops_BTS * ops.cast(ops.cumsum(stops_BTS, axis=-1) <= 1.0, "float32")


class UniformScore(Score):
    """A control: all states have equal weight, and the context is their mean."""

    def compare(
        self, query_BTH: Tensor, keys_BSU: Tensor, state: Any, weights: ScoreWeights
    ) -> Any:
        return ops.zeros((*ops.shape(query_BTH)[:2], ops.shape(keys_BSU)[1])), state


class NoAttention(Score):
    """A control, plain seq2seq (Cho et al., 2014): the context is the encoder's final state at
    every step.

    It is carried as the state, btd; the weights are all 0.
    """

    def start(self, keys_BSU: Tensor, final_BD: Tensor) -> Any:
        return final_BD[:, None]

    def attend(
        self,
        query_BTH: Tensor,
        keys_BSU: Tensor,
        values_BSD: Tensor,
        mask_BS: Tensor,
        state: Tensor,
        weights: Mapping[str, Any] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, num_queries = ops.shape(query_BTH)[:2]
        context_BTD = ops.broadcast_to(state, (batch, num_queries, self.memory_units))
        no_weights_BTS = ops.zeros((batch, num_queries, ops.shape(mask_BS)[1]), "float32")
        return context_BTD, no_weights_BTS, state
