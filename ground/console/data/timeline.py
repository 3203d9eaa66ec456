"""The windows of one flight in time order: for a chart, and the same in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import pyarrow as pa

from edge_agent.decision import ALARM, NOT_ASSESSED, RAISED
from edge_agent.frame import NS_PER_S

MOST_WINDOWS: Final = 4_000
"""Windows that a chart takes; of more, those with the highest score over threshold of each stretch are kept."""
MOST_STRETCHES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Windows in a row with the same answer.

    Attributes:
        from_s: Start of the first, from the first window's start.
        to_s: End of the last.
        phase: Flight phase.
        state: What was said of them.
        reason: Why they were not assessed; empty otherwise.
        windows: How many.
        highest: Highest score over threshold; 0 where not assessed.
    """

    from_s: float
    to_s: float
    phase: str
    state: str
    reason: str
    windows: int
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The windows of one flight.

    Attributes:
        first_ns: Source time of the first window's start.
        end_s: (n,) end of each window, from there.
        score: (n,) scores; NaN where not assessed, which a chart leaves out.
        threshold: (n,) thresholds, likewise.
        alarm: (n,) the score where the state is alarm.
        alerts_s: When alerts were raised, from there: ends of their windows.
        stretches: The same in words, the first ``MOST_STRETCHES``.
        n_stretch: How many there are.
        n_window: How many windows there are; ``end_s`` may hold fewer.
    """

    first_ns: int
    end_s: tuple[float, ...]
    score: tuple[float, ...]
    threshold: tuple[float, ...]
    alarm: tuple[float, ...]
    alerts_s: tuple[float, ...]
    stretches: tuple[Stretch, ...]
    n_stretch: int
    n_window: int


@dataclass(frozen=True, slots=True)
class _Window:
    start_ns: int
    end_ns: int
    phase: str
    state: str
    reason: str
    event: str
    score: float
    threshold: float

    @property
    def answer(self) -> tuple[str, str, str]:
        """What was said of it, and in which phase."""
        return self.phase, self.state, self.reason

    @property
    def is_assessed(self) -> bool:
        """Whether it has a score."""
        return self.state != NOT_ASSESSED

    @property
    def ratio(self) -> float:
        """Score over threshold; 0 where it has none."""
        return self.score / self.threshold if self.is_assessed and self.threshold > 0.0 else 0.0


NOTHING: Final = Timeline(
    first_ns=0, end_s=(), score=(), threshold=(), alarm=(), alerts_s=(), stretches=(), n_stretch=0, n_window=0
)


def timeline_of(windows: pa.Table) -> Timeline:
    """The timeline of the windows of one flight.

    Args:
        windows: At least the columns ``start_ns, end_ns, phase, state, reason, event, score, threshold``.
    """
    if not len(windows):
        return NOTHING
    ordered = windows.select(list(_Window.__slots__)).sort_by([("start_ns", "ascending"), ("end_ns", "ascending")])
    rows = [_Window(**row) for row in ordered.to_pylist()]
    first_ns = rows[0].start_ns
    stretches = [_stretch(list(group), first_ns) for _, group in groupby(rows, key=lambda row: row.answer)]
    shown = _thinned(rows)
    return Timeline(
        first_ns=first_ns,
        end_s=tuple((row.end_ns - first_ns) / NS_PER_S for row in shown),
        score=tuple(row.score if row.is_assessed else math.nan for row in shown),
        threshold=tuple(row.threshold if row.is_assessed else math.nan for row in shown),
        alarm=tuple(row.score if row.state == ALARM else math.nan for row in shown),
        alerts_s=tuple((row.end_ns - first_ns) / NS_PER_S for row in rows if row.event == RAISED),
        stretches=tuple(stretches[:MOST_STRETCHES]),
        n_stretch=len(stretches),
        n_window=len(rows),
    )


def _stretch(rows: Sequence[_Window], first_ns: int) -> Stretch:
    return Stretch(
        from_s=(rows[0].start_ns - first_ns) / NS_PER_S,
        to_s=(rows[-1].end_ns - first_ns) / NS_PER_S,
        phase=rows[0].phase,
        state=rows[0].state,
        reason=rows[0].reason,
        windows=len(rows),
        highest=max(row.ratio for row in rows),
    )


def _thinned(rows: Sequence[_Window]) -> Sequence[_Window]:
    """At most ``MOST_WINDOWS`` rows, the strangest of each run of neighbours and every alert among them."""
    if len(rows) <= MOST_WINDOWS:
        return rows
    step = -(-len(rows) // MOST_WINDOWS)
    runs = (rows[at : at + step] for at in range(0, len(rows), step))
    return [max(run, key=lambda row: (row.event == RAISED, row.ratio)) for run in runs]
