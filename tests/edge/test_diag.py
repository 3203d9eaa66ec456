"""The diagnostic archive: what is in it, and above all what is not."""

from __future__ import annotations

import base64
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from edge_agent.cli import main
from edge_agent.diag import CONTENT
from edge_agent.exit_code import ExitCode
from edge_agent.redact import REMOVED, redact, scrub

PASSWORD = 'p/w"\\hunter é22'  # noqa: S105 - made up
"""One that JSON and addresses spell in other ways."""
COMMENTED = "in-a-comment-4711"
PRIVATE = base64.b64encode(b"private key of somebody, very long" * 3).decode()
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{PRIVATE}\n-----END EC PRIVATE KEY-----"


@pytest.fixture
def config_file(tmp_path: Path, small_bundle: Any) -> Path:
    """A config with a password, on a machine where that and other secrets have slipped into logs and status."""
    (tmp_path / "pw").write_text(PASSWORD + "\n")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "status.json").write_text(json.dumps({"schema": 2, "error": f"login with {PASSWORD} failed"}))
    path = tmp_path / "agent.toml"
    path.write_text(
        f"# {COMMENTED}\n[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
        f"[bundle]\npath = '{small_bundle.path}'\nkeys = ['{small_bundle.key}']\n"
        "[broker]\nhost = '127.0.0.1'\nport = 1\nusername = 'u'\npassword_file = 'pw'\n"
    )
    return path


@pytest.fixture
def leaky_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journalctl whose log tells everything."""
    (tmp_path / "log").write_text(
        f"connecting as u with {PASSWORD}\nmqtt://u:{PASSWORD}@broker\nkey {PEM}\ntoken=abc123def\n"
    )
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat '{tmp_path / 'log'}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def members_of(path: Path) -> dict[str, str]:
    """The files of an archive, by name."""
    with tarfile.open(path) as archive:
        streams = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {name: stream.read().decode() for name, stream in streams.items() if stream is not None}


@pytest.mark.usefixtures("leaky_log")
def test_no_secret_is_in_it(config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Passwords, private keys, tokens and comments of the config are nowhere; the archive is for its owner alone."""
    output = tmp_path / "d.tar.gz"
    assert main(["diag", "--config", str(config_file), "--output", str(output), "--json"]) == ExitCode.OK
    files = members_of(output)
    everything = "\n".join(files.values()) + capsys.readouterr().out
    for secret in (PASSWORD, json.dumps(PASSWORD)[1:-1], "hunter", COMMENTED, PRIVATE, "abc123def"):
        assert secret not in everything
    assert f"connecting as u with {REMOVED}" in files["edge-agent-diag/log.txt"]
    assert json.loads(files["edge-agent-diag/status.json"])["error"] == f"login with {REMOVED} failed"
    assert output.stat().st_mode & 0o777 == 0o600


def test_content(config_file: Path, tmp_path: Path) -> None:
    """Every file that is promised is there, and JSON where it says so; the docs name each."""
    output = tmp_path / "d.tar.gz"
    assert main(["diag", "--config", str(config_file), "--output", str(output)]) == ExitCode.OK
    files = {Path(name).name: text for name, text in members_of(output).items()}
    assert set(files) == {"README.txt", *CONTENT}
    documents = {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}
    assert documents["config.json"]["broker"]["password_file"] == str(tmp_path / "pw")
    assert documents["about.json"]["versions"]["onnxruntime"]
    assert {each["check"] for each in documents["doctor.json"]["findings"]} >= {"config", "bundle", "broker"}
    assert "status.json" in files["state_folder.txt"]
    reference = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "agent.md").read_text()
    for name in CONTENT:
        assert f"`{name}`" in reference


def test_config_that_is_wrong(tmp_path: Path) -> None:
    """When one needs help most, the archive is made all the same and says why."""
    path, output = tmp_path / "agent.toml", tmp_path / "d.tar.gz"
    path.write_text("[agent]\n")
    assert main(["diag", "--config", str(path), "--output", str(output)]) == ExitCode.OK
    files = members_of(output)
    assert "expected a table [bundle]" in json.loads(files["edge-agent-diag/config.json"])["refused"]


@pytest.mark.parametrize("name", ["there.tar.gz", "none/d.tar.gz"])
def test_output_that_cannot_be(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A file that is there is not overwritten, and a folder that is not there not made."""
    (tmp_path / "there.tar.gz").write_bytes(b"mine")
    code = main(["diag", "--config", str(config_file), "--output", str(tmp_path / name)])
    assert code == ExitCode.BAD_INPUT
    assert "expected a new file that can be written" in capsys.readouterr().err
    assert (tmp_path / "there.tar.gz").read_bytes() == b"mine"


def test_named_after_the_time(config_file: Path, work_dir: Path) -> None:
    """Without a name it has one that sorts by time."""
    assert main(["diag", "--config", str(config_file)]) == ExitCode.OK
    assert len(list(work_dir.glob("edge-agent-diag-2*Z.tar.gz"))) == 1


SCRUBBED: list[tuple[str, str]] = [
    ("nothing to see", "nothing to see"),
    ("a hush b", f"a {REMOVED} b"),
    ("mqtts://user:pw@host/x", f"mqtts://user:{REMOVED}@host/x"),
    ("mqtt://host:1883/a@b", "mqtt://host:1883/a@b"),
    ("password = abc", f'password = "{REMOVED}"'),
    ('{"password": "a b"}', f'{{"password": "{REMOVED}"}}'),
    ('"password_file": "/etc/pw"', '"password_file": "/etc/pw"'),
    ("Authorization: Bearer", f'Authorization: "{REMOVED}"'),
    (f"x {PEM} y", f"x {REMOVED} y"),
    ("-----BEGIN PRIVATE KEY-----\ncut short", REMOVED),
    ("-----BEGIN PUBLIC KEY-----\nabc", "-----BEGIN PUBLIC KEY-----\nabc"),
]


@pytest.mark.parametrize(("text", "clean"), SCRUBBED)
def test_scrub(text: str, clean: str) -> None:
    """What is known to be a secret and what looks like one goes; the rest stays."""
    assert scrub(text, ["hush", "", "xy"]) == clean


def test_redact() -> None:
    """Texts under telling keys go, at any depth; paths, numbers and empty texts stay."""
    config = {"a": {"password": "x", "password_file": Path("/p"), "port": 1, "tokens": ["y", ""]}, "keys": ("k",)}
    assert redact(config) == {
        "a": {"password": REMOVED, "password_file": "/p", "port": 1, "tokens": [REMOVED, ""]}, "keys": ["k"],
    }  # fmt: skip
