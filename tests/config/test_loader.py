"""The config: what it accepts, and what it says to a mistake."""

import subprocess
import sys

import pytest
import yaml

from nmt.config.loader import (
    ATTENTIONS,
    Config,
    ConfigError,
    config_of_text,
    duration_seconds,
    find_recipe,
    fine_tuning_config,
    load_config,
    parse_config,
    recipes,
)
from nmt.errors import UserError


def write(folder, text, name="experiment.yaml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def message(values, where="experiment.yaml"):
    with pytest.raises(ConfigError) as error:
        parse_config(values, where)
    return str(error.value)


def nested(path, value):
    """'a.b', 1 -> {"a": {"b": 1}}"""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def get(config, path):
    for key in path.split("."):
        config = getattr(config, key)
    return config


def test_an_empty_config_is_all_defaults(tmp_path):
    assert parse_config({}, "nowhere") == Config()
    assert load_config(write(tmp_path, "")) == Config()
    assert load_config(write(tmp_path, "# nothing but a comment\n")) == Config()


def test_a_file_states_differences(tmp_path):
    path = write(tmp_path, "training:\n  batch_size: 16\ndata:\n  train: data/été\n")
    config = load_config(path)
    assert config.training.batch_size == 16
    assert config.data.train == "data/été"
    assert config.model == Config().model


def test_overrides_are_not_the_letters_of_one(tmp_path):
    with pytest.raises(TypeError, match=r"a list of KEY=VALUE. Received: a single str, 'a=1'"):
        load_config(write(tmp_path, ""), "a=1")


def test_a_config_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        Config().training.batch_size = 3


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("trainin", "training"),
        ("training.batch_sise", "training.batch_size"),
        ("model.encoder.unit", "model.encoder.units"),
        ("model.decoder.attentions", "model.decoder.attention"),
        ("model.units", "model.encoder.units' or 'model.decoder.units"),  # only elsewhere
        ("batch_size", "training.batch_size' or 'decoding.batch_size"),
        ("training.beam_size", "decoding.beam_size"),
        ("decoding.epochs", "training.epochs"),
        ("training.lr", "training.learning_rate"),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(key, nearest):
    value = {} if key == "trainin" else 3
    assert (
        message(nested(key, value))
        == f"experiment.yaml: unknown key '{key}'. Did you mean '{nearest}'?"
    )


def test_an_unknown_key_like_no_other_is_told_what_is_known_there():
    text = message(nested("tokenizer.xyz", 1))
    assert text.startswith("experiment.yaml: unknown key 'tokenizer.xyz'. Known here: ")
    assert "vocabulary_size" in text and "character_coverage" in text


@pytest.mark.parametrize(
    ("key", "value", "expectation"),
    [
        ("training.batch_size", "many", "integer"),
        ("training.batch_size", 1.5, "integer"),
        ("training.batch_size", 0, "greater than or equal to 1"),
        ("training.learning_rate", -1.0, "greater than 0"),
        ("training.learning_rate", "fast", "number"),
        ("training.label_smoothing", 1.0, "less than 1"),
        ("training.deterministic", "yes", "boolean"),
        ("training.seed", -1, "greater than or equal to 0"),
        ("model.dropout.embedding", -0.1, "greater than or equal to 0"),
        ("model.encoder.num_layers", 0, "greater than or equal to 1"),
        ("tokenizer.vocabulary_size", 10, "greater than or equal to 64"),
        ("tokenizer.character_coverage", 1.1, "less than or equal to 1"),
        ("data.max_ratio", 0.5, "greater than or equal to 1"),
        ("tokenizer.vocabulary_size", 10**14, "less than or equal to 500000"),
        ("model.embedding_units", 10**9, "less than or equal to 65536"),
        ("model.encoder.units", 65_537, "less than or equal to 65536"),
        ("model.decoder.attention_units", 10**20, "less than or equal to 65536"),
        ("model.decoder.readout_units", 10**9, "less than or equal to 65536"),
        ("model.decoder.num_layers", 10**9, "less than or equal to 100"),
        ("decoding.max_length_offset", 10_001, "less than or equal to 10000"),
        ("decoding.max_length_ratio", 100.5, "less than or equal to 100"),
        ("decoding.min_length_ratio", 1e300, "less than or equal to 100"),
        ("data.source", 3, "string"),
        ("training", [1], "section with keys (seed, epochs, "),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_was_expected(key, value, expectation):
    text = message(nested(key, value))
    assert text.startswith(f"experiment.yaml: '{key}' must be ")
    assert expectation in text
    assert repr(value) in text


@pytest.mark.parametrize("values", ["multi30k", None, []])
def test_what_is_no_config_is_named(values):
    assert message(values).startswith("experiment.yaml: a config must be a section with keys (data")


@pytest.mark.parametrize(
    ("values", "key"), [({1: 2}, "1"), ({"data": {2: 3}}, "data.2"), ({None: 1}, "None")]
)
def test_a_key_that_is_no_text_is_an_unknown_key(values, key):
    assert message(values).startswith(f"experiment.yaml: unknown key '{key}'. Known here: ")


def test_a_wrong_value_is_shown_in_the_words_of_yaml():
    assert message(nested("training.batch_size", True)).endswith("integer, received true.")
    assert message(nested("training.batch_size", None)).endswith("integer, received null.")


@pytest.mark.parametrize(
    ("key", "value", "nearest"),
    [
        ("model.layer", "lstn", "lstm"),
        ("model.decoder.bridge", "lst", "last"),
        ("training.schedule", "cosin", "cosine"),
        ("decoding.penalty", "gmnt", "gnmt"),
    ],
)
def test_an_unknown_choice_is_told_the_choices_and_the_nearest(key, value, nearest):
    text = message(nested(key, value))
    assert text.startswith(f"experiment.yaml: '{key}' must be ")
    assert f"received '{value}'" in text
    assert text.endswith(f"Did you mean '{nearest}'?")
    for choice in {
        "model.layer": ("gru", "lstm"),
        "model.decoder.bridge": ("zero", "last", "dense"),
    }.get(key, ()):
        assert f"'{choice}'" in text


def test_a_score_is_one_of_ours_or_a_class_of_ones_own():
    assert (
        parse_config(nested("model.decoder.score", "my_scores:Coverage"), "x").model.decoder.score
        == "my_scores:Coverage"
    )
    text = message(nested("model.decoder.score", "aditive"))
    assert text.startswith(
        "experiment.yaml: model.decoder.score: expected additive, normed_additive, dot, "
    )
    assert text.endswith("received 'aditive'. Did you mean 'additive'?")


@pytest.mark.parametrize("key", ["data.source", "data.target"])
@pytest.mark.parametrize(
    "language", ["", "/../../victim", "../en", "a/b", ".en", "-x", "en\\", "e<n", "é", "e" * 41]
)
def test_a_language_cannot_lead_to_another_folder(key, language):
    text = message(nested(key, language))
    assert text.startswith(f"experiment.yaml: {key}: expected a language such as en or pt-BR")
    assert f"received {language[:60]!r}" in text


@pytest.mark.parametrize("language", ["de", "pt-BR", "zh_Hant", "sr-Latn-RS", "tok.de", "no", "2"])
def test_a_language_may_have_a_region_a_script_and_a_suffix(language):
    assert parse_config(nested("data.source", language), "x").data.source == language


LONG = "1:" * 20_000


@pytest.mark.parametrize(
    "values",
    [
        {"decoding": {"beam_size": LONG}},
        {"decoding": {"stopping": LONG}},
        {"decoding": {LONG: 1}},
        {LONG: 1},
        {"decoding": [LONG] * 1000},
        {"model": {"decoder": {"attention": "x" * 40_000}}},
        {"model": {"decoder": {"attention": f"update_first/{LONG}", "cell": LONG}}},
        {"model": {"decoder": {"score": "x" * 40_000}}},
        {"model": {"decoder": {"score": "local_p", "score_options": {"window": LONG}}}},
        {"model": {"decoder": {"score": "local_p", "score_options": {LONG: 1}}}},
        {"training": {"budget": LONG}},
        {"data": {"source": LONG}},
    ],
    ids=range(12),
)
def test_what_was_received_is_quoted_in_short(values):
    with pytest.raises(ConfigError) as raised:
        parse_config(values, "here")
    assert str(raised.value).startswith("here: ") and len(str(raised.value)) < 800


def test_a_key_that_stands_twice_is_quoted_in_short():
    with pytest.raises(ConfigError, match="duplicate key") as raised:
        config_of_text(f"? {LONG}x\n: 1\n? {LONG}x\n: 2\n".encode(), "here")
    assert len(str(raised.value)) < 800


def test_of_many_mistakes_the_first_are_told():
    with pytest.raises(ConfigError, match=r"\nhere: 80 more mistakes\.$") as raised:
        parse_config({f"x{i}": 1 for i in range(100)}, "here")
    assert str(raised.value).count("\n") == 20


def test_all_mistakes_are_told_at_once():
    text = message({"training": {"batch_size": 0, "lr": 1}, "model": {"layer": "rnn"}})
    assert len(text.splitlines()) == 3
    assert all(line.startswith("experiment.yaml: ") for line in text.splitlines())


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (
            {"model": {"decoder": {"score": "dot", "units": 10}, "encoder": {"units": 4}}},
            ["model", "decoder.score 'dot'", "(8)", "received 10", "general"],
        ),
        (
            {
                "model": {
                    "decoder": {"bridge": "last", "units": 10},
                    "encoder": {"units": 4, "bidirectional": False},
                }
            },
            ["model", "decoder.bridge 'last'", "(4)", "received 10", "dense"],
        ),
        (
            {"model": {"embedding_units": 6, "decoder": {"readout_units": 7}}},
            ["model", "tied_embeddings 'all'", "(6)", "received 7", "'none'"],
        ),
        (
            {"tokenizer": {"joint": False}},
            ["model.tied_embeddings 'all'", "tokenizer.joint", "'target'"],
        ),
        ({"data": {"source": "fr"}}, ["data.source and data.target", "'fr'"]),
    ],
    ids=["dot", "last", "tied", "joint", "same language"],
)
def test_values_that_contradict_each_other_are_told_with_a_way_out(values, parts):
    text = message(values)
    assert text.startswith("experiment.yaml: ")
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    "values",
    [
        {"model": {"decoder": {"score": "dot", "units": 8}, "encoder": {"units": 4}}},
        {
            "model": {
                "decoder": {"bridge": "last", "units": 4},
                "encoder": {"units": 4, "bidirectional": False},
            }
        },
        {"model": {"tied_embeddings": "none", "decoder": {"readout_units": 7}}},
        {"model": {"tied_embeddings": "target"}, "tokenizer": {"joint": False}},
    ],
    ids=["dot", "last", "tied", "joint"],
)
def test_the_ways_out_lead_out(values):
    parse_config(values, "experiment.yaml")


