"""The export stage: from a gated candidate to the signed bundle and the artefacts of its version."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from edge_agent.io_schema import IoSchema
from edge_agent.layout import (
    COMMISSIONING_POLICY,
    FEATURE_SPEC,
    IO_SCHEMA,
    MANIFEST,
    METRICS,
    MODEL,
    MODEL_CARD,
    SCALER,
    THRESHOLDS,
)
from edge_agent.manifest import Manifest
from edge_agent.scorer import Scorer
from ground.config import Config
from ground.errors import ConfigError, DataError
from ground.evidence import Evidence
from ground.feature_spec import frozen_spec
from ground.golden import golden_vectors
from ground.pack import check_members, pack_bundle
from ground.release_folder import bundle_name, publish_release
from ground.report.evidence_file import read_run
from ground.report.ml_bom import ML_BOM, ml_bom
from ground.report.model_card import ModelCardInput, model_card
from ground.run_evidence import RunEvidence, release_class_of
from ground.signer import SigningKey
from ground.window_table import WINDOWS
from ground.workspace import THRESHOLDS_YAML, Workspace, write_atomic
from shared_features.spec import FeatureSpec

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What export made.

    Attributes:
        folder: ``models/<detector>/<version>``: the members unpacked, ``thresholds.yaml``, the ML-BOM, the bundle.
        bundle: The signed file; where ``is_signed`` is false, it is for ``ground sign`` to make.
        is_signed: Whether there was a key.
        release_class: ``release`` or ``development``.
        reasons: Why it is not a release; empty for one.
    """

    folder: Path
    bundle: Path
    is_signed: bool
    release_class: str
    reasons: tuple[str, ...]


def export(config: Config, workspace: Workspace, *, version: str, key: SigningKey | None) -> ExportReport:
    """Make the bundle of the evaluated candidate.

    Args:
        config: The config it was trained and evaluated with.
        workspace: Holds the candidate and its evaluation.
        version: Version of the detector, ``MAJOR.MINOR.PATCH``.
        key: What signs; without one, everything but signature and bundle is made.

    Raises:
        ConfigError: The version is no version, or exists with other content.
        GateError: A gate failed: no bundle is made.
        DataError: Not evaluated yet, or evaluated with another config.
        SigningError: It was not signed, or no agent would accept it.
    """
    check_version(version)
    run = _read_run(workspace, config)
    release_class, reasons = release_class_of(run)
    spec = frozen_spec(config, workspace)
    manifest = _manifest(config, spec, version, release_class)
    members = _members(config, workspace, spec, manifest, run.evidence)
    if key is None:
        check_members(members)
    beside = {
        THRESHOLDS_YAML: _candidate_file(config, workspace, THRESHOLDS_YAML),
        ML_BOM: ml_bom(manifest, run.evidence, members),
    }
    folder = workspace.release(config.detector, version)
    publish_release(folder, members, b"" if key is None else pack_bundle(members, key), beside)
    write_atomic(workspace.evaluation / ML_BOM, beside[ML_BOM])
    return ExportReport(folder, folder / bundle_name(manifest), key is not None, release_class, reasons)


def check_version(version: str) -> None:
    """Refuse what is no version; a pipeline asks before hours of work.

    Raises:
        ConfigError: It is none.
    """
    if not _VERSION.fullmatch(version):
        raise ConfigError(f"--version: expected MAJOR.MINOR.PATCH, got {version!r}; choose a version such as 1.0.0")


def _read_run(workspace: Workspace, config: Config) -> RunEvidence:
    run = read_run(workspace)
    if run.evidence.config_digest != config.digest:
        raise DataError(
            f"{workspace.evaluation / METRICS}: expected the evaluation of config {config.digest[:12]}, got that of "
            f"{run.evidence.config_digest[:12]}; run `ground evaluate` again"
        )
    return run


def _check_evaluated(name: str, content: bytes, evaluated: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != evaluated:
        raise DataError(
            f"{name}: expected the one that was evaluated, {evaluated[:12]}, got {digest[:12]}; "
            "run `ground train` and `ground evaluate` again"
        )


def _manifest(config: Config, spec: FeatureSpec, version: str, release_class: str) -> Manifest:
    settings = config.bundle
    return Manifest(
        detector=config.detector,
        version=version,
        fleet=settings.fleet,
        sequence=settings.sequence,
        epoch=settings.epoch,
        release_class=release_class,
        spec_digest=spec.digest,
        min_agent_version=settings.min_agent_version,
        expires=settings.expires.isoformat() if settings.expires else "",
        ecr=config.ecr,
        part_number=settings.part_number,
    )


def _members(
    config: Config, workspace: Workspace, spec: FeatureSpec, manifest: Manifest, evidence: Evidence
) -> dict[str, bytes]:
    model = _candidate_file(config, workspace, MODEL)
    scaler = _read(workspace.processed / SCALER)
    _check_evaluated("model", model, evidence.model_digest)
    _check_evaluated("scaler", scaler, evidence.scaler_digest)
    n_feature = len(json.loads(scaler)["names"])
    golden = golden_vectors(workspace, spec, _windows(workspace, spec), Scorer(model, n_feature))
    card = model_card(ModelCardInput(manifest=manifest, evidence=evidence))
    return {
        MANIFEST: manifest.to_json(),
        MODEL: model,
        FEATURE_SPEC: spec.to_json(),
        SCALER: scaler,
        THRESHOLDS: _candidate_file(config, workspace, THRESHOLDS),
        IO_SCHEMA: IoSchema.of(n_feature).to_json(),
        METRICS: evidence.to_json(),
        MODEL_CARD: card.encode(),
        **golden.to_members(),
        **_commissioning(config, workspace, evidence),
    }


def _commissioning(config: Config, workspace: Workspace, evidence: Evidence) -> dict[str, bytes]:
    if not evidence.commissioning.digest:
        return {}
    policy = _candidate_file(config, workspace, COMMISSIONING_POLICY)
    _check_evaluated("commissioning", policy, evidence.commissioning.digest)
    return {COMMISSIONING_POLICY: policy}


def _windows(workspace: Workspace, spec: FeatureSpec) -> Any:
    path = workspace.features / WINDOWS
    columns = ["recording_id", "phase", "start_ns", "label", "reason"]
    try:
        digest = pq.read_schema(path).metadata[b"spec_digest"].decode()
        table = pq.read_table(path, columns=columns)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: expected the feature table, got {error}; run `ground featurize` first") from error
    if digest != spec.digest:
        raise DataError(f"{path}: expected spec {spec.digest[:12]}, got {digest[:12]}; run `ground featurize` again")
    return table.to_pandas()


def _candidate_file(config: Config, workspace: Workspace, name: str) -> bytes:
    return _read(workspace.candidate(config.detector) / name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a file, got {error}; run `ground evaluate` first") from error
