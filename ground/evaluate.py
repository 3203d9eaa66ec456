"""The stage ``evaluate``: calibrate, replay the test flights, measure, and hold the result against the gates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.detector import LoadedModel
from edge_agent.layout import SCALER
from edge_agent.scorer import Scorer
from ground.breakdown import breakdown, sensor_faults
from ground.calibration_curve import CalibrationPoint, calibration_curve
from ground.commissioning import CommissioningOutcome, learn_policy
from ground.commissioning_rehearsal import UnknownUnits, engines_of, expected_levels, scored
from ground.config import Config
from ground.contenders import RMS, Examined, examine, family_contender, rms_contenders
from ground.controls import Control, leak_controls, scoring_controls
from ground.coverage import coverages
from ground.crossval import CrossValidation, cross_validate
from ground.datasets import DatasetDigest, dataset_digests
from ground.domain import outside_reasons
from ground.errors import DataError
from ground.evaluation_files import write_evaluation
from ground.evidence import Evidence, RoleCount
from ground.feature_spec import frozen_spec
from ground.gates import RunVerdict, latency_gate, run_verdict
from ground.latency import WINDOWS as LATENCY_WINDOWS
from ground.latency import latency_numbers, measure_latency
from ground.models.candidate import Candidate, TrainingRecord, load_candidate
from ground.onnx_export import check_equal
from ground.progress import Progress
from ground.ranking_bands import ranking_bands
from ground.recording import Recording
from ground.recordings import load_recording, read_index
from ground.replay import Replay
from ground.run_evidence import LatencyEvidence, RunEvidence
from ground.splits import BY_TIME, ROLES, TEST, Roles, check_disjoint
from ground.train import families_of
from ground.training_data import read_scaler
from ground.window_table import ROLE_COLUMNS, WINDOWS, WindowTable, read_table
from ground.workspace import Workspace

STAGE = "evaluate"
_PACKAGES = ("enginear-ground", "numpy", "torch", "onnx", "onnxruntime", "scipy", "scikit-learn", "pandas")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the stage found.

    Attributes:
        run: Everything, as in ``metrics.json`` and ``latency.json``.
        answers: The answers of the shipped detector in the test flights, as in ``scores.parquet``.
    """

    run: RunEvidence
    answers: Replay

    @property
    def evidence(self) -> Evidence:
        """All but the latency."""
        return self.run.evidence

    @property
    def verdict(self) -> RunVerdict:
        """The verdict over the whole run."""
        return self.run.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """Everything measured, before it is judged; of ``contenders`` the shipped one comes first."""

    model: bytes
    contenders: tuple[Examined, ...]
    not_run: tuple[str, ...]
    controls: tuple[Control, ...]
    cross_validation: CrossValidation
    latency_ms: NDArray[np.float64]
    datasets: tuple[DatasetDigest, ...]
    calibration_curve: tuple[CalibrationPoint, ...]
    commissioning: CommissioningOutcome
    onnx_relative_error: float

    @property
    def shipped(self) -> Examined:
        return self.contenders[0]


def evaluate(config: Config, workspace: Workspace, *, progress: Progress) -> Evaluation:
    """Examine the trained candidate.

    Reads ``data/interim``, ``data/features``, ``data/processed`` and the trained families; writes
    ``metrics.json``, ``latency.json`` and ``scores.parquet`` into ``evaluation``, and ``model.onnx``,
    ``thresholds.json`` and ``thresholds.yaml`` into ``models/<detector>/candidate``. A failed gate is a verdict, not an
    error: see ``ground.gates.refuse_failed``.

    Args:
        config: The config that the candidate was trained with.
        workspace: Where to read and write.
        progress: Told of every part.

    Raises:
        DataError: Features or recordings are missing, or of another config.
        TrainingError: The candidate is missing, of another config, or cannot be exported.
        SplitError: Roles share an id, a stretch of time or a window.
        CalibrationError: Healthy flights give no threshold.
    """
    table = read_split_table(config, workspace)
    candidates = {family: load_candidate(config, workspace, family) for family in families_of(config)}
    measured = _measure(config, workspace, table, candidates, progress)
    evidence = _evidence(config, table, measured, candidates[config.model.family].record)
    run = RunEvidence(evidence, _latency(config, evidence, measured.latency_ms))
    write_evaluation(
        config, workspace, run, measured.contenders, model=measured.model, policy=measured.commissioning.policy_json
    )
    return Evaluation(run, measured.shipped.answers)


