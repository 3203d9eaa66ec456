"""Who may sign: a key in a file, a command, a token: what agents and the public tool accept, or a clear refusal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.bundle import open_path
from edge_agent.policy import Policy
from edge_agent.trust import TrustedKeys, load_public_key, verify_signature
from ground.cli import app
from ground.errors import SigningError
from ground.keys import new_key_pair
from ground.pack import unpack_bundle
from ground.sign import sign_payload
from ground.signer_command import CommandSigner

PASSWORD = "correct horse"  # noqa: S105 - of keys that these tests throw away
PIN = "123456"
TOKEN_KEYS = {"signer": "EC:prime256v1", "p384": "EC:secp384r1", "rsa": "rsa:2048"}
MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
needs_token = pytest.mark.skipif(
    not (shutil.which("softhsm2-util") and shutil.which("pkcs11-tool") and MODULE.exists()),
    reason="softhsm2 and opensc are not installed",
)


def run(*arguments: object) -> None:
    """Run ``ground``; errors come as they are."""
    app([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def members(tmp_path: Path, development_bundle: Any) -> Path:
    """A folder of the unpacked members of a bundle, unsigned."""
    folder = tmp_path / "release"
    unpack_bundle(development_bundle.path.read_bytes(), folder)
    (folder / "bundle.sig").unlink()
    return folder


@pytest.fixture
def with_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password for all keys, and a PIN that is none of it."""
    monkeypatch.setenv("GROUND_KEY_PASSWORD", PASSWORD)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The public key of a P-256 key on a token of SoftHSM, which also holds keys of other kinds.

    One for all tests here: the library reads its config once in a process.
    """
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        pins = ["--pin", PIN, "--so-pin", "12345678"]
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "release", *pins], check=True)
        for number, (label, kind) in enumerate(TOKEN_KEYS.items(), start=1):
            pkcs11_tool("--keypairgen", "--key-type", kind, "--label", label, "--id", f"0{number}")
        pkcs11_tool(
            "--read-object", "--type", "pubkey", "--label", "signer", "--output-file", str(folder / "public.der")
        )
        public = folder / "public.pem"
        subprocess.run(["openssl", "pkey", "-pubin", "-in", folder / "public.der", "-out", public], check=True)
        yield public


def pkcs11_tool(*arguments: str) -> None:
    """The command of OpenSC over the token."""
    login = ["--module", str(MODULE), "--token-label", "release", "--login", "--pin", PIN]
    subprocess.run(["pkcs11-tool", *login, *arguments], check=True, capture_output=True)


def accepted(folder: Path, public_key: Path) -> None:
    """An agent accepts folder and bundle as one, and so does the public tool."""
    [bundle] = folder.glob("*.bundle")
    keys, policy = (
        TrustedKeys.from_files([public_key]),
        Policy(fleet="test", agent_version="0.1.0", allow_development=True),
    )
    assert open_path(bundle, keys=keys, policy=policy).digest == open_path(folder, keys=keys, policy=policy).digest
    tool = Path(sys.executable).parent / "model_signing"
    command = ["verify", "key", folder, "--signature", folder / "bundle.sig", "--public_key", public_key]
    done = subprocess.run([tool, *command, "--ignore_unsigned_files"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("with_password")
def test_encrypted_key(members: Path, tmp_path: Path) -> None:
    """The password comes from the environment; signing again changes nothing."""
    run("keys", "new", "--out", tmp_path / "keys")
    run("sign", members, "--key", tmp_path / "keys" / "private.pem")
    accepted(members, tmp_path / "keys" / "public.pem")
    run("sign", members, "--key", tmp_path / "keys" / "private.pem")


def test_same_bytes_in_another_process_and_folder(members: Path, tmp_path: Path) -> None:
    """Nonces of RFC 6979 and fixed headers: members and key decide every byte, encrypted or not, here or there."""
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    run("keys", "new", "--out", tmp_path / "keys", "--password-file", password)
    key = tmp_path / "keys" / "private.pem"
    bundles = []
    for folder in (members, shutil.copytree(members, tmp_path / "elsewhere" / "copy")):
        code = "from ground.cli import main; main()"
        command = [sys.executable, "-c", code, "sign", folder, "--key", key, "--password-file", password]
        subprocess.run(
            command, check=True, cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONHASHSEED": "random"}
        )
        bundles.append({path.name: path.read_bytes() for path in folder.glob("*.*") if path.is_file()})
    assert bundles[0] == bundles[1]
    assert {"bundle.sig", "small-1.0.0.bundle"} <= set(bundles[0])
    plain = tmp_path / "plain.pem"
    subprocess.run(["openssl", "pkey", "-in", key, "-passin", f"pass:{PASSWORD}", "-out", plain], check=True)
    plain.chmod(0o600)
    run("sign", members, "--key", plain)


@pytest.mark.parametrize("takes_digest", [False, True], ids=["message", "digest"])
def test_command(members: Path, tmp_path: Path, takes_digest: bool) -> None:  # noqa: FBT001 - a parameter
    """OpenSSL as the signer: over the message, and over its digest."""
    keys = new_key_pair(tmp_path / "keys")
    digest = f"openssl pkeyutl -sign -inkey {keys.private} -pkeyopt digest:sha256"
    message = f"openssl dgst -sha256 -sign {keys.private}"
    options = ["--signer-command", digest, "--signer-digest"] if takes_digest else ["--signer-command", message]
    run("sign", members, *options, "--public-key", keys.public)
    accepted(members, keys.public)


@needs_token
def test_token(members: Path, tmp_path: Path, token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By PKCS#11: a token chooses nonces at random, so signing again gives another signature, as good as the first."""
    pytest.importorskip("pkcs11")
    monkeypatch.setenv("GROUND_KEY_PASSWORD", PIN)
    uri = f"pkcs11:token=release;id=%01?module-path={MODULE}"
    run("sign", members, "--pkcs11", uri)
    accepted(members, token)
    again = tmp_path / "again.bundle"
    run("sign", members, "--pkcs11", f"pkcs11:token=release;object=signer?module-path={MODULE}", "--output", again)
    assert again.read_bytes() != (members / "small-1.0.0.bundle").read_bytes()
    keys, policy = TrustedKeys.from_files([token]), Policy(fleet="test", agent_version="0.1.0", allow_development=True)
    assert open_path(again, keys=keys, policy=policy).digest
    with pytest.raises(SigningError, match="expected no file, or the same one, got another one"):
        run("sign", members, "--pkcs11", uri)


