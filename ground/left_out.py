"""Which recordings a list like ``preprocess.leave_out`` names: by their own names, or by those of their source."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from ground.errors import DataError
from ground.index_cells import ORIGINALS
from ground.workspace import write_atomic

LEFT_OUT_JSON: Final = "left_out.json"
"""Beside the raw index: names of recordings of the source that were left out, so that a later slip in a name shows."""

_ID = "recording_id"
_MOST_NAMED = 5


def names_of(row: Mapping[str, str]) -> frozenset[str]:
    """The names by which a recording may be left out: that of its row, and the one that this took the place of."""
    return frozenset((row[_ID], row.get(ORIGINALS[_ID]) or row[_ID]))


def is_left_out(row: Mapping[str, str], names: Collection[str]) -> bool:
    """Whether the recording of a row is among ``names``."""
    return any(name in names for name in names_of(row))


def unknown_names(
    rows: Iterable[Mapping[str, str]], names: Iterable[str], *, known: Collection[str]
) -> tuple[str, ...]:
    """Those of ``names`` that no row has and that are not ``known`` otherwise, in their order."""
    there = {name for row in rows for name in names_of(row)}.union(known)
    return tuple(name for name in dict.fromkeys(names) if name not in there)


def unknown_note(unknown: Collection[str], *, whose: str, unless: str) -> tuple[str, ...]:
    """What is to be said of names that no recording has; nothing where there are none.

    Args:
        unknown: The names.
        whose: Recordings of what they were looked for among.
        unless: What else may be the reason, beside a slip.
    """
    if not unknown:
        return ()
    more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
    named = f"preprocess.leave_out: no {whose} is named {', '.join([*unknown][:_MOST_NAMED])}{more}"
    return (f"{named}; correct the config, unless {unless}",)


def read_left_out(raw: Path) -> frozenset[str]:
    """The names that imports into ``raw`` have left out.

    Raises:
        DataError: The file is damaged.
    """
    path = raw / LEFT_OUT_JSON
    try:
        return frozenset(map(str, json.loads(path.read_bytes()))) if path.exists() else frozenset()
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: expected a list of names, got {error}; remove it and import again") from error


def write_left_out(raw: Path, names: Collection[str]) -> None:
    """Add to the names that imports into ``raw`` have left out.

    Args:
        raw: The folder.
        names: Those of this import.

    Raises:
        DataError: The file of earlier imports is damaged.
        OSError: It cannot be written.
    """
    known = read_left_out(raw)
    if not known.issuperset(names):
        write_atomic(raw / LEFT_OUT_JSON, json.dumps(sorted(known.union(names)), indent=1).encode() + b"\n")
