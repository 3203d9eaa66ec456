"""How many flights a promise takes, and the page that tells it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scipy.stats import binom
from typer.testing import CliRunner

from benchmarks.false_alarm_simulation import CONFORMAL, FEW, OURS, QUANTILE, WILKS
from ground.cli import app
from ground.config import GatesConfig
from ground.flights_needed import fewest_flights
from ground.metrics import precision_at

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "false-alarms.md"

NEEDED = [(0.05, 0.95, 0, 59), (0.01, 0.95, 0, 299), (0.001, 0.95, 0, 2995), (0.05, 0.95, 1, 93), (0.05, 0.9, 0, 45)]
"""Rate, confidence, flights above the threshold, flights: the research note, and 0.95^45 < 0.1 < 0.95^44."""


@pytest.mark.parametrize(("rate", "confidence", "loud", "expected"), NEEDED)
def test_needed_flights(rate, confidence, loud, expected):
    """The published numbers, and one flight fewer is too few."""
    assert fewest_flights(rate, confidence, loud) == expected
    for n, is_enough in ((expected, True), (expected - 1, False)):
        assert bool(binom.cdf(loud, n, rate) <= 1.0 - confidence) is is_enough


def test_the_page_shows_what_the_command_prints():
    """Word for word."""
    printed = CliRunner().invoke(app, ["flights-needed"])
    assert printed.exit_code == 0
    assert printed.output.strip() in PAGE.read_text(encoding="utf-8")


def test_the_page_shows_every_row_of_the_simulation():
    """Its numbers are those of the last nightly run that somebody pasted; its rows are the ones of today."""
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"│ {name} " in text for name in (OURS, FEW, QUANTILE, CONFORMAL, WILKS))


def test_numbers_in_the_text_are_right():
    """Precision by prevalence, and the confidence that 20 flights reach."""
    text = re.sub(r"\s+", " ", PAGE.read_text(encoding="utf-8"))
    gates = GatesConfig()
    often, seldom = (precision_at(gates.recall_min, gates.false_alarm_rate_max, share) for share in (0.25, 0.01))
    assert f"{often:.0%} of the alarms".replace("%", " %") in text
    assert f"and {seldom:.0%} where one in a hundred is".replace("%", " %") in text
    assert f"(20 flights for 5 %: {1.0 - 0.95**20:.0%})".replace("%)", " %)") in text
    assert precision_at(0.85, 0.002, 0.01) == pytest.approx(0.8, abs=0.02)
