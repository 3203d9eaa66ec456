"""The states of all units: at hand in memory for the worker, kept on disk by a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import structlog

from edge_agent.commissioning import ANY_BUNDLE
from edge_agent.errors import ConfigError
from edge_agent.unit_files import read_units, remove_unit, reset_requests, write_unit
from edge_agent.unit_state import COMMISSIONING, UnitState, new_unit

LONGEST_WAIT_S: Final = 1.0
"""A request to forget a unit is seen after this."""
_REST_S: Final = 0.5
"""Between two rounds of writing: a source that names another flight in every frame must not wear the disk out."""
AGAIN_S: Final = 5.0
"""What the disk refused is tried again after this: a unit that has been learned does not change any more."""

_log = structlog.get_logger(__name__)


class Units(Protocol):
    """Where detectors take what is known of their unit from."""

    def state_of(self, engine: str) -> UnitState:
        """What is known of an engine, ``aircraft/engine``; a unit without a name where nothing is."""

    def take_resets(self) -> tuple[str, ...]:
        """Engines that are to be forgotten, each told once."""


@dataclass(frozen=True, slots=True)
class FixedUnits:
    """What was known of units at the beginning of a replay; of nobody by default."""

    states: Mapping[str, UnitState] = field(default_factory=dict)

    def state_of(self, engine: str) -> UnitState:
        """See ``Units``."""
        return self.states.get(engine, new_unit("", ""))

    def take_resets(self) -> tuple[str, ...]:
        """See ``Units``."""
        return ()


class UnitStore:
    """Units in memory and, a moment later, on disk. The worker calls it and never waits for the disk.

    Args:
        folder: Where the files lie; made when there is something to keep.
        limit: Most units that are kept: engines are named by frames, and invented ones must not fill the disk. Beyond,
            the oldest goes that nothing was learned of: nor must they keep out real ones.

    Raises:
        ConfigError: The folder is there and cannot be read.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        try:
            self._states, faults = read_units(folder)
        except OSError as error:
            raise ConfigError(
                f"agent.state_dir: expected a folder {folder} that can be read, got {error.strerror}; give it to the "
                "agent's user"
            ) from error
        for fault in faults:
            _log.error("unit state not read", error=fault)
        self._changed: dict[str, UnitState] = {}
        self._gone: set[str] = set()
        self._resets: tuple[str, ...] = ()
        self._reset: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._write_errors = 0
        self._again_s = 0.0
        self._told: set[tuple[str, str]] = set()
        self._take_requests()
        self._thread = threading.Thread(target=self._run, name="units", daemon=True)

    @property
    def write_errors(self) -> int:
        """Times that a unit's state was not written."""
        return self._write_errors

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def bound(self, limit: int) -> None:
        """Keep at most so many from the next new unit on."""
        self._limit = limit

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Write what is not written yet, and end."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s)

    def state_of(self, engine: str) -> UnitState:
        """See ``Units``."""
        with self._lock:
            return self._states.get(engine, new_unit("", ""))

    def take_resets(self) -> tuple[str, ...]:
        """See ``Units``."""
        if not self._resets:
            return ()
        with self._lock:
            resets, self._resets = self._resets, ()
        return resets

    def put(self, state: UnitState) -> None:
        """Keep a state in the place of the unit's former one."""
        with self._lock:
            if self._is_outdated(state):
                return
            if state.engine not in self._states and not self._has_room():
                return
            self._gone.discard(state.engine)
            self._states[state.engine] = self._changed[state.engine] = state
        self._wake.set()

    def _is_outdated(self, state: UnitState) -> bool:
        """Whether it comes of a judgement before the unit's reset, which observers see later."""
        is_new = state.bundle_digest == ANY_BUNDLE or not (state.flights or state.shift or state.refused)
        if is_new:
            self._reset.discard(state.engine)
        return state.engine in self._reset

    def _has_room(self) -> bool:
        if len(self._states) < self._limit:
            return True
        idle = next(
            (name for name, each in self._states.items() if each.stage == COMMISSIONING and not each.flights), ""
        )
        if idle:
            del self._states[idle]
            self._changed.pop(idle, None)
            self._gone.add(idle)
        return bool(idle)

    def _run(self) -> None:
        while not self._stopping.wait(_REST_S):
            self._wake.wait(LONGEST_WAIT_S - _REST_S)
            self._wake.clear()
            if time.monotonic() >= self._again_s:
                before = self._write_errors
                self._write()
                self._take_requests()
                if self._write_errors == before:
                    self._told.clear()
        self._write()

    def _write(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, {}
            gone, self._gone = self._gone, set()
        for engine in gone:
            try:
                remove_unit(self._folder, engine)
            except Exception as error:  # noqa: BLE001 - one unit must not end the keeping of the others
                self._refused("unit state not removed", error, engine=engine)
                with self._lock:
                    # Invented names must not fill the memory instead of the disk.
                    if engine not in self._states and len(self._gone) < self._limit:
                        self._gone.add(engine)
        for state in changed.values():
            try:
                write_unit(self._folder, state)
            except ValueError as error:
                # A number that JSON does not know must not end the keeping of other units; it is none a second later.
                self._write_errors += 1
                _log.error("unit state not written", engine=state.engine, error=str(error))
            except Exception as error:  # noqa: BLE001 - as above
                self._refused("unit state not written", error, engine=state.engine)
                with self._lock:
                    if state.engine in self._states:
                        self._changed.setdefault(state.engine, state)

    def _take_requests(self) -> None:
        try:
            for path, engine in reset_requests(self._folder).items():
                state = new_unit(engine, ANY_BUNDLE, COMMISSIONING)
                write_unit(self._folder, state)
                path.unlink(missing_ok=True)
                with self._lock:
                    self._states[engine] = state
                    self._changed.pop(engine, None)
                    self._reset.add(engine)
                    self._resets += (engine,)
                _log.info("unit reset", engine=engine)
        except Exception as error:  # noqa: BLE001 - as above
            self._refused("unit not reset", error, folder=str(self._folder))

    def _refused(self, event: str, error: Exception, **what: str) -> None:
        """Count it, and say it once until all is written; a fault of our own code with its traceback."""
        self._write_errors += 1
        self._again_s = time.monotonic() + AGAIN_S
        key = (event, str(error.errno) if isinstance(error, OSError) else type(error).__name__)
        if key not in self._told:
            self._told.add(key)
            _log.error(event, error=str(error), exc_info=not isinstance(error, OSError), **what)
