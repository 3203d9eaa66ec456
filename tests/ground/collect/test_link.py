"""Answers of a broker: which end a collector, and what it says of the others."""

from __future__ import annotations

import re
import socket
import threading

import pytest

from ground.fleet.collect.link import BrokerAddress, CollectError, Intake
from ground.fleet.collect.reminder import AGAIN_S, Reminder

FILTERS = ("a/+", "b/+")


class Scripted:
    """A broker that answers one client with codes: to CONNECT, to SUBSCRIBE, then by DISCONNECT; ``None`` hangs up."""

    def __init__(self, *codes):
        self._codes = codes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection:
            for make, code in zip((self._connack, self._suback, self._disconnect), self._codes, strict=False):
                if code is None:
                    return
                connection.sendall(make(connection, code))
            connection.settimeout(30)
            while connection.recv(4_096):
                pass

    @staticmethod
    def _connack(connection, code):
        connection.recv(4_096)
        return bytes((0x20, 3, 0, code, 0))

    @staticmethod
    def _suback(connection, code):
        number = connection.recv(4_096)[2:4]
        return bytes((0x90, 3 + len(FILTERS), *number, 0, 1, code))

    @staticmethod
    def _disconnect(_connection, code):
        return bytes((0xE0, 1, code))

    def close(self):
        """When its client has gone."""
        self._thread.join()
        self._listener.close()


@pytest.fixture
def outcome():
    """What a collector says of a broker that answers so, and which it gives up."""
    made = []

    def run(*codes):
        broker = Scripted(*codes)
        address = BrokerAddress(host="127.0.0.1", port=broker.port)
        intake = Intake(address, name="c", filters=FILTERS, group="g", on_subscribed=lambda: None)
        made.append((broker, intake))
        intake.open()
        while intake.turn(0.05):
            pass
        return intake.loss

    yield run
    for broker, intake in made:
        intake.close()
        intake._client._reset_sockets()
        broker.close()


@pytest.mark.parametrize("code", [0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x9D])
def test_what_trying_again_does_not_change_ends_it(outcome, code):
    """A name, a password, a ban."""
    with pytest.raises(CollectError, match=r"expected to be let in, got .*; check --username"):
        outcome(code)


@pytest.mark.parametrize(
    ("code", "said"), [(0x88, "Server unavailable"), (0x89, "Server busy"), (0x97, "Quota exceeded")]
)
def test_a_broker_that_is_busy_is_waited_for(outcome, code, said):
    """As one that is away; it says which."""
    assert re.fullmatch(
        rf"127\.0\.0\.1:\d+: expected the connection to stand, got {said}; it is tried again", outcome(code)
    )


@pytest.mark.parametrize("code", [0x87, 0x8F, 0x9E, 0xA2])
def test_topics_that_are_kept_from_it(outcome, code):
    """They are named."""
    with pytest.raises(CollectError, match=r"expected to read \$share/g/b/\+, got a refusal; allow this user"):
        outcome(0, code)


def test_a_subscription_that_is_refused_for_now(outcome):
    """It is asked for again, on another connection."""
    assert "got Quota exceeded for $share/g/b/+; it is tried again" in outcome(0, 0x97)


def test_what_the_broker_says_last(outcome):
    """It is the reason: a second collector of the name on another machine, say."""
    assert "got Session taken over; it is tried again" in outcome(0, 1, 0x8E)
    assert "got The connection was lost; it is tried again" in outcome(0, None)


def test_an_outage_is_told_of_once_an_hour():
    """Each thing that is wrong, and the next outage anew."""
    now_s, said = [0.0], []
    outage = Reminder(said.append, now_s=lambda: now_s[0])
    for now_s[0] in (0.0, AGAIN_S / 2, AGAIN_S, 1.5 * AGAIN_S):
        outage.tell("lost")
    assert said == ["lost", "lost"]
    outage.tell("busy")
    outage.end()
    outage.tell("busy")
    assert said[2:] == ["busy", "busy"]
