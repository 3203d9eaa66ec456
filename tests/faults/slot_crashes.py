"""What happens to slots, call by call, and whether the slots after a power cut are what was promised."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_agent.errors import BundleError, ConfigError
from edge_agent.policy import Policy
from edge_agent.slots import SlotStore
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import (
    NO_SLOT,
    SlotsState,
    begin_boot,
    end_cleanly,
    give_up,
    loaded,
    mark_good,
    roll_back,
)
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from tests.faults import audit_after
from tests.faults.call_recorder import CallRecorder, KilledError, lay_out
from tests.faults.disk_simulator import Crash, Mark, Tree, ordered_crashes, reordered_crashes, tree_after

STATE_DIR = "state"
BEGINS, ACKNOWLEDGED = "begins", "acknowledged"
NOT_WRITABLE = "not writable"
"""Of a state folder that cannot be made; it has no label."""
Step = Callable[["Slots"], object]


@dataclass(frozen=True)
class Slots:
    """The slots in a folder, by the code that the agent and its command run."""

    folder: Path
    releases: Sequence[Any]

    @property
    def ledger(self) -> SlotLedger:
        """Their state."""
        return SlotLedger(self.folder / STATE_DIR)

    @property
    def store(self) -> SlotStore:
        """Their content."""
        keys = TrustedKeys.from_files([self.releases[0].key])
        return SlotStore(self.ledger, keys=keys, policy=Policy(fleet="test", agent_version=AGENT_VERSION))


def install(number: int) -> Step:
    """``edge-agent bundle install``."""
    return lambda slots: slots.store.install(slots.releases[number].path)


def activate(number: int) -> Step:
    """``edge-agent bundle activate``."""

    def step(slots: Slots) -> object:
        digest = hashlib.sha256(slots.releases[number].path.read_bytes()).hexdigest()
        return slots.store.activate(digest, boots=1)

    return step


def change(event: Callable[[SlotsState], SlotsState]) -> Step:
    """What the agent notes by itself, and ``edge-agent bundle rollback``."""
    return lambda slots: slots.ledger.change(event)


BOOT = change(begin_boot)
LOADED = change(lambda state: loaded(state, state.active.digest))
GOOD = change(lambda state: mark_good(state, state.active.digest))
END = change(lambda state: end_cleanly(state, state.active.digest))
FAIL = change(lambda state: give_up(state, "golden_scores", reject=True))
ROLLBACK = change(roll_back)

FIRST = (install(0), activate(0), BOOT, LOADED, GOOD)
UPDATE = (*FIRST, install(1), activate(1), BOOT, LOADED)
LIFE = (*UPDATE, END, BOOT, BOOT, install(2), activate(2), BOOT, LOADED, GOOD, ROLLBACK, install(2), activate(2), FAIL)
"""The first release proven; the second one's boots used up; the third proven, left by hand, activated again, failed."""


@dataclass(frozen=True)
class Point:
    """What is promised once a step is acknowledged."""

    state: SlotsState = field(default_factory=SlotsState)
    digests: frozenset[str] = frozenset()


class Run:
    """Steps that were done, each acknowledged.

    Args:
        root: An empty folder.
        releases: Bundles.
        is_left_out: See ``CallRecorder``.
    """

    def __init__(
        self, root: Path, releases: Sequence[Any], is_left_out: Callable[[str], bool] = lambda _: False
    ) -> None:
        root.mkdir()
        self.slots = Slots(root, releases)
        self.recorder = CallRecorder(root, is_left_out)
        self.points = [Point()]
        self.reasons: list[str] = []

    def do(self, steps: Iterable[Step], *, killing_call: int = -1, failing_sync: int = -1) -> None:
        """Do steps; one that is killed or refused is done again, by whoever comes next."""
        self.recorder.killing_call, self.recorder.failing_sync = killing_call, failing_sync
        with self.recorder.recording():
            for step in steps:
                self.recorder.mark(BEGINS)
                try:
                    step(self.slots)
                except KilledError:
                    self._do_again(step)
                except (BundleError, ConfigError) as error:
                    self.reasons.append(error.reason if isinstance(error, BundleError) else NOT_WRITABLE)
                    assert self.slots.ledger.state() == self.points[-1].state
                    step(self.slots)
                self._acknowledge()

    def _do_again(self, step: Step) -> None:
        """The next one builds on what it sees: where the step is seen as done, it goes on from there."""
        is_seen = self.slots.ledger.state() != self.points[-1].state
        (change(lambda state: state) if is_seen else step)(self.slots)

    def _acknowledge(self) -> None:
        state = self.slots.ledger.state()
        named = {slot.digest for slot in (state.active, state.previous) if slot != NO_SLOT}
        waiting = set(self.slots.store.digests()) - {each.digest for each in state.rejected}
        self.points.append(Point(state, frozenset(named | waiting)))
        self.recorder.mark(ACKNOWLEDGED)

    def promised(self, at: int) -> tuple[set[str], frozenset[str]]:
        """States that a boot may find after so many calls, as text, and digests that it must."""
        labels = [call.label for call in self.recorder.calls[:at] if isinstance(call, Mark)]
        done = labels.count(ACKNOWLEDGED)
        points = self.points[done : done + 1 + (labels.count(BEGINS) > done)]
        return {repr(point.state) for point in points}, frozenset.intersection(*(point.digests for point in points))


