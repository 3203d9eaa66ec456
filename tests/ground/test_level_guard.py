"""The level guard: its formula, when it is set, and that units louder than any of their kind are heard."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from ground.config import DecisionConfig, ModelConfig
from ground.level_limit import MOST_UNITS, NO_UNITS, SHARE, learn_level_limit
from ground.models.level_guard import POWER, LevelGuard, LevelLimit
from ground.models.limiter import SOFT_LIMIT
from ground.prediction import prediction_bound
from ground.rehearsal import Recipe
from ground.scaling import fit_scaler
from ground.standalone import learn_fleet
from ground.window_table import WindowTable, feature_names
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup, TimeGroup
from shared_features.vector import columns_of

SPEC = FeatureSpec(
    sampling_rate_hz=1024.0,
    record_s=1.0,
    window_s=1.0,
    hop_s=1.0,
    channels=(ChannelSpec("x", "g"), ChannelSpec("y", "g")),
    spectrum=SpectrumGroup(segment_n=256, overlap_n=128, bands_hz=((8.0, 128.0), (128.0, 256.0))),
)
NAMES = feature_names(SPEC)
IS_LOG = np.array([column.scale == "log" for column in columns_of(SPEC)])
IS_RMS = np.array([name in {"x.rms", "y.rms"} for name in NAMES])
LIMIT = LevelLimit(weights=np.array([0.5, 0.0, 0.5]), log_level=math.log(4.0), score=3.0)


@pytest.fixture(autouse=True)
def _few_rows_are_meant():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def guard_of(limit):
    """Of three features."""
    guard = LevelGuard(3)
    guard.take(limit)
    return guard


def windows(log_levels, *, n=40, seed=0, spread=0.02):
    """(n * units, n_feature) healthy windows and their units, each with its own level in every logarithmic feature."""
    rng = np.random.default_rng(seed)
    parts = [spread * rng.normal(size=(n, len(NAMES))) + np.where(IS_LOG, level, 0.0) for level in log_levels]
    scaled = np.concatenate(parts)
    units = np.repeat([f"unit{number}" for number in range(len(log_levels))], n)
    return np.where(IS_LOG, np.exp(scaled), scaled).astype(np.float32), units


def limit_of(log_levels, spec=SPEC):
    """Learned from ``windows`` of these levels."""
    values, units = windows(log_levels)
    values = values[:, np.isin(NAMES, feature_names(spec))]
    scaler = fit_scaler(spec, values)
    return learn_level_limit(spec, scaler, scaler.transform(values).astype(np.float32), units, ModelConfig())


@pytest.mark.parametrize(
    ("ratio", "wanted"),
    [(0.5, 3.0 * 0.5**POWER), (0.9, 3.0 * 0.9**POWER), (1.0, 3.0), (1.5, 4.5), (100.0, 300.0)],
)
def test_level_counts_by_its_power_below_the_limit_and_as_it_is_beyond(ratio, wanted):
    """Both channels at ``ratio`` times the limit, within and beyond the soft limit of residuals."""
    level = math.log(4.0 * ratio)
    limited = level if level <= SOFT_LIMIT else SOFT_LIMIT * (1.0 + math.log(level / SOFT_LIMIT))
    z = torch.tensor([[limited, -7.0, limited]])
    score = guard_of(LIMIT)(z, torch.zeros(1).double())
    assert score.item() == pytest.approx(wanted, rel=1e-5)


def test_larger_of_both_scores_wins():
    """At the usual level, a quarter of the limit, the guard stays out of the way of the smallest score."""
    scores = torch.tensor([0.1, 7.0]).double()
    assert guard_of(LIMIT)(torch.zeros(2, 3), scores).tolist() == scores.tolist()


@pytest.mark.parametrize("z", [0.0, 5.0, -1e6, 1e6, 3.4e38])
def test_guard_without_limit_changes_nothing(z):
    """Asleep, whatever comes; no NaN from an overflow times zero."""
    scores = torch.tensor([0.25]).double()
    assert guard_of(LevelLimit())(torch.full((1, 3), z), scores).tolist() == [0.25]


@pytest.mark.parametrize("z", [-3.4e38, 3.4e38])
def test_scores_stay_finite(z):
    """What cannot be is strange, and still a float32."""
    score = guard_of(LIMIT)(torch.full((1, 3), z), torch.ones(1).double()).float()
    assert torch.isfinite(score).all()


def test_limit_is_the_bound_over_units_left_out():
    """Levels of -0.4, 0, 0.4 and 0.2: each against the mean of the others, then Hahn's bound at one percent."""
    levels = np.array([-0.4, 0.0, 0.4, 0.2])
    about_others = levels - (levels.sum() - levels) / 3.0
    # The 99 % quantile of the mean of two channels lies 2.33 * 0.02 / sqrt(2) above the level.
    wanted = math.log(prediction_bound(np.exp(about_others + 2.33 * 0.02 / math.sqrt(2.0)), SHARE))
    limit = limit_of(levels)
    assert limit.log_level == pytest.approx(wanted, abs=0.03)
    values, _ = windows(levels)
    std = np.array(fit_scaler(SPEC, values).std)
    np.testing.assert_allclose(limit.weights, np.where(IS_RMS, std / 2.0, 0.0))
    assert limit.score > 1.0


