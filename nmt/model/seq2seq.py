"""Seq2Seq: an encoder and a decoder built from a config, for training and for search one step at a
time.

B batch  S source  T target  K hypotheses  V vocabulary
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nmt.config.loader import ModelConfig
from nmt.linear import Tensor, unfolded
from nmt.model.decoder import Decoder, DecoderState, Memory
from nmt.model.encoder import Embedding, Encoder


@keras.saving.register_keras_serializable("nmt")
class Seq2Seq(keras.Model):
    """An encoder-decoder with attention. ids are padded with 0; sources end in </s>; targets start
    with <s>.

    call:   source bs, target bt -> logits btv, teacher forcing: logits at t predict target t + 1
    encode: source bs -> memory, state, once per sentence
    step:   ids bk, state, memory -> logits bkv, weights bks, state
    """

    def __init__(
        self,
        config: ModelConfig | Mapping[str, Any],
        source_vocabulary_size: int,
        target_vocabulary_size: int,
        seed: int = 0,
        name: str = "seq2seq",
        allow_custom: bool = False,
        **kwargs: Any,
    ):
        """`allow_custom` permits importing a score MODULE:CLASS."""
        super().__init__(name=name, **kwargs)
        config = config if isinstance(config, ModelConfig) else ModelConfig.model_validate(config)
        self.config, self.seed = config, seed
        self.vocabulary_sizes = (source_vocabulary_size, target_vocabulary_size)
        dropout = config.dropout
        common: dict[str, Any] = {"seed": seed, "dtype": self.dtype_policy}

        self.target_embedding = Embedding(
            target_vocabulary_size,
            config.embedding_units,
            dropout=dropout.embedding,
            word_dropout=dropout.target_word,
            name="target_embedding",
            **common,
        )
        self.source_embedding = Embedding(
            source_vocabulary_size,
            config.embedding_units,
            dropout=dropout.embedding,
            word_dropout=dropout.source_word,
            name="source_embedding",
            matrix=self.target_embedding.matrix if config.tied_embeddings == "all" else None,
            **common,
        )
        self.encoder = Encoder(
            config.encoder, config.layer, config.embedding_units, dropout=dropout.layer, **common
        )
        self.decoder = Decoder(
            config,
            self.target_embedding,
            target_vocabulary_size,
            allow_custom=allow_custom,
            **common,
        )
        self.built = True

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Seq2Seq":
        """From a file, which cannot permit itself to import a custom score."""
        return cls(**{**config, "allow_custom": False})

    def get_config(self) -> dict[str, Any]:
        source, target = self.vocabulary_sizes
        return {
            **super().get_config(),
            "config": self.config.model_dump(),
            "source_vocabulary_size": source,
            "target_vocabulary_size": target,
            "seed": self.seed,
            "name": self.name,
            "dtype": self.dtype_policy.name,
        }

    def call(self, source_BS: Tensor, target_BT: Tensor, training: bool = False) -> Tensor:
        return self.teacher_forced(source_BS, target_BT, training)[0]

    def teacher_forced(
        self, source_BS: Tensor, target_BT: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """-> logits btv and attention weights bts."""
        output_BTR, weights_BTS = self.outputs(source_BS, target_BT, training)
        return self.decoder.logits(output_BTR), weights_BTS

    def outputs(
        self, source_BS: Tensor, target_BT: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """-> the inputs of `decoder.logits`, btr, and attention weights bts."""
        memory, state = self.encode(source_BS, training)
        output_BTR, weights_BTS, _ = self.decoder(target_BT, state, memory, training=training)
        return output_BTR, weights_BTS

    def encode(self, source_BS: Tensor, training: bool = False) -> tuple[Memory, DecoderState]:
        embedded_BSE, mask_BS = self.embed(source_BS, training)
        states_BSD, final = self.encoder(embedded_BSE, mask_BS, training=training)
        return self.build_memory(embedded_BSE, mask_BS, states_BSD, final)

    def embed(self, source_BS: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """The part of `encode` before the recurrence -> embedded bse, mask bs."""
        return self.source_embedding(source_BS, training=training), ops.not_equal(source_BS, 0)

    def build_memory(
        self, embedded_BSE: Tensor, mask_BS: Tensor, states_BSD: Tensor, final: Any
    ) -> tuple[Memory, DecoderState]:
        """The part of `encode` after the recurrence."""
        embedded = embedded_BSE if self.config.decoder.lexical else None
        memory = self.decoder.build_memory(states_BSD, mask_BS, embedded)
        return memory, self.decoder.initial_state(final, memory)

    def step(
        self, ids_BK: Tensor, state: DecoderState, memory: Memory
    ) -> tuple[Tensor, Tensor, DecoderState]:
        return self.decoder.step(ids_BK, state, memory)

    def single_step_model(self, folds: bool = True) -> keras.Model:
        """The single-step decoder as a model of its own, with the same layers and the same weights.

        Inputs {"ids": bk, "state": ..., "memory": ...}, outputs {"logits": bkv, "weights": bks,
        "state": ...}; state and memory are structured as `encode` returns them. `folds`: see
        `nmt.linear.Product`.
        """
        encode = tf.function(self.encode, autograph=False).get_concrete_function(
            tf.TensorSpec((None, None), tf.int32)
        )
        memory, state = tf.nest.map_structure(_any_size_input, encode.structured_outputs)
        inputs = {
            "ids": keras.Input((None,), dtype="int32", name="ids"),
            "state": state,
            "memory": memory,
        }
        logits, weights, state = _SingleStep(self.decoder, folds)(inputs)
        return keras.Model(
            inputs, {"logits": logits, "weights": weights, "state": state}, name="single_step"
        )


def _any_size_input(spec: Any) -> Any:
    """Any number of sentences, and of hypotheses or source positions."""
    return keras.Input((None, *spec.shape[2:]), dtype=spec.dtype.name)


class _SingleStep(keras.layers.Layer):
    """`Decoder.step` as the layer of a model."""

    def __init__(self, decoder: Decoder, folds: bool, name: str = "step", **kwargs: Any):
        super().__init__(name=name, dtype=decoder.dtype_policy, **kwargs)
        self.decoder, self.folds = decoder, folds

    def call(self, inputs: Mapping[str, Any]) -> Any:
        weights = self.decoder.step_weights()
        weights = weights if self.folds else unfolded(weights)
        return self.decoder.step(inputs["ids"], inputs["state"], inputs["memory"], weights)