@needs_token
def test_token_by_command(members: Path, token: Path) -> None:
    """The same token by the command of OpenSC, where the library is not installed."""
    command = (
        f"pkcs11-tool --module {MODULE} --token-label release --login --pin {PIN} --id 01 --sign "
        "--mechanism ECDSA --signature-format openssl"
    )
    run("sign", members, "--signer-command", command, "--signer-digest", "--public-key", token)
    accepted(members, token)


# name: (URI without its module, PIN, what the text says)
BAD_TOKENS: dict[str, tuple[str, str, str]] = {
    "wrong PIN": ("token=release;object=signer", "000000", "got PinIncorrect"),
    "no such token": ("token=other;object=signer", PIN, "got NoSuchToken"),
    "no such key": ("token=release;object=other", PIN, "got NoSuchKey"),
    "P-384": ("token=release;object=p384", PIN, "expected an ECDSA P-256 key"),
    "RSA": ("token=release;object=rsa", PIN, "expected an ECDSA P-256 key"),
}


@needs_token
@pytest.mark.usefixtures("token")
def test_bad_tokens(members: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each says what is wrong, and nothing is written."""
    pytest.importorskip("pkcs11")
    for name, (path, pin, text) in BAD_TOKENS.items():
        monkeypatch.setenv("GROUND_KEY_PASSWORD", pin)
        with pytest.raises(SigningError, match=text):
            run("sign", members, "--pkcs11", f"pkcs11:{path}?module-path={MODULE}", "--output", tmp_path / "out")
        assert not (tmp_path / "out").exists(), name
    monkeypatch.setenv("GROUND_KEY_PASSWORD", PIN)
    with pytest.raises(SigningError, match=r"none\.so: expected to use key"):
        run("sign", members, "--pkcs11", f"pkcs11:token=release;object=signer?module-path={tmp_path / 'none.so'}")


BAD_URIS = [
    "",
    "release",
    "pkcs11:token=release;object=signer",
    f"pkcs11:token=release?module-path={MODULE}",
    f"pkcs11:token=release;object=signer;serial=1?module-path={MODULE}",
    f"pkcs11:object=a;object=b?module-path={MODULE}",
    f"pkcs11:object=a?module-path={MODULE}&pin-value=123456",
]


@pytest.mark.parametrize("uri", BAD_URIS)
@pytest.mark.usefixtures("with_password")
def test_bad_uris(members: Path, uri: str) -> None:
    """What is not understood is refused, not guessed."""
    with pytest.raises(SigningError, match="expected"):
        run("sign", members, "--pkcs11", uri)


# name: (code of the signer, what the text says)
BAD_COMMANDS: dict[str, tuple[str, str]] = {
    "writes nothing": ("pass", "expected a signature in DER on its standard output, got 0 bytes"),
    "writes garbage": ("print('signed!')", "expected an ECDSA signature in DER, got 8 bytes that are none"),
    "writes too much": ("print('x' * 5000)", "expected a signature in DER on its standard output, got 5001 bytes"),
    "writes r and s raw": ("import sys; sys.stdout.buffer.write(b'\\x01' * 64)", "expected an ECDSA signature in DER"),
    "negative r": (
        "import sys; sys.stdout.buffer.write(bytes.fromhex('3006020180020101'))",
        "expected an ECDSA signature in DER",
    ),
    "s beyond the group": (
        "import sys; sys.stdout.buffer.write(bytes.fromhex('3026020101022100' + 'ff' * 32))",
        "expected an ECDSA signature in DER",
    ),
    "ones": (
        "import sys; sys.stdout.buffer.write(bytes.fromhex('3006020101020101'))",
        "by another key or of other bytes",
    ),
    "fails": ("import sys; sys.exit(3)", "expected exit code 0, got 3"),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "expected exit code 0, got -9"),
    "hangs": ("import time; time.sleep(600)", "expected an answer within 0.5 s"),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_bad_commands(tmp_path: Path, name: str) -> None:
    """A signer is believed nothing."""
    code, text = BAD_COMMANDS[name]
    (tmp_path / "signer.py").write_text(code)
    key = ec.derive_private_key(20261123, ec.SECP256R1()).public_key()
    # Only the one that hangs is to meet its deadline, however busy the machine.
    timeout_s = 0.5 if name == "hangs" else 60.0
    signer = CommandSigner(command=f"{sys.executable} {tmp_path / 'signer.py'}", key=key, timeout_s=timeout_s)
    with pytest.raises(SigningError, match=text):
        sign_payload(b"{}", signer)


# name: (options of `ground sign`, what the text says)
BAD_OPTIONS: dict[str, tuple[list[str], str]] = {
    "nobody to sign": ([], "expected one of --key, --signer-command and --pkcs11"),
    "two": (["--key", "k", "--pkcs11", "p"], "expected one of --key, --signer-command and --pkcs11"),
    "no public key": (["--signer-command", "true"], "--public-key: expected"),
    "no such command": (
        ["--signer-command", "/nonexistent", "--public-key", "{public}"],
        "expected a command that can",
    ),
    "open quotes": (["--signer-command", "sign '", "--public-key", "{public}"], "expected words of a shell"),
    "empty command": (["--signer-command", " ", "--public-key", "{public}"], "expected a program and its arguments"),
    "another key": (
        ["--signer-command", "openssl dgst -sha256 -sign {other}", "--public-key", "{public}"],
        "got one by another key",
    ),
    "digest of the digest": (
        ["--signer-command", "openssl dgst -sha256 -sign {private}", "--public-key", "{public}", "--signer-digest"],
        "got one by another key or of other bytes",
    ),
    "no such key": (["--key", "absent.pem"], r"absent\.pem: expected a private key in PEM, got No such file"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options(members: Path, tmp_path: Path, name: str) -> None:
    """Each says what is wrong and what to do, and nothing is written."""
    options, text = BAD_OPTIONS[name]
    keys, other = new_key_pair(tmp_path / "keys"), new_key_pair(tmp_path / "other")
    before = sorted(members.rglob("*"))
    filled = [each.format(public=keys.public, private=keys.private, other=other.private) for each in options]
    with pytest.raises(SigningError, match=f"{text}.*; "):
        run("sign", members, *filled)
    assert sorted(members.rglob("*")) == before


def test_signature_of_the_higher_s_is_turned_into_the_lower(tmp_path: Path) -> None:
    """OpenSSL gives either; the agent takes one. Of 16 signatures both kinds come, but for one run in 32,768."""
    keys = new_key_pair(tmp_path / "keys")
    key = load_public_key(keys.public)
    signer = CommandSigner(command=f"openssl dgst -sha256 -sign {keys.private}", key=key)
    for number in range(16):
        payload = b'{"n":%d}' % number
        assert verify_signature(sign_payload(payload, signer), TrustedKeys.of([key])) == payload


def test_a_signed_release_is_not_signed_over(members: Path, tmp_path: Path) -> None:
    """Another key's signature stays; elsewhere the new one may be written, over nothing either."""
    keys, other = new_key_pair(tmp_path / "keys"), new_key_pair(tmp_path / "other")
    run("sign", members, "--key", keys.private)
    before = {path: path.read_bytes() for path in members.rglob("*") if path.is_file()}
    with pytest.raises(SigningError, match=r"bundle\.sig: expected no file, or the same one"):
        run("sign", members, "--key", other.private)
    elsewhere = tmp_path / "elsewhere.bundle"
    run("sign", members, "--key", other.private, "--output", elsewhere)
    with pytest.raises(SigningError, match=r"elsewhere\.bundle: expected no file, or the same one"):
        run("sign", members, "--key", keys.private, "--output", elsewhere)
    assert before == {path: path.read_bytes() for path in members.rglob("*") if path.is_file()}
    hint = json.loads(before[members / "bundle.sig"])["verificationMaterial"]["publicKey"]["hint"]
    assert hint == keys.hint
    assert elsewhere.read_bytes() != before[members / "small-1.0.0.bundle"]
