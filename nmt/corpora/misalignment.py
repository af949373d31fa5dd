"""Stretches of pairs that do not belong together, from a score of each pair."""

import numpy as np

MIN_PAIRS = 3
LIMIT = 10.0  # of a score: no single pair decides about its neighbours
CHANGE = 10.0  # what the beginning and the end of a stretch cost, each


def stretches(scores: np.ndarray) -> list[tuple[int, int]]:
    """[start, end) of the stretches in which the pairs are unrelated.

    `scores` are log p(target | source) - log p(target). The most probable sequence of two states
    is found (Viterbi): related pairs score what they score, unrelated ones 0, and each change of
    state costs CHANGE.
    """
    related, unrelated = 0.0, -CHANGE
    from_other = np.zeros((len(scores), 2), bool)  # for (related, unrelated)
    for index, score in enumerate(np.clip(scores, -LIMIT, LIMIT).tolist()):
        from_other[index] = unrelated - CHANGE > related, related - CHANGE > unrelated
        related, unrelated = (
            max(related, unrelated - CHANGE) + score,
            max(unrelated, related - CHANGE),
        )
    state = int(unrelated > related)
    found: list[tuple[int, int]] = []
    end = len(scores)
    for index in range(len(scores) - 1, -1, -1):
        if from_other[index, state]:
            if state:
                found.append((index, end))
            end, state = index, 1 - state
    if state and len(scores):
        found.append((0, end))
    return [stretch for stretch in reversed(found) if stretch[1] - stretch[0] >= MIN_PAIRS]
