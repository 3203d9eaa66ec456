"""How the shafts turned during a record, from tachometer pulses or from reported speeds.

An order is a multiple of a shaft's speed: what follows it through a run-up needs the shaft's angle at every moment.
Between two pulses the angle is linear. Between two reports the speed is linear, and the angle is its integral.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.groups import REPORTED
from shared_features.speed_limits import speed_limits_hz

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared_features.groups import ShaftSpec
    from shared_features.spec import FeatureSpec

CONDITION_MISSING = "condition_missing"
TACH_LOSS = "tach_loss"
SPEED_OUT_OF_RANGE = "speed_out_of_range"

_GRID = 1024.0
"""Parts of a sample to which pulses are rounded (40 ns at 25.6 kHz): so their positions add up without rounding, and
are the same however the stream is cut."""
_PULSES_BEFORE = 2
"""Pulses at or before a record's start that tell how the shaft enters it."""
_UNKNOWN_RATIO = 0.25
"""Share of a record for which its reported speed may be unknown: it is then bridged."""
_PARTS = 16
"""Parts of a record whose mean speeds give its range: the jitter of single pulses must not widen it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rotation:
    """How one shaft turned during one record: pieces of parabolas.

    Attributes:
        reason: Why it is unknown or of no use; empty when it is neither.
        mean_hz: Mean speed over the record.
        low_hz: Lowest speed in the record.
        high_hz: Highest speed in the record.
        begin_n: (n_piece,) where the pieces begin, in samples from the record's start, ascending.
        turns: (n_piece,) revolutions there.
        speed: (n_piece,) revolutions per sample there.
        bend: (n_piece,) half of how much the speed changes from one sample to the next.
    """

    reason: str
    mean_hz: float
    low_hz: float
    high_hz: float
    begin_n: NDArray[np.float64]
    turns: NDArray[np.float64]
    speed: NDArray[np.float64]
    bend: NDArray[np.float64]

    def turns_at(self, position_n: NDArray[np.float64]) -> NDArray[np.float64]:
        """Revolutions at some positions of the record; only their differences mean anything.

        Args:
            position_n: (n,) float64, in samples from the record's start.

        Returns:
            (n,) float64.
        """
        if self.begin_n.size == 1:
            past_n = position_n - self.begin_n
            return np.asarray(self.turns + past_n * (self.speed + past_n * self.bend))
        piece = np.searchsorted(self.begin_n[1:], position_n, side="right")
        past_n = position_n - self.begin_n[piece]
        return np.asarray(self.turns[piece] + past_n * (self.speed[piece] + past_n * self.bend[piece]))


class RotationLog:
    """Notes what chunks tell of the shafts, and tells how they turned in each record; forgets what no record needs."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._logs = tuple(_log_of(spec, shaft) for shaft in spec.shafts)

    def note(self, position_n: int, speeds_hz: NDArray[np.float64], pulses: Mapping[str, NDArray[np.float64]]) -> None:
        """Take what a chunk tells, before a record that it completes is asked for.

        Args:
            position_n: Samples from the last gap to the chunk's first one; never less than before.
            speeds_hz: (n_speed,) speeds at the chunk's first sample, in the order of ``spec.speeds``; NaN if unknown.
            pulses: By shaft, (n_pulse,) ascending float64 tachometer pulses, in samples from the chunk's first one.
        """
        for log in self._logs:
            log.note(position_n, speeds_hz, pulses)

    def rotations(self, start_n: int) -> tuple[Rotation, ...]:
        """How the shafts turned in the record that begins at ``start_n``, in the order of ``spec.shafts``.

        What came after the record's end does not count, lest a stream that has not seen it yet differ. What lies
        before the record is forgotten.
        """
        return tuple(log.rotation(start_n) for log in self._logs)

    def reset(self) -> None:
        """Forget everything before a gap."""
        for log in self._logs:
            log.reset()


