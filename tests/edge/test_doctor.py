"""The doctor: every check against the real thing, well and ill; what to do is always said, and nothing is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent import doctor, doctor_broker, doctor_machine
from edge_agent.cli import main
from edge_agent.config import AgentConfig
from edge_agent.doctor_machine import check_processor, check_telemetry
from edge_agent.doctor_state import check_agent, check_journal, check_metrics, check_state_dir
from edge_agent.doctor_systemd import check_unit, unit_properties
from edge_agent.exit_code import ExitCode
from edge_agent.finding import FAIL, FINE, WARN, Finding, fine, worst
from edge_agent.health import ONLINE, Health
from edge_agent.journal import JOURNAL_FOLDER
from edge_agent.journal_store import JournalStore
from edge_agent.link_state import LinkListener, LinkState
from edge_agent.publication import Grade, Publication
from edge_agent.status_file import prepare_folder, write_status
from edge_agent.verdict import DEGRADED, FAILING, Verdict

MIB = 1024 * 1024

Examine = Callable[..., tuple[int, dict[str, Finding]]]


@pytest.fixture
def examine(tmp_path: Path, small_bundle: Any, capsys: pytest.CaptureFixture[str]) -> Examine:
    """Runs the doctor on a config; gives its exit code and its findings by check. Each must say what to do."""

    def run(
        port: int, *, bundle: Any = small_bundle, key: Path | None = None, more: str = ""
    ) -> tuple[int, dict[str, Finding]]:
        path = tmp_path / "agent.toml"
        path.write_text(
            f"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\ndeadline_ms = 60000\n"
            f"[bundle]\npath = '{bundle.path}'\nkeys = ['{key or bundle.key}']\n"
            f"[broker]\nhost = '127.0.0.1'\nport = {port}\n{more}\n"
        )
        code = main(["doctor", "--config", str(path), "--json"])
        document = json.loads(capsys.readouterr().out)
        findings = [Finding(**each) for each in document["findings"]]
        assert document["verdict"] == worst(findings)
        assert all(bool(each.advice) == (each.level != FINE) for each in findings)
        return code, {each.check: each for each in findings}

    return run


def test_all_is_well(examine: Examine, broker: Any, peer: Any, tmp_path: Path) -> None:
    """With everything there no check fails; the state folder stays as it was, and the broker keeps nothing of it."""
    prepare_folder(tmp_path / "state")
    peer.subscribe("enginear/#")
    code, findings = examine(broker.port)
    assert code == ExitCode.OK
    assert {each.check for each in findings.values() if each.level != FINE} <= {"clock", "agent", "state folder"}
    answer = f"127.0.0.1:{broker.port} speaks MQTT 5, and agrees to topics.input; a message came back in "
    assert findings["mqtt"].text.startswith(answer)
    assert "2 windows reproduced" in findings["golden vectors"].text
    assert " cal" in findings["speed"].text
    message = peer.next()
    assert (message.topic, message.retain) == ("enginear/a1/probe", False)
    assert list((tmp_path / "state").iterdir()) == []


def test_refused_shadow(examine: Examine, broker: Any, small_bundle: Any, tmp_path: Path) -> None:
    """A shadow is examined as the bundle is; a bad one is no failure, since the agent runs without."""
    bad = tmp_path / "bad.bundle"
    bad.write_bytes(b"x" * 2_000)
    code, findings = examine(broker.port, more=f"[shadow]\npath = '{bad}'")
    assert (code, findings["shadow"].level) == (ExitCode.OK, WARN)
    assert findings["shadow"].text.startswith(f"{bad}: ")
    assert examine(broker.port, more=f"[shadow]\npath = '{small_bundle.path}'")[1]["shadow"].level == FINE


def test_agent_is_left_alone(examine: Examine, broker: Any, peer: Any) -> None:
    """The doctor has a name of its own at the broker, lest the agent be thrown out."""
    broker.kill()
    acl = Path(broker._config).parent / "acl"
    acl.write_text("topic readwrite #\n")
    broker.start("log_type all", f"log_dest file {acl.parent / 'broker.log'}")
    examine(broker.port)
    log = (acl.parent / "broker.log").read_text()
    assert "as edge-agent-a1-doctor " in log
    assert "as edge-agent-a1 " not in log
    peer.close()


@pytest.mark.parametrize(
    ("state", "level", "text"),
    [
        (LinkState(connected=True, protocol="3.1.1", tls="TLSv1.3", probe="ok"), FINE, "MQTT 3.1.1 over TLSv1.3, and"),
        (LinkState(connected=True, probe="refused"), WARN, "no message of ours on enginear/a1/probe came back"),
        (LinkState(connected=True, error="broker refused the subscription to a/b"), FAIL, "the subscription to a/b"),
    ],
)
def test_subscription(
    examine: Examine, broker: Any, monkeypatch: pytest.MonkeyPatch, *, state: LinkState, level: str, text: str
) -> None:
    """A link that stands is not enough; mosquitto agrees to any subscription, so a refused one is played."""

    class Played:
        def __init__(self, _config: Any, _outbox: Any, listener: LinkListener) -> None:
            self.start = lambda: listener.on_change(state)
            self.stop = lambda _: True
            self.state = state

    monkeypatch.setattr(doctor_broker, "Link", Played)
    _, findings = examine(broker.port)
    assert findings["mqtt"].level == level
    assert text in findings["mqtt"].text


def test_login_refused(examine: Examine, stopped_broker: Any) -> None:
    """A broker that does not let us in is told from one that is not there."""
    stopped_broker.start("allow_anonymous false")
    code, findings = examine(stopped_broker.port)
    assert code == ExitCode.DOCTOR_FAILED
    assert (findings["broker"].level, findings["mqtt"].level) == (FINE, FAIL)
    assert "not authorized" in findings["mqtt"].text.lower()


def test_no_broker(examine: Examine, stopped_broker: Any) -> None:
    """Without a broker there is no talk of MQTT; the other checks are made all the same."""
    code, findings = examine(stopped_broker.port)
    assert code == ExitCode.DOCTOR_FAILED
    assert findings["broker"].level == FAIL
    assert "Connection refused" in findings["broker"].text
    assert "mqtt" not in findings
    assert findings["speed"].level == FINE


def test_refused_bundle(examine: Examine, stopped_broker: Any, development_bundle: Any) -> None:
    """A bundle that the agent would refuse is refused here, for the same reason; on a bench it is a warning."""
    _, findings = examine(stopped_broker.port, bundle=development_bundle)
    assert findings["bundle"].level == FAIL
    assert findings["bundle"].text.startswith("development_not_allowed: ")


def test_missing_key(examine: Examine, stopped_broker: Any, tmp_path: Path) -> None:
    """A key that is not there is named, and the bundle is not looked at."""
    _, findings = examine(stopped_broker.port, key=tmp_path / "none.pem")
    assert findings["keys"].level == FAIL
    assert "bundle" not in findings


def test_password(examine: Examine, stopped_broker: Any, tmp_path: Path) -> None:
    """A password that everybody can read is a warning."""
    (tmp_path / "pw").write_text("hunter22")
    (tmp_path / "pw").chmod(0o644)
    _, findings = examine(stopped_broker.port, more="username = 'u'\npassword_file = 'pw'")
    assert findings["password"].level == WARN


@pytest.mark.parametrize(("path", "level"), [("none", FAIL), ("/run/credentials/edge-agent.service/pw", WARN)])
def test_password_that_is_not_ours(examine: Examine, broker: Any, path: str, level: str) -> None:
    """Without the password there is no talk of MQTT; that of systemd is for the service alone, and no fault."""
    code, findings = examine(broker.port, more=f"username = 'u'\npassword_file = '{path}'")
    assert findings["mqtt"].level == level
    assert findings["mqtt"].text.startswith("not tried: ")
    assert code == (ExitCode.DOCTOR_FAILED if level == FAIL else ExitCode.OK)


def test_wrong_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a good config the machine is still looked at; the fault is named for people, too."""
    path = tmp_path / "agent.toml"
    path.write_text("[agent]\nid = 7\n")
    assert main(["doctor", "--config", str(path)]) == ExitCode.DOCTOR_FAILED
    out = capsys.readouterr().out
    assert f"fail  config            {path}: " in out
    assert "ok    versions" in out
    assert "-> correct the file" in out
    assert "until then NO START is possible" in out