def test_widths_that_follow_from_others():
    model = parse_config({"model": {"embedding_units": 6, "encoder": {"units": 4}}}, "x").model
    assert (model.memory_units, model.readout_units) == (8, 6)
    model = parse_config({"model": {"encoder": {"units": 4, "bidirectional": False}}}, "x").model
    assert model.memory_units == 4


@pytest.mark.parametrize(
    ("name", "cell", "score"),
    [
        ("bahdanau", "attend_first", "additive"),
        ("luong", "update_first", "general"),
        ("attend_first/general", "attend_first", "general"),
        ("update_first/dot", "update_first", "dot"),
        ("update_first/my_scores:Coverage", "update_first", "my_scores:Coverage"),
    ],
)
def test_attention_names_a_cell_and_a_score(name, cell, score, tmp_path):
    path = write(tmp_path, f"model:\n  decoder:\n    attention: {name}\n")
    decoder = load_config(path).model.decoder
    assert (decoder.cell, decoder.score) == (cell, score)
    assert set(ATTENTIONS) == {"bahdanau", "luong"}


@pytest.mark.parametrize("name", ["loung", 3, None, "update_first"], ids=str)
def test_an_unknown_attention_is_an_error(name):
    text = message(nested("model.decoder.attention", name))
    assert text.startswith("experiment.yaml: model.decoder")
    assert "bahdanau, luong or CELL/SCORE" in text
    assert repr(name) in text


