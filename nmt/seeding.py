"""Every random choice is seeded by a hash of the run's seed and the name of who asks."""

import hashlib


def derive_seed(seed: int, *path: str | int) -> int:
    """A seed in [0, 2**31) that depends on `seed` and `path` alone.

    One more layer, or another order of construction, must not shift the randomness of all later
    ones: otherwise no two variants of a model could be compared.
    """
    text = "/".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
