"""The part of the page that sets the shipped model beside the other families and plain RMS."""

from __future__ import annotations

import numpy as np

from ground.evidence import BASELINE, SHIPPED, ContenderEvidence, Evidence
from ground.report import words
from ground.report.headline import contender_name
from ground.report.roc_plot import OperatingPoint, RankingCurves, roc_plot
from ground.report.view import Absent, Column, Figure, Grid, Section, picture

KEY = "compared"

_NUMBERS = (
    "AUC",
    "partial AUC",
    "precision",
    "recall",
    "false-alarm rate",
    "faulty flights found",
    "healthy flights alarmed",
)
_COLUMNS = (Column("scorer"), *(Column(name, numeric=True) for name in _NUMBERS))
_KINDS = {SHIPPED: " (ships)", BASELINE: " (baseline)"}
_READING = (
    "Curves rank single windows, before persistence: the nearer to the upper left (ROC) or upper right (precision and "
    "recall), the better. The marked point is what the calibrated threshold makes of the shipped model, with "
    "persistence, so it may lie off its curve."
)


def contenders_section(evidence: Evidence) -> Section:
    """The section."""
    left_out = tuple(f"Not computed: {text}." for text in evidence.not_run)
    return Section(
        key=KEY,
        title="Compared with other scorers",
        nav="Comparison",
        sentences=(*_sentences(evidence), *left_out),
        figures=(_figure(evidence),),
        grids=(
            Grid(
                columns=_COLUMNS,
                rows=tuple(_row(contender) for contender in evidence.contenders),
                note="Each scorer has thresholds of its own, calibrated on the same healthy flights for the same "
                "promise. Partial AUC: up to a false-alarm rate of 10 %, scaled so that 0.5 is chance and 1 perfect. "
                "Precision, recall and false-alarm rate count windows in alarm, after persistence. All windows count "
                "alike here; in the gates observations do, and of false alarms flights, so theirs differ.",
            ),
        ),
    )


def _sentences(evidence: Evidence) -> tuple[str, ...]:
    rms = [contender for contender in evidence.contenders if contender.kind == BASELINE]
    if not rms or not np.isfinite([evidence.contenders[0].windows.auc, rms[0].windows.auc]).all():
        return ()
    gain = evidence.contenders[0].windows.auc - rms[0].windows.auc
    amount = words.score(abs(gain))
    verdict = f"{amount} {'more' if gain > 0.0 else 'less'} than" if float(amount) else "the same as"
    return (
        (
            "What does the model add to a plain level meter? Its AUC is "
            f"{words.score(evidence.contenders[0].windows.auc)}, {verdict} that of {contender_name(rms[0])}."
        ),
    )


def _row(contender: ContenderEvidence) -> tuple[str, ...]:
    windows, flights = contender.windows, contender.flights
    return (
        contender_name(contender) + _KINDS.get(contender.kind, ""),
        words.score(windows.auc),
        words.score(windows.partial_auc),
        words.score(windows.precision),
        words.score(windows.recall),
        words.score(windows.false_alarm_rate),
        f"{flights.detected_flights} of {flights.faulty_flights}",
        f"{flights.alarmed_flights} of {flights.healthy_flights}",
    )


def _figure(evidence: Evidence) -> Figure:
    known = [contender for contender in evidence.contenders if len(contender.roc.x) and len(contender.pr.x)]
    if not known or known[0] is not evidence.contenders[0]:
        return Absent(
            "No ROC and no precision-recall curve: they take healthy and faulty test windows, and one kind is absent."
        )
    windows = known[0].windows
    point = OperatingPoint(
        false_alarm_rate=windows.false_alarm_rate, recall=windows.recall, precision=windows.precision
    )
    curves = [_curves(contender) for contender in known]
    prevalence = windows.faulty / (windows.faulty + windows.healthy)
    listed = words.listed([f"{curve.name} AUC {words.score(curve.auc)}" for curve in curves])
    return picture(
        lambda width: roc_plot(curves, point, evidence.bands, prevalence=prevalence, width=width),
        title="ROC, and precision and recall, over single windows",
        alt=f"{listed}. As shipped: false-alarm rate {words.score(point.false_alarm_rate)}, recall "
        f"{words.score(point.recall)}, precision {words.score(point.precision)}.",
        reading=f"{_READING}{_band_sentence(evidence)}",
    )


def _band_sentence(evidence: Evidence) -> str:
    bands = evidence.bands
    if not bands.resamples:
        return ""
    return (
        f" Shaded: where the shipped model's curve lies in {words.share(bands.confidence)} of {bands.resamples} draws "
        "of other units (bootstrap over groups, pointwise)."
    )


def _curves(contender: ContenderEvidence) -> RankingCurves:
    return RankingCurves(
        name=contender_name(contender),
        auc=contender.windows.auc,
        average_precision=contender.windows.average_precision,
        false_alarm_rate=contender.roc.x,
        true_rate=contender.roc.y,
        recall=contender.pr.x,
        precision=contender.pr.y,
    )
