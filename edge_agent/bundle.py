"""A bundle: everything an agent needs to run a detector, signed as one.

``open_bundle`` is the only way in. Its body is the order of the checks; each of them raises, none only warns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_agent.archive import archive_digest, check_names, read_archive
from edge_agent.bundle_files import read_bundle_file, read_folder
from edge_agent.commissioning_policy import CommissioningPolicy
from edge_agent.errors import BundleFormatError, DigestMismatch
from edge_agent.golden_vectors import GoldenVectors
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
    SIGNATURE,
    THRESHOLDS,
)
from edge_agent.manifest import Manifest
from edge_agent.onnx_scan import scan_onnx
from edge_agent.policy import Policy
from edge_agent.scaler import Scaler
from edge_agent.statement import Statement
from edge_agent.stream import tach_shafts
from edge_agent.strict_json import parse_json
from edge_agent.thresholds import Thresholds
from edge_agent.trust import TrustedKeys, verify_signature
from shared_features.spec import FeatureSpec
from shared_features.vector import columns_of


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bundle:
    """A verified bundle.

    Attributes:
        manifest: What it is and for whom.
        spec: The features its model takes.
        scaler: Scales of the features.
        thresholds: Thresholds and persistence by phase.
        commissioning: What may be learned of new units; None where nothing may.
        onnx_model: The model, scanned.
        golden: Windows with the features and scores to reproduce; not replayed yet.
        metrics: Measures of the ground, JSON.
        model_card: Text for people, Markdown.
        digest: Lower-case hex sha256 of the bundle file.
    """

    manifest: Manifest
    spec: FeatureSpec
    scaler: Scaler
    thresholds: Thresholds
    commissioning: CommissioningPolicy | None
    onnx_model: bytes
    golden: GoldenVectors
    metrics: bytes
    model_card: str
    digest: str


def open_path(path: Path, *, keys: TrustedKeys, policy: Policy) -> Bundle:
    """Open a ``.bundle`` file, or a folder of unpacked members; see ``open_bundle``."""
    if path.is_dir():
        return open_members(read_folder(path), keys=keys, policy=policy)
    return open_bundle(read_bundle_file(path), keys=keys, policy=policy)


def open_bundle(data: bytes, *, keys: TrustedKeys, policy: Policy) -> Bundle:
    """Verify a bundle and read it.

    The golden vectors are not replayed here; that needs a detector.

    Args:
        data: The whole ``.bundle`` file.
        keys: The pinned public keys.
        policy: What this agent accepts.

    Returns:
        The bundle; every byte in it was verified.

    Raises:
        BundleError: Refused; ``reason`` names the check, the text says what to do.
    """
    return open_members(read_archive(data), keys=keys, policy=policy)


def open_members(members: Mapping[str, bytes], *, keys: TrustedKeys, policy: Policy) -> Bundle:
    """Verify the members of a bundle and read them; see ``open_bundle``."""
    check_names(members)
    statement = Statement.from_json(verify_signature(members[SIGNATURE], keys))
    manifest = Manifest.from_json(statement.authentic(members, MANIFEST))
    policy.check(manifest)
    statement.check_members(set(members) - {SIGNATURE})
    verified = {name: statement.authentic(members, name) for name in sorted(statement.digests)}
    bundle = _read(verified, manifest, digest=archive_digest(members))
    _check_fit(bundle, IoSchema.from_json(verified[IO_SCHEMA]))
    return bundle


def _read(verified: Mapping[str, bytes], manifest: Manifest, *, digest: str) -> Bundle:
    parse_json(verified[METRICS], where=METRICS)
    return Bundle(
        manifest=manifest,
        spec=_read_spec(verified[FEATURE_SPEC], manifest.spec_digest),
        scaler=Scaler.from_document(parse_json(verified[SCALER], where=SCALER)),
        thresholds=Thresholds.from_document(parse_json(verified[THRESHOLDS], where=THRESHOLDS)),
        commissioning=_read_commissioning(verified),
        onnx_model=verified[MODEL],
        golden=GoldenVectors.from_members(verified),
        metrics=verified[METRICS],
        model_card=_read_text(verified[MODEL_CARD], where=MODEL_CARD),
        digest=digest,
    )


def _read_spec(data: bytes, expected_digest: str) -> FeatureSpec:
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected_digest:
        raise DigestMismatch(
            "spec_digest",
            f"{FEATURE_SPEC}: expected digest {expected_digest} as {MANIFEST} says, got {digest}; export again",
        )
    parse_json(data, where=FEATURE_SPEC)
    try:
        spec = FeatureSpec.from_json(data)
        canonical = spec.to_json() == data
    except (ValueError, ArithmeticError) as error:
        raise BundleFormatError("feature_spec", f"{FEATURE_SPEC}: {error}") from error
    if not canonical:
        raise BundleFormatError(
            "feature_spec", f"{FEATURE_SPEC}: expected its canonical JSON, got another form of it; export it again"
        )
    return spec


def _read_commissioning(verified: Mapping[str, bytes]) -> CommissioningPolicy | None:
    if COMMISSIONING_POLICY not in verified:
        return None
    return CommissioningPolicy.from_document(parse_json(verified[COMMISSIONING_POLICY], where=COMMISSIONING_POLICY))


def _read_text(data: bytes, *, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleFormatError("text", f"{where}: expected UTF-8 text, got {error}; export it again") from error


def _check_fit(bundle: Bundle, schema: IoSchema) -> None:
    """Check that the members are parts of one detector, and scan its model."""
    names = tuple(column.name for column in columns_of(bundle.spec))
    if bundle.scaler.names != names:
        raise BundleFormatError(
            "scaler",
            f"{SCALER}: expected the {len(names)} features of {FEATURE_SPEC} in their order, got others; export again",
        )
    judged = tuple(bundle.thresholds.domain.conditions)
    if judged and judged != bundle.spec.conditions:
        raise BundleFormatError(
            "thresholds",
            f"{THRESHOLDS}: domain: expected the conditions of {FEATURE_SPEC} ({', '.join(bundle.spec.conditions)}) in "
            f"their order, or none, got {', '.join(judged)}; export again",
        )
    if bundle.commissioning is not None:
        bundle.commissioning.check(n_feature=len(names), n_condition=len(bundle.spec.conditions))
    schema.check(len(names))
    scan_onnx(bundle.onnx_model, schema)
    bundle.golden.check_shape(
        window_n=bundle.spec.window_n,
        n_channel=len(bundle.spec.channels),
        n_speed=len(bundle.spec.speeds),
        n_tach=len(tach_shafts(bundle.spec)),
        n_feature=len(names),
    )
