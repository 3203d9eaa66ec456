"""Numbers and names as people read them."""

from __future__ import annotations

import math
import re

NOTHING = "n/a"
UNKNOWN_UNIT = "unknown"
_BAND = re.compile(r"band_([0-9.e+-]+)_([0-9.e+-]+)_hz")
_OF_CHANNEL = re.compile(r"(.+)\.([a-z].*)")
"""Within the name of a feature a dot is followed by a digit."""
_DIGEST_LETTERS = 12
_LARGE = 1e5
_SMALL = 1e-3
_MINUTES_FROM_S = 120.0
_HOURS_FROM_S = 7200.0

_FEATURES = {
    "rms": "RMS",
    "std": "standard deviation",
    "mean": "mean",
    "peak": "peak",
    "peak_to_peak": "peak-to-peak value",
    "crossing_share": "share of zero crossings",
    "centroid": "spectral centroid",
    "spread": "spectral spread",
    "rolloff": "spectral rolloff",
    "flatness": "spectral flatness",
    "entropy": "spectral entropy",
}
_REASONS = {
    "not_finite": "missing samples",
    "flatline": "flat sensor",
    "clipped": "clipped sensor",
    "dropout": "interrupted sensor",
    "bias_step": "step of the sensor's bias",
    "spikes": "electrical spikes",
    "gap": "gap in the stream",
    "phase_change": "change of phase within the window",
    "condition_missing": "shaft speed unknown",
    "channel_mismatch": "missing channel",
    "rate_mismatch": "other sampling rate",
    "unit_mismatch": "other unit",
    "model_failed": "model failed",
}


def number(value: float) -> str:
    """Three significant digits; powers of ten beyond 0.001 to 100,000; ``NOTHING`` where nothing is known."""
    if not math.isfinite(value):
        return NOTHING
    if value and not _SMALL <= abs(value) < _LARGE:
        return f"{value:.2e}"
    digits = 2 if not value else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def share(value: float) -> str:
    """A share as per cent, one decimal; the space does not break."""
    return f"{100.0 * value:.1f}\u00a0%" if math.isfinite(value) else NOTHING


def score(value: float) -> str:
    """An AUC or the like: three decimals."""
    return f"{value:.3f}" if math.isfinite(value) else NOTHING


def count(value: int, noun: str) -> str:
    """``1 flight``, ``2 flights``."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < _MINUTES_FROM_S:
        return f"{seconds:.3g} s"
    if seconds < _HOURS_FROM_S:
        return f"{seconds / 60.0:.3g} min"
    return f"{seconds / 3600.0:.3g} h"


def hertz(value: float) -> str:
    """A frequency in whole hertz where that says enough."""
    return f"{value:,.0f}" if value == round(value) or value >= 100.0 else f"{value:g}"  # noqa: PLR2004 - three digits


def spaced(name: str) -> str:
    """A name from a file as words."""
    return name.replace("_", " ")


def fault_name(fault_type: str, *, healthy: str = "healthy") -> str:
    """A fault type as words."""
    return spaced(fault_type) if fault_type else healthy


def reason_name(reason: str) -> str:
    """Why a window is not assessed, as words."""
    return _REASONS.get(reason, spaced(reason))


def digest(text: str) -> str:
    """The first letters of a digest: enough to compare by eye."""
    return text[:_DIGEST_LETTERS] or NOTHING


def band_of(feature: str) -> tuple[float, float] | None:
    """The band (low, high) in Hz that a feature is the power of; none for another feature, whatever its name holds."""
    found = _BAND.fullmatch(_parted(feature)[1])
    try:
        low, high = (float(found[1]), float(found[2])) if found else (math.inf, math.inf)
    except ValueError:
        return None
    return (low, high) if 0.0 <= low < high < math.inf else None


def channel_of(feature: str) -> str:
    """The channel of a feature; empty for an operating condition."""
    return _parted(feature)[0]


def feature_name(feature: str) -> str:
    """A feature as words, such as ``power from 1,500 to 2,100 Hz of acc_1``."""
    channel, name = _parted(feature)
    if not channel:
        return f"shaft speed {feature.removesuffix('_hz').upper()}"
    band = band_of(feature)
    what = f"power from {hertz(band[0])} to {hertz(band[1])} Hz" if band else _FEATURES.get(name, spaced(name))
    return f"{what} of {channel}"


def _parted(feature: str) -> tuple[str, str]:
    """Channel and name of a feature; no channel for an operating condition. A channel's name may have dots in it."""
    found = _OF_CHANNEL.fullmatch(feature)
    return (found[1], found[2]) if found else ("", feature)


def unit_suffix(unit: str) -> str:
    """A unit as it follows a number, with its space; empty for plain numbers."""
    if unit == "1":
        return ""
    return " " + unit.replace(UNKNOWN_UNIT, "unit")


def listed(parts: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
