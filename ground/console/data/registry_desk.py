"""The registry as pages ask it: asked beside them, so that one that is down costs a banner and no page."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from ground.console.settings import ConsoleSettings

if TYPE_CHECKING:
    from ground.fleet.registry.history import History
    from ground.fleet.registry.registry import Registry

FOLDER: Final = "registry"
"""Of a workspace: where `ground registry` keeps it by default."""
FRESH_S: Final = 5.0
"""An answer is used again for so long."""
PATIENCE_S: Final = 1.0
"""So long a page waits for a first answer; later ones it does not wait for."""

_NOT_YET: Final = "The registry has not answered yet; load the page again."
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the registry said last.

    Attributes:
        histories: Decisions and versions, by detector.
        trouble: Why it is not known, or may be old; empty where it has answered.
        is_begun: Whether there is a registry at all.
    """

    histories: Mapping[str, History] = field(default_factory=dict)
    trouble: str = ""
    is_begun: bool = True


def desk_of(settings: ConsoleSettings) -> RegistryDesk:
    """The desk of the registry that a console is told, or of the one in its workspace."""
    return RegistryDesk(settings.registry or str(settings.workspace / FOLDER), is_own=not settings.registry)


class RegistryDesk:
    """Asks one registry.

    Args:
        location: A folder, or the URL of a server.
        is_own: Whether it is the folder that a workspace has by default: one that is not there has not been begun.
    """

    def __init__(self, location: str, *, is_own: bool) -> None:
        self.location = location
        self._is_own = is_own
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._standing = Standing(trouble=_NOT_YET)
        self._asked_s = -FRESH_S
        self._is_asking = False
        self._decisions = 0

    def standing(self) -> Standing:
        """What the registry says, or said last."""
        self.ask()
        self._answered.wait(PATIENCE_S)
        return self._standing

    def ask(self) -> None:
        """Ask beside whatever else is done, unless there is a fresh answer; the very first takes seconds."""
        with self._lock:
            if not self._is_asking and time.monotonic() - self._asked_s >= FRESH_S:
                self._is_asking = True
                threading.Thread(target=self._ask, name="registry", daemon=True).start()

    def open(self) -> Registry:
        """The registry itself, for a decision.

        Raises:
            RegistryError: It does not answer.
        """
        from ground.fleet.registry.registry import open_registry

        return open_registry(self.location)

    def forget(self) -> None:
        """Ask anew next time, such as after a decision."""
        with self._lock:
            self._asked_s = -FRESH_S
            self._decisions += 1
            self._answered.clear()

    def _ask(self) -> None:
        is_late = True
        while is_late:
            decisions = self._decisions
            found = self._look()
            with self._lock:
                # What was read before a decision says nothing about it.
                is_late = self._decisions != decisions
                self._standing = found
                if not is_late:
                    self._is_asking, self._asked_s = False, time.monotonic()
                    self._answered.set()

    def _look(self) -> Standing:
        if self._is_own and not Path(self.location).is_dir():
            return Standing(is_begun=False)
        try:
            registry = self.open()
            return Standing(histories={name: registry.history(name) for name in registry.detectors()})
        except Exception as error:  # noqa: BLE001 - a thread that ends would leave pages without an answer for good
            _log.warning("registry not read", location=self.location, error=str(error))
            return Standing(
                histories=self._standing.histories,
                trouble=f"The registry does not answer, so states of versions are unknown or old. {error}",
            )
