"""Checks the arguments of Python callers: what was expected, what came, and what to pass."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from nmt.errors import LineError, UserError
from nmt.search.glossary import Glossary
from nmt.terminal import quoted

T = TypeVar("T")


def checked_lines(lines: Iterable[str], name: str = "lines") -> list[str]:
    """A list of the lines, each without its line feed, if it ends in one, and without halves of
    surrogate pairs, which are no text. Raises TypeError for what is no iterable of strings."""
    return [
        line.removesuffix("\n").encode("utf-8", "ignore").decode("utf-8")
        for line in _strings(lines, name)
    ]


def checked_pairs(sources: Iterable[str], targets: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of lines. Raises UserError unless there are equally many, each a single line."""
    sources, targets = checked_lines(sources, "sources"), checked_lines(targets, "targets")
    if len(sources) != len(targets):
        raise UserError(
            f"source and target must have equally many lines. Received: {len(sources)} and"
            f" {len(targets)}."
        )
    pairs = list(zip(sources, targets, strict=True))
    for index, pair in enumerate(pairs):
        for line in pair:
            try:
                check_single_line(line)
            except UserError as error:
                raise LineError(index, str(error)) from None
    return pairs


def check_single_line(line: str) -> None:
    if "\n" in line:
        raise UserError(
            f"a line must not contain a line feed. Received: {quoted(line)}. Pass its lines"
            " one by one: text.splitlines()."
        )


def checked_phrases(phrases: Iterable[str], name: str) -> list[str]:
    """Raises TypeError for what is no iterable of strings."""
    return _strings(phrases, name)


def checked_glossary(glossary: Glossary | Mapping[str, str] | None) -> Glossary | None:
    """A glossary; a mapping becomes one. Raises TypeError for anything else."""
    if glossary is None or isinstance(glossary, Glossary):
        return glossary
    if not isinstance(glossary, Mapping):
        raise TypeError(
            "glossary must map source phrases to target phrases, or be a Glossary, such as"
            f" Glossary.load(path) of nmt.search.glossary. Received: {_described(glossary)}."
        )
    return Glossary(checked_mapping(glossary, "glossary").items())


def checked_mapping(mapping: Mapping[str, str], name: str) -> Mapping[str, str]:
    """Raises TypeError for what does not map strings to strings."""
    if not isinstance(mapping, Mapping):
        raise TypeError(f"{name} must map strings to strings. Received: {_described(mapping)}.")
    for key, value in mapping.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"{name} must map strings to strings. Received: {key!r}: {value!r}.")
    return mapping


def checked_translators(translators: Iterable[T], kind: type[T]) -> list[T]:
    """A list of the translators. Raises TypeError for what is no iterable of these, and UserError
    for none."""
    if not isinstance(translators, Iterable):
        raise TypeError(
            f"translators must be an iterable of them. Received: {_described(translators)}."
        )
    found = list(translators)
    for index, one in enumerate(found):
        if not isinstance(one, kind):
            raise TypeError(
                f"translators[{index}] must be a {kind.__name__}. Received: {_described(one)}. Use"
                f" {kind.__name__}.load."
            )
    if not found:
        raise UserError("an ensemble needs at least one translator. Received: none.")
    return found


def plain(value: Any) -> Any:
    """A number of NumPy as one of Python; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def checked_integer(number: int, name: str) -> int:
    """The integer, as Python's own. Raises TypeError for anything else."""
    number = plain(number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name} must be an integer. Received: {_described(number)}.")
    return number


def checked_count(count: int, name: str, least: int) -> int:
    count = checked_integer(count, name)
    if count < least:
        raise UserError(f"{name} must be at least {least}. Received: {count}.")
    return count


def _strings(strings: Iterable[str], name: str) -> list[str]:
    if isinstance(strings, str | bytes):
        raise TypeError(
            f"{name} must be an iterable of strings. Received: a single"
            f" {type(strings).__name__}, {quoted(strings)}. Wrap it in a list."
        )
    if not isinstance(strings, Iterable) or isinstance(strings, Mapping):
        raise TypeError(f"{name} must be an iterable of strings. Received: {_described(strings)}.")
    found = list(strings)
    for index, string in enumerate(found):
        if not isinstance(string, str):
            hint = " Decode it: line.decode()." if isinstance(string, bytes) else ""
            raise TypeError(
                f"{name}[{index}] must be a string. Received: {_described(string)}.{hint}"
            )
    return found


def _described(value: Any) -> str:
    return f"{quoted(value)} ({type(value).__name__})"
