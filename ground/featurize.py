"""The stage ``featurize``: interim recordings -> windows with labels and roles -> normalised windows, scaler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.layout import SCALER
from edge_agent.scaler import Scaler
from ground.config import Config
from ground.cores import CORES
from ground.demodulation import BandChoice, BandRecords, choose_band, plain_spec
from ground.demodulation_records import read_bands, spread_evenly
from ground.engine import Engine, LocalEngine, Lost, in_order
from ground.errors import DataError
from ground.faint import faint_text
from ground.feature_spec import freeze
from ground.features_config import awaits_band, with_band
from ground.marks import EXCLUDED_FROM_FIT, MARKS_NAME, Mark, read_marks
from ground.progress import Progress
from ground.recording_index import RecordingInfo, read_index
from ground.scaling import fit_scaler
from ground.splits import FIT, HEALTHY, Roles, assign_roles, check_disjoint, shares_of
from ground.window_extraction import RecordingWindows, extract_windows_of
from ground.window_labels import Span
from ground.window_table import WINDOWS, WindowTable, table_bytes
from ground.workspace import Workspace, write_atomic
from shared_features.spec import FeatureSpec

STAGE = "featurize"
CHOICE_STEP = "demodulation band"

BAND_RECORDS = 2048
"""Healthy records, shared out to the recordings, from which the demodulation band is chosen: half a minute of work."""
MOST_BAND_RECORDS = 64
FEWEST_BAND_RECORDS = 8
_ROWS_AT_ONCE = 4096
"""Windows that are normalised together: in float64 all of them could take more memory than the recordings."""

Result = TypeVar("Result")


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
        demodulation: How the demodulation band was chosen; nothing where the config states it, or needs none.
        faint: Channels whose unit is too large for what they measure; empty where there is none.
    """

    recordings: int
    windows: int
    not_assessed: Mapping[str, int]
    labels: Mapping[int, int]
    outliers: int
    roles: Mapping[str, int]
    groups: Mapping[str, int]
    fit_rows: int
    demodulation: BandChoice | None
    faint: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the run."""
        return tuple(filter(None, (self.demodulation.summary if self.demodulation else "", self.faint)))


def featurize(
    config: Config,
    workspace: Workspace,
    *,
    progress: Progress,
    workers: int = CORES,
    engine: Engine | None = None,
) -> FeaturizeReport:
    """Compute the features of every window, deal the roles and normalise.

    Reads ``data/interim``; writes ``data/features/windows.parquet`` (physical units), ``feature_spec.json`` (the frozen
    spec) and, where the demodulation band was chosen, ``demodulation.json`` beside it, ``data/processed/scaler.json``
    and ``data/processed/windows.parquet`` (normalised, with roles).

    Args:
        config: Features, split and seed.
        workspace: Where to read and write.
        progress: Told after each recording.
        workers: Processes of this machine, where no engine is given.
        engine: Who does it; the result does not depend on it.

    Raises:
        DataError: Interim recordings are missing or unreadable, none gives a window, or no demodulation band will do.
        SplitError: The recordings cannot fill every role, or roles share something.
    """
    infos = read_index(workspace.interim)
    spans = _outlier_spans(read_marks(workspace.interim / MARKS_NAME))
    desk = _Desk(config, workspace.interim, infos, spans, engine or LocalEngine(workers), progress)
    choice = _choose(desk) if awaits_band(config.features) else None
    spec = with_band(config.feature_spec(), choice.band_hz) if choice else config.feature_spec()
    features = desk.windows(spec, STAGE)
    roles = desk.roles(features.rows)
    check_disjoint(features.rows, roles, features.values, strategy=config.split.strategy)
    rows = features.rows.assign(group=roles.group, role=roles.role)
    fitted = _is_fitted(rows)
    fit_values = features.values[fitted]
    scaler = fit_scaler(spec, fit_values)
    freeze(workspace, spec, choice)
    write_atomic(workspace.features / WINDOWS, table_bytes(features, spec))
    write_atomic(workspace.processed / SCALER, scaler.to_json())
    normalised = WindowTable(rows, _normalised(scaler, features.values))
    write_atomic(workspace.processed / WINDOWS, table_bytes(normalised, spec))
    return _report(rows, len(infos), int(fitted.sum()), choice, faint_text(spec, fit_values))


def interim_windows(
    config: Config, workspace: Workspace, spec: FeatureSpec, *, progress: Progress, workers: int = CORES
) -> WindowTable:
    """Every window of the interim recordings in physical units, no roles dealt: what any split can be made of.

    Args:
        config: The config that they were preprocessed with.
        workspace: Holds ``data/interim``.
        spec: The features to compute; with its demodulation band where the config leaves that to be chosen.
        progress: Told after each recording.
        workers: Processes; the result does not depend on their number.

    Raises:
        DataError: Interim recordings are missing or unreadable, or none gives a window.
    """
    infos = read_index(workspace.interim)
    spans = _outlier_spans(read_marks(workspace.interim / MARKS_NAME))
    return _Desk(config, workspace.interim, infos, spans, LocalEngine(workers), progress).windows(spec, STAGE)


@dataclass(frozen=True, slots=True)
class _Desk:
    """The interim recordings, and those who work on them.

    Attributes:
        config: Split and seed.
        folder: The interim folder.
        infos: Its index.
        spans: Outliers by recording.
        engine: Who works on them.
        progress: Told after each recording.
    """

    config: Config
    folder: Path
    infos: Sequence[RecordingInfo]
    spans: Mapping[str, Sequence[Span]]
    engine: Engine
    progress: Progress

    def windows(self, spec: FeatureSpec, step: str) -> WindowTable:
        """The windows of every recording, in the order of the index."""
        outliers = [self.spans.get(info.recording_id, ()) for info in self.infos]
        work = partial(extract_windows_of, self.folder.absolute(), spec=spec)
        return _join(list(self._each(step, work, self.infos, outliers)), spec)

    def bands(self, rows: pd.DataFrame, spec: FeatureSpec, step: str) -> list[BandRecords]:
        """What some of the records of the fit show in every demodulation band."""
        fit = {name: part["start_ns"].to_numpy() for name, part in rows[_is_fitted(rows)].groupby("recording_id")}
        infos = [info for info in self.infos if info.recording_id in fit]
        each = min(max(BAND_RECORDS // max(len(infos), 1), FEWEST_BAND_RECORDS), MOST_BAND_RECORDS)
        starts_ns = [spread_evenly(fit[info.recording_id], each).tolist() for info in infos]
        return list(self._each(step, partial(read_bands, self.folder.absolute(), spec=spec), infos, starts_ns))

    def roles(self, rows: pd.DataFrame) -> Roles:
        """The roles of windows."""
        split = self.config.split
        shares = shares_of(split, self.config.model.validation_share)
        return assign_roles(rows, shares, strategy=split.strategy, seed=self.config.seed)

    def _each(self, step: str, work: Callable[..., Result], *items: Sequence[Any]) -> Iterator[Result]:
        total = len(items[0])
        self.progress(step, 0, total)
        found = self.engine.each(work, zip(*items, strict=True), where=str(self.folder), progress=self.progress)
        with closing(found):
            for done, result in enumerate(in_order(found), start=1):
                if isinstance(result, Lost):
                    raise DataError(f"{self.folder}: {items[0][done - 1].recording_id}: {result.text}")
                yield result
                self.progress(step, done, total)


def _choose(desk: _Desk) -> BandChoice:
    """The demodulation band, chosen before there are features: only the spans of the fit's windows are needed."""
    spec = desk.config.feature_spec()
    plain = plain_spec(spec)
    rows = desk.windows(plain, CHOICE_STEP).rows
    roles = desk.roles(rows)
    return choose_band(spec, desk.bands(rows.assign(group=roles.group, role=roles.role), spec, CHOICE_STEP))


