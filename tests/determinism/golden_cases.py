"""The golden set: specs, each over every signal, with the speeds and tachometer pulses that they need."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from shared_features.spec import (
    BearingSpec,
    Carrier,
    ChannelSpec,
    EnvelopeGroup,
    FeatureSpec,
    OrderBand,
    OrdersGroup,
    ShaftOrders,
    ShaftSpec,
    SpectrumGroup,
    VelocityGroup,
)
from tests.determinism.exact_signals import SHAFT_TURNS_PER_S, SIGNALS, run_up_pulses, seconds

PULSES_PER_REV = 2.0
_BEARING = BearingSpec("drive", "n1", 9, 7.94, 39.04)
_SHAFTS = (ShaftSpec("n1"), ShaftSpec("n2", "tach", PULSES_PER_REV))
_ORDERS = OrdersGroup(
    enabled=True,
    shafts=(ShaftOrders("n1", carriers=(Carrier(17.0),)), ShaftOrders("n2", orders=(0.5, 1.0, 2.0))),
    bands=(OrderBand("n1", 0.5, 4.5), OrderBand("n2", 4.5, 12.5)),
    max_hz=200.0,
)
_ORDERS_OF_SNAPSHOTS = OrdersGroup(
    enabled=True,
    shafts=(ShaftOrders("n1", (4.0, 8.0)), ShaftOrders("n2", (4.0, 6.5))),
    bands=(OrderBand("n1", 3.5, 9.5), OrderBand("n2", 10.0, 30.5)),
    max_hz=600.0,
)
"""Records of 0.1 s cannot tell orders apart that are less than 40 Hz from each other."""
_ONE = (ChannelSpec("acc", "g"),)
_TWO = (ChannelSpec("acc_h", "m/s2"), ChannelSpec("acc_v", "m/s2"))


@dataclass(frozen=True, slots=True)
class Case:
    """One signal under one spec.

    Attributes:
        name: ``<spec>/<signal>``.
        spec: What to compute.
        samples: (n, n_channel) float32.
        speeds: (n_speed,) reported speeds, constant.
        pulses: Positions of tachometer pulses by shaft, in samples from the first one.
    """

    name: str
    spec: FeatureSpec
    samples: NDArray[np.float32]
    speeds: NDArray[np.float64]
    pulses: Mapping[str, NDArray[np.float64]]

    @property
    def input_digest(self) -> int:
        """Checksum of everything that goes in: equal features of unequal inputs prove nothing."""
        digest = zlib.crc32(self.spec.to_json() + self.samples.tobytes() + self.speeds.tobytes())
        for shaft in sorted(self.pulses):
            digest = zlib.crc32(self.pulses[shaft].tobytes(), digest)
        return digest


def _spec(
    rate_hz: float,
    *,
    spans_s: tuple[float, float, float],
    segment_n: int,
    bands_hz: tuple[tuple[float, float], ...],
    channels: tuple[ChannelSpec, ...] = _ONE,
    envelope_hz: tuple[float, float],
    velocity_hz: tuple[float, float],
    orders: OrdersGroup = _ORDERS,
) -> FeatureSpec:
    """Every group enabled; spans are those of record, window and hop."""
    return FeatureSpec(
        sampling_rate_hz=rate_hz,
        record_s=spans_s[0],
        window_s=spans_s[1],
        hop_s=spans_s[2],
        channels=channels,
        conditions=("n1_hz",),
        shafts=_SHAFTS,
        spectrum=SpectrumGroup(segment_n, segment_n // 2, bands_hz, dominant_n=3),
        velocity=VelocityGroup(True, *velocity_hz),
        envelope=EnvelopeGroup(True, envelope_hz, (_BEARING,)),
        orders=orders,
    )


def _plain(rate_hz: float, record_n: int, segment_n: int, overlap_n: int) -> FeatureSpec:
    """Waveform and spectrum only: lengths that envelope and orders refuse."""
    record_s = record_n / rate_hz
    return FeatureSpec(
        sampling_rate_hz=rate_hz,
        record_s=record_s,
        window_s=2 * record_s,
        hop_s=record_s,
        channels=_ONE,
        spectrum=SpectrumGroup(segment_n, overlap_n, ((0.0, rate_hz / 8), (rate_hz / 8, rate_hz / 2)), dominant_n=2),
    )


@dataclass(frozen=True, slots=True)
class GoldenSpec:
    """A spec, how many records its signals are long (0: they are real recordings), and how fast its shafts turn."""

    spec: FeatureSpec
    record_count: int
    shaft_hz: float = SHAFT_TURNS_PER_S


_WIDE = _spec(
    25600.0,
    spans_s=(1.0, 2.0, 1.0),
    segment_n=5120,
    bands_hz=((10.0, 100.0), (100.0, 1000.0), (1000.0, 5000.0), (5000.0, 12800.0)),
    envelope_hz=(400.0, 2400.0),
    velocity_hz=(10.0, 1000.0),
)
_SNAPSHOTS = _spec(
    25600.0,
    spans_s=(0.1, 0.1, 0.1),
    segment_n=512,
    bands_hz=((100.0, 1000.0), (1000.0, 12800.0)),
    channels=_TWO,
    envelope_hz=(400.0, 2400.0),
    velocity_hz=(100.0, 1000.0),
    orders=_ORDERS_OF_SNAPSHOTS,
)
_SLOW = _spec(
    2000.0,
    spans_s=(1.0, 3.0, 2.0),
    segment_n=400,
    bands_hz=((10.0, 100.0), (100.0, 900.0)),
    envelope_hz=(400.0, 900.0),
    velocity_hz=(10.0, 900.0),
)
_POWERS_OF_TWO = _spec(
    4096.0,
    spans_s=(0.5, 1.0, 0.5),
    segment_n=1024,
    bands_hz=((10.0, 100.0), (100.0, 2048.0)),
    envelope_hz=(500.0, 1500.0),
    velocity_hz=(10.0, 1000.0),
)
_UESTC = _spec(
    20000.0,
    spans_s=(1.0, 2.0, 1.0),
    segment_n=4000,
    bands_hz=((10.0, 1000.0), (1000.0, 10000.0)),
    envelope_hz=(2000.0, 6000.0),
    velocity_hz=(10.0, 1000.0),
)
SPECS: Mapping[str, GoldenSpec] = MappingProxyType(
    {
        "wide": GoldenSpec(_WIDE, 4),
        "snapshots": GoldenSpec(_SNAPSHOTS, 8),
        "slow": GoldenSpec(_SLOW, 11),
        "powers_of_two": GoldenSpec(_POWERS_OF_TWO, 6),
        "odd": GoldenSpec(_plain(3375.0, 3375, 675, 0), 6),
        "overlap": GoldenSpec(_plain(5000.0, 2700, 900, 675), 6),
        "short": GoldenSpec(_plain(2700.0, 270, 135, 0), 12),
        "femto": GoldenSpec(_SNAPSHOTS, 0, 30.0),
        "uestc": GoldenSpec(_UESTC, 0, 20.0),
    }
)
"""Specs by name; all segments are products of 2, 3 and 5. The real sets have the names of their folders."""


def cases() -> Iterator[Case]:
    """All cases of exact signals; the same on every machine, to the bit."""
    for spec_name, golden in SPECS.items():
        n = golden.spec.record_n * golden.record_count
        t_s = seconds(golden.spec.sampling_rate_hz, n)
        for signal_name, make in SIGNALS.items() if n else ():
            name = f"{spec_name}/{signal_name}"
            seed = zlib.crc32(name.encode())
            columns = [make(t_s, seed + 10 * channel) for channel in range(len(golden.spec.channels))]
            yield _case(name, golden, np.stack(columns, axis=1).astype(np.float32))


def real_cases(path: Path) -> Iterator[Case]:
    """The cases of real recordings that ``real_windows`` has written."""
    with np.load(path) as archive:
        for name, samples in archive.items():
            yield _case(name, SPECS[name.split("/", maxsplit=1)[0]], samples)


def _case(name: str, golden: GoldenSpec, samples: NDArray[np.float32]) -> Case:
    """Speeds are steady; the tachometer is that of the run-up, whatever the signal."""
    spec = golden.spec
    pulses = {"n2": run_up_pulses(spec.sampling_rate_hz, len(samples), PULSES_PER_REV)} if spec.shafts else {}
    return Case(name, spec, samples, np.full(len(spec.speeds), golden.shaft_hz), pulses)
