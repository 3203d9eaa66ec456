"""A broker that does what a real one never would: says nonsense, takes everything and answers nothing."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 0x10, 0x30, 0x80, 0xC0
CONNACK = bytes([0x20, 3, 0, 0, 0])
PINGRESP = bytes([0xD0, 0])

Packet = tuple[int, bytes]
"""Type, and what comes after the length."""


class Peer:
    """The broker's end of one connection that speaks MQTT 5."""

    def __init__(self, opened: socket.socket) -> None:
        self._opened = opened

    def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._opened.sendall(data)

    def wait(self) -> None:
        """Read nothing more, until the other end is gone."""
        poll = select.poll()
        poll.register(self._opened, select.POLLRDHUP)
        poll.poll(60_000)

    def packets(self) -> Iterator[Packet]:
        """What comes, until the other end hangs up."""
        while kind := self._take(1):
            length = shift = 0
            while (byte := self._take(1)[0]) & 0x80:
                length |= (byte & 0x7F) << shift
                shift += 7
            yield kind[0] & 0xF0, self._take(length | byte << shift)

    def _take(self, n: int) -> bytes:
        data = b""
        while len(data) < n and (more := self._opened.recv(n - len(data))):
            data += more
        return data


def suback(packet: Packet) -> bytes:
    """The answer to a SUBSCRIBE: every topic granted."""
    body, n = packet[1], 0
    at = 3 + body[2]
    while at < len(body):
        at += 2 + int.from_bytes(body[at : at + 2], "big") + 1
        n += 1
    return bytes([0x90, 3 + n]) + body[:2] + b"\x00" + b"\x01" * n


def answer_connect(peer: Peer) -> None:
    """Accept the connection and the subscriptions; take everything else, and answer nothing but pings."""
    for packet in peer.packets():
        answers = {CONNECT: CONNACK, PINGREQ: PINGRESP}
        if packet[0] == SUBSCRIBE:
            peer.say(suback(packet))
        elif packet[0] in answers:
            peer.say(answers[packet[0]])


@contextmanager
def fake_broker(play: Callable[[Peer], None]) -> Iterator[int]:
    """A port on which each connection is served by ``play`` in a thread of its own."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve(opened: socket.socket) -> None:
        with opened, suppress(OSError, IndexError):
            play(Peer(opened))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