@pytest.mark.parametrize(
    ("levels", "spec"),
    [
        ((0.1,), SPEC),
        ((0.0,) * (MOST_UNITS + 1), SPEC),
        ((0.1, 0.0, -0.1), FeatureSpec(**{name: getattr(SPEC, name) for name in (
            "sampling_rate_hz", "record_s", "window_s", "hop_s", "channels", "spectrum",
        )}, time=TimeGroup(enabled=False))),
    ],
    ids=["one unit", "units enough for a distance", "no level among the features"],
)  # fmt: skip
def test_no_limit(levels, spec):
    """Where nobody can tell how loud units get, or nobody needs to."""
    assert not limit_of(levels, spec).is_set


@pytest.mark.parametrize("spread", [0.1, 0.3])
@pytest.mark.parametrize("known", [2, 3, 6])
def test_few_units_keep_the_share_of_loud_ones(known, spread):
    """Units whose logarithmic levels are normal: one further unit in a hundred is beyond the limit, or fewer."""
    rng = np.random.default_rng(known)
    beyond = 0
    for *levels, stranger in spread * rng.normal(size=(400, known + 1)):
        about_others = [level - (sum(levels) - level) / (known - 1) for level in levels]
        beyond += stranger - np.mean(levels) > math.log(prediction_bound(np.exp(about_others), SHARE))
    assert beyond <= 10  # 99.7 % of draws of 400 at one percent


def test_two_units_tell_a_limit():
    """A prior has most to say: the limit lies above the louder one by more than they differ."""
    limit = limit_of((0.1, -0.1))
    assert limit.is_set
    assert 0.6 < limit.log_level < 2.0


def test_no_limit_where_no_other_units_are_met():
    """No units are named."""
    values, _ = windows((0.1, 0.0, -0.1))
    z = fit_scaler(SPEC, values).transform(values).astype(np.float32)
    assert not learn_level_limit(SPEC, fit_scaler(SPEC, values), z, NO_UNITS, ModelConfig()).is_set


def table_of(values, units):
    """One recording a unit, all healthy."""
    start_ns = np.arange(len(units), dtype=np.int64) * 10**9
    rows = pd.DataFrame({"recording_id": units, "unit_id": units, "start_ns": start_ns, "end_ns": start_ns + 10**9})
    return WindowTable(rows.assign(phase="steady", reason="", label=0, fault_type=""), values)


def test_strangers_louder_than_any_unit_alarm_and_known_units_are_not_guarded():
    """A unit off in every feature by 0.6: strangers like it are not strange, until they are fifty times as loud."""
    rng = np.random.default_rng(3)
    offsets = 0.6 * rng.normal(size=(6, len(NAMES)))
    noise = 0.05 * rng.normal(size=(6, 60, len(NAMES)))
    scaled = (offsets[:, None, :] + noise).reshape(-1, len(NAMES))
    values = np.where(IS_LOG, np.exp(scaled), scaled).astype(np.float32)
    units = np.repeat([f"unit{number}" for number in range(6)], 60)
    fleet = learn_fleet(
        table_of(values[:300], units[:300]), Recipe(SPEC, "mahalanobis", ModelConfig(), 7), DecisionConfig(k=2, n=3)
    )
    assert fleet.unknown.module.core.guard.score > 0.0
    assert fleet.known.module.core.guard.score == 0.0
    loud = values[300:].copy()
    loud[:, IS_RMS] *= 50.0
    assert not fleet.answer(table_of(values[300:], units[300:])).alarm.any()
    assert fleet.answer(table_of(loud, units[300:])).alarm[5:].all()
    # It is the guard that says so: asleep, it lets the same windows pass.
    fleet.unknown.module.core.guard.score.zero_()
    assert not fleet.answer(table_of(loud, units[300:])).alarm.any()
