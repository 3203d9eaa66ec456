"""Power cuts in the slots: the disk's blocks before and after each system call that writes, mounted as after a reboot.

The copy holds what has reached the device, and none of what only lies in the kernel's memory.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_agent.policy import Policy
from edge_agent.slots import SlotStore
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import NO_SLOT, SlotsState, begin_boot, give_up, loaded, mark_good, roll_back
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION

CALLS = ("write", "fsync", "replace", "rename", "unlink", "mkdir")


@dataclass
class PowerCuts:
    """An ext4 of its own, what was acknowledged on it, and a look at every moment."""

    folder: Path
    keys: TrustedKeys
    states: list[SlotsState] = field(default_factory=lambda: [SlotsState()])
    installed: set[str] = field(default_factory=set)
    n: int = 0
    is_looking: bool = False

    @property
    def image(self) -> Path:
        """The disk."""
        return self.folder / "disk.img"

    def store(self, state_dir: Path) -> tuple[SlotLedger, SlotStore]:
        """The slots in a state folder."""
        ledger = SlotLedger(state_dir)
        return ledger, SlotStore(ledger, keys=self.keys, policy=Policy(fleet="test", agent_version=AGENT_VERSION))

    def look(self) -> None:
        """Cut the power here, boot, and hold the slots against what was acknowledged."""
        self.is_looking = True
        copy = self.folder / f"copy{self.n}.img"
        subprocess.run(["cp", "--sparse=always", self.image, copy], check=True)
        with mounted(copy, self.folder / "rebooted"):
            self.check(*self.store(self.folder / "rebooted" / "state"))
        copy.unlink()
        self.is_looking = False
        self.n += 1

    def check(self, ledger: SlotLedger, store: SlotStore) -> None:
        """The state is the last one acknowledged or the one on its way; every slot it names is whole."""
        state = ledger.state()
        assert state.generation in (self.states[-1].generation, self.states[-1].generation + 1)
        if state.generation == self.states[-1].generation:
            assert state == self.states[-1]
        for slot in {state.active, state.previous} - {NO_SLOT}:
            assert store.open(slot.digest).digest == slot.digest
        assert self.installed <= set(store.digests())
        for digest in store.digests():
            store.open(digest)


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[None]:
    """An image in a folder, for as long as it lasts."""
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def power(tmp_path: Path, releases: Any, full: bool, monkeypatch: pytest.MonkeyPatch) -> Iterator[PowerCuts]:  # noqa: FBT001 - a fixture
    """Cuts the power after each call that writes, in the long form before it, too; only root may mount the disk."""
    if os.geteuid() != 0:
        pytest.skip("mounting an image needs root")
    power = PowerCuts(tmp_path, TrustedKeys.from_files([releases[0].key]))
    for name in ("disk", "rebooted"):
        (tmp_path / name).mkdir()
    subprocess.run(["truncate", "-s", "8M", power.image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-b", "1024", power.image], check=True)
    try:
        with mounted(power.image, tmp_path / "disk"):
            pass
    except subprocess.CalledProcessError:
        pytest.skip("no image can be mounted here")
    with mounted(power.image, tmp_path / "disk"), monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, looking(power, getattr(os, name), before=full))
        yield power


def looking(power: PowerCuts, plain: Any, *, before: bool) -> Any:
    """A system call with a look after it, and perhaps before it, at what the kernel wrote meanwhile."""

    def call(*arguments: Any, **options: Any) -> Any:
        if power.is_looking:
            return plain(*arguments, **options)
        if before:
            power.look()
        result = plain(*arguments, **options)
        power.look()
        return result

    return call


def test_nothing_acknowledged_is_lost(power: PowerCuts, releases: Any, full: bool) -> None:  # noqa: FBT001 - a fixture
    """61, 67: old or new at every moment of install, activation, boots, mark, and both kinds of return; never torn."""
    ledger, store = power.store(power.folder / "disk" / "state")

    def change(event: Callable[[SlotsState], SlotsState]) -> None:
        power.states.append(ledger.change(event))

    def install_and_activate(number: int) -> None:
        slot = store.install(releases[number].path)
        power.installed = {slot.digest}
        power.states.append(store.activate(slot.digest, boots=1))
        power.installed = {slot.digest}
        change(begin_boot)

    install_and_activate(0)
    digest = power.states[-1].active.digest
    change(lambda state: mark_good(loaded(state, digest), digest))
    install_and_activate(1)
    change(begin_boot)
    assert power.states[-1].active.digest == digest
    assert power.n > 30
    if full:
        install_and_activate(2)
        change(lambda state: give_up(state, "x", reject=False))
        install_and_activate(2)
        change(lambda state: mark_good(loaded(state, state.active.digest), state.active.digest))
        change(roll_back)
        assert (power.states[-1].active.digest, power.states[-1].mark, power.n > 150) == (digest, 3, True)
