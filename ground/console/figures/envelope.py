"""Figure: the envelope spectrum of an alert's window, with the lines of known bearings marked."""

from __future__ import annotations

import numpy as np

from ground.console.figures.spectrum import ruler_marks
from ground.console.figures.waveform import Told
from ground.console.figures.window import AlertWindow
from ground.console.plot import OWN, Axis, Plot, Series
from ground.errors import DataError
from ground.features.curves import Curve, envelope_curve
from ground.features.rulers import fault_rulers, highest, speeds_of
from ground.report import words
from ground.report.view import Absent

_BEYOND = 1.1
_LEAST_HZ = 100.0


def envelope_figure(window: AlertWindow) -> Told:
    """Draw how strongly each line modulates the demodulation band, over the mean of that band.

    Raises:
        DataError: The spec has no envelope, or nothing in the window is finite.
    """
    curve = envelope_curve(window.excerpt, window.channel)
    if isinstance(curve, Absent):
        raise DataError(curve.text)
    rulers = fault_rulers(window.excerpt, speeds_of(window.excerpt))
    shown = _shown(curve, max(_LEAST_HZ, _BEYOND * highest(rulers)))
    low_hz, high_hz = window.excerpt.spec.envelope.band_hz
    plot = Plot(
        x=Axis(label="modulation frequency", unit="Hz"),
        x_values=shown.x,
        y=Axis(label="modulation over the mean"),
        series=(Series(label="this window", values=shown.y, style=OWN),),
        marks=tuple(ruler_marks(rulers, float(shown.x[-1]))),
    )
    at_hz = float(shown.x[int(np.argmax(shown.y))])
    band = f"{words.hertz(low_hz)} to {words.hertz(high_hz)} Hz"
    return Told(plot, f"Of the band from {band}; its strongest modulation is at {words.number(at_hz)} Hz.")


def _shown(curve: Curve, highest_hz: float) -> Curve:
    rows = (curve.x > 0.0) & (curve.x <= highest_hz)
    return Curve(curve.x[rows], curve.y[rows])
