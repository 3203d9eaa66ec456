"""Correlated fleets: the declared rate of flights with an alarm is exceeded in no more of them than is declared."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.false_alarm_simulation import (
    CONFORMAL,
    FEW,
    OURS,
    QUANTILE,
    SEED,
    WILKS,
    main,
    simulate,
    window_levels,
)
from benchmarks.synthetic_fleet import PHASES, WINDOWS, Fleet, alarms, flights_of, units_of
from edge_agent.decision import ALARM, Decider
from edge_agent.thresholds import Thresholds

FLEETS = 60


@pytest.fixture(scope="module")
def rows():
    """Sixty fleets; the nightly run has five hundred."""
    return {row.name: row for row in simulate(FLEETS, seed=SEED)}


def test_ours_keeps_its_promise_about_flights(rows):
    """At most 5 % of the fleets, up to a chance of one in a thousand; and 60 units are enough to say so."""
    row = rows[OURS]
    assert row.allowed == pytest.approx(0.05, abs=0.005)
    assert (row.kept, row.most_broken, row.insufficient) == (True, 9, 0.0)


def test_too_few_flights_are_told_and_claim_less(rows):
    """Twenty units: every fleet is told that they are too few, and the lower confidence claimed is kept."""
    assert rows[FEW].insufficient == 1.0
    assert rows[FEW].kept


@pytest.mark.parametrize("name", [QUANTILE, CONFORMAL, WILKS])
def test_thresholds_on_windows_break_theirs(rows, name):
    """The simulation can tell: what treats windows as independent fails in a fifth of the fleets at least."""
    assert rows[name].broken > 0.2 * FLEETS
    assert not rows[name].kept


def test_alarms_are_the_deciders():
    """The fast count raises an alarm exactly where the agent's decider does."""
    rng = np.random.default_rng(5)
    fleet = Fleet(unit_spread=0.3, flight_spread=0.2, window_spread=0.2, memory=0.7, freedom=3.0)
    thresholds = Thresholds(
        pooled=1.0, phases={"climb": 1.3, "cruise": 0.4}, k=3, n=5, release_ratio=0.9, false_alarm_rate=0.05,
        confidence=0.95,
    )  # fmt: skip
    scores = fleet.scores(np.arange(200), rng)
    expected = []
    for flight in flights_of(scores, np.arange(200)):
        decider = Decider(thresholds)
        pairs = zip(flight.scores, flight.phases, strict=True)
        expected.append(any(decider.decide(float(score), str(phase)).state == ALARM for score, phase in pairs))
    assert 20 < sum(expected) < 180
    assert alarms(scores, thresholds).tolist() == expected


def test_a_fleet_is_what_it_says():
    """Correlation of neighbours, spread between units, and levels of phases, measured."""
    rng = np.random.default_rng(6)
    fleet = Fleet(unit_spread=0.4, flight_spread=0.0, window_spread=0.2, memory=0.8, freedom=1e6)
    scores = fleet.scores(np.arange(20_000), rng)
    logs = np.log(scores)
    middle = slice(WINDOWS // 3, 2 * WINDOWS // 3)
    assert np.exp(np.median(logs[:, middle])) == pytest.approx(0.3, rel=0.02)
    assert np.std(logs[:, 0]) == pytest.approx(np.hypot(0.4, 0.2), rel=0.02)
    assert np.cov(logs[:, 0], logs[:, 1])[0, 1] == pytest.approx(0.4**2 + 0.8 * 0.2**2, rel=0.03)
    units = units_of(50, rng)
    assert set(np.bincount(units)) == {1, 2, 3}
    assert set(flights_of(scores[:1], units[:1])[0].phases) == set(PHASES)


def test_levels_on_windows_by_hand():
    """A thousand different values: the 95 % quantile, the conformal rank 951, the tolerance bound above both."""
    levels = window_levels(np.arange(1.0, 1001.0).reshape(40, 25))
    assert levels[QUANTILE] == pytest.approx(950.05)
    assert levels[CONFORMAL] == 951.0
    assert levels[WILKS] == 962.0


def test_the_command_prints_the_table(capsys):
    """A few fleets, every method, and the exit code of a kept promise."""
    assert main(["--fleets", "3"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in (OURS, FEW, QUANTILE, CONFORMAL, WILKS))
    assert "3 fleets" in said
