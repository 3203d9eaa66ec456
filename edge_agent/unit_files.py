"""The folder ``units`` in the state folder: one file a unit, and requests to forget one.

Names of engines come from frames and may hold any sign, so files are named by digest; each holds the name itself.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from edge_agent.errors import ConfigError, UnitStateError
from edge_agent.slots_disk import make_folder, write_new
from edge_agent.unit_state import UnitState

UNITS: Final = "units"
_STATE: Final = ".json"
_RESET: Final = ".reset"
_NAME_DIGITS: Final = 32


def units_folder(state_dir: Path) -> Path:
    """Where the states lie."""
    return state_dir / UNITS


def write_unit(folder: Path, state: UnitState) -> None:
    """Replace the file of a unit; a reader or a crash sees the old one or the new one.

    Raises:
        OSError: The disk refuses.
    """
    _replace(folder / (_stem(state.engine) + _STATE), state.to_json())


def remove_unit(folder: Path, engine: str) -> None:
    """Take the file of a unit away.

    Raises:
        OSError: The disk refuses.
    """
    (folder / (_stem(engine) + _STATE)).unlink(missing_ok=True)


def read_units(folder: Path) -> tuple[dict[str, UnitState], list[str]]:
    """Every unit that is known, by engine, and what is wrong with files that could not be read."""
    states: dict[str, UnitState] = {}
    faults: list[str] = []
    for path in _files(folder, _STATE):
        try:
            state = UnitState.from_json(path.read_bytes(), where=str(path))
        except (OSError, UnitStateError) as error:
            faults.append(str(error))
            continue
        states[state.engine] = state
    return states, faults


def request_reset(folder: Path, engine: str) -> None:
    """Ask for a unit to be forgotten; the agent looks for such requests, running or when it starts.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    try:
        _replace(folder / (_stem(engine) + _RESET), engine.encode())
    except OSError as error:
        raise ConfigError(
            f"agent.state_dir: expected a folder that can be written, got {folder}: {error.strerror}; "
            "ask as the agent's user or as root"
        ) from error


def reset_requests(folder: Path) -> dict[Path, str]:
    """The engines that are to be forgotten, by the file that asks for it: remove it once that is done.

    Raises:
        OSError: A request cannot be read.
    """
    return {path: path.read_bytes().decode("utf-8", "replace") for path in _files(folder, _RESET)}


def _files(folder: Path, suffix: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == suffix)
    except FileNotFoundError:
        return []


def _stem(engine: str) -> str:
    return hashlib.sha256(engine.encode()).hexdigest()[:_NAME_DIGITS]


def _replace(path: Path, data: bytes) -> None:
    # Root resets units, too: what it makes is given to the agent, and no link of the agent's user leads it elsewhere.
    if os.geteuid() == 0 or not path.parent.is_dir():
        path.parent.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    write_new(temporary, data)
    temporary.replace(path)
