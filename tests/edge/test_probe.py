"""The probe's decisions, by the clock of the test."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from edge_agent.probe import Probe


@pytest.fixture
def probe() -> Probe:
    """A probe every 30 s, lost after 10 s of silence, on a connection that stands since 100 s."""
    probe = Probe(interval_s=30.0, timeout_s=10.0)
    assert probe.begin(100.0)
    return probe


def send(probe: Probe, now_s: float, *, acknowledged_s: float | None = None) -> bytes:
    """Send one as packet 7; the broker acknowledges it at once, or later."""
    assert probe.is_due(now_s)
    token = probe.token()
    probe.sent(7, now_s)
    assert (probe.number, probe.in_flight) == (7, 1)
    probe.acknowledged(now_s if acknowledged_s is None else acknowledged_s)
    assert probe.in_flight == 0
    return token


def prove(probe: Probe, now_s: float) -> None:
    """Send one and have it come back."""
    assert probe.echo(send(probe, now_s), now_s + 0.02)


def test_round_trip(probe: Probe) -> None:
    """The first goes out at once, the next an interval later; the time it takes is kept."""
    assert probe.state == "waiting"
    prove(probe, 100.0)
    assert (probe.state, probe.failures) == ("ok", 0)
    assert probe.round_trip_ms == pytest.approx(20.0)
    assert not probe.is_due(129.9)
    assert probe.is_due(130.0)


def test_silence(probe: Probe) -> None:
    """One that does not come back within the timeout, while nothing else comes, asks for a new connection."""
    prove(probe, 100.0)
    send(probe, 130.0, acknowledged_s=131.0)
    assert not probe.is_silent(141.0)
    assert probe.is_silent(141.1)
    assert (probe.state, probe.failures) == ("silent", 1)


def test_unacknowledged_probe_is_the_watchdogs(probe: Probe) -> None:
    """As long as the broker does not have it, its coming back is not due."""
    probe.token()
    probe.sent(7, 100.0)
    assert not probe.is_silent(1_000.0)


def test_echo_before_its_acknowledgement(probe: Probe) -> None:
    """A broker may send the echo first."""
    token = probe.token()
    probe.sent(7, 100.0)
    assert probe.echo(token, 100.02)
    assert probe.in_flight == 1
    assert not probe.is_due(130.0)
    probe.acknowledged(130.0)
    assert not probe.is_silent(1_000.0)
    assert probe.is_due(1_000.0)


def test_backlog_is_a_sign_of_life(probe: Probe) -> None:
    """While other messages come the probe may wait behind them; a minute without it is enough, and proves nothing."""
    prove(probe, 100.0)
    token = send(probe, 130.0)
    for now_s in range(135, 190, 5):
        probe.heard(now_s)
        assert not probe.is_silent(now_s + 4.0)
    assert not probe.is_silent(190.1)
    assert (probe.state, probe.failures) == ("ok", 0)
    assert not probe.echo(token, 190.2)
    assert probe.is_due(190.2)


@pytest.mark.parametrize("token", [b"", b"12345678", b"x" * 1_000])
def test_foreign_tokens(probe: Probe, token: bytes) -> None:
    """What anybody publishes on our topic is not our probe."""
    assert not probe.echo(token, 100.0)
    send(probe, 100.0)
    assert not probe.echo(token, 100.0)
    assert probe.state == "waiting"


def test_never_back(probe: Probe) -> None:
    """Where none has ever come back, one new connection is tried; then it is the broker's rules, said once."""
    with capture_logs() as lines:
        send(probe, 100.0)
        assert probe.is_silent(110.1)
        probe.end(hung_up=False)
        for start_s in (200.0, 300.0):
            assert probe.begin(start_s)
            send(probe, start_s)
            assert not probe.is_silent(start_s + 10.1)
            assert probe.state == "refused"
            probe.end(hung_up=False)
    assert probe.failures == 1
    assert [line["event"] for line in lines] == ["probe refused"]


def test_refused_may_change(probe: Probe) -> None:
    """Probes go on where they only do not come back: the rules may be corrected."""
    send(probe, 100.0)
    probe.is_silent(110.1)
    probe.begin(200.0)
    send(probe, 200.0)
    probe.is_silent(210.1)
    assert probe.state == "refused"
    prove(probe, 230.0)
    assert probe.state == "ok"


def test_refused_by_the_broker(probe: Probe) -> None:
    """What the broker refuses in so many words is not sent again on this connection."""
    probe.refuse("Not authorized")
    assert (probe.state, probe.reason) == ("refused", "Not authorized")
    assert not probe.is_due(1e9)
    assert not probe.is_silent(1e9)


@pytest.mark.parametrize(("hung_up", "again"), [(True, False), (False, True)])
def test_broker_that_hangs_up(probe: Probe, hung_up: Any, again: bool) -> None:  # noqa: FBT001
    """A broker that hangs up on the first probe, three times, gets no more of them; a network that fails does."""
    for start_s in (100.0, 200.0, 300.0):
        assert probe.begin(start_s)
        probe.token()
        probe.sent(7, start_s)
        probe.end(hung_up=hung_up)
    assert probe.begin(400.0) is again
    assert probe.state == ("waiting" if again else "refused")


def test_proven_probes_are_never_cut(probe: Probe) -> None:
    """Where one has come back, connections that end early say nothing about the rules."""
    prove(probe, 100.0)
    for start_s in (200.0, 300.0, 400.0, 500.0):
        probe.end(hung_up=True)
        assert probe.begin(start_s)
