"""Which runs a comparison has, and that no two of them share a folder."""

import re

import pytest

from nmt.comparison.plan import folder_name
from nmt.errors import UserError

pytest_plugins = ["fixtures.comparison"]


def test_every_variant_has_every_seed_and_seeds_are_outermost(planned, tmp_path):
    runs = planned("bahdanau,luong+input_feeding=true,update_first/local_p+score_options.window=3")
    names = ["bahdanau", "luong+input_feeding=true", "update_first/local_p+score_options.window=3"]
    assert [(run.variant, run.seed) for run in runs] == [
        (name, seed) for seed in (1, 2) for name in names
    ]
    assert [run.config.training.seed for run in runs] == [1, 1, 1, 2, 2, 2]
    assert (
        runs[1].config.model.decoder.input_feeding
        and not runs[0].config.model.decoder.input_feeding
    )
    assert runs[5].config.model.decoder.score_options == {"window": 3}
    assert (
        runs[5].path == tmp_path / "out" / "update_first-local_p+score_options.window=3" / "seed2"
    )


def test_what_varies_is_combined_with_every_attention(planned):
    runs = planned(
        "luong,bahdanau",
        "model.decoder.input_feeding=false,true",
        "training.freeze=[],[encoder,decoder]",
        seeds=1,
    )
    assert len(runs) == 8
    assert runs[3].variant == "luong+input_feeding=true+training.freeze=[encoder,decoder]"
    assert (
        runs[3].config.training.freeze == ["encoder", "decoder"]
        and runs[3].config.model.decoder.input_feeding
    )


@pytest.mark.parametrize(
    ("attentions", "varied", "message"),
    [
        ("luong,update_first/general", [], "luong and update_first/general are the same"),
        ("luong,luong", [], "luong and luong are the same"),
        ("", [], "--attention: expected names with commas between them. Received: ''"),
        ("luong,", [], "--attention: expected names with commas between them"),
        ("luong,luogn", [], "variant luogn: .*Did you mean 'luong'"),
        ("luong,luong+input_feding=true", [], "variant .*input_feeding"),
        ("luong,attend_first/dot+units=20", [], r"variant attend_first/dot\+units=20: .*width"),
        ("luong", ["training.seed=1,2"], "--vary training.seed=1,2: .*--seeds"),
        ("luong", ["data.source=en,fr"], "all variants share"),
        ("luong", ["training.epochs"], "expected KEY=VALUE,VALUE"),
        ("update_first/monotonic+score_options.mode=hard", [], "has no gradient"),
    ],
)
def test_what_is_no_comparison_is_refused_with_the_variant(attentions, varied, message, planned):
    with pytest.raises(UserError, match=message):
        planned(attentions, *varied)


def test_no_two_variants_share_a_folder():
    variants = [
        "luong+data.train=x/y",
        "luong+data.train=x-y",
        "luong+data.train=x:y",
        "luong+data.train=x y",
        "luong+data.train=x//y",
        "attend_first/additive",
        "attend_first/my:Score",
        "attend_first/my-Score",
        "luong+data.train=" + 200 * "x",
        "luong+data.train=" + 201 * "x",
    ]
    names = [folder_name(variant) for variant in variants]
    assert len(set(names)) == len(names) and max(map(len, names)) < 140
    assert all(re.fullmatch(r"[\w.+=-]+", name) for name in names)


def test_simple_variants_have_folders_of_their_names():
    for variant in ("luong", "luong+training.learning_rate=1e-3"):
        assert folder_name(variant) == variant
    assert folder_name("attend_first/additive+units=8") == "attend_first-additive+units=8"


def test_variants_that_differ_in_a_slash_are_both_planned(planned, recipe):
    text = recipe.parent / "text"
    other = text / "train-copy"
    for suffix in ("en", "fr"):
        (other.parent / "train").mkdir(exist_ok=True)
        for copy in (other.with_name("train-copy"), text / "train" / "copy"):
            copy.with_name(f"{copy.name}.{suffix}").write_bytes(
                (text / f"train.{suffix}").read_bytes()
            )
    first, second = planned("luong", f"data.train={text}/train/copy,{text}/train-copy", seeds=1)
    assert first.path != second.path


def test_a_value_may_be_a_list_of_corpora(planned, recipe):
    train = recipe.parent / "text" / "train"
    one = f"[{{path: {train}}}]"
    two = f"[{{path: {train}, weight: 2}}, {{path: {train}}}]"
    runs = planned("luong", f"data.train={one},{two}", seeds=1)
    assert [len(run.config.data.corpora) for run in runs] == [1, 2]
