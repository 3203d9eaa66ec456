"""Who runs, who ran before and who failed: the state of the slots on disk, changed by one process at a time."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from edge_agent.audit import AuditLog
from edge_agent.errors import ConfigError, SlotRefused
from edge_agent.journal_segment import sync_folder
from edge_agent.slots_disk import locked, make_folder, read_state, write_state
from edge_agent.slots_state import SlotsState
from edge_agent.status_file import prepare_folder

SLOTS_FOLDER: Final = "bundles"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class SlotLedger:
    """The state of the slots of one agent. Other processes may change it at the same time; each change takes the lock.

    Args:
        state_dir: The agent's state folder.

    Attributes:
        folder: Where slots and state lie.
        audit: Is told of what was decided.
    """

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / SLOTS_FOLDER
        self.audit = AuditLog(state_dir)

    def state(self) -> SlotsState:
        """The state in force.

        Raises:
            SlotRefused: ``state_corrupt``.
            ConfigError: It may not be read.
        """
        with self.disk_told():
            return read_state(self.folder)

    def change(self, event: Callable[[SlotsState], SlotsState]) -> SlotsState:
        """Let something happen, and wait until what follows is on disk; nothing is written if nothing follows.

        Returns:
            The state after it.

        Raises:
            SlotRefused: The event is refused, or the slots cannot be used.
            ConfigError: This user may not write there.
        """
        with self.held() as before:
            after = event(before)
            if after != before:
                after = replace(after, generation=before.generation + 1)
                write_state(self.folder, after)
            # Only now: what the log tells has happened. What a crash keeps from it, the next change tells.
            self.audit.note_slots(before, after)
            return after

    @contextmanager
    def held(self) -> Iterator[SlotsState]:
        """The state, kept from changing meanwhile.

        Raises:
            SlotRefused: The slots cannot be used.
            ConfigError: This user may not write there.
        """
        prepare_folder(self.folder.parent)
        with self.disk_told():
            make_folder(self.folder)
            with locked(self.folder):
                self._sync()
                yield read_state(self.folder)

    def _sync(self) -> None:
        """Get on disk what is seen: who made it may have been killed before it synced it."""
        sync_folder(self.folder)
        # In whose folder the state folder lies is the machine's business; under systemd the agent may not look there.
        with suppress(PermissionError):
            sync_folder(self.folder.parent.parent)

    @contextmanager
    def disk_told(self) -> Iterator[None]:
        """Tells in words of a disk that refuses.

        Raises:
            SlotRefused: ``disk_full`` or ``disk_error``.
            ConfigError: This user may not do that.
        """
        try:
            yield
        except PermissionError as error:
            raise ConfigError(
                f"agent.state_dir: expected a folder that can be read and written, got {self.folder}: "
                f"{error.strerror}; ask as the agent's user or as root"
            ) from error
        except OSError as error:
            raise SlotRefused(
                "disk_full" if error.errno in _FULL else "disk_error",
                f"{self.folder}: expected a disk that takes it, got {error.strerror}; make room or mend it, then try "
                "again",
            ) from error
