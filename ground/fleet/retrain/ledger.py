"""The runs of retraining in a workspace: one folder each, so that a killed one goes on and a finished one stays.

retraining/<run>/config.yaml      the config with which it trains
retraining/<run>/selection.json   which flights were taken and left, and why
retraining/<run>/run.json         what it is for, and how far it is; written last
retraining/skipped.jsonl          events that were not followed, a line each
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final

from edge_agent.errors import BundleError
from edge_agent.strict_json import parse_json
from ground.config import load_config
from ground.errors import ConfigError, DataError
from ground.fleet.collect.locks import lock_alone
from ground.fleet.retrain.cause import Cause
from ground.fleet.retrain.event import DriftEvent
from ground.workspace import Workspace, write_atomic
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

SCHEMA: Final = 1
RETRAINING: Final = "retraining"
RUN: Final = "run.json"
CONFIG: Final = "config.yaml"
SELECTION: Final = "selection.json"
SKIPPED: Final = "skipped.jsonl"
_DIGITS = 12
_MONTHS_A_QUARTER = 3


class State(Enum):
    """How far a run is."""

    OPEN = "open"
    """Under way, killed, or waiting for a signature: the same command goes on with it."""
    NOT_RELEASED = "not_released"
    """A gate failed or stayed undecided: the same command begins it anew once flights or config are others."""
    DONE = "done"
    """The same command does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One retraining.

    Attributes:
        name: Its folder.
        cause: Why.
        event: Digest of the event; empty for none.
        detector: Name of the detector.
        fleet: The fleet that it is made for.
        version: The version it makes.
        sequence: The sequence of that bundle.
        begun: When, ISO 8601 in UTC.
        basis: Digest of what the choice of flights was made from.
        state: How far it is.
    """

    name: str
    cause: str
    event: str
    detector: str
    fleet: str
    version: str
    sequence: int
    begun: str
    basis: str
    state: str

    @property
    def bundle_id(self) -> str:
        """``<detector>/<version>``."""
        return f"{self.detector}/{self.version}"


class Ledger:
    """The runs of a workspace.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.folder = workspace.root / RETRAINING

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else retrains in this workspace meanwhile.

        Raises:
            ConfigError: Somebody does.
            OSError: The folder cannot be made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = lock_alone(self.folder, where="--workspace", action="wait until that retraining has ended")
        try:
            yield
        finally:
            lock.close()

    def name_of(self, cause: Cause, event: DriftEvent | None, detector: str, fleet: str, now: datetime) -> str:
        """The name of the run that a command is about; the same for the same event, and for the same quarter.

        A quarter is that of a detector in a fleet. A manual one is another one each time, unless one of them waits to
        be gone on with.
        """
        if event is not None:
            return f"{cause.value}-{event.digest[:_DIGITS]}"
        if cause is Cause.SCHEDULE:
            return f"{cause.value}-{detector}-{fleet}-{now.year}Q{(now.month - 1) // _MONTHS_A_QUARTER + 1}"
        sought = (cause.value, detector, fleet, State.OPEN.value)
        waiting = [run for run in self.runs() if (run.cause, run.detector, run.fleet, run.state) == sought]
        return waiting[-1].name if waiting else f"{cause.value}-{detector}-{fleet}-{now:%Y%m%dT%H%M%S.%fZ}"

    def path(self, name: str) -> Path:
        """The folder of a run."""
        return self.folder / name

    def runs(self) -> tuple[Run, ...]:
        """Every run, by name.

        Raises:
            DataError: One cannot be read.
        """
        return tuple(_read(path) for path in sorted(self.folder.glob(f"*/{RUN}")))

    def find(self, name: str) -> tuple[Run, ...]:
        """The run of that name; empty where there is none.

        Raises:
            DataError: It cannot be read.
        """
        path = self.path(name) / RUN
        return (_read(path),) if path.exists() else ()

    def write(self, run: Run, state: State) -> Run:
        """Put down how far a run is.

        Raises:
            OSError: The disk refuses.
        """
        changed = replace(run, state=state.value)
        write_atomic(self.path(run.name) / RUN, json_bytes({"schema": SCHEMA, **asdict(changed)}))
        return changed

    def skip(self, cause: str, why: str, now: datetime) -> int:
        """Put down that a cause was not followed, once for each reason.

        Args:
            cause: Digest of the event, or the name of the run.
            why: The reason.
            now: The time.

        Returns:
            How many causes were not followed until now.

        Raises:
            OSError: The disk refuses.
        """
        path = self.folder / SKIPPED
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        told = [_skipped(line, path) for line in lines]
        if (cause, why) not in told:
            entry = json.dumps({"cause": cause, "why": why, "at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}, sort_keys=True)
            write_atomic(path, "".join(f"{line}\n" for line in [*lines, entry]).encode())
        return len({cause, *(each for each, _ in told)})


def json_bytes(document: dict[str, Any]) -> bytes:
    """JSON for files that people read, too."""
    return f"{json.dumps(document, indent=1, sort_keys=True)}\n".encode()


def utc_now() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


def _skipped(line: str, path: Path) -> tuple[str, str]:
    try:
        document = json.loads(line)
        return str(document["cause"]), str(document["why"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected causes that were skipped, got {line[:80]!r}; move the file away") from error


def _read(path: Path) -> Run:
    try:
        document = parse_json(path.read_bytes(), where=path.name)
        schema = document.pop("schema", None) if isinstance(document, dict) else None
        if schema == SCHEMA and "fleet" not in document:
            # Runs that were begun before fleets were kept apart.
            document["fleet"] = load_config(path.with_name(CONFIG)).bundle.fleet
        return from_mapping(Run, document if schema == SCHEMA else {}, where=path.name)
    except (OSError, ValueError, BundleError, SpecError, ConfigError) as error:
        raise DataError(
            f"{path}: expected the record of a retraining, got {error!s:.200}; move its folder away to begin anew"
        ) from error
