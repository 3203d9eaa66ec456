"""Attacks 1 to 14: bundles that no pinned key has signed as they are."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from edge_agent.archive import write_archive
from edge_agent.dsse import PAYLOAD_TYPE
from edge_agent.layout import METRICS, SIGNATURE, SIGNED_MEMBERS, THRESHOLDS
from edge_agent.statement import Statement
from edge_agent.strict_json import canonical_json
from edge_agent.trust import P256_ORDER
from ground.sign import sign_members
from tests.security.attack import Attack
from tests.security.forge import Forge, at, flipped

LOW_ORDER: Final = b"\x01" + bytes(31)
"""The identity of ed25519: libraries accept it as the key of any message."""


def _flip(name: str, place: float, forge: Forge) -> bytes:
    members = forge.sealed()
    offset = round(place * (len(members[name]) - 1))
    return write_archive({**members, name: flipped(members[name], offset)})


def _by_other_key(forge: Forge, *, hint_of_pinned: bool = False) -> bytes:
    signature = json.loads(sign_members("forged", forge.members, forge.other_key))
    if hint_of_pinned:
        signature["verificationMaterial"] = json.loads(forge.sealed()[SIGNATURE])["verificationMaterial"]
    return forge.with_signature(canonical_json(signature))


def _of_other_type(forge: Forge) -> bytes:
    """Signed by the pinned key, as another type: what the key signs elsewhere must not pass for a bundle."""
    payload, kind = Statement.of("forged", forge.members).to_json(), b"application/json"
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    r, s = decode_dss_signature(forge.key.sign(pae, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    signature = base64.b64encode(encode_dss_signature(r, min(s, P256_ORDER - s))).decode()
    return forge.with_envelope(
        lambda d: d["dsseEnvelope"].update(
            payload=base64.b64encode(payload).decode(),
            payloadType=kind.decode(),
            signatures=[{"keyid": "", "sig": signature}],
        )
    )


def _as_in_toto(forge: Forge) -> bytes:
    """The same signature, its type corrected afterwards."""
    document = json.loads(_member(_of_other_type(forge)))
    document["dsseEnvelope"]["payloadType"] = PAYLOAD_TYPE
    return forge.with_signature(canonical_json(document))


def _member(archive: bytes) -> bytes:
    return archive[archive.index(b'{"dsseEnvelope"') :].split(b"\x00", 1)[0]


def _of_another(forge: Forge) -> bytes:
    return write_archive({**forge.sealed({METRICS: b"{}"}), METRICS: b'{"auc":1.0}'})


def _low_order(forge: Forge) -> bytes:
    del forge
    key = serialization.load_der_public_key(bytes.fromhex("302a300506032b6570032100") + LOW_ORDER)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


low_order_pem = _low_order
"""12: PEM of the low-order key."""


def _by_low_order(forge: Forge) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(_low_order(forge))
    return forge.with_envelope(
        lambda d: (
            at("verificationMaterial", "publicKey", "hint", value=digest.finalize().hex())(d),
            at("dsseEnvelope", "signatures", 0, "sig", value=base64.b64encode(LOW_ORDER + bytes(32)).decode())(d),
        )[0]
    )


def _second_signature(forge: Forge) -> bytes:
    other = json.loads(sign_members("forged", forge.members, forge.other_key))["dsseEnvelope"]["signatures"]
    return forge.with_envelope(lambda d: d["dsseEnvelope"]["signatures"].extend(other))


def _duplicate_key(forge: Forge) -> bytes:
    good = forge.sealed()[SIGNATURE]
    return forge.with_signature(b'{"mediaType":"",' + good[1:])


def _threshold(text: bytes, forge: Forge) -> bytes:
    return forge.seal({THRESHOLDS: forge.members[THRESHOLDS].replace(b'"pooled":20.0', b'"pooled":' + text)})


_FLIPPED = sorted(SIGNED_MEMBERS)
_PLACES = {"first": 0.0, "last": 1.0}
_LEGACY = at("predicateType", value="https://model_signing/Digests/v0.1")
_IGNORING = at("predicate", "serialization", "ignore_paths", value=["model.onnx"])

SIGNATURE_ATTACKS: Final = (
    Attack(1, "unsigned", lambda f: write_archive(f.members), "missing_member"),
    Attack(
        1,
        "unsigned, no signature in the envelope",
        partial(Forge.with_envelope, change=at("dsseEnvelope", "signatures", value=[])),
        "signature_count",
    ),
    Attack(2, "unknown key", _by_other_key, "unknown_key"),
    Attack(
        2, "unknown key under the name of the pinned one", partial(_by_other_key, hint_of_pinned=True), "bad_signature"
    ),
    *(
        Attack(3, f"{which} byte of {name}", partial(_flip, name, place), "digest_mismatch")
        for name in _FLIPPED
        for which, place in _PLACES.items()
    ),
    Attack(3, "first byte of bundle.sig", partial(_flip, SIGNATURE, 0.0), "json_syntax"),
    Attack(3, "last byte of bundle.sig", partial(_flip, SIGNATURE, 1.0), "json_syntax"),
    Attack(
        4,
        "body changed, signature kept",
        partial(Forge.with_envelope, change=at("dsseEnvelope", "payload", value=base64.b64encode(b"{}").decode())),
        "bad_signature",
    ),
    Attack(
        5,
        "wrong payloadType",
        partial(Forge.with_envelope, change=at("dsseEnvelope", "payloadType", value="text/plain")),
        "payload_type",
    ),
    Attack(5, "signed as another payloadType", _of_other_type, "payload_type"),
    Attack(5, "signed as another payloadType, then relabelled", _as_in_toto, "bad_signature"),
    Attack(6, "legacy predicate", partial(Forge.with_statement, change=_LEGACY), "predicate_type"),
    Attack(7, "two signatures", _second_signature, "signature_count"),
    Attack(
        8,
        "no hint",
        partial(Forge.with_envelope, change=at("verificationMaterial", "publicKey", "hint", value="")),
        "no_hint",
    ),
    Attack(
        8,
        "hint left out",
        partial(Forge.with_envelope, change=lambda d: d["verificationMaterial"]["publicKey"].clear()),
        "signature_form",
    ),
    Attack(9, "duplicate JSON key in the envelope", _duplicate_key, "json_duplicate_key"),
    Attack(9, "duplicate JSON key, signed", partial(_threshold, b'9.0,"pooled":20.0'), "json_duplicate_key"),
    Attack(10, "NaN as threshold", partial(_threshold, b"NaN"), "json_number"),
    Attack(10, "Infinity as threshold", partial(_threshold, b"Infinity"), "json_number"),
    Attack(10, "overflow as threshold", partial(_threshold, b"1e999"), "json_number"),
    Attack(11, "signed ignore_paths", partial(Forge.with_statement, change=_IGNORING), "ignore_paths"),
    Attack(12, "signature by a low-order key", _by_low_order, "unknown_key"),
    Attack(14, "signature of another bundle", _of_another, "digest_mismatch"),
)
