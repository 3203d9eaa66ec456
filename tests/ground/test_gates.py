"""Verdicts as a table, and what they add up to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ground.config import GatesConfig
from ground.errors import GateError
from ground.gates import (
    FAIL,
    INSUFFICIENT,
    PASS,
    RunVerdict,
    auc_gate,
    gates_of,
    latency_gate,
    refuse_failed,
    run_verdict,
    share_gate,
    with_gate,
)

RECALL, ALARM_RATE = (0.85, True), (0.05, False)

SHARES = [
    # Flawless, and just enough of it.
    (ALARM_RATE, 0.0, 59, PASS),
    (ALARM_RATE, 0.0, 58, INSUFFICIENT),
    (RECALL, 20.0, 20, PASS),
    (RECALL, 18.0, 18, INSUFFICIENT),
    # A few errors, and the flights that outweigh them.
    (ALARM_RATE, 1.0, 93, PASS),
    (ALARM_RATE, 1.0, 92, INSUFFICIENT),
    (ALARM_RATE, 4.0, 200, PASS),
    (RECALL, 38.0, 40, PASS),
    (RECALL, 37.0, 40, INSUFFICIENT),
    (RECALL, 92.0, 100, PASS),
    # The estimate misses the gate: with flights enough to have passed that decides, with fewer it does not.
    (ALARM_RATE, 4.0, 59, FAIL),
    (ALARM_RATE, 4.0, 58, INSUFFICIENT),
    (RECALL, 33.0, 40, FAIL),
    (RECALL, 15.0, 18, INSUFFICIENT),
    # So bad that a few flights are enough.
    (ALARM_RATE, 4.0, 4, FAIL),
    (ALARM_RATE, 2.0, 5, FAIL),
    (ALARM_RATE, 1.5, 5, INSUFFICIENT),
    (RECALL, 0.0, 2, FAIL),
    (RECALL, 0.0, 1, INSUFFICIENT),
    (ALARM_RATE, 0.0, 0, INSUFFICIENT),
]
"""Gate, summed fractions, flights, verdict; the numbers of the research note, at 95 %."""


@pytest.mark.parametrize(("gate", "x", "n", "verdict"), SHARES)
def test_verdicts_on_shares(gate, x, n, verdict):
    """Every combination of estimate and sample."""
    limit, higher_is_better = gate
    fractions = np.full(n, x / n) if n else np.zeros(0)
    result = share_gate("share", fractions, limit, higher_is_better=higher_is_better, confidence=0.95)
    assert result.verdict == verdict
    assert (result.n, result.needed_n) == (n, 19 if higher_is_better else 59)
    if n:
        assert result.bounds.lower <= result.point <= result.bounds.upper


def test_only_the_sum_of_fractions_counts():
    """Ten flights alarmed for a tenth of their time are one flight alarmed throughout."""
    spread = share_gate("far", np.repeat([0.1, 0.0], [10, 83]), 0.05, higher_is_better=False, confidence=0.95)
    whole = share_gate("far", np.repeat([1.0, 0.0], [1, 92]), 0.05, higher_is_better=False, confidence=0.95)
    assert spread.point == pytest.approx(whole.point)
    assert spread.bounds.upper == pytest.approx(whole.bounds.upper)


AUCS = [(0.99, 60, 60, PASS), (0.95, 60, 10, INSUFFICIENT), (0.85, 60, 60, FAIL), (0.5, 60, 60, FAIL),
        (1.0, 4, 12, INSUFFICIENT), (math.nan, 4, 0, INSUFFICIENT)]  # fmt: skip


@pytest.mark.parametrize(("value", "n_healthy", "n_faulty", "verdict"), AUCS)
def test_verdicts_on_the_auc(value, n_healthy, n_faulty, verdict):
    """Independent pairs are as many as the smaller class has groups."""
    gate = auc_gate(value, n_healthy=n_healthy, n_faulty=n_faulty, limit=0.9, confidence=0.95)
    assert gate.verdict == verdict
    assert gate.n == min(n_healthy, n_faulty)


LATENCIES = [
    ("fast", np.linspace(1, 2, 1000), PASS),
    ("one hiccup in a thousand", np.append(np.ones(999), 400.0), PASS),
    ("one hiccup in three hundred", np.append(np.ones(299), 400.0), INSUFFICIENT),
    ("too few", np.ones(298), INSUFFICIENT),
    ("just enough", np.ones(299), PASS),
    ("slow", np.full(1000, 60.0), FAIL),
    ("one in fifty slow", np.append(np.ones(980), np.full(20, 60.0)), FAIL),
    ("none", np.zeros(0), INSUFFICIENT),
]


@pytest.mark.parametrize(("latency_ms", "verdict"), [row[1:] for row in LATENCIES], ids=[row[0] for row in LATENCIES])
def test_verdicts_on_latency(latency_ms, verdict):
    """The bound on the 99th percentile is an order statistic: 299 windows at least."""
    gate = latency_gate(latency_ms, limit_ms=50.0, confidence=0.95)
    assert gate.verdict == verdict
    assert gate.needed_n == 299


def gate(verdict):
    """A gate with that verdict."""
    n = {PASS: 59, FAIL: 59, INSUFFICIENT: 58}[verdict]
    fractions = np.full(n, 1.0 if verdict == FAIL else 0.0)
    return share_gate("false_alarm_rate", fractions, 0.05, higher_is_better=False, confidence=0.95)


RUNS = [
    ("all pass", [PASS, PASS], {}, PASS),
    ("one open", [PASS, INSUFFICIENT], {}, INSUFFICIENT),
    ("a failure outweighs", [INSUFFICIENT, FAIL], {"by_time": True}, FAIL),
    ("units shared", [PASS], {"by_time": True}, INSUFFICIENT),
    ("weak threshold", [PASS], {"calibration_note": "needs 59"}, INSUFFICIENT),
    ("control passed", [PASS], {"passed_controls": ("random_scores",)}, FAIL),
]


@pytest.mark.parametrize(("verdicts", "changes", "expected"), [row[1:] for row in RUNS], ids=[row[0] for row in RUNS])
def test_run_verdicts(verdicts, changes, expected):
    """The whole is as good as its worst part, and says why."""
    settings = {"by_time": False, "calibration_note": "", "passed_controls": ()}
    result = run_verdict([gate(verdict) for verdict in verdicts], **{**settings, **changes})
    assert result.verdict == expected
    assert bool(result.reasons) == (expected != PASS)


FURTHER = [
    (PASS, PASS, PASS, 0),
    (PASS, INSUFFICIENT, INSUFFICIENT, 1),
    (PASS, FAIL, FAIL, 1),
    (INSUFFICIENT, PASS, INSUFFICIENT, 1),
    (INSUFFICIENT, INSUFFICIENT, INSUFFICIENT, 2),
    (INSUFFICIENT, FAIL, FAIL, 1),
    (FAIL, INSUFFICIENT, FAIL, 1),
    (FAIL, FAIL, FAIL, 2),
    ("", PASS, "", 0),
]
"""Verdict so far, verdict of one gate more, verdict over both, reasons; no verdict has not passed."""


@pytest.mark.parametrize(("before", "further", "expected", "reasons"), FURTHER)
def test_one_gate_more(before, further, expected, reasons):
    """The worse of both, and its reasons alone."""
    verdict = RunVerdict(before, ("earlier",) if before not in {PASS, ""} else ())
    both = with_gate(verdict, gate(further))
    assert (both.verdict, len(both.reasons)) == (expected, reasons)


def test_a_failed_run_is_refused_with_every_reason():
    """Whoever goes on to export meets the error; others pass."""
    refuse_failed(RunVerdict(INSUFFICIENT, ("too few",)))
    with pytest.raises(GateError, match=r"got 2 failed; no bundle is made:\n  this\n  that"):
        refuse_failed(RunVerdict(FAIL, ("this", "that")))


def test_an_open_gate_says_what_would_decide_it():
    """The reason names expectation, estimate, bounds and the flights it takes."""
    assert gate(INSUFFICIENT).reason == (
        "false_alarm_rate: expected <= 0.05, got 0 from n=58 (bounds 0 to 0.05034); at least 59 observations decide"
    )


def test_the_four_detection_gates_take_their_limits_from_the_config():
    """Names and limits in the order of the config."""
    ones, zeros = np.ones(60), np.zeros(60)
    gates = gates_of(
        GatesConfig(), auc=1.0, n_healthy=60, n_faulty=60, precision=ones, recall=ones, false_alarm_rate=zeros
    )
    assert [(gate.name, gate.limit, gate.verdict) for gate in gates] == [
        ("auc", 0.9, PASS),
        ("precision", 0.85, PASS),
        ("recall", 0.85, PASS),
        ("false_alarm_rate", 0.05, PASS),
    ]
