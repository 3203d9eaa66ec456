"""Learning the operating domain from healthy windows, and telling which windows lie outside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.domain import OperatingDomain
from edge_agent.frame import samples_ns
from edge_agent.transients import Steadiness, TransientWatch
from ground.scaling import condition_columns
from ground.synchronise import DEFAULT_PHASE
from shared_features.spec import FeatureSpec

MARGIN = 0.02
"""Share of the end of a range by which it is widened: reported speeds are off by as much."""

SLACK = 2.0
"""Conditions may change so many times faster than they did in training."""
LEAST_CHANGE = 0.05
"""Share of its largest value by which a condition may always change within a window: a detector of steady speeds
only begins to give false alarms at twice that, on the simulated fleet (docs/adr/0021)."""


def learn_domain(spec: FeatureSpec, rows: pd.DataFrame, values: NDArray[np.float32]) -> OperatingDomain:
    """The phases of healthy windows, the ranges of their conditions, and how fast these change.

    Args:
        spec: Names the conditions.
        rows: (n) healthy assessed windows, with the columns phase, recording_id and start_ns.
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
        steadiness=_steadiness(spec, rows, conditions),
    )


def _steadiness(spec: FeatureSpec, rows: pd.DataFrame, conditions: NDArray[np.float64]) -> Steadiness:
    if not spec.conditions:
        return Steadiness()
    hop_ns = samples_ns(spec.hop_records * spec.record_n, spec.sampling_rate_hz)
    recordings, start_ns = rows["recording_id"].to_numpy(dtype=str), rows["start_ns"].to_numpy(dtype=np.int64)
    follows = (recordings[1:] == recordings[:-1]) & (np.abs(np.diff(start_ns) - hop_ns) <= hop_ns // 2)
    changes = np.abs(np.diff(conditions, axis=0))[follows]
    least = LEAST_CHANGE * np.abs(conditions).max(axis=0) * min(spec.hop_s / spec.window_s, 1.0)
    limits = np.maximum(SLACK * changes.max(axis=0, initial=0.0), least)
    return Steadiness(hop_ns=hop_ns, limits=dict(zip(spec.conditions, limits.tolist(), strict=True)))


def outside_reasons(rows: pd.DataFrame, values: NDArray[np.float32], domain: OperatingDomain) -> NDArray[np.str_]:
    """(n,) why each window is not assessed: its own reason, that it lies outside the domain, or an empty text.

    Args:
        rows: (n) windows with the columns phase, reason, recording_id and start_ns; each recording in time order.
        values: (n, n_feature) their features.
        domain: Of the detector.
    """
    watch = TransientWatch(domain.steadiness)
    names = ("phase", "reason", "recording_id", "start_ns")
    columns = zip(*(rows[name] for name in names), values, strict=True)
    return np.array(
        [
            reason or domain.reason_of(phase, window) or transient
            for phase, reason, recording, start_ns, window in columns
            for transient in (watch.reason_of(recording, start_ns, reason, window),)
        ],
        dtype=str,
    )
