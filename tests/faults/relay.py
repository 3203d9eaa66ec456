"""A way to a broker on which everything can go wrong: cut, muted, slow, or edited."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

UNSUBSCRIBE = 0xA2
UNSUBACK = 0xB0


class Relay:
    """Copies bytes between clients and a broker on this machine.

    Args:
        target: Port of the broker.
        refuse_v5: Hang up on version 5, as an old broker does.
        delay_s: How long each piece of bytes is on its way, in each direction.
    """

    def __init__(self, target: int, *, refuse_v5: bool = False, delay_s: float = 0.0) -> None:
        self._target = target
        self._refuse_v5 = refuse_v5
        self._delay_s = delay_s
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._muted: set[socket.socket] = set()
        self._swallowed: set[int] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._whole = threading.Event()
        self._whole.set()
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections, and let no new one through."""
        self._whole.clear()
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections through again."""
        self._whole.set()

    def mute(self) -> None:
        """Swallow what the broker says on the present connections."""
        self._muted.update(near for near, _ in self._pairs)

    def deafen(self) -> None:
        """Swallow what the client says on the present connections."""
        self._muted.update(far for _, far in self._pairs)

    def unsubscribe(self, *topics: str, v5: bool = True) -> None:
        """Have the broker drop subscriptions of the present connections without a word to the client."""
        properties = b"\x00" if v5 else b""
        names = b"".join(len(topic).to_bytes(2, "big") + topic.encode() for topic in topics)
        body = b"\xff\xfe" + properties + names  # a packet number far from those the client has come to
        assert len(body) < 128
        self._swallowed.add(UNSUBACK)
        for _, far in self._pairs:
            with suppress(OSError):
                far.sendall(bytes([UNSUBSCRIBE, len(body)]) + body)

    def close(self) -> None:
        """End it."""
        self.cut()
        self._server.close()
        for pair in self._pairs:
            for end in pair:
                end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if not self._whole.is_set():
                    near.close()
                    continue
                threading.Thread(target=self._open, args=(near,), daemon=True).start()

    def _open(self, near: socket.socket) -> None:
        with suppress(OSError):
            first = near.recv(65_536)
            # CONNECT: type, length of one or two bytes, then 00 04 "MQTT" and the protocol level.
            if self._refuse_v5 and first[first.index(b"MQTT") + 4] == 5:
                near.close()
                return
            far = self._broker_or_close(near)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far.sendall(first)
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _broker_or_close(self, near: socket.socket) -> socket.socket:
        """A connection to the broker; where it does not answer, the client's ends, too."""
        try:
            return socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            near.close()
            raise

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if self._delay_s:
                    time.sleep(self._delay_s)
                if sink not in self._muted and data[0] not in self._swallowed:
                    sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(target: int, *, refuse_v5: bool = False, delay_s: float = 0.0) -> Iterator[Relay]:
    """A relay to a port of this machine."""
    way = Relay(target, refuse_v5=refuse_v5, delay_s=delay_s)
    try:
        yield way
    finally:
        way.close()
