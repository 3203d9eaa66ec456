"""The figure of declared against measured false-alarm rates, in words and drawn."""

from __future__ import annotations

from ground.evidence import Evidence
from ground.report import words
from ground.report.calibration_plot import calibration_plot
from ground.report.view import Absent, Figure, picture

_READING = (
    "Below the line the promise is kept. A bar that lies above the line as a whole is a promise broken beyond "
    "chance; one that crosses it tells that the test flights are too few to say. Hollow: the calibration flights are "
    "too few for that rate. Points share their flights, so they move together."
)


def calibration_figure(evidence: Evidence, *, shipped: float) -> Figure:
    """Draw it, or say why there is none.

    Args:
        evidence: Holds the points.
        shipped: The declared rate of the detector that ships.
    """
    points = [point for point in evidence.calibration_curve if point.flights]
    if not points:
        return Absent("No calibration plot: no test flight is healthy throughout.")
    told = [f"{point.alarmed} of {point.flights} where {words.share(point.declared)} are declared" for point in points]
    return picture(
        lambda width: calibration_plot(points, shipped=shipped, width=width),
        title="Declared and measured share of healthy flights with an alarm",
        alt=f"{words.listed(told)}.",
        reading=_READING,
    )
