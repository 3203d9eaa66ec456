"""Bad input of ``ground repo``: each is refused with code 2 and a text that names what, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge_agent.slots_disk import locked
from ground.errors import SigningError
from ground.fleet.repo import repository
from ground.fleet.repo.key_files import load_public_key, load_signer, new_role_key
from ground.password import PasswordSource
from tests.conftest import SignedBundle
from tests.ground.repo_ceremony import FLEET, Ceremony, begin_public, run_ground


@pytest.fixture(scope="module")
def ceremony(tmp_path_factory: pytest.TempPathFactory, small_bundle: SignedBundle) -> Ceremony:
    """A public repository; no command of this file may change what is public."""
    return begin_public(tmp_path_factory.mktemp("ceremony"), small_bundle)


COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "no repository": (
        ("show", "--repo", "{tmp}"),
        r"repo\.json: expected the settings of a repository, got No such file",
    ),
    "role that is not": (("renew", "bundles-other"), r"role: expected one of bundles-test, root, targets, got"),
    "online role renewed": (
        ("renew", "timestamp"),
        r"role: expected an offline role, got timestamp; `ground repo refr",
    ),
    "nothing staged to sign": (
        ("sign", "--role", "root", "--key", "{keys}/alice.pem"),
        r"root: expected something to s",
    ),
    "nothing staged to discard": (("discard", "--role", "root"), r"root: expected something to sign, got nothing"),
    "fleet twice": (
        ("add", FLEET, "--key", "{keys}/zoe.pub", "--key", "{keys}/yann.pub"),
        r"bundles-test: expected a new fleet, got one that is there; `ground repo rotate-key bundles-test`",
    ),
    "fleet with a slash": (
        ("add", "a/b", "--key", "{keys}/zoe.pub", "--key", "{keys}/yann.pub"),
        r"fleet: expected text of the form .*, got 'a/b'; correct it",
    ),
    "one engineer": (
        ("add", "new", "--key", "{keys}/zoe.pub"),
        r"bundles-new keys: expected 2 or more, so that one may",
    ),
    "engineer twice": (
        ("add", "new", "--key", "{keys}/zoe.pub", "--key", "{keys}/zoe.pub"),
        r"key zoe .*: expected each key once, got it twice",
    ),
    "private key as public": (
        ("add", "new", "--key", "{keys}/zoe.pem", "--key", "{keys}/yann.pub"),
        r"zoe\.pem: expected a public key in PEM, got .*; give the \.pub file",
    ),
    "unknown old key": (
        ("rotate-key", "root", "--old", "nobody", "--new", "{keys}/zoe.pub"),
        r"root: expected name or id of a key of it \(alice .*\), got 'nobody'; correct --old",
    ),
    "bundle of another fleet": (
        ("publish", "{bundle}", "--fleet", "other"),
        r"small/1\.0\.0: expected fleet 'other', got 'test'",
    ),
    "no bundle": (("publish", "{tmp}/no.bundle"), r"no\.bundle: expected a readable file or folder, got No such file"),
    "key as bundle": (("publish", "{keys}/zoe.pub"), r"expected .*, got"),
    "role of an offer": (
        ("publish", "{bundle}", "--role", "test"),
        r"offer: expected one of active, shadow .*, got 'test'",
    ),
    "wave 0": (("publish", "{bundle}", "--wave", "0"), r"rollout: expected a wave from 1 to 9 .*, got wave 0"),
    "101 percent": (
        ("publish", "{bundle}", "--percent", "101"),
        r"rollout: expected .* 0 to 100 whole percent, got wave 9 and 101",
    ),
    "no offer": (
        ("rollout", "01234567", "--fleet", FLEET, "--halt"),
        r"bundle: expected 8 or more digits .*'01234567'",
    ),
    "no fleet": (("rollout", "01234567", "--fleet", "new", "--halt"), r"role: expected one of .*, got bundles-new"),
    "halt and resume": (
        ("rollout", "01234567", "--fleet", FLEET, "--halt", "--resume"),
        r"--halt, --resume: expected one of them, got both; leave one out",
    ),
    "key trusted twice": (("trust-key", "{key}"), r"public\.pem: expected a key that is not listed yet, got"),
    "role key as bundle key": (("trust-key", "{keys}/zoe.pub"), r"zoe\.pub: expected an ECDSA P-256 public key, got"),
    "hint that is not": (
        ("distrust-key", "01234567"),
        r"key: expected a public key file, or 8 digits or more .* got '0123",
    ),
    "short hint": (("distrust-key", ""), r"key: expected a public key file, or 8 digits or more"),
    "collect nothing staged": (("collect", "{keys}/zoe.pub"), r"zoe: expected something to sign, got nothing"),
    "init over files": (
        (
            "init",
            "--root-key",
            "{keys}/alice.pub",
            "--root-key",
            "{keys}/bob.pub",
            "--root-key",
            "{keys}/carol.pub",
            "--targets-key",
            "{keys}/dora.pub",
            "--targets-key",
            "{keys}/emil.pub",
            "--targets-key",
            "{keys}/fred.pub",
            "--snapshot-key",
            "{keys}/snapshot.pub",
            "--timestamp-key",
            "{keys}/timestamp.pub",
        ),
        r"repo: expected a new or empty folder, got files in it",
    ),
    "two root keys": (
        (
            "init",
            "--root-key",
            "{keys}/alice.pub",
            "--root-key",
            "{keys}/bob.pub",
            "--targets-key",
            "{keys}/dora.pub",
            "--targets-key",
            "{keys}/emil.pub",
            "--targets-key",
            "{keys}/fred.pub",
            "--snapshot-key",
            "{keys}/snapshot.pub",
            "--timestamp-key",
            "{keys}/timestamp.pub",
        ),
        r"root keys: expected 3 or more, so that one may be lost, got 2; give more",
    ),
    "endless timestamp": (
        (
            "init",
            "--root-key",
            "{keys}/alice.pub",
            "--root-key",
            "{keys}/bob.pub",
            "--root-key",
            "{keys}/carol.pub",
            "--targets-key",
            "{keys}/dora.pub",
            "--targets-key",
            "{keys}/emil.pub",
            "--targets-key",
            "{keys}/fred.pub",
            "--snapshot-key",
            "{keys}/snapshot.pub",
            "--timestamp-key",
            "{keys}/timestamp.pub",
            "--timestamp-days",
            "9999",
        ),
        r"repo\.json\.lifetime_days\.timestamp: expected 1 to 3650 days, got 9999; correct it",
    ),
    "no online key": (
        ("refresh", "--online", "{tmp}"),
        r"expected the online key of snapshot \(.*\), got others or none",
    ),
    "nothing to publish without its file": (
        ("refresh", "--online", "{tmp}/none"),
        r"expected the online key of snapsho",
    ),
    "key that exists": (("new-key", "{keys}/zoe.pem"), r"zoe\.pem: expected no file, got one; keep it"),
    "key without a suffix": (("new-key", "{tmp}/zoe"), r"zoe: expected a name such as alice\.pem, got another one"),
}


@pytest.mark.parametrize("case", COMMANDS.values(), ids=COMMANDS)
def test_refused(
    ceremony: Ceremony,
    small_bundle: SignedBundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    case: tuple[tuple[str, ...], str],
) -> None:
    """Code 2, one line, and nothing is staged or published."""
    arguments, text = case
    places = {"keys": ceremony.keys, "tmp": tmp_path, "bundle": small_bundle.path, "key": small_bundle.key}
    filled = tuple(each.format(**places) for each in arguments)
    options = () if filled[0] == "new-key" or "--repo" in filled else ("--repo", ceremony.folder)
    before = ceremony.public.resolve()
    assert run_ground("repo", *filled, *options) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(text, lines[0]), lines[0]
    assert ceremony.public.resolve() == before
    assert not ceremony.repo.staged


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _other_schema(path: Path) -> None:
    path.write_text(path.read_text().replace('"schema":1', '"schema":2'))


def _text_days(path: Path) -> None:
    path.write_text(path.read_text().replace('"root":730', '"root":"730"'))


def _unknown_field(path: Path) -> None:
    path.write_text(path.read_text().replace('"root":730', '"rood":730'))


DAMAGE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "repo.json cut": ("repo.json", _cut, r"repo\.json: expected JSON, got"),
    "repo.json of another schema": (
        "repo.json",
        _other_schema,
        r"repo\.json\.schema: expected 1, got 2; update ground",
    ),
    "days as text": ("repo.json", _text_days, r"lifetime_days\.root: expected int, got '730'; correct the type"),
    "unknown role": ("repo.json", _unknown_field, r"lifetime_days: expected only .*, got rood"),
    "root cut": ("public/metadata/1.root.json", _cut, r"1\.root\.json: expected TUF metadata, got"),
    "snapshot gone": (
        "public/metadata/1.snapshot.json",
        Path.unlink,
        r"1\.snapshot\.json: expected metadata, got No such",
    ),
    "staged nonsense": (
        "staged/root.json",
        lambda path: path.write_text("[]"),
        r"root\.json: expected TUF metadata, got",
    ),
}


@pytest.mark.parametrize("case", DAMAGE.values(), ids=DAMAGE)
def test_damaged(
    ceremony: Ceremony,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    case: tuple[str, Callable[[Path], None], str],
) -> None:
    """A damaged repository is told, by its file; never a traceback."""
    name, damage, text = case
    copy = ceremony.copy(tmp_path / "repo")
    damage(copy.folder / name)
    assert copy.run("refresh", *copy.publish_options) == 2
    assert re.search(text, capsys.readouterr().err)


def test_busy(ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Two do not change one repository at once."""
    monkeypatch.setattr("edge_agent.slots_disk.LOCK_TIMEOUT_S", 0.0)
    with locked(ceremony.folder):
        assert ceremony.run("renew", "root") == 2
    assert "expected nobody else to change it" in capsys.readouterr().err
    assert repository.Repository(ceremony.folder).staged == {}


