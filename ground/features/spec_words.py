"""A feature spec in sentences: what is sampled, over which spans, and what each group listens to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ground.features.listing import TITLES
from ground.report import words
from shared_features.groups import TACH, ShaftOrders, ShaftSpec
from shared_features.spec import FeatureSpec
from shared_features.spec_checks import needs_segments
from shared_features.vector import groups_of

_OFF = "off"


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a part of the spec says; ``topic`` names the part."""

    topic: str
    text: str


def spec_sentences(spec: FeatureSpec) -> tuple[Sentence, ...]:
    """The spec in sentences, the groups that are off included."""
    return (
        Sentence("Signal", _signal(spec)),
        Sentence("Spans", _spans(spec)),
        Sentence("Shafts", "; ".join(map(_shaft, spec.shafts)) or "none"),
        *(Sentence("Segments", _segments(spec)) for _ in range(1) if needs_segments(spec)),
        *(Sentence(TITLES[name], text) for name, text in _groups(spec)),
    )


def _signal(spec: FeatureSpec) -> str:
    channels = words.listed([f"{channel.name} ({channel.unit})" for channel in spec.channels])
    conditions = f"; conditions {words.listed(list(spec.conditions))}" if spec.conditions else "; no conditions"
    return (
        f"{words.hertz(spec.sampling_rate_hz)} Hz, {words.count(len(spec.channels), 'channel')}: {channels}{conditions}"
    )


def _spans(spec: FeatureSpec) -> str:
    return (
        f"records of {spec.record_s:g} s ({spec.record_n:,} samples); windows of {spec.window_s:g} s "
        f"({words.count(spec.window_records, 'record')}) every {spec.hop_s:g} s"
    )


def _shaft(shaft: ShaftSpec) -> str:
    if shaft.source == TACH:
        return f"{shaft.name} by tachometer, {shaft.pulses_per_rev:g} a turn"
    return f"{shaft.name} by reported speed"


def _segments(spec: FeatureSpec) -> str:
    group = spec.spectrum
    count = 1 + (spec.record_n - group.segment_n) // (group.segment_n - group.overlap_n)
    return (
        f"{count} a record, of {group.segment_n:,} samples with {group.overlap_n / group.segment_n:.0%} overlap, "
        f"{group.taper.capitalize()} taper; a spectral line each {spec.line_hz:g} Hz up to "
        f"{words.hertz(spec.sampling_rate_hz / 2.0)} Hz"
    )


def _groups(spec: FeatureSpec) -> Iterator[tuple[str, str]]:
    counts = {group.name: len(group.features) for group in groups_of(spec)}
    describe = {
        "time": "moments, extremes and crossings of the waveform",
        "spectrum": _spectrum(spec),
        "velocity": f"{_band(spec.velocity.low_hz, spec.velocity.high_hz)} by integration, in mm/s",
        "envelope": _envelope(spec),
        "orders": "; ".join(_orders(spec)),
    }
    for name, text in describe.items():
        yield name, f"{words.count(counts[name], 'feature')} a channel: {text}" if name in counts else _OFF


def _spectrum(spec: FeatureSpec) -> str:
    group = spec.spectrum
    bands = "no bands"
    if group.bands_hz:
        low_hz, high_hz = min(band[0] for band in group.bands_hz), max(band[1] for band in group.bands_hz)
        bands = f"{words.count(len(group.bands_hz), 'band')} within {_band(low_hz, high_hz)}"
    lines = f", {words.count(group.dominant_n, 'dominant line')}" if group.dominant_n else ""
    return f"{bands}, the shape of the spectrum (rolloff at {group.rolloff:.0%}){lines}"


def _envelope(spec: FeatureSpec) -> str:
    group = spec.envelope
    bearings = "no bearings"
    if group.bearings:
        names = words.listed([f"{bearing.name} on {bearing.shaft}" for bearing in group.bearings])
        harmonics = words.count(group.harmonics, "harmonic")
        bearings = f"faults of {names}, {harmonics} each, ± {group.tolerance:.1%}"
    return f"demodulated from {_band(*group.band_hz)}; {bearings}"


def _orders(spec: FeatureSpec) -> Iterator[str]:
    group = spec.orders
    yield from map(_shaft_orders, group.shafts)
    yield from (f"{band.shaft}: all from {band.low:g}x to {band.high:g}x" for band in group.bands)
    yield f"orders up to {words.hertz(group.max_hz)} Hz, ± {group.tolerance:.1%}"


def _shaft_orders(part: ShaftOrders) -> str:
    orders = [f"{order:g}x" for order in part.orders]
    orders += [f"{one.order:g}x with {one.sidebands} sidebands on each side" for one in part.carriers]
    return f"{part.shaft}: {words.listed(orders)}"


def _band(low_hz: float, high_hz: float) -> str:
    return f"{words.hertz(low_hz)} to {words.hertz(high_hz)} Hz"
