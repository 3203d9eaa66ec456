"""Authenticity: only what a pinned key signed, in the one form we sign in, is opened."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from edge_agent.archive import read_archive, write_archive
from edge_agent.bundle import open_bundle
from edge_agent.dsse import pae
from edge_agent.errors import BundleError, ConfigError, SignatureRejected
from edge_agent.layout import MANIFEST, METRICS, MODEL_CARD, SIGNATURE, THRESHOLDS
from edge_agent.statement import Statement
from edge_agent.strict_json import canonical_json
from edge_agent.trust import P256_ORDER, TrustedKeys, key_hint
from ground.sign import sign_members, sign_payload

if TYPE_CHECKING:
    from conftest import Workshop

Change = Callable[[Any], None]


def envelope_of(workshop: Workshop) -> dict[str, Any]:
    """The honest ``bundle.sig`` as a document to change."""
    document: dict[str, Any] = json.loads(sign_members("test", workshop.members, workshop.key))
    return document


def set_at(*path: str | int, value: Any) -> Change:
    """A change that sets the field at ``path``."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


def drop(*path: str | int) -> Change:
    """A change that removes the field at ``path``."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return change


ENVELOPES: dict[str, tuple[Change, str]] = {
    "no signature": (set_at("dsseEnvelope", "signatures", value=[]), "signature_count"),
    "two signatures": (lambda d: d["dsseEnvelope"]["signatures"].append({"sig": "", "keyid": ""}), "signature_count"),
    "signatures that are no list": (set_at("dsseEnvelope", "signatures", value={}), "signature_count"),
    "wrong payload type": (set_at("dsseEnvelope", "payloadType", value="text/plain"), "payload_type"),
    "wrong media type": (
        set_at("mediaType", value="application/vnd.dev.sigstore.bundle+json;version=0.2"),
        "media_type",
    ),
    "no media type": (drop("mediaType"), "signature_form"),
    "no envelope": (drop("dsseEnvelope"), "signature_form"),
    "no hint": (set_at("verificationMaterial", "publicKey", "hint", value=""), "no_hint"),
    "null hint": (set_at("verificationMaterial", "publicKey", "hint", value=None), "no_hint"),
    "hint left out": (drop("verificationMaterial", "publicKey", "hint"), "signature_form"),
    "hint of no pinned key": (set_at("verificationMaterial", "publicKey", "hint", value="0" * 64), "unknown_key"),
    "hint in capitals": (
        lambda d: set_at("verificationMaterial", "publicKey", "hint", value=hint_of(d).upper())(d),
        "unknown_key",
    ),
    "key id": (set_at("dsseEnvelope", "signatures", 0, "keyid", value="k"), "signature_form"),
    "extra field": (set_at("comment", value="hello"), "signature_form"),
    "certificate beside the key": (set_at("verificationMaterial", "certificate", value={}), "signature_form"),
    "payload that is not base64": (set_at("dsseEnvelope", "payload", value="!"), "signature_form"),
    "payload that is no text": (set_at("dsseEnvelope", "payload", value=5), "signature_form"),
    "empty payload": (set_at("dsseEnvelope", "payload", value=""), "bad_signature"),
    "empty signature": (set_at("dsseEnvelope", "signatures", 0, "sig", value=""), "bad_signature"),
    "zero signature": (
        set_at("dsseEnvelope", "signatures", 0, "sig", value=base64.b64encode(encode_dss_signature(0, 0)).decode()),
        "bad_signature",
    ),
    "signature of another payload": (
        set_at("dsseEnvelope", "payload", value=base64.b64encode(b'{"a":1}').decode()),
        "bad_signature",
    ),
}


def hint_of(document: Any) -> str:
    """The key hint of an envelope."""
    return str(document["verificationMaterial"]["publicKey"]["hint"])


@pytest.mark.parametrize("name", ENVELOPES)
def test_refuses_other_envelopes(workshop: Workshop, name: str) -> None:
    """Each changed ``bundle.sig`` is refused by the rule that its row names."""
    change, reason = ENVELOPES[name]
    document = envelope_of(workshop)
    change(document)
    with pytest.raises(BundleError) as refusal:
        workshop.open(workshop.seal(signature=canonical_json(document)))
    assert refusal.value.reason == reason


RAW_SIGNATURES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "json_syntax"),
    "empty object": (lambda _: b"{}", "signature_form"),
    "a list": (lambda _: b"[]", "signature_form"),
    "not UTF-8": (lambda _: b"\xff{}", "json_text"),
    "byte order mark": (lambda good: b"\xef\xbb\xbf" + good, "json_syntax"),
    "pretty-printed": (lambda good: json.dumps(json.loads(good), indent=1).encode(), "signature_form"),
    "newline at the end": (lambda good: good + b"\n", "signature_form"),
    "duplicate key": (lambda good: b'{"mediaType":"x",' + good[1:], "json_duplicate_key"),
    "nested too deep": (lambda _: b"[" * 30_000, "json_syntax"),
    "escaped slash": (lambda good: good.replace(b"/", b"\\/", 1), "signature_form"),
}


@pytest.mark.parametrize("name", RAW_SIGNATURES)
def test_refuses_other_texts(workshop: Workshop, name: str) -> None:
    """``bundle.sig`` has one form: another text with the same content is refused as well."""
    change, reason = RAW_SIGNATURES[name]
    good = sign_members("test", workshop.members, workshop.key)
    with pytest.raises(BundleError) as refusal:
        workshop.open(workshop.seal(signature=change(good) or b" "))
    assert refusal.value.reason == reason


STATEMENTS: dict[str, tuple[Change, str]] = {
    "legacy predicate": (set_at("predicateType", value="https://model_signing/Digests/v0.1"), "predicate_type"),
    "ignored paths": (set_at("predicate", "serialization", "ignore_paths", value=["model.onnx"]), "ignore_paths"),
    "empty list of ignored paths": (set_at("predicate", "serialization", "ignore_paths", value=[]), "ignore_paths"),
    "links allowed": (set_at("predicate", "serialization", "allow_symlinks", value=True), "statement_form"),
    "shards": (set_at("predicate", "serialization", "method", value="shards"), "statement_form"),
    "another hash": (set_at("predicate", "serialization", "hash_type", value="blake2"), "statement_form"),
    "another hash of one member": (set_at("predicate", "resources", 0, "algorithm", value="md5"), "statement_form"),
    "another statement type": (set_at("_type", value="https://in-toto.io/Statement/v0.1"), "statement_form"),
    "no subject": (set_at("subject", value=[]), "statement_form"),
    "two subjects": (lambda d: d["subject"].append(d["subject"][0]), "statement_form"),
    "name that is no text": (set_at("subject", 0, "name", value=5), "statement_form"),
    "root digest of something else": (set_at("subject", 0, "digest", "sha256", value="0" * 64), "root_digest"),
    "a member left out": (lambda d: forget(d, "model.onnx"), "signed_members"),
    "a member too many": (lambda d: add(d, "extra.txt"), "signed_members"),
    "the signature in its own statement": (lambda d: add(d, SIGNATURE), "signed_members"),
    "a member twice": (lambda d: d["predicate"]["resources"].append(d["predicate"]["resources"][0]), "statement_form"),
    "members out of order": (lambda d: d["predicate"]["resources"].reverse(), "statement_form"),
    "short digest": (set_at("predicate", "resources", 0, "digest", value="00"), "statement_form"),
    "digest that is no text": (set_at("predicate", "resources", 0, "digest", value=7), "statement_form"),
    "digest that is not hex": (set_at("predicate", "resources", 0, "digest", value="g" * 64), "statement_form"),
    "digest with spaces": (lambda d: rewrite(d, lambda hexes: f"{hexes[:2]} {hexes[2:]}"), "statement_form"),
    "digest in capitals": (lambda d: rewrite(d, str.upper), "statement_form"),
    "name of a member that is no text": (set_at("predicate", "resources", 0, "name", value=[]), "statement_form"),
    "extra field": (set_at("comment", value=1), "statement_form"),
    "no predicate": (drop("predicate"), "statement_form"),
}


def recount(document: Any) -> None:
    """Make the subject's digest fit the listed ones again."""
    digests = {item["name"]: item["digest"] for item in document["predicate"]["resources"]}
    document["subject"] = json.loads(Statement("test", digests).to_json())["subject"]


