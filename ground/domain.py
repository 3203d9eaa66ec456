"""Learning the operating domain from healthy windows, and telling which windows lie outside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.domain import OperatingDomain
from ground.scaling import condition_columns
from ground.synchronise import DEFAULT_PHASE
from shared_features.spec import FeatureSpec

MARGIN = 0.02
"""Share of the end of a range by which it is widened: reported speeds are off by as much."""


def learn_domain(spec: FeatureSpec, rows: pd.DataFrame, values: NDArray[np.float32]) -> OperatingDomain:
    """The phases of healthy windows, and the ranges of their conditions.

    Args:
        spec: Names the conditions.
        rows: (n) healthy assessed windows, with the column phase.
        values: (n, n_feature) their features in physical units, n > 0.
    """
    conditions = values[:, list(condition_columns(spec))].astype(np.float64)
    low, high = conditions.min(axis=0), conditions.max(axis=0)
    ranges = zip((low - MARGIN * np.abs(low)).tolist(), (high + MARGIN * np.abs(high)).tolist(), strict=True)
    phases = tuple(sorted(set(rows["phase"])))
    return OperatingDomain(
        conditions=dict(zip(spec.conditions, ranges, strict=True)),
        # Recordings that tell no phase say nothing of which there are: frames on board may name any.
        phases=() if phases == (DEFAULT_PHASE,) else phases,
    )


def outside_reasons(rows: pd.DataFrame, values: NDArray[np.float32], domain: OperatingDomain) -> NDArray[np.str_]:
    """(n,) why each window is not assessed: its own reason, that it lies outside the domain, or an empty text."""
    columns = zip(rows["phase"], rows["reason"], values, strict=True)
    return np.array([reason or domain.reason_of(phase, window) for phase, reason, window in columns], dtype=str)
