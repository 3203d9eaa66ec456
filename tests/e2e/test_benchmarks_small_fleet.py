"""The arithmetic of gates over few flights: closed forms, with no fleet in the way."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.small_fleet import FLEET, SPLIT, flawless, small_fleet_config
from ground.gates import INSUFFICIENT, PASS, share_gate
from ground.intervals import fewest_for_bound
from ground.splits import CALIBRATION, FIT, TEST, VALIDATION, deal, shares_of

FLAWLESS = [
    # All of n found, or none of n in alarm: the bound is the 0.05^(1/n) of Clopper and Pearson, or what is left of it.
    (("recall", 0.85, 20, True), 0.05 ** (1 / 20), PASS),
    (("recall", 0.85, 18, True), 0.05 ** (1 / 18), INSUFFICIENT),
    (("precision", 0.85, 20, True), 0.05 ** (1 / 20), PASS),
    (("auc", 0.90, 20, True), 0.05 ** (1 / 20), INSUFFICIENT),
    (("auc", 0.90, 29, True), 0.05 ** (1 / 29), PASS),
    (("false_alarm_rate", 0.05, 40, False), 1 - 0.05 ** (1 / 40), INSUFFICIENT),
    (("false_alarm_rate", 0.05, 60, False), 1 - 0.05 ** (1 / 60), PASS),
    (("recall", 0.85, 0, True), 0.0, INSUFFICIENT),
]


@pytest.mark.parametrize(("gate", "bound", "verdict"), FLAWLESS)
def test_what_a_flawless_detector_is_told(gate, bound, verdict):
    """No detector does better than this on so many flights."""
    name, limit, n, higher_is_better = gate
    best = flawless(name, limit, n, higher_is_better=higher_is_better)
    assert best.bound == pytest.approx(bound, rel=1e-12)
    assert best.verdict == verdict


@pytest.mark.parametrize(("mean", "verdict"), [(0.993, INSUFFICIENT), (0.994, PASS)])
def test_twenty_faulty_flights_leave_an_eighth_of_one_to_miss(mean, verdict):
    """Recall counts windows: the first two of a fault are missed by 3 of 5, in a minute's flight more than that."""
    gate = share_gate("recall", np.full(20, mean), 0.85, higher_is_better=True, confidence=0.95)
    assert gate.verdict == verdict
    assert 1.0 - 2.0 / 57.0 < 0.993


def test_the_split_leaves_forty_for_the_test_and_enough_to_calibrate():
    """As the benchmark says at its top."""
    config = small_fleet_config()
    assert config.split == SPLIT
    shares = shares_of(config.split, config.model.validation_share)
    roles = list(deal([f"e{n:03d}" for n in range(FLEET.n_healthy)], shares, seed=config.seed).values())
    assert (roles.count(FIT) + roles.count(VALIDATION), roles.count(TEST)) == (60, 40)
    assert roles.count(CALIBRATION) >= fewest_for_bound(config.decision.false_alarm_rate, config.decision.confidence)
