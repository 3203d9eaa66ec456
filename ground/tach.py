"""Tachometers of recordings: from a column of levels to the positions of pulses, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ground.recording import Stretch
from ground.recording_files import TACHS, SampleFile

_PREFIX = "tach_"
_LEVEL = 0.5
"""A pulse begins at the sample above it whose predecessor is not."""


def tach_pulses(file: SampleFile, first_n: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Where the pulses of a raw file begin: by shaft name, (n_pulse,) numbers of samples, ascending.

    A level that is high at the first sample of a stretch rose during the gap before it, so no pulse begins there.

    Args:
        file: A raw file; a shaft without a column is not in the result.
        first_n: (n_stretch,) number of each stretch's first sample.

    Raises:
        DataError: A tachometer's column holds no numbers.
    """
    pulses = {shaft: rising_edges(file.numbers(name)) for shaft, name in _columns(file)}
    return {shaft: found[~np.isin(found, first_n)] for shaft, found in pulses.items()}


def tach_levels(file: SampleFile) -> list[tuple[str, str, NDArray[np.generic]]]:
    """The shafts of a file that have a tachometer, its column, and the levels (n,) in it.

    Raises:
        DataError: A column holds no numbers.
    """
    return [(shaft, name, file.numbers(name)) for shaft, name in _columns(file)]


def marked_pulses(file: SampleFile) -> dict[str, NDArray[np.int64]]:
    """The same of an interim file, or of a part of one: each sample that is marked is a pulse, whatever precedes it."""
    return {shaft: np.flatnonzero(file.numbers(name)) for shaft, name in _columns(file)}


def rising_edges(levels: NDArray[np.generic]) -> NDArray[np.int64]:
    """Numbers of the samples of ``levels`` (n,) at which a pulse begins; the first has no predecessor, so none does."""
    high = np.greater(levels, _LEVEL)
    return np.flatnonzero(high[1:] & ~high[:-1]) + 1


def pulses_between(
    pulses: Mapping[str, NDArray[np.int64]], first_n: int, last_n: int
) -> dict[str, NDArray[np.float64]]:
    """The pulses from ``first_n`` to before ``last_n``, counted from ``first_n``; read-only."""
    found = {}
    for shaft, positions in pulses.items():
        inside = positions[slice(*np.searchsorted(positions, (first_n, last_n)))]
        found[shaft] = (inside - first_n).astype(np.float64)
        found[shaft].flags.writeable = False
    return found


def tach_columns(stretches: Sequence[Stretch]) -> dict[str, NDArray[np.int8]]:
    """The columns that give the pulses of ``stretches`` again: (n,) int8, 1 at the sample where a pulse begins."""
    return {
        f"{_PREFIX}{shaft}": np.concatenate([_levels(len(part.samples), part.tach[shaft]) for part in stretches])
        for shaft in stretches[0].tach
    }


def _levels(n: int, pulses: NDArray[np.float64]) -> NDArray[np.int8]:
    levels = np.zeros(n, dtype=np.int8)
    levels[pulses.astype(np.int64)] = 1
    return levels


def _columns(file: SampleFile) -> list[tuple[str, str]]:
    """The shafts of a file that have a tachometer, and its column."""
    return [(name.removeprefix(_PREFIX), name) for name in TACHS if file.has(name)]
