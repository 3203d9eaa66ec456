"""69 on a real disk: an ext4 whose device refuses what the kernel had taken, so that the fsync fails."""

from __future__ import annotations

import os
import subprocess
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edge_agent import slots
from edge_agent.errors import SlotRefused
from edge_agent.slots_state import NO_SLOT
from tests.faults import audit_after
from tests.faults.slot_crashes import FIRST, STATE_DIR, Slots, activate, install


class FailingDisk:
    """An ext4 on a device that has promised more than it has; only root may mount it."""

    def __init__(self, folder: Path) -> None:
        self.disk, self._beneath = folder / "disk", folder / "beneath"
        for each in (self.disk, self._beneath):
            each.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", self._beneath], check=True)

    def make(self) -> None:
        """The ext4, with room for now."""
        image = self._beneath / "disk.img"
        subprocess.run(["truncate", "-s", "16M", image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-b", "1024", image], check=True)
        self.mount()

    def mount(self) -> None:
        """Boot."""
        subprocess.run(["mount", "-o", "loop,errors=continue", self._beneath / "disk.img", self.disk], check=True)

    def umount(self) -> None:
        """Shut down."""
        subprocess.run(["umount", self.disk], check=True)

    def fail(self) -> None:
        """From now on new blocks are refused; the file system above does not know."""
        subprocess.run(["sync", "-f", self.disk], check=True)
        with suppress(OSError):
            (self._beneath / "ballast").write_bytes(bytes(8 * 1024 * 1024))

    def mend(self) -> None:
        """Undo ``fail``."""
        (self._beneath / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        """Take both away."""
        for each in (self.disk, self._beneath):
            subprocess.run(["umount", "-l", each], check=False, capture_output=True)


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[FailingDisk]:
    """See ``FailingDisk``."""
    if os.geteuid() != 0:
        pytest.skip("mounting an image needs root")
    try:
        failing = FailingDisk(tmp_path)
        failing.make()
    except subprocess.CalledProcessError:
        pytest.skip("no image can be mounted here")
    yield failing
    failing.close()


def test_row_69_fsync_fails_for_real(failing: FailingDisk, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """69: what could not be synced is refused each time it is tried; after a reboot all is as it was acknowledged."""
    monkeypatch.setattr(slots, "prove_in_child", lambda *_, **__: None)
    here = Slots(failing.disk, releases)
    for step in FIRST:
        step(here)
    before = here.ledger.state()
    failing.fail()
    refused_by: list[str] = []
    for _ in range(3):
        with pytest.raises(SlotRefused) as caught:
            install(1)(here)
        # The kernel tells a device without room as such.
        assert caught.value.reason in {"disk_error", "disk_full"}
        refused_by.append(traceback.extract_tb(caught.value.__cause__.__traceback__)[-1].line or "")
        assert here.ledger.state() == before
    assert "os.fsync" in refused_by[0]
    failing.umount()
    failing.mend()
    failing.mount()
    assert here.ledger.state() == before
    assert {here.store.open(digest).digest for digest in here.store.digests()} == {before.active.digest}
    install(1)(here)
    activate(1)(here)
    assert here.ledger.state().previous == before.active != NO_SLOT
    assert audit_after.what_is_wrong(failing.disk / STATE_DIR, here.ledger.state()) == ""
