"""How many records of machines and of broken sensors get which reason, and what judging costs: numbers of ADR 0011.

Run ``python -m benchmarks.sensor_quality [RECORDINGS]``; with a recordings folder it judges that, too.
"""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

from benchmarks.cal import make_cal
from benchmarks.measure import Case, time_interleaved
from ground.recordings import load_recording, read_index
from ground.simulate.config import FAULTS, SENSOR_FAULTS, FleetConfig
from ground.simulate.flight import simulate_flight
from ground.simulate.plan import FlightPlan
from shared_features import quality
from shared_features.spec import ChannelSpec, FeatureSpec, QualityLimits, SpectrumGroup
from shared_features.waveform import WaveformMaker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from shared_features.waveform import Waveform

    Samples = NDArray[np.float32]
    Judged = tuple[Samples, NDArray[np.float64], Waveform]

ROUNDS = 1000
RATE_HZ = 10_240.0
FLIGHT_S = 60.0
ONSET_S = 15.0
RECORDS_S = (1.0, 0.1)
ENGINES = 6
RINGS = (0.05, 0.1, 0.2, 0.4, 1.0, np.inf)
CLEAR = (3.0, 4.0, 6.0)
SILENCES = (0.05, 0.1, 0.2, 0.4)


def main() -> int:
    """Measure and print; returns the exit code."""
    groups = dict(prepared(sys.argv[1:]))
    for name, records in groups.items():
        reasons = Counter(quality.quality_of(*record, QualityLimits()) or "believed" for record in records)
        print(f"{name:32}{len(records):7,} records: {dict(reasons.most_common())}")
    sweep(groups, quality.SPIKES, "_RING_RATIO", RINGS)
    sweep(groups, quality.SPIKES, "_RING_RATIO", RINGS, QualityLimits(spike_ratio=12.0))
    sweep(groups, quality.BIAS_STEP, "_CLEAR_STEP", CLEAR, QualityLimits(bias_step_ratio=0.5))
    sweep(groups, quality.BIAS_STEP, "_CLEAR_STEP", CLEAR)
    sweep(groups, quality.DROPOUT, "_SILENT_RATIO", SILENCES)
    for name, cost in costs():
        print(f"{name:32}{cost:6.3f} cal")
    return 0


def prepared(folders: list[str]) -> Iterator[tuple[str, list[Judged]]]:
    """The finite records of each group, with their statistics."""
    for name, rate_hz, record_s, columns in sources(folders):
        yield (
            f"{name}, {record_s:g} s",
            [judged for column in columns for judged in measured(column, spec_of(rate_hz, record_s))],
        )


def sources(folders: list[str]) -> Iterator[tuple[str, float, float, list[Samples]]]:
    """Name, sampling rate, record length and channels of each group."""
    healthy = [flown("", 0.0, engine) for engine in range(2 * ENGINES)]
    faulty = [flown(f, s, engine) for f in FAULTS for s in (0.5, 1.0) for engine in range(ENGINES // 2)]
    for record_s in RECORDS_S:
        yield "simulated, healthy", RATE_HZ, record_s, healthy
        yield "simulated, faulty", RATE_HZ, record_s, faulty
        for fault in SENSOR_FAULTS:
            yield f"simulated, {fault}", RATE_HZ, record_s, [flown(fault, 0.0, engine) for engine in range(ENGINES)]
    for folder in map(Path, folders):
        yield from real(folder)


def real(folder: Path) -> Iterator[tuple[str, float, float, list[Samples]]]:
    """Groups of a recordings folder, by dataset and label; records never cross a segment."""
    columns: dict[tuple[str, str, float], list[Samples]] = {}
    for info in read_index(folder):
        for stretch in load_recording(folder, info, conditions=()).stretches:
            columns.setdefault((info.dataset, info.label, info.sampling_rate_hz), []).extend(stretch.samples.T)
    for (dataset, label, rate_hz), found in columns.items():
        for record_s in RECORDS_S:
            yield f"{dataset}, {label}", rate_hz, record_s, found


def flown(fault: str, severity: float, engine: int) -> Samples:
    """Samples of one flight, after the onset of a sensor fault."""
    fleet = FleetConfig(seed=77, sampling_rate_hz=RATE_HZ, flight_s=FLIGHT_S)
    onset_s = ONSET_S if fault in SENSOR_FAULTS else 0.0
    plan = FlightPlan(engine=engine, flight=0, fault=fault, severity=severity, onset_s=onset_s)
    samples: Samples = simulate_flight(fleet, plan).samples[0]
    return samples[round(onset_s * RATE_HZ) :]


def spec_of(rate_hz: float, record_s: float) -> FeatureSpec:
    """A spec that only says how long a record is."""
    return FeatureSpec(
        sampling_rate_hz=rate_hz, record_s=record_s, window_s=record_s, hop_s=record_s,
        channels=(ChannelSpec("acc", "unknown"),), spectrum=SpectrumGroup(0, 0, (), enabled=False),
    )  # fmt: skip


def measured(column: Samples, spec: FeatureSpec) -> Iterator[Judged]:
    """What a record is judged by, for each finite one of a channel."""
    maker = WaveformMaker(spec)
    whole = column[: column.size // spec.record_n * spec.record_n].reshape(-1, spec.record_n)
    for samples in map(np.ascontiguousarray, whole):
        if maker.load(samples):
            waveform = maker.measure()
            yield samples, maker.deviation.copy(), waveform


def sweep(
    groups: Mapping[str, list[Judged]],
    reason: str,
    constant: str,
    values: tuple[float, ...],
    limits: QualityLimits | None = None,
) -> None:
    """Print how many records get a reason at each value of a constant."""
    limits = limits or QualityLimits()
    print(f"\n{reason} by {constant} (spike_ratio {limits.spike_ratio:g}, bias_step_ratio {limits.bias_step_ratio:g})")
    for value in values:
        with mock.patch.object(quality, constant, value):
            found = {
                name: sum(quality.quality_of(*record, limits) == reason for record in records)
                for name, records in groups.items()
            }
        print(f"  {value:6g}: { ({name: n for name, n in found.items() if n}) }")


def costs() -> Iterator[tuple[str, float]]:
    """Median thread CPU time of judging sound records, over that of the calibration loop between them."""
    rng = np.random.default_rng(1)
    cases = [Case("cal", partial(_same, make_cal()), ROUNDS)]
    for n in (2_560, 25_600, 256_000):
        noise = rng.standard_normal(n, dtype=np.float32)
        coarse = (np.rint(noise * 128.0) / 128.0).astype(np.float32)
        for name, samples in (("noise", noise), ("in steps of 1/128", coarse)):
            (record,) = measured(samples, spec_of(float(n), 1.0))
            call = partial(quality.quality_of, *record, QualityLimits())
            cases.append(Case(f"{n:,} samples, {name}", partial(_same, call), ROUNDS))
    times = {name: float(np.median(values)) for name, values in time_interleaved(cases, seed=1).items()}
    return ((case.name, times[case.name] / times["cal"]) for case in cases[1:])


def _same(call: Callable[[], object]) -> Callable[[], object]:
    return call


if __name__ == "__main__":
    sys.exit(main())
