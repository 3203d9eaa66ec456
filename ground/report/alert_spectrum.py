"""The figure of an alert: the spectrum of its window against the healthy windows of its phase."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground.errors import GroundError
from ground.report import words
from ground.report.alerts import Alert, Archive, told
from ground.report.spectra import SpectrumReader, healthy_band, spread_choice
from ground.report.spectrum_plot import SpectrumView, spectrum_plot
from ground.report.view import Absent, Figure, picture

FEWEST_HEALTHY = 20
"""Fewer windows have no meaningful 5 % quantile."""
_RECORDINGS = 30
_WINDOWS_EACH = 10

_READING = (
    "Where the orange line leaves the blue band, the engine sounds as it rarely or never does when healthy; ticks at "
    "the bottom are the edges of the feature bands, and bands that an alert names are shaded. Each point is the "
    "strongest line within 1/48 octave, for this window and the healthy ones alike."
)


@dataclass(frozen=True, slots=True)
class _Spectra:
    """Densities of the alert's window and of healthy ones, (n,) each, at ``frequency_hz``."""

    frequency_hz: NDArray[np.float64]
    own: NDArray[np.float64]
    healthy: list[NDArray[np.float64]]


def alert_spectrum(alert: Alert, archive: Archive) -> Figure:
    """Draw the spectrum, or say why there is none."""
    if not archive.spec.spectrum.enabled:
        return Absent("No spectrum: the feature spec of this detector has no spectrum group.")
    channel = channel_of(alert, archive)
    reader = SpectrumReader(archive.spec, channel)
    try:
        own = _own(alert, archive, reader)
        healthy = _healthy(alert, archive, reader)
    except GroundError as error:
        return Absent(f"No spectrum: {told(error, archive.root)}")
    if not len(own) or len(healthy) < FEWEST_HEALTHY:
        found = "is there" if len(own) else "is not there"
        return Absent(
            f"No spectrum: it takes the samples of the window, which {found}, and {FEWEST_HEALTHY} healthy windows of "
            f"other recordings in phase {words.spaced(alert.phase)}, of which there are {len(healthy)}."
        )
    spectra = _Spectra(reader.frequency_hz, own, healthy)
    return _picture(alert, _view(alert, archive, spectra, channel), channel)


def channel_of(alert: Alert, archive: Archive) -> str:
    """The channel of the first feature that the alert names; the spec's first where it names none."""
    known = [channel.name for channel in archive.spec.channels]
    named = [words.channel_of(part.feature) for part in alert.contributions]
    return next((name for name in named if name in known), known[0])


def _own(alert: Alert, archive: Archive, reader: SpectrumReader) -> NDArray[np.float64]:
    span = archive.span_of(alert)
    return reader.density(archive.recordings.load(span.recording_id), span.start_ns)


def _healthy(alert: Alert, archive: Archive, reader: SpectrumReader) -> list[NDArray[np.float64]]:
    rows = archive.windows.healthy(alert.phase, apart_from=archive.span_of(alert).recording_id)
    chosen = spread_choice(archive.windows.spans(rows), recordings=_RECORDINGS, windows_each=_WINDOWS_EACH)
    densities = [
        reader.density(archive.recordings.load(name), span.start_ns)
        for name, spans in itertools.groupby(chosen, key=lambda span: span.recording_id)
        for span in spans
    ]
    return [density for density in densities if len(density)]


def _view(alert: Alert, archive: Archive, spectra: _Spectra, channel: str) -> SpectrumView:
    band = healthy_band(spectra.healthy)
    named = [words.band_of(part.feature) for part in alert.contributions if words.channel_of(part.feature) == channel]
    return SpectrumView(
        frequency_hz=spectra.frequency_hz,
        density=spectra.own,
        healthy_low=band.low,
        healthy_median=band.median,
        healthy_high=band.high,
        bands_hz=archive.spec.spectrum.bands_hz,
        marked_bands_hz=tuple(found for found in named if found is not None),
        unit=next(item.unit for item in archive.spec.channels if item.name == channel),
        n_healthy=len(spectra.healthy),
    )


def _picture(alert: Alert, view: SpectrumView, channel: str) -> Figure:
    excess_db = 10.0 * np.log10(view.density / view.healthy_high)
    strongest = int(np.argmax(excess_db))
    side = "above" if excess_db[strongest] >= 0.0 else "below"
    finding = (
        f"It stands out most at {words.hertz(float(view.frequency_hz[strongest]))} Hz, "
        f"{abs(excess_db[strongest]):.0f} dB {side} the upper edge of the healthy band."
    )
    phase = words.spaced(alert.phase)
    return picture(
        lambda width: spectrum_plot(view, width=width),
        title=f"Spectrum of {channel} in this window, against healthy windows in phase {phase}",
        alt=f"{np.mean(excess_db > 0.0):.0%} of this window's curve lies above the healthy band. {finding}",
        reading=f"{finding} {_READING}",
    )
