"""One YAML file describes an experiment; this is its schema, its defaults and its error messages.

Loads no TensorFlow, so that a mistake in a config is reported at once.
"""

import difflib
import functools
import types
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from nmt.errors import UserError

ATTENTIONS = {  # name in the literature -> cell, score
    "bahdanau": ("attend_first", "additive"),
    "luong": ("update_first", "general"),
}

SCORES = ("additive", "dot", "general")  # those of nmt.attention, which loads TensorFlow


def _known_score(name: str) -> str:
    if name in SCORES or ":" in name:
        return name
    raise ValueError(f"expected {', '.join(SCORES)} or MODULE:CLASS, received '{name}'" + _did_you_mean(name, SCORES))


def expand_attention(values: Any) -> Any:
    """A decoder section with `attention: bahdanau`, or `attention: update_first/dot`, as one with cell and score."""
    if not isinstance(values, Mapping) or "attention" not in values:
        return values
    name = values["attention"]
    cell, _, score = (name if isinstance(name, str) else "").partition("/")
    if name in ATTENTIONS:
        cell, score = ATTENTIONS[name]
    elif not score:
        raise ValueError(
            f"expected one of {', '.join(ATTENTIONS)} or CELL/SCORE, received {name!r}"
            + _did_you_mean(str(name), [*ATTENTIONS])
        )
    for key, value in (("cell", cell), ("score", score)):
        if values.get(key, value) != value:
            raise ValueError(f"attention '{name}' means {key} '{value}', received {key} '{values[key]}' beside it")
    return {**{key: value for key, value in values.items() if key != "attention"}, "cell": cell, "score": score}


Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class ConfigError(UserError):
    """A config that does not describe an experiment: names the file, the key, what was expected and what came."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DataConfig(Section):
    """Where the text is. A file is a prefix (`data/train` for `data/train.en` and `data/train.fr`), a pair
    (`a.txt,b.txt`) or a `.tsv`, each of them plain or `.gz`."""

    train: str | None = None
    dev: str | None = None
    source: str = "en"  # suffix of the source files
    target: str = "fr"
    normalization: Literal["none", "nfc", "nfkc"] = "none"
    max_tokens: Count = 100  # longer training pairs are dropped (sub-words, either side)
    max_ratio: Annotated[float, Field(ge=1.0)] = 4.0  # training pairs whose sub-word counts differ more are dropped


class TokenizerConfig(Section):
    algorithm: Literal["bpe", "unigram"] = "bpe"
    vocabulary_size: Annotated[int, Field(ge=64)] = 8000
    joint: bool = True  # one vocabulary for both languages
    byte_fallback: bool = True  # characters outside the vocabulary become bytes; off, they become <unk>
    character_coverage: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9999
    max_lines: Count = 1_000_000  # trained on at most so many lines of each language


class CopyingConfig(Section):
    """What comes through a translation exactly, as numbered symbols that the model learns to place: `nmt/copying.py`.

    A run is trained with it or without it. Numbers are apart, as languages differ in how they write them.
    """

    classes: list[Literal["urls", "emails", "placeholders", "unseen", "numbers"]] = []
    replaced_pairs: Share = 0.1  # training pairs in which words become symbols, too, or there would be few to learn


class EncoderConfig(Section):
    num_layers: Count = 1
    units: Count = 256  # of each direction
    bidirectional: bool = True


class DecoderConfig(Section):
    num_layers: Count = 1
    units: Count = 512
    cell: Literal["attend_first", "update_first"] = "attend_first"
    score: Annotated[str, AfterValidator(_known_score)] = "additive"  # or MODULE:CLASS of one's own
    attention_units: Count | None = None  # of the additive score; default: `units`
    input_feeding: bool = False
    lexical: bool = False  # the memory holds the source's embeddings beside its states (after Nguyen and Chiang, 2018)
    readout_units: Count | None = None  # of the layer before the vocabulary; default: `embedding_units`
    bridge: Literal["zero", "last", "dense"] = "dense"

    @model_validator(mode="before")
    @classmethod
    def _expand_attention(cls, values: Any) -> Any:
        return expand_attention(values)


class DropoutConfig(Section):
    embedding: Share = 0.2  # on source and target embeddings
    layer: Share = 0.2  # on the encoder's states and between stacked layers
    readout: Share = 0.1  # before the vocabulary
    source_word: Share = 0.0  # whole words (their embedding becomes zero)
    target_word: Share = 0.0


class ModelConfig(Section):
    layer: Literal["gru", "lstm", "layer_norm_gru", "layer_norm_lstm"] = "gru"
    embedding_units: Count = 256
    tied_embeddings: Literal["none", "target", "all"] = "all"  # with the output: nothing, target, source and target
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
        if decoder.score == "dot" and decoder.units != memory:
            raise ValueError(
                f"decoder.score 'dot' needs decoder.units equal to the encoder's width ({memory}), received "
                f"{decoder.units}. Use decoder.score 'general', or change the units"
            )
        if decoder.bridge == "last" and decoder.units != memory:
            raise ValueError(
                f"decoder.bridge 'last' needs decoder.units equal to the encoder's width ({memory}), received "
                f"{decoder.units}. Use decoder.bridge 'dense', or change the units"
            )
        if self.tied_embeddings != "none" and self.readout_units != self.embedding_units:
            raise ValueError(
                f"tied_embeddings '{self.tied_embeddings}' needs decoder.readout_units equal to embedding_units "
                f"({self.embedding_units}), received {self.readout_units}. Leave decoder.readout_units out, or set "
                "tied_embeddings to 'none'"
            )
        return self


class TrainingConfig(Section):
    seed: Annotated[int, Field(ge=0)] = 1
    epochs: Count = 10
    max_steps: Count | None = None  # stops earlier; the schedule ends there
    batch_size: Count = 64
    batch_unit: Literal["sentences", "target_tokens"] = "sentences"
    optimizer: Literal[
        "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lamb", "lion", "nadam", "rmsprop", "sgd"
    ] = "adam"
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-3
    schedule: Literal["constant", "cosine", "inverse_sqrt", "plateau"] = "cosine"
    plateau_patience: Count = 3  # evaluations without a better dev BLEU before the rate is reduced
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    label_smoothing: Share = 0.1
    bpe_dropout: Share = 0.0  # of merges, drawn anew in each epoch (Provilkov et al., 2020)
    consistency: Annotated[float, Field(ge=0.0)] = 0.0  # alpha of R-Drop (Liang et al., 2021): two passes, to agree
    average_decay: Share = 0.999  # of the moving average of the weights that is evaluated and kept; 0: no average
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where the processor computes in it
    evaluate_every: Count | None = None  # steps; default: once an epoch
    patience: Count | None = None  # evaluations without a better dev BLEU before stopping; default: never
    keep_checkpoints: Annotated[int, Field(ge=2)] = 3  # last states kept: should one be damaged, the one before serves
    deterministic: bool = True  # the same seed on the same machine repeats a run bit for bit


class DecodingConfig(Section):
    beam_size: Count = 5
    penalty: Literal["power", "gnmt"] = "power"  # |y|^alpha or ((5 + |y|) / 6)^alpha
    length_penalty: float = 1.0  # alpha; 0: none
    coverage_penalty: Annotated[float, Field(ge=0.0)] = 0.0  # beta of GNMT; 0: none
    max_length_ratio: Annotated[float, Field(gt=0.0)] = 2.0  # a translation has at most ratio * source + offset tokens
    max_length_offset: Annotated[int, Field(ge=1)] = 10
    min_length_ratio: Annotated[float, Field(ge=0.0)] = 0.0  # and at least ratio * source tokens
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] = 0  # no n-gram of so many tokens occurs twice; 0: all may
    repetition_penalty: Annotated[float, Field(ge=1.0)] = 1.0  # times the log-probability of a token that is there
    beam_groups: Count = 1  # diverse beam search: groups of beam_size / beam_groups hypotheses
    diversity_strength: Annotated[float, Field(ge=0.0)] = 0.0  # lambda of diverse beam search
    stopping: Literal["best", "first"] = "best"  # when nothing better can come, or when n-best have finished
    sampling: bool = False  # draw n-best samples instead of searching
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0  # draw from so many likeliest tokens; 0: all
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0  # from the fewest likeliest with so much probability; 1: all
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1  # of sampling
    max_source_tokens: Annotated[int, Field(ge=8)] = 200  # longer lines are translated in parts
    batch_size: Count = 64

    @model_validator(mode="after")
    def _check(self) -> "DecodingConfig":
        if self.min_length_ratio > self.max_length_ratio:
            raise ValueError(
                f"min_length_ratio ({self.min_length_ratio}) must not exceed max_length_ratio ({self.max_length_ratio})"
            )
        if self.beam_size % self.beam_groups:
            raise ValueError(
                f"beam_size must be a multiple of beam_groups, received {self.beam_size} and {self.beam_groups}"
            )
        if (self.beam_groups > 1) != (self.diversity_strength > 0):
            raise ValueError(
                "beam_groups above 1 and diversity_strength above 0 (0.5, say) need each other, received "
                f"{self.beam_groups} and {self.diversity_strength}"
            )
        drawn_otherwise = self.temperature != 1 or self.top_k != 0 or self.top_p != 1
        if drawn_otherwise and not self.sampling:
            raise ValueError("temperature, top_k and top_p are of use with 'sampling: true' only")
        if self.sampling and self.beam_groups > 1:
            raise ValueError("sampling draws each sample by itself, so it allows no beam_groups. Choose one of them")
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
            raise ValueError(f"data.source and data.target must differ, received '{self.data.source}' for both")
        if self.training.bpe_dropout and self.tokenizer.algorithm != "bpe":
            raise ValueError("training.bpe_dropout needs tokenizer.algorithm 'bpe', as it skips merges. Set it to 0")
        if self.model.tied_embeddings == "all" and not self.tokenizer.joint:
            raise ValueError(
                "model.tied_embeddings 'all' needs one vocabulary for both languages. Set tokenizer.joint to true, or "
                "model.tied_embeddings to 'target'"
            )
        return self

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


def load_config(recipe: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The config of a recipe (by name or by path) with `overrides` like `training.batch_size=64` applied."""
    path = find_recipe(recipe)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a YAML file. {error}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections (data, tokenizer, ...), received {type(values).__name__}.")
    for override in overrides:
        _apply(values, override)
    return parse_config(values, f"{path} with --set" if overrides else str(path))


