"""What a config may say: its sections, their keys and defaults, and which combinations are
impossible.

Imports nothing of this package; `nmt.config.loader` reads and explains.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

ATTENTIONS = {  # name in the literature -> cell, score
    "bahdanau": ("attend_first", "additive"),
    "luong": ("update_first", "general"),
}


def expand_attention(values: Any) -> Any:
    """A decoder section with `attention: bahdanau`, or `attention: update_first/dot`, as one with
    cell and score."""
    if not isinstance(values, Mapping) or "attention" not in values:
        return values
    name = values["attention"]
    cell, _, score = (name if isinstance(name, str) else "").partition("/")
    if name in ATTENTIONS:
        cell, score = ATTENTIONS[name]
    elif not score:
        raise ValueError(
            f"expected one of {', '.join(ATTENTIONS)} or CELL/SCORE, received {name!r}"
            + nearest(str(name), [*ATTENTIONS])
        )
    for key, value in (("cell", cell), ("score", score)):
        if values.get(key, value) != value:
            raise ValueError(
                f"attention '{name}' means {key} '{value}', received {key} '{values[key]}'"
                " beside it"
            )
    return {
        **{key: value for key, value in values.items() if key != "attention"},
        "cell": cell,
        "score": score,
    }


def _duration(text: str) -> str:
    duration_seconds(text)
    return text


def duration_seconds(text: str) -> int:
    """Seconds in `90s`, `30m`, `2h` or `1h30m`. Raises ValueError."""
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    hours, minutes, seconds = (int(count or 0) for count in match.groups()) if match else (0, 0, 0)
    seconds += 60 * minutes + 3600 * hours
    if not seconds:
        raise ValueError(f"expected a duration such as 90s, 30m or 1h30m, received '{text}'")
    return seconds


Duration = Annotated[str, AfterValidator(_duration)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class TypographyConfig(Section):
    """One convention for a text: `nmt/text/typography.py`."""

    apostrophe: Literal["keep", "straight", "curly"] = "keep"
    space: Literal["keep", "narrow", "no_break", "none"] = "keep"  # before ! ? : ; and inside « »


class DataConfig(Section):
    """Where the text is. A file is a prefix (`data/train` for `data/train.en` and `data/train.fr`),
    a pair (`a.txt,b.txt`) or a `.tsv`, each of them plain or `.gz`."""

    train: str | None = None
    dev: str | None = None
    weights: str | None = (
        None  # file with a number for each line of `train`: 2 counts as if the pair stood there twice
    )
    mix: str | None = (
        None  # other pairs mixed into each epoch, drawn anew: old text, while a run learns a new kind
    )
    mix_share: Share = 0.5  # of the pairs of an epoch
    source: str = "en"  # suffix of the source files
    target: str = "fr"
    model_input: Literal["view", "raw", "nfc", "nfkc"] = (
        "view"  # how the model reads a line, see nmt/text/model_input.py
    )
    typography: TypographyConfig = TypographyConfig()  # of the targets that training reads
    max_tokens: Count = 100  # longer training pairs are dropped (sub-words, either side)
    max_ratio: Annotated[float, Field(ge=1.0)] = (
        4.0  # training pairs whose sub-word counts differ more are dropped
    )


class TokenizerConfig(Section):
    algorithm: Literal["bpe", "unigram"] = "bpe"
    vocabulary_size: Annotated[int, Field(ge=64)] = 8000
    joint: bool = True  # one vocabulary for both languages
    byte_fallback: bool = (
        True  # characters outside the vocabulary become bytes; off, they become <unk>
    )
    character_coverage: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9999
    fold_initial: bool = (
        False  # "Dogs run." is read as "dogs run.", and such an output written as "Dogs run."
    )
    max_lines: Count = 300_000  # trained on at most so many lines of each language; a million of 25 words take 2 GB


class CopyingConfig(Section):
    """What comes through a translation exactly, as numbered symbols that the model learns to place:
    `nmt/text/placeholders.py`.

    A run is trained with it or without it. Numbers are apart, as languages differ in how they write
    them.
    """

    classes: list[Literal["urls", "emails", "placeholders", "unseen", "numbers"]] = []
    replaced_pairs: Share = (
        0.05  # training pairs in which words become symbols, too, or there would be few to learn
    )


class EncoderConfig(Section):
    num_layers: Count = 1
    units: Count = 256  # of each direction
    bidirectional: bool = True


class NoOptions(Section):
    """Of a score without any."""


class LocationOptions(Section):
    max_length: Count = 200  # tokens of a source that can be seen


class WindowOptions(Section):
    window: Count = 10  # D: states to either side; Luong et al.'s


class HeadsOptions(Section):
    heads: Count = 4


class MonotonicOptions(Section):
    mode: Literal["expected", "hard"] = "expected"
    noise: Annotated[float, Field(ge=0.0)] = 1.0  # in training, as in the paper
    initial_bias: float = -1.0


class Mechanism(NamedTuple):
    """A score: where its class is, since that loads TensorFlow, and what `score_options` may say."""

    path: str
    options: type[Section] = NoOptions


SCORES = {
    "additive": Mechanism("nmt.attention:AdditiveScore"),
    "normed_additive": Mechanism("nmt.attention:NormedAdditiveScore"),
    "dot": Mechanism("nmt.attention:DotScore"),
    "scaled_dot": Mechanism("nmt.attention:ScaledDotScore"),
    "general": Mechanism("nmt.attention:GeneralScore"),
    "scaled_general": Mechanism("nmt.attention:ScaledGeneralScore"),
    "concat": Mechanism("nmt.attention:ConcatScore"),
    "location": Mechanism("nmt.model.mechanisms:LocationScore", LocationOptions),
    "local_m": Mechanism("nmt.model.mechanisms:LocalMonotonicScore", WindowOptions),
    "local_p": Mechanism("nmt.model.mechanisms:LocalPredictiveScore", WindowOptions),
    "multihead": Mechanism("nmt.model.mechanisms:MultiHeadScore", HeadsOptions),
    "coverage": Mechanism("nmt.model.mechanisms:CoverageScore"),
    "monotonic": Mechanism("nmt.model.mechanisms:MonotonicScore", MonotonicOptions),
    "uniform": Mechanism("nmt.model.mechanisms:UniformScore"),
    "none": Mechanism("nmt.model.mechanisms:NoAttention"),
}


def _known_score(name: str) -> str:
    if name in SCORES or ":" in name:
        return name
    raise ValueError(
        f"expected {', '.join(SCORES)} or MODULE:CLASS, received '{name}'"
        + nearest(name, [*SCORES])
    )


class DecoderConfig(Section):
    num_layers: Count = 1
    units: Count = 512
    cell: Literal["attend_first", "update_first", "conditional"] = "attend_first"
    score: Annotated[str, AfterValidator(_known_score)] = "additive"  # or MODULE:CLASS of one's own
    score_options: dict[
        str, Any
    ] = {}  # see `SCORES`: {window: 5} of local_p; of one's own, what `build_weights` takes
    attention_units: Count | None = None  # of the additive score and its kind; default: `units`
    input_feeding: bool = False
    lexical: bool = False  # the memory holds the source's embeddings beside its states (after Nguyen and Chiang, 2018)
    readout_units: Count | None = (
        None  # of the layer before the vocabulary; default: `embedding_units`
    )
    bridge: Literal["zero", "last", "dense"] = "dense"

    @model_validator(mode="before")
    @classmethod
    def _expand_attention(cls, values: Any) -> Any:
        return expand_attention(values)

    @model_validator(mode="after")
    def _check(self) -> "DecoderConfig":
        if self.score not in SCORES:
            return self  # its class says what it takes, once it is made
        section = SCORES[self.score].options
        try:
            section.model_validate(self.score_options)
        except ValidationError as error:
            problem, names = error.errors()[0], [*section.model_fields]
            option = str(problem["loc"][0])
            if problem["type"] == "extra_forbidden":
                known = f"it has {', '.join(names)}" if names else "it has none"
                message = (
                    f"score '{self.score}' has no option '{option}';"
                    f" {known}{nearest(option, names)}"
                )
            else:
                expected = problem["msg"].removeprefix("Input should be ")
                message = (
                    f"'{option}' of score '{self.score}' must be {expected}, received"
                    f" {problem['input']!r}"
                )
            raise ValueError(f"score_options: {message}") from None
        return self

    @property
    def all_score_options(self) -> dict[str, Any]:
        """Those given, and the defaults of the others."""
        known = SCORES.get(self.score)
        return (
            known.options.model_validate(self.score_options).model_dump()
            if known
            else self.score_options
        )


class DropoutConfig(Section):
    embedding: Share = 0.2  # on source and target embeddings
    layer: Share = 0.2  # on the encoder's states and between stacked layers
    readout: Share = 0.1  # before the vocabulary
    source_word: Share = 0.0  # whole words (their embedding becomes zero)
    target_word: Share = 0.0


class ModelConfig(Section):
    layer: Literal["gru", "lstm", "layer_norm_gru", "layer_norm_lstm"] = "gru"
    embedding_units: Count = 256
    tied_embeddings: Literal["none", "target", "all"] = (
        "all"  # with the output: nothing, target, source and target
    )
    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    dropout: DropoutConfig = DropoutConfig()

    @property
    def memory_units(self) -> int:
        return self.encoder.units * (2 if self.encoder.bidirectional else 1)

    @property
    def readout_units(self) -> int:
        return self.decoder.readout_units or self.embedding_units

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        decoder, memory = self.decoder, self.memory_units
        if decoder.score in ("dot", "scaled_dot") and decoder.units != memory:
            raise ValueError(
                f"decoder.score '{decoder.score}' needs decoder.units equal to the encoder's width"
                f" ({memory}), received {decoder.units}. Use"
                f" '{decoder.score.replace('dot', 'general')}', or change the units"
            )
        heads = decoder.all_score_options.get("heads", 1) if decoder.score == "multihead" else 1
        if decoder.units % heads or memory % heads:
            raise ValueError(
                f"decoder.score 'multihead' needs decoder.units and the encoder's width in {heads}"
                f" equal parts, received {decoder.units} and {memory}. Choose other"
                " decoder.score_options.heads, or change the units"
            )
        if decoder.score == "none" and decoder.lexical:
            raise ValueError(
                "decoder.score 'none' looks at no source word, so decoder.lexical would add"
                " nothing. Set it to false"
            )
        if decoder.bridge == "last" and decoder.units != memory:
            raise ValueError(
                "decoder.bridge 'last' needs decoder.units equal to the encoder's width"
                f" ({memory}), received {decoder.units}. Use decoder.bridge 'dense', or change the"
                " units"
            )
        if self.tied_embeddings != "none" and self.readout_units != self.embedding_units:
            raise ValueError(
                f"tied_embeddings '{self.tied_embeddings}' needs decoder.readout_units equal to"
                f" embedding_units ({self.embedding_units}), received {self.readout_units}. Leave"
                " decoder.readout_units out, or set tied_embeddings to 'none'"
            )
        return self


class AugmentationConfig(Section):
    """Rates at which training pairs are changed to what people type: `nmt/training/augmentation.py`."""

    capitals: Share = 0.0
    title_case: Share = 0.0
    small_initial: Share = 0.0
    no_final_mark: Share = 0.0
    enclosed: Share = 0.0  # in quotes, brackets or asterisks
    typing_errors: Share = 0.0


class TrainingConfig(Section):
    seed: Annotated[int, Field(ge=0)] = 1
    epochs: Count = 10
    max_steps: Count | None = None  # stops earlier; the schedule ends there
    budget: Duration | None = None  # 30m, 1h30m: as many steps as fit, whatever `epochs` says
    init_from: str | None = (
        None  # a run whose tokenizers, and weights to begin with, are taken: fine-tuning
    )
    freeze: list[
        str
    ] = []  # weights that stay as they are, by the beginnings of their names: [encoder, decoder_bridge]
    batch_size: Count = 64
    batch_unit: Literal["sentences", "target_tokens"] = "sentences"
    batch_slices: Count = (
        1  # computed side by side, each on its part of the cores; unused by several devices
    )
    gradient_accumulation: Count = 1  # batches to an update: larger ones than fit into memory
    optimizer: Literal[
        "adadelta",
        "adafactor",
        "adagrad",
        "adam",
        "adamax",
        "adamw",
        "ftrl",
        "lamb",
        "lion",
        "nadam",
        "rmsprop",
        "sgd",
    ] = "adam"
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-3
    schedule: Literal["constant", "cosine", "inverse_sqrt", "plateau"] = "cosine"
    plateau_patience: Count = 3  # evaluations without a better dev BLEU before the rate is reduced
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    label_smoothing: Share = 0.1
    augmentation: AugmentationConfig = AugmentationConfig()
    bpe_dropout: Share = 0.0  # of merges, drawn anew in each epoch (Provilkov et al., 2020)
    coverage_loss: Annotated[float, Field(ge=0.0)] = (
        0.0  # lambda of See et al. (2017): not to look twice; they take 1
    )
    ema_decay: Share = (
        0.999  # of the moving average of the weights that is evaluated and kept; 0: no average
    )
    precision: Literal["auto", "float32", "bfloat16"] = (
        "auto"  # auto: bfloat16 where the processor computes in it
    )
    evaluate_every: Count | None = None  # steps; default: once an epoch
    early_stopping_patience: Count | None = (
        None  # evaluations without a better dev BLEU before stopping; default: never
    )
    tensorboard: bool = (
        False  # the columns of history.csv for TensorBoard, too, in the run's folder `tensorboard`
    )
    keep_checkpoints: Annotated[int, Field(ge=2)] = (
        3  # last states kept: should one be damaged, the one before serves
    )
    deterministic: bool = True  # the same seed on the same machine repeats a run bit for bit


class DecodingConfig(Section):
    beam_size: Count = 5
    penalty: Literal["power", "gnmt"] = "power"  # |y|^alpha or ((5 + |y|) / 6)^alpha
    length_penalty: float = 1.0  # alpha; 0: none
    coverage_penalty: Annotated[float, Field(ge=0.0)] = 0.0  # beta of GNMT; 0: none
    max_length_ratio: Annotated[float, Field(gt=0.0)] = (
        2.0  # a translation has at most ratio * source + offset tokens
    )
    max_length_offset: Annotated[int, Field(ge=1)] = 10
    min_length_ratio: Annotated[float, Field(ge=0.0)] = 0.0  # and at least ratio * source tokens
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] = (
        0  # no n-gram of so many tokens occurs twice; 0: all may
    )
    repetition_penalty: Annotated[float, Field(ge=1.0)] = (
        1.0  # times the log-probability of a token that is there
    )
    num_beam_groups: Count = (
        1  # diverse beam search: groups of beam_size / num_beam_groups hypotheses
    )
    diversity_penalty: Annotated[float, Field(ge=0.0)] = 0.0  # lambda of diverse beam search
    mbr: Annotated[float, Field(ge=0.0)] = (
        0.0  # sharpness of a vote among the beam's hypotheses; 0: none
    )
    stopping: Literal["best", "first"] = (
        "best"  # when nothing better can come, or when n-best have finished
    )
    sampling: bool = False  # draw n-best samples instead of searching
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0  # draw from so many likeliest tokens; 0: all
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = (
        1.0  # from the fewest likeliest with so much probability; 1: all
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1  # of sampling
    split_sentences: bool = True  # a line is translated sentence by sentence
    typography: TypographyConfig = TypographyConfig()  # of the output
    max_source_tokens: Annotated[int, Field(ge=8)] = 200  # longer lines are translated in parts
    batch_size: Count = 64

    @model_validator(mode="after")
    def _check(self) -> "DecodingConfig":
        if self.min_length_ratio > self.max_length_ratio:
            raise ValueError(
                f"min_length_ratio ({self.min_length_ratio}) must not exceed max_length_ratio"
                f" ({self.max_length_ratio})"
            )
        if self.beam_size % self.num_beam_groups:
            raise ValueError(
                f"beam_size must be a multiple of num_beam_groups, received {self.beam_size} and"
                f" {self.num_beam_groups}"
            )
        if (self.num_beam_groups > 1) != (self.diversity_penalty > 0):
            raise ValueError(
                "num_beam_groups above 1 and diversity_penalty above 0 (0.5, say) need each other,"
                f" received {self.num_beam_groups} and {self.diversity_penalty}"
            )
        drawn_otherwise = self.temperature != 1 or self.top_k != 0 or self.top_p != 1
        if drawn_otherwise and not self.sampling:
            raise ValueError("temperature, top_k and top_p are of use with 'sampling: true' only")
        if self.sampling and self.num_beam_groups > 1:
            raise ValueError(
                "sampling draws each sample by itself, so it allows no num_beam_groups. Choose one of"
                " them"
            )
        if self.sampling and self.mbr:
            raise ValueError(
                "mbr is among the hypotheses of a beam, and sampling has none. Choose one of them"
            )
        return self


class Config(Section):
    data: DataConfig = DataConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    copying: CopyingConfig = CopyingConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    decoding: DecodingConfig = DecodingConfig()

    @model_validator(mode="after")
    def _check(self) -> "Config":
        if self.data.source == self.data.target:
            raise ValueError(
                f"data.source and data.target must differ, received '{self.data.source}' for both"
            )
        if self.training.bpe_dropout and self.tokenizer.algorithm != "bpe":
            raise ValueError(
                "training.bpe_dropout needs tokenizer.algorithm 'bpe', as it skips merges. Set it"
                " to 0"
            )
        if self.training.budget and self.training.max_steps:
            raise ValueError(
                f"training.budget '{self.training.budget}' finds the number of steps itself,"
                f" received training.max_steps {self.training.max_steps} beside it. Leave one of"
                " them out"
            )
        if self.model.tied_embeddings == "all" and not self.tokenizer.joint:
            raise ValueError(
                "model.tied_embeddings 'all' needs one vocabulary for both languages. Set"
                " tokenizer.joint to true, or model.tied_embeddings to 'target'"
            )
        return self

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


# What a run's config means by leaving a key out: the key is younger than the run.
ABSENT_FROM_RUNS: dict[str, Any] = {
    "data.model_input": "raw",
    "decoding.split_sentences": False,
}
RENAMED_VALUES = {("data.normalization", "none"): "raw"}
RENAMED_KEYS = {  # old -> new; the old ones are still read
    "data.normalization": "data.model_input",
    "training.average_decay": "training.ema_decay",
    "training.accumulate": "training.gradient_accumulation",
    "training.patience": "training.early_stopping_patience",
    "decoding.beam_groups": "decoding.num_beam_groups",
    "decoding.diversity_strength": "decoding.diversity_penalty",
    "decoding.consensus": "decoding.mbr",
}


def nearest(word: str, names: Sequence[str]) -> str:
    """The end of an error message: a question after the nearest of the names, or nothing if none is
    near."""
    best = difflib.get_close_matches(word, names, n=1)
    return f". Did you mean '{best[0]}'?" if best else ""
