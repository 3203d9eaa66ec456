"""Thresholds of few flights: the prediction bound, and what rehearsals ask for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, t

from ground.calibrate import Rehearsal, calibrate
from ground.calibration_report import ORDER_STATISTIC, PREDICTION_BOUND
from ground.config import DecisionConfig
from ground.flights import FlightScores
from ground.prediction import FLIGHT_SPREAD, PRIOR_WEIGHT, prediction_bound

DECISION = DecisionConfig(k=1, n=1)


def flight(group, value):
    """A flight of one window."""
    return FlightScores(group=group, phases=np.array(["cruise"]), scores=np.array([value]))


def flights(values):
    """One flight a group."""
    return [flight(f"u{index:03d}", value) for index, value in enumerate(values)]


def rehearsal(values, *, is_harder=False):
    """A rehearsal of one group a value."""
    return Rehearsal(name="left-out conditions", flights=tuple(flights(values)), is_harder=is_harder)


def test_one_value_has_the_prior_alone():
    """Of one flight, only the prior tells a spread: exp(t sqrt(2) FLIGHT_SPREAD) times the value."""
    factor = np.exp(t.ppf(0.95, PRIOR_WEIGHT) * FLIGHT_SPREAD * np.sqrt(2.0))
    assert prediction_bound(np.array([3.0]), 0.05) == pytest.approx(3.0 * factor)


def test_it_is_never_below_what_was_seen():
    """One flight far above many equal ones: the bound is that flight."""
    values = np.r_[np.ones(50), 1e6]
    assert prediction_bound(values, 0.05) == pytest.approx(1e6)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16])
def test_the_next_flight_is_silent_as_often_as_declared(n):
    """Machines whose log-normal spread is about the prior: at most 5 % of next flights exceed the bound of n flights.

    4,000 machines, seeded; the count is binomial and its 99.9 % quantile is allowed.
    """
    rng = np.random.default_rng(n)
    spread = FLIGHT_SPREAD * np.sqrt(PRIOR_WEIGHT / rng.chisquare(PRIOR_WEIGHT, 4000))
    values = np.exp(spread[:, None] * rng.normal(size=(4000, n + 1)))
    exceeding = sum(row[n] > prediction_bound(row[:n], 0.05) for row in values)
    assert exceeding <= binom.ppf(0.999, 4000, 0.05)


def test_few_flights_take_the_bound_and_many_the_order_statistic():
    """58 flights decide nothing at 5 % and 95 %, 59 do; the report says which it was."""
    rng = np.random.default_rng(1)
    values = np.exp(0.1 * rng.normal(size=59))
    few = calibrate(flights(values), flights(values[:4]), DECISION, seed=1).report
    assert (few.basis, few.insufficient_flights) == (PREDICTION_BOUND, True)
    assert few.level > values[:4].max() / few.pooled_scale
    assert PREDICTION_BOUND in few.summary
    many = calibrate(flights(values), flights(values), DECISION, seed=1).report
    assert (many.basis, many.insufficient_flights) == (ORDER_STATISTIC, False)


def test_a_rehearsal_raises_the_threshold():
    """Left-out conditions that score higher than calibration flights set the level, and are named."""
    values = np.ones(60)
    plain = calibrate(flights(values), flights(values), DECISION, seed=1)
    raised = calibrate(flights(values), flights(values), DECISION, seed=1, rehearsals=[rehearsal([2.0, 3.0])])
    assert raised.report.basis == "left-out conditions"
    assert raised.report.level == pytest.approx(prediction_bound(np.array([2.0, 3.0]), 0.05), rel=1e-4)
    assert raised.thresholds.pooled > plain.thresholds.pooled
    harder = calibrate(
        flights(values), flights(values), DECISION, seed=1, rehearsals=[rehearsal([2.0, 3.0], is_harder=True)]
    )
    assert harder.report.level == pytest.approx(3.0, rel=1e-4)


def test_a_rehearsal_without_flights_asks_for_nothing():
    """Continuous conditions leave nothing out."""
    values = np.ones(60)
    empty = calibrate(flights(values), flights(values), DECISION, seed=1, rehearsals=[rehearsal([])])
    assert empty.report.basis == ORDER_STATISTIC
    assert empty.report.rehearsals[0].n_groups == 0
