"""Keys and signatures of the ground."""

from __future__ import annotations

import base64
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from edge_agent.dsse import pae
from edge_agent.layout import MANIFEST, METRICS
from edge_agent.manifest import DEVELOPMENT, RELEASE, Manifest
from edge_agent.trust import P256_ORDER, TrustedKeys, key_hint
from ground.errors import SigningError
from ground.keys import load_private_key, new_key_pair
from ground.pack import check_release, pack_bundle
from ground.sign import sign_members, sign_payload

UNEARNED = [
    ("undecided", RELEASE, "ECR-1", b'{"verdict": {"verdict": "INSUFFICIENT"}}', False),
    ("failed", RELEASE, "ECR-1", b'{"verdict": {"verdict": "FAIL"}}', False),
    ("no verdict", RELEASE, "ECR-1", b"{}", False),
    ("no evaluation", RELEASE, "ECR-1", b"[]", False),
    ("no change request", RELEASE, "", b'{"verdict": {"verdict": "PASS"}}', False),
    ("passed", RELEASE, "ECR-1", b'{"verdict": {"verdict": "PASS"}}', True),
    ("undecided development", DEVELOPMENT, "", b'{"verdict": {"verdict": "INSUFFICIENT"}}', True),
]


@pytest.mark.parametrize(
    ("release_class", "ecr", "metrics", "is_right"), [row[1:] for row in UNEARNED], ids=[row[0] for row in UNEARNED]
)
def test_a_release_must_have_passed(release_class: str, ecr: str, metrics: bytes, is_right: bool) -> None:  # noqa: FBT001
    """Whoever edits the class of a bundle by hand cannot sign it: INSUFFICIENT makes a development bundle at most."""
    manifest = Manifest(
        detector="d", version="1.0.0", fleet="f", sequence=1, release_class=release_class, spec_digest="a" * 64,
        min_agent_version="0.1.0", ecr=ecr or "x",
    )  # fmt: skip
    members = {MANIFEST: replace(manifest, ecr=ecr).to_json(), METRICS: metrics}
    if is_right:
        check_release(members)
    else:
        with pytest.raises(SigningError, match="release_class: expected development"):
            check_release(members)


MEMBERS = {"b.json": b"{}", "a/x.npy": b"\x93NUMPY"}


def test_a_new_key_pair_fits_together(tmp_path: Path) -> None:
    """The private key signs what the pinned public key names."""
    pair = new_key_pair(tmp_path / "keys")
    private = load_private_key(pair.private)
    assert isinstance(private.curve, ec.SECP256R1)
    assert list(TrustedKeys.from_files([pair.public]).by_hint) == [pair.hint] == [key_hint(private.public_key())]


def test_the_private_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700; the public key is for all."""
    pair = new_key_pair(tmp_path / "keys")
    assert stat.S_IMODE(pair.private.stat().st_mode) == 0o600
    assert stat.S_IMODE(pair.private.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(pair.public.stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["private.pem", "public.pem"])
def test_a_key_is_never_overwritten(tmp_path: Path, name: str) -> None:
    """A lost signing key cannot be made again, so either file stops the command and stays as it is."""
    (tmp_path / name).write_text("precious")
    with pytest.raises(SigningError, match=f"{name}: expected no file"):
        new_key_pair(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "precious")]


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    """A link planted in the place of the key would send it elsewhere."""
    (tmp_path / "private.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SigningError, match="expected no file"):
        new_key_pair(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> bytes:
    """The PEM of a private key."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


UNFIT = {
    "empty": b"",
    "text": b"not a key",
    "P-384": private_pem(ec.generate_private_key(ec.SECP384R1())),
    "Ed25519": private_pem(ed25519.Ed25519PrivateKey.generate()),
    "encrypted": private_pem(ec.generate_private_key(ec.SECP256R1()), b"secret"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_unfit_signing_keys_are_refused(tmp_path: Path, name: str) -> None:
    """The text names the file and the way out."""
    path = tmp_path / "key.pem"
    path.write_bytes(UNFIT[name])
    path.chmod(0o600)
    with pytest.raises(SigningError, match=r"key\.pem: expected an? .*ground keys new"):
        load_private_key(path)


def test_a_missing_signing_key_is_named(tmp_path: Path) -> None:
    """The text names the file."""
    with pytest.raises(SigningError, match=r"absent\.pem"):
        load_private_key(tmp_path / "absent.pem")


def test_the_statement_is_the_published_one(tmp_path: Path) -> None:
    """The fields of OpenSSF Model Signing v1.0; digests by ``sha256sum``, the root over the raw ones in order."""
    private = load_private_key(new_key_pair(tmp_path).private)
    envelope = json.loads(sign_members("detector/1.0.0", MEMBERS, private))["dsseEnvelope"]
    assert json.loads(base64.b64decode(envelope["payload"])) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {
                "name": "detector/1.0.0",
                "digest": {"sha256": "cbfadda7aab501c440aa12b06d9345c74144c87f713b2eb012d37243a25d41ea"},
            }
        ],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": [
                {
                    "name": "a/x.npy",
                    "algorithm": "sha256",
                    "digest": "7577003ffecd3390f4bbf8c6afa9f5c8fd25719b49a9bfb2261a3c05e54c4780",
                },
                {
                    "name": "b.json",
                    "algorithm": "sha256",
                    "digest": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                },
            ],
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
        },
    }


def test_signatures_verify_and_have_a_low_s() -> None:
    """Over many payloads, about half of which come out of the signer with the higher s."""
    private = ec.derive_private_key(20261123, ec.SECP256R1())
    for number in range(32):
        payload = b'{"n":%d}' % number
        envelope = json.loads(sign_payload(payload, private))["dsseEnvelope"]
        signature = base64.b64decode(envelope["signatures"][0]["sig"])
        private.public_key().verify(signature, pae(payload), ec.ECDSA(hashes.SHA256()))
        assert decode_dss_signature(signature)[1] <= P256_ORDER // 2


def test_signing_again_gives_the_same_bytes() -> None:
    """RFC 6979: the same members and key, the same ``bundle.sig``."""
    private = ec.derive_private_key(20261123, ec.SECP256R1())
    backwards = dict(reversed(list(MEMBERS.items())))
    assert sign_members("d/1", MEMBERS, private) == sign_members("d/1", backwards, private)


@pytest.mark.parametrize(
    ("members", "reason"),
    [({}, "json_syntax"), ({MANIFEST: b"{}"}, "manifest_schema")],
)
def test_packing_what_no_agent_accepts_is_refused(members: dict[str, bytes], reason: str) -> None:
    """The ground opens each bundle as an agent would, before it leaves."""
    private = ec.derive_private_key(20261123, ec.SECP256R1())
    with pytest.raises(SigningError, match=f"expected members that an agent accepts, got {reason}"):
        pack_bundle(members, private)
