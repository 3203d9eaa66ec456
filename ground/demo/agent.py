"""The agent as its own process, with its own config file, as a systemd unit would run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ground.demo.listener import Listener
from ground.errors import GroundError
from ground.publish import Broker

ONLINE = b'"online"'
_STOP_PATIENCE_S = 15.0

_AGENT_TOML = """\
# Written by the demo; packaging/agent.toml explains every key.
[agent]
id = "demo"
fleet = {fleet}
state_dir = {state}

[bundle]
path = {bundle}
keys = [{key}]
# The demo also runs bundles whose gates are not all decided; an aircraft in service never does.
allow_development = true

[broker]
host = "{host}"
port = {port}

[limits]
inbox_frames = 4096
inbox_bytes = 268435456

[evidence]
# The link is this machine's own.
ship_kib_s = 65536
"""


@contextmanager
def running_agent(
    folder: Path, *, bundle: Path, key: Path, fleet: str, broker: Broker, listener: Listener
) -> Iterator[Path]:
    """Run the agent until the block ends, then stop it as systemd would.

    Args:
        folder: Receives ``agent.toml``, ``agent.log`` and the agent's state.
        bundle: The signed bundle.
        key: Public key it must be signed with.
        fleet: The agent's fleet.
        broker: Where frames come from and results go.
        listener: Tells when the agent is online.

    Yields:
        The config file.

    Raises:
        GroundError: The agent does not come up, or does not stop cleanly; the text holds the end of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "agent.toml", folder / "agent.log"
    config.write_text(
        _AGENT_TOML.format(
            fleet=json.dumps(fleet), state=json.dumps(str(folder / "state")), bundle=json.dumps(str(bundle)),
            key=json.dumps(str(key)), host=broker.host, port=broker.port,
        )
    )  # fmt: skip
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "edge_agent", "run", "--config", str(config)]
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        try:
            if not listener.wait_for_status(ONLINE):
                raise GroundError(f"agent: expected it online, got this log:\n{_tail(log)}")
            yield config
        finally:
            code = _stop(process)
    if code != 0:
        raise GroundError(f"agent: expected a clean stop, got exit code {code} and this log:\n{_tail(log)}")


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(_STOP_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:])
