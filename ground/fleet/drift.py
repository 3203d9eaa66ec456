"""Drift of a fleet: whether the flights of late look other than those before, feature by feature and phase by phase.

Windows of one flight resemble each other, and so do flights of one engine; so a flight gives one number a feature and
phase, its mean, and flights are exchanged within their engine only. The test is a permutation test on the largest
standardised difference of all (Westfall and Young 1993, "Resampling-based multiple testing"): among hundreds of
features the chance that any of them is called drift by accident is the level, not the level of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEAST_WINDOWS: Final = 10
"""A flight with fewer windows in a phase says too little of it."""
LEAST_FLIGHTS: Final = 8
"""Of the reference, and of a block, by engines that have both."""
OWN_REFERENCE: Final = 4
"""The first flights of an engine that is not among the fleet's first: else a large fleet has hardly any reference."""
PERMUTATIONS: Final = 4_999
FALSE_TRIGGERS_PER_FLIGHT: Final = 1e-3
NAMED: Final = 10
_AT_ONCE: Final = 500
_SAME: Final = 1.0 - 1e-9
"""Exchanges that give the same difference give it but for rounding: with few flights there are many of them."""
_NO_SPREAD: Final = 1e-9
"""Flights that differ by less, in spreads of the scaler, differ by rounding."""
_TINY = 1e-300


class Outcome(Enum):
    """What a block of flights says."""

    STEADY = "steady"
    DRIFT = "drift"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightMeans:
    """One flight of one engine.

    Attributes:
        engine: ``aircraft/engine``.
        flight: Its identity.
        from_ns: Source time at which it began.
        means: By phase, (n_feature,) float64 means of its scaled features.
    """

    engine: str
    flight: str
    from_ns: int
    means: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A feature that moved.

    Attributes:
        phase: Where.
        feature: Its place in the feature vector.
        spreads: By how much its mean over flights moved, in the scaler's spreads.
        statistic: The same over its standard error under no drift.
    """

    phase: str
    feature: int
    spreads: float
    statistic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTest:
    """The test of one block of flights.

    Attributes:
        outcome: What it says.
        p: Chance of so large a difference without drift; 1 where there were too few flights.
        level: What ``p`` was held against.
        reference: Flights of the reference that took part.
        flights: Flights of the block that took part.
        left_out: Flights of the block whose engine has no flight in the reference.
        shifts: The features that moved most, largest first; those of a steady block are not news.
    """

    outcome: Outcome
    p: float
    level: float
    reference: int
    flights: int
    left_out: int
    shifts: tuple[Shift, ...]


def level_of(block: int) -> float:
    """The level at which blocks of so many flights give one false trigger in a thousand flights."""
    return min(1.0, FALSE_TRIGGERS_PER_FLIGHT * block)


def divided(flights: Sequence[FlightMeans], reference: int) -> tuple[list[FlightMeans], list[FlightMeans]]:
    """The flights that tell what is usual, and those of late.

    Usual are the first flights of the fleet, and of each engine that is not among these its first ``OWN_REFERENCE``: it
    is held against its own beginning. Flights that come later change no block of those before.

    Args:
        flights: In the order in which they were heard of.
        reference: How many the first ones of the fleet are.
    """
    usual, late = list(flights[:reference]), list[FlightMeans]()
    first, own = {each.engine for each in usual}, Counter[str]()
    for each in flights[reference:]:
        is_usual = each.engine not in first and own[each.engine] < OWN_REFERENCE
        own[each.engine] += is_usual
        (usual if is_usual else late).append(each)
    return usual, late


def check_block(
    reference: Sequence[FlightMeans], block: Sequence[FlightMeans], *, seed: int, permutations: int = PERMUTATIONS
) -> BlockTest:
    """Hold a block of flights against a reference.

    Args:
        reference: Flights of before.
        block: Flights of late.
        seed: Of the permutations.
        permutations: How many.
    """
    known = {each.engine for each in reference} & {each.engine for each in block}
    before = [each for each in reference if each.engine in known]
    after = [each for each in block if each.engine in known]
    level = level_of(len(block))
    enough = min(len(before), len(after)) >= LEAST_FLIGHTS
    places, values = _table([*before, *after]) if enough else ([], np.zeros((0, 0)))
    if not places:
        return BlockTest(
            outcome=Outcome.INSUFFICIENT, p=1.0, level=level, reference=len(before), flights=len(after),
            left_out=len(block) - len(after), shifts=(),
        )  # fmt: skip
    engines = np.array([each.engine for each in (*before, *after)])
    flown = _Flown(*_centred(values, engines), late=np.arange(len(values)) >= len(before), engines=engines)
    statistic, moved = flown.difference()
    rng = np.random.default_rng(seed)
    largest = float(np.max(np.abs(statistic))) * _SAME
    exceeded = sum(
        int(np.count_nonzero(flown.largest_of(rng, min(_AT_ONCE, permutations - begin)) >= largest))
        for begin in range(0, permutations, _AT_ONCE)
    )
    p = (1 + exceeded) / (1 + permutations)
    return BlockTest(
        outcome=Outcome.DRIFT if p <= level else Outcome.STEADY, p=p, level=level, reference=len(before),
        flights=len(after), left_out=len(block) - len(after), shifts=_shifts(places, statistic, moved),
    )  # fmt: skip


def _table(flights: Sequence[FlightMeans]) -> tuple[list[tuple[str, int]], NDArray[np.float64]]:
    """Place of each column, and (n_flight, n_column) means; NaN where a flight lacks a phase.

    Phases of too few flights are left out: a phase that hardly occurs cannot drift.
    """
    phases = sorted({phase for each in flights for phase in each.means})
    common = [phase for phase in phases if sum(phase in each.means for each in flights) >= 2 * LEAST_FLIGHTS]
    if not common:
        return [], np.zeros((len(flights), 0))
    n_feature = len(next(iter(flights[0].means.values())))
    nothing = np.full(n_feature, np.nan)
    values = np.array([np.concatenate([each.means.get(phase, nothing) for phase in common]) for each in flights])
    return [(phase, feature) for phase in common for feature in range(n_feature)], values


def _centred(values: NDArray[np.float64], engines: NDArray[np.str_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each flight less the mean of its engine, 0 where it is missing; and the spread of that by column."""
    centred = np.zeros_like(values)
    spent = np.zeros(values.shape[1])
    for engine in np.unique(engines):
        rows = engines == engine
        present = np.isfinite(values[rows])
        n = present.sum(axis=0)
        mean = np.divide(np.nansum(values[rows], axis=0), n, out=np.zeros(values.shape[1]), where=n > 0)
        centred[rows] = np.where(present, values[rows] - mean, 0.0)
        spent += n > 0
    freedom = np.maximum(np.isfinite(values).sum(axis=0) - spent, 1.0)
    scale = np.sqrt(np.add.reduce(centred * centred) / freedom)
    return centred, np.where(scale > _NO_SPREAD, scale, 0.0)


