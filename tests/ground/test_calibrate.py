"""Thresholds: the agent's own decider raises an alarm exactly above them, and the declared rate is kept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from edge_agent.decision import ALARM, Decider
from edge_agent.golden import SCORE_TOLERANCE
from ground.calibrate import calibrate
from ground.config import DecisionConfig
from ground.errors import CalibrationError
from ground.flights import FlightScores, flight_value, persistent_values

PHASES = np.array(["climb", "cruise", "descent"])


def flight(rng, group, n_window=40, *, strangeness=0.3):
    """A healthy flight: its own level, windows that resemble their neighbours, a level of its own in each phase."""
    phases = PHASES[np.minimum(np.arange(n_window) * 3 // n_window, 2)]
    usual = np.select([phases == "climb", phases == "cruise"], [4.0, 1.0], 2.0)
    noise = np.empty(n_window)
    noise[0] = rng.normal()
    for index in range(1, n_window):
        noise[index] = 0.8 * noise[index - 1] + 0.6 * rng.normal()
    scores = usual * np.exp(strangeness * rng.normal() + 0.1 * noise)
    return FlightScores(group=group, phases=phases, scores=scores)


def flights(rng, n, **changes):
    """Flights of as many units."""
    return [flight(rng, f"unit{index:04d}", **changes) for index in range(n)]


def raises_alarm(thresholds, one):
    """Whether the agent's decider raises an alarm anywhere in the flight."""
    decider = Decider(thresholds)
    return any(
        decider.decide(float(score), str(phase)).state == ALARM
        for score, phase in zip(one.scores, one.phases, strict=True)
    )


def value_of(calibration, one, decision):
    """A flight's value in units of the scales, as the report has them."""
    scales = {phase.phase: phase.scale for phase in calibration.report.phases}
    scale = np.array([scales.get(str(phase), calibration.report.pooled_scale) for phase in one.phases])
    return flight_value(one.scores / scale, k=decision.k, n=decision.n)


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 5), (3, 5), (5, 5), (2, 9)])
def test_an_alarm_is_a_value_above_the_level(k, n):
    """The decider, replayed window by window with phases and hysteresis, alarms exactly in the flights above it."""
    rng = np.random.default_rng(7)
    decision = DecisionConfig(k=k, n=n, release_ratio=0.9)
    calibration = calibrate(flights(rng, 30), flights(rng, 60), decision, seed=1)
    answers = []
    for one in flights(rng, 300, strangeness=0.6):
        answers.append(raises_alarm(calibration.thresholds, one))
        assert answers[-1] == (value_of(calibration, one, decision) > calibration.report.level)
    assert 10 < sum(answers) < 290


@pytest.mark.parametrize("n_flights", [59, 93, 124])
def test_calibration_flights_alarm_as_often_as_the_rank_says(n_flights):
    """The flight that sets the level stays silent, those of higher rank alarm."""
    rng = np.random.default_rng(n_flights)
    decision = DecisionConfig(k=3, n=5)
    population = flights(rng, n_flights)
    calibration = calibrate(flights(rng, 30), population, decision, seed=1)
    alarms = sum(raises_alarm(calibration.thresholds, one) for one in population)
    assert alarms == n_flights - calibration.report.rank == {59: 0, 93: 1, 124: 2}[n_flights]


def test_the_level_leaves_room_for_the_last_bits_of_a_score():
    """Scores that differ by less than the golden tolerance, on another processor, do not raise the boundary flight."""
    rng = np.random.default_rng(3)
    decision = DecisionConfig(k=3, n=5)
    population = flights(rng, 59)
    calibration = calibrate(flights(rng, 30), population, decision, seed=1)
    boundary = max(population, key=lambda one: value_of(calibration, one, decision))
    for share, expected in ((0.9, False), (1.1, True)):
        scores = boundary.scores * (1 + share * SCORE_TOLERANCE)
        nudged = FlightScores(group=boundary.group, phases=boundary.phases, scores=scores)
        assert raises_alarm(calibration.thresholds, nudged) is expected


def test_persistent_values_by_hand():
    """The second largest of the last three."""
    ratios = np.array([1.0, 5.0, 3.0, 2.0, 9.0])
    assert persistent_values(ratios, k=2, n=3).tolist() == [-np.inf, 1.0, 3.0, 3.0, 3.0]
    assert flight_value(ratios, k=2, n=3) == 3.0
    assert flight_value(ratios[:1], k=2, n=3) == 0.0
    assert persistent_values(np.zeros(0), k=2, n=3).tolist() == []


