"""Keys that are shut out, and keys that are none: rows 12 and 13 of the table of attacks, by the commands."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge_agent import slots
from edge_agent.bundle import open_bundle
from edge_agent.cli import main
from edge_agent.config import load_config
from edge_agent.errors import ConfigError, SignatureRejected
from edge_agent.exit_code import ExitCode
from edge_agent.startup import keys_of_config
from edge_agent.trust import TrustedKeys, key_hint
from edge_agent.update_disk import update_folder, write_update_state
from edge_agent.update_state import UpdateState
from ground.sign import sign_members

if TYPE_CHECKING:
    from conftest import Workshop

Write = Callable[..., Path]
HEAD_OF_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""SubjectPublicKeyInfo of a P-256 key (RFC 5480), up to its uncompressed point of 65 bytes."""


@pytest.fixture
def config_file(tmp_path: Path, releases: Any) -> Write:
    """Writes an agent.toml of an agent with slots."""

    def write(*, keys: list[Path] | None = None, revoked: list[str] | None = None) -> Path:
        path = tmp_path / "agent.toml"
        names = [str(key) for key in (keys or [releases[0].key])]
        path.write_text(
            "[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
            f"[bundle]\nslots = true\nkeys = {names}\nrevoked_keys = {revoked or []}\n"
        )
        return path

    return write


def test_a_stolen_key_is_shut_out_where_it_is_pinned(workshop: Workshop) -> None:
    """13: the list overrules the pin; bundles by the other pinned key are taken as before."""
    stolen, other = workshop.key.public_key(), workshop.other_key.public_key()
    keys = TrustedKeys.of([stolen, other], revoked=[key_hint(stolen)])
    with pytest.raises(SignatureRejected) as refusal:
        open_bundle(workshop.seal(), keys=keys, policy=workshop.policy())
    assert refusal.value.reason == "revoked_key"
    good = workshop.seal(signature=sign_members("test", workshop.members, workshop.other_key))
    assert open_bundle(good, keys=keys, policy=workshop.policy()).digest


def test_a_revoked_key_that_is_not_pinned_is_named_as_such(workshop: Workshop) -> None:
    """Nobody is told to pin it."""
    keys = TrustedKeys.of([workshop.other_key.public_key()], revoked=[key_hint(workshop.key.public_key())])
    with pytest.raises(SignatureRejected) as refusal:
        open_bundle(workshop.seal(), keys=keys, policy=workshop.policy())
    assert (refusal.value.reason, "add its public key" in str(refusal.value)) == ("revoked_key", False)


def test_what_a_revoked_key_signed_is_left(
    config_file: Write, releases: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """13: neither installed nor activated nor started, though it was installed while its key was good."""
    monkeypatch.setattr(slots, "prove_in_child", lambda _: None)

    def run(path: Path, *arguments: object) -> tuple[int, str]:
        code = main([*map(str, arguments), "--config", str(path)])
        told = capsys.readouterr()
        return code, told.out + told.err

    code, told = run(config_file(), "bundle", "install", releases[0].path)
    assert code == ExitCode.OK
    [hint] = TrustedKeys.from_files([releases[0].key]).by_hint
    path = config_file(revoked=[hint])
    for command in (("install", releases[1].path), ("activate", told.split()[-1])):
        code, text = run(path, "bundle", *command)
        assert (code, "revoked_key" in text) == (ExitCode.BUNDLE_REFUSED, True), command
    assert json.loads(run(path, "bundle", "list", "--json")[1])["slots"][0]["refused"] == "revoked_key"
    assert "all that are pinned are revoked" in run(path, "doctor")[1]


@pytest.mark.parametrize(
    ("other", "level", "text"), [(False, "fail", "all that are pinned"), (True, "warn", "revoked: ")]
)
def test_the_doctor_tells_of_what_the_repository_revoked(
    config_file: Write,
    releases: Any,
    workshop: Workshop,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    other: bool,
    level: str,
    text: str,
) -> None:
    """Such a key is not called trusted, and the bundle of it that runs on is told of."""
    monkeypatch.setattr(slots, "prove_in_child", lambda _: None)
    second = config_file().with_name("other.pem")
    second.write_bytes(workshop.other_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    path = config_file(keys=[releases[0].key, second][: 1 + other])
    for command in (("install", releases[0].path), ("activate", "")):
        digest = load_config(path).agent.state_dir.glob("bundles/*.bundle")
        arguments = [command[0], str(command[1] or next(digest).stem)]
        assert main(["bundle", *arguments, "--config", str(path)]) == ExitCode.OK
    state_dir = load_config(path).agent.state_dir
    update_folder(state_dir).mkdir()
    [hint] = TrustedKeys.from_files([releases[0].key]).by_hint
    write_update_state(state_dir, UpdateState(), UpdateState(revoked=(hint,)))
    capsys.readouterr()
    main(["doctor", "--config", str(path), "--json"])
    findings = {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert (findings["keys"]["level"], text in findings["keys"]["text"]) == (level, True)
    assert findings["bundle"]["level"] == "warn"
    assert "(revoked_key)" in findings["bundle"]["text"]
    assert "2 windows reproduced" in findings["golden vectors"]["text"]
    [damaged] = update_folder(state_dir).glob("state.*")
    damaged.write_bytes(b"rot")
    main(["doctor", "--config", str(path), "--json"])
    findings = {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert (findings["keys"]["level"], findings["bundle"]["level"]) == ("fail", "ok")


@pytest.mark.parametrize("hint", ["", "ab" * 31, "AB" * 32, "g" * 64, "sha256:" + "ab" * 32])
def test_a_name_that_is_none_is_refused(config_file: Write, hint: str) -> None:
    """A revocation with a slip of the pen would shut nobody out."""
    with pytest.raises(ConfigError, match=r"bundle\.revoked_keys\[0\]: expected 64 .*ground keys show"):
        load_config(config_file(revoked=[hint]))


def pem(spki: bytes) -> bytes:
    """A SubjectPublicKeyInfo as PEM."""
    return b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(spki) + b"-----END PUBLIC KEY-----\n"


def told(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    """A public key as PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


# P-256 has a prime order: the point at infinity is its one point of a low order, and of the wrong form as well.
NO_KEYS = {
    "P-384": lambda: told(ec.generate_private_key(ec.SECP384R1()).public_key()),
    "Ed25519 of order 1": lambda: told(ed25519.Ed25519PublicKey.from_public_bytes(b"\x01" + bytes(31))),
    "Ed25519 of order 2": lambda: told(ed25519.Ed25519PublicKey.from_public_bytes(b"\xec" + b"\xff" * 30 + b"\x7f")),
    "Ed25519 of order 4": lambda: told(ed25519.Ed25519PublicKey.from_public_bytes(bytes(32))),
    "point at infinity": lambda: pem(bytes.fromhex("301930130607" + HEAD_OF_P256.hex()[10:46] + "03020000")),
    "zero point": lambda: pem(HEAD_OF_P256 + b"\x04" + bytes(64)),
    "point off the curve": lambda: pem(HEAD_OF_P256 + b"\x04" + b"\x01" * 64),
}


@pytest.mark.parametrize("name", NO_KEYS)
def test_low_order_and_foreign_keys_are_refused_at_config_time(
    config_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """12: `config check` names the file; no start would take it either."""
    key = tmp_path / "odd.pem"
    key.write_bytes(NO_KEYS[name]())
    path = config_file(keys=[key])
    assert main(["config", "check", "--config", str(path)]) == ExitCode.USAGE
    assert "odd.pem: expected" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"odd\.pem: expected"):
        keys_of_config(load_config(path))
