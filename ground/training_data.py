"""From the processed table to the healthy windows a model is fitted to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edge_agent.errors import AgentError
from edge_agent.scaler import Scaler
from ground.errors import DataError
from ground.models.family import FitData
from shared_features.vector import columns_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.config import Config
    from ground.workspace import Workspace
    from shared_features.spec import FeatureSpec

WINDOWS = "windows.parquet"
SCALER = "scaler.json"
FIT, VALIDATION = "fit", "validation"
_SPEC_DIGEST = b"spec_digest"
_MARKS = ("role", "reason", "label", "outlier")
_HEALTHY = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What one training reads.

    Attributes:
        rows: Healthy, assessable windows that are no outliers, by role.
        scaler: What normalised them.
        spec_digest: The FeatureSpec they were computed with.
        scaler_digest: sha256 (hex) of the scaler's file.
        digest: sha256 (hex) of the rows themselves.
    """

    rows: FitData
    scaler: Scaler
    spec_digest: str
    scaler_digest: str
    digest: str


def read_training_data(config: Config, workspace: Workspace) -> TrainingData:
    """Read ``data/processed``.

    Args:
        config: The detector's config; its FeatureSpec must be the table's.
        workspace: Where the table lies.

    Raises:
        DataError: A file is missing, unreadable, or of another FeatureSpec.
        TrainingError: Too few healthy windows, or a feature that is not finite.
    """
    spec = config.feature_spec()
    scaler_path = workspace.processed / SCALER
    scaler_json = _read(scaler_path)
    scaler = _scaler(scaler_path, scaler_json, spec)
    table = _table(workspace.processed / WINDOWS, spec)
    names = feature_names(spec)
    rows = FitData(names=names, fit=_rows(table, FIT, names), validation=_rows(table, VALIDATION, names))
    return TrainingData(
        rows=rows,
        scaler=scaler,
        spec_digest=spec.digest,
        scaler_digest=hashlib.sha256(scaler_json).hexdigest(),
        digest=hashlib.sha256(rows.fit.tobytes() + rows.validation.tobytes()).hexdigest(),
    )


def feature_names(spec: FeatureSpec) -> tuple[str, ...]:
    """Full names of the features of ``spec``, in the order of the vector."""
    return tuple(column.name for column in columns_of(spec))


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


def _table(path: Path, spec: FeatureSpec) -> pa.Table:
    try:
        schema = pq.read_schema(path)
        _check_schema(path, schema, spec)
        return pq.read_table(path, columns=[*_MARKS, *feature_names(spec)])
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected the processed features, got {error}; run `ground featurize`") from error


def _check_schema(path: Path, schema: pa.Schema, spec: FeatureSpec) -> None:
    found = (schema.metadata or {}).get(_SPEC_DIGEST, b"none").decode("ascii", "replace")
    if found != spec.digest:
        raise DataError(
            f"{path}: expected features of spec {spec.digest[:12]} (this config's), got {found[:12]}; "
            "run `ground featurize` with this config"
        )
    missing = [name for name in (*_MARKS, *feature_names(spec)) if name not in schema.names]
    if missing:
        raise DataError(f"{path}: expected column {missing[0]}, got none; run `ground featurize` again")


def _rows(table: pa.Table, role: str, names: tuple[str, ...]) -> NDArray[np.float32]:
    """(n, n_feature) float32 of the healthy, assessable windows of ``role`` that are no outliers."""
    healthy = pc.and_(pc.equal(table["label"], _HEALTHY), pc.invert(table["outlier"]))
    chosen = pc.and_(pc.and_(pc.equal(table["role"], role), pc.equal(table["reason"], "")), healthy)
    rows = table.filter(chosen)
    columns: list[Any] = [rows[name].to_numpy() for name in names]
    return np.ascontiguousarray(np.column_stack(columns), dtype=np.float32)
