"""The tables of windows: ``data/features/windows.parquet`` and ``data/processed/windows.parquet``.

docs/reference/evaluation.md describes the columns.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ground.errors import DataError
from shared_features.spec import FeatureSpec
from shared_features.vector import columns_of

WINDOWS = "windows.parquet"
SPEC_DIGEST = b"spec_digest"

WINDOW_COLUMNS = pa.schema(
    [
        ("recording_id", pa.string()),
        ("unit_id", pa.string()),
        ("flight", pa.string()),
        ("phase", pa.string()),
        ("start_ns", pa.int64()),
        ("end_ns", pa.int64()),
        ("label", pa.int8()),
        ("faulty_share", pa.float32()),
        ("fault_type", pa.string()),
        ("severity", pa.string()),
        ("outlier", pa.bool_()),
        ("reason", pa.string()),
    ]
)
ROLE_COLUMNS = pa.schema([("group", pa.string()), ("role", pa.string())])


@dataclass(frozen=True, slots=True)
class WindowTable:
    """Windows, one row each.

    Attributes:
        rows: The columns of ``WINDOW_COLUMNS``, and those of ``ROLE_COLUMNS`` where roles are dealt; index 0 to n - 1.
        values: (n, n_feature) float32 in the order of the spec: physical units, or normalised in ``data/processed``.
    """

    rows: pd.DataFrame
    values: NDArray[np.float32]


def feature_names(spec: FeatureSpec) -> tuple[str, ...]:
    """Full names of the features of ``spec``, in order."""
    return tuple(column.name for column in columns_of(spec))


def table_bytes(table: WindowTable, spec: FeatureSpec) -> bytes:
    """The table as a Parquet file; the same table gives the same bytes."""
    has_roles = set(ROLE_COLUMNS.names) <= set(table.rows.columns)
    schema = pa.schema([*WINDOW_COLUMNS, *(ROLE_COLUMNS if has_roles else ())])
    columns = {field.name: pa.array(table.rows[field.name].tolist(), field.type) for field in schema}
    columns |= {name: pa.array(table.values[:, index]) for index, name in enumerate(feature_names(spec))}
    sink = io.BytesIO()
    arrow = pa.table(columns).replace_schema_metadata({SPEC_DIGEST: spec.digest})
    pq.write_table(arrow, sink, compression="zstd")
    return sink.getvalue()


def read_table(path: Path, spec: FeatureSpec) -> WindowTable:
    """Read a table that belongs to ``spec``.

    Raises:
        DataError: Missing, damaged, without a needed column, or of another spec.
    """
    try:
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a table of windows, got {error}; run `ground featurize` first") from error
    found = (table.schema.metadata or {}).get(SPEC_DIGEST, b"none").decode("ascii", "replace")
    if found != spec.digest:
        raise DataError(
            f"{path}: expected features of spec {spec.digest[:12]} (this config's), got {found[:12]}; "
            "run `ground featurize` with this config"
        )
    missing = [name for name in (*WINDOW_COLUMNS.names, *feature_names(spec)) if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: expected column {missing[0]}, got none; run `ground featurize` again")
    names = [name for name in (*WINDOW_COLUMNS.names, *ROLE_COLUMNS.names) if name in table.column_names]
    columns = [table[name].to_numpy() for name in feature_names(spec)]
    values = np.ascontiguousarray(np.column_stack(columns), dtype=np.float32)
    return WindowTable(table.select(names).to_pandas(), values)
