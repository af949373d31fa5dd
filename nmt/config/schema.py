"""The schema of a config: sections, keys, defaults, and combinations that are rejected.

The comment above each key is its documentation. Imports nothing from this package;
`nmt.config.loader` reads files and explains errors.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from nmt.terminal import quoted

# Name in the literature -> cell, score.
ATTENTIONS = {
    "bahdanau": ("attend_first", "additive"),
    "luong": ("update_first", "general"),
}


def expand_attention(values: Any) -> Any:
    """Replaces `attention: bahdanau` or `attention: update_first/dot` of a decoder section by cell
    and score."""
    if not isinstance(values, Mapping) or "attention" not in values:
        return values
    name = values["attention"]
    cell, _, score = (name if isinstance(name, str) else "").partition("/")
    if isinstance(name, str) and name in ATTENTIONS:
        cell, score = ATTENTIONS[name]
    elif not score:
        raise ValueError(
            f"expected one of {', '.join(ATTENTIONS)} or CELL/SCORE, received {quoted(name)}"
            + nearest(str(name), [*ATTENTIONS])
        )
    for key, value in (("cell", cell), ("score", score)):
        if values.get(key, value) != value:
            raise ValueError(
                f"attention {quoted(name)} means {key} {quoted(value)}, received {key}"
                f" {quoted(values[key])} beside it"
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
        raise ValueError(f"expected a duration such as 90s, 30m or 1h30m, received {quoted(text)}")
    return seconds


_LANGUAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", re.ASCII)


def _language(text: str) -> str:
    """A language is a part of file names, so it must not lead to another folder."""
    if _LANGUAGE.fullmatch(text):
        return text
    raise ValueError(
        "expected a language such as en or pt-BR, of at most 40 letters, digits and -_. only,"
        f" received {text[:60]!r}"
    )


Duration = Annotated[str, AfterValidator(_duration)]
Language = Annotated[str, AfterValidator(_language)]
Count = Annotated[int, Field(ge=1)]
# The sizes of a model: memory grows with them before the first word is read.
Units = Annotated[int, Field(ge=1, le=65_536)]
Layers = Annotated[int, Field(ge=1, le=100)]
MAX_BEAM_SIZE = 2000  # memory grows with it, as with the number of samples
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class TypographyConfig(Section):
    """The typographic convention of a text."""

    # Apostrophes: as they are (keep), ' or ’.
    apostrophe: Literal["keep", "straight", "curly"] = "keep"
    # Space before ! ? : ; and inside « »: as it is (keep), U+202F, U+00A0, U+0020 or none.
    space: Literal["keep", "narrow", "no_break", "plain", "none"] = "keep"
    # Double quotes: as they are (keep), " or « ».
    quotes: Literal["keep", "straight", "guillemets"] = "keep"


class CorpusConfig(Section):
    """One of several training texts, and how often its pairs are drawn."""

    # Prefix, pair of files or table, as in `data.train`.
    path: str
    # How often a pair is drawn per epoch; 0.25: a different quarter of the pairs in each epoch.
    weight: Annotated[float, Field(gt=0.0, le=1000.0)] = 1.0
    # Share of the pairs of an epoch, instead of `weight`.
    share: Share | None = None
    # File with a number per line of the corpus; 2 counts like having the pair twice.
    weights: str | None = None

    @model_validator(mode="after")
    def _check(self) -> "CorpusConfig":
        if self.share is not None and self.weight != 1.0:
            raise ValueError(
                f"share is given instead of weight, received share {self.share} and weight"
                f" {self.weight}. Leave one of them out"
            )
        return self


CORPORA_TAG = "corpora"  # in pydantic's location of an error inside the list form of `data.train`


def _corpora_tag(value: Any) -> str | None:
    if isinstance(value, str):
        return "path"
    return CORPORA_TAG if isinstance(value, list) and value else None


TrainingTexts = Annotated[
    Annotated[str, Tag("path")] | Annotated[list[CorpusConfig], Tag(CORPORA_TAG)],
    Discriminator(
        _corpora_tag,
        custom_error_type="corpora",
        custom_error_message=(
            "Input should be a path, or a list of corpora such as {path: data/train, weight: 2}"
        ),
    ),
]


class DataConfig(Section):
    """The text. A file is given as a prefix (`data/train` for `data/train.en` and `data/train.fr`),
    a pair (`a.txt,b.txt`) or a `.tsv`, plain or `.gz`."""

    # Training pairs; several corpora: [{path: data/general, weight: 0.5}, {path: everyday/train}].
    train: TrainingTexts | None = None
    # Development pairs, for validation and for the choice of the checkpoint.
    dev: str | None = None
    # File with a number per line of `train`, if that is one text; 2 counts like a pair twice.
    weights: str | None = None
    # Source language, and suffix of source files.
    source: Language = "en"
    # Target language, and suffix of target files.
    target: Language = "fr"
    # How the model reads a line: view, with plain spaces and quotes; others are for older runs.
    model_input: Literal["view", "raw", "nfc", "nfkc"] = "view"
    # Typography of the targets that training reads.
    typography: TypographyConfig = TypographyConfig()
    # Training pairs with a longer side are dropped; in pieces.
    max_tokens: Count = 100
    # Training pairs whose lengths in pieces differ by a larger factor are dropped.
    max_ratio: Annotated[float, Field(ge=1.0)] = 4.0

    @model_validator(mode="after")
    def _check(self) -> "DataConfig":
        if not isinstance(self.train, list):
            return self
        if self.weights is not None:
            raise ValueError(
                "weights belongs to a single text. With several corpora, give each its own in the"
                " list: train: [{path: PREFIX, weights: FILE}]"
            )
        shares = [corpus.share for corpus in self.train if corpus.share is not None]
        if len(shares) == len(self.train):
            raise ValueError(
                "train: shares are relative to the corpora that have a weight, received none of"
                " these. Leave out one share"
            )
        if sum(shares) >= 1.0:
            raise ValueError(f"train: expected shares whose sum is below 1, received {sum(shares)}")
        return self

    @property
    def corpora(self) -> list[CorpusConfig]:
        """`train` in its list form."""
        if isinstance(self.train, list):
            return self.train
        return [] if self.train is None else [CorpusConfig(path=self.train, weights=self.weights)]


class TokenizerConfig(Section):
    """The SentencePiece tokenizers."""

    # Algorithm of SentencePiece.
    algorithm: Literal["bpe", "unigram"] = "bpe"
    # Pieces per vocabulary.
    vocabulary_size: Annotated[int, Field(ge=64, le=500_000)] = 8000
    # One vocabulary for both languages.
    joint: bool = True
    # Encodes characters outside the vocabulary as bytes instead of <unk>.
    byte_fallback: bool = True
    # Share of the characters of the text that get a piece of their own.
    character_coverage: Annotated[float, Field(gt=0.0, le=1.0)] = 0.99999
    # Reads "Dogs run." as "dogs run.", and capitalises such an output again.
    fold_initial: bool = False
    # Lines of each language used to train the tokenizer; a million of 25 words take 2 GB.
    max_lines: Count = 300_000


class CopyingConfig(Section):
    """Parts of a line that are copied, as numbered symbols that the model learns to place:
    `nmt/text/placeholders.py`."""

    # What is copied: exactly, or `prices` and `times` as the target language writes them.
    classes: list[
        Literal["urls", "emails", "placeholders", "phones", "prices", "times", "unseen", "numbers"]
    ] = []
    # Words in any case that are translated, though `unseen` would copy them for a rare letter.
    translated: list[str] = []
    # Share of training pairs in which ordinary words become symbols, too, as examples.
    replaced_pairs: Share = 0.05


class EncoderConfig(Section):
    """The recurrent encoder."""

    # Recurrent layers.
    num_layers: Layers = 1
    # Units per layer and direction.
    units: Units = 256
    # Reads the source in both directions.
    bidirectional: bool = True


class NoOptions(Section):
    """Options of a score that has none."""


class LocationOptions(Section):
    """Options of score `location`."""

    # Source positions with a weight of their own, in tokens.
    max_length: Units = 200


class WindowOptions(Section):
    """Options of scores `local_m` and `local_p`."""

    # D of Luong et al. (2015): source positions on either side.
    window: Count = 10


class HeadsOptions(Section):
    """Options of score `multihead`."""

    # Attention heads.
    heads: Count = 4


class MonotonicOptions(Section):
    """Options of score `monotonic`."""

    # expected: for training; hard: for translation only, as it has no gradient.
    mode: Literal["expected", "hard"] = "expected"
    # Standard deviation of the noise added to scores in training.
    noise: Annotated[float, Field(ge=0.0)] = 1.0
    # Initial value of the scalar added to scores.
    initial_bias: float = -1.0


class Mechanism(NamedTuple):
    """A score: the path of its class, whose import loads TensorFlow, and its options."""

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


def installed_scores() -> dict[str, EntryPoint]:
    """Scores of installed packages: the entry points of the group `nmt.scores`, by name."""
    return {entry.name: entry for entry in entry_points(group="nmt.scores")}


def _known_score(name: str) -> str:
    if name in SCORES or ":" in name or name in installed_scores():
        return name
    raise ValueError(
        f"expected {', '.join(SCORES)} or MODULE:CLASS, received {quoted(name)}"
        + nearest(name, [*SCORES])
    )


class DecoderConfig(Section):
    """The recurrent decoder with attention. `attention: bahdanau`, `luong` or CELL/SCORE sets cell
    and score together."""

    # Recurrent layers.
    num_layers: Layers = 1
    # Units per layer.
    units: Units = 512
    # Attends before the recurrent layer, after it, or between two of its transitions.
    cell: Literal["attend_first", "update_first", "conditional"] = "attend_first"
    # Attention score, such as additive or general, or MODULE:CLASS of your own.
    score: Annotated[str, AfterValidator(_known_score)] = "additive"
    # Options of the score, such as {window: 5} for local_p; arguments of `build_weights` for yours.
    score_options: dict[str, Any] = {}
    # Units of additive scores; default: `units`.
    attention_units: Units | None = None
    # Feeds the attentional state of a step into the next (Luong et al., 2015).
    input_feeding: bool = False
    # Also attends to source embeddings, for the output (after Nguyen and Chiang, 2018).
    lexical: bool = False
    # Units of the layer before the output; default: `embedding_units`.
    readout_units: Units | None = None
    # Initial decoder state: zeros, the last encoder state, or a dense layer over it.
    bridge: Literal["zero", "last", "dense"] = "dense"

    @model_validator(mode="before")
    @classmethod
    def _expand_attention(cls, values: Any) -> Any:
        return expand_attention(values)

    @model_validator(mode="after")
    def _check(self) -> "DecoderConfig":
        if self.score not in SCORES:
            return self  # its class checks them when it is built
        section = SCORES[self.score].options
        try:
            section.model_validate(self.score_options)
        except ValidationError as error:
            problem, names = error.errors()[0], [*section.model_fields]
            option = str(problem["loc"][0])
            if problem["type"] == "extra_forbidden":
                known = f"it has {', '.join(names)}" if names else "it has none"
                message = (
                    f"score '{self.score}' has no option {quoted(option)};"
                    f" {known}{nearest(option, names)}"
                )
            else:
                expected = problem["msg"].removeprefix("Input should be ")
                message = (
                    f"'{option}' of score '{self.score}' must be {expected}, received"
                    f" {quoted(problem['input'])}"
                )
            raise ValueError(f"score_options: {message}") from None
        return self

    @property
    def all_score_options(self) -> dict[str, Any]:
        """`score_options` with the defaults of those not given."""
        known = SCORES.get(self.score)
        return (
            known.options.model_validate(self.score_options).model_dump()
            if known
            else self.score_options
        )


class DropoutConfig(Section):
    """Dropout rates in training."""

    # Rate on source and target embeddings.
    embedding: Share = 0.2
    # Rate on encoder states and between stacked layers.
    layer: Share = 0.2
    # Rate before the output layer.
    readout: Share = 0.1
    # Rate of whole source words, whose embedding becomes zero.
    source_word: Share = 0.0
    # Rate of whole target words, whose embedding becomes zero.
    target_word: Share = 0.0


class ModelConfig(Section):
    """The network."""

    # Recurrent cell of encoder and decoder.
    layer: Literal["gru", "lstm", "layer_norm_gru", "layer_norm_lstm"] = "gru"
    # Units of the embeddings.
    embedding_units: Units = 256
    # Embeddings that share their matrix with the output layer.
    tied_embeddings: Literal["none", "target", "all"] = "all"
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
                f"decoder.score 'multihead' needs decoder.units and the encoder's width to be"
                f" multiples of {heads}, received {decoder.units} and {memory}. Change"
                " decoder.score_options.heads or the units"
            )
        if decoder.score == "none" and decoder.lexical:
            raise ValueError(
                "decoder.score 'none' attends to no source word, so decoder.lexical has no effect."
                " Set it to false"
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
    """Training pairs changed to imitate what people type: `nmt/training/augmentation.py`."""

    # Share of training pairs put in capitals.
    capitals: Share = 0.0
    # Share of training pairs with each word capitalised.
    title_case: Share = 0.0
    # Share of training pairs with a small first letter.
    small_initial: Share = 0.0
    # Share of training pairs without the final punctuation mark.
    no_final_mark: Share = 0.0
    # Share of training pairs put in quotes, brackets or asterisks.
    enclosed: Share = 0.0
    # Share of training pairs with typing errors.
    typing_errors: Share = 0.0


class TrainingConfig(Section):
    """Training."""

    # Seed of everything random in training.
    seed: Annotated[int, Field(ge=0)] = 1
    # Passes over the training pairs.
    epochs: Count = 10
    # Updates after which training and the learning-rate schedule end, if before the last epoch.
    max_steps: Count | None = None
    # Time for training, such as 30m or 1h30m: as many updates as fit, whatever `epochs` is.
    budget: Duration | None = None
    # Run whose tokenizers and weights training starts from: fine-tuning.
    init_from: str | None = None
    # Share of `init_from`'s weights in the kept ones: limits forgetting (Wortsman et al., 2022).
    keep_initial: Share = 0.0
    # Weights kept constant, by the beginnings of their names: [encoder, decoder_bridge].
    freeze: list[str] = []
    # Pairs or target tokens per batch, see `batch_unit`.
    batch_size: Count = 64
    # Unit of `batch_size`.
    batch_unit: Literal["sentences", "target_tokens"] = "sentences"
    # Parts of a batch computed in parallel, each on a share of the cores; for one device only.
    batch_slices: Count = 1
    # Batches per update, for effective batches that do not fit into memory.
    gradient_accumulation: Count = 1
    # Optimizer of Keras, by name.
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
    # Highest learning rate of the schedule.
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-3
    # Learning-rate schedule after warm-up.
    schedule: Literal["constant", "cosine", "inverse_sqrt", "plateau"] = "cosine"
    # Schedule `plateau`: evaluations without a better dev BLEU before the rate is reduced.
    plateau_patience: Count = 3
    # Schedule `plateau`: factor by which the rate is reduced.
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    # Updates of linear warm-up.
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    # Highest global norm of the gradients.
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    # Probability mass spread over the vocabulary in the loss.
    label_smoothing: Share = 0.1
    augmentation: AugmentationConfig = AugmentationConfig()
    # Share of BPE merges skipped, drawn anew in each epoch (Provilkov et al., 2020).
    bpe_dropout: Share = 0.0
    # Weight of the coverage loss (lambda of See et al., 2017, who use 1).
    coverage_loss: Annotated[float, Field(ge=0.0)] = 0.0
    # Decay of the moving average of the weights, which is evaluated and kept; 0: no average.
    ema_decay: Share = 0.999
    # Precision of the computation; auto: bfloat16 if the processor supports it.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    # Updates between evaluations; default: an epoch.
    evaluate_every: Count | None = None
    # Evaluations without a better dev BLEU before training stops; default: never.
    early_stopping_patience: Count | None = None
    # Also writes the columns of history.csv for TensorBoard, to folder `tensorboard` of the run.
    tensorboard: bool = False
    # Training states kept; if the last is damaged, training resumes from the one before.
    keep_checkpoints: Annotated[int, Field(ge=2)] = 3
    # The same seed on the same machine repeats a run bit for bit.
    deterministic: bool = True


class DecodingConfig(Section):
    """Search. Lengths are in target tokens and include `</s>`."""

    # Hypotheses kept per sentence; 1: greedy search.
    beam_size: Annotated[int, Field(ge=1, le=MAX_BEAM_SIZE)] = 5
    # Form of the length penalty: |y|^alpha or ((5 + |y|) / 6)^alpha.
    penalty: Literal["power", "gnmt"] = "power"
    # alpha of the length penalty: larger favours longer translations, 0: none.
    length_penalty: float = 1.0
    # beta of the coverage penalty (Wu et al., 2016); 0: none.
    coverage_penalty: Annotated[float, Field(ge=0.0)] = 0.0
    # Maximum length: max_length_ratio * source tokens + max_length_offset.
    max_length_ratio: Annotated[float, Field(gt=0.0, le=100.0)] = 2.0
    # Tokens added to the maximum length.
    max_length_offset: Annotated[int, Field(ge=1, le=10_000)] = 10
    # Minimum length: min_length_ratio * source tokens.
    min_length_ratio: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    # No n-gram of this many tokens occurs twice in a translation; 0: no limit.
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] = 0
    # Factor on the log-probability of tokens that the translation already contains; 1: none.
    repetition_penalty: Annotated[float, Field(ge=1.0)] = 1.0
    # Groups of diverse beam search, each with beam_size / num_beam_groups hypotheses.
    num_beam_groups: Count = 1
    # lambda of diverse beam search.
    diversity_penalty: Annotated[float, Field(ge=0.0)] = 0.0
    # Sharpness of minimum Bayes risk reranking of the beam; 0: none.
    mbr: Annotated[float, Field(ge=0.0)] = 0.0
    # Stop when no better hypothesis is possible (best), or when n-best have finished (first).
    stopping: Literal["best", "first"] = "best"
    # Draws n-best samples instead of searching.
    sampling: bool = False
    # Temperature of sampling.
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    # Samples from this many likeliest tokens; 0: all.
    top_k: Annotated[int, Field(ge=0)] = 0
    # Samples from the fewest likeliest tokens with this much probability; 1: all.
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    # Seed of sampling.
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    # Translates a line sentence by sentence.
    split_sentences: bool = True
    # Allows only numbers of the source in a translation, and requires the larger ones.
    source_numbers: bool = True
    # Typography of the output.
    typography: TypographyConfig = TypographyConfig()
    # Longer lines are translated in parts; in source tokens.
    max_source_tokens: Annotated[int, Field(ge=8)] = 200
    # Sentences per batch.
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
            raise ValueError(
                "temperature, top_k and top_p have an effect with 'sampling: true' only"
            )
        if self.sampling and self.num_beam_groups > 1:
            raise ValueError(
                "sampling draws each sample independently, so it allows no num_beam_groups. Choose"
                " one of them"
            )
        if self.sampling and self.mbr:
            raise ValueError(
                "mbr reranks the hypotheses of a beam, and sampling has none. Choose one of them"
            )
        return self


class Config(Section):
    """An experiment."""

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
                f"training.budget {quoted(self.training.budget)} determines the number of steps,"
                f" received training.max_steps {self.training.max_steps}, too. Leave one of them"
                " out"
            )
        if self.training.keep_initial and not self.training.init_from:
            raise ValueError(
                "training.keep_initial keeps weights of the run that training starts from: set"
                " training.init_from (--init-from), or keep_initial to 0"
            )
        if self.model.tied_embeddings == "all" and not self.tokenizer.joint:
            raise ValueError(
                "model.tied_embeddings 'all' needs one vocabulary for both languages. Set"
                " tokenizer.joint to true, or model.tied_embeddings to 'target'"
            )
        return self

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


# Values of keys that the config of an older run lacks.
ABSENT_FROM_RUNS: dict[str, Any] = {
    "data.model_input": "raw",
    "decoding.split_sentences": False,
    "decoding.source_numbers": False,
}
RENAMED_VALUES = {("data.normalization", "none"): "raw"}
# Old name -> new name. Old names are still read.
RENAMED_KEYS = {
    "data.normalization": "data.model_input",
    "training.average_decay": "training.ema_decay",
    "training.accumulate": "training.gradient_accumulation",
    "training.patience": "training.early_stopping_patience",
    "decoding.beam_groups": "decoding.num_beam_groups",
    "decoding.diversity_strength": "decoding.diversity_penalty",
    "decoding.consensus": "decoding.mbr",
}


def nearest(word: str, names: Sequence[str]) -> str:
    """The end of an error message that suggests the most similar name, or "" if none is similar."""
    best = difflib.get_close_matches(word, names, n=1)
    return f". Did you mean '{best[0]}'?" if best else ""
