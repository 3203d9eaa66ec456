"""Rows by name are those that a look at every row for each name would find."""

from __future__ import annotations

import numpy as np

from ground.row_groups import rows_by_name


def test_rows_are_those_of_a_search_for_each_name():
    """Ascending, of the chosen rows alone, and the names in their order."""
    rng = np.random.default_rng(1)
    names = rng.choice([f"r{n}" for n in range(40)], 1000)
    chosen = rng.random(1000) < 0.05
    found = rows_by_name(names, chosen)
    assert list(found) == np.unique(names[chosen]).tolist()
    for name, rows in found.items():
        assert rows.tolist() == np.flatnonzero(chosen & (names == name)).tolist()


def test_nothing_chosen_has_no_names():
    """Also of a table without rows."""
    assert rows_by_name(np.array(["a", "a"]), np.zeros(2, dtype=bool)) == {}
    assert rows_by_name(np.array([], dtype=str), np.zeros(0, dtype=bool)) == {}
