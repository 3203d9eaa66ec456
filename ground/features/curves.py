"""What the panels of a plot draw of one channel of a window: all of it computed by the code that flies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground.features.excerpt import Excerpt
from ground.report import words
from ground.report.view import Absent
from shared_features.envelope import squared_envelope_spectrum
from shared_features.groups import ShaftOrders
from shared_features.orders import OrdersMaker, order_features, order_spectrum
from shared_features.quality import NOT_FINITE
from shared_features.record import RecordMaker
from shared_features.rotation import CONDITION_MISSING, Rotation
from shared_features.segments import SegmentMaker, density_of
from shared_features.spec import FeatureSpec
from shared_features.spec_checks import needs_segments
from shared_features.spectral import SpectrumMaker
from shared_features.waveform import WaveformMaker

_MOST_ORDERS = 4000
_BEYOND_ORDERS = 1.15
_LINES_A_STEP = 0.5
_CLEAR_LINES = 4.0
"""So many lines of the record from 0 Hz on an order is told apart from the mean."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a line, (n,) each."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BandLevel:
    """A feature band and the mean density in it, unit²/Hz."""

    low_hz: float
    high_hz: float
    density: float


@dataclass(frozen=True, slots=True)
class OrderCurve:
    """RMS about the orders of one shaft; ``marked`` are the features, none where another shaft's speed is unknown."""

    shaft: str
    curve: Curve
    marked: Curve


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCurves:
    """Everything that is drawn of a channel.

    Attributes:
        channel: Its name.
        unit: Unit of its samples.
        time_s: (window_n,) since the recording's time 0.
        samples: (window_n,) float64.
        reasons: Of each record, why it cannot be assessed.
        density: One-sided power spectral density over frequency, unit²/Hz, or why there is none.
        bands: The levels of the feature bands.
        envelope: RMS of the modulation of each line of the squared envelope over its mean, or why there is none.
        orders: One curve a shaft, or why there is none.
    """

    channel: str
    unit: str
    time_s: NDArray[np.float64]
    samples: NDArray[np.float64]
    reasons: tuple[str, ...]
    density: Curve | Absent
    bands: tuple[BandLevel, ...]
    envelope: Curve | Absent
    orders: tuple[OrderCurve | Absent, ...]


def curves_of(excerpt: Excerpt, channel: int) -> ChannelCurves:
    """Compute what is drawn of one channel; ``channel`` counts in the order of the spec."""
    spec = excerpt.spec
    density = _density(excerpt, channel)
    return ChannelCurves(
        channel=spec.channels[channel].name,
        unit=spec.channels[channel].unit,
        time_s=excerpt.start_s + np.arange(spec.window_n) / spec.sampling_rate_hz,
        samples=excerpt.samples[:, channel].astype(np.float64),
        reasons=_reasons(excerpt, channel),
        density=density,
        bands=() if isinstance(density, Absent) else _bands(excerpt, density),
        envelope=envelope_curve(excerpt, channel),
        orders=tuple(_orders(excerpt, channel)),
    )


def _reasons(excerpt: Excerpt, channel: int) -> tuple[str, ...]:
    maker = RecordMaker(excerpt.spec)
    pairs = zip(excerpt.records(channel), excerpt.rotations, strict=True)
    return tuple(maker.record(samples, rotations, channel=channel).reason for samples, rotations in pairs)


def _finite(excerpt: Excerpt, channel: int) -> list[tuple[NDArray[np.float32], tuple[Rotation, ...]]]:
    """The records without a missing sample, and how the shafts turned in them."""
    pairs = zip(excerpt.records(channel), excerpt.rotations, strict=True)
    return [(samples, rotations) for samples, rotations in pairs if np.isfinite(samples).all()]


def _density(excerpt: Excerpt, channel: int) -> Curve | Absent:
    spec = excerpt.spec
    if not needs_segments(spec):
        return Absent("No spectrum: the spec has no group that is read from one (features.spectrum).")
    found = [density_of(spec, samples) for samples, _ in _finite(excerpt, channel)]
    if not found:
        return _nothing_finite()
    psd = np.asarray(np.mean(found, axis=0), dtype=np.float64)
    return Curve(np.arange(float(psd.size)) * spec.line_hz, psd)


