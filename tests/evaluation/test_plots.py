import builtins
import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from nmt.errors import UserError
from nmt.evaluation import plots
from nmt.evaluation.plots import (
    _columns,
    plot_attention,
    plot_attentions,
    plot_curves,
    plot_history,
    text_heatmap,
)

DOG = [[0.91, 0.05, 0.04], [0.02, 0.28, 0.70]]


def forbid_matplotlib(monkeypatch):
    real_import = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


# text_heatmap


def test_text_names_the_strongest_source_words_by_hand():
    text = text_heatmap(DOG, ["dog", "a", "."], ["chien", "un"])
    assert text == "chien  <- dog 0.91  a 0.05\nun     <- . 0.70  a 0.28"


def test_text_tells_repeated_source_words_apart():
    text = text_heatmap([[0.5, 0.3, 0.2]], ["the", "cat", "the"], ["le"])
    assert text == "le  <- the[0] 0.50  cat 0.30  the[2] 0.20"


def test_text_columns_stay_aligned_under_wide_and_combining_characters():
    lines = text_heatmap(np.full((3, 1), 0.5), ["x"], ["犬", "e\u0301te\u0301", "chien"]).split(
        "\n"
    )
    assert {_columns(line.partition("<-")[0]) for line in lines} == {len("chien  ")}


@pytest.mark.parametrize("width", [20, 33, 80])
def test_text_is_never_wider_than_asked(width):
    source = [
        "anticonstitutionnellement",
        "犬犬犬犬犬犬犬犬犬犬犬犬",
        "of",
        "the",
        "house",
        "of",
        "the",
    ]
    target = ["Donaudampfschifffahrtsgesellschaft", "猫猫猫猫猫猫猫猫猫猫猫猫猫", "x"]
    weights = np.random.default_rng(1).dirichlet(np.ones(len(source)), size=len(target))
    lines = text_heatmap(weights, source, target, width).split("\n")
    assert len(lines) == len(target)
    assert max(map(_columns, lines)) <= width


def test_text_passes_over_nan_and_empty_sides():
    assert (
        text_heatmap([[np.nan, 0.3], [np.nan, np.nan]], ["a", "b"], ["x", "y"])
        == "x  <- b 0.30\ny  <- ?"
    )
    assert text_heatmap([], ["a"], []) == ""
    assert text_heatmap([[]], [], ["x"]) == "x  <- ?"


def test_text_cannot_steer_the_terminal():
    text = text_heatmap([[1.0]], ["a\x1b[2J\nb"], ["c\rd"])
    assert text == "c\ufffdd  <- a\ufffd[2J\ufffdb 1.00"


def test_text_refuses_a_wrong_shape_and_too_small_a_width():
    with pytest.raises(ValueError, match=r"of the words: \(1, 2\). Received: \(2, 1\)"):
        text_heatmap([[1.0], [1.0]], ["a", "b"], ["x"])
    with pytest.raises(ValueError, match="at least 20"):
        text_heatmap([[1.0]], ["a"], ["x"], width=5)


# plot_attention


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_the_suffix_chooses_the_format(tmp_path, suffix, magic):
    path = tmp_path / f"attention{suffix}"
    plot_attention(DOG, ["dog", "a", "."], ["chien", "un"], path, title="a dog .")
    assert path.read_bytes().startswith(magic)


def test_a_picture_that_cannot_be_written_leaves_the_older_one(tmp_path, monkeypatch):
    path = tmp_path / "attention.png"
    path.write_bytes(b"older")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"attention\.png: could not be written: No space left"):
        plot_attention(DOG, ["dog", "a", "."], ["chien", "un"], path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"older"]


@pytest.mark.filterwarnings("error")
def test_awkward_words_are_drawn_without_warnings(tmp_path):
    words = ["$x$", "$", "犬", "😀", "Élysée", "e\u0301", "\u202f", "\x1b", "w" * 200]
    weights = np.eye(len(words))
    weights[2] = np.nan
    plot_attention(weights, words, words, tmp_path / "a.svg", title="$5 and $6, or 犬")
    # Each character is a glyph in the file; the comment before a text gives it in full, and a
    # formula has none.
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "<!-- $x$ -->" in svg and "<!-- $5 and $6, or 犬 -->" in svg
    assert "<!-- é -->" in svg and "w" * 28 not in svg


