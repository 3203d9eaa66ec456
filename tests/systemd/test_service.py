"""The service in a real systemd: it comes back after a kill and a hang, and touches nothing but its folders."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.conftest import SignedBundle
from tests.systemd.box import Box
from tests.systemd.conftest import OLD, STATUS, BoxMaker, configure, install, install_sensor, start_sensor

WATCHDOG_S = 4
"""In place of the unit's, not to wait that long."""


@pytest.fixture(scope="module")
def box(make_box: BoxMaker, packages: dict[str, Path], small_bundle: SignedBundle) -> Box:
    """A box whose agent runs, with a sensor."""
    box = make_box()
    configure(box, small_bundle)
    drop_in = f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=0.2\n"
    box.put(drop_in.encode(), "/etc/systemd/system/edge-agent.service.d/10-test.conf")
    install(box, packages[OLD])
    install_sensor(box, small_bundle)
    return box


def main_pid(box: Box) -> str:
    """The agent's process; 0 while there is none."""
    return box.ask("systemctl show -P MainPID edge-agent")


def wait_for_another(box: Box, before: str) -> None:
    """Wait until systemd runs another process, which is ready."""
    other = f"pid=$(systemctl show -P MainPID edge-agent); test $pid != 0 && test $pid != {before}"
    box.wait(f"{other} && systemctl is-active --quiet edge-agent")


def test_a_configured_package_starts_at_install(box: Box) -> None:
    """With bundle and key in place, installing is enough: READY was told, and the status is online."""
    assert box.ask("systemctl is-active edge-agent") == "active"
    assert json.loads(box.ask(STATUS))["state"] == "online"


def test_status_over_mqtt_and_a_result_from_frames(box: Box) -> None:
    """The retained status comes at once; frames give results."""
    status = json.loads(box.ask("mosquitto_sub -h localhost -t enginear/oo-abc/status -C 1 -W 30"))
    assert (status["agent"], status["state"]) == ("oo-abc", "online")
    start_sensor(box)
    topics = box.ask("mosquitto_sub -h localhost -t 'aircraft/+/engine/+/result' -C 2 -W 30 -F %t")
    assert topics.split() == ["aircraft/OO-ABC/engine/1/result"] * 2


def test_comes_back_after_a_kill(box: Box) -> None:
    """SIGKILL is a failure, and failures are restarted."""
    before = main_pid(box)
    box.ask("systemctl kill -s KILL edge-agent")
    wait_for_another(box, before)
    assert json.loads(box.ask(STATUS))["state"] == "online"


def test_watchdog_ends_what_hangs(box: Box) -> None:
    """A stopped process feeds no watchdog: systemd ends it and starts another."""
    before = main_pid(box)
    box.ask("systemctl kill -s STOP edge-agent")
    wait_for_another(box, before)
    assert "Watchdog timeout" in box.journal()


def test_a_start_that_takes_too_long_is_aborted(box: Box) -> None:
    """Not by SIGTERM, which the agent would take for an order to stop."""
    drop_in = "/etc/systemd/system/edge-agent.service.d/20-slow.conf"
    box.put(b"[Service]\nTimeoutStartSec=1\nRestartSec=10\nExecStart=\nExecStart=/bin/sleep 60\n", drop_in)
    assert box.run("systemctl daemon-reload; systemctl restart edge-agent").returncode != 0
    # Not from the journal: the watchdog ends what hangs by the same signal.
    assert box.ask("systemctl show -P ExecMainStatus edge-agent") == str(signal.SIGABRT.value)
    box.ask(f"rm {drop_in}; systemctl daemon-reload; systemctl restart edge-agent")


