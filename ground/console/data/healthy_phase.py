"""What is healthy in a flight phase: ranges of features, and the spectra of a channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ground.console.data.healthy_band import band_of_recordings
from ground.errors import DataError
from ground.report.library import FeatureRange, RecordingLibrary, WindowLibrary
from ground.report.spectra import HealthyBand
from ground.window_table import feature_names
from shared_features.errors import FeatureError
from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthyPhase:
    """One phase.

    Attributes:
        ranges: The healthy range of each feature of the spec, by name; ``value`` is NaN.
        band: Spectra of healthy windows; none where ``band_fault`` says why.
        band_fault: Why there are none; empty where there are.
    """

    ranges: Mapping[str, FeatureRange]
    band: HealthyBand | None
    band_fault: str


def healthy_phase(
    windows: WindowLibrary, recordings: Callable[[], RecordingLibrary], spec: FeatureSpec, *, phase: str, channel: str
) -> HealthyPhase:
    """Look what is healthy in a phase.

    Args:
        windows: Features of windows.
        recordings: Opens the samples of the same.
        spec: Their feature spec.
        phase: The phase.
        channel: Whose spectra.

    Raises:
        DataError: There are no healthy windows.
    """
    rows = windows.healthy(phase, apart_from="")
    if not rows.any():
        raise DataError(f"The workspace has no healthy windows of phase {phase:.80}.")
    ranges = {name: windows.healthy_range(name, rows) for name in feature_names(spec)}
    try:
        band = band_of_recordings(windows, recordings(), spec, phase=phase, channel=channel)
    except (DataError, FeatureError) as error:
        return HealthyPhase(ranges=ranges, band=None, band_fault=str(error))
    return HealthyPhase(ranges=ranges, band=band, band_fault="")