def test_check_that_breaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fault of ours in one check is a finding, and the others are made."""
    monkeypatch.setattr(doctor, "check_unit", lambda: 1 / 0)
    findings = {each.check: each for each in doctor.examine(tmp_path / "none.toml")}
    assert findings["unit"].text == "the check failed: ZeroDivisionError: division by zero"
    assert findings["config"].level == FAIL


def test_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is not installed is named."""
    monkeypatch.setattr(doctor_machine, "LIBRARIES", ("numpy", "no-such-library"))
    assert doctor_machine.check_versions().text == "no-such-library not installed"


@pytest.mark.parametrize(
    ("number", "environment", "level"),
    [("1.28.0", {}, FINE), ("1.30.0", {}, WARN), ("1.30.0", {"ORT_DISABLE_TELEMETRY": "1"}, FINE)],
)
def test_telemetry(monkeypatch: pytest.MonkeyPatch, number: str, environment: dict[str, str], level: str) -> None:
    """Later versions of onnxruntime must be told to keep usage data to themselves."""
    monkeypatch.setattr(doctor_machine, "version", lambda _: number)
    assert check_telemetry(environment).level == level


@pytest.mark.parametrize(
    ("flags", "level"), [("flags : sse2 avx2 fma", FINE), ("Features : fp asimd", FINE), ("sse2", WARN)]
)
def test_processor(tmp_path: Path, flags: str, level: str) -> None:
    """Vector units are looked for by their names on x86 and ARM."""
    (tmp_path / "cpuinfo").write_text(flags)
    assert check_processor(tmp_path / "cpuinfo").level == level
    assert check_processor(tmp_path / "none").level == WARN


