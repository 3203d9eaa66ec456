"""How long an agent takes from its start to being ready: the bundle verified, its golden vectors scored."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_TIMEOUT_S = 60.0
_LIBRARIES = (
    "import numpy, onnxruntime, paho.mqtt.client, msgpack, structlog, cryptography.hazmat.primitives.asymmetric.ec"
)


def time_starts(config: Path, folder: Path, n: int, python: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Start the agent and, in turn, a Python that only imports its libraries.

    Args:
        config: The agent's config; nothing has to listen at its broker.
        folder: Receives the socket on which the agent says that it is ready.
        n: How often.
        python: The interpreter that has the agent.

    Returns:
        (n,) seconds of wall time to READY=1, and (n,) seconds to the end of the bare imports.

    Raises:
        BenchmarkError: The agent ended, or was not ready in time.
    """
    ready, bare = np.empty(n), np.empty(n)
    for index in range(n):
        ready[index] = _agent(config, folder / f"notify{index}", python)
        bare[index] = _imports(python)
    return ready, bare


def _agent(config: Path, address: Path, python: str) -> float:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(_TIMEOUT_S)
        begin_s = time.monotonic()
        process = subprocess.Popen(
            [python, "-m", "edge_agent", "run", "--config", str(config)],
            env={**os.environ, "NOTIFY_SOCKET": str(address)}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while b"READY=1" not in manager.recv(4096):
                pass
            return time.monotonic() - begin_s
        except TimeoutError as error:
            raise BenchmarkError(f"agent: expected READY within {_TIMEOUT_S:g} s, got none; run it by hand") from error
        finally:
            process.kill()
            process.wait()


def _imports(python: str) -> float:
    begin_s = time.monotonic()
    subprocess.run([python, "-c", _LIBRARIES], check=True, stdin=subprocess.DEVNULL)
    return time.monotonic() - begin_s