def test_the_picture_grows_with_the_words_but_not_without_end(tmp_path):
    from matplotlib.image import imread

    def size(num_target, num_source):
        path = tmp_path / "attention.png"
        plot_attention(
            np.zeros((num_target, num_source)), ["s"] * num_source, ["t"] * num_target, path
        )
        return imread(path).shape

    small, tall, wide = size(2, 2), size(6, 2), size(2, 6)
    assert tall[0] > small[0] and wide[1] > small[1]
    assert max(size(1, 300)) < 7000


def test_attention_that_cannot_be_drawn_is_explained(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"\(1, 2\). Received: \(2, 3\)"):
        plot_attention(DOG, ["a", "b"], ["x"], tmp_path / "a.png")
    with pytest.raises(UserError, match="0 source and 1 target"):
        plot_attention([[]], [], ["x"], tmp_path / "a.png")
    with pytest.raises(UserError, match=r"\.png, \.svg, \.pdf"):
        plot_attention([[1.0]], ["a"], ["x"], tmp_path / "a.xcf")
    forbid_matplotlib(monkeypatch)
    with pytest.raises(UserError, match=r"pip install 'nmt-attention\[plot\]'"):
        plot_attention([[1.0]], ["a"], ["x"], tmp_path / "a.png")


# plot_history

ROWS = [
    {
        "step": "100",
        "minutes": "0.5",
        "train_loss": "5.1",
        "dev_loss": "",
        "dev_bleu": "",
        "epoch": "1",
    },
    {
        "step": "200",
        "minutes": "1.0",
        "train_loss": "4.2",
        "dev_loss": "4.5",
        "dev_bleu": "11.2",
        "epoch": "1",
    },
    {
        "step": "300",
        "minutes": "1.5",
        "train_loss": "nan",
        "dev_loss": "4.1",
        "dev_bleu": "17.25",
        "epoch": "2",
    },
    {"step": 400, "minutes": 2.0, "train_loss": 3.5, "dev_loss": 4.2, "dev_bleu": 16.8},
]


def test_history_marks_the_best_bleu_and_chooses_its_axis(tmp_path):
    def drawn(rows, **options):
        plot_history(rows, tmp_path / "history.svg", **options)
        return (tmp_path / "history.svg").read_text(encoding="utf-8")

    svg = drawn(ROWS)
    for text in (
        "best 17.25",
        "minutes of training",
        "loss per target piece",
        "dev BLEU",
        "train",
        "dev",
    ):
        assert f"<!-- {text} -->" in svg
    assert "<!-- step -->" in drawn(ROWS, x_axis="step")
    assert "<!-- step -->" in drawn(
        [*ROWS, {"step": 500, "train_loss": 3.4}]
    )  # one row without minutes
    assert "BLEU" not in drawn([{"step": 1, "train_loss": 3.4}])


def test_history_that_cannot_be_drawn_is_explained(tmp_path, monkeypatch):
    path = tmp_path / "history.png"
    with pytest.raises(UserError, match="0 rows"):
        plot_history([], path)
    with pytest.raises(UserError, match="1 rows"):
        plot_history([{"step": 1, "train_loss": ""}], path)
    with pytest.raises(UserError, match=r"'dev_bleu' must be a number.*'high'"):
        plot_history([{"step": 1, "dev_bleu": "high"}], path)
    with pytest.raises(UserError, match="'epoch'"):
        plot_history(ROWS, path, x_axis="epoch")
    forbid_matplotlib(monkeypatch)
    with pytest.raises(UserError, match=r"pip install 'nmt-attention\[plot\]'"):
        plot_history(ROWS, path)
    assert not path.exists()


