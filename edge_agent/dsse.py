"""``bundle.sig``: a DSSE envelope in a Sigstore bundle, as OpenSSF Model Signing v1.0 writes it.

Source: DSSE protocol v1.0.0 (pre-authentication encoding), Sigstore bundle v0.3, model_signing 1.1 ``sign key``.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from edge_agent.errors import SignatureRejected
from edge_agent.layout import SIGNATURE
from edge_agent.strict_json import canonical_json, parse_json

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed payload.

    Attributes:
        hint: Which key signed: lower-case hex sha256 of its SubjectPublicKeyInfo PEM.
        payload: The signed bytes, not yet trusted.
        signature: ECDSA in DER.
    """

    hint: str
    payload: bytes
    signature: bytes

    def to_json(self) -> bytes:
        """The one form of ``bundle.sig``."""
        return canonical_json(
            {
                "mediaType": MEDIA_TYPE,
                "verificationMaterial": {"publicKey": {"hint": self.hint}, "tlogEntries": []},
                "dsseEnvelope": {
                    "payload": _encode(self.payload),
                    "payloadType": PAYLOAD_TYPE,
                    "signatures": [{"sig": _encode(self.signature), "keyid": ""}],
                },
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Envelope:
        """Read ``bundle.sig``; nothing in it is trusted yet.

        Raises:
            SignatureRejected: Another media or payload type, not exactly one signature, no hint, or any other form.
            BundleFormatError: Not strict JSON.
        """
        document = parse_json(data, where=SIGNATURE)
        _expect("media_type", "mediaType", _at(document, "mediaType"), MEDIA_TYPE)
        _expect("payload_type", "payloadType", _at(document, "dsseEnvelope", "payloadType"), PAYLOAD_TYPE)
        signatures = _at(document, "dsseEnvelope", "signatures")
        if not isinstance(signatures, list) or len(signatures) != 1:
            raise SignatureRejected(
                "signature_count", f"{SIGNATURE}: expected exactly one signature; sign the bundle again"
            )
        envelope = cls(
            hint=_hint(_at(document, "verificationMaterial", "publicKey", "hint")),
            payload=_decode(_at(document, "dsseEnvelope", "payload"), "payload"),
            signature=_decode(_at(signatures[0], "sig"), "sig"),
        )
        if envelope.to_json() != data:
            # One form only: a signature that could be written in two ways would give one bundle two digests.
            raise SignatureRejected(
                "signature_form", f"{SIGNATURE}: expected its canonical JSON, got another form; sign it again"
            )
        return envelope


def pae(payload: bytes) -> bytes:
    """What is signed: the DSSE pre-authentication encoding of an in-toto ``payload``."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode("ascii"), len(payload), payload)


def _at(document: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(document, dict) or key not in document:
            raise SignatureRejected(
                "signature_form", f"{SIGNATURE}: expected {'.'.join(path)}, got nothing; sign it again"
            )
        document = document[key]
    return document


def _expect(reason: str, where: str, value: Any, expected: str) -> None:
    if value != expected:
        raise SignatureRejected(
            reason, f"{SIGNATURE}.{where}: expected {expected}, got {value!r}; sign the bundle again"
        )


def _hint(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise SignatureRejected("no_hint", f"{SIGNATURE}: expected a key hint, got {value!r}; sign the bundle again")
    return value


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: Any, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise SignatureRejected(
            "signature_form", f"{SIGNATURE}.{where}: expected base64, got {error}; sign it again"
        ) from error
