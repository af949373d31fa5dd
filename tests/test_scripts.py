"""The scripts that make text, by hand."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def run_script(tmp_path):
    """A script over files of these lines, in this order -> what it prints, as lines."""

    def run(name: str, *files: list[str]) -> list[str]:
        paths = [tmp_path / str(number) for number in range(len(files))]
        for path, lines in zip(paths, files, strict=True):
            path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        command = [sys.executable, SCRIPTS / name, *paths]
        return subprocess.run(
            command, check=True, capture_output=True, encoding="utf-8"
        ).stdout.splitlines()

    return run


def test_a_student_reads_all_pairs_then_the_best_translations_and_the_closest_if_they_are_others(
    run_script,
):
    translations = [
        "0 ||| un chien noir ||| -0.1",  # the best
        "0 ||| le chien dort ||| -0.2",  # the reference
        "1 ||| un chat ||| -0.1",  # both
        "1 ||| des chats ||| -0.3",
    ]
    table = run_script(
        "distilled_text.py", translations, ["the dog sleeps", "a cat"], ["le chien dort", "un chat"]
    )
    assert table == [
        "the dog sleeps\tle chien dort",
        "a cat\tun chat",
        "the dog sleeps\tun chien noir",
        "the dog sleeps\tle chien dort",
        "a cat\tun chat",
    ]


def test_new_sources_are_new_two_of_each_target_at_most_and_of_known_words(run_script):
    samples = [
        "0 ||| A dog sleeps. ||| -0.1",  # in the text
        "0 ||| A cat sleeps. ||| -0.2",
        "0 ||| A cat sleeps. ||| -0.2",  # again
        "0 ||| A gnu sleeps. ||| -0.3",  # the second of two, but an unknown word
        "0 ||| The dog runs. ||| -0.4",  # a third
        "1 |||  ||| -0.1",
        "1 ||| A cat sleeps. ||| -0.2",  # another target had it
        "1 ||| the DOG ||| runs ||| -0.3",
    ]
    found = run_script("new_sources.py", samples, ["A dog sleeps.", "The cat runs."])
    assert found == ["A cat sleeps.", "the DOG ||| runs"]
