"""Attention that does more than compare query and key: by place, in windows, in heads, with a
memory of its own, and not at all.

B batch  S source  T target, or hypotheses of a search  H units of the query  D width of the memory  U of the keys
N heads
"""

from typing import Any

import keras
from keras import ops

from nmt.attention import AdditiveScore, GeneralScore, NormedAdditiveScore, Score, masked_softmax
from nmt.linear import linear, weight
from nmt.seeding import derive_seed


class LocationScore(Score):
    """Luong et al. (2015), equation 7:  weights = softmax(W query): the place counts, whatever stands there.

    W has `max_length` rows. Places past them get weight 0: of a longer source only its beginning is
    seen.
    """

    def build_weights(self, *, max_length: int) -> None:
        self.max_length = max_length
        self.place_layer = self.linear(self.query_units, max_length, "place")

    def query_kernels(self) -> list[Any]:
        return [self.place_layer.kernel]

    def call(self, query_BTH: Any, keys_BSU: Any, state: Any) -> Any:
        scores_BTL, places_S = self.place_layer(query_BTH), ops.arange(ops.shape(keys_BSU)[1])
        scores_BTS = ops.take(scores_BTL, ops.minimum(places_S, self.max_length - 1), axis=-1)
        return (
            ops.where(places_S < self.max_length, scores_BTS, ops.cast(-1e9, scores_BTS.dtype)),
            state,
        )


class LocalMonotonicScore(GeneralScore):
    """Luong et al. (2015), 3.2, local-m, with the general score: at step t the softmax sees the 2 D
    + 1 states around the t-th, D = `window`. A target longer than its source (which the paper
    leaves open) stays at the last state.

    Places and steps are counted from 1. The state is t, bt.
    """

    carries_state = True

    def build_weights(self, *, window: int) -> None:
        super().build_weights()
        self.window = window

    def initial_state(self, keys_BSU: Any, num_queries: int) -> Any:
        return ops.zeros((ops.shape(keys_BSU)[0], num_queries), "int32")

    def weigh(self, scores_BTS: Any, mask_BS: Any, query_BTH: Any, state: Any) -> tuple[Any, Any]:
        steps_BT = state + 1
        center_BT = ops.cast(ops.minimum(steps_BT, _lengths(mask_BS)[:, None]), "float32")
        return (
            masked_softmax(scores_BTS, self.inside(_distances(mask_BS, center_BT), mask_BS)),
            steps_BT,
        )

    def inside(self, distances_BTS: Any, mask_BS: Any) -> Any:
        return ops.logical_and(mask_BS[:, None], ops.abs(distances_BTS) <= self.window)


class LocalPredictiveScore(LocalMonotonicScore):
    """Luong et al. (2015), 3.2, local-p, with the general score, equations 9 and 10:

    p = S sigmoid(v . tanh(W query)),  weight(s) = softmax(s) exp(-(s - p)^2 / (2 sigma^2)),  sigma = D / 2,

    the softmax over the places no further than D = `window` from p, S the length of the source. The
    Gaussian leaves a sum below 1, as in the paper.
    """

    carries_state = False

    def build_weights(self, *, window: int) -> None:
        super().build_weights(window=window)
        self.position_layer = self.linear(self.query_units, self.units, "position")
        self.v = self.vector(self.units, "v")

    def initial_state(self, keys_BSU: Any, num_queries: int) -> Any:
        return ()

    def query_kernels(self) -> list[Any]:
        return [self.position_layer.kernel]

    def weigh(self, scores_BTS: Any, mask_BS: Any, query_BTH: Any, state: Any) -> tuple[Any, Any]:
        share_BT = ops.sigmoid(
            ops.cast(linear(ops.tanh(self.position_layer(query_BTH)), self.v)[..., 0], "float32")
        )
        center_BT = ops.cast(_lengths(mask_BS), "float32")[:, None] * share_BT
        distances_BTS = _distances(mask_BS, center_BT)
        weights_BTS = masked_softmax(scores_BTS, self.inside(distances_BTS, mask_BS))
        return weights_BTS * ops.exp(-2.0 * ops.square(distances_BTS / self.window)), state


def _lengths(mask_BS: Any) -> Any:
    return ops.sum(ops.cast(mask_BS, "int32"), axis=1)


def _distances(mask_BS: Any, center_BT: Any) -> Any:
    """Of each place, counted from 1, to the centers, bts."""
    return ops.cast(1 + ops.arange(ops.shape(mask_BS)[1]), "float32") - center_BT[..., None]