def _bands(excerpt: Excerpt, density: Curve) -> tuple[BandLevel, ...]:
    spec = excerpt.spec
    if not spec.spectrum.enabled:
        return ()
    powers = SpectrumMaker(spec).band_powers(density.y)
    pairs = zip(spec.spectrum.bands_hz, powers, strict=True)
    return tuple(BandLevel(low_hz, high_hz, power / (high_hz - low_hz)) for (low_hz, high_hz), power in pairs)


def envelope_curve(excerpt: Excerpt, channel: int) -> Curve | Absent:
    """RMS of the modulation of each line of the squared envelope over its mean, or why there is none."""
    spec = excerpt.spec
    if not spec.envelope.enabled:
        return Absent("No envelope: the spec has no envelope group. Switch it on with features.envelope in the config.")
    found = [squared_envelope_spectrum(spec, samples) for samples, _ in _finite(excerpt, channel)]
    if not found:
        return _nothing_finite()
    power = np.asarray(np.mean([power for _, power in found], axis=0), dtype=np.float64)
    return Curve(found[0][0], np.sqrt(power))


def _orders(excerpt: Excerpt, channel: int) -> Iterator[OrderCurve | Absent]:
    spec = excerpt.spec
    if not spec.orders.enabled:
        return
    shafts = [shaft.name for shaft in spec.shafts]
    records = [_OrderRecord(*record) for record in _deviations(excerpt, channel)]
    levels = _order_levels(spec, records)
    for part in spec.orders.shafts:
        index = shafts.index(part.shaft)
        known = [record for record in records if not record.rotations[index].reason]
        if known:
            yield OrderCurve(part.shaft, _order_curve(spec, part, known, index), _marked(part, levels))
        else:
            reasons = sorted({record.rotations[index].reason for record in records}) or [NOT_FINITE]
            yield Absent(f"No orders of {part.shaft.upper()}: {', '.join(map(_speed_reason, reasons))}.")


@dataclass(frozen=True, slots=True)
class _OrderRecord:
    """The samples of a record about their mean, and how the shafts turned."""

    deviation: NDArray[np.float64]
    rotations: tuple[Rotation, ...]


def _deviations(excerpt: Excerpt, channel: int) -> Iterator[tuple[NDArray[np.float64], tuple[Rotation, ...]]]:
    waveform = WaveformMaker(excerpt.spec)
    for samples, rotations in _finite(excerpt, channel):
        waveform.load(samples)
        yield waveform.deviation.copy(), rotations


def _order_levels(spec: FeatureSpec, records: list[_OrderRecord]) -> dict[str, float]:
    """The features of the orders group by name, as far as they are tracked; none where a speed is unknown."""
    complete = [one for one in records if not any(rotation.reason for rotation in one.rotations)]
    if not complete:
        return {}
    segments, maker = SegmentMaker(spec), OrdersMaker(spec)
    powers = np.mean([maker.tracked(segments.lines(one.deviation), one.rotations) for one in complete], axis=0)
    names = [feature.name for feature in order_features(spec)]
    return dict(zip(names, np.sqrt(powers).tolist(), strict=False))


def _marked(part: ShaftOrders, levels: dict[str, float]) -> Curve:
    orders = sorted({*part.orders, *(carrier.order for carrier in part.carriers)})
    found = [(order, levels[f"{part.shaft}_{order:g}x"]) for order in orders if levels]
    return Curve(*np.array(found, dtype=np.float64).reshape(-1, 2).T)


def _order_curve(spec: FeatureSpec, part: ShaftOrders, records: list[_OrderRecord], shaft: int) -> Curve:
    lowest_hz = max(_CLEAR_LINES / spec.record_s, 2.0 * spec.line_hz)
    speed_hz = min(one.rotations[shaft].low_hz for one in records)
    outermost = max([*part.orders, *(carrier.order + carrier.sidebands for carrier in part.carriers)])
    last = _BEYOND_ORDERS * outermost
    first = min(lowest_hz / speed_hz, last / 2.0)
    step = max(_LINES_A_STEP / (spec.record_s * speed_hz), (last - first) / _MOST_ORDERS)
    orders = np.arange(first, last, step)
    segments = SegmentMaker(spec)
    total = np.zeros(orders.size)
    for one in records:
        total += order_spectrum(spec, segments.lines(one.deviation), one.rotations[shaft], orders) ** 2
    return Curve(orders, np.sqrt(total / len(records)))


def _speed_reason(reason: str) -> str:
    return "its speed is unknown" if reason == CONDITION_MISSING else words.reason_name(reason)


def _nothing_finite() -> Absent:
    return Absent("No spectrum: samples are missing in every record of the window.")