@dataclass(frozen=True, slots=True)
class _Flown:
    """Flights as the test sees them.

    Attributes:
        centred: (n_flight, n_column) means less those of the engine.
        scale: (n_column,) spread of these.
        late: (n_flight,) which are of the block.
        engines: (n_flight,) whose they are.
    """

    centred: NDArray[np.float64]
    scale: NDArray[np.float64]
    late: NDArray[np.bool_]
    engines: NDArray[np.str_]

    def difference(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n_column,) statistic, and the difference of the means in spreads."""
        weights = self._weights(self.late[np.newaxis])
        sums = weights @ self.centred
        return self._standard(sums, weights)[0], sums[0] / max(float(np.add.reduce(weights[0][self.late])), _TINY)

    def largest_of(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """(n,) the largest statistic of each of ``n`` exchanges of flights within their engines."""
        labels = np.repeat(self.late[np.newaxis], n, axis=0)
        for engine in np.unique(self.engines):
            rows = np.flatnonzero(self.engines == engine)
            labels[:, rows] = rng.permuted(labels[:, rows], axis=1)
        weights = self._weights(labels)
        largest: NDArray[np.float64] = np.max(np.abs(self._standard(weights @ self.centred, weights)), axis=1)
        return largest

    def _weights(self, late: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(n, n_flight): what each flight counts, so that the mean of an engine cancels out."""
        weights = np.zeros(late.shape)
        for engine in np.unique(self.engines):
            rows = self.engines == engine
            weights[:, rows] = late[:, rows] - late[:, rows].mean(axis=1, keepdims=True)
        return weights

    def _standard(self, sums: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        # The sum of squares of the weights is that of every exchange: how many flights are late decides it alone.
        error = self.scale * np.sqrt(np.add.reduce(weights[0] * weights[0]))
        standard: NDArray[np.float64] = np.divide(sums, error, out=np.zeros_like(sums), where=error > 0.0)
        return standard


def _shifts(
    places: list[tuple[str, int]], statistic: NDArray[np.float64], moved: NDArray[np.float64]
) -> tuple[Shift, ...]:
    order = np.argsort(-np.abs(statistic), kind="stable")[:NAMED]
    return tuple(
        Shift(phase=places[at][0], feature=places[at][1], spreads=float(moved[at]), statistic=float(statistic[at]))
        for at in order
    )