def test_an_unknown_cell_or_score_within_attention_is_an_error():
    assert "Did you mean 'general'?" in message(
        nested("model.decoder.attention", "update_first/genral")
    )
    assert "Did you mean 'update_first'?" in message(
        nested("model.decoder.attention", "update_frist/general")
    )


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.batch_size=16", 16),
        ("training.learning_rate=1e-3", 0.001),
        ("training.deterministic=false", False),
        ("training.max_steps=null", None),
        ("data.train=data/a,data/b", "data/a,data/b"),
        ("data.train=a=b", "a=b"),
        ("model.decoder.score=general", "general"),
    ],
)
def test_an_override_replaces_one_value(override, value, tmp_path):
    path = write(tmp_path, "training: {batch_size: 8, epochs: 3, max_steps: 7}\n")
    config = load_config(path, [override])
    assert get(config, override.partition("=")[0]) == value
    assert config.training.epochs == 3


def test_later_overrides_win(tmp_path):
    config = load_config(
        write(tmp_path, ""), ["training.epochs=2", "training.epochs=3", "training.seed=7"]
    )
    assert (config.training.epochs, config.training.seed) == (3, 7)


def test_an_attention_given_as_override_replaces_cell_and_score_of_the_recipe(tmp_path):
    path = write(tmp_path, "model:\n  decoder: {cell: attend_first, score: additive, units: 8}\n")
    decoder = load_config(path, ["model.decoder.attention=luong"]).model.decoder
    assert (decoder.cell, decoder.score, decoder.units) == ("update_first", "general", 8)


