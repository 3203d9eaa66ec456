"""Which recordings a list like ``preprocess.leave_out`` names: by their own names, or by those of their source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ground.index_cells import ORIGINALS

_ID = "recording_id"


def names_of(row: Mapping[str, str]) -> frozenset[str]:
    """The names by which a recording may be left out: that of its row, and the one that this took the place of."""
    return frozenset((row[_ID], row.get(ORIGINALS[_ID]) or row[_ID]))


def is_left_out(row: Mapping[str, str], names: Collection[str]) -> bool:
    """Whether the recording of a row is among ``names``."""
    return any(name in names for name in names_of(row))


def unknown_names(rows: Iterable[Mapping[str, str]], names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` that no row has, in their order."""
    known = {name for row in rows for name in names_of(row)}
    return tuple(name for name in dict.fromkeys(names) if name not in known)
