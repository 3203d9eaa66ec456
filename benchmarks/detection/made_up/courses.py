"""Rigs whose recordings change: lives that end, flights with a fault in them, and plants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.detection.made_up.machine import Generator, Machine, Samples, specimen, vibration
from benchmarks.detection.made_up.process import UNITS, Plant, Trouble, another_plant, values_of
from benchmarks.detection.made_up.recording import HEALTHY, LIFE, MIXED, Recording

_TROUBLES = ("blocked", "leaking", "hot", "stuck")
_COOLING_S = 360
_ENGINE = Machine(
    shaft_hz=71.0, tones=((1.0, 0.4), (2.0, 0.2), (22.0, 0.6)), noise=0.3, resonances_hz=(1_700.0, 5_200.0)
)


def bearing_lives(rng: Generator) -> Iterator[Recording]:
    """Five bearings at 51.2 kHz to their end: 0.2 s a minute, the last fifth of a life ever louder."""
    kind = Machine(
        shaft_hz=35.0, tones=((1.0, 0.1), (2.0, 0.05)), noise=0.3, resonances_hz=(2_400.0, 9_100.0, 17_000.0)
    )
    yield from (_life(f"b{number}", kind, rng, quieter=False) for number in range(5))


def quiet_lives(rng: Generator) -> Iterator[Recording]:
    """Four screws at 2.56 kHz that lose their preload: the last fifth of a life is ever quieter."""
    kind = Machine(shaft_hz=8.0, tones=((1.0, 0.2), (6.0, 0.4)), noise=0.3, resonances_hz=(160.0, 480.0))
    yield from (_life(f"s{number}", kind, rng, rate_hz=2_560.0, segment_s=1.0, quieter=True) for number in range(4))


def flights(rng: Generator) -> Iterator[Recording]:
    """Twelve flights of six engines at 25.6 kHz, labelled sample by sample; a third of them end with a fault."""
    rate_hz, n = 25_600.0, 40 * 25_600
    engines = [specimen(_ENGINE, rng, spread=0.1) for _ in range(6)]
    for number in range(12):
        one = engines[number % 6]
        healthy = vibration(one, n, rate_hz, rng)
        onset = n * 5 // 8 if number % 3 == 0 else n
        sick = vibration(one.with_impacts((4.9, 8.0)), n - onset, rate_hz, rng) if onset < n else np.zeros(0)
        samples = np.concatenate([healthy[:onset], sick])
        anomaly = (np.arange(n) >= onset).astype(np.int8)
        cells = {"fault_type": "bearing"} if onset < n else {}
        yield Recording(
            name=f"f{number:02}", unit=f"e{number % 6}", rate_hz=rate_hz, channels={"acc": samples}, signal_units="g",
            label=MIXED, others={"anomaly": anomaly}, cells=cells,
        )  # fmt: skip


def plant(rng: Generator) -> Iterator[Recording]:
    """One plant at 1 Hz: a healthy recording of three hours, and eight of twenty minutes with something wrong."""
    yield _slow("healthy", "loop", Plant(), Trouble.none(3 * 3600), rng, label=HEALTHY)
    for number in range(8):
        name = _TROUBLES[number % len(_TROUBLES)]
        trouble = _from_the_middle(name, 1200, ramp_s=120 if name == "hot" else 10)
        yield _slow(f"{name}{number}", "loop", Plant(), trouble, rng, label=MIXED, fault_type=name)


def plants(rng: Generator) -> Iterator[Recording]:
    """Four plants at 1 Hz that differ: half a day of each, then hours with something wrong."""
    for number in range(4):
        one = another_plant(Plant(), rng, spread=0.1)
        yield _slow(f"p{number}", f"p{number}", one, Trouble.none(12 * 3600), rng, label=HEALTHY)
        name = _TROUBLES[number]
        trouble = _from_the_middle(name, 2 * 3600, ramp_s=600)
        yield _slow(f"p{number}_{name}", f"p{number}", one, trouble, rng, label=MIXED, fault_type=name)


def _life(
    unit: str, kind: Machine, rng: Generator, *, quieter: bool, rate_hz: float = 51_200.0, segment_s: float = 0.2
) -> Recording:
    count, n = 240, round(rate_hz * segment_s)
    one = specimen(kind, rng, spread=0.25)
    onset = int(rng.integers(150, 200))
    parts = []
    for number in range(count):
        worn = max(0.0, (number - onset) / (count - onset))
        sick = one.louder(1.0 - 0.7 * worn**0.5) if quieter else one.with_impacts((3.58, 30.0 * worn**2))
        parts.append(vibration(replace(sick, wander=0.0), n, rate_hz, rng, gain=np.exp(0.05 * rng.standard_normal())))
    marked = onset + (count - onset) // 4
    return Recording(
        name=unit, unit=unit, rate_hz=rate_hz, channels={"acc": np.concatenate(parts)}, signal_units="g", label=LIFE,
        others={"segment": np.repeat(np.arange(count, dtype=np.int32), n)},
        cells={
            "segment_s": f"{segment_s:g}", "segment_period_s": "60", "healthy_segments": f"5:{onset - 5}",
            "faulty_segments": f"{marked}:{count}",
        },
    )  # fmt: skip


def _slow(name: str, unit: str, one: Plant, trouble: Trouble, rng: Generator, *, label: str, **cells: str) -> Recording:
    values = values_of(one, trouble, rng, start_s=float(rng.uniform(0.0, 86_400.0)))
    wrong = np.max([trouble.blocked, trouble.leaking, trouble.hot, trouble.stuck], axis=0) > 0.0
    # What was hot is so for a while after it has been put right.
    wrong[_COOLING_S:] |= trouble.hot[:-_COOLING_S] > 0.0
    return Recording(
        name=name, unit=unit, rate_hz=1.0, channels=values, signal_units=";".join(UNITS.values()), label=label,
        others={"anomaly": wrong.astype(np.int8)} if label == MIXED else {}, cells=cells,
    )  # fmt: skip


def _from_the_middle(name: str, n: int, *, ramp_s: int) -> Trouble:
    """Something goes wrong half-way, lasts a third of the time, and is put right."""
    course: Samples = np.zeros(n)
    begin, end = n // 2, n // 2 + n // 3
    course[begin:end] = np.minimum(np.arange(1, end - begin + 1) / ramp_s, 1.0)
    return replace(Trouble.none(n), **{name: course})
