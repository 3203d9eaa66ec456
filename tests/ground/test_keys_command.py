"""``ground keys``: encrypted by default, never overwritten, never open to others, and no password left to chance."""

from __future__ import annotations

import errno
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from edge_agent.errors import ConfigError
from edge_agent.trust import TrustedKeys, key_hint
from ground.cli import app
from ground.errors import SigningError
from ground.key_file import ITERATIONS
from ground.keys import load_private_key, new_key_pair
from ground.password import PASSWORD_VARIABLE, PasswordSource
from ground.signer_pkcs11 import TokenKey

PASSWORD = "correct horse"  # noqa: S105 - of keys that these tests throw away
ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> None:
    """Run ``ground``; errors come as they are."""
    app([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """A file with the password."""
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No password of the developer's own."""
    monkeypatch.delenv("GROUND_KEY_PASSWORD", raising=False)


def test_encrypted_by_default(tmp_path: Path, password_file: Path) -> None:
    """PKCS#8 with a costly derivation, as OpenSSL reads it too; modes 0600 and 0700."""
    run("keys", "new", "--out", tmp_path / "keys", "--password-file", password_file)
    private, public = tmp_path / "keys" / "private.pem", tmp_path / "keys" / "public.pem"
    assert private.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert (stat.S_IMODE(private.stat().st_mode), stat.S_IMODE(private.parent.stat().st_mode)) == (0o600, 0o700)
    openssl = ["openssl", "pkey", "-in", private, "-pubout", "-passin", f"pass:{PASSWORD}"]
    assert subprocess.run(openssl, check=True, capture_output=True).stdout == public.read_bytes()
    parsed = subprocess.run(["openssl", "asn1parse", "-in", private], check=True, capture_output=True, text=True).stdout
    assert f"INTEGER           :{ITERATIONS:06X}" in parsed
    assert "aes-256-cbc" in parsed
    key = serialization.load_pem_private_key(private.read_bytes(), PASSWORD.encode())
    assert list(TrustedKeys.from_files([public]).by_hint) == [key_hint(key.public_key())]  # type: ignore[arg-type]


def test_no_two_keys_have_one_salt(tmp_path: Path, password_file: Path) -> None:
    """The same password hides two keys in two ways."""
    for name in ("a", "b"):
        run("keys", "new", "--out", tmp_path / name, "--password-file", password_file)
    heads = {(tmp_path / name / "private.pem").read_bytes()[:200] for name in ("a", "b")}
    assert len(heads) == 2


def test_unencrypted_is_said_out_loud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It takes the option, and the command says what it means."""
    run("keys", "new", "--out", tmp_path / "keys", "--unencrypted")
    assert "NOT encrypted" in "".join(capsys.readouterr())
    assert load_private_key(tmp_path / "keys" / "private.pem")


# name: (content of the password file, options, what the text says)
BAD_PASSWORDS: dict[str, tuple[bytes, list[str], str]] = {
    "nobody to ask": (b"", [], "got none and nobody to ask; give --password-file or set GROUND_KEY_PASSWORD"),
    "no such file": (b"", ["--password-file", "absent"], "absent: expected a file with a password"),
    "empty": (b"", ["--password-file", "{file}"], "expected one line with a password"),
    "empty line": (b"\n", ["--password-file", "{file}"], "expected one line with a password"),
    "two lines": (b"correct\nhorse\n", ["--password-file", "{file}"], "expected one line with a password"),
    "short": (b"1234567\n", ["--password-file", "{file}"], "expected a password of 8 characters or more"),
    "and unencrypted": (
        b"correct horse",
        ["--password-file", "{file}", "--unencrypted"],
        "expected no --password-file",
    ),
}


@pytest.mark.parametrize("name", BAD_PASSWORDS)
def test_bad_passwords(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is made with them."""
    content, options, text = BAD_PASSWORDS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(SigningError, match=f"{text}.*"):
        run("keys", "new", "--out", tmp_path / "keys", *(option.format(file="file") for option in options))
    assert not (tmp_path / "keys").exists()


def test_empty_variable_is_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that a CI forgot to fill in must not make a key without one."""
    monkeypatch.setenv("GROUND_KEY_PASSWORD", "")
    with pytest.raises(SigningError, match="GROUND_KEY_PASSWORD: expected a password, got an empty text"):
        run("keys", "new", "--out", tmp_path / "keys")


@pytest.mark.parametrize(("given", "text"), [(b"wrong", "got another one, or a damaged file"), (b"", "one line")])
def test_wrong_password(tmp_path: Path, password_file: Path, given: bytes, text: str) -> None:
    """It is told as such, and nothing is signed."""
    run("keys", "new", "--out", tmp_path / "keys", "--password-file", password_file)
    password_file.write_bytes(given)
    with pytest.raises(SigningError, match=text):
        load_private_key(tmp_path / "keys" / "private.pem", PasswordSource(password_file).ask)
    with pytest.raises(SigningError, match="got an encrypted one and no password"):
        load_private_key(tmp_path / "keys" / "private.pem")


@pytest.mark.parametrize("second", [PASSWORD, "correct house"])
def test_prompt(tmp_path: Path, second: str) -> None:
    """A person types it twice, unseen, at a terminal; two different ones make no key."""
    typed, code = at_terminal(
        ["keys", "new", "--out", str(tmp_path / "keys")], [("New password", PASSWORD), ("The same again", second)]
    )
    assert PASSWORD not in typed
    assert (code == 0, (tmp_path / "keys" / "private.pem").exists()) == ((second == PASSWORD,) * 2)
    assert code == 0 or "expected the same password twice" in " ".join(typed.split())


def at_terminal(arguments: list[str], answers: list[tuple[str, str]]) -> tuple[str, int]:
    """Run ``ground`` at a terminal and answer its prompts; gives what stood on the screen, and the exit code."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from ground.cli import main; main()", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        screen, waiting = "", list(answers)
        while True:
            try:
                screen += os.read(ours, 4096).decode()
            except OSError:
                break
            if waiting and waiting[0][0] in screen:
                os.write(ours, f"{waiting.pop(0)[1]}\n".encode())
    os.close(ours)
    return screen, process.returncode


def test_keys_are_never_open_to_others(tmp_path: Path) -> None:
    """Whatever the umask; and one that others could read is not signed with, as it may not be a secret any more."""
    before = os.umask(0)
    try:
        pair = new_key_pair(tmp_path / "keys")
    finally:
        os.umask(before)
    assert stat.S_IMODE(pair.private.stat().st_mode) == 0o600
    pair.private.chmod(0o644)
    with pytest.raises(SigningError, match=r"private\.pem: expected a key that only its owner may read, got mode 0644"):
        load_private_key(pair.private)


@pytest.mark.parametrize("name", ["private.pem", "public.pem", "predecessor.pem"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    """By no command, and nobody is asked for a password in vain."""
    old = new_key_pair(tmp_path / "old")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / name).write_text("precious")
    for command in (["new"], ["rotate", old.public]):
        with pytest.raises(SigningError, match=f"{name}: expected no file"):
            run("keys", *command, "--out", tmp_path / "keys")
    assert [(path.name, path.read_text()) for path in (tmp_path / "keys").iterdir()] == [(name, "precious")]


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, str]:
    """What ``ground keys show`` says, by name."""
    capsys.readouterr()
    run("keys", "show", *arguments)
    return {line[:12].strip(): line[13:] for line in capsys.readouterr().out.splitlines()}


@pytest.fixture
def agent_toml(tmp_path: Path) -> Callable[..., Path]:
    """Writes the config of an agent."""

    def write(*keys: Path, revoked: tuple[str, ...] = ()) -> Path:
        path = tmp_path / "agent.toml"
        path.write_text(
            "[agent]\nid = 'a1'\nfleet = 'test'\n"
            f"[bundle]\nslots = true\nkeys = {[str(key) for key in keys]}\nrevoked_keys = {list(revoked)}\n"
        )
        return path

    return write


def test_show_and_rotate(
    tmp_path: Path, password_file: Path, agent_toml: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Name, kind, whether it is encrypted, whom it follows, and where it is pinned: no password is asked for."""
    old = new_key_pair(tmp_path / "old")
    run("keys", "rotate", tmp_path / "old", "--out", tmp_path / "new", "--password-file", password_file)
    said = capsys.readouterr().out
    new = tmp_path / "new" / "public.pem"
    [hint] = TrustedKeys.from_files([new]).by_hint
    for text in (f"new key  {hint}", f"follows  {old.hint}", "BESIDE the old one", "bundle.revoked_keys"):
        assert text in said
    told = shown(capsys, tmp_path / "new", "--agent", agent_toml(old.public, new))
    assert told["key"] == hint
    assert told["kind"] == "ECDSA P-256, SHA-256"
    assert told["private"] == f"{tmp_path / 'new' / 'private.pem'}, encrypted"
    assert told["follows"] == f"{old.hint} ({tmp_path / 'new' / 'predecessor.pem'})"
    assert told["agent"].endswith(f"pinned in bundle.keys, {new}")
    assert shown(capsys, tmp_path / "old")["private"].endswith("NOT encrypted")
    assert shown(capsys, tmp_path / "old")["follows"] == "no other key"
    assert shown(capsys, new, "--agent", agent_toml(old.public))["agent"].endswith("not pinned")
    revoked = agent_toml(old.public, revoked=(old.hint,))
    assert shown(capsys, old.public, "--agent", revoked)["agent"].endswith("REVOKED in bundle.revoked_keys")
    away = agent_toml(Path("/nonexistent/public.pem"))
    assert shown(capsys, new, "--agent", away)["agent"].endswith("not here to be read: /nonexistent/public.pem")


def test_show_tells_halves_that_do_not_belong_together(tmp_path: Path) -> None:
    """A public key that came from elsewhere."""
    pair, other = new_key_pair(tmp_path / "keys"), new_key_pair(tmp_path / "other")
    pair.public.write_bytes(other.public.read_bytes())
    with pytest.raises(SigningError, match="expected the private half of"):
        run("keys", "show", tmp_path / "keys")


@pytest.mark.parametrize("command", [["show"], ["rotate", "--out", "new"]])
def test_no_key_at_all(tmp_path: Path, command: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a public key is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROUND_KEY_PASSWORD", PASSWORD)
    with pytest.raises(ConfigError, match=r"public\.pem: expected a public key in PEM"):
        run("keys", command[0], tmp_path, *command[1:])
    assert not (tmp_path / "new").exists()


def test_a_password_is_bytes_wherever_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is no UTF-8 is the same in a file and in the variable; typed, it is refused in words."""
    password = b"\xff\xfe no text"
    (tmp_path / "password").write_bytes(password)
    monkeypatch.setenv(PASSWORD_VARIABLE, os.fsdecode(password))
    assert PasswordSource().ask("x") == PasswordSource(tmp_path / "password").ask("x") == password
    monkeypatch.delenv(PASSWORD_VARIABLE)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def typed(_prompt: str) -> str:
        return password.decode()

    monkeypatch.setattr("getpass.getpass", typed)
    with pytest.raises(SigningError, match="x: expected characters of the terminal's encoding"):
        PasswordSource().ask("x")


def test_a_public_key_is_no_private_one_that_others_have_read(tmp_path: Path) -> None:
    """Whoever mixes the two up is told so, and not that the key is known to others."""
    pair = new_key_pair(tmp_path / "keys")
    pair.public.chmod(0o644)
    with pytest.raises(SigningError, match=r"public\.pem: expected a private key in PEM"):
        load_private_key(pair.public)


def test_no_pin_is_printed() -> None:
    """A URI with a PIN is refused without a word of it."""
    with pytest.raises(SigningError, match="pin-value") as refused:
        TokenKey.parse("pkcs11:token=t;object=o;pin-value=98765?module-path=/x.so")
    assert "98765" not in str(refused.value)


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be in the way of the whole one."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            new_key_pair(tmp_path / "keys")
    new_key_pair(tmp_path / "keys")
