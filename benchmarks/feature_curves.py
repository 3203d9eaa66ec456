"""What features cost against the length of the window, the hop and the number of channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.feature_cases import one_push, streaming
from benchmarks.measure import Case
from benchmarks.specs import RATE_HZ, record_spec, usual_spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.feature_cases import Prepare
    from shared_features.spec import FeatureSpec

WINDOW = "window"
HOP = "hop"
CHANNELS = "channels"

WINDOW_N = tuple(1 << power for power in range(10, 21))
HOP_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
CHANNEL_COUNTS = (1, 2, 4, 8, 16, 32, 64)

_LONGEST_RECORD_N = 16_384
_SHORT_RECORD_N = 2_560
_SHORT_RECORDS = 100
"""Records of 0.1 s, a hundred of which are one window of 10 s."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve.

    Attributes:
        curve: ``window``, ``hop`` or ``channels``.
        numbers: Where it lies, by name.
        spec: What is computed there.
        prepare: Makes the call that is timed; it completes one window.
    """

    curve: str
    numbers: Mapping[str, float]
    spec: FeatureSpec
    prepare: Callable[[FeatureSpec], Prepare]

    @property
    def name(self) -> str:
        """Its name among the cases."""
        return f"{self.curve} {dict(self.numbers)}"

    def case(self, rounds: int) -> Case:
        """The case that times it."""
        made: list[Prepare] = []

        def prepare() -> Callable[[], object]:
            # Made when it is first run: the samples of all points together would fill the memory for nothing.
            if not made:
                made.append(self.prepare(self.spec))
            return made[0]()

        return Case(self.name, prepare, rounds)


def points() -> Iterator[Point]:
    """Every point of every curve."""
    for window_n in WINDOW_N:
        record_n = min(window_n, _LONGEST_RECORD_N)
        records = window_n // record_n
        for hop_records in sorted({records, 1}):
            numbers = {"window_n": window_n, "hop_n": hop_records * record_n}
            spec = record_spec(record_n=record_n, window_records=records, hop_records=hop_records)
            yield Point(WINDOW, numbers, spec, one_push)
    for hop_s in HOP_S:
        hop_records = round(hop_s * RATE_HZ / _SHORT_RECORD_N)
        spec = record_spec(record_n=_SHORT_RECORD_N, window_records=_SHORT_RECORDS, hop_records=hop_records)
        yield Point(HOP, {"record_s": 0.1, "hop_s": hop_s}, spec, one_push)
        if hop_s >= 1.0:
            yield Point(HOP, {"record_s": 1.0, "hop_s": hop_s}, usual_spec(hop_s=hop_s), one_push)
    for n_channel in CHANNEL_COUNTS:
        yield Point(CHANNELS, {"n_channel": n_channel}, usual_spec(n_channel=n_channel), streaming)


def tables(times: Mapping[str, NDArray[np.float64]], cal_s: float) -> Mapping[str, Sequence[Mapping[str, float | str]]]:
    """By curve, its points with their costs in ``cal``: per window, and per second of signal of one channel."""
    found: dict[str, list[Mapping[str, float | str]]] = {WINDOW: [], HOP: [], CHANNELS: []}
    for point in points():
        cal_per_window = float(np.median(times[point.name])) / cal_s
        channel_seconds = point.spec.hop_s * len(point.spec.channels)
        found[point.curve].append({
            **point.numbers,
            "cal_per_window": cal_per_window,
            "cal_per_channel_second": cal_per_window / channel_seconds,
        })  # fmt: skip
    return found
