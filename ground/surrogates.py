"""Surrogate units: made-up strangers, by which what a rehearsed detector said is carried over to the final one.

A detector that was trained without a unit knows less of how units differ than the final one does, so it scores that
unit higher than the final one will score the next stranger: of two units by a factor of one and a half, of six hardly
(docs/adr/0026). Both are asked about the same surrogates, which differ from known units by as much as the left-out one
in every feature, upwards or downwards as a coin falls; the ratio of the scores is what the rehearsal exaggerates by, as
far as one unit tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ground.baseline import unit_levels
from ground.log_scale import in_physical_units, on_scales
from ground.scaling import condition_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.models.detector_module import DetectorModule
    from ground.window_table import WindowTable
    from shared_features.spec import FeatureSpec

_FEWEST_DIRECTIONS = 8
_MOST_WINDOWS = 100
"""Windows of known units that are moved in each direction."""
_BELIEVED = 0.5
"""Power of the ratio that is believed: one unit tells it to a fifth or worse, and on real lives it goes too far."""


def surrogate_windows(known: WindowTable, left_out: WindowTable, spec: FeatureSpec, seed: int) -> NDArray[np.float32]:
    """Windows of units that nobody made: (n, n_feature) in physical units, operating conditions as they were.

    Args:
        known: Healthy windows of known units.
        left_out: Healthy windows of the units that the surrogates are as far away as.
        spec: The features.
        seed: Draws windows and directions.
    """
    rng = np.random.default_rng(seed)
    usual = on_scales(known.values, spec)
    offsets = _offsets(known, left_out, spec)
    directions = max(_FEWEST_DIRECTIONS, len(offsets))
    moved = [
        usual[rng.permutation(len(usual))[:_MOST_WINDOWS]]
        + offsets[number % len(offsets)] * rng.choice((-1.0, 1.0), size=usual.shape[1])
        for number in range(directions)
    ]
    return in_physical_units(np.concatenate(moved), spec)


def carried_over(final: DetectorModule, rehearsed: DetectorModule, made_up: NDArray[np.float32]) -> float:
    """What to multiply scores of the rehearsed detector by, to have those of the final one.

    Args:
        final: The detector of all units.
        rehearsed: One of fewer.
        made_up: (n, n_feature) windows of surrogate units, in physical units.
    """
    scores, rehearsed_scores = (module.outputs(made_up).score.astype(np.float64) for module in (final, rehearsed))
    ratio = np.median(scores / np.maximum(rehearsed_scores, np.finfo(np.float32).tiny))
    return float(ratio**_BELIEVED)


def _offsets(known: WindowTable, left_out: WindowTable, spec: FeatureSpec) -> NDArray[np.float64]:
    """(n_unit, n_feature) how far each unit that was left out is from the mean of the known ones, on the scales."""
    names = [table.rows["unit_id"].to_numpy(dtype=str) for table in (known, left_out)]
    scaled = on_scales(np.concatenate([known.values, left_out.values]), spec)
    levels = unit_levels(scaled, condition_columns(spec), np.concatenate(names))
    usual = np.mean([levels[name] for name in np.unique(names[0])], axis=0)
    return np.array([levels[name] - usual for name in np.unique(names[1])])
