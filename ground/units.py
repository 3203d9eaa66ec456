"""What sets one specimen apart from its kind: the constant by which its healthy features are off.

Mounting and manufacture differ, and a detector of many units takes that for healthy spread. For a unit whose healthy
time is known the constant is taken away, and the rest is compared; a unit not heard before is held against all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground.baseline import unit_levels
from ground.log_scale import in_physical_units, on_scales
from ground.models.family import FEWEST_FIT_ROWS
from ground.scaling import condition_columns
from ground.window_table import WindowTable
from shared_features.spec import FeatureSpec

FEWEST_WINDOWS = FEWEST_FIT_ROWS
"""Healthy windows from which the constant of a unit is known well enough: to a quarter of their spread."""
FEWEST_UNITS = 2


@dataclass(frozen=True, slots=True)
class UnitShifts:
    """By how much each known unit is off.

    Attributes:
        spec: The features.
        shifts: (n_feature,) by unit, on the features' scales; 0 for operating conditions. Empty where the training
            holds too few units to tell what sets them apart.
    """

    spec: FeatureSpec
    shifts: Mapping[str, NDArray[np.float64]]

    def knows(self, units: NDArray[np.str_]) -> NDArray[np.bool_]:
        """(n,) whether each unit is known."""
        return np.isin(units, list(self.shifts))

    def centred(self, table: WindowTable) -> WindowTable:
        """The windows of known units as those of the usual unit would be; others stay as they are.

        Args:
            table: Windows in physical units.
        """
        scaled = on_scales(table.values, self.spec)
        units = table.rows["unit_id"].to_numpy(dtype=str)
        for unit, shift in self.shifts.items():
            scaled[units == unit] -= shift
        values = in_physical_units(scaled, self.spec)
        known = self.knows(units)
        return WindowTable(table.rows, np.where(known[:, None], values, table.values))


def learn_shifts(table: WindowTable, spec: FeatureSpec) -> UnitShifts:
    """The level of each unit's healthy windows about that of the mean unit, at the same operating conditions.

    Args:
        table: Healthy assessed windows in physical units, with the column unit_id.
        spec: Their features.

    Returns:
        A shift for each unit of ``FEWEST_WINDOWS`` or more; none where fewer than ``FEWEST_UNITS`` have so many.
    """
    units = table.rows["unit_id"].to_numpy(dtype=str)
    names, counts = np.unique(units, return_counts=True)
    known = names[counts >= FEWEST_WINDOWS]
    if len(known) < FEWEST_UNITS:
        return UnitShifts(spec, {})
    of_known = np.isin(units, known)
    scaled = on_scales(table.values[of_known], spec)
    levels = unit_levels(scaled, condition_columns(spec), units[of_known])
    usual = np.mean(list(levels.values()), axis=0)
    return UnitShifts(spec, {name: level - usual for name, level in levels.items()})
