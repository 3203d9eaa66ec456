"""The stage ``featurize``: interim recordings -> windows with labels and roles -> normalised windows, scaler."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from edge_agent.layout import SCALER
from ground.config import Config
from ground.errors import DataError
from ground.marks import EXCLUDED_FROM_FIT, MARKS_NAME, Mark, read_marks
from ground.pool import in_order
from ground.progress import Progress
from ground.recording_index import RecordingInfo, read_index
from ground.scaling import fit_scaler
from ground.splits import FIT, HEALTHY, assign_roles, check_disjoint, shares_of
from ground.window_extraction import RecordingWindows, extract_windows_of
from ground.window_labels import Span
from ground.window_table import WINDOWS, WindowTable, table_bytes
from ground.workspace import Workspace, write_atomic
from shared_features.spec import FeatureSpec

STAGE = "featurize"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturizeReport:
    """What the stage made.

    Attributes:
        recordings: Recordings read.
        windows: Windows made.
        not_assessed: Windows that cannot be assessed, by reason.
        labels: Windows by label: 0 healthy, 1 faulty, -1 neither.
        outliers: Windows kept out of the fit because they touch an outlier.
        roles: Windows by role.
        groups: Groups by role.
        fit_rows: Windows that the scaler was fitted to.
    """

    recordings: int
    windows: int
    not_assessed: Mapping[str, int]
    labels: Mapping[int, int]
    outliers: int
    roles: Mapping[str, int]
    groups: Mapping[str, int]
    fit_rows: int


def featurize(
    config: Config, workspace: Workspace, *, progress: Progress, workers: int = os.cpu_count() or 1
) -> FeaturizeReport:
    """Compute the features of every window, deal the roles and normalise.

    Reads ``data/interim``; writes ``data/features/windows.parquet`` (physical units), ``data/processed/scaler.json``
    and ``data/processed/windows.parquet`` (normalised, with roles).

    Args:
        config: Features, split and seed.
        workspace: Where to read and write.
        progress: Told after each recording.
        workers: Processes; the result does not depend on their number.

    Raises:
        DataError: Interim recordings are missing or unreadable, or none gives a window.
        SplitError: The recordings cannot fill every role, or roles share something.
    """
    spec = config.feature_spec()
    infos = read_index(workspace.interim)
    spans = _outlier_spans(read_marks(workspace.interim / MARKS_NAME))
    parts = []
    progress(STAGE, 0, len(infos))
    for part in _extract(workspace.interim, infos, spec, spans, workers):
        parts.append(part)
        progress(STAGE, len(parts), len(infos))
    features = _join(parts, spec)
    shares, strategy = shares_of(config.split, config.model.validation_share), config.split.strategy
    roles = assign_roles(features.rows, shares, strategy=strategy, seed=config.seed)
    check_disjoint(features.rows, roles, features.values, strategy=strategy)
    rows = features.rows.assign(group=roles.group, role=roles.role)
    fitted = _is_fitted(rows)
    scaler = fit_scaler(spec, features.values[fitted])
    normalised = scaler.transform(features.values).astype(np.float32)
    write_atomic(workspace.features / WINDOWS, table_bytes(features, spec))
    write_atomic(workspace.processed / SCALER, scaler.to_json())
    write_atomic(workspace.processed / WINDOWS, table_bytes(WindowTable(rows, normalised), spec))
    return _report(rows, len(infos), int(fitted.sum()))


def _is_fitted(rows: pd.DataFrame) -> np.ndarray:
    fitted = (rows["role"] == FIT) & (rows["label"] == HEALTHY) & (rows["reason"] == "") & ~rows["outlier"]
    return fitted.to_numpy(dtype=bool)


def _outlier_spans(marks: Sequence[Mark]) -> dict[str, list[Span]]:
    spans: dict[str, list[Span]] = {}
    for mark in marks:
        if mark.action == EXCLUDED_FROM_FIT:
            spans.setdefault(mark.recording_id, []).append((mark.start_ns, mark.end_ns))
    return spans


def _extract(
    folder: Path, infos: Sequence[RecordingInfo], spec: FeatureSpec, spans: Mapping[str, Sequence[Span]], workers: int
) -> Iterator[RecordingWindows]:
    """The windows of every recording, in the order of the index."""
    outliers = [spans.get(info.recording_id, ()) for info in infos]
    return in_order(partial(extract_windows_of, folder, spec=spec), infos, outliers, workers=workers, folder=folder)


def _join(parts: Sequence[RecordingWindows], spec: FeatureSpec) -> WindowTable:
    frames = [_rows(part) for part in parts]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if rows.empty or (rows["reason"] != "").all():
        reasons = ", ".join(f"{name} {n}" for name, n in Counter(rows.get("reason", ())).items())
        raise DataError(
            f"data/interim: expected a window of {spec.window_s:g} s that can be assessed, got none"
            f"{f' ({reasons})' if reasons else ''}; shorten features.window_s or record longer without a gap"
        )
    return WindowTable(rows, np.concatenate([part.windows.values for part in parts]))


def _rows(part: RecordingWindows) -> pd.DataFrame:
    windows, n = part.windows, len(part.label)
    return pd.DataFrame(
        {
            "recording_id": pd.Series([part.info.recording_id] * n, dtype="str"),
            "unit_id": pd.Series([part.info.unit_id] * n, dtype="str"),
            "flight": pd.Series(windows.flight, dtype="str"),
            "phase": pd.Series(windows.phase, dtype="str"),
            "start_ns": windows.start_ns,
            "end_ns": windows.end_ns,
            "label": part.label,
            "faulty_share": part.faulty_share,
            "fault_type": pd.Series([part.info.fault_type] * n, dtype="str"),
            "severity": pd.Series([part.info.severity] * n, dtype="str"),
            "outlier": part.outlier,
            "reason": pd.Series(windows.reason, dtype="str"),
        }
    )


def _report(rows: pd.DataFrame, recordings: int, fit_rows: int) -> FeaturizeReport:
    return FeaturizeReport(
        recordings=recordings,
        windows=len(rows),
        not_assessed=Counter(rows["reason"][rows["reason"] != ""]),
        labels=Counter(rows["label"].tolist()),
        outliers=int(rows["outlier"].sum()),
        roles=Counter(rows["role"]),
        groups=Counter(rows[["role", "group"]].drop_duplicates()["role"]),
        fit_rows=fit_rows,
    )