def from_reports(
    positions_n: NDArray[np.float64], speeds_hz: NDArray[np.float64], record_n: int, rate_hz: float
) -> Rotation:
    """The rotation that some reported speeds describe.

    After the last report the speed goes on as between the last two, for as long as those were apart, and stays. One
    speed throughout gives the same bits wherever and however often it was reported.

    Args:
        positions_n: (n,) where the speeds were reported, in samples from the record's start, ascending.
        speeds_hz: (n,) the speeds, finite.
        record_n: Samples of the record.
        rate_hz: Samples per second.
    """
    if not speeds_hz.size:
        return _unknown(CONDITION_MISSING)
    if bool((speeds_hz == speeds_hz[0]).all()):
        return _steady(float(speeds_hz[0]), rate_hz)
    known_n = np.append(positions_n, 2.0 * positions_n[-1] - positions_n[-2])
    known_hz = np.append(speeds_hz, 2.0 * speeds_hz[-1] - speeds_hz[-2])
    inside = (known_n > 0.0) & (known_n < record_n)
    knots_n = np.concatenate([[0.0], known_n[inside], [float(record_n)]])
    knots_hz = np.concatenate(
        [
            [_speed_at(0.0, known_n, known_hz)],
            known_hz[inside],
            [_speed_at(float(record_n), known_n, known_hz)],
        ]
    )
    length_n = knots_n[1:] - knots_n[:-1]
    speed = knots_hz / rate_hz
    turns = np.cumsum(length_n * (0.5 * (speed[:-1] + speed[1:])))
    return Rotation(
        reason="",
        mean_hz=float(turns[-1]) * rate_hz / record_n,
        low_hz=float(knots_hz.min()),
        high_hz=float(knots_hz.max()),
        begin_n=knots_n[:-1],
        turns=np.concatenate([[0.0], turns[:-1]]),
        speed=speed[:-1],
        bend=0.5 * (speed[1:] - speed[:-1]) / length_n,
    )


def _speed_at(position_n: float, known_n: NDArray[np.float64], known_hz: NDArray[np.float64]) -> float:
    """Linear between known speeds, and constant outside; not by ``np.interp``, whose bits are the compiler's choice."""
    after = int(np.searchsorted(known_n, position_n, side="right"))
    if after in (0, known_n.size):
        return float(known_hz[min(after, known_n.size - 1)])
    share = (position_n - float(known_n[after - 1])) / float(known_n[after] - known_n[after - 1])
    return float(known_hz[after - 1]) + share * float(known_hz[after] - known_hz[after - 1])


def from_pulses(
    pulses_n: NDArray[np.float64], pulses_per_rev: float, record_n: int, rate_hz: float, gap_ratio: float
) -> Rotation:
    """The rotation that tachometer pulses describe; at the edges it goes on as between the nearest two.

    Args:
        pulses_n: (n,) ascending positions of the pulses, in samples from the record's start.
        pulses_per_rev: Pulses of one revolution.
        record_n: Samples of the record.
        rate_hz: Samples per second.
        gap_ratio: By which share neighbouring intervals may differ before a pulse is missing or doubled.
    """
    if not _complete(pulses_n, record_n, gap_ratio):
        return _unknown(TACH_LOSS)
    speed = 1.0 / (pulses_per_rev * (pulses_n[1:] - pulses_n[:-1]))
    turns = np.arange(float(speed.size)) / pulses_per_rev
    ends_n = np.arange(_PARTS + 1.0) * (record_n / _PARTS)
    piece = np.searchsorted(pulses_n[1:-1], ends_n, side="right")
    at_ends = turns[piece] + (ends_n - pulses_n[piece]) * speed[piece]
    part_hz = (at_ends[1:] - at_ends[:-1]) * (_PARTS * rate_hz / record_n)
    return Rotation(
        reason="",
        mean_hz=float(at_ends[-1] - at_ends[0]) * rate_hz / record_n,
        low_hz=float(part_hz.min()),
        high_hz=float(part_hz.max()),
        begin_n=pulses_n[:-1],
        turns=turns,
        speed=speed,
        bend=np.zeros(speed.size),
    )


def _complete(pulses_n: NDArray[np.float64], record_n: int, gap_ratio: float) -> bool:
    """Whether there are enough pulses, none missing and none doubled, from the record's start to its end."""
    if pulses_n.size < _PULSES_BEFORE:
        return False
    interval_n = pulses_n[1:] - pulses_n[:-1]
    # Neighbours are compared, not all with one: a shaft may run up to twice its speed within a record.
    factor = 1.0 + gap_ratio
    longer_n = np.maximum(interval_n[1:], interval_n[:-1])
    shorter_n = np.minimum(interval_n[1:], interval_n[:-1])
    # A sample more is no missing pulse where pulses come in whole samples.
    steady = bool((longer_n <= factor * shorter_n + 1.0).all())
    enters = float(pulses_n[0]) <= factor * float(interval_n[0])
    leaves = record_n - float(pulses_n[-1]) <= factor * float(interval_n[-1])
    return float(interval_n.min()) > 0.0 and steady and enters and leaves


@lru_cache(maxsize=64)
def _steady(speed_hz: float, rate_hz: float) -> Rotation:
    """One object for one speed: what follows from it is then known from the record before."""
    zero, speed = np.zeros(1), np.array([speed_hz / rate_hz])
    zero.flags.writeable = speed.flags.writeable = False
    return Rotation(
        reason="", mean_hz=speed_hz, low_hz=speed_hz, high_hz=speed_hz, begin_n=zero, turns=zero, speed=speed, bend=zero
    )