# several models


def comments(path):
    """The texts of an SVG, which Matplotlib draws as outlines and names in comments."""
    return [
        line.strip().removeprefix("<!-- ").removesuffix(" -->")
        for line in path.read_text("utf-8").split("\n")
        if line.strip().startswith("<!--")
    ]


def test_heat_maps_of_several_models_have_their_names_and_one_set_of_target_words_a_row(tmp_path):
    names = ["luong", "bahdanau", "additive", "dot", "$x$ and $y$"]
    plot_attentions(
        dict.fromkeys(names, DOG), ["dog", "a", "."], ["chien", "été"], tmp_path / "a.svg"
    )
    drawn = comments(tmp_path / "a.svg")
    assert [text for text in drawn if text in names] == names
    assert (
        drawn.count("dog") == 5 and drawn.count("été") == 2
    )  # four maps stand in the first row, one in the second


def test_heat_maps_of_long_sentences_fit_into_a_picture(tmp_path, monkeypatch):
    """Matplotlib refuses more than 65,536 pixels."""
    monkeypatch.setattr(plots, "MAX_PICTURE_INCHES", 3)
    sizes = []
    monkeypatch.setattr(
        plots, "_save", lambda figure, path: sizes.append(figure.get_size_inches().max())
    )
    for num_source, num_target in ((15, 1), (1, 20)):
        maps = dict.fromkeys("abcde", np.ones((num_target, num_source)))
        words = ["a"] * num_source, ["b"] * num_target
        plot_attentions(maps, *words, tmp_path / "a.png")
    assert max(sizes) < 3 + 4 * 0.5


def test_heat_maps_of_nothing_are_refused(tmp_path):
    with pytest.raises(UserError, match="words on both sides"):
        plot_attentions({"luong": np.zeros((0, 1))}, ["a"], [], tmp_path / "a.png")
    with pytest.raises(UserError, match="models"):
        plot_attentions({}, ["a"], ["b"], tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"\(1, 2\)"):
        plot_attentions({"luong": [[1.0]]}, ["a", "b"], ["x"], tmp_path / "a.png")


def test_curves_are_means_over_runs_by_updates_and_by_minutes(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn = []
    plot, fill = Axes.plot, Axes.fill_between
    monkeypatch.setattr(
        Axes, "plot", lambda self, *xy, **style: drawn.append(xy) or plot(self, *xy, **style)
    )
    monkeypatch.setattr(
        Axes,
        "fill_between",
        lambda self, *xyy, **style: drawn.append(xyy) or fill(self, *xyy, **style),
    )
    first = [
        {"step": 10, "minutes": 1.0, "dev_bleu": 4.0},
        {"step": 20, "minutes": 2.0, "dev_bleu": 8.0},
    ]
    second = [
        {"step": 10, "minutes": 3.0, "dev_bleu": 6.0},
        {"step": 20, "minutes": 4.0, "dev_bleu": 9.0},
    ]
    longer = [*second, {"step": 30, "minutes": 5.0, "dev_bleu": 9.5}]
    plot_curves({"luong": [first, longer]}, tmp_path / "a.svg")
    lists = [[np.asarray(array).tolist() for array in arrays] for arrays in drawn]
    mean, lowest, highest = [5.0, 8.5], [4.0, 8.0], [6.0, 9.0]
    assert lists == [
        [[10, 20], mean],
        [[10, 20], lowest, highest],
        [[2.0, 3.0], mean],
        [[2.0, 3.0], lowest, highest],
    ]
    assert {"luong", "updates", "minutes of training", "dev BLEU, greedy"} <= set(
        comments(tmp_path / "a.svg")
    )


def test_importing_loads_no_matplotlib_and_drawing_loads_no_pyplot(tmp_path):
    program = (
        "import sys; from nmt.evaluation.plots import plot_attention; assert 'matplotlib' not in"
        f" sys.modules;plot_attention([[1.0]], ['a'], ['b'], {str(tmp_path / 'a.png')!r});assert"
        " 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
