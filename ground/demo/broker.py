"""A real broker on loopback for the length of a demo: iotcore (rumqttd in a wheel), or an installed mosquitto."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ground.errors import ConfigError, GroundError
from ground.publish import Broker

IOTCORE = "iotcore"
MOSQUITTO = "mosquitto"
LOOPBACK = "127.0.0.1"
_PATIENCE_S = 15.0
_ROOT_PATH = "/usr/sbin:/usr/local/sbin"

# The wheel's defaults take 20 kB a message and speak MQTT 3.1.1 only.
_RUMQTTD_TOML = """\
id = 0

[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "demo"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 16777216
max_inflight_count = 500
dynamic_filters = true
"""


def check_broker(kind: str) -> None:
    """See that a broker can be had before long work starts.

    Raises:
        ConfigError: Neither ``iotcore`` nor ``mosquitto``, or mosquitto is not installed.
    """
    if kind not in {IOTCORE, MOSQUITTO}:
        raise ConfigError(f"--broker: expected {IOTCORE} or {MOSQUITTO}, got {kind!r}; choose one of them")
    if kind == MOSQUITTO:
        _mosquitto_program()


@contextmanager
def running_broker(kind: str, folder: Path, *, settings: Sequence[str] = ()) -> Iterator[Broker]:
    """Run a broker on a free loopback port while the block runs.

    Args:
        kind: ``iotcore`` or ``mosquitto``.
        folder: Receives the broker's config.
        settings: Further lines of mosquitto's.

    Raises:
        ConfigError: Another kind, or mosquitto is not installed.
        GroundError: It does not start.
    """
    check_broker(kind)
    port = free_port()
    yield from _iotcore(folder, port) if kind == IOTCORE else _mosquitto(folder, port, settings)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _iotcore(folder: Path, port: int) -> Iterator[Broker]:
    from iotcore import Broker as Embedded

    config = folder / "rumqttd.toml"
    config.write_text(_RUMQTTD_TOML.format(host=LOOPBACK, port=port))
    try:
        embedded = Embedded(config_path=str(config)).start()
    except (OSError, RuntimeError) as error:
        raise GroundError(f"iotcore: expected a running broker, got {error}; try BROKER=mosquitto") from error
    try:
        yield Broker(LOOPBACK, port)
    finally:
        embedded.stop()


def _mosquitto(folder: Path, port: int, settings: Sequence[str]) -> Iterator[Broker]:
    program = _mosquitto_program()
    config = folder / "mosquitto.conf"
    lines = (f"listener {port} {LOOPBACK}", "allow_anonymous true", "persistence false", "set_tcp_nodelay true")
    config.write_text("\n".join((*lines, *settings, "")))
    process = subprocess.Popen([program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for_port(port, process)
        yield Broker(LOOPBACK, port)
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _mosquitto_program() -> str:
    # Debian puts it where only root's PATH looks.
    program = shutil.which(MOSQUITTO) or shutil.which(MOSQUITTO, path=_ROOT_PATH)
    if program is None:
        raise ConfigError("mosquitto: expected it to be installed, got none; apt-get install mosquitto")
    return program


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.02)
    raise GroundError(f"mosquitto: expected it to listen on port {port}, got nothing; see its own log")
