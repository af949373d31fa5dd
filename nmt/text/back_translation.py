"""The tag of sources that a model has written (tagged back-translation; Caswell et al., 2019).

In a training text such a source begins with `<BT> `. Training reads the tag as one id of its own,
and takes it off everything else that it learns from the text. Lines that are translated have no
tags: `<BT>` in one of them is text like any other.
"""

TAG = "<BT>"


def with_tag(line: str) -> str:
    return f"{TAG} {line}"


def without_tag(line: str) -> str:
    return line.removeprefix(f"{TAG} ")


def has_tag(line: str) -> bool:
    return line.startswith(f"{TAG} ")
