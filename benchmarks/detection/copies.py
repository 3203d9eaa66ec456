"""Recordings that hold the same samples under two names: one of them would train and the other be examined."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.normalised import is_assessed
from benchmarks.detection.parts import recording_parts
from ground.recording_index import INDEX_NAME
from ground.window_table import WindowTable

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_NAMED = 5


def copies_of(table: WindowTable) -> dict[str, str]:
    """Each recording whose windows have the features of an earlier one's, in the order of their names, and that one.

    Recordings that stand still, all windows equal, are no copies of each other; so one of a single window, which may
    stand still, is not found, nor are excerpts of each other.

    Args:
        table: Windows in physical units.
    """
    names = table.rows["recording_id"].to_numpy(dtype=object)
    assessed = is_assessed(table)
    first: dict[str, str] = {}
    copies: dict[str, str] = {}
    for part in recording_parts(table.rows):
        values = np.ascontiguousarray(table.values[part[assessed[part]]])
        if not len(values) or (values == values[0]).all():
            continue
        name = str(names[part[0]])
        original = first.setdefault(hashlib.sha256(values.tobytes()).hexdigest(), name)
        if original != name:
            copies[name] = original
    return copies


def doubts_of(copies: Mapping[str, str]) -> tuple[str, ...]:
    """What is to be said of them; nothing where there are none.

    Args:
        copies: See ``copies_of``.
    """
    named = list(copies.items())[:_MOST_NAMED]
    told = (f"{copy} holds the samples of {first}: left out; remove one from {INDEX_NAME}" for copy, first in named)
    more = len(copies) - len(named)
    return (*told, *((f"{more} more recordings hold the samples of others: left out",) if more else ()))


def without(table: WindowTable, recordings: Mapping[str, str]) -> WindowTable:
    """The windows of all other recordings."""
    kept = ~table.rows["recording_id"].isin(list(recordings)).to_numpy(dtype=bool)
    return WindowTable(table.rows[kept].reset_index(drop=True), table.values[kept])
