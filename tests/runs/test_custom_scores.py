"""A config imports no code that the user has not permitted, whichever way it comes."""

import shutil
import sys
from importlib import metadata
from types import SimpleNamespace

import keras
import pytest
import yaml
from fixtures.run import TINY, merged, tiny_config, toy_data, trained_run

from nmt.attention import score_class
from nmt.cli.main import parser
from nmt.comparison.measuring import EvaluationTexts
from nmt.comparison.plan import PlannedRun
from nmt.comparison.runner import compare, train_in_processes
from nmt.config.loader import check_score, is_typed_score, load_config
from nmt.errors import UserError
from nmt.inference.translator import Translator
from nmt.model.seq2seq import Seq2Seq
from nmt.runs.averaging import average
from nmt.runs.run_folder import Run
from nmt.training.trainer import train

pytest_plugins = ["fixtures.cli"]

CODE = """
from nmt.attention import AdditiveScore

class MyScore(AdditiveScore):
    pass
"""
REFUSAL = r"score 'strange:MyScore' .*--allow-custom .*allow_custom=True.*--set model\.decoder"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module `strange` on the user's path, which is not imported yet."""
    (tmp_path / "strange.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "strange", raising=False)
    yield
    sys.modules.pop("strange", None)


@pytest.fixture
def stranger(module, tmp_path):
    """A run whose config names a score of that module; the weights fit it."""
    path = tmp_path / "run"
    shutil.copytree(trained_run(), path, ignore=shutil.ignore_patterns("onnx", "checkpoints"))
    config = yaml.safe_load((path / "config.yaml").read_text())
    config["model"]["decoder"]["score"] = "strange:MyScore"
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    with_names_of(path)
    return path


def with_names_of(path):
    """Weights are named after the score."""
    from nmt.runs.run_folder import load_arrays, save_arrays

    arrays, facts = load_arrays(path / "best.npz")
    renamed = {name.replace("additive", "strange_MyScore"): a for name, a in arrays.items()}
    save_arrays(path / "best.npz", renamed, facts)


@pytest.fixture
def recipe(module, tmp_path):
    data = toy_data(tmp_path / "text", num_pairs=20, num_dev=2)
    decoder = {"attention": "attend_first/strange:MyScore"}
    values = merged(TINY, {"data": data, "model": {"decoder": decoder}})
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def imported():
    return "strange" in sys.modules


# -------------------------------------------------------------------------------------- in Python


def test_loading_a_run_imports_nothing_unless_permitted(stranger):
    with pytest.raises(UserError, match=REFUSAL):
        Translator.load(stranger, "keras")
    with pytest.raises(UserError, match=REFUSAL):
        Run.open(stranger).load_model()
    assert not imported()
    translator = Translator.load(stranger, "keras", allow_custom=True)
    assert imported() and translator.translate(["cat."])[0].text


def test_averaging_imports_nothing(stranger, tmp_path):
    average([Run.open(stranger)] * 2, tmp_path / "average")
    assert not imported()


def test_training_imports_nothing_unless_permitted(recipe, tmp_path):
    config = load_config(recipe)
    with pytest.raises(UserError, match=REFUSAL):
        train(config, tmp_path / "new")
    assert not imported() and not (tmp_path / "new").exists()


def test_the_run_whose_weights_training_begins_with_permits_nothing(stranger, recipe, tmp_path):
    config = load_config(recipe, [f"training.init_from={stranger}"])
    with pytest.raises(UserError, match=REFUSAL):
        train(config, tmp_path / "new")
    assert not imported()


def test_resuming_imports_nothing_unless_permitted(stranger):
    with pytest.raises(UserError, match=REFUSAL):
        train(Run.open(stranger).config, stranger)
    assert not imported()


def test_a_comparison_imports_nothing_unless_permitted(recipe, tmp_path):
    planned = [PlannedRun("own", 1, load_config(recipe), tmp_path / "own")]
    with pytest.raises(UserError, match=REFUSAL):
        compare("title", planned, EvaluationTexts({}), tmp_path, train_in_processes)
    assert not imported()


def test_a_keras_file_cannot_permit_itself(module, tmp_path):
    decoder = {"attention": "attend_first/strange:MyScore", "units": 4}
    model = {"embedding_units": 4, "encoder": {"units": 2}, "decoder": decoder}
    with pytest.raises(UserError, match=REFUSAL):
        Seq2Seq(model, 20, 20)
    assert not imported()
    config = Seq2Seq(model, 20, 20, allow_custom=True).get_config()
    assert imported()
    with pytest.raises(UserError, match=REFUSAL):
        Seq2Seq.from_config({**config, "allow_custom": True})
    with pytest.raises(Exception, match="strange:MyScore"):
        keras.saving.deserialize_keras_object(
            {
                "module": "nmt.model.seq2seq",
                "class_name": "Seq2Seq",
                "registered_name": "nmt>Seq2Seq",
                "config": {**config, "allow_custom": True},
            }
        )


def test_a_name_that_is_no_path_is_never_imported(module):
    with pytest.raises(UserError, match="no score 'strange'"):
        score_class("strange", allow_custom=True)
    assert not imported()


@pytest.mark.parametrize("score", ["nowhere:MyScore", "nowhere.inside:MyScore", ":MyScore"])
def test_a_module_that_is_not_found_is_a_matter_of_pythonpath(score):
    for check in (check_score, score_class):
        with pytest.raises(UserError, match=r"No module named '(nowhere)?'.*PYTHONPATH"):
            check(score, allow_custom=True)


@pytest.mark.parametrize("score", ["nowhere:MyScore", "strange:NoScore"])
def test_a_score_that_is_not_found_is_said_before_a_tokenizer_is_trained(
    score, module, tmp_path, monkeypatch
):
    monkeypatch.setattr("nmt.training.setup.build_tokenizers", lambda *_: pytest.fail("trained"))
    model = {"decoder": {"attention": f"attend_first/{score}"}}
    config = tiny_config(toy_data(tmp_path / "text", num_pairs=4, num_dev=2), model=model)
    with pytest.raises(UserError, match=f"no score '{score}'"):
        train(config, tmp_path / "run", allow_custom=True)


def test_an_installed_score_is_found_by_its_name(module, monkeypatch):
    entry = metadata.EntryPoint("mine", "strange:MyScore", "nmt.scores")
    monkeypatch.setattr("nmt.config.schema.entry_points", lambda group: [entry])
    config = tiny_config({}, model={"decoder": {"attention": "attend_first/mine"}})
    assert config.model.decoder.score == "mine" and not imported()
    assert score_class("mine").__name__ == "MyScore"
    with pytest.raises(UserError, match=REFUSAL):
        score_class("strange:MyScore")


def test_what_the_user_typed_is_told_from_what_a_recipe_says():
    assert is_typed_score("a.b:C", ["training.seed=1", "model.decoder.score=a.b:C"])
    assert is_typed_score("a.b:C", ["model.decoder.attention=update_first/a.b:C"])
    for other in ("model.decoder.score=a.b:D", "data.train=a.b:C", "model.decoder.score=x.a.b:C"):
        assert not is_typed_score("a.b:C", [other])


# ------------------------------------------------------------------------------ at the command line


@pytest.mark.parametrize(
    "arguments",
    [
        ("translate", "RUN", "--engine", "keras"),
        ("score", "RUN", "--engine", "keras", "--source", "SOURCE", "--target", "TARGET"),
        ("export", "RUN", "--dev", "DEV"),
        ("export", "RUN", "--format", "savedmodel"),
        ("train", "RECIPE", "--run", "NEW"),
        ("compare", "RECIPE", "--output", "NEW"),
    ],
)
def test_verbs_import_nothing_unless_permitted(arguments, stranger, recipe, tmp_path, nmt_):
    text = tmp_path / "text"
    names = {
        "RUN": stranger,
        "RECIPE": recipe,
        "NEW": tmp_path / "new",
        "DEV": text / "dev",
        "SOURCE": text / "dev.en",
        "TARGET": text / "dev.fr",
    }
    code, out, err = nmt_(*(names.get(argument, argument) for argument in arguments), stdin=b"x\n")
    assert code == 1 and "--allow-custom" in err and not out
    assert not imported()


def test_what_is_permitted_is_passed_on_to_child_processes(recipe, tmp_path, nmt_, monkeypatch):
    commands = []

    class Process:
        returncode, pid = 0, 0

        def __init__(self, command, **options):
            commands.append(command)

        def poll(self):
            return 0

        wait = terminate = lambda self: None

        def __class_getitem__(cls, _):
            return cls

    monkeypatch.setattr("nmt.comparison.runner.subprocess.Popen", Process)
    for allowed in (True, False):
        list(train_in_processes([tmp_path / "own"], allow_custom=allowed))
    assert "--allow-custom" in commands[0] and "--allow-custom" not in commands[1]


@pytest.mark.parametrize(
    "permission",
    ["--allow-custom", "--set model.decoder.attention=attend_first/strange:MyScore"],
)
def test_permission_to_train_is_passed_on_to_the_export(permission, recipe, tmp_path, monkeypatch):
    executed = []
    trained = SimpleNamespace(path=tmp_path / "new")
    monkeypatch.setattr("nmt.cli.train.os.execve", lambda _, command, __: executed.append(command))
    monkeypatch.setattr("nmt.training.trainer.train", lambda *_: trained)
    monkeypatch.setattr("nmt.cli.train._complete", lambda run: 0)
    options = parser().parse_args(["train", str(recipe), *permission.split()])
    options.owns_process = True
    options.verb(options)  # which goes on, as this `execv` returns
    assert executed[0][-2:] == ["--allow-custom", str(trained.path)]


def test_a_score_that_was_typed_is_trained_and_exported(recipe, tmp_path, nmt_):
    score = "model.decoder.score=strange:MyScore"
    code, _, err = nmt_("train", recipe, "--run", tmp_path / "new", "--set", score)
    assert code == 0 and (tmp_path / "new" / "onnx" / "export.json").is_file(), err
    # An export holds no code, so that it needs no permission.
    code, out, err = nmt_("translate", tmp_path / "new", stdin=b"cat.\n")
    assert code == 0 and len(out.splitlines()) == 1, err