def forget(document: Any, name: str) -> None:
    """Leave a member out."""
    resources = document["predicate"]["resources"]
    document["predicate"]["resources"] = [item for item in resources if item["name"] != name]
    recount(document)


def add(document: Any, name: str) -> None:
    """Sign one more member."""
    document["predicate"]["resources"].append({"name": name, "algorithm": "sha256", "digest": "00" * 32})
    document["predicate"]["resources"].sort(key=lambda item: str(item["name"]))
    recount(document)


def rewrite(document: Any, change: Callable[[str], str]) -> None:
    """Write a digest in another way that ``bytes.fromhex`` would read just the same."""
    item = document["predicate"]["resources"][0]
    item["digest"] = change(item["digest"])


@pytest.mark.parametrize("name", STATEMENTS)
def test_refuses_other_statements(workshop: Workshop, name: str) -> None:
    """A pinned key's signature does not excuse a statement that hides or weakens something."""
    change, reason = STATEMENTS[name]
    document = workshop.statement()
    change(document)
    with pytest.raises(BundleError) as refusal:
        workshop.open(workshop.seal_payload(canonical_json(document)))
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "json_syntax"),
        (b"{}", "statement_form"),
        (b"[]", "statement_form"),
        (b"null", "statement_form"),
        (b'{"predicateType":1,"predicateType":2}', "json_duplicate_key"),
        (b'{"predicateType":NaN}', "json_number"),
        (b'{"predicateType":1e999}', "json_number"),
        (b'{"predicateType":"\\ud800"}', "json_text"),
    ],
)
def test_refuses_payloads_that_are_no_statement(workshop: Workshop, payload: bytes, reason: str) -> None:
    """Signed nonsense is refused too, and by name."""
    with pytest.raises(BundleError) as refusal:
        workshop.open(workshop.seal_payload(payload))
    assert refusal.value.reason == reason


