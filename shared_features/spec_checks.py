"""What must hold between the parts of a FeatureSpec; every check names the field, and runs when the spec is built."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shared_features.errors import SpecError
from shared_features.speed_limits import speed_limits_hz

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared_features.groups import ShaftOrders
    from shared_features.spec import FeatureSpec

CONDITIONS = ("n1_hz", "n2_hz")
TAPERS = ("hann",)
LONGEST_ROW_N = 8192
"""numpy sums rows up to this length in one order in every version since 2.0; longer rows changed order once."""

_WHOLE_TOLERANCE = 1e-9
_SHORTEST_SEGMENT_N = 8
_FEWEST_BAND_LINES = 4
_MOST_DOMINANT = 16
_MOST_HARMONICS = 16
_MOST_SIDEBANDS = 16


def check_spec(spec: FeatureSpec) -> None:
    """Refuse a spec whose parts contradict each other.

    Raises:
        SpecError: The text names the field, what was expected, what came, and what to do.
    """
    _check_spans(spec)
    _check_channels(spec)
    _check_groups(spec)
    if needs_segments(spec):
        _check_segments(spec)
    if spec.spectrum.enabled:
        _check_bands(spec)
    if spec.velocity.enabled:
        _check_velocity(spec)
    if spec.envelope.enabled or spec.orders.enabled:
        _check_overlap_add(spec)
    if spec.envelope.enabled:
        _check_envelope(spec)
    if spec.orders.enabled:
        _check_orders(spec)
    _check_speeds(spec)
    _check_quality(spec)


def needs_segments(spec: FeatureSpec) -> bool:
    """Whether a group is enabled that is read from the spectrum's segments."""
    return any(group.enabled for group in (spec.spectrum, spec.velocity, spec.envelope, spec.orders))


def followed_shafts(spec: FeatureSpec) -> frozenset[str]:
    """Names of the shafts that an enabled group follows."""
    return frozenset(name for _, name in _shafts_of_groups(spec))


def band_name(low_hz: float, high_hz: float) -> str:
    """Name of the feature that holds the power of a band."""
    return f"band_{low_hz:g}_{high_hz:g}_hz"


def is_whole_multiple(value: float, unit: float) -> bool:
    """Whether ``value`` is a positive whole multiple of ``unit``, up to rounding of the decimal input."""
    ratio = value / unit
    return round(ratio) >= 1 and abs(ratio - round(ratio)) <= _WHOLE_TOLERANCE * max(1.0, ratio)


def _check_spans(spec: FeatureSpec) -> None:
    for name in ("sampling_rate_hz", "record_s", "window_s", "hop_s"):
        value = getattr(spec, name)
        if not 0.0 < value < math.inf:
            raise SpecError(f"{name}: expected a positive number, got {value!r}; state it in its unit")
    if not is_whole_multiple(spec.record_s, 1.0 / spec.sampling_rate_hz):
        raise SpecError(
            f"record_s: expected a whole number of samples, got {spec.record_s * spec.sampling_rate_hz} "
            f"({spec.record_s} s at {spec.sampling_rate_hz} Hz); choose another record_s"
        )
    for name in ("window_s", "hop_s"):
        if not is_whole_multiple(getattr(spec, name), spec.record_s):
            raise SpecError(
                f"{name}: expected a whole number of records of {spec.record_s} s, got {getattr(spec, name)} s; "
                "choose a multiple of record_s"
            )
    if spec.hop_records > spec.window_records:
        raise SpecError(
            f"hop_s: expected at most window_s ({spec.window_s} s), got {spec.hop_s} s; samples would go unheard"
        )


def _check_channels(spec: FeatureSpec) -> None:
    names = [channel.name for channel in spec.channels]
    if not names or len(set(names)) != len(names):
        raise SpecError(f"channels: expected one or more different names, got {names}; name each channel once")
    unknown = [name for name in spec.conditions if name not in CONDITIONS]
    if unknown or _repeats(spec.conditions):
        raise SpecError(
            f"conditions: expected different ones of {', '.join(CONDITIONS)}, got {list(spec.conditions)}; correct it"
        )
    if _repeats(shaft.name for shaft in spec.shafts):
        raise SpecError(
            f"shafts: expected different names, got {[shaft.name for shaft in spec.shafts]}; name each shaft once"
        )


def _check_groups(spec: FeatureSpec) -> None:
    groups = ("time", "spectrum", "velocity", "envelope", "orders")
    if not any(getattr(spec, name).enabled for name in groups):
        raise SpecError(f"{', '.join(groups)}: expected at least one enabled group, got none; enable one")
    known = {shaft.name for shaft in spec.shafts}
    for where, name in _shafts_of_groups(spec):
        if name not in known:
            raise SpecError(
                f"{where}: expected one of the spec's shafts ({', '.join(sorted(known)) or 'none'}), got {name!r}; "
                "add the shaft to shafts"
            )


