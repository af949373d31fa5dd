"""A development set from the training text itself."""

import pytest
from fixtures.run import tiny_config, toy_data, toy_pairs

from nmt.errors import UserError
from nmt.text.lines import read_parallel, resolve_parallel
from nmt.training.held_out import MAX_PAIRS, hold_out
from nmt.training.setup import prepare


def table(path, pairs):
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), "utf-8")
    return resolve_parallel(path, "en", "fr")


def split(path, pairs, run):
    return hold_out(table(path, pairs), ("en", "fr"), run)


def pairs_in(path):
    return list(read_parallel(resolve_parallel(path, "en", "fr")))


def test_a_tenth_is_held_out_and_nothing_is_lost(tmp_path):
    pairs = [(f"dog {n}", f"chien {n}") for n in range(50)]
    parts = split(tmp_path / "c.tsv", pairs, tmp_path / "run")
    train, dev = pairs_in(parts.train), pairs_in(parts.dev)
    assert (len(train), len(dev)) == (45, 5) == (parts.num_train, parts.num_dev)
    assert sorted(train + dev) == sorted(pairs)


def test_a_source_is_on_one_side_only(tmp_path):
    pairs = [(f"dog {n % 30}", f"chien {n}") for n in range(90)]
    parts = split(tmp_path / "c.tsv", pairs, tmp_path / "run")
    train, dev = ({source for source, _ in pairs_in(part)} for part in (parts.train, parts.dev))
    assert len(dev) == 3 and not train & dev


def test_of_much_text_not_more_is_held_out_than_validation_needs(tmp_path):
    pairs = [(f"dog {n}", "chien") for n in range(20 * MAX_PAIRS)]
    assert split(tmp_path / "c.tsv", pairs, tmp_path / "run").num_dev == MAX_PAIRS


def test_blank_and_too_few_pairs_are_no_text_to_hold_out_from(tmp_path):
    pairs = [(f"dog {n}", "chien") for n in range(19)] + [("dog 1", "chienne"), ("cat", " ")]
    with pytest.raises(UserError, match=r"has 19 different sources, too few .* --dev PREFIX"):
        split(tmp_path / "c.tsv", pairs, tmp_path / "run")


def test_the_texts_of_a_run_are_not_replaced(tmp_path):
    run = tmp_path / "run"
    pairs = toy_pairs(60)
    parts = split(tmp_path / "c.tsv", pairs, run)
    data = {**toy_data(tmp_path), "train": str(parts.train), "dev": str(parts.dev)}
    prepare(tiny_config(data), run)
    assert split(tmp_path / "c.tsv", pairs, run) == parts  # resumes
    before = pairs_in(parts.train), pairs_in(parts.dev)
    with pytest.raises(UserError, match=r"holds a run with other text.*--run"):
        split(tmp_path / "c.tsv", pairs[:40], run)
    assert (pairs_in(parts.train), pairs_in(parts.dev)) == before


def test_a_text_is_not_replaced_by_a_part_of_itself(tmp_path):
    folder = tmp_path / "run" / "texts"
    folder.mkdir(parents=True)
    for suffix in ("en", "fr"):
        (folder / f"train.{suffix}").write_text("".join(f"dog {n}\n" for n in range(50)))
    files = resolve_parallel(folder / "train", "en", "fr")
    with pytest.raises(UserError, match=r"train\.en is an input, and would be overwritten"):
        hold_out(files, ("en", "fr"), tmp_path / "run")
    assert len(files.source.read_text().splitlines()) == 50