def test_a_spaced_statement_is_refused(workshop: Workshop) -> None:
    """The statement has one form, as the envelope has."""
    spaced = json.dumps(workshop.statement(), sort_keys=True).encode()
    with pytest.raises(SignatureRejected, match="canonical"):
        workshop.open(workshop.seal_payload(spaced))


def test_opens_the_honest_bundle(workshop: Workshop) -> None:
    """What all the rows above start from is accepted: they fail for what they change."""
    assert workshop.open(workshop.seal()).manifest.bundle_id == "engine_vibration/1.0.0"


def test_another_key_is_unknown(workshop: Workshop) -> None:
    """A perfect bundle by a key that is not pinned, or no longer, is refused."""
    bundle = workshop.seal(signature=sign_members("test", workshop.members, workshop.other_key))
    with pytest.raises(SignatureRejected) as refusal:
        workshop.open(bundle)
    assert refusal.value.reason == "unknown_key"


def test_another_key_under_our_hint_fails(workshop: Workshop) -> None:
    """The hint only chooses the key; it proves nothing."""
    document = json.loads(sign_members("test", workshop.members, workshop.other_key))
    document["verificationMaterial"]["publicKey"]["hint"] = key_hint(workshop.key.public_key())
    with pytest.raises(SignatureRejected) as refusal:
        workshop.open(workshop.seal(signature=canonical_json(document)))
    assert refusal.value.reason == "bad_signature"


def test_no_pinned_key_accepts_nothing(workshop: Workshop) -> None:
    """An agent without keys runs nothing, rather than anything."""
    with pytest.raises(SignatureRejected) as refusal:
        open_bundle(workshop.seal(), keys=TrustedKeys.of([]), policy=workshop.policy())
    assert refusal.value.reason == "unknown_key"


def test_either_of_two_pinned_keys_will_do(workshop: Workshop) -> None:
    """While keys are changed over, an agent pins the old and the new one."""
    keys = TrustedKeys.of([workshop.other_key.public_key(), workshop.key.public_key()])
    bundle = workshop.seal(signature=sign_members("test", workshop.members, workshop.other_key))
    assert open_bundle(bundle, keys=keys, policy=workshop.policy()).digest
    assert open_bundle(workshop.seal(), keys=keys, policy=workshop.policy()).digest


