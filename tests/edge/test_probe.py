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
        probe.end(110.2, hung_up=False)
        for start_s in (200.0, 300.0):
            assert probe.begin(start_s)
            send(probe, start_s)
            assert not probe.is_silent(start_s + 10.1)
            assert probe.state == "refused"
            probe.end(start_s + 10.2, hung_up=False)
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


def cut(probe: Probe, start_s: float, *, after_s: float = 0.1, hung_up: bool = True, sent: bool = True) -> bool:
    """A connection that ends ``after_s`` it began, its probe sent or not; whether it was to be probed."""
    begun = probe.begin(start_s)
    if begun and sent:
        probe.token()
        probe.sent(7, start_s)
    probe.end(start_s + after_s, hung_up=hung_up)
    return begun


def test_broker_that_hangs_up(probe: Probe) -> None:
    """A broker that hangs up on the first probe, three times, gets no more of them for an hour, then one at a time."""
    assert [cut(probe, start_s) for start_s in (100.0, 200.0, 300.0)] == [True] * 3
    assert not probe.begin(400.0)
    assert (probe.state, probe.reason) == ("refused", "the broker hangs up at the first probe")
    probe.end(401.0, hung_up=True)
    assert not probe.is_rested(3_900.0)
    # The connection may stand for months: it asks.
    assert probe.is_rested(3_901.0)
    assert cut(probe, 3_901.0)
    assert not probe.begin(4_000.0)
    assert probe.begin(7_502.0)
    prove(probe, 7_502.0)
    assert probe.state == "ok"
    assert not probe.is_rested(1e9)


def test_refused_after_a_rest(probe: Probe) -> None:
    """A broker that then refuses it in so many words is not asked again and again."""
    assert [cut(probe, start_s) for start_s in (100.0, 200.0, 300.0)] == [True] * 3
    assert probe.begin(4_000.0)
    probe.refuse("Not authorized")
    assert not probe.is_rested(1e9)


NOT_CUT: list[tuple[str, dict[str, Any]]] = [
    ("the network, or we", {"hung_up": False}),
    ("before the probe was sent", {"sent": False}),
    ("long after it", {"after_s": 10.1}),
]


@pytest.mark.parametrize("how", [row[1] for row in NOT_CUT], ids=[row[0] for row in NOT_CUT])
def test_ends_that_say_nothing_of_the_rules(probe: Probe, how: dict[str, Any]) -> None:
    """However often: the probe is there for links that flap."""
    assert [cut(probe, start_s, **how) for start_s in (100.0, 200.0, 300.0, 400.0)] == [True] * 4


def test_cuts_count_in_a_row(probe: Probe) -> None:
    """Two, a connection that stood, and two more: such is a network, not a rule."""
    pauses_s = (0.1, 0.1, 60.0, 0.1, 0.1)
    assert [cut(probe, 100.0 * n, after_s=pause_s) for n, pause_s in enumerate(pauses_s, 1)] == [True] * 5
    assert probe.begin(1_000.0)


def test_proven_probes_are_never_cut(probe: Probe) -> None:
    """Where one has come back, connections that end early say nothing about the rules."""
    prove(probe, 100.0)
    probe.end(100.1, hung_up=True)
    assert [cut(probe, start_s) for start_s in (200.0, 300.0, 400.0, 500.0)] == [True] * 4