def test_state_folder(make_config: Callable[..., AgentConfig], tmp_path: Path) -> None:
    """Not there yet, not a folder, and a folder."""
    config = make_config()
    assert check_state_dir(config).level == WARN
    config.agent.state_dir.write_bytes(b"")
    assert check_state_dir(config).level == FAIL
    config.agent.state_dir.unlink()
    prepare_folder(config.agent.state_dir)
    assert check_state_dir(config).text.startswith(f"{tmp_path / 'state'}, ")


@pytest.fixture
def agent_says(make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health]) -> Any:
    """Leaves a status in the state folder; gives the config that leads there."""

    def write(verdict: Verdict, changes: dict[str, Any]) -> AgentConfig:
        config = make_config()
        health = make_health(config)
        health.state, health.verdict = ONLINE, verdict
        prepare_folder(config.agent.state_dir)
        write_status(config.agent.state_dir, {**health.document({}), **changes})
        return config

    return write


@pytest.mark.parametrize(
    ("verdict", "changes", "level", "text"),
    [
        (Verdict(), {}, FINE, "runs small/1.0.0, ok"),
        (Verdict(DEGRADED, ("link_down",)), {}, WARN, "degraded: link_down"),
        (Verdict(FAILING, ("worker_stuck",)), {}, FAIL, "failing: worker_stuck"),
        (Verdict(), {"monotonic_ns": -(10**15)}, FAIL, "last heard of at"),
        (Verdict(), {"state": "offline"}, WARN, "does not run"),
    ],
)
def test_running_agent(agent_says: Any, verdict: Verdict, changes: dict[str, Any], level: str, text: str) -> None:
    """What the agent says of itself, and what its silence says."""
    finding = check_agent(agent_says(verdict, changes))
    assert (finding.level, finding.text[: len(text)]) == (level, text)


