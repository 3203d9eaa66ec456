"""Ways to the levels of shaft orders, by error through a run-up and by cost: the numbers of ADR 0010.

A shaft (n1) runs up from 85 Hz by 10 %/s, another one (n2) turns 2.8 times as fast. An error is the largest that an
order of n1 has in 24 run-ups of one second. The shafts' angles come from tachometers, or from reported speeds: in steps
of 1/64 Hz, carried by a frame every 100 ms, and there as old as the last report is. Costs are for four orders of each
shaft in one record, on top of the segments' lines, which Welch's method needs anyway.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from benchmarks.cal import make_cal
from benchmarks.measure import Case, time_interleaved
from shared_features.baseband import Baseband, transform_n
from shared_features.orders import OrdersMaker
from shared_features.rotation import Rotation, RotationLog
from shared_features.spec import ChannelSpec, FeatureSpec, OrdersGroup, ShaftOrders, ShaftSpec, SpectrumGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Interpolate = Callable[[Floats, Floats], Floats]

ROUNDS = 400
RUN_UPS = 24
RATE_HZ = 25_600.0
SEGMENT_N = 5120
MAX_HZ = 1000.0
ORDERS = (0.5, 1.0, 2.0, 3.0)
RATIOS = {"n1": 1.0, "n2": 2.8}
RUN_UP = 0.1
TOLERANCE = 0.01
MAIN_LOBE = 2.0
FRAME_S = 0.1
STEPS_PER_HZ = 64.0
BEFORE_S = 1.0
"""How long the run-up has been on when the record begins."""


class Signal(NamedTuple):
    """What is heard.

    Attributes:
        amplitudes: Of the orders of n1.
        others: Multiple of n1, Hz above it, and amplitude of what else there is.
        noise: RMS of white noise.
    """

    amplitudes: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    others: tuple[tuple[float, float, float], ...] = ()
    noise: float = 0.0


SIGNALS = {
    "alone": Signal(),
    "1x times 10": Signal((1.0, 10.0, 1.0, 1.0)),
    "2.5x, 3.5x of 10": Signal(others=((2.5, 0.0, 10.0), (3.5, 0.0, 10.0))),
    "3x + 15 Hz of 10": Signal(others=((3.0, 15.0, 10.0),)),
    "noise of 0.5": Signal(noise=0.5),
}
SOURCES = {"tachometer": 0.0, "reports at 10 Hz": 10.0, "reports at 20 Hz": 20.0}


class Heard(NamedTuple):
    """One record as the ways get it: samples about their mean, lines of the tapered segments, and the shafts' turns."""

    samples: Floats
    lines: NDArray[np.complex128]
    rotations: tuple[Rotation, ...]


def main() -> int:
    """Measure and print; returns the exit code."""
    maker = OrdersMaker(spec_of("tach"))
    whole_band = Baseband(spec_of("tach"), (RATE_HZ / SEGMENT_N, MAX_HZ * (1.0 + TOLERANCE) + 30.0))
    ways: dict[str, Callable[[Heard], Floats]] = {
        "a equal angles, linear": partial(resampled, interpolate=linear),
        "a equal angles, cubic spline": partial(resampled, interpolate=cubic),
        "b bands of the segments": segment_bands,
        "c demodulation, one band": partial(demodulated, band=whole_band),
        "c demodulation, band an order": lambda heard: maker.tracked(heard.lines, heard.rotations),
    }
    print(f"{'cost, cal:':32}{'run-up':>9}{'cruise':>9}")
    # The first two empty the caches for whatever runs next.
    for group in (list(ways)[:2], list(ways)[2:]):
        chosen = {name: ways[name] for name in group}
        for name, cost, in_cruise in zip(group, costs(chosen, RUN_UP), costs(chosen, 0.0), strict=True):
            print(f"{name:32}{cost:9.2f}{in_cruise:9.2f}")
    for source, reports_hz in SOURCES.items():
        print(f"\nerror, %: {source:22}" + "".join(f"{name:>18}" for name in SIGNALS))
        for name, way in ways.items():
            print(f"{name:32}" + "".join(f"{worst(way, signal, reports_hz):18.2f}" for signal in SIGNALS.values()))
    return 0


def costs(ways: Mapping[str, Callable[[Heard], Floats]], rise: float) -> list[float]:
    """Median thread CPU time of each way, over that of the calibration loop between them."""
    heard = [record(SIGNALS["noise of 0.5"], 0.0, seed, rise) for seed in (1, 2)]
    cases = [Case("cal", partial(_same, make_cal()), ROUNDS)]
    cases += [Case(name, partial(_next, way, cycle(heard)), ROUNDS) for name, way in ways.items()]
    times = {name: float(np.median(values)) for name, values in time_interleaved(cases, seed=1).items()}
    return [times[name] / times["cal"] for name in ways]