def parse_config(values: Mapping[str, Any], where: str) -> Config:
    """Validates plain values; `where` names them in errors."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        lines = [_explain(problem, where) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def differences(old: Config, new: Config) -> list[str]:
    """`key: old -> new` for each key in which two configs differ."""
    values = {
        key: tuple(functools.reduce(getattr, key.split("."), config) for config in (old, new)) for key in _all_keys()
    }
    return [f"{key}: {a} -> {b}" for key, (a, b) in values.items() if a != b]


def recipes() -> dict[str, Path]:
    """Name -> path of every recipe that ships with the package."""
    folder = Path(str(resources.files("nmt") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_recipe(recipe: str | Path) -> Path:
    path, shipped = Path(recipe), recipes()
    if path.is_file():
        return path
    if str(recipe) in shipped:
        return shipped[str(recipe)]
    raise ConfigError(
        f"recipe '{recipe}' is neither a file nor a recipe of this package ({', '.join(shipped)})"
        + (_did_you_mean(str(recipe), list(shipped)) or ".")
    )


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: expected KEY=VALUE, for example training.batch_size=64.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML. {error}") from error
    if isinstance(value, str):
        try:
            value = float(value)  # YAML 1.1 reads 1e-3 as text
        except ValueError:
            pass
    *sections, last = key.split(".")
    for section in sections:
        inner = values.get(section)
        values[section] = dict(inner) if isinstance(inner, Mapping) else {}
        values = values[section]
    if sections == ["model", "decoder"] and last in ("attention", "cell", "score"):
        # An override replaces what the recipe says, in whichever of the two ways that was.
        try:
            expanded = {} if last == "attention" else expand_attention(values)
        except ValueError:
            expanded = values  # an alias that does not exist is reported with its place, by the schema
        for key in ("attention", "cell", "score"):
            values.pop(key, None)
        values.update({key: expanded[key] for key in ("cell", "score") if key in expanded})
    values[last] = value


def _explain(problem: Any, where: str) -> str:
    keys = [str(key) for key in problem["loc"]]
    path = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        names = list(_fields(keys[:-1])) + (["attention"] if keys[:-1] == ["model", "decoder"] else [])
        everywhere = {name.rpartition(".")[2]: name for name in _all_keys()}
        prefix = "".join(f"{key}." for key in keys[:-1])
        initials = [name for name in names if "".join(word[0] for word in name.split("_")) == keys[-1]]
        if keys[-1] in everywhere:
            return f"{where}: unknown key '{path}'. Did you mean '{everywhere[keys[-1]]}'?"
        best = initials or difflib.get_close_matches(keys[-1], names, n=1)
        if best:
            return f"{where}: unknown key '{path}'. Did you mean '{prefix}{best[0]}'?"
        return f"{where}: unknown key '{path}'. Known here: {', '.join(names)}."
    if problem["type"] == "value_error":  # a rule of ours that spans several keys
        text = str(problem["ctx"]["error"])
        return f"{where}: {path + ': ' if path else ''}{text}{'' if text.endswith('?') else '.'}"
    received = problem["input"]
    hint = "."
    if problem["type"] == "literal_error" and isinstance(received, str):
        hint = _did_you_mean(received, [str(x) for x in _choices(keys)]) or "."
    message = problem["msg"].removeprefix("Input should be ")
    if problem["type"] in ("model_type", "model_attributes_type"):
        message = f"a section with keys ({', '.join(_fields(keys))})"
    return f"{where}: '{path}' must be {message}, received {received!r}{hint}"


def _did_you_mean(word: str, names: Sequence[str]) -> str:
    best = difflib.get_close_matches(word, names, n=1)
    return f". Did you mean '{best[0]}'?" if best else ""


def _fields(keys: Sequence[str]) -> Mapping[str, Any]:
    section: type[BaseModel] = Config
    for key in keys:
        section = section.model_fields[key].annotation  # type: ignore[assignment]
    return section.model_fields


def _all_keys(prefix: tuple[str, ...] = ()) -> list[str]:
    names = []
    for name, field in _fields(prefix).items():
        inner = field.annotation
        is_section = isinstance(inner, type) and issubclass(inner, Section)
        names += _all_keys((*prefix, name)) if is_section else [".".join((*prefix, name))]
    return names


def _choices(keys: Sequence[str]) -> Sequence[Any]:
    names = [key for key in keys if not key.isdecimal()]  # places in a list
    annotation = _fields(names[:-1])[names[-1]].annotation
    if get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return [choice for option in options if get_origin(option) is Literal for choice in get_args(option)]
