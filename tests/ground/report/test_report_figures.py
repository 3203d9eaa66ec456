"""The figures: same bytes every time, units on the axes, bounded size, nothing from outside."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import partial

import numpy as np
import pytest

from ground.calibration_curve import CalibrationPoint
from ground.intervals import proportion_bounds
from ground.ranking_bands import Band, RankingBands
from ground.report.calibration_plot import calibration_plot
from ground.report.figure import NARROW, WIDE, thinned, time_unit
from ground.report.latency_plot import latency_plot
from ground.report.roc_plot import OperatingPoint, RankingCurves, roc_plot
from ground.report.score_plot import Trace, score_plot, spans_of
from ground.report.spectrum_plot import SpectrumView, density_unit, spectrum_plot

LARGEST_SVG = 200_000


def make_trace(n=40, *, title="sim-e0001 · f000: healthy", seed=0, period_s=1.0):
    """One flight: healthy at first, faulty and in alarm from half on, then not assessed."""
    start_s = np.arange(n) * period_s
    ratio = 0.4 * np.exp(np.random.default_rng(seed).normal(0.0, 0.2, n))
    faulty = np.arange(n) >= n // 2
    ratio[faulty] *= 8.0
    ratio[-n // 10 :] = np.nan
    alarm = faulty & np.isfinite(ratio)
    raised = np.diff(alarm, prepend=False) & alarm
    return Trace(
        title=title, start_s=start_s, end_s=start_s + 5.0, ratio=ratio, alarm=alarm, raised=raised, faulty=faulty
    )


def make_view():
    """A spectrum that leaves its healthy band around 300 Hz."""
    frequency_hz = np.geomspace(10.0, 2000.0, 200)
    usual = 1e-6 / frequency_hz
    density = usual * (1.0 + 50.0 * np.exp(-((frequency_hz / 300.0 - 1.0) ** 2) * 100.0))
    return SpectrumView(
        frequency_hz=frequency_hz, density=density, healthy_low=0.5 * usual, healthy_median=usual,
        healthy_high=2.0 * usual, bands_hz=((10.0, 100.0), (100.0, 500.0)), marked_bands_hz=((100.0, 500.0),),
        unit="g", n_healthy=120,
    )  # fmt: skip


def make_curves(name, power):
    """A smooth pair of curves."""
    x = np.linspace(0.0, 1.0, 50)
    return RankingCurves(
        name=name, auc=0.9, average_precision=0.8, false_alarm_rate=x, true_rate=x**power, recall=x,
        precision=1.0 - 0.5 * x,
    )  # fmt: skip


def make_bands():
    """A band about the first of them."""
    x = np.linspace(0.0, 1.0, 11)
    roc, pr = Band(x, 0.9 * x**0.1, x**0.1), Band(x, 0.8 - 0.5 * x, 1.0 - 0.5 * x)
    return RankingBands(resamples=200, confidence=0.95, roc=roc, pr=pr)


def make_points():
    """A kept promise, a broken one, none at all, and one that had too few flights."""
    rows = [(0.02, 0, 60, True), (0.05, 1, 60, False), (0.1, 15, 60, False), (0.5, 30, 60, False)]
    return [
        CalibrationPoint(
            declared=declared, confidence=0.9, insufficient_flights=short, flights=n, alarmed=alarmed,
            measured=alarmed / n, bounds=proportion_bounds(alarmed, n, confidence=0.95),
        )
        for declared, alarmed, n, short in rows
    ]  # fmt: skip


POINT = OperatingPoint(false_alarm_rate=0.02, recall=0.8, precision=0.9)
DRAWERS = {
    "score": partial(score_plot, [make_trace(seed=seed) for seed in range(3)]),
    "spectrum": partial(spectrum_plot, make_view()),
    "roc": partial(
        roc_plot, [make_curves("mahalanobis", 0.1), make_curves("plain RMS", 0.5)], POINT, make_bands(), prevalence=0.3
    ),
    "calibration": partial(calibration_plot, make_points(), shipped=0.05),
    "latency": partial(latency_plot, np.random.default_rng(1).lognormal(0.0, 0.4, 500), budget_ms=50.0),
}
LABELS = {
    "score": ("score / threshold (1)", "time since the start of the flight (s)", "not assessed"),
    "spectrum": ("frequency (Hz)", "density (dB re 1 g²/Hz)", "healthy, 5 to 95 % of 120 windows"),
    "roc": (
        "false-alarm rate (share of healthy windows)",
        "mahalanobis, AUC 0.900",
        "mahalanobis, 95 % band",
        "plain RMS, AP 0.800",
    ),
    "calibration": ("measured on test flights", "promise broken", "too few to calibrate", "5%"),
    "latency": ("latency of a result (ms)", "windows", "budget 50 ms"),
}


@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", DRAWERS)
def test_figure_is_the_same_bytes_every_time(name, width):
    """No date, no random id: a page about the same run has the same digest."""
    assert DRAWERS[name](width=width) == DRAWERS[name](width=width)


@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", DRAWERS)
def test_figure_is_whole_svg_with_units_and_without_outside_resources(name, width):
    """Well-formed XML; the axes carry units as text; every reference stays inside."""
    svg = DRAWERS[name](width=width)
    root = ET.fromstring(svg)  # noqa: S314 - our own text
    texts = {"".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(LABELS[name]) <= texts
    links = [value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")]
    assert all(link.startswith("#") for link in links)


@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
def test_largest_score_figure_stays_small(width):
    """Thirty-two flights of three thousand windows each still embed as SVG."""
    traces = [make_trace(3000, seed=seed, period_s=10.0) for seed in range(32)]
    assert len(score_plot(traces, width=width)) < LARGEST_SVG


def test_score_figure_shows_a_single_silent_flight():
    """A flight without one assessed window is drawn, not refused."""
    trace = make_trace(12)
    silent = Trace(
        title="x", start_s=trace.start_s, end_s=trace.end_s, ratio=np.full(12, np.nan),
        alarm=np.zeros(12, dtype=bool), raised=np.zeros(12, dtype=bool), faulty=np.zeros(12, dtype=bool),
    )  # fmt: skip
    assert "<svg" in score_plot([silent], width=WIDE)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([0, 0, 0], []),
        ([1, 1, 1], [(0.0, 7.0)]),
        ([0, 1, 0], [(5.0, 6.0)]),
        ([1, 0, 1], [(0.0, 5.0), (6.0, 7.0)]),
    ],
)
def test_spans_count_only_time_that_no_earlier_window_saw(flags, expected):
    """Windows of 5 s with a hop of 1 s: the second one adds only its last second."""
    start_s = np.array([0.0, 1.0, 2.0])
    assert spans_of(np.array(flags, dtype=bool), start_s, start_s + 5.0) == expected


def test_thinned_line_keeps_peaks_and_breaks():
    """Ten thousand points become a few hundred; the one peak, the one low and the gap are still there."""
    x = np.arange(10_000.0)
    y = np.zeros(10_000)
    y[1234], y[8765], y[5000:5003] = 9.0, -9.0, np.nan
    kept_x, kept_y = thinned(x, y, points=200)
    assert len(kept_x) <= 300
    assert np.nanmax(kept_y) == 9.0
    assert np.nanmin(kept_y) == -9.0
    assert np.isnan(kept_y).any()
    assert (np.diff(kept_x) > 0.0).all()


@pytest.mark.parametrize(("longest_s", "name"), [(60.0, "s"), (601.0, "min"), (20_000.0, "h")])
def test_time_axis_takes_a_unit_that_reads_well(longest_s, name):
    """Seconds, minutes or hours by the longest flight."""
    assert time_unit(longest_s).name == name


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("g", "g²/Hz"), ("m/s2", "(m/s2)²/Hz"), ("unknown", "unit²/Hz, unit not stated")],
)
def test_density_unit(unit, expected):
    """The unit is squared as a whole."""
    assert density_unit(unit) == expected
