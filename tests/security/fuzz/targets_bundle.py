"""Targets of the bundle: its archive, signature, statement, manifest, arrays and model; and all of it, signed anew.

Each is held against the second verifier where that one has an opinion: if they differ, one of them is wrong.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from datetime import date
from typing import Any, Final

import numpy as np
import onnx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.message import DecodeError
from hypothesis import strategies as st

from edge_agent.archive import read_archive, write_archive
from edge_agent.bundle import Bundle, open_bundle
from edge_agent.dsse import Envelope
from edge_agent.errors import BundleError, BundleFormatError, ModelRejected, SignatureRejected
from edge_agent.io_schema import IoSchema
from edge_agent.layout import (
    COMMISSIONING_POLICY,
    FEATURE_SPEC,
    GOLDEN_FEATURES,
    GOLDEN_SCORES,
    MANIFEST,
    MODEL,
    MODEL_CARD,
    SIGNATURE,
)
from edge_agent.manifest import Manifest
from edge_agent.npy import read_npy
from edge_agent.onnx_format import OPERATORS
from edge_agent.onnx_scan import scan_onnx
from edge_agent.policy import Policy
from edge_agent.statement import Statement
from edge_agent.strict_json import canonical_json, parse_json
from edge_agent.trust import TrustedKeys, verify_signature
from ground.sign import sign_members, sign_payload
from tests.security import second_verifier
from tests.security.conftest import N_FEATURE, fixed_key, honest_members
from tests.security.fuzz.commissioning import honest_policy
from tests.security.fuzz.mutation import changed_json, damaged, either
from tests.security.fuzz.target import Target, reason_of, refuses

KEY: Final = fixed_key(1234567)
KEYS: Final = TrustedKeys.of([KEY.public_key()])
PEM: Final = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
TODAY: Final = date(2026, 11, 28)
POLICY: Final = Policy(fleet="north", agent_version="0.1.0", minimum_sequence=5, today=TODAY)
MEMBERS: Final = {**honest_members(), COMMISSIONING_POLICY: honest_policy()}
SIGNED: Final = sign_members("fuzz", MEMBERS, KEY)
BUNDLE: Final = write_archive({**MEMBERS, SIGNATURE: SIGNED})
PAYLOAD: Final = Statement.of("fuzz", MEMBERS).to_json()
ENVELOPE: Final = Envelope.from_json(SIGNED)
JSON: Final = sorted(name for name in MEMBERS if name.endswith(".json"))
ARRAYS: Final = sorted(name for name in MEMBERS if name.endswith(".npy"))
BEYOND: Final = frozenset({"feature_spec", "scaler", "thresholds", "commissioning", "golden_shape", "golden_pulses"})
"""Reasons of which the second verifier knows nothing, no more than of models."""
AUTHENTIC: Final = frozenset({"digest_mismatch", "bad_signature", "signature_form", "statement_form", "root_digest"})
"""Reasons that a bundle that was signed anew cannot have."""


def agree(refused: bool, act: Any) -> None:  # noqa: FBT001 - the verdict of the first
    """Both take an input or both refuse it."""
    assert refuses(act, *DOUBTS) == refused


DOUBTS: Final = (
    ValueError, LookupError, TypeError, AttributeError, RecursionError, second_verifier.InvalidSignature,
)  # fmt: skip


def check_json(data: bytes) -> None:
    """Two strict readers of JSON read the same."""
    refused = refuses(lambda: parse_json(data, where="fuzz"), BundleFormatError)
    agree(refused, lambda: second_verifier._read_json(data))
    document = parse_json(data, where="fuzz")
    assert repr(document) == repr(second_verifier._read_json(data))
    assert repr(document) == repr(json.loads(data))


def check_archive(data: bytes) -> None:
    """What is read is what would be written, and the second verifier reads the same."""
    agree(refuses(lambda: read_archive(data), BundleFormatError), lambda: second_verifier._read_tar(data))
    members = read_archive(data)
    assert write_archive(members) == data
    assert second_verifier._read_tar(data) == members


def check_envelope(data: bytes) -> None:
    """Nothing is authentic but the payload that was signed, in the one form of its envelope."""
    agree(
        refuses(lambda: verify_signature(data, KEYS), BundleError),
        lambda: second_verifier._signed_payload(data, [PEM]),
    )
    assert verify_signature(data, KEYS) == PAYLOAD
    assert data == SIGNED


def check_statement(payload: bytes) -> None:
    """A statement has one form, whoever signed it, and speaks of every member."""
    names = sorted(MEMBERS)

    def first() -> None:
        Statement.from_json(payload).check_members(names)

    agree(refuses(first, BundleError), lambda: second_verifier._read_statement(payload, names))
    first()
    statement = Statement.from_json(verify_signature(sign_payload(payload, KEY), KEYS))
    assert statement.to_json() == payload
    assert statement.digests == second_verifier._read_statement(payload, names)


def check_manifest(data: bytes) -> None:
    """Two readers of manifests take the same, and its canonical form means the same."""

    def second() -> None:
        date.fromisoformat(second_verifier._read_manifest(data)["expires"] or "2000-01-01")

    agree(refuses(lambda: Manifest.from_json(data), BundleError), second)
    manifest = Manifest.from_json(data)
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert json.loads(manifest.to_json()) == second_verifier._read_manifest(data)


def check_array(data: bytes) -> None:
    """What is taken is what numpy reads."""

    def first() -> Any:
        return read_npy(data, dtype=np.dtype("<f4"), ndim=2, where="fuzz")

    agree(refuses(first, BundleFormatError), lambda: second_verifier._read_array(data, "f2"))
    array = first()
    saved = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    assert np.array_equal(saved, array)


def check_model(data: bytes) -> None:
    """What passes the scan reads to the reference parser as a flat graph of allowed operators, within its file."""
    scan_onnx(data, IoSchema.of(N_FEATURE))
    try:
        model = onnx.load_from_string(data)
    except DecodeError:
        # Nor does onnxruntime read it. What matters is that nobody reads another model.
        return
    graph = model.graph
    nodes = list(graph.node)
    assert not model.functions
    assert not graph.sparse_initializer
    assert {node.op_type for node in nodes} <= OPERATORS
    assert {node.domain for node in nodes} <= {"", "ai.onnx"}
    attributes = [attribute for node in nodes for attribute in node.attribute]
    assert not [each for each in attributes if each.HasField("g") or each.graphs or each.HasField("sparse_tensor")]
    tensors = [*graph.initializer, *(each.t for each in attributes), *(t for each in attributes for t in each.tensors)]
    assert not [each for each in tensors if each.external_data or each.data_location]


def check_damaged_bundle(data: bytes) -> None:
    """No damage is taken: what opens is the bundle."""
    agree(refuses(lambda: open_bundle(data, keys=KEYS, policy=POLICY), BundleError), lambda: second(data))
    open_bundle(data, keys=KEYS, policy=POLICY)
    assert data == BUNDLE


def second(data: bytes) -> Any:
    """The verdict of the second verifier."""
    return second_verifier.verify(data, [PEM], fleet="north", agent="0.1.0", today=TODAY, lowest=5)


def check_signed_anew(given: tuple[str, bytes]) -> None:
    """A member is damaged and all signed anew: only what makes sense opens, and both verifiers agree where they can."""
    name, content = given
    members = {**MEMBERS, name: content}
    if name == FEATURE_SPEC:
        digest = hashlib.sha256(content).hexdigest()
        members[MANIFEST] = canonical_json({**json.loads(MEMBERS[MANIFEST]), "spec_digest": digest})
    data = write_archive({**members, SIGNATURE: sign_members("fuzz", members, KEY)})

    def first() -> Bundle:
        return open_bundle(data, keys=KEYS, policy=POLICY)

    reason = reason_of(first)
    assert reason not in AUTHENTIC
    if reason not in BEYOND and not reason.startswith(("onnx", "io_schema")):
        agree(bool(reason), lambda: second(data))
    assert first().manifest.sequence >= POLICY.minimum_sequence
    assert write_archive(read_archive(data)) == data


def _pair(name: str) -> st.SearchStrategy[tuple[str, bytes]]:
    seeds = [MEMBERS[name]]
    return st.tuples(st.just(name), changed_json(seeds) if name in JSON else damaged(seeds))


def _envelope(payload: bytes, signature: bytes) -> bytes:
    """In the one form: so that damage gets to the signature itself, and to what it is over."""
    return dataclasses.replace(ENVELOPE, payload=payload, signature=signature).to_json()


BUNDLE_TARGETS: Final = {
    "json": Target(either([MEMBERS[name] for name in JSON] + [PAYLOAD]), check_json, (BundleFormatError,)),
    "archive": Target(damaged([BUNDLE]), check_archive, (BundleFormatError,)),
    "envelope": Target(either([SIGNED]), check_envelope, (SignatureRejected, BundleFormatError)),
    "signature": Target(
        st.one_of(
            st.builds(_envelope, st.just(PAYLOAD), damaged([ENVELOPE.signature])),
            st.builds(_envelope, either([PAYLOAD]), st.just(ENVELOPE.signature)),
        ),
        check_envelope,
        (SignatureRejected,),
    ),
    "statement": Target(either([PAYLOAD]), check_statement, (SignatureRejected, BundleFormatError)),
    "manifest": Target(either([MEMBERS[MANIFEST]]), check_manifest, (BundleFormatError,)),
    "array": Target(damaged([MEMBERS[GOLDEN_FEATURES], MEMBERS[GOLDEN_SCORES]]), check_array, (BundleFormatError,)),
    "model": Target(damaged([MEMBERS[MODEL]]), check_model, (ModelRejected,)),
    "bundle": Target(damaged([BUNDLE]), check_damaged_bundle, (BundleError,)),
    "signed": Target(
        st.sampled_from([*JSON, *JSON, *ARRAYS, MODEL, MODEL_CARD]).flatmap(_pair), check_signed_anew, (BundleError,)
    ),
}
