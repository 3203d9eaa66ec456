"""Every feature that there is: a made-up engine with all groups on, and any spec with the missing groups added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from shared_features.errors import SpecError
from shared_features.groups import (
    BearingSpec,
    Carrier,
    ChannelSpec,
    EnvelopeGroup,
    OrderBand,
    OrdersGroup,
    ShaftOrders,
    ShaftSpec,
    SpectrumGroup,
    TimeGroup,
    VelocityGroup,
)
from shared_features.spec import FeatureSpec

BEARING: Final = BearingSpec("front", "n1", n_ball=13, ball_mm=22.0, pitch_mm=150.0, contact_deg=25.0)

REFERENCE: Final = FeatureSpec(
    sampling_rate_hz=25_600.0,
    record_s=1.0,
    window_s=10.0,
    hop_s=1.0,
    channels=(ChannelSpec("acc_1", "g"),),
    conditions=("n1_hz", "n2_hz"),
    shafts=(ShaftSpec("n1"), ShaftSpec("n2")),
    spectrum=SpectrumGroup(
        segment_n=5120, overlap_n=2560, bands_hz=((10.0, 100.0), (100.0, 1000.0), (1000.0, 10_000.0)), dominant_n=1
    ),
    velocity=VelocityGroup(enabled=True),
    envelope=EnvelopeGroup(enabled=True, band_hz=(4000.0, 8000.0), bearings=(BEARING,)),
    orders=OrdersGroup(
        enabled=True,
        shafts=(ShaftOrders("n1", carriers=(Carrier(22.0),)), ShaftOrders("n2", orders=(1.0, 2.0))),
        bands=(OrderBand("n1", 4.0, 20.0),),
        max_hz=1000.0,
    ),
)
"""A turbofan: 1 s records of 25,600 samples, two shafts, one bearing, 22 blades."""

_STAND_IN_SHARE = (0.25, 0.75)
"""Of Nyquist; wide enough that bearing faults and half-orders share a range of speeds from 1 kHz on."""
_LOWEST_VELOCITY_LINES = 2.0


def with_every_group(spec: FeatureSpec) -> tuple[FeatureSpec, tuple[str, ...]]:
    """A spec with every group switched on; what it does not say of the machine is taken from the reference.

    Args:
        spec: What to add to; groups that are on stay as they are.

    Returns:
        The spec, and a sentence for each group that was switched on, or that this spec cannot have.
    """
    notes = []
    for name, switch_on in _SWITCHES.items():
        if not getattr(spec, name).enabled:
            try:
                spec = switch_on(spec)
                notes.append(f"{name}: off in this spec, shown as an example")
            except SpecError as error:
                notes.append(f"{name}: off in this spec, and not possible: {error}")
    return spec, tuple(notes)


def _time(spec: FeatureSpec) -> FeatureSpec:
    return replace(spec, time=TimeGroup())


def _spectrum(spec: FeatureSpec) -> FeatureSpec:
    return replace(spec, spectrum=replace(spec.spectrum, enabled=True))


def _velocity(spec: FeatureSpec) -> FeatureSpec:
    low_hz = max(VelocityGroup().low_hz, _LOWEST_VELOCITY_LINES * spec.line_hz)
    high_hz = min(VelocityGroup().high_hz, spec.sampling_rate_hz / 2.0)
    return replace(spec, velocity=VelocityGroup(enabled=True, low_hz=low_hz, high_hz=high_hz))


def _envelope(spec: FeatureSpec) -> FeatureSpec:
    spec = _with_shaft(spec)
    low, high = (share * spec.sampling_rate_hz / 2.0 for share in _STAND_IN_SHARE)
    bearings = spec.envelope.bearings or (replace(BEARING, shaft=spec.shafts[0].name),)
    return replace(spec, envelope=EnvelopeGroup(enabled=True, band_hz=(low, high), bearings=bearings))


def _orders(spec: FeatureSpec) -> FeatureSpec:
    spec = _with_shaft(spec)
    shaft = spec.shafts[0].name
    parts = spec.orders.shafts or (ShaftOrders(shaft),)
    max_hz = spec.sampling_rate_hz / 4.0
    return replace(spec, orders=OrdersGroup(enabled=True, shafts=parts, bands=spec.orders.bands, max_hz=max_hz))


def _with_shaft(spec: FeatureSpec) -> FeatureSpec:
    return spec if spec.shafts else replace(spec, shafts=(ShaftSpec("n1"),))


_SWITCHES: Final[dict[str, Callable[[FeatureSpec], FeatureSpec]]] = {
    "time": _time,
    "spectrum": _spectrum,
    "velocity": _velocity,
    "envelope": _envelope,
    "orders": _orders,
}
