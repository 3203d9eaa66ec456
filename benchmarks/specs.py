"""The feature specs that are measured: numpy and shared_features alone, so that small child processes can use them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shared_features.spec import (
    BearingSpec,
    Carrier,
    ChannelSpec,
    EnvelopeGroup,
    FeatureSpec,
    OrdersGroup,
    ShaftOrders,
    ShaftSpec,
    SpectrumGroup,
    TimeGroup,
    VelocityGroup,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 25_600.0
BANDS_HZ = (
    (100.0, 400.0), (400.0, 700.0), (700.0, 1_000.0), (1_000.0, 1_400.0), (1_400.0, 1_900.0), (1_900.0, 2_600.0),
    (2_600.0, 3_500.0), (3_500.0, 4_600.0), (4_600.0, 6_000.0), (6_000.0, 7_800.0), (7_800.0, 10_000.0),
    (10_000.0, 12_400.0),
)  # fmt: skip
"""As many as the product's default has, on whole lines of 100 Hz, which is what some peers resolve."""

N1_HZ = 85.0
N2_HZ = 230.0

_SHAFTS = (ShaftSpec("n1"), ShaftSpec("n2"))
_BEARINGS = (
    BearingSpec("front", "n1", n_ball=9, ball_mm=7.94, pitch_mm=39.04),
    BearingSpec("rear", "n2", n_ball=13, ball_mm=9.5, pitch_mm=55.0, contact_deg=15.0),
)
_VELOCITY = VelocityGroup(enabled=True)
_ENVELOPE = EnvelopeGroup(enabled=True, band_hz=(2_000.0, 6_000.0), bearings=_BEARINGS)
_ORDERS = OrdersGroup(
    enabled=True,
    shafts=(ShaftOrders("n1", carriers=(Carrier(27.0),)), ShaftOrders("n2", carriers=(Carrier(20.0),))),
    max_hz=1_000.0,
)


def usual_spec(*, n_channel: int = 1, window_s: float = 10.0, hop_s: float = 1.0) -> FeatureSpec:
    """The product's default: 25.6 kHz, records of 1 s in 9 segments of 5,120; time and spectrum groups."""
    return FeatureSpec(
        sampling_rate_hz=RATE_HZ,
        record_s=1.0,
        window_s=window_s,
        hop_s=hop_s,
        channels=tuple(ChannelSpec(f"vib{index}", "g") for index in range(n_channel)),
        spectrum=SpectrumGroup(segment_n=5_120, overlap_n=2_560, bands_hz=BANDS_HZ),
    )


def record_spec(*, record_n: int, window_records: int, hop_records: int) -> FeatureSpec:
    """Time and spectrum groups over records of any length: 7 half-overlapped segments each, of a quarter record."""
    return FeatureSpec(
        sampling_rate_hz=RATE_HZ,
        record_s=record_n / RATE_HZ,
        window_s=window_records * record_n / RATE_HZ,
        hop_s=hop_records * record_n / RATE_HZ,
        channels=(ChannelSpec("vib0", "g"),),
        spectrum=SpectrumGroup(segment_n=record_n // 4, overlap_n=record_n // 8, bands_hz=BANDS_HZ),
    )


def group_specs() -> dict[str, FeatureSpec]:
    """By name, the usual spec with other groups: some of its own alone, and each further one on top of both."""
    usual = usual_spec()
    turning = replace(usual, shafts=_SHAFTS)
    return {
        "time alone": replace(usual, spectrum=replace(usual.spectrum, enabled=False)),
        "spectrum alone": replace(usual, time=TimeGroup(enabled=False)),
        "and velocity": replace(usual, velocity=_VELOCITY),
        "and envelope": replace(turning, envelope=_ENVELOPE),
        "and orders": replace(turning, orders=_ORDERS),
    }


def complete_spec() -> FeatureSpec:
    """Every group: two shafts with half-orders, harmonics and sidebands, two bearings, velocity."""
    return replace(usual_spec(), shafts=_SHAFTS, velocity=_VELOCITY, envelope=_ENVELOPE, orders=_ORDERS)


def speeds_of(spec: FeatureSpec) -> NDArray[np.float64]:
    """(n_speed,) the speeds that every push of ``spec`` brings."""
    hz = {"n1_hz": N1_HZ, "n2_hz": N2_HZ}
    return np.array([hz[name] for name in spec.speeds], dtype=np.float64)