def _is_fitted(rows: pd.DataFrame) -> NDArray[np.bool_]:
    fitted = (rows["role"] == FIT) & (rows["label"] == HEALTHY) & (rows["reason"] == "") & ~rows["outlier"]
    return np.asarray(fitted.to_numpy(dtype=bool))


def _normalised(scaler: Scaler, values: NDArray[np.float32]) -> NDArray[np.float32]:
    normalised = np.empty_like(values)
    for first in range(0, len(values), _ROWS_AT_ONCE):
        some = slice(first, first + _ROWS_AT_ONCE)
        normalised[some] = scaler.transform(values[some])
    return normalised


def _outlier_spans(marks: Sequence[Mark]) -> dict[str, list[Span]]:
    spans: dict[str, list[Span]] = {}
    for mark in marks:
        if mark.action == EXCLUDED_FROM_FIT:
            spans.setdefault(mark.recording_id, []).append((mark.start_ns, mark.end_ns))
    return spans


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


def _report(
    rows: pd.DataFrame, recordings: int, fit_rows: int, choice: BandChoice | None, faint: str
) -> FeaturizeReport:
    return FeaturizeReport(
        recordings=recordings,
        windows=len(rows),
        not_assessed=Counter(rows["reason"][rows["reason"] != ""]),
        labels=Counter(rows["label"].tolist()),
        outliers=int(rows["outlier"].sum()),
        roles=Counter(rows["role"]),
        groups=Counter(rows[["role", "group"]].drop_duplicates()["role"]),
        fit_rows=fit_rows,
        demodulation=choice,
        faint=faint,
    )
