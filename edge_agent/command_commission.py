"""``edge-agent commission``: what is known of the units, and forgetting one that was exchanged or repaired."""

from __future__ import annotations

from pathlib import Path

from edge_agent.commissioning import ANY_BUNDLE
from edge_agent.config import AgentConfig, load_config
from edge_agent.errors import ConfigError
from edge_agent.exit_code import ExitCode
from edge_agent.output import complain, say, say_json
from edge_agent.unit_files import read_units, request_reset, reset_requests, units_folder
from edge_agent.unit_state import UnitState

_SHOWN_SHIFTS = 3


def commission_status(config_path: Path, *, engine: str, as_json: bool) -> ExitCode:
    """Print what is known of every unit, or of one.

    Raises:
        ConfigError: The config is wrong, the folder cannot be read, or nothing is known of the engine.
    """
    states, awaited = _read(load_config(config_path))
    if engine and engine not in states:
        raise ConfigError(
            f"--engine: expected one of {', '.join(sorted(states)) or 'none yet'}, got {engine!r}; "
            "the bundle may allow no commissioning, or the engine has not flown yet"
        )
    chosen = [state for name, state in sorted(states.items()) if engine in ("", name)]
    if as_json:
        say_json({"units": [state.to_document() for state in chosen], "resets_awaited": awaited})
        return ExitCode.OK
    for state in chosen:
        say(_line(state))
    for name in awaited:
        say(f"{name}: to be commissioned anew; the agent has not seen to it yet")
    if not chosen and not awaited:
        say("no unit is being commissioned")
    return ExitCode.OK


def commission_reset(config_path: Path, *, engine: str, as_json: bool) -> ExitCode:
    """Ask for a unit to be commissioned anew; a running agent does so with the engine's next flight.

    Raises:
        ConfigError: The config is wrong, or the folder cannot be written.
    """
    config = load_config(config_path)
    if "/" not in engine.strip("/"):
        raise ConfigError(f"--engine: expected aircraft/engine, got {engine!r}; write for example OO-ABC/1")
    request_reset(units_folder(config.agent.state_dir), engine)
    if as_json:
        say_json({"engine": engine, "reset": "requested"})
    else:
        say(f"{engine}: commissioned anew from its next flight on")
    return ExitCode.OK


def _read(config: AgentConfig) -> tuple[dict[str, UnitState], list[str]]:
    folder = units_folder(config.agent.state_dir)
    try:
        states, faults = read_units(folder)
        awaited = list(reset_requests(folder).values())
    except OSError as error:
        raise ConfigError(
            f"agent.state_dir: expected a folder that can be read, got {folder}: {error.strerror}; "
            "ask as the agent's user or as root"
        ) from error
    for fault in faults:
        complain(fault)
    return states, awaited


def _line(state: UnitState) -> str:
    windows = sum(flight.windows for flight in state.flights)
    learned = f"{len(state.flights)} flights learned from ({windows} windows), {state.refused} refused"
    if state.bundle_digest == ANY_BUNDLE:
        return f"{state.engine}: reset; commissioned anew from its next flight on"
    if not state.shift:
        return f"{state.engine}: {state.stage}, {learned}"
    largest = max(abs(shift) for shift in state.shift)
    clipped = f", limited in {', '.join(state.clipped[:_SHOWN_SHIFTS])}" if state.clipped else ""
    return f"{state.engine}: {state.stage}, {learned}; largest shift {largest:.2f} spreads{clipped}"