def _shafts_of_groups(spec: FeatureSpec) -> Iterator[tuple[str, str]]:
    """Where a shaft is named, and its name, in the enabled groups."""
    if spec.envelope.enabled:
        yield from ((f"envelope.bearings.{bearing.name}.shaft", bearing.shaft) for bearing in spec.envelope.bearings)
    if spec.orders.enabled:
        yield from (("orders.shafts.shaft", part.shaft) for part in spec.orders.shafts)
        yield from (("orders.bands.shaft", band.shaft) for band in spec.orders.bands)


def _check_segments(spec: FeatureSpec) -> None:
    group = spec.spectrum
    longest_n = min(spec.record_n, LONGEST_ROW_N)
    if not _SHORTEST_SEGMENT_N <= group.segment_n <= longest_n:
        raise SpecError(
            f"spectrum.segment_n: expected {_SHORTEST_SEGMENT_N} to {longest_n} samples, got {group.segment_n}; "
            "a segment lies within one record"
        )
    if not 0 <= group.overlap_n < group.segment_n:
        raise SpecError(
            f"spectrum.overlap_n: expected 0 to {group.segment_n - 1} samples, got {group.overlap_n}; correct it"
        )
    if (spec.record_n - group.segment_n) % (group.segment_n - group.overlap_n) != 0:
        raise SpecError(
            f"spectrum.segment_n: expected segments that fill the record of {spec.record_n} samples exactly, got "
            f"{group.segment_n} with {group.overlap_n} shared; choose divisors of the record"
        )
    if group.taper not in TAPERS:
        raise SpecError(f"spectrum.taper: expected one of {', '.join(TAPERS)}, got {group.taper!r}; correct it")