def read_split_table(config: Config, workspace: Workspace) -> WindowTable:
    """Every window in physical units with its role; roles are checked again, whoever dealt them.

    Raises:
        DataError: A table is missing, of another spec, or the two do not belong together.
        SplitError: Roles share something.
    """
    spec = frozen_spec(config, workspace)
    features = read_table(workspace.features / WINDOWS, spec)
    processed = read_table(workspace.processed / WINDOWS, spec)
    ids = ["recording_id", "start_ns"]
    if not set(ROLE_COLUMNS.names) <= set(processed.rows) or not features.rows[ids].equals(processed.rows[ids]):
        raise DataError(
            f"{workspace.processed / WINDOWS}: expected the windows of {workspace.features / WINDOWS} with their "
            "roles, got others; run `ground featurize` again"
        )
    rows = processed.rows
    roles = Roles(rows["group"].to_numpy(dtype=object), rows["role"].to_numpy(dtype=object))
    check_disjoint(rows, roles, features.values, strategy=config.split.strategy)
    return WindowTable(rows, features.values)


def _measure(
    config: Config, workspace: Workspace, table: WindowTable, candidates: Mapping[str, Candidate], progress: Progress
) -> _Measured:
    # First, so that recordings that are gone are told before minutes of work.
    datasets = dataset_digests(workspace.interim)
    contenders = []
    progress(STAGE, 0, len(candidates))
    for done, (name, candidate) in enumerate(candidates.items(), start=1):
        contenders.append(family_contender(name, candidate, table, config, ships=name == config.model.family))
        progress(STAGE, done, len(candidates))
    rms = rms_contenders(table, config)
    examined = tuple(examine(contender, table, config) for contender in (*contenders, *rms))
    shipped, model = examined[0], contenders[0].model
    is_test = ((table.rows["role"] == TEST) & (table.rows["reason"] == "")).to_numpy()
    return _Measured(
        model=model,
        contenders=examined,
        not_run=() if rms else (f"{RMS}: expected the feature in the table, got none; switch features.time on",),
        controls=(*scoring_controls(shipped.answers, config), *leak_controls(table, strategy=config.split.strategy)),
        cross_validation=cross_validate(table, config, progress=progress),
        latency_ms=_latency_ms(config, workspace, model, shipped, progress),
        datasets=datasets,
        calibration_curve=calibration_curve(table, contenders[0].scores, config, contenders[0].rehearsals),
        commissioning=_commissioning(
            config, workspace, table, candidate=candidates[config.model.family], shipped=shipped, model=model
        ),
        onnx_relative_error=check_equal(candidates[config.model.family].module, model, table.values[is_test]),
    )


def _commissioning(
    config: Config, workspace: Workspace, table: WindowTable, *, candidate: Candidate, shipped: Examined, model: bytes
) -> CommissioningOutcome:
    """What an agent may learn of a new unit, rehearsed with the model that ships."""
    thresholds = shipped.evidence.thresholds
    scaler = read_scaler(workspace.processed / SCALER, frozen_spec(config, workspace))
    detector = UnknownUnits(
        scaler=scaler,
        expected=expected_levels(candidate.module.conditioner),
        score=partial(scored, Scorer(model, len(scaler.names))),
        thresholds=thresholds,
    )
    inside = table.rows.assign(reason=outside_reasons(table.rows, table.values, thresholds.domain))
    return learn_policy(
        WindowTable(inside, table.values),
        detector,
        config.decision,
        shipped.evidence.calibration,
        engines_of(read_index(workspace.interim)),
        seed=config.seed,
    )