def worst(way: Callable[[Heard], Floats], signal: Signal, reports_hz: float) -> float:
    """Largest error of an order of n1 in all run-ups, in per cent."""
    true = np.array(signal.amplitudes)
    found = [np.sqrt(2.0 * way(record(signal, reports_hz, seed))[: true.size]) for seed in range(RUN_UPS)]
    return 100.0 * float(np.abs(np.array(found) / true - 1.0).max())


def resampled(heard: Heard, *, interpolate: Interpolate) -> Floats:
    """As many samples at equal angles as there are in time, and one transform of them for each shaft."""
    positions_n = np.arange(float(heard.samples.size))
    powers = []
    for rotation in heard.rotations:
        turns = rotation.turns_at(positions_n)
        n = transform_n(heard.samples.size)
        angles = turns[0] + (turns[-1] - turns[0]) * np.arange(n) / n
        even = interpolate(heard.samples, np.interp(angles, turns, positions_n))
        lines = np.fft.rfft(even * hann(n)) * (4.0 / (np.sqrt(3.0) * n))
        reach = MAIN_LOBE + TOLERANCE * np.array(ORDERS) * (turns[-1] - turns[0])
        powers += [about(np.abs(lines) ** 2, o * (turns[-1] - turns[0]), r) for o, r in zip(ORDERS, reach, strict=True)]
    return np.array(powers)


def linear(samples: Floats, at_n: Floats) -> Floats:
    """Linear interpolation."""
    return np.interp(at_n, np.arange(samples.size), samples)


def cubic(samples: Floats, at_n: Floats) -> Floats:
    """A cubic spline through all samples."""
    return np.asarray(CubicSpline(np.arange(samples.size), samples)(at_n))