def _check_bands(spec: FeatureSpec) -> None:
    group = spec.spectrum
    if not 0.0 < group.rolloff < 1.0:
        raise SpecError(f"spectrum.rolloff: expected a share between 0 and 1, got {group.rolloff}; correct it")
    most = min(_MOST_DOMINANT, group.segment_n // 4)
    if not 0 <= group.dominant_n <= most:
        raise SpecError(f"spectrum.dominant_n: expected 0 to {most} lines, got {group.dominant_n}; correct it")
    names = [band_name(*band) for band in group.bands_hz]
    if _repeats(names):
        raise SpecError(f"spectrum.bands_hz: expected bands that differ to six digits, got {names}; remove the repeats")
    for low_hz, high_hz in group.bands_hz:
        _check_band(spec, "spectrum.bands_hz", low_hz, high_hz)
        lines = (math.ceil(edge_hz / spec.line_hz - _WHOLE_TOLERANCE) for edge_hz in (low_hz, high_hz))
        first, end = (max(line, 1) for line in lines)
        if end <= first or high_hz - low_hz < spec.line_hz * (1.0 - _WHOLE_TOLERANCE):
            raise SpecError(
                f"spectrum.bands_hz: expected bands of at least one line ({spec.line_hz} Hz), above 0 Hz, got "
                f"[{low_hz}, {high_hz}]; widen it or lengthen segment_n"
            )


def _check_band(spec: FeatureSpec, where: str, low_hz: float, high_hz: float) -> None:
    nyquist_hz = spec.sampling_rate_hz / 2.0
    if not 0.0 <= low_hz < high_hz <= nyquist_hz:
        raise SpecError(
            f"{where}: expected 0 <= low < high <= {nyquist_hz} Hz (Nyquist), got [{low_hz}, {high_hz}]; "
            "correct the band"
        )


def _check_velocity(spec: FeatureSpec) -> None:
    group = spec.velocity
    units = {channel.unit for channel in spec.channels}
    if units not in ({"g"}, {"m/s2"}):
        raise SpecError(
            f"velocity: expected all channels in g, or all in m/s2, to integrate, got {', '.join(sorted(units))}; "
            "switch the group off"
        )
    _check_band(spec, "velocity", group.low_hz, group.high_hz)
    lowest_hz = 2.0 * spec.line_hz
    if group.low_hz < lowest_hz * (1.0 - _WHOLE_TOLERANCE):
        raise SpecError(
            f"velocity.low_hz: expected at least two spectral lines ({lowest_hz:g} Hz), got {group.low_hz:g}; "
            "lengthen spectrum.segment_n or raise low_hz"
        )


def _check_overlap_add(spec: FeatureSpec) -> None:
    group = spec.spectrum
    if 2 * group.overlap_n != group.segment_n:
        raise SpecError(
            f"spectrum.overlap_n: expected half of segment_n ({group.segment_n}) for envelope and orders, got "
            f"{group.overlap_n}; the tapered segments must add up to the record"
        )


def _check_envelope(spec: FeatureSpec) -> None:
    group = spec.envelope
    low_hz, high_hz = group.band_hz
    _check_band(spec, "envelope.band_hz", low_hz, high_hz)
    if high_hz - low_hz < _FEWEST_BAND_LINES * spec.line_hz * (1.0 - _WHOLE_TOLERANCE):
        raise SpecError(
            f"envelope.band_hz: expected a band of at least {_FEWEST_BAND_LINES} lines "
            f"({_FEWEST_BAND_LINES * spec.line_hz:g} Hz), got [{low_hz}, {high_hz}]; widen it"
        )
    if _repeats(bearing.name for bearing in group.bearings):
        raise SpecError(
            f"envelope.bearings: expected different names, got {[bearing.name for bearing in group.bearings]}; "
            "name each bearing once"
        )
    if not 1 <= group.harmonics <= _MOST_HARMONICS:
        raise SpecError(f"envelope.harmonics: expected 1 to {_MOST_HARMONICS}, got {group.harmonics}; correct it")
    _check_tolerance("envelope", group.tolerance)


def _check_orders(spec: FeatureSpec) -> None:
    group = spec.orders
    if not group.shafts and not group.bands:
        raise SpecError("orders: expected shafts or bands, got neither; name orders or switch the group off")
    if _repeats(part.shaft for part in group.shafts):
        raise SpecError("orders.shafts: expected each shaft once, got one twice; join their orders")
    for part in group.shafts:
        _check_shaft_orders(part)
    for band in group.bands:
        if not 0.0 <= band.low < band.high < math.inf:
            raise SpecError(f"orders.bands: expected 0 <= low < high, got [{band.low}, {band.high}]; correct the band")
    if _repeats((band.shaft, f"{band.low:g}", f"{band.high:g}") for band in group.bands):
        raise SpecError("orders.bands: expected different bands, got one twice; remove the repeat")
    if any(part.orders for part in group.shafts):
        _check_band(spec, "orders.max_hz", 0.0, group.max_hz)
    _check_tolerance("orders", group.tolerance)


def _check_speeds(spec: FeatureSpec) -> None:
    for shaft in spec.shafts:
        low_hz, high_hz = speed_limits_hz(spec, shaft.name)
        if low_hz >= high_hz:
            raise SpecError(
                f"shafts.{shaft.name}: expected orders and bearing faults that can be measured at some speed, got such "
                f"as need at least {low_hz:g} Hz to be told apart and at most {high_hz:g} Hz to stay below their upper "
                "limits; lengthen record_s, widen envelope.band_hz, or drop orders"
            )


def _check_shaft_orders(part: ShaftOrders) -> None:
    orders = (*part.orders, *(carrier.order for carrier in part.carriers))
    named_twice = _repeats(f"{order:g}" for order in orders)
    if not orders or named_twice or not all(0.0 < order < math.inf for order in orders):
        raise SpecError(
            f"orders.{part.shaft}: expected different positive orders and carriers, got {list(orders)}; correct them"
        )
    for carrier in part.carriers:
        if not 1 <= carrier.sidebands < min(carrier.order, _MOST_SIDEBANDS + 1):
            raise SpecError(
                f"orders.{part.shaft}.carriers: expected 1 to {_MOST_SIDEBANDS} sidebands, fewer than the order "
                f"({carrier.order:g}), got {carrier.sidebands}; correct it"
            )


def _check_tolerance(group: str, tolerance: float) -> None:
    if not 0.0 <= tolerance <= 0.25:  # noqa: PLR2004 - wider would reach the neighbouring half-order
        raise SpecError(f"{group}.tolerance: expected a share from 0 to 0.25, got {tolerance}; correct it")


def _check_quality(spec: FeatureSpec) -> None:
    for name in ("flat_run_ratio", "clip_ratio"):
        value = getattr(spec.quality, name)
        if not 0.0 < value <= 1.0:
            raise SpecError(f"quality.{name}: expected a share in (0, 1], got {value}; correct it")
    if not 0.0 < spec.quality.tach_gap_ratio < math.inf:
        raise SpecError(
            f"quality.tach_gap_ratio: expected a positive number, got {spec.quality.tach_gap_ratio}; correct it"
        )


def _repeats(values: Iterable[object]) -> bool:
    listed = list(values)
    return len(set(listed)) != len(listed)