def _evidence(config: Config, table: WindowTable, measured: _Measured, trained: TrainingRecord) -> Evidence:
    settings, shipped = config.gates, measured.shipped
    return Evidence(
        detector=config.detector,
        family=config.model.family,
        ecr=config.ecr,
        seed=config.seed,
        tuning_trials=config.model.tuning_trials,
        selection=config.preprocess.selection,
        config_digest=config.digest,
        spec_digest=trained.spec_digest,
        model_digest=hashlib.sha256(measured.model).hexdigest(),
        scaler_digest=trained.scaler_digest,
        verdict=_verdict(config, measured),
        gates=shipped.evidence.gates,
        latency_p99_max_ms=settings.latency_p99_max_ms,
        split_strategy=config.split.strategy,
        datasets=measured.datasets,
        roles=_role_counts(table.rows),
        contenders=tuple(contender.evidence for contender in measured.contenders),
        not_run=measured.not_run,
        calibration_curve=measured.calibration_curve,
        coverage=coverages(shipped.answers),
        bands=ranking_bands(shipped.answers, seed=config.seed),
        breakdown=breakdown(shipped.answers, confidence=settings.confidence),
        sensor_faults=sensor_faults(shipped.answers),
        cross_validation=measured.cross_validation,
        controls=measured.controls,
        commissioning=measured.commissioning.report,
        onnx_relative_error=measured.onnx_relative_error,
        versions={name: version(name) for name in _PACKAGES},
    )


def _latency(config: Config, evidence: Evidence, latency_ms: NDArray[np.float64]) -> LatencyEvidence:
    settings = config.gates
    return LatencyEvidence(
        config_digest=evidence.config_digest,
        model_digest=evidence.model_digest,
        gate=latency_gate(latency_ms, limit_ms=settings.latency_p99_max_ms, confidence=settings.confidence),
        numbers=latency_numbers(latency_ms),
    )


def _verdict(config: Config, measured: _Measured) -> RunVerdict:
    report = measured.shipped.evidence.calibration
    return run_verdict(
        measured.shipped.evidence.gates,
        by_time=config.split.strategy == BY_TIME,
        calibration_note=report.summary if report.insufficient_flights else "",
        passed_controls=[control.name for control in measured.controls if not control.holds],
    )


def _latency_ms(
    config: Config, workspace: Workspace, model: bytes, shipped: Examined, progress: Progress
) -> NDArray[np.float64]:
    spec = frozen_spec(config, workspace)
    scaler = read_scaler(workspace.processed / SCALER, spec)
    loaded = LoadedModel(
        bundle_id=f"{config.detector}/candidate",
        bundle_digest=hashlib.sha256(model).hexdigest(),
        spec=spec,
        scaler=scaler,
        thresholds=shipped.evidence.thresholds,
        scorer=Scorer(model, len(scaler.names)),
    )
    names = list(dict.fromkeys(shipped.answers.rows["recording_id"]))
    recordings = _flights(config, workspace, names)
    return measure_latency(loaded, recordings, windows=LATENCY_WINDOWS, progress=progress)


def _flights(config: Config, workspace: Workspace, names: Sequence[str]) -> Iterator[Recording]:
    """Test recordings one after the other, and all over again: small sets would not fill the measurement."""
    infos = {info.recording_id: info for info in read_index(workspace.interim)}
    for index in range(LATENCY_WINDOWS):
        info = infos[names[index % len(names)]]
        yield load_recording(workspace.interim, info, conditions=config.feature_spec().speeds)


def _role_counts(rows: pd.DataFrame) -> tuple[RoleCount, ...]:
    assessed = rows[rows["reason"] == ""]
    counts = []
    for role in ROLES:
        part = assessed[assessed["role"] == role]
        counts.append(
            RoleCount(
                role=role,
                groups=int(part["group"].nunique()),
                recordings=int(part["recording_id"].nunique()),
                windows=len(part),
            )
        )
    return tuple(counts)
