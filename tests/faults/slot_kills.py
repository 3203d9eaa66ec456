"""Kills processes that change slots, before each of their file operations, and starts from what is left.

``python -m tests.faults.slot_kills FOLDER STRIDE REAL RELEASE...``: the life of two releases by the command and by the
code of the daemon, each step killed before every STRIDE-th operation. Where REAL is 1, commands are processes of their
own, with the proof in a child; otherwise they are forked from this one, without it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from edge_agent import load, slots
from edge_agent.cli import main as edge_agent
from edge_agent.config import AgentConfig, load_config
from edge_agent.errors import BundleError
from edge_agent.health import Counters
from edge_agent.probation import Probation
from edge_agent.slots import SlotStore
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import NO_SLOT, SlotsState, begin_boot
from edge_agent.startup import slots_of_config, start_configured
from edge_agent.trust import TrustedKeys
from tests.faults import audit_after
from tests.faults.kill_at import Trap

WAIT_S = 60.0
WARM = load.Scorer
"""Imported before the forks, so that none of them has to."""
NEVER = 1_000_000


@dataclass(frozen=True)
class Step:
    """What is done; a command where it has arguments, otherwise what the daemon does."""

    name: str
    arguments: tuple[str, ...] = ()


class Rig:
    """A config, and a state folder to which every kill is done anew."""

    def __init__(self, folder: Path, *, is_real: bool) -> None:
        self._before = folder / "before"
        self._path = folder / "agent.toml"
        self._is_real = is_real
        self.config: AgentConfig = load_config(self._path)
        self.state_dir = self.config.agent.state_dir
        self.ledger = SlotLedger(self.state_dir)
        self.store: SlotStore = slots_of_config(self.config, TrustedKeys.from_files(self.config.bundle.keys))
        self.n_kill = self.n_new = 0
        self.state_dir.mkdir()
        self._keep()

    def step(self, step: Step, stride: int) -> None:
        """Kill a step before each of its operations; then let it pass."""
        before = self.ledger.state()
        installed = set(self.store.digests())
        after = self._outcome(step)
        assert after != before or step.name == "install", step
        number = 1
        while self._killed(step, number):
            self.n_kill += 1
            self._check(before, after, installed)
            self.n_new += self.ledger.state() == after != before
            self._go_on(step, before, after)
            number += stride
        assert number > 1, step
        assert self.ledger.state() == after, step
        self._keep()

    def _outcome(self, step: Step) -> SlotsState:
        assert not self._killed(step, NEVER)
        after = self.ledger.state()
        self._again()
        return after

    def _check(self, before: SlotsState, after: SlotsState, installed: set[str]) -> None:
        """Old or new, nothing torn, nothing that was there lost."""
        state = self.ledger.state()
        counted = replace(begin_boot(before), generation=before.generation + 1)
        assert state in (before, counted, after), state
        for digest in self.store.digests():
            assert self.store.open(digest).digest == digest
        assert {slot.digest for slot in (state.active, state.previous) if slot != NO_SLOT} <= set(self.store.digests())
        assert installed - set(self.store.digests()) <= installed - {before.active.digest, before.previous.digest}

    def _go_on(self, step: Step, before: SlotsState, after: SlotsState) -> None:
        """The step can be done again, and an agent starts from it: from the active bundle, or the one before."""
        if self.ledger.state() == before:
            assert not self._killed(step, NEVER), step
            assert self.ledger.state().active == after.active
        # Whoever changes the slots next tells what the killed one did not live to tell.
        state = self.ledger.change(lambda now: replace(now, reason="on"))
        assert audit_after.what_is_wrong(self.state_dir, state) == ""
        if self._is_real and state.active != NO_SLOT:
            assert _in_child(lambda: _start(self.config, {state.active.digest, state.previous.digest})) == 0
        self._again()

    def _killed(self, step: Step, number: int) -> bool:
        """Whether the step came to that operation; it is done otherwise."""
        if step.arguments and self._is_real:
            code = self._run(step, number)
        else:
            code = _in_child(lambda: self._do(step, number))
        assert code in (0, -signal.SIGKILL), (step, code)
        return code != 0

    def _run(self, step: Step, number: int) -> int:
        trap = ("-m", "tests.faults.kill_at", str(number), str(self.state_dir))
        command = [sys.executable, *trap, "-m", "edge_agent", "bundle"]
        with subprocess.Popen(
            [*command, *step.arguments, "--config", str(self._path)], stdout=subprocess.DEVNULL
        ) as process:
            return process.wait(WAIT_S)

    def _do(self, step: Step, number: int) -> int:
        slots.prove_in_child = lambda *_, **__: None  # type: ignore[assignment]
        Trap(number, self.state_dir)
        if step.arguments:
            return edge_agent(["bundle", *step.arguments, "--config", str(self._path)])
        digest = self.ledger.state().active.digest
        if step.name == "start":
            return _start(self.config, {digest})
        probation = Probation(self.config, digest, Counters())
        judged: Any = SimpleNamespace(assessment=SimpleNamespace(state="normal", bundle_digest=digest))
        probation.observe(judged, [judged])
        probation.tick() if step.name == "mark good" else probation.close()
        return 0

    def _keep(self) -> None:
        shutil.rmtree(self._before, ignore_errors=True)
        shutil.copytree(self.state_dir, self._before)

    def _again(self) -> None:
        shutil.rmtree(self.state_dir)
        shutil.copytree(self._before, self.state_dir)


def _start(config: AgentConfig, digests: set[str]) -> int:
    """Start as the agent does; 0 where one of these is loaded."""
    try:
        return int(start_configured(config).bundle_digest not in digests)
    except BundleError:
        return 2


def _in_child(do: Callable[[], int]) -> int:
    """The exit code of a forked process; negative for the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = do()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def run(folder: Path, stride: int, releases: list[str], *, is_real: bool) -> str:
    """Do the life of two releases; raises where a promise was broken."""
    rig = Rig(folder, is_real=is_real)
    for number, release in enumerate(releases):
        rig.step(Step("install", ("install", release)), stride)
        [digest] = set(rig.store.digests()) - {rig.ledger.state().active.digest}
        rig.step(Step("activate", ("activate", digest)), stride)
        rig.step(Step("start"), stride)
        rig.step(Step("end"), stride)
        rig.step(Step("start"), stride)
        if number == 0:
            rig.step(Step("mark good"), stride)
    rig.step(Step("rollback", ("rollback",)), stride)
    return f"{rig.n_kill} kills: {rig.n_kill - rig.n_new} left the old state, {rig.n_new} the new one"


if __name__ == "__main__":
    sys.stdout.write(f"{run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[4:], is_real=sys.argv[3] == '1')}\n")
