"""``ground bridge``."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ground.errors import ConfigError
from ground.extras import installing

console = Console(highlight=False, soft_wrap=True, markup=False)

bridge_app = typer.Typer(
    no_args_is_help=True, help="Carry what agents say into other systems, and samples out of them."
)


@bridge_app.callback()
def _group() -> None:
    """Keeps ``sparkplug`` a command of its own while it is the only one."""


@bridge_app.command("sparkplug")
def sparkplug(
    config: Annotated[Path, typer.Option("--config", help="YAML config; docs/how-to/sparkplug.md explains it.")],
) -> None:
    """Engines and agents as devices of a Sparkplug B edge node, arrays of foreign devices as frames; until SIGTERM."""
    from ground.bridge.config import load_bridge

    loaded = load_bridge(config)
    try:
        from ground.bridge.service import Bridge
    except ImportError as error:
        raise ConfigError(
            f"ground bridge: expected the package {error.name}, got nothing; {installing('sparkplug')}"
        ) from error
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    bridge = Bridge(loaded, console.print)
    bridge.run(stopping)
    why = ", ".join(f"{n} {reason}" for reason, n in sorted(bridge.left_out().items()))
    tally = bridge.tally
    console.print(f"{tally.out} messages to the plant, {tally.frames} frames to agents; left out: {why or 'none'}")
