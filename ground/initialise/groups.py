"""Which feature groups a rig gets, and how many bands. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ground.initialise.spans import WINDOWS_PER_FEATURE, Spans
from shared_features.time_domain import TIME_FEATURES
from shared_features.velocity import MM_S2

FEWEST_BANDS = 8
MOST_BANDS = 32
VELOCITY_HZ = (10.0, 1000.0)
"""The band of ISO 20816-1."""

_SHAPES = 5
"""Features of the spectrum beside the bands: centroid, spread, rolloff, flatness, entropy."""
_LINES_PER_BAND = 2
_HIGHEST_SHARE = 0.45
_LOWEST_VELOCITY_LINES = 2.0
_HIGHEST_LOW_HZ = 20.0
_SMALLEST_RATIO = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The chosen groups.

    Attributes:
        n_bands: Bands of the spectrum; 0 switches the group off.
        velocity_hz: Band of the velocity RMS; (0, 0) switches the group off.
        why_no_velocity: Why it is off; empty where it is on.
    """

    n_bands: int
    velocity_hz: tuple[float, float]
    why_no_velocity: str


def choose_groups(spans: Spans, *, rate_hz: float, units: Sequence[str], windows: int) -> Groups:
    """Time and spectrum always, velocity where the channels are accelerations; others only by hand (ADR 0014).

    Args:
        spans: The spans.
        rate_hz: Sampling rate.
        units: One a channel.
        windows: Healthy windows.
    """
    reason, band_hz = _velocity(spans, rate_hz, units)
    return Groups(n_bands=_n_bands(spans, windows, len(units)), velocity_hz=band_hz, why_no_velocity=reason)


def _n_bands(spans: Spans, windows: int, n_channel: int) -> int:
    if not spans.segment_n:
        return 0
    affordable = windows // (WINDOWS_PER_FEATURE * n_channel) - len(TIME_FEATURES) - _SHAPES
    return max(1, min(max(affordable, FEWEST_BANDS), MOST_BANDS, spans.n_line // _LINES_PER_BAND))


def _velocity(spans: Spans, rate_hz: float, units: Sequence[str]) -> tuple[str, tuple[float, float]]:
    off = (0.0, 0.0)
    if len(set(units)) != 1 or units[0] not in MM_S2:
        return "the channels are not all in g, or all in m/s2", off
    if not spans.segment_n:
        return "records are too short for a spectrum", off
    line_hz = rate_hz / spans.segment_n
    low_hz = max(VELOCITY_HZ[0], _LOWEST_VELOCITY_LINES * line_hz)
    high_hz = min(VELOCITY_HZ[1], _HIGHEST_SHARE * rate_hz)
    if low_hz > _HIGHEST_LOW_HZ:
        return f"records are too short: lines lie {line_hz:.3g} Hz apart", off
    if high_hz < _SMALLEST_RATIO * low_hz:
        return "the sampling rate is too low", off
    return "", (_up(low_hz), high_hz)


def _up(hz: float) -> float:
    """Rounded up to a tenth, so that the name of the feature is short."""
    return -(-hz * 10.0 // 1.0) / 10.0
