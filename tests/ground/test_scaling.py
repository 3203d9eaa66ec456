"""The scaler: closed forms, constant features, and what cannot be scaled."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.scaler import LOG_FLOOR
from ground.errors import DataError
from ground.scaling import CONSTANT_STD, fit_scaler
from shared_features.feature import LOG
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

SPEC = FeatureSpec(
    sampling_rate_hz=1024.0,
    record_s=1.0,
    window_s=2.0,
    hop_s=1.0,
    channels=(ChannelSpec("acc_1", "g"),),
    conditions=("n1_hz",),
    spectrum=SpectrumGroup(segment_n=256, overlap_n=128, bands_hz=((8.0, 128.0),)),
)
COLUMNS = columns_of(SPEC)


def healthy(n=50):
    """Positive features of healthy windows."""
    return np.random.default_rng(1).lognormal(size=(n, len(COLUMNS))).astype(np.float32)


def steady(n=50):
    """Healthy windows at one speed."""
    values = healthy(n)
    values[:, -1] = 50.0
    return values


def test_healthy_windows_get_zero_mean_and_unit_spread():
    """Each feature on its own scale: the logarithm of magnitudes, the others as they are; normal ones have no tail."""
    values = steady(4000)
    values[:, :-1] = np.where([column.scale == LOG for column in COLUMNS[:-1]], values[:, :-1], np.log(values[:, :-1]))
    scaler = fit_scaler(SPEC, values)
    assert scaler.names == tuple(column.name for column in COLUMNS)
    assert scaler.scales == tuple(column.scale for column in COLUMNS)
    z = scaler.transform(values)[:, :-1]
    assert z.mean(axis=0) == pytest.approx(0.0, abs=1e-9)
    assert z.std(axis=0) == pytest.approx(1.0, abs=0.12)


def test_mean_and_spread_by_hand():
    """Of 1 and e^2 the logarithms are 0 and 2; of 3 and 5 the plain numbers count; two values have no tail."""
    values = np.ones((2, len(COLUMNS)), dtype=np.float32)
    is_log = np.array([column.scale == LOG for column in COLUMNS])
    values[0], values[1] = np.where(is_log, 1.0, 3.0), np.where(is_log, np.exp(2.0), 5.0)
    values[:, -1] = 50.0
    scaler = fit_scaler(SPEC, values)
    assert scaler.mean[:-1] == pytest.approx(np.where(is_log, 1.0, 4.0)[:-1], rel=1e-6)
    assert scaler.std == pytest.approx(np.ones(len(COLUMNS)), rel=1e-6)


def test_a_long_tail_counts_as_spread():
    """One window in 200 that sticks out by 30 spreads counts as 30 over what 200 normal values reach."""
    values = steady(200)
    values[7, 1] *= np.float32(np.exp(30.0))
    logarithms = np.log(values[:, 1].astype(np.float64))
    expected = np.abs(logarithms - logarithms.mean()).max() / np.sqrt(2 * np.log(200))
    assert fit_scaler(SPEC, values).std[1] == pytest.approx(expected)
    assert expected > 2 * logarithms.std()


def test_what_the_speed_explains_is_no_spread():
    """Twice as loud at twice the speed: the spread of the level is that about the line, not over all speeds."""
    rng = np.random.default_rng(3)
    values = healthy(400)
    values[:, -1] = rng.uniform(40.0, 80.0, 400)
    values[:, 1] = values[:, -1] * np.exp(0.01 * rng.normal(size=400))
    scaler = fit_scaler(SPEC, values)
    assert scaler.std[1] < 0.02
    assert scaler.std[-1] == pytest.approx(values[:, -1].astype(np.float64).std())


@pytest.mark.parametrize("constant", [0.0, 1e-30, 29.9999, 1e6])
def test_a_constant_feature_is_not_blown_up(constant):
    """float32 noise on a constant is no spread: one unit (or one e-fold) then counts as one."""
    values = healthy()
    values[:, -1] = np.float32(constant) * (1 + np.float32(1e-7) * (np.arange(len(values)) % 3))
    values[:, 1] = np.float32(constant)
    scaler = fit_scaler(SPEC, values)
    assert (COLUMNS[1].scale, scaler.std[1], scaler.std[-1]) == (LOG, CONSTANT_STD, CONSTANT_STD)


def test_zero_is_a_magnitude_too():
    """The logarithm of nothing is that of the floor."""
    values = healthy()
    values[:, 1] = 0.0
    assert fit_scaler(SPEC, values).mean[1] == pytest.approx(np.log(LOG_FLOOR))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_named(bad):
    """Which feature, and what came."""
    values = healthy()
    values[3, 2] = bad
    with pytest.raises(DataError, match=rf"got {bad} in {COLUMNS[2].name}"):
        fit_scaler(SPEC, values)


def test_no_window_is_an_error():
    """Everything was marked or could not be assessed."""
    with pytest.raises(DataError, match="healthy windows that can be assessed, got none"):
        fit_scaler(SPEC, healthy(0))
