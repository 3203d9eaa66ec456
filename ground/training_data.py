"""From the processed table to the healthy windows a model is fitted to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.errors import AgentError
from edge_agent.layout import SCALER
from edge_agent.scaler import Scaler
from ground.baseline import Baseline
from ground.errors import DataError
from ground.feature_spec import frozen_spec
from ground.healthy_rows import healthy_rows
from ground.level_limit import NO_UNITS, learn_level_limit
from ground.models.family import FitData
from ground.splits import BY_TIME, FIT, HEALTHY, VALIDATION
from ground.window_table import WINDOWS, WindowTable, feature_names, read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.config import Config
    from ground.workspace import Workspace
    from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What one training reads.

    Attributes:
        baseline: What is usual at each operating condition.
        rows: What healthy, assessable windows that are no outliers leave over it, by role.
        scaler: What normalised them.
        spec_digest: The FeatureSpec they were computed with.
        scaler_digest: sha256 (hex) of the scaler's file.
        digest: sha256 (hex) of the rows themselves.
    """

    baseline: Baseline
    rows: FitData
    scaler: Scaler
    spec_digest: str
    scaler_digest: str
    digest: str


def read_training_data(config: Config, workspace: Workspace) -> TrainingData:
    """Read ``data/processed``.

    Args:
        config: The detector's config, with which the table was made.
        workspace: Where the table lies.

    Raises:
        DataError: A file is missing, unreadable, or of another FeatureSpec.
        TrainingError: Too few healthy windows, or a feature that is not finite.
    """
    spec = frozen_spec(config, workspace)
    scaler_path = workspace.processed / SCALER
    scaler_json = _read(scaler_path)
    scaler = _scaler(scaler_path, scaler_json, spec)
    table = _read_table(workspace.processed / WINDOWS, spec)
    of_fit = _is_used(table, FIT)
    fit, validation = (np.ascontiguousarray(table.values[chosen]) for chosen in (of_fit, _is_used(table, VALIDATION)))
    healthy = healthy_rows(spec, scaler, fit, validation)
    # Of a split by time nothing is known about other units, and nobody asks.
    units = NO_UNITS if config.split.strategy == BY_TIME else table.rows["unit_id"].to_numpy(dtype=str)[of_fit]
    return TrainingData(
        baseline=healthy.baseline,
        rows=replace(healthy.rows, level_limit=learn_level_limit(spec, scaler, fit, units, config.model)),
        scaler=scaler,
        spec_digest=spec.digest,
        scaler_digest=hashlib.sha256(scaler_json).hexdigest(),
        digest=hashlib.sha256(fit.tobytes() + validation.tobytes()).hexdigest(),
    )


def read_scaler(path: Path, spec: FeatureSpec) -> Scaler:
    """Read a scaler that belongs to ``spec``.

    Raises:
        DataError: The file is missing, malformed, or of other features.
    """
    return _scaler(path, _read(path), spec)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: expected the processed features, got {error}; run `ground featurize` first"
        ) from error


def _scaler(path: Path, data: bytes, spec: FeatureSpec) -> Scaler:
    try:
        scaler = Scaler.from_document(json.loads(data))
    except (ValueError, AgentError) as error:
        raise DataError(f"{path}: expected a scaler, got {error}; run `ground featurize` again") from error
    names = feature_names(spec)
    if scaler.names != names:
        raise DataError(
            f"{path}: expected the {len(names)} features of this config, got {len(scaler.names)} others; "
            "run `ground featurize` again"
        )
    return scaler


def _read_table(path: Path, spec: FeatureSpec) -> WindowTable:
    table = read_table(path, spec)
    if "role" not in table.rows.columns:
        raise DataError(f"{path}: expected column role, got none; run `ground featurize` again")
    return table


def _is_used(table: WindowTable, role: str) -> NDArray[np.bool_]:
    """(n,) the healthy, assessable windows of ``role`` that are no outliers."""
    rows = table.rows
    chosen = (rows["role"] == role) & (rows["label"] == HEALTHY) & (rows["reason"] == "") & ~rows["outlier"]
    return chosen.to_numpy(dtype=bool)
