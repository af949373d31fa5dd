"""The cells of the decoder: in which order a step attends and updates its hidden state.

B batch  K hypotheses of a sentence  G gates  D memory width
"""

from typing import Any, NamedTuple, Protocol

from nmt.linear import Tensor
from nmt.model.recurrent import CellState

Hidden = tuple[CellState, ...]  # one entry per layer: (h,) of a GRU, (h, c) of an LSTM


class DecoderState(NamedTuple):
    """What changes from step to step; every leaf starts with the axes b, k."""

    hidden: Hidden
    output: Tensor  # the last readout, bkr; () without input feeding
    attention: Any  # the state of the score


class Transition(NamedTuple):
    """What one step computes."""

    hidden: Hidden
    context_BKD: Tensor
    weights_BKS: Tensor
    attention: Any  # the new state of the score


class Step(Protocol):
    """The parts of a step that a cell puts in order."""

    def attend(self, hidden: Hidden, attention: Any) -> tuple[Tensor, Tensor, Any]:
        """-> context bkd, weights bks, new state of the score."""

    def update(
        self, gates_BKG: Tensor, state: DecoderState, context_BKD: Tensor | None = None
    ) -> Hidden:
        """The stack of layers reads the embedding's gates, the last readout under input feeding,
        and the context if given."""

    def read_context(self, context_BKD: Tensor, hidden: Hidden) -> Hidden:
        """A second transition of the top layer reads the context."""


class DecoderCell:
    """`transition` is one step; the attributes say which weights it needs."""

    feeds_context = False  # into the first layer, beside the embedding
    reads_context = False  # by a second transition of the top layer
    readout_reads_embedding = True

    @property
    def context_recurs(self) -> bool:
        """Whether the hidden state depends on what attention returned."""
        return self.feeds_context or self.reads_context

    def transition(self, step: Step, gates_BKG: Tensor, state: DecoderState) -> Transition:
        raise NotImplementedError


class AttendFirst(DecoderCell):
    """Bahdanau et al. (2015): the last hidden state is the query, the context enters the recurrent
    layer, and the readout sees state, context and embedding."""

    feeds_context = True

    def transition(self, step: Step, gates_BKG: Tensor, state: DecoderState) -> Transition:
        context_BKD, weights_BKS, attention = step.attend(state.hidden, state.attention)
        hidden = step.update(gates_BKG, state, context_BKD)
        return Transition(hidden, context_BKD, weights_BKS, attention)


class UpdateFirst(DecoderCell):
    """Luong et al. (2015): the recurrent layer is updated, its new state is the query, and the
    readout sees state and context."""

    readout_reads_embedding = False

    def transition(self, step: Step, gates_BKG: Tensor, state: DecoderState) -> Transition:
        hidden = step.update(gates_BKG, state)
        return Transition(hidden, *step.attend(hidden, state.attention))


class Conditional(DecoderCell):
    """Firat and Cho (2016); Sennrich et al. (2017), "Nematus", equations 2 to 4: a first transition
    reads the last word, its state is the query, a second transition reads the context, and the
    readout sees state, context and embedding."""

    reads_context = True

    def transition(self, step: Step, gates_BKG: Tensor, state: DecoderState) -> Transition:
        hidden = step.update(gates_BKG, state)
        context_BKD, weights_BKS, attention = step.attend(hidden, state.attention)
        hidden = step.read_context(context_BKD, hidden)
        return Transition(hidden, context_BKD, weights_BKS, attention)


DECODER_CELLS: dict[str, type[DecoderCell]] = {  # by the names of `model.decoder.cell`
    "attend_first": AttendFirst,
    "update_first": UpdateFirst,
    "conditional": Conditional,
}