def test_the_signature_of_another_bundle_fails(workshop: Workshop) -> None:
    """A genuine signature does not carry over to other members."""
    other = sign_members("test", {**workshop.members, METRICS: b"{}"}, workshop.key)
    with pytest.raises(BundleError) as refusal:
        workshop.open(workshop.seal(signature=other))
    assert refusal.value.reason == "digest_mismatch"


def test_malleated_signature_is_refused(workshop: Workshop) -> None:
    """(r, n - s) verifies for everybody; accepting it would give one bundle two digests."""
    document = envelope_of(workshop)
    r, s = decode_dss_signature(base64.b64decode(document["dsseEnvelope"]["signatures"][0]["sig"]))
    twin = encode_dss_signature(r, P256_ORDER - s)
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    workshop.key.public_key().verify(twin, pae(payload), ec.ECDSA(hashes.SHA256()))
    document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(twin).decode()
    with pytest.raises(SignatureRejected) as refusal:
        workshop.open(workshop.seal(signature=canonical_json(document)))
    assert refusal.value.reason == "high_s"


def test_every_flipped_byte_of_the_signature_is_refused(workshop: Workshop) -> None:
    """No byte of ``bundle.sig`` is free: one bit of each is flipped."""
    good = sign_members("test", workshop.members, workshop.key)
    for index in range(len(good)):
        flipped = bytearray(good)
        flipped[index] ^= 1 << (index % 8)
        with pytest.raises(BundleError):
            workshop.open(workshop.seal(signature=bytes(flipped)))


def test_payload_of_pae_is_the_published_vector() -> None:
    """Source: DSSE v1.0.0, pre-authentication encoding; the type is ours, its length 28."""
    assert pae(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


def key_file(folder: Path, content: bytes) -> Path:
    """A file with ``content``."""
    path = folder / "key.pem"
    path.write_bytes(content)
    return path


def public_pem(key: Any) -> bytes:
    """The PEM of a public key of any kind."""
    pem: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem


FOREIGN_KEYS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"hello",
    "P-384": lambda: public_pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
    "secp256k1": lambda: public_pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
    "Ed25519": lambda: public_pem(ed25519.Ed25519PrivateKey.generate().public_key()),
    "Ed25519 identity point": lambda: public_pem(ed25519.Ed25519PublicKey.from_public_bytes(b"\x01" + bytes(31))),
    "RSA": lambda: public_pem(rsa.generate_private_key(65537, 2048).public_key()),
    "private key": lambda: ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ),
}


@pytest.mark.parametrize("name", FOREIGN_KEYS)
def test_pins_only_p256_public_keys(tmp_path: Path, name: str) -> None:
    """Other kinds of keys, the low-order one that fits any message among them, are refused at configuration."""
    path = key_file(tmp_path, FOREIGN_KEYS[name]())
    with pytest.raises(ConfigError, match=r"key\.pem: expected .*ground keys new"):
        TrustedKeys.from_files([path])


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(ConfigError, match=r"absent\.pem"):
        TrustedKeys.from_files([tmp_path / "absent.pem"])


def test_pins_keys_from_files(workshop: Workshop, tmp_path: Path) -> None:
    """A pinned key is found under the hint that signatures carry."""
    path = key_file(tmp_path, public_pem(workshop.key.public_key()))
    keys = TrustedKeys.from_files([path])
    assert open_bundle(workshop.seal(), keys=keys, policy=workshop.policy()).digest
    assert list(keys.by_hint) == [hint_of(envelope_of(workshop))]


@pytest.mark.parametrize("member", [MANIFEST, THRESHOLDS, MODEL_CARD])
def test_changing_a_member_and_nothing_else_is_refused(workshop: Workshop, member: str) -> None:
    """A member swapped in a genuine bundle does not have the signed digest."""
    members = {**read_archive(workshop.seal()), member: b"{}"}
    with pytest.raises(BundleError) as refusal:
        workshop.open(write_archive(members))
    assert refusal.value.reason == "digest_mismatch"


def test_signing_twice_gives_the_same_bytes(workshop: Workshop) -> None:
    """RFC 6979 nonces: no random source, no second digest for one release."""
    assert sign_payload(b"{}", workshop.key) == sign_payload(b"{}", workshop.key)
    assert workshop.seal() == workshop.seal()