class MultiHeadScore(Score):
    """Vaswani et al. (2017), 3.2.2, over the encoder's states:  head n = softmax(Q_n K_n / sqrt(H / N)) V_n,

    Q = W_q query, K = W_k state, V = W_v state, each cut into N = `heads` parts; the context is the
    heads side by side. Their W_o is left to the layer that reads the context: it would be a product
    of two matrices. The weights shown are the mean over the heads; what a lexical memory holds
    beside the states is fetched with these.

    keys are K and V side by side, so that V too is computed once per sentence.
    """

    def build_weights(self, *, heads: int) -> None:
        self.heads = heads
        self.query_layer = self.linear(self.query_units, self.query_units, "query")
        self.key_layer = self.linear(self.memory_units, self.query_units, "key")
        self.value_layer = self.linear(self.memory_units, self.memory_units, "value")

    def project_keys(self, states_BSD: Any) -> Any:
        return ops.concatenate([self.key_layer(states_BSD), self.value_layer(states_BSD)], axis=-1)

    def query_kernels(self) -> list[Any]:
        return [self.query_layer.kernel]

    def call(self, query_BTH: Any, keys_BSU: Any, state: Any) -> Any:
        """-> scores of each head, bnts."""
        query_BNTX = self._cut(self.query_layer(query_BTH))
        keys_BNSX = self._cut(keys_BSU[..., : self.query_units])
        scores_BNTS = ops.matmul(query_BNTX, ops.transpose(keys_BNSX, (0, 1, 3, 2)))
        return scores_BNTS / (self.query_units // self.heads) ** 0.5, state

    def attend(
        self, query_BTH: Any, keys_BSU: Any, values_BSD: Any, mask_BS: Any, state: Any
    ) -> tuple[Any, Any, Any]:
        scores_BNTS, state = self(query_BTH, keys_BSU, state)
        weights_BNTS = masked_softmax(scores_BNTS, mask_BS[:, None, None])
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
        return context_BTD, weights_BTS, state

    def _cut(self, rows: Any) -> Any:
        """btu -> bnt(u/n). Not by `reshape`: tf2onnx 1.17 would merge it, wrongly, with the one
        before."""
        return ops.stack(ops.split(rows, self.heads, axis=-1), axis=1)


class CoverageScore(AdditiveScore):
    """See et al. (2017), equation 11 (after Tu et al., 2016):  score = v . tanh(W query + U state + b + w coverage),

    coverage: the sum of all weights so far, bts, which is the state. Their coverage loss is
    `training.coverage_loss`.
    """

    carries_state = True

    def build_weights(self, *_: Any, **options: Any) -> None:
        super().build_weights()
        self.w = self.vector(self.units, "w")

    def initial_state(self, keys_BSU: Any, num_queries: int) -> Any:
        batch, source = ops.shape(keys_BSU)[:2]
        return ops.zeros((batch, num_queries, source), self.compute_dtype)

    def call(self, query_BTH: Any, keys_BSU: Any, state: Any) -> Any:
        seen_BTSU = ops.expand_dims(state, -1) * ops.squeeze(weight(self.w, state.dtype), -1)
        energy_BTSU = self.energy(query_BTH, keys_BSU) + seen_BTSU
        return ops.squeeze(linear(ops.tanh(energy_BTSU), self.v), -1), state

    def weigh(self, scores_BTS: Any, mask_BS: Any, query_BTH: Any, state: Any) -> tuple[Any, Any]:
        weights_BTS, _ = super().weigh(scores_BTS, mask_BS, query_BTH, state)
        return weights_BTS, state + ops.cast(weights_BTS, state.dtype)


class MonotonicScore(NormedAdditiveScore):
    """Raffel et al. (2017): from where it stood, attention walks on and stops at state j with
    probability

    p_j = sigmoid(e_j),  e = g v / ||v|| . tanh(W query + U state + b) + r       (equations 5 and 16).

    `mode` says what comes of it. `expected`, for training: the probability to stop at j,

    weight_j = p_j (sum over k <= j of last_k (1 - p_k) ... (1 - p_(j-1)))       (equation 9, solved).

    `hard`, for translating: the first j from the last one on with p_j > 1/2; it has no gradient.
    Both start at the first state; who walks past the end fetches nothing from then on, so that a
    sum may be below 1.

    `noise` is the deviation of what is added to e in training, which drives p to 0 and 1;
    `initial_bias` is r at first, lower for longer sources. The state is the last weights, bts.
    """

    carries_state = True

    def build_weights(self, *, mode: str, noise: float, initial_bias: float) -> None:
        super().build_weights()
        self.mode, self.noise = mode, noise
        self.r = self.add_weight(
            (), initializer=keras.initializers.Constant(initial_bias), name="r"
        )
        self.random = keras.random.SeedGenerator(derive_seed(self.seed, self.name, "noise"))

    def initial_state(self, keys_BSU: Any, num_queries: int) -> Any:
        batch, source = ops.shape(keys_BSU)[:2]
        first_S = ops.cast(ops.equal(ops.arange(source), 0), self.compute_dtype)
        return first_S + ops.zeros((batch, num_queries, 1), self.compute_dtype)

    def call(self, query_BTH: Any, keys_BSU: Any, state: Any, training: bool = False) -> Any:
        scores_BTS, state = super().call(query_BTH, keys_BSU, state)
        scores_BTS = ops.cast(scores_BTS, "float32") + weight(self.r, "float32")
        if training and self.noise:
            scores_BTS += self.noise * keras.random.normal(ops.shape(scores_BTS), seed=self.random)
        return scores_BTS, state

    def weigh(self, scores_BTS: Any, mask_BS: Any, query_BTH: Any, state: Any) -> tuple[Any, Any]:
        modes = {"expected": expected_alignment, "hard": hard_alignment}
        weights_BTS = modes[self.mode](scores_BTS, mask_BS, ops.cast(state, "float32"))
        return weights_BTS, ops.cast(weights_BTS, self.compute_dtype)


def expected_alignment(scores_BTS: Any, mask_BS: Any, last_BTS: Any) -> Any:
    """Equation 9 of Raffel et al., for all j and k at once. Their way to compute it (equation 10)
    divides by a product of all 1 - p, and loses what stands behind a p near 1; here logarithms of
    the products are subtracted."""
    skipped_BTS = -ops.softplus(scores_BTS)  # log(1 - p)
    walked_BTS = (
        ops.cumsum(skipped_BTS, axis=-1) - skipped_BTS
    )  # from the first state up to before j
    places_S = ops.arange(ops.shape(mask_BS)[1])
    before_KJ = places_S[:, None] <= places_S[None]
    walk_BTKJ = ops.where(before_KJ, walked_BTS[:, :, None] - walked_BTS[..., None], -1e9)
    reached_BTS = ops.matmul(last_BTS[:, :, None], ops.exp(ops.minimum(walk_BTKJ, 0.0)))[:, :, 0]
    return ops.where(mask_BS[:, None], ops.sigmoid(scores_BTS) * reached_BTS, 0.0)


def hard_alignment(scores_BTS: Any, mask_BS: Any, last_BTS: Any) -> Any:
    """Algorithm 1 of Raffel et al.: 1 where attention stops, 0 elsewhere; all 0 once it is past the
    end."""
    stops_BTS = ops.cast(ops.logical_and(mask_BS[:, None], scores_BTS > 0.0), "float32")
    stops_BTS *= ops.cumsum(last_BTS, axis=-1)  # which is 0 before the last place, and 1 from it on
    return stops_BTS * ops.cast(ops.cumsum(stops_BTS, axis=-1) <= 1.0, "float32")


class UniformScore(Score):
    """A control: every state counts alike, and the context is their mean."""

    def call(self, query_BTH: Any, keys_BSU: Any, state: Any) -> Any:
        return ops.zeros((*ops.shape(query_BTH)[:2], ops.shape(keys_BSU)[1])), state


class NoAttention(Score):
    """A control, plain seq2seq (Cho et al., 2014): the context is the encoder's final state at
    every step.

    It is carried as the state, btd; the weights are all 0.
    """

    def start(self, keys_BSU: Any, final_BD: Any) -> Any:
        return final_BD[:, None]

    def attend(
        self, query_BTH: Any, keys_BSU: Any, values_BSD: Any, mask_BS: Any, state: Any
    ) -> tuple[Any, Any, Any]:
        no_weights_BTS = ops.zeros((*ops.shape(query_BTH)[:2], ops.shape(mask_BS)[1]), "float32")
        return (
            ops.broadcast_to(state, (*ops.shape(query_BTH)[:2], self.memory_units)),
            no_weights_BTS,
            state,
        )
