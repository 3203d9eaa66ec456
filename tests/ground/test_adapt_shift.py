"""What sets a unit apart from what a detector expects, in closed form on synthetic features."""

from __future__ import annotations

import numpy as np
import pytest

from ground.adaptation import shifted, unit_shift
from ground.checkpoints import MemoryStore
from ground.config import ModelConfig
from ground.learning import learn
from ground.models.detector_module import DetectorModule
from ground.training_loop import LoopRun
from shared_features.vector import columns_of
from tests.ground.one_channel import SPEC

IS_LOG = np.array([column.scale == "log" for column in columns_of(SPEC)])
IS_LOG[-1] = False
"""The operating condition is no feature of the unit, whatever its scale."""


def quiet(_what, _done, _total):
    """A progress that nobody watches."""


def windows_of(speed, *, seed, n=60, factor=1.0):
    """(n, n_feature) windows at a speed that features rise with; ``factor`` multiplies every logarithmic one."""
    rng = np.random.default_rng(seed)
    scaled = 0.05 * rng.normal(size=(n, len(IS_LOG))) + 2.0 * np.log(speed / 20.0)
    values = np.where(IS_LOG, factor * np.exp(scaled), scaled)
    values[:, -1] = speed
    return values.astype(np.float32)


@pytest.fixture(scope="module")
def learned():
    """A detector of two speeds."""
    fit, validation = (
        np.concatenate([windows_of(speed, seed=seed + int(speed)) for speed in (20.0, 40.0)]) for seed in (0, 1)
    )
    run = LoopRun(name="test", seed=7, store=MemoryStore(), resume=False, progress=quiet)
    return learn(SPEC, fit, validation, family="mahalanobis", settings=ModelConfig(), run=run)


@pytest.mark.parametrize("speed", [20.0, 30.0, 40.0])
@pytest.mark.parametrize("factor", [0.8, 1.3])
def test_a_constant_factor_is_a_shift_by_its_logarithm(learned, speed, factor):
    """At any speed: ln c for each logarithmic feature, nothing for the others (to float32 rounding of the features)."""
    std = np.array(learned.scaler.std)
    plain, off = (
        std * unit_shift(learned.module.conditioner, learned.scaler, windows_of(speed, seed=9, factor=c))
        for c in (1.0, factor)
    )
    np.testing.assert_allclose(off - plain, np.where(IS_LOG, np.log(factor), 0.0), atol=1e-5)
    assert plain[-1] == 0.0


def test_adapted_healthy_windows_score_like_those_learned_from(learned):
    """A unit that is off by 30 % scores high before, and after it like the training units; a fault still stands out."""
    core, conditioner = learned.module.core, learned.module.conditioner
    off = windows_of(20.0, seed=9, factor=1.3)
    adapted = DetectorModule(shifted(learned.scaler, unit_shift(conditioner, learned.scaler, off)), core, conditioner)
    usual = np.median(learned.module.outputs(windows_of(20.0, seed=10)).score)
    before, after = (
        module.outputs(windows_of(20.0, seed=11, factor=1.3)).score for module in (learned.module, adapted)
    )
    assert np.median(before) > 2.0 * usual
    assert np.median(after) == pytest.approx(usual, rel=0.15)
    for factor in (1.0, 1.3 * 1.3):
        faulty = adapted.outputs(windows_of(20.0, seed=12, factor=factor)).score
        assert np.median(faulty) > 2.0 * usual


def test_a_condition_is_left_alone(learned):
    """The speed is normalised as before: where the detector expects what does not depend on the unit."""
    spreads = unit_shift(learned.module.conditioner, learned.scaler, windows_of(30.0, seed=9, factor=1.3))
    assert shifted(learned.scaler, spreads).mean[-1] == learned.scaler.mean[-1]
