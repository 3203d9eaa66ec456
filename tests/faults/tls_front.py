"""A front that speaks TLS for a plain broker, as load balancers do: it packs what it has into few records."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.faults.certificates import Pair

_RECORD_BYTES = 16_384
_GATHER_S = 0.05


class TlsFront:
    """Copies bytes between clients that speak TLS and a broker on this machine that does not."""

    def __init__(self, target: int, pair: Pair) -> None:
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pair.certificate, pair.key)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._open = True
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._open = False
        self._thread.join()
        self._server.close()

    def _accept(self) -> None:
        while self._open:
            with suppress(OSError):
                plain, _ = self._server.accept()
                plain.settimeout(None)
                with self._context.wrap_socket(plain, server_side=True) as near:
                    self._serve(near)

    def _serve(self, near: ssl.SSLSocket) -> None:
        with socket.create_connection(("127.0.0.1", self._target)) as far:
            while self._open:
                ready = select.select([near, far], [], [], 0.1)[0] or ([near] if near.pending() else [])
                if near in ready:
                    if not (data := near.recv(_RECORD_BYTES)):
                        return
                    far.sendall(data)
                if far in ready:
                    time.sleep(_GATHER_S)
                    if not (data := far.recv(_RECORD_BYTES)):
                        return
                    near.sendall(data)


@contextmanager
def tls_front(target: int, pair: Pair) -> Iterator[TlsFront]:
    """A front for a port of this machine."""
    front = TlsFront(target, pair)
    try:
        yield front
    finally:
        front.close()
