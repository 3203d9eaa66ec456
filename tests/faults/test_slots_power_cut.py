"""Power cuts in the slots on a real ext4: its blocks at each system call that writes, mounted as after a reboot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.audit import FAULTS
from edge_agent.slots_state import NO_SLOT, SlotsState
from tests.faults import audit_after
from tests.faults.power_cut import PowerCuts, power  # noqa: F401 - a fixture
from tests.faults.slot_crashes import BOOT, FIRST, LIFE, STATE_DIR, Slots, activate, install

CALLS = ("write", "fsync", "replace", "rename", "unlink", "mkdir")
UP_TO_THE_RETURN = (*FIRST, install(1), activate(1), BOOT, BOOT)


class Promises:
    """What was acknowledged, and whether slots after a reboot hold it."""

    def __init__(self, releases: Any) -> None:
        self._releases = releases
        self.states = [SlotsState()]
        self.installed: set[str] = set()

    def check(self, disk: Path) -> None:
        """The state is the last one acknowledged or the one on its way; every slot is whole."""
        slots = Slots(disk, self._releases)
        state = slots.ledger.state()
        assert state.generation in (self.states[-1].generation, self.states[-1].generation + 1)
        if state.generation == self.states[-1].generation:
            assert state == self.states[-1]
        found = set(slots.store.digests())
        assert {slot.digest for slot in (state.active, state.previous) if slot != NO_SLOT} | self.installed <= found
        for digest in found:
            assert slots.store.open(digest).digest == digest
        after = slots.ledger.change(lambda now: replace(now, reason="on"))
        assert audit_after.what_is_wrong(disk / STATE_DIR, after) == ""


@pytest.mark.timeout(1_800)
def test_row_61_power_cut_on_ext4(power: PowerCuts, releases: Any, full: bool) -> None:  # noqa: F811, FBT001 - fixtures
    """61, 67: old or new at every moment of install, activation, boots, mark, and both kinds of return; never torn."""
    promises, slots, not_noted = Promises(releases), Slots(power.disk, releases), FAULTS.snapshot()
    with power.looking(promises.check, CALLS, before=full):
        for step in LIFE if full else UP_TO_THE_RETURN:
            if step.__qualname__.startswith("install"):
                # At most one waits: the next one takes its place.
                promises.installed = set()
            done = step(slots)
            promises.states.append(slots.ledger.state())
            if not isinstance(done, SlotsState):
                promises.installed = {done.digest}  # type: ignore[attr-defined]
    # What is found while the audit log is written would be a fault of the log, which costs no decision.
    assert FAULTS.snapshot() == not_noted
    assert promises.states[-1].mark == (3 if full else 1)
    assert promises.states[-1].stage == "rolled_back"
    assert power.n > (150 if full else 30)
