"""What spectra of healthy engines look like: quantiles over windows of the workspace's recordings."""

from __future__ import annotations

import itertools
from typing import Final

from ground.errors import DataError
from ground.report.library import RecordingLibrary, WindowLibrary
from ground.report.spectra import HealthyBand, SpectrumReader, healthy_band, spread_choice
from shared_features.spec import FeatureSpec

FEWEST_HEALTHY: Final = 20
"""Fewer windows have no meaningful 5 % quantile."""
_RECORDINGS: Final = 20
_WINDOWS_EACH: Final = 5


def band_of_recordings(
    windows: WindowLibrary, recordings: RecordingLibrary, spec: FeatureSpec, *, phase: str, channel: str
) -> HealthyBand:
    """The healthy band of one channel in one phase.

    Raises:
        DataError: Too few healthy windows, or a recording cannot be read.
    """
    chosen = spread_choice(
        windows.spans(windows.healthy(phase, apart_from="")), recordings=_RECORDINGS, windows_each=_WINDOWS_EACH
    )
    if len(chosen) < FEWEST_HEALTHY:
        raise _too_few(len(chosen), phase)
    reader = SpectrumReader(spec, channel)
    densities = [
        reader.density(recordings.load(name), span.start_ns)
        for name, spans in itertools.groupby(chosen, key=lambda span: span.recording_id)
        for span in spans
    ]
    found = [density for density in densities if len(density)]
    if len(found) < FEWEST_HEALTHY:
        raise _too_few(len(found), phase)
    return healthy_band(found)


def _too_few(n: int, phase: str) -> DataError:
    return DataError(
        f"The workspace has {n} healthy windows of phase {phase:.80} with samples; a band takes {FEWEST_HEALTHY}."
    )
