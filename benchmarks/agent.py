"""The agent under load: a process of its own with a config file of its own, as on board."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench_bundle import FLEET, BenchBundle
from benchmarks.processes import Program, running

if TYPE_CHECKING:
    from ground.publish import Broker

AGENT = "bench"

# What is not said here is the agent's default: limits, deadline and topics are those of an agent in service.
_AGENT_TOML = """\
[agent]
id = {agent}
fleet = {fleet}
state_dir = {state}
log_level = "warning"

[bundle]
path = {bundle}
keys = [{key}]

[broker]
host = {host}
port = {port}
"""


def write_config(folder: Path, bundle: BenchBundle, *, host: str, port: int, tables: str = "") -> Path:
    """Write the config of an agent that runs a bundle; ``tables`` are further tables of it, as TOML."""
    config = folder / "agent.toml"
    texts = {
        "agent": AGENT,
        "fleet": FLEET,
        "state": str(folder / "state"),
        "bundle": str(bundle.path),
        "key": str(bundle.public_key),
        "host": host,
    }
    # A JSON text is a basic string of TOML.
    quoted = {name: json.dumps(text) for name, text in texts.items()}
    config.write_text(_AGENT_TOML.format(**quoted, port=port) + tables, encoding="utf-8")
    return config


def shadow_table(shadow: BenchBundle) -> str:
    """The table of the config that names a second bundle to look along."""
    return f"\n[shadow]\npath = {json.dumps(str(shadow.path))}\nkeys = [{json.dumps(str(shadow.public_key))}]\n"


@contextmanager
def running_agent(
    folder: Path, bundle: BenchBundle, broker: Broker, *, tables: str = "", python: str = sys.executable
) -> Iterator[Program]:
    """Run ``edge-agent`` on a bundle; it is online some time later.

    Args:
        folder: Receives its config, state and log.
        bundle: What it runs.
        broker: Where frames come from and results go.
        tables: Further tables of its config, as TOML.
        python: The interpreter that has the agent.
    """
    config = write_config(folder, bundle, host=broker.host, port=broker.port, tables=tables)
    command = (python, "-m", "edge_agent", "run", "--config", str(config))
    with running("agent", command, folder) as program:
        yield program