def test_a_score_given_as_override_replaces_that_of_the_recipes_attention(tmp_path):
    path = write(
        tmp_path, "model:\n  decoder: {attention: luong, units: 8}\n  encoder: {units: 4}\n"
    )
    decoder = load_config(path, ["model.decoder.score=dot"]).model.decoder
    assert (decoder.cell, decoder.score) == ("update_first", "dot")


def test_an_attention_beside_a_score_that_says_otherwise_is_an_error():
    text = message({"model": {"decoder": {"attention": "luong", "score": "additive"}}})
    assert "attention" in text and "score" in text


@pytest.mark.parametrize(
    ("key", "value"),
    [("training.learning_rate", float("inf")), ("decoding.length_penalty", float("nan"))],
)
def test_a_number_must_be_finite(key, value):
    message(nested(key, value))


def test_a_wrong_override_is_told_as_one(tmp_path):
    path = write(tmp_path, "")
    for override in ("training.batch_size", "=3"):
        with pytest.raises(ConfigError, match=r"--set .*: expected KEY=VALUE"):
            load_config(path, [override])
    with pytest.raises(ConfigError, match="not YAML"):
        load_config(path, ["training.batch_size=[1"])
    with pytest.raises(
        ConfigError, match=r"experiment.yaml with --set: unknown key 'training.batch_sise'"
    ):
        load_config(path, ["training.batch_sise=3"])


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"model": {"decoder": {"attention": "luong", "input_feeding": True}, "layer": "lstm"}},
        {
            "data": {"train": "données/été", "source": "fr", "target": "en"},
            "training": {"max_steps": 5},
        },
    ],
    ids=["defaults", "luong", "French"],
)
def test_yaml_round_trip(values, tmp_path):
    config = parse_config(values, "x")
    text = config.to_yaml()
    assert parse_config(yaml.safe_load(text), "again") == config
    assert load_config(write(tmp_path, text)) == config
    assert list(yaml.safe_load(text)) == list(
        Config.model_fields
    )  # every value is stated, in the order of the schema


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("training: [", "expected a YAML file"),
        ("data: \0", "expected a YAML file"),
        ("- 1\n- 2\n", "expected sections"),
        ("word", "expected sections"),
    ],
)
def test_a_file_that_is_no_config_is_named(text, part, tmp_path):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="expected a YAML file"):
        load_config(path)


