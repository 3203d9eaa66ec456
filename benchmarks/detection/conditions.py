"""Operating conditions of recordings as levels: numbers that are nearly the same are one, text is itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

NO_LEVEL: Final = -1
SAME_RATIO = 0.02
"""Numbers this near to each other are one level: a nominal speed is held no better."""

_COLUMNS = {"speed": "speed_rpm", "load": "load", "condition": "condition"}
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_NOTHING = frozenset({"none", "no", "no load", "unloaded", "idle"})
"""Words for a load of zero."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of one condition.

    Attributes:
        level: (n,) number of the level of each window, ``NO_LEVEL`` where its recording states none; numbers of
            ordered levels ascend with the value.
        names: What each level is called.
        is_ordered: Whether the values are numbers, so that one can lie between others.
    """

    level: NDArray[np.int64]
    names: tuple[str, ...]
    is_ordered: bool


def levels_of(rows: pd.DataFrame, name: str) -> Levels:
    """The levels of ``speed``, ``load`` or ``condition``; the last one only where neither of the others is stated.

    Args:
        rows: (n) windows with ``speed_rpm``, ``load`` and ``condition`` as text.
        name: Which.
    """
    texts = rows[_COLUMNS[name]].to_numpy(dtype=str)
    stated = [column for column in ("speed_rpm", "load") if (rows[column] != "").any()]
    if name == "condition" and stated:
        texts = np.full(len(rows), "")
    different = sorted(set(texts) - {""})
    numbers = {text: _number(text) for text in different}
    if all(np.isfinite(list(numbers.values()))):
        return _ordered(texts, numbers)
    number = {text: index for index, text in enumerate(different)}
    level = np.array([number.get(text, NO_LEVEL) for text in texts], dtype=np.int64)
    return Levels(level, tuple(different), is_ordered=False)


def _ordered(texts: NDArray[np.str_], numbers: dict[str, float]) -> Levels:
    level: dict[str, int] = {}
    names: list[str] = []
    begin = -np.inf
    for text, value in sorted(numbers.items(), key=lambda item: item[1]):
        if not names or value > begin + SAME_RATIO * abs(begin):
            names.append(text)
            begin = value
        level[text] = len(names) - 1
    found = np.array([level.get(text, NO_LEVEL) for text in texts], dtype=np.int64)
    return Levels(found, tuple(names), is_ordered=True)


def _number(text: str) -> float:
    """The number that a cell begins with; NaN where it holds none, or several that might be meant."""
    if text.lower() in _NOTHING:
        return 0.0
    found = _NUMBER.findall(text)
    return float(found[0]) if len(found) == 1 and text.startswith(found[0]) else float("nan")
