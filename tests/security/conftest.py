"""A workshop for bundles: honest members, and the tools to make dishonest ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from onnx import TensorProto, helper

from edge_agent.archive import write_archive
from edge_agent.bundle import Bundle, open_bundle
from edge_agent.golden_vectors import GoldenVectors
from edge_agent.io_schema import INPUT, RECONSTRUCTION, SCORE, IoSchema
from edge_agent.layout import (
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
from edge_agent.policy import Policy
from edge_agent.scaler import Scaler
from edge_agent.statement import Statement
from edge_agent.thresholds import Thresholds
from edge_agent.trust import TrustedKeys
from ground.sign import sign_members, sign_payload
from shared_features.spec import ChannelSpec, FeatureSpec, ShaftSpec, SpectrumGroup
from shared_features.vector import columns_of

SEED = 20261123
SPEC = FeatureSpec(
    sampling_rate_hz=64.0,
    record_s=1.0,
    window_s=2.0,
    hop_s=1.0,
    channels=(ChannelSpec("case", "g"),),
    conditions=("n1_hz",),
    shafts=(ShaftSpec("n1", "tach"),),
    spectrum=SpectrumGroup(segment_n=16, overlap_n=8, bands_hz=((4.0, 12.0), (12.0, 28.0))),
)
N_FEATURE = len(columns_of(SPEC))
OPSET = 20
IR_VERSION = 10


def fixed_key(number: int) -> ec.EllipticCurvePrivateKey:
    """A P-256 key that is the same in every run."""
    return ec.derive_private_key(number, ec.SECP256R1())


def identity_model(n_feature: int) -> bytes:
    """The smallest model with the promised interface: it returns its input and the mean of it."""
    graph = helper.make_graph(
        [
            helper.make_node("Identity", [INPUT], [RECONSTRUCTION]),
            helper.make_node("ReduceMean", [INPUT, "axes"], [SCORE], keepdims=0),
        ],
        "identity",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", n_feature])],
        [
            helper.make_tensor_value_info(RECONSTRUCTION, TensorProto.FLOAT, ["batch", n_feature]),
            helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, ["batch"]),
        ],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def honest_golden(spec: FeatureSpec) -> GoldenVectors:
    """Golden vectors of the right shapes; what they say is not looked at by ``open_bundle``."""
    rng = np.random.default_rng(SEED)
    return GoldenVectors(
        samples=rng.standard_normal((2, spec.window_n, len(spec.channels))).astype(np.float32),
        speeds=np.full((2, len(spec.speeds)), 50.0),
        pulses=np.array([[[0.0, 1.28, 127.5]], [[64.0, -1.0, -1.0]]]),
        features=rng.standard_normal((2, N_FEATURE)).astype(np.float32),
        scores=np.array([0.5, 0.75], dtype=np.float32),
    )


def honest_manifest() -> Manifest:
    """The manifest of the honest bundle."""
    return Manifest(
        detector="engine_vibration",
        version="1.0.0",
        fleet="north",
        sequence=7,
        release_class="release",
        spec_digest=SPEC.digest,
        min_agent_version="0.1.0",
        expires="2027-03-01",
        ecr="ECR-0042",
        part_number="EV-100-01",
    )


def honest_members() -> dict[str, bytes]:
    """Members that every agent of fleet ``north`` accepts, unsigned."""
    columns = columns_of(SPEC)
    names = tuple(column.name for column in columns)
    scaler = Scaler(names, tuple(column.scale for column in columns), (0.0,) * len(names), (1.0,) * len(names))
    thresholds = Thresholds(
        pooled=3.0, phases={"cruise": 2.5}, k=3, n=5, release_ratio=0.9, false_alarm_rate=0.05, confidence=0.95
    )
    return {
        MANIFEST: honest_manifest().to_json(),
        MODEL: identity_model(N_FEATURE),
        FEATURE_SPEC: SPEC.to_json(),
        SCALER: scaler.to_json(),
        THRESHOLDS: thresholds.to_json(),
        IO_SCHEMA: IoSchema.of(N_FEATURE).to_json(),
        METRICS: b'{"auc":0.97}',
        MODEL_CARD: "# Engine vibration\n\nRMS in mm/s, kurtosis ≥ 3.\n".encode(),
        **honest_golden(SPEC).to_members(),
    }


@dataclasses.dataclass(frozen=True)
class Workshop:
    """Signs, packs and opens bundles with one key."""

    key: ec.EllipticCurvePrivateKey
    other_key: ec.EllipticCurvePrivateKey
    members: Mapping[str, bytes]

    @property
    def keys(self) -> TrustedKeys:
        """The key of the workshop, pinned."""
        return TrustedKeys.of([self.key.public_key()])

    def policy(self, **changes: Any) -> Policy:
        """An agent of fleet ``north``."""
        return dataclasses.replace(Policy(fleet="north", agent_version="0.1.0"), **changes)

    def statement(self) -> dict[str, Any]:
        """The honest statement, as a document to change."""
        document: dict[str, Any] = json.loads(Statement.of("engine_vibration/1.0.0", self.members).to_json())
        return document

    def seal(self, changes: Mapping[str, bytes] | None = None, *, signature: bytes = b"") -> bytes:
        """A bundle of the honest members with ``changes``, signed with the workshop's key unless told otherwise."""
        members = {**self.members, **(changes or {})}
        return write_archive({**members, SIGNATURE: signature or sign_members("test", members, self.key)})

    def seal_payload(self, payload: bytes) -> bytes:
        """A bundle of the honest members whose signature is over ``payload``."""
        return self.seal(signature=sign_payload(payload, self.key))

    def open(self, bundle: bytes, **policy: Any) -> Bundle:
        """Open a bundle as an agent would."""
        return open_bundle(bundle, keys=self.keys, policy=self.policy(**policy))


@pytest.fixture(scope="session")
def workshop() -> Workshop:
    """The workshop of this session."""
    return Workshop(fixed_key(1234567), fixed_key(7654321), honest_members())
