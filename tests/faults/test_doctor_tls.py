"""The doctor before a broker that speaks TLS: told to, not told to, and with the wrong authority."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from edge_agent.cli import main
from tests.conftest import Broker
from tests.faults.certificates import Authority


def mqtt_finding(folder: Path, bundle: Any, port: int, more: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What the doctor says of MQTT."""
    path = folder / "agent.toml"
    path.write_text(
        f"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
        f"[bundle]\npath = '{bundle.path}'\nkeys = ['{bundle.key}']\n"
        f"[broker]\nhost = '127.0.0.1'\nport = {port}\n{more}\n"
    )
    main(["doctor", "--config", str(path), "--json"])
    found: dict[str, dict[str, str]] = {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    return found["mqtt"]


def test_broker_with_tls(
    stopped_broker: Broker, small_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is found is what the agent would find, down to the version of TLS."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "others").mkdir()
    theirs, others = Authority(tmp_path / "theirs"), Authority(tmp_path / "others")
    server = theirs.sign("localhost", addresses=("127.0.0.1",))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        plain = probe.getsockname()[1]
    stopped_broker.start(
        f"cafile {theirs.file}", f"certfile {server.certificate}", f"keyfile {server.key}",
        f"listener {plain} 127.0.0.1",
    )  # fmt: skip
    for more, level, text in (
        (f"tls = true\nca_file = '{theirs.file}'", "ok", "speaks MQTT 5 over TLSv1.3, and agrees to topics.input"),
        (f"tls = true\nca_file = '{others.file}'", "fail", "certificate"),
        ("", "fail", "tls"),
    ):
        finding = mqtt_finding(tmp_path, small_bundle, stopped_broker.port, more, capsys)
        assert finding["level"] == level
        assert text in finding["text"]
