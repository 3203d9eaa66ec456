"""Timing that survives a noisy machine: thread CPU time, random order, no garbage collector, order statistics."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_FOR_P999 = 10_000
"""Below it fewer than ten values lie beyond the 99.9th percentile."""

_PER_MILLE = 1000
_WARM_UP_CALLS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to time.

    Attributes:
        name: What reports call it.
        prepare: Makes, untimed, the call that is timed.
        rounds: How often.
    """

    name: str
    prepare: Callable[[], Callable[[], object]]
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Order statistics of a sample, in the unit of its values.

    Attributes:
        n: Size of the sample.
        median: Half of the values are at most this.
        p99: 99th percentile.
        p999: 99.9th percentile; none below ``FEWEST_FOR_P999`` values.
        maximum: The largest value.
    """

    n: int
    median: float
    p99: float
    p999: float | None
    maximum: float


def summarise(values: NDArray[np.float64]) -> Summary:
    """Order statistics of (n,) values, n >= 1; a percentile is the smallest value that enough of them do not exceed."""
    ordered = np.sort(values)
    return Summary(
        n=len(ordered),
        median=_quantile(ordered, 500),
        p99=_quantile(ordered, 990),
        p999=_quantile(ordered, 999) if len(ordered) >= FEWEST_FOR_P999 else None,
        maximum=float(ordered[-1]),
    )


def _quantile(ordered: NDArray[np.float64], per_mille: int) -> float:
    # In whole numbers: 99.9 / 100 * 10,000 is more than 9,990 in floating point, and one rank too many.
    rank = -(-len(ordered) * per_mille // _PER_MILLE)
    return float(ordered[rank - 1])


def time_interleaved(cases: Sequence[Case], *, seed: int) -> Mapping[str, NDArray[np.float64]]:
    """Time all rounds of all cases in one random order, so that a slow spell of the machine hits all of them alike.

    Returns:
        By name, (rounds,) seconds of this thread's CPU time.
    """
    order = [case for case in cases for _ in range(case.rounds)]
    random.Random(seed).shuffle(order)
    times: dict[str, list[int]] = {case.name: [] for case in cases}
    with collector_off():
        for case in cases:
            for _ in range(_WARM_UP_CALLS):
                case.prepare()()
        for case in order:
            times[case.name].append(_timed(case.prepare()))
    return {name: np.array(values, dtype=np.float64) / 1e9 for name, values in times.items()}


def time_paired(
    cases: Sequence[Case], *, rounds: int, seed: int, clock: Callable[[], int] = time.thread_time_ns
) -> Mapping[str, NDArray[np.float64]]:
    """Time every case once a round, each round in another order, so that values of one round belong together.

    Args:
        cases: Their own ``rounds`` are not looked at.
        rounds: How often.
        seed: Of the orders.
        clock: Tells nanoseconds; ``time.process_time_ns`` also counts what other threads do.

    Returns:
        By name, (rounds,) seconds by ``clock``.
    """
    shuffler = random.Random(seed)
    order = list(cases)
    times: dict[str, list[int]] = {case.name: [] for case in cases}
    with collector_off():
        for case in cases:
            case.prepare()()
        for _ in range(rounds):
            shuffler.shuffle(order)
            for case in order:
                times[case.name].append(_timed(case.prepare(), clock))
    return {name: np.array(values, dtype=np.float64) / 1e9 for name, values in times.items()}


@contextmanager
def collector_off() -> Iterator[None]:
    """Keep the garbage collector from running inside."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _timed(call: Callable[[], object], clock: Callable[[], int] = time.thread_time_ns) -> int:
    begin = clock()
    call()
    return clock() - begin