def test_hangup_and_reload_leave_it_running(box: Box) -> None:
    """The same process goes on after SIGHUP, after a reload, and after one that is refused."""
    before = main_pid(box)
    box.ask("systemctl kill -s HUP edge-agent; systemctl reload edge-agent")
    box.put(b"[agent]\nlog_level = 'loud'\n", "/etc/edge-agent/conf.d/90-wrong.toml")
    refused = box.run("systemctl reload edge-agent")
    box.ask("rm /etc/edge-agent/conf.d/90-wrong.toml; systemctl reload edge-agent")
    assert refused.returncode != 0
    assert "agent.log_level: expected one of" in box.journal()
    assert (main_pid(box), box.ask("systemctl is-active edge-agent")) == (before, "active")


def test_what_it_sees_is_read_only_but_for_two_folders(box: Box) -> None:
    """In the mounts of the service only its own folders can be written, and the secrets' folder cannot be entered."""
    user = "--setuid $(stat -c %u /run/edge-agent) --setgid $(stat -c %g /run/edge-agent)"
    inside = f"nsenter --target {main_pid(box)} --mount {user}"
    closed = "/ /etc /etc/edge-agent /usr /opt/enginear/venv /var /var/log /root /home"
    places = f"{closed} /var/lib/edge-agent /run/edge-agent"
    written = box.ask(f"for each in {places}; do {inside} touch $each/x 2>/dev/null && echo $each || true; done")
    assert written.split() == ["/var/lib/edge-agent", "/run/edge-agent"]
    assert box.run(f"{inside} ls /etc/edge-agent/credentials").returncode != 0


def test_writes_nothing_outside_its_folders(box: Box) -> None:
    """Since the box booted, no file of the agent's user lies anywhere else, and no module was compiled."""
    own = ("/proc", "/sys", "/var/lib/private/edge-agent", "/run/edge-agent", "/run/credentials")
    left_out = " -o ".join(f"-path {path} -prune" for path in own)
    found = box.ask(f"find / {left_out} -o -user $(stat -c %u /run/edge-agent) -type f -print")
    assert found == ""
    assert box.run("dpkg --verify enginear-edge-agent").stdout == ""


def test_secrets_are_closed_and_handed_over(box: Box) -> None:
    """A secret that everybody could read is closed, and the agent finds its copy."""
    box.ask("printf secret >/etc/edge-agent/credentials/word; chmod 644 /etc/edge-agent/credentials/word")
    box.ask("systemd-tmpfiles --create edge-agent.conf; systemctl restart edge-agent")
    assert (
        box.ask("stat -c '%a %U' /etc/edge-agent/credentials/word /etc/edge-agent/credentials") == "600 root\n700 root"
    )
    assert box.ask("cat /run/credentials/edge-agent.service/broker_word") == "secret"
    box.ask("rm /etc/edge-agent/credentials/word")


def test_wrong_settings_are_tried_again(box: Box) -> None:
    """What leaves open whom to trust fails the start, with one line; once it is right the agent comes by itself."""
    box.put(b"[bundle]\npaht = 'x'\n", "/etc/edge-agent/conf.d/90-wrong.toml")
    assert box.run("systemctl restart edge-agent").returncode != 0
    assert box.ask("systemctl show -P ExecMainStatus edge-agent") == "2"
    box.wait("test $(systemctl show -P NRestarts edge-agent) -gt 10")
    assert "bundle.paht: expected one of" in box.journal()
    box.ask("rm /etc/edge-agent/conf.d/90-wrong.toml")
    box.wait("systemctl is-active --quiet edge-agent")


def test_wrong_settings_do_not_silence_a_box(box: Box) -> None:
    """Where they leave open nothing of whom to trust, it starts by the last ones that ran, and says so."""
    box.put(b"[broker]\nhots = 'x'\n", "/etc/edge-agent/conf.d/90-wrong.toml")
    box.ask("systemctl restart edge-agent")
    box.ask("rm /etc/edge-agent/conf.d/90-wrong.toml; systemctl reload edge-agent")
    assert "config rejected, the last one that ran stays in force" in box.journal()


def test_starts_at_boot(box: Box) -> None:
    """After a reboot it runs by itself, and the box has no failed unit."""
    box.reboot()
    box.wait("systemctl is-active --quiet edge-agent")
    assert box.ask("systemctl --failed --quiet") == ""
