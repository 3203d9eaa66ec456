"""Split, folds and persistence that fit the number of recordings. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ground.initialise.selection import Rig
from ground.initialise.spans import Spans

BY_UNIT = "by_unit"
BY_TIME = "by_time"
FEWEST_UNITS = 8
"""Healthy specimens from which on whole ones can be kept apart: two for each role."""
WINDOWS_OF_A_CUT = 25
"""Windows side by side in healthy time that is cut into four roles, with a window's gap between them."""
FIT = 0.5
CALIBRATION = 0.25
MOST_FOLDS = 5
FEWEST_FOLDS = 2

_MEMORY = 5
_VOTES = {1: 1, 2: 2, 3: 2, 4: 3, 5: 3}
"""Windows above the threshold that raise an alarm, by the length of the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealing:
    """How healthy time is dealt, and how windows become an alarm."""

    strategy: str
    folds: int
    k: int
    n: int


def choose_strategy(rig: Rig) -> str:
    """``by_unit`` where there are specimens enough, else ``by_time``."""
    return BY_UNIT if len(rig.healthy_units) >= FEWEST_UNITS else BY_TIME


def longest_window_n(rig: Rig, strategy: str) -> int:
    """The longest window that leaves each role some, in the recording with the most healthy time."""
    most_n = max(int(facts.healthy_n.sum()) for facts in rig.healthy)
    return most_n if strategy == BY_UNIT or len(rig.healthy) >= FEWEST_UNITS else max(1, most_n // WINDOWS_OF_A_CUT)


def choose_dealing(rig: Rig, spans: Spans, strategy: str) -> Dealing:
    """Folds and persistence: the middle healthy recording must hold an alarm, its calibration part where it is cut."""
    each = sorted(sum(spans.windows(n) for n in facts.healthy_n.tolist()) for facts in rig.healthy)
    usual = each[len(each) // 2] * (CALIBRATION if strategy == BY_TIME and len(rig.healthy) < FEWEST_UNITS else 1.0)
    n = max(1, min(_MEMORY, int(usual)))
    return Dealing(strategy=strategy, folds=_folds(rig, strategy), k=_VOTES[n], n=n)


def _folds(rig: Rig, strategy: str) -> int:
    """No more than there are groups with healthy, and with faulty windows."""
    faulty = [facts for facts in rig.taken if facts.faulty_n]
    if strategy == BY_UNIT:
        groups = (len(rig.healthy_units), len({facts.info.unit_id for facts in faulty}))
    else:
        groups = (len(rig.healthy), len(faulty))
    return max(FEWEST_FOLDS, min(MOST_FOLDS, *groups))
