"""Hashes of bands."""

import numpy as np
import pytest

from nmt.corpora.duplicates import ROWS, _mixed


@pytest.mark.parametrize("row", range(ROWS))
def test_each_row_of_a_band_changes_its_hash(row):
    generator = np.random.default_rng(1)
    rows = generator.integers(2**32, size=(1000, ROWS), dtype=np.uint64)
    other = rows.copy()
    other[:, row] = generator.integers(2**32, size=1000, dtype=np.uint64)
    assert (_mixed(rows) != _mixed(other)).sum() >= 999
    assert np.array_equal(_mixed(rows), _mixed(rows.copy()))
