"""The baseline by operating condition: closed forms, and the same numbers in the graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge_agent.scaler import Scaler
from ground.baseline import MOST_SPANS, ROWS_PER_SPAN, find_knots, fit_baseline, healthy_residuals, inner_conditions
from ground.models.conditioner import Conditioner
from ground.models.limiter import SOFT_LIMIT, soft_limit, soft_unlimit

SPEEDS = np.array([10.0, 20.0, 30.0, 50.0])


def rig(n=40, *, noise=0.01):
    """Windows at four speeds: one feature rises with the speed, one bends, one does not care; the speed comes last."""
    rng = np.random.default_rng(4)
    speed = np.repeat(SPEEDS, n)
    bent = np.interp(speed, SPEEDS, [0.0, 3.0, -1.0, 2.0])
    features = np.stack([0.1 * speed, bent, np.zeros(len(speed))], axis=1)
    return np.column_stack([features + noise * rng.normal(size=features.shape), speed])


def test_separate_conditions_are_explained_whole():
    """At each trained speed the expectation is that speed's mean, but for the pull of the ridge."""
    rows = rig()
    baseline = fit_baseline(rows, (3,))
    assert baseline.knots[0].at.tolist() == SPEEDS.tolist()
    assert baseline.knots[0].is_discrete
    rest = baseline.residual(rows)
    assert np.abs(rest[:, :3].reshape(4, -1, 3).mean(axis=1)).max() < 0.05
    assert (rest[:, 3] == 0.0).all()


def test_between_conditions_it_is_a_straight_line():
    """Half-way between two trained speeds lies half-way between their means; beyond the last one nothing is added."""
    baseline = fit_baseline(rig(noise=0.0), (3,))
    at = {
        speed: -baseline.residual(np.array([[0.0, 0.0, 0.0, speed]]))[0, :3] for speed in (20.0, 25.0, 30.0, 50.0, 99.0)
    }
    np.testing.assert_allclose(at[25.0], (at[20.0] + at[30.0]) / 2.0, atol=1e-12)
    np.testing.assert_allclose(at[99.0], at[50.0], atol=1e-12)


def test_left_out_conditions_say_how_far_lines_can_be_trusted():
    """The two inner speeds come again, predicted from their neighbours: the bend is missed by what the line says."""
    rows = rig(noise=0.0)
    rest = healthy_residuals(rows, (3,))
    assert len(rest) == len(rows) + 2 * 40
    left_out_20 = rest[len(rows)]
    # From 10 (0) to 30 (-1) the line says -0.5 at 20, where the bent feature is 3.
    assert left_out_20[1] == pytest.approx(3.5, rel=0.02)
    assert left_out_20[0] == pytest.approx(0.0, abs=0.02)
    assert len(list(inner_conditions(rows, fit_baseline(rows, (3,)).knots))) == 2


def test_a_continuous_condition_bends_where_there_is_data():
    """Quantiles as knots, no more than the rows allow; nothing is left out."""
    rng = np.random.default_rng(5)
    speed = rng.uniform(40.0, 80.0, 6 * ROWS_PER_SPAN)
    rows = np.column_stack([speed**2, speed])
    (knots,) = find_knots(rows, (1,))
    assert (knots.is_discrete, len(knots.at)) == (False, MOST_SPANS + 1)
    assert len(healthy_residuals(rows, (1,))) == len(rows)
    (few,) = find_knots(rows[: 2 * ROWS_PER_SPAN], (1,))
    assert len(few.at) == 3
    assert fit_baseline(rows, (1,)).residual(rows)[:, 0].std() < 0.05 * rows[:, 0].std()


STILL = [
    ("constant", np.full(50, 60.0)),
    ("the last bit of float32", 60.0 * (1.0 + 1e-7 * (np.arange(50) % 3))),
    ("jitter of a reported speed", 60.0 + 0.1 * np.sin(np.arange(50.0))),
    ("standing at zero", np.zeros(50)),
]


@pytest.mark.parametrize("speed", [row[1] for row in STILL], ids=[row[0] for row in STILL])
def test_a_condition_that_stands_still_explains_nothing(speed):
    """No knots, and the residual is the distance from the mean."""
    rows = np.column_stack([np.arange(50.0), speed])
    baseline = fit_baseline(rows, (1,))
    assert baseline.knots == ()
    np.testing.assert_allclose(baseline.residual(rows)[:, 0], np.arange(50.0) - 24.5)


@pytest.mark.parametrize("conditions", [(), (3,)], ids=["none", "speed"])
def test_the_graph_computes_the_same(conditions):
    """The module in z, soft limit included, equals the baseline in physical units within float32."""
    rows = rig()
    baseline = fit_baseline(rows, conditions)
    scaler = Scaler(("a", "b", "c", "n1_hz"), ("linear",) * 4, tuple(rows.mean(axis=0)), (2.0, 0.5, 0.1, 15.0))
    z = ((rows - scaler.mean) / scaler.std).astype(np.float32)
    module = Conditioner.of(baseline, scaler)
    wanted = soft_limit(torch.tensor(baseline.residual(rows) / np.array(scaler.std))).numpy()
    got = module(torch.tensor(z))
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(module.inverse(torch.tensor(z), got).numpy(), z, rtol=1e-5, atol=2e-5)


def test_the_soft_limit_by_hand():
    """As it is up to the limit, a limit more for each factor of e beyond, odd, and undone by its inverse."""
    values = torch.tensor([0.0, 1.0, -SOFT_LIMIT, SOFT_LIMIT * np.e, -SOFT_LIMIT * np.e**2, 1e4], dtype=torch.float64)
    limited = soft_limit(values)
    assert limited[:5].tolist() == pytest.approx([0.0, 1.0, -SOFT_LIMIT, 2 * SOFT_LIMIT, -3 * SOFT_LIMIT])
    assert (torch.diff(soft_limit(torch.linspace(-50.0, 50.0, 1001, dtype=torch.float64))) > 0.0).all()
    np.testing.assert_allclose(soft_unlimit(limited).numpy(), values.numpy(), rtol=1e-12)