def test_journal(make_config: Callable[..., AgentConfig]) -> None:
    """Empty, used, nearly full, damaged, and off."""
    config = make_config(journal={"max_mib": 1})
    assert check_journal(config).text == "0 messages wait, 0.0 of 1 MiB"
    store = JournalStore(config.agent.state_dir / JOURNAL_FOLDER, 2 * MIB)
    store.open()
    store.write(Grade.RESULT, [Publication(topic="t", payload=bytes(MIB // 2))])
    assert (check_journal(config).level, check_journal(config).text) == (FINE, "1 messages wait, 0.5 of 1 MiB")
    store.write(Grade.ALERT, [Publication(topic="t", payload=bytes(MIB // 5)) for _ in range(3)])
    assert check_journal(config).level == WARN
    segment = max((config.agent.state_dir / JOURNAL_FOLDER).iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(segment.read_bytes())
    content[1_000] ^= 1
    segment.write_bytes(content)
    assert "1 records damaged" in check_journal(config).text
    assert check_journal(make_config(journal={"enabled": False})).level == FINE


def test_metrics(make_config: Callable[..., AgentConfig], tmp_path: Path) -> None:
    """A port that others can reach is a warning; a textfile without a folder fails; none of both is nothing to say."""
    assert list(check_metrics(make_config())) == []
    config = make_config(metrics={"listen": "0.0.0.0:9464", "textfile": str(tmp_path / "none" / "x.prom")})
    assert [each.level for each in check_metrics(config)] == [WARN, FAIL]
    config = make_config(metrics={"listen": "127.0.0.1:9464", "textfile": str(tmp_path / "x.prom")})
    assert [each.level for each in check_metrics(config)] == [FINE, FINE]


LOADED = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success", "NRestarts": "0",
          "WatchdogUSec": "20s", "LoadCredential": "", "FragmentPath": "/lib/x"}  # fmt: skip

UNITS: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("no systemd", {}, {"unit": FINE}),
    ("no unit", {"LoadState": "not-found"}, {"unit": WARN}),
    ("well", LOADED, {"unit": FINE}),
    ("restarted", {**LOADED, "NRestarts": "3"}, {"unit": WARN}),
    ("killed by the watchdog", {**LOADED, "Result": "watchdog"}, {"unit": FAIL}),
    ("not watched", {**LOADED, "WatchdogUSec": "infinity"}, {"unit": FINE, "watchdog": WARN}),
    ("credential", {**LOADED, "LoadCredential": "mqtt-password:/dev/null"}, {"unit": FINE, "credentials": FINE}),
    ("no credential", {**LOADED, "LoadCredential": "mqtt-password:/no/such"}, {"unit": FINE, "credentials": FAIL}),
]


@pytest.mark.parametrize(("unit", "levels"), [row[1:] for row in UNITS], ids=[row[0] for row in UNITS])
def test_unit(unit: dict[str, str], levels: dict[str, str]) -> None:
    """What systemctl shows, and what it comes to."""
    assert {each.check: each.level for each in check_unit(lambda: unit)} == levels


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo LoadState=loaded; echo LoadCredential=a:/b=c", {"LoadState": "loaded", "LoadCredential": "a:/b=c"}),
        ("exit 1", {}),
    ],
)
def test_systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: dict[str, str]) -> None:
    """Its answer is read; one that has nothing to say, or is not there, is no systemd."""
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert unit_properties() == expected
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert unit_properties() == {}


def test_worst() -> None:
    """The worst of nothing is fine."""
    assert worst([]) == FINE
    assert worst([fine("a", "b"), Finding("c", FAIL, "d", "e"), Finding("f", WARN, "g", "h")]) == FAIL
