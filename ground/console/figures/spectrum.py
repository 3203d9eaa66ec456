"""Figure: the spectrum of an alert's window against that of healthy windows, with shaft orders marked."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ground.console.data.alert import AlertDetail
from ground.console.figures.waveform import Told
from ground.console.figures.window import AlertWindow
from ground.console.plot import EDGE, HEALTHY, OWN, Axis, Mark, Plot, Series
from ground.errors import DataError
from ground.features.rulers import Ruler, order_rulers, speeds_of
from ground.recording import Recording
from ground.report import words
from ground.report.spectra import HealthyBand, SpectrumReader

_MOST_MARKS = 12


def spectrum_figure(alert: AlertDetail, window: AlertWindow, recording: Recording, band: HealthyBand | None) -> Told:
    """Draw the spectrum: the strongest line in each 1/48 octave.

    Args:
        alert: The alert.
        window: Its window.
        recording: Its waveform.
        band: Of healthy windows; none where the workspace has none.

    Raises:
        DataError: The spec has no spectrum.
    """
    spec = window.excerpt.spec
    if not spec.spectrum.enabled:
        raise DataError("The feature spec of this detector has no spectrum.")
    reader = SpectrumReader(spec, window.channel_name)
    density = reader.density(recording, alert.start_ns)
    if not len(density):
        raise DataError("The waveform does not hold the whole window of the alert.")
    series = [Series(label="this window", values=_decibel(density), style=OWN)]
    if band is not None:
        series += [
            Series(label="healthy, median", values=_decibel(band.median), style=HEALTHY),
            Series(label="healthy, 95 %", values=_decibel(band.high), style=EDGE),
            Series(label="healthy, 5 %", values=_decibel(band.low), style=EDGE),
        ]
    unit = spec.channels[window.channel].unit
    plot = Plot(
        x=Axis(label="frequency", unit="Hz", log=True),
        x_values=reader.frequency_hz,
        y=Axis(label="density", unit=f"dB re 1 {_square(unit)}/Hz"),
        series=tuple(series),
        bands=((2, 3),) if band is not None else (),
        marks=tuple(_marks(alert, window, float(reader.frequency_hz[-1]))),
    )
    return Told(plot, _text(reader.frequency_hz, density, band))


def _marks(alert: AlertDetail, window: AlertWindow, highest_hz: float) -> Iterable[Mark]:
    for part in alert.contributions:
        band_hz = words.band_of(part.feature)
        if band_hz and words.channel_of(part.feature) == window.channel_name:
            yield Mark(label="named by the alert", at=band_hz[0], until=band_hz[1], style=OWN)
    rulers = order_rulers(window.excerpt, speeds_of(window.excerpt))
    yield from ruler_marks(rulers, highest_hz)


def ruler_marks(rulers: Iterable[Ruler], highest: float) -> Iterable[Mark]:
    """The labelled places of rulers as marks, a row of labels for each; spans where the speed changed much."""
    for row, ruler in enumerate(rulers):
        # Captions end with the speed or the frequency, which the axis tells.
        name = " ".join(itertools.takewhile(lambda word: not word[0].isdigit(), ruler.caption.split()))
        for mark in [mark for mark in ruler.marks if mark.label and 0.0 < mark.at <= highest][:_MOST_MARKS]:
            at, until = (mark.at, math.nan) if mark.is_narrow else (mark.low, min(mark.high, highest))
            yield Mark(label=f"{name} {mark.label}", at=at, until=until, row=row)
        for low, high in ruler.spans:
            if low < highest:
                yield Mark(label=ruler.caption, at=low, until=min(high, highest), row=row)


def _text(frequency_hz: NDArray[np.float64], density: NDArray[np.float64], band: HealthyBand | None) -> str:
    if band is None:
        at_hz = float(frequency_hz[int(np.argmax(density))])
        return f"Its strongest line lies at {words.hertz(at_hz)} Hz."
    excess_db = _decibel(density) - _decibel(band.high)
    strongest = int(np.argmax(excess_db))
    side = "above" if excess_db[strongest] >= 0.0 else "below"
    return (
        f"{np.mean(excess_db > 0.0):.0%} of the curve lies above the healthy band of {band.n_windows} windows. It "
        f"stands out most at {words.hertz(float(frequency_hz[strongest]))} Hz, {abs(excess_db[strongest]):.0f} dB "
        f"{side} the upper edge of that band."
    )


def _decibel(density: NDArray[np.float64]) -> NDArray[np.float64]:
    level: NDArray[np.float64] = 10.0 * np.log10(density)
    return level


def _square(unit: str) -> str:
    return f"({unit})²" if "/" in unit else f"{unit}²"