@dataclass(frozen=True)
class Reading:
    """What the real reader makes of a folder."""

    state: str
    named: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    damaged: frozenset[str] = frozenset()
    goes_on: bool = False
    untold: str = ""


class Reader:
    """Boots: lays a tree out and reads it by the real code, each tree once."""

    def __init__(self, folder: Path, releases: Sequence[Any]) -> None:
        self._folder, self._releases = folder, releases
        self._known: dict[frozenset[tuple[str, bytes]], Reading] = {}

    def read(self, tree: Tree) -> Reading:
        """The slots in a tree."""
        key = frozenset((name, hashlib.sha256(content).digest()) for name, content in tree.items())
        if key not in self._known:
            lay_out(tree, self._folder)
            self._known[key] = self._look(Slots(self._folder, self._releases))
            shutil.rmtree(self._folder)
        return self._known[key]

    def _look(self, slots: Slots) -> Reading:
        try:
            state = slots.ledger.state()
        except BundleError as error:
            return Reading(error.reason)
        digests = frozenset(slots.store.digests())
        whole = frozenset(digest for digest in digests if _opens(slots, digest))
        named = frozenset(slot.digest for slot in (state.active, state.previous) if slot != NO_SLOT)
        after = slots.ledger.change(lambda now: replace(now, reason="on"))
        goes_on = slots.ledger.state() == after and not list((slots.folder / STATE_DIR / "bundles").glob(".state*"))
        untold = audit_after.what_is_wrong(slots.folder / STATE_DIR, after)
        return Reading(repr(state), named, whole, digests - whole, goes_on=goes_on, untold=untold)


def _opens(slots: Slots, digest: str) -> bool:
    try:
        slots.store.open(digest)
    except BundleError:
        return False
    return True


@dataclass
class Tally:
    """How many different crashes were looked at, and what was wrong with the bad ones."""

    n: int = 0
    bad: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{len(self.bad)}/{self.n}"


def tally(run: Run, reader: Reader, crashes: Iterable[Crash]) -> Tally:
    """Look at crashes; those with the same disk and the same promises count once."""
    found, seen = Tally(), set()
    readings: dict[frozenset[Any], Reading] = {}
    for crash in crashes:
        applied = frozenset(crash.applied.items())
        if applied not in readings:
            readings[applied] = reader.read(tree_after(run.recorder.calls, crash))
        reading = readings[applied]
        promised = run.promised(crash.at)
        key = (reading, frozenset(promised[0]), promised[1])
        if key in seen:
            continue
        seen.add(key)
        found.n += 1
        wrong = what_is_wrong(reading, *promised)
        found.bad += [f"{wrong} after call {crash.at} of {len(run.recorder.calls)}"] if wrong else []
    return found


def what_is_wrong(reading: Reading, states: set[str], digests: frozenset[str]) -> str:
    """Which promise a boot finds broken; empty for none."""
    if reading.state not in states:
        return f"state lost: {reading.state}"
    if not reading.named <= reading.whole:
        return "a slot that is named is not whole"
    if not digests <= reading.whole:
        return "an installed bundle is lost"
    if reading.damaged:
        return "a slot is torn"
    return reading.untold if reading.goes_on else "the next change fails"


def crashes_of(run: Run, *, reordered: bool, samples: int = 8, at: Iterable[int] = ()) -> Iterator[Crash]:
    """Cuts after each call, or after those that are given."""
    calls = run.recorder.calls
    for cut in at or range(len(calls) + 1):
        if reordered:
            yield from reordered_crashes(calls, cut, samples=samples, seed=6)
        else:
            yield from ordered_crashes(calls, cut)