def _unknown(reason: str) -> Rotation:
    return replace(_steady(0.0, 1.0), reason=reason)


class _Reports:
    """Reported speeds of one shaft."""

    def __init__(self, spec: FeatureSpec, shaft: ShaftSpec) -> None:
        self._spec = spec
        self._column = spec.speeds.index(f"{shaft.name}_hz")
        self._limits_hz = speed_limits_hz(spec, shaft.name)
        self.reset()

    def reset(self) -> None:
        self._positions_n: list[int] = []
        self._speeds_hz: list[float] = []

    def note(self, position_n: int, speeds_hz: NDArray[np.float64], _: Mapping[str, NDArray[np.float64]]) -> None:
        # Chunks without samples may come without end: the last word on a position is the one that counts.
        if not self._positions_n or self._positions_n[-1] < position_n:
            self._positions_n.append(position_n)
            self._speeds_hz.append(0.0)
        self._speeds_hz[-1] = float(speeds_hz[self._column])

    def rotation(self, start_n: int) -> Rotation:
        in_force = max(bisect_right(self._positions_n, start_n) - 1, 0)
        before = max(in_force - 1, 0)
        del self._positions_n[:before], self._speeds_hz[:before]
        end = bisect_left(self._positions_n, start_n + self._spec.record_n)
        told_hz = self._speeds_hz[:end]
        if end and math.isfinite(told_hz[0]) and told_hz.count(told_hz[0]) == end:
            return _within(_steady(told_hz[0], self._spec.sampling_rate_hz), self._limits_hz)
        return _within(self._changing(start_n, in_force - before, end), self._limits_hz)

    def _changing(self, start_n: int, in_force: int, end: int) -> Rotation:
        """The rotation by the first ``end`` kept reports, of which the one ``in_force`` holds at the record's start."""
        positions_n = np.array(self._positions_n[:end], dtype=np.float64) - start_n
        speeds_hz = np.array(self._speeds_hz[:end])
        known = np.isfinite(speeds_hz)
        edges_n = np.append(positions_n.clip(0.0, None), float(self._spec.record_n))
        if np.add.reduce(np.where(known, 0.0, edges_n[1:] - edges_n[:-1])) > _UNKNOWN_RATIO * self._spec.record_n:
            return _unknown(CONDITION_MISSING)
        # The report before the one in force counts where no other tells how the speed was changing.
        known[:in_force] &= end == in_force + 1 and bool(known[-1])
        return from_reports(positions_n[known], speeds_hz[known], self._spec.record_n, self._spec.sampling_rate_hz)


class _Pulses:
    """Tachometer pulses of one shaft."""

    def __init__(self, spec: FeatureSpec, shaft: ShaftSpec) -> None:
        self._spec = spec
        self._shaft = shaft
        self._limits_hz = speed_limits_hz(spec, shaft.name)
        self.reset()

    def reset(self) -> None:
        self._pulses_n = np.zeros(0)

    def note(self, position_n: int, _: NDArray[np.float64], pulses: Mapping[str, NDArray[np.float64]]) -> None:
        new_n = pulses.get(self._shaft.name)
        if new_n is not None and new_n.size:
            self._pulses_n = np.concatenate([self._pulses_n, np.rint(new_n * _GRID) / _GRID + position_n])

    def rotation(self, start_n: int) -> Rotation:
        record_n = self._spec.record_n
        first = max(int(np.searchsorted(self._pulses_n, start_n, side="right")) - _PULSES_BEFORE, 0)
        end = int(np.searchsorted(self._pulses_n, start_n + record_n))
        pulses_n = self._pulses_n[first:end] - start_n
        self._pulses_n = self._pulses_n[first:]
        ratio = self._spec.quality.tach_gap_ratio
        found = from_pulses(pulses_n, self._shaft.pulses_per_rev, record_n, self._spec.sampling_rate_hz, ratio)
        return _within(found, self._limits_hz)


def _log_of(spec: FeatureSpec, shaft: ShaftSpec) -> _Reports | _Pulses:
    return _Reports(spec, shaft) if shaft.source == REPORTED else _Pulses(spec, shaft)


def _within(rotation: Rotation, limits_hz: tuple[float, float]) -> Rotation:
    low_hz, high_hz = limits_hz
    inside = 0.0 < rotation.low_hz >= low_hz and rotation.high_hz <= high_hz
    return rotation if rotation.reason or inside else replace(rotation, reason=SPEED_OUT_OF_RANGE)
