"""The one evidence record of a detector: ``metrics.json``, from which gates, bundle, model card and report are made.

The same config and recordings give the same bytes on the same machine: nothing here is timed, and no path is named.
docs/reference/evaluation.md says what each number means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np

from edge_agent.thresholds import Thresholds
from ground.breakdown import BreakdownRow, SensorFaultRow
from ground.calibration_curve import CalibrationPoint
from ground.calibration_report import CalibrationReport
from ground.commissioning_report import CommissioningReport
from ground.controls import Control
from ground.coverage import Coverages
from ground.crossval import CrossValidation
from ground.datasets import DatasetDigest
from ground.detection import FlightNumbers, WindowNumbers
from ground.evidence_schema import SCHEMA
from ground.gates import Gate, RunVerdict
from ground.metrics import Curve
from ground.ranking_bands import Band, RankingBands

SHIPPED = "shipped"
OTHER = "other"
BASELINE = "baseline"

_CURVE_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleCount:
    """How much of the recordings one role has; ``windows`` are those that can be assessed."""

    role: str
    groups: int
    recordings: int
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContenderEvidence:
    """Everything measured of one scorer.

    Attributes:
        name: Model family, or ``rms``.
        kind: ``shipped``, ``other`` (a family that does not ship) or ``baseline``.
        windows: Numbers by window.
        flights: Numbers by flight.
        gates: The four detection gates; only those of the shipped one decide.
        calibration: How its thresholds came about.
        thresholds: Its thresholds.
        roc: False-alarm rate (x) against recall (y) of single windows, before persistence.
        pr: Recall (x) against precision (y), likewise.
    """

    name: str
    kind: str
    windows: WindowNumbers
    flights: FlightNumbers
    gates: tuple[Gate, ...]
    calibration: CalibrationReport
    thresholds: Thresholds
    roc: Curve
    pr: Curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The record.

    Attributes:
        detector: Name of the detector.
        family: Model family that ships.
        ecr: Engineering Change Request; may be empty.
        seed: Seed of everything random.
        tuning_trials: Trials of ``ground tune`` that the model's settings were chosen from; 0: none.
        selection: Recordings by the reason for which ``ground retrain`` took or left them; empty: it did not.
        config_digest: sha256 of the config.
        spec_digest: sha256 of the feature spec.
        model_digest: sha256 of ``model.onnx``.
        scaler_digest: sha256 of ``scaler.json``.
        verdict: Over all but the latency, which ``ground.run_evidence`` adds.
        gates: The four detection gates of the shipped detector.
        latency_p99_max_ms: Limit of the gate on latency.
        split_strategy: ``by_unit`` or ``by_time``.
        datasets: The recordings, by digest.
        roles: What each role holds.
        contenders: The shipped detector first.
        not_run: Baselines that could not be computed, and why.
        calibration_curve: Declared against measured false-alarm rates of the shipped detector.
        coverage: What of the windows the shipped detector assessed, and why not the rest.
        bands: About the ROC and precision-recall curves of the shipped detector.
        breakdown: The shipped detector by phase and fault.
        sensor_faults: The shipped detector on flights with a faulty sensor.
        cross_validation: The family that ships, trained anew on every fold.
        controls: Negative controls.
        commissioning: What the bundle lets an agent learn of a new unit, or why nothing.
        onnx_relative_error: Largest relative difference between torch and onnxruntime over the test windows.
        versions: Versions of what computed this.
    """

    detector: str
    family: str
    ecr: str
    seed: int
    tuning_trials: int
    selection: Mapping[str, int]
    config_digest: str
    spec_digest: str
    model_digest: str
    scaler_digest: str
    verdict: RunVerdict
    gates: tuple[Gate, ...]
    latency_p99_max_ms: float
    split_strategy: str
    datasets: tuple[DatasetDigest, ...]
    roles: tuple[RoleCount, ...]
    contenders: tuple[ContenderEvidence, ...]
    not_run: tuple[str, ...]
    calibration_curve: tuple[CalibrationPoint, ...]
    coverage: Coverages
    bands: RankingBands
    breakdown: tuple[BreakdownRow, ...]
    sensor_faults: tuple[SensorFaultRow, ...]
    cross_validation: CrossValidation
    controls: tuple[Control, ...]
    commissioning: CommissioningReport
    onnx_relative_error: float
    versions: Mapping[str, str]

    def to_json(self) -> bytes:
        """``metrics.json``: plain JSON, sorted and indented; what is not a finite number is null."""
        document = {"schema": SCHEMA, **plain(self)}
        return (json.dumps(document, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def plain(value: Any) -> Any:
    """A record, or a part of one, as JSON types."""
    if isinstance(value, Gate):
        return {**_plain_mapping(asdict(value)), "reason": value.reason}
    if isinstance(value, CalibrationReport):
        return {**_plain_mapping(asdict(value)), "summary": value.summary}
    if isinstance(value, Thresholds):
        return value.to_document()
    if isinstance(value, Curve | Band):
        return {name: _rounded(getattr(value, name)) for name in value.__dataclass_fields__}
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return _plain_builtin(value)


def _plain_builtin(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _plain_mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(item) for name, item in value.items()}


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{_CURVE_DIGITS}g}") for value in values]