def test_key_files(tmp_path: Path) -> None:
    """Encrypted, for their owner alone; the public one says the same key."""
    secret = tmp_path / "password"
    secret.write_text("correct horse\r\n")
    public = new_role_key(tmp_path / "keys" / "alice.pem", PasswordSource(secret))
    private = tmp_path / "keys" / "alice.pem"
    assert private.stat().st_mode & 0o777 == 0o600
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in private.read_bytes()
    assert load_public_key(tmp_path / "keys" / "alice.pub").keyid == public.keyid
    assert load_signer(private, PasswordSource(secret)).public_key.keyid == public.keyid


def test_passwords(ceremony: Ceremony, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file, else the environment, else a terminal; a wrong, a short or no password is told."""
    private = ceremony.keys / "alice.pem"
    monkeypatch.setenv("GROUND_KEY_PASSWORD", "correct horse")
    load_signer(private, PasswordSource())
    monkeypatch.setenv("GROUND_KEY_PASSWORD", "wrong horses")
    with pytest.raises(SigningError, match="expected a private key in PEM and its password, got"):
        load_signer(private, PasswordSource())
    monkeypatch.setenv("GROUND_KEY_PASSWORD", "short")
    with pytest.raises(SigningError, match="expected a password of 8 characters or more, got fewer"):
        new_role_key(tmp_path / "bob.pem", PasswordSource())
    assert not list(tmp_path.iterdir())
    monkeypatch.delenv("GROUND_KEY_PASSWORD")
    with pytest.raises(SigningError, match="expected a password, got none and nobody to ask; give --password-file"):
        load_signer(private, PasswordSource())
    with pytest.raises(SigningError, match="expected a file with a password, got No such file"):
        load_signer(private, PasswordSource(tmp_path / "none"))


SMALL_ORDER = {
    "identity": "01" + 31 * "00",
    "identity, other sign": "01" + 30 * "00" + "80",
    "order 2": "ec" + 30 * "ff" + "7f",
    "order 4": 32 * "00",
    "order 8": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "order 8, opposite": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "zero written as p": "ed" + 30 * "ff" + "7f",
}


@pytest.mark.parametrize("raw", SMALL_ORDER.values(), ids=SMALL_ORDER)
def test_small_order_key(tmp_path: Path, raw: str) -> None:
    """A key for which anybody can sign gets no role (source: the list of libsodium, ``ge25519_has_small_order``)."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(raw))
    path = tmp_path / "mallory.pub"
    path.write_bytes(key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SigningError, match="expected a key of full order"):
        load_public_key(path)


def test_identity_key_signs_anything() -> None:
    """Why: the identity key takes one signature for every message."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(SMALL_ORDER["identity"]))
    key.verify(bytes.fromhex(SMALL_ORDER["identity"]) + bytes(32), b"any message")
    assert Ed25519PrivateKey.generate().public_key() != key