def segment_bands(heard: Heard) -> Floats:
    """Power of each segment in a band that goes with the speed, as wide as main lobe, tolerance and change of speed."""
    rows = np.arange(len(heard.lines))
    inside = heard.lines[:, : round(1.1 * MAX_HZ * SEGMENT_N / RATE_HZ)]
    summed = np.zeros((rows.size, inside.shape[1] + 1))
    np.cumsum(inside.real**2 + inside.imag**2, axis=1, out=summed[:, 1:])
    powers = []
    for rotation in heard.rotations:
        turns = rotation.turns_at(np.arange(0.0, heard.samples.size + 1.0, SEGMENT_N // 2))
        centre = np.outer(ORDERS, turns[2:] - turns[:-2])
        change = np.outer(ORDERS, np.abs(turns[2:] - 2.0 * turns[1:-1] + turns[:-2]))
        reach = MAIN_LOBE + TOLERANCE * centre + change
        powers.append(np.mean(_summed_to(summed, centre + reach) - _summed_to(summed, centre - reach), axis=1))
    return np.concatenate(powers) * (16.0 / (3.0 * SEGMENT_N**2))


def _summed_to(summed: Floats, edge: Floats) -> Floats:
    """What is summed below an edge, by the share of its line that lies below."""
    whole = (edge + 0.5).astype(np.intp)
    rows = np.arange(len(summed))
    below, above = summed[rows, whole], summed[rows, whole + 1]
    return np.asarray(below + (edge + 0.5 - whole) * (above - below))


def demodulated(heard: Heard, *, band: Baseband) -> Floats:
    """Each order brought to 0 Hz in the whole band below ``MAX_HZ``, and one transform of the band for each."""
    position = np.arange(float(band.n)) / band.n
    taper = np.divide(hann(band.n), band.fade, out=np.zeros(band.n), where=band.fade > 0.0)
    signal = band.signal(heard.lines) * taper * np.sqrt(4.0 / 3.0) / band.n
    powers = []
    for rotation in heard.rotations:
        half_turn = np.exp(-1j * np.pi * rotation.turns_at(position * heard.samples.size))
        shift = np.exp(2j * np.pi * band.first_hz * position)
        for order in ORDERS:
            lines = np.fft.fft(signal * (half_turn ** round(2.0 * order) * shift))
            reach = MAIN_LOBE + TOLERANCE * order * rotation.mean_hz
            powers.append(about(np.abs(np.roll(lines, band.n // 2)) ** 2, band.n // 2, reach))
    return np.array(powers)


def about(power: Floats, centre: float, reach: float) -> float:
    """Sum of the lines within ``reach`` of ``centre``, by the share of each line that lies inside."""
    first, last = max(int(centre - reach), 0), int(centre + reach) + 2
    distance = np.abs(np.arange(first, last) - centre)
    return float(np.sum(power[first:last] * np.clip(reach + 0.5 - distance, 0.0, 1.0)))


def record(signal: Signal, reports_hz: float, seed: int, rise: float = RUN_UP) -> Heard:
    """A second in which the speed rises by a share of itself; ``reports_hz`` is 0 for tachometers."""
    rng = np.random.default_rng(seed)
    start_hz = 85.0 + rng.random()
    time_s = np.arange(RATE_HZ) / RATE_HZ
    parts = [(o, 0.0, a) for o, a in zip(ORDERS, signal.amplitudes, strict=True)] + list(signal.others)
    samples = signal.noise * rng.standard_normal(time_s.size)
    for order, offset_hz, amplitude in parts:
        cycles = order * turns_of(start_hz, rise, time_s) + offset_hz * time_s + rng.random()
        samples += amplitude * np.cos(2.0 * np.pi * cycles)
    samples -= samples.mean()
    segments = np.lib.stride_tricks.sliding_window_view(samples, SEGMENT_N)[:: SEGMENT_N // 2]
    lines = np.fft.rfft(segments * hann(SEGMENT_N))
    told = by_reports(start_hz, rise, reports_hz, rng.random()) if reports_hz else by_pulses(start_hz, rise)
    return Heard(samples, lines, told)


def by_pulses(start_hz: float, rise: float) -> tuple[Rotation, ...]:
    """The rotations as once-per-turn pulses tell them."""
    fine_s = np.linspace(-BEFORE_S, 1.0, 200_001)
    pulses = {}
    for name, ratio in RATIOS.items():
        turns = ratio * turns_of(start_hz, rise, fine_s)
        whole = np.arange(np.ceil(turns[0]), turns[-1])
        pulses[name] = (np.interp(whole, turns, fine_s) + BEFORE_S) * RATE_HZ
    log = RotationLog(spec_of("tach"))
    log.note(0, np.zeros(0), pulses)
    return known(log)


def by_reports(start_hz: float, rise: float, reports_hz: float, phase: float) -> tuple[Rotation, ...]:
    """The rotations as frames tell them that carry the last report."""
    log = RotationLog(spec_of("reported"))
    for frame in range(round((BEFORE_S + 1.0) / FRAME_S)):
        frame_s = frame * FRAME_S - BEFORE_S
        report_s = (np.floor(frame_s * reports_hz - phase) + phase) / reports_hz
        speeds_hz = start_hz * (1.0 + rise * report_s) * np.array(list(RATIOS.values()))
        log.note(round(frame * FRAME_S * RATE_HZ), np.round(speeds_hz * STEPS_PER_HZ) / STEPS_PER_HZ, {})
    return known(log)


def known(log: RotationLog) -> tuple[Rotation, ...]:
    """The rotations of the record after ``BEFORE_S``."""
    found = log.rotations(round(BEFORE_S * RATE_HZ))
    if any(rotation.reason for rotation in found):
        raise ValueError(f"rotations: expected known ones, got {[rotation.reason for rotation in found]}; correct them")
    return found


def turns_of(start_hz: float, rise: float, time_s: Floats) -> Floats:
    """Revolutions of n1 since the record's start."""
    return start_hz * time_s * (1.0 + 0.5 * rise * time_s)


def hann(n: int) -> Floats:
    """Periodic Hann taper."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)


def spec_of(source: str) -> FeatureSpec:
    """Four orders of two shafts."""
    return FeatureSpec(
        sampling_rate_hz=RATE_HZ, record_s=1.0, window_s=1.0, hop_s=1.0, channels=(ChannelSpec("acc", "g"),),
        spectrum=SpectrumGroup(SEGMENT_N, SEGMENT_N // 2, ()),
        shafts=tuple(ShaftSpec(name, source) for name in RATIOS),
        orders=OrdersGroup(True, tuple(ShaftOrders(name, ORDERS) for name in RATIOS), (), MAX_HZ, TOLERANCE),
    )  # fmt: skip


def _same(call: Callable[[], object]) -> Callable[[], object]:
    return call


def _next(way: Callable[[Heard], Floats], records: Iterator[Heard]) -> Callable[[], object]:
    """In turn, so that no way finds its work done."""
    return partial(way, next(records))


if __name__ == "__main__":
    sys.exit(main())
