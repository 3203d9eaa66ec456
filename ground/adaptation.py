"""Adapting a trained detector to one unit: what is usual for that unit, from the first of its healthy windows.

A unit differs from its kind by a constant on the features' scales (``ground.units``), and the detector looks at
deviations from its scaler's means alone: the means move by the constant, everything else stays as it was trained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import torch

from edge_agent.domain import INSIDE
from edge_agent.errors import AgentError
from edge_agent.layout import MODEL, SCALER, THRESHOLDS
from edge_agent.scorer import Scorer
from edge_agent.strict_json import parse_json
from edge_agent.thresholds import Thresholds
from ground.domain import outside_reasons
from ground.errors import ConfigError, DataError
from ground.feature_spec import frozen_spec
from ground.featurize import interim_windows
from ground.healthy_start import HealthyStart, healthy_start
from ground.models.candidate import load_candidate
from ground.models.detector_module import DetectorModule
from ground.onnx_export import check_equal, export_onnx
from ground.replay import Replay, replay
from ground.training_data import read_scaler
from ground.units import FEWEST_WINDOWS
from ground.window_table import WINDOWS, WindowTable, read_table
from ground.workspace import Workspace, write_atomic

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from edge_agent.scaler import Scaler
    from ground.config import Config
    from ground.models.conditioner import Conditioner
    from ground.progress import Progress
    from shared_features.spec import FeatureSpec

SCHEMA = 1
ADAPTATION = "adaptation.json"
_NAMED_UNITS = 8


@dataclass(frozen=True, slots=True)
class UsedWindow:
    """A window that was learned from: its recording, and source time of its first sample and just after its last."""

    recording_id: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """What was learned of a unit, and from what: the file ``adaptation.json``.

    Attributes:
        detector: Name of the detector.
        family: Its model family.
        unit: The unit.
        config_digest: Config that it was trained and adapted with.
        spec_digest: FeatureSpec of its features.
        unadapted_model_digest: sha256 (hex) of the evaluated ``model.onnx`` that was adapted.
        digests: sha256 (hex) of each file beside this one; the thresholds are those of the evaluated candidate.
        windows_seen: The first healthy windows of the unit, as many as were asked for or there are.
        windows_in_alarm: Those of them that the unadapted detector puts in alarm; nothing is learned from these.
        windows: Those that were learned from.
        shift_spreads: By how much the unit's level is off, by feature, in healthy spreads (the scaler's ``std``); 0 for
            operating conditions.
    """

    detector: str
    family: str
    unit: str
    config_digest: str
    spec_digest: str
    unadapted_model_digest: str
    digests: Mapping[str, str]
    windows_seen: int
    windows_in_alarm: int
    windows: tuple[UsedWindow, ...]
    shift_spreads: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """The file as JSON types; features in the order of the vector."""
        return {"schema": SCHEMA, **asdict(self)}

    def to_json(self) -> bytes:
        """The file, indented for people."""
        return (json.dumps(self.document(), indent=1, allow_nan=False) + "\n").encode("ascii")


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """The trained candidate as it was evaluated."""

    scaler: Scaler
    module: DetectorModule
    model: bytes
    thresholds_json: bytes
    thresholds: Thresholds


def adapted_folder(config: Config, workspace: Workspace, unit: str) -> Path:
    """``models/<detector>/candidate-<unit>``; signs that mean something in a path are percent-encoded."""
    candidate = workspace.candidate(config.detector)
    return candidate.with_name(f"{candidate.name}-{quote(unit, safe='')}")


def adapt(
    config: Config, workspace: Workspace, unit: str, *, windows: int, source: Workspace, progress: Progress
) -> Adaptation:
    """Adapt the evaluated candidate to one unit.

    Writes ``model.onnx``, ``scaler.json``, ``thresholds.json`` and, last, ``adaptation.json`` into ``adapted_folder``.

    Args:
        config: The config that the candidate was trained and evaluated with.
        workspace: Holds the candidate.
        unit: The unit.
        windows: How many of the first healthy windows to look at, at most.
        source: Holds the unit: the workspace itself with its feature table, or another one with the preprocessed
            recordings of units that came later.
        progress: Told of recordings that features are computed of.

    Raises:
        ConfigError: Fewer windows are asked for than the constant of a unit takes.
        DataError: The unit is unknown, has no healthy start, or the candidate was not evaluated.
        TrainingError: The candidate is missing, of another config, or cannot be exported.
    """
    if windows < FEWEST_WINDOWS:
        raise ConfigError(f"--windows: expected at least {FEWEST_WINDOWS}, got {windows}; ask for more")
    spec = frozen_spec(config, workspace)
    table = _unit_windows(config, workspace, source, spec, unit, progress=progress)
    evaluated = _load_evaluated(config, workspace)
    start = healthy_start(_answers(evaluated, table), table, unit=unit, windows=windows)
    spreads = unit_shift(evaluated.module.conditioner, evaluated.scaler, start.used.values)
    members = _adapted(evaluated, spreads, start.used.values)
    adaptation = _record(config, unit, evaluated, start, spreads=spreads, members=members, spec_digest=spec.digest)
    folder = adapted_folder(config, workspace, unit)
    for name, content in (*members.items(), (ADAPTATION, adaptation.to_json())):
        write_atomic(folder / name, content)
    return adaptation


def _record(
    config: Config,
    unit: str,
    evaluated: _Evaluated,
    start: HealthyStart,
    *,
    spreads: NDArray[np.float64],
    members: Mapping[str, bytes],
    spec_digest: str,
) -> Adaptation:
    return Adaptation(
        detector=config.detector,
        family=config.model.family,
        unit=unit,
        config_digest=config.digest,
        spec_digest=spec_digest,
        unadapted_model_digest=_sha256(evaluated.model),
        digests={name: _sha256(content) for name, content in members.items()},
        windows_seen=start.seen,
        windows_in_alarm=start.seen - len(start.used.rows),
        windows=_used(start.used.rows),
        shift_spreads=dict(zip(evaluated.scaler.names, spreads.tolist(), strict=True)),
    )


def unit_shift(conditioner: Conditioner, scaler: Scaler, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """By how much a unit is off what the detector expects at the same operating conditions.

    Args:
        conditioner: The detector's baseline.
        scaler: The detector's scaler.
        values: (n, n_feature) features of healthy windows of the unit in physical units, n > 0.

    Returns:
        (n_feature,) medians in healthy spreads; 0 for operating conditions.
    """
    z = torch.from_numpy(scaler.transform(values))
    with torch.no_grad():
        residual: NDArray[np.float64] = (z - conditioner.expected(z)).numpy()
    return np.median(residual, axis=0)


def shifted(scaler: Scaler, spreads: NDArray[np.float64]) -> Scaler:
    """The scaler whose means lie (n_feature,) ``spreads`` higher."""
    return replace(scaler, mean=tuple((np.array(scaler.mean) + spreads * np.array(scaler.std)).tolist()))


def _load_evaluated(config: Config, workspace: Workspace) -> _Evaluated:
    candidate = load_candidate(config, workspace, config.model.family)
    scaler = read_scaler(workspace.processed / SCALER, frozen_spec(config, workspace))
    folder = workspace.candidate(config.detector)
    try:
        model, thresholds_json = ((folder / name).read_bytes() for name in (MODEL, THRESHOLDS))
        thresholds = Thresholds.from_document(parse_json(thresholds_json, where=THRESHOLDS))
    except (OSError, AgentError) as error:
        raise DataError(f"{folder}: expected an evaluated candidate, got {error}; run `ground evaluate`") from error
    # Exports are equal to the byte, so thresholds of another training cannot slip in.
    if export_onnx(candidate.module, len(scaler.names)) != model:
        raise DataError(
            f"{folder / MODEL}: expected the candidate as it is trained now, got another model; run `ground evaluate`"
        )
    return _Evaluated(scaler, candidate.module, model, thresholds_json, thresholds)


def _adapted(evaluated: _Evaluated, spreads: NDArray[np.float64], used: NDArray[np.float32]) -> dict[str, bytes]:
    """The files of the adapted detector, its graph proven on the windows that were learned from."""
    scaler = shifted(evaluated.scaler, spreads)
    module = DetectorModule(scaler, evaluated.module.core, evaluated.module.conditioner)
    model = export_onnx(module, len(scaler.names))
    check_equal(module, model, used)
    return {MODEL: model, SCALER: scaler.to_json(), THRESHOLDS: evaluated.thresholds_json}


def _unit_windows(
    config: Config, workspace: Workspace, source: Workspace, spec: FeatureSpec, unit: str, *, progress: Progress
) -> WindowTable:
    """Every window of the unit, in the order of the index and of time."""
    if source == workspace:
        table = read_table(workspace.features / WINDOWS, spec)
    else:
        table = interim_windows(config, source, spec, progress=progress)
    units = table.rows["unit_id"].to_numpy(dtype=str)
    chosen = units == unit
    if not chosen.any():
        known = list(dict.fromkeys(units.tolist()))
        more = f" and {len(known) - _NAMED_UNITS} more" if len(known) > _NAMED_UNITS else ""
        raise DataError(
            f"--unit: expected a unit of {source.root} ({', '.join(known[:_NAMED_UNITS])}{more}), got {unit!r}; "
            "name one of them, or say where its recordings are with --unit-workspace"
        )
    return WindowTable(table.rows[chosen].reset_index(drop=True), table.values[chosen])


def _answers(evaluated: _Evaluated, table: WindowTable) -> Replay:
    """What the unadapted detector says, as the agent would."""
    reasons = outside_reasons(table.rows, table.values, evaluated.thresholds.domain)
    inside = reasons == INSIDE
    scores = np.zeros(len(inside))
    if inside.any():
        scores[inside] = Scorer(evaluated.model, table.values.shape[1]).score_many(table.values[inside])
    return replay(table.rows.assign(reason=reasons), scores, evaluated.thresholds)


def _used(rows: pd.DataFrame) -> tuple[UsedWindow, ...]:
    columns = (rows[name].tolist() for name in ("recording_id", "start_ns", "end_ns"))
    return tuple(UsedWindow(*each) for each in zip(*columns, strict=True))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