def test_phases_have_their_own_scale_and_rare_ones_the_pooled():
    """A phase flown by nine fit flights only borrows the pooled scale, and the thresholds do not name it."""
    rng = np.random.default_rng(3)
    fit = flights(rng, 40)
    for one in fit[:9]:
        one.phases[-5:] = "taxi"
    calibration = calibrate(fit, flights(rng, 60), DecisionConfig(), seed=1)
    scales = {phase.phase: phase for phase in calibration.report.phases}
    assert scales["climb"].scale == pytest.approx(4 * scales["cruise"].scale, rel=0.2)
    assert (scales["taxi"].is_pooled, scales["taxi"].n_flights) == (True, 9)
    assert scales["taxi"].scale == calibration.report.pooled_scale
    assert sorted(calibration.thresholds.phases) == ["climb", "cruise", "descent"]
    assert calibration.thresholds.of("taxi") == calibration.thresholds.pooled


def test_too_few_flights_say_how_many_are_needed():
    """Four flights: the largest value, the confidence it really has, and the 59 that the declared bound needs."""
    rng = np.random.default_rng(3)
    calibration = calibrate(flights(rng, 12), flights(rng, 4), DecisionConfig(), seed=1)
    report = calibration.report
    assert (report.rank, report.n_flights, report.needed_flights) == (4, 4, 59)
    assert report.insufficient_flights
    assert calibration.thresholds.confidence == pytest.approx(1 - 0.95**4)
    assert "needs 59" in report.summary


def test_a_unit_speaks_once():
    """Three flights of each unit count as one observation; short flights count as none."""
    rng = np.random.default_rng(3)
    population = [flight(rng, f"unit{index // 3}") for index in range(30)] + [flight(rng, "short", n_window=2)]
    report = calibrate(flights(rng, 12), population, DecisionConfig(k=3, n=5), seed=1).report
    assert (report.n_flights, report.n_spare, report.n_too_short) == (10, 20, 1)


def test_the_declared_rate_is_kept_over_many_fleets():
    """Of 400 fleets with correlated windows, at most the declared 5 % have a true alarm rate over the declared 5 %.

    The true rate is that of the whole population of 3,000 flights, of which each fleet flies 90; the count of fleets
    that exceed it is binomial, and its 99.9 % quantile is allowed.
    """
    rng = np.random.default_rng(2025)
    decision = DecisionConfig(k=3, n=5, false_alarm_rate=0.05, confidence=0.95)
    population = flights(rng, 3000)
    scores = np.array([one.scores for one in population])
    fleets = 400
    exceeding = 0
    for fleet in range(fleets):
        chosen = rng.choice(len(population), 90, replace=False)
        fit, calibration = [population[index] for index in chosen[:30]], [population[index] for index in chosen[30:]]
        result = calibrate(fit, calibration, decision, seed=fleet)
        above = scores > [result.thresholds.of(str(phase)) for phase in population[0].phases]
        memories = np.lib.stride_tricks.sliding_window_view(np.pad(above, ((0, 0), (decision.n - 1, 0))), decision.n, 1)
        alarmed = (memories.sum(axis=2) >= decision.k).any(axis=1)
        exceeding += alarmed.mean() > decision.false_alarm_rate
    assert exceeding <= binom.ppf(0.999, fleets, 1 - decision.confidence)
    # Not by being deaf: of 60 flights the largest value is taken, which falls short with probability 0.95^60.
    assert exceeding >= binom.ppf(0.001, fleets, 0.95**60)


BAD = [
    ("no calibration flight", 12, 0, 1.0, "got none out of 0"),
    ("no fit flight", 0, 60, 1.0, "fit: expected"),
    ("scores of zero", 12, 60, 0.0, "positive"),
    ("endless scores", 12, 60, np.inf, "positive"),
]


@pytest.mark.parametrize(
    ("n_fit", "n_calibration", "factor", "text"), [row[1:] for row in BAD], ids=[r[0] for r in BAD]
)
def test_what_gives_no_threshold(n_fit, n_calibration, factor, text):
    """Nothing to calibrate on, or scores that say nothing."""
    rng = np.random.default_rng(3)

    def scaled(n):
        return [FlightScores(group=one.group, phases=one.phases, scores=one.scores * factor) for one in flights(rng, n)]

    with pytest.raises(CalibrationError, match=text):
        calibrate(scaled(n_fit), scaled(n_calibration), DecisionConfig(), seed=1)