def test_a_mistake_in_a_file_is_told_with_its_path(tmp_path):
    path = write(tmp_path, "training:\n  batch_sise: 3\n")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: unknown key 'training.batch_sise'.")
    assert isinstance(error.value, UserError)


def test_a_recipe_that_does_not_exist_is_an_error():
    with pytest.raises(ConfigError, match="'no_such_recipe' is neither a file nor a recipe"):
        find_recipe("no_such_recipe")


@pytest.mark.parametrize("name", recipes())
def test_every_shipped_recipe_loads(name):
    config = load_config(name)
    assert find_recipe(name) == recipes()[name]
    assert parse_config(yaml.safe_load(config.to_yaml()), name) == config


def test_a_mistake_is_found_before_tensorflow_loads():
    code = (
        "import sys, nmt, nmt.config.loader; print([m for m in ('tensorflow', 'keras',"
        " 'matplotlib') if m in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "[]"


# ---------------------------------------------------------------------------------------- durations


@pytest.mark.parametrize(
    "text, seconds", [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1h1m1s", 3661)]
)
def test_a_budget_is_a_duration(text, seconds):
    assert parse_config({"training": {"budget": text}}, "here").training.budget == text
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["30", "", "m", "0m", "half an hour", "1.5h", "30m "])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(
        ConfigError,
        match=r"training\.budget: expected a duration such as 90s, 30m or 1h30m, received",
    ):
        parse_config({"training": {"budget": text}}, "here")


def test_a_budget_beside_a_number_of_steps_is_refused():
    with pytest.raises(ConfigError, match="Leave one of them out"):
        parse_config({"training": {"budget": "30m", "max_steps": 7}}, "here")


def test_what_is_copied_is_named_and_nothing_by_default():
    assert Config().copying.classes == []
    assert parse_config({"copying": {"classes": ["urls", "unseen"]}}, "here").copying.classes == [
        "urls",
        "unseen",
    ]
    text = message({"copying": {"classes": ["urls", "mails"]}})
    assert "'copying.classes.1' must be 'urls', 'emails', " in text and text.endswith(
        "Did you mean 'emails'?"
    )


# ------------------------------------------------------------------------------------ several texts


@pytest.mark.parametrize(
    "text", ["[{path: a, weight: 2}, {path: 2016}]", "[{path: a, weight: 2.0}, {path: '2016'}]"]
)
def test_several_corpora_are_a_list(text, tmp_path):
    first, second = load_config(write(tmp_path, ""), [f"data.train={text}"]).data.train
    assert (first.path, first.weight) == ("a", 2.0)
    assert (second.path, second.weight, second.share) == ("2016", 1.0, None)
    config = load_config(write(tmp_path, f"data:\n  train: {text}\n"))
    assert config.data.train == [first, second] == config.data.corpora
    assert load_config(write(tmp_path, config.to_yaml())) == config


def test_one_text_is_a_corpus_of_weight_1():
    config = parse_config({"data": {"train": "a", "weights": "w"}}, "here")
    assert [corpus.model_dump() for corpus in config.data.corpora] == [
        {"path": "a", "weight": 1.0, "share": None, "weights": "w"}
    ]


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ([{"path": "a", "wieght": 2}], "unknown key 'data.train.0.wieght'. Did you mean 'data.tr"),
        ([{"path": "a"}, {"weight": 2}], "'data.train.1.path' is missing."),
        ([{"path": "a", "weight": "x"}], "'data.train.0.weight' must be a valid number, rec"),
        ([{"path": "a", "weight": 0}], "'data.train.0.weight' must be greater than 0"),
        ([{"path": "a", "weight": 2, "share": 0.3}], "data.train.0: share is given instead of wei"),
        ([{"path": "a", "share": 0.3}], "shares are relative to the corpora that have a weight"),
        (
            [{"path": "a"}, {"path": "b", "share": 0.6}, {"path": "c", "share": 0.4}],
            "expected shares whose sum is below 1",
        ),
        (["a", "b"], "'data.train.0' must be a section with keys (path, weight, share, weights)"),
        ([], "'data.train' must be a path, or a list of corpora such as {path: data/train, weig"),
        ({"path": "a"}, "'data.train' must be a path, or a list of corpora such as"),
        (7, "'data.train' must be a path, or a list of corpora such as"),
    ],
    ids=str,
)
def test_a_mistake_in_the_list_of_corpora_is_explained(train, expected):
    assert expected in message({"data": {"train": train}})


