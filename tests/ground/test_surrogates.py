"""Surrogate units: as far away as a unit that was left out, in other directions; they compare two detectors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ground.checkpoints import MemoryStore
from ground.config import ModelConfig
from ground.learning import learn
from ground.log_scale import in_physical_units, on_scales
from ground.rehearsal import fit_and_validation
from ground.surrogates import carried_over, surrogate_windows
from ground.training_loop import LoopRun
from ground.window_table import WindowTable
from shared_features.vector import columns_of
from tests.ground.one_channel import SPEC

N = len(columns_of(SPEC))
NOISE = 0.01
SPEED_HZ = 20.0


def windows(offsets, *, n=60, seed=0):
    """Windows of a unit for each row of ``offsets``, which are on the scales; the speed stays."""
    rng = np.random.default_rng(seed)
    scaled = np.concatenate([offset + NOISE * rng.normal(size=(n, N)) for offset in offsets])
    scaled[:, -1] = SPEED_HZ
    rows = pd.DataFrame(
        {"recording_id": [f"u{unit}" for unit in range(len(offsets)) for _ in range(n)],
         "start_ns": np.tile(np.arange(n, dtype=np.int64), len(offsets))}
    )  # fmt: skip
    return WindowTable(rows.assign(unit_id=rows["recording_id"]), in_physical_units(scaled, SPEC))


def named(table, unit):
    """The same windows as those of ``unit``."""
    return WindowTable(table.rows.assign(unit_id=unit), table.values)


def module_of(table):
    """A detector of these windows."""
    fit, validation = fit_and_validation(table.rows)
    run = LoopRun(name="test", seed=0, store=MemoryStore(), resume=False, progress=lambda *_: None)
    return learn(
        SPEC, table.values[fit], table.values[validation], family="mahalanobis", settings=ModelConfig(), run=run
    ).module


def test_scales_and_back():
    """Logarithms where the spec says so, and the same physical values again."""
    values = windows([np.zeros(N)]).values
    np.testing.assert_allclose(in_physical_units(on_scales(values, SPEC), SPEC), values, rtol=1e-6)


def test_surrogates_are_as_far_away_as_the_unit_that_was_left_out():
    """In each feature by its offset, up or down, both of which occur; the speed is nobody's offset."""
    offset = np.linspace(0.1, 0.9, N)
    known, other = windows([np.zeros(N)]), named(windows([offset], seed=1), "other")
    made_up = on_scales(surrogate_windows(known, other, SPEC, seed=0), SPEC)
    np.testing.assert_allclose(np.abs(made_up[:, :-1]).mean(axis=0), offset[:-1], atol=4 * NOISE)
    assert (np.sign(made_up[:, :-1]).min(axis=0) == -1.0).all()
    assert (np.sign(made_up[:, :-1]).max(axis=0) == 1.0).all()
    np.testing.assert_allclose(made_up[:, -1], SPEED_HZ, rtol=1e-6)


def test_what_a_speed_does_is_no_offset():
    """The unit that was left out ran at another speed also: only what is left at the same speed is its own."""
    known, other = windows([np.zeros(N)]), named(windows([np.full(N, 0.2), np.full(N, 0.2)], seed=1), "other")
    faster = np.arange(len(other.values)) >= len(other.values) // 2
    other.values[faster] = in_physical_units(on_scales(other.values[faster], SPEC) + 0.7, SPEC)
    other.values[faster, -1] = 2.0 * SPEED_HZ
    known.values[::2] = in_physical_units(on_scales(known.values[::2], SPEC) + 0.7, SPEC)
    known.values[::2, -1] = 2.0 * SPEED_HZ
    made_up = on_scales(surrogate_windows(known, other, SPEC, seed=0), SPEC)
    slow = made_up[:, -1] < 1.5 * SPEED_HZ
    np.testing.assert_allclose(np.abs(made_up[slow, :-1]).mean(axis=0), 0.2, atol=0.05)


def test_a_detector_agrees_with_itself():
    """Nothing changes on the way from one detector to itself."""
    module = module_of(windows([np.zeros(N)]))
    assert carried_over(module, module, windows([np.ones(N)], seed=2).values) == 1.0


def test_who_knows_more_units_is_less_surprised():
    """A detector of two units scores surrogates lower than one that has heard one of them."""
    offsets = np.array([np.zeros(N), np.full(N, 0.3)])
    both, one, other = windows(offsets), windows(offsets[:1]), named(windows(offsets[1:], seed=1), "other")
    made_up = surrogate_windows(one, other, SPEC, seed=0)
    assert carried_over(module_of(both), module_of(one), made_up) < 0.95


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seed_gives_the_same_surrogates(seed):
    """And another one others."""
    known, other = windows([np.zeros(N)]), named(windows([np.ones(N)], seed=1), "other")
    first, again = (surrogate_windows(known, other, SPEC, seed=seed) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, surrogate_windows(known, other, SPEC, seed=seed + 1))