def test_weights_of_pairs_stand_in_the_entry_of_their_corpus():
    assert "give each its own" in message({"data": {"train": [{"path": "a"}], "weights": "w"}})


def test_a_mixture_of_an_older_version_is_read_as_a_second_corpus(tmp_path, caplog):
    text = "data: {train: a, weights: w, mix: b, mix_share: 0.3}"
    with caplog.at_level("INFO", logger="nmt"):
        config = load_config(write(tmp_path, text))
    assert [corpus.model_dump(exclude_defaults=True) for corpus in config.data.corpora] == [
        {"path": "a", "weights": "w"},
        {"path": "b", "share": 0.3},
    ]
    assert "'data.mix' is now an entry of 'data.train': {path: b, share: 0.3}" in caplog.text
    assert load_config(write(tmp_path, "data: {train: a, mix: null, mix_share: 0.5}")) == (
        parse_config({"data": {"train": "a"}}, "here")
    )


def test_a_new_mixture_is_refused_with_the_form_it_has_now(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.train=\[\{path: TEXT\}, \{path: OTHER, share"):
        load_config(write(tmp_path, "data: {train: a}"), ["data.mix=b"])
    with pytest.raises(ConfigError, match=r"Write data.train: \[\{path: TEXT\}, \{path: b, share"):
        load_config(write(tmp_path, "data: {train: [{path: a}], mix: b}"))


@pytest.mark.parametrize("value", ["[nfc]", "{nfc: 1}", "[]"])
def test_a_list_or_section_under_an_old_name_is_reported(value, tmp_path):
    with pytest.raises(ConfigError, match=r"'data\.model_input' must be .*, received"):
        load_config(write(tmp_path, f"data: {{normalization: {value}}}"))


@pytest.mark.parametrize(
    ("num_pairs", "batch_size", "epochs", "warmup_steps", "patience"),
    [(0, 64, 10, 50, 3), (2560, 64, 10, 50, 3), (2559, 16, 10, 50, 3), (180, 16, 36, 43, 7)],
)
def test_fine_tuning_on_few_pairs_takes_enough_steps(
    num_pairs, batch_size, epochs, warmup_steps, patience
):
    config = fine_tuning_config(parse_config({}, "the test"), "parent", (), range(num_pairs))
    training = config.training
    assert (training.batch_size, training.epochs) == (batch_size, epochs)
    assert (training.warmup_steps, training.early_stopping_patience) == (warmup_steps, patience)
    typed = fine_tuning_config(config, "parent", ["training.epochs=2"], range(num_pairs))
    assert typed.training.epochs == 2


def test_a_handful_of_pairs_is_not_repeated_without_end():
    config = fine_tuning_config(parse_config({}, "the test"), "parent", (), range(20))
    assert config.training.epochs == 50


def test_fine_tuning_reads_no_more_pairs_than_decide_whether_they_are_few():
    pairs = iter(range(10_000))
    fine_tuning_config(parse_config({}, "the test"), "parent", (), pairs)
    assert next(pairs) == 2560  # in batches of 64, 400 steps in 10 epochs
