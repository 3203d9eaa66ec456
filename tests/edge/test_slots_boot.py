"""Starts from the slots: what is counted, what is loaded, when a bundle has proven itself."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_agent import slots_boot, slots_disk, startup
from edge_agent.command_audit import log_documents
from edge_agent.config import AgentConfig, load_config
from edge_agent.decision import NOT_ASSESSED
from edge_agent.errors import BundleError, ConfigError, GoldenMismatch, ModelRejected, PolicyRejected, SlotRefused
from edge_agent.folder_lock import FolderLock
from edge_agent.health import Counters
from edge_agent.load import prove_model
from edge_agent.manifest import Manifest
from edge_agent.policy import Policy
from edge_agent.probation import Probation
from edge_agent.prove_child import WALL_S
from edge_agent.sdnotify import STEP_S
from edge_agent.slots import SlotStore
from edge_agent.slots_boot import given_back
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import (
    GOOD,
    NO_SLOT,
    PROBATION,
    ROLLED_BACK,
    TRIAL,
    begin_boot,
    loaded,
    mark_good,
    roll_back,
)
from edge_agent.startup import slots_of_config, start_configured
from edge_agent.trust import TrustedKeys
from tests.conftest import WAIT_S, wait_until

BOOTS = 2
pytestmark = pytest.mark.usefixtures("proved_here")


class Rig:
    """An agent's config with slots, of which the first release is proven and the second one is on trial."""

    def __init__(self, folder: Path, releases: Any) -> None:
        self.path = folder / "agent.toml"
        self.path.write_text(
            f"[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
            f"[bundle]\nslots = true\nkeys = ['{releases[0].key}']\ntrial_boots = {BOOTS}\n"
            "probation_windows = 3\nprobation_minutes = 2.0\n[broker]\nhost = '127.0.0.1'\nport = 9\n"
        )
        self.config: AgentConfig = load_config(self.path)
        self.ledger = SlotLedger(self.config.agent.state_dir)
        self.store: SlotStore = slots_of_config(self.config, TrustedKeys.from_files(self.config.bundle.keys))
        self.old = self._put(releases[0])
        self.ledger.change(lambda state: mark_good(loaded(state, self.old), self.old))
        self.new = self._put(releases[1])

    def _put(self, release: Any) -> str:
        digest = self.store.install(release.path).digest
        self.store.activate(digest, boots=BOOTS)
        return digest

    def start(self) -> str:
        """Start as `run` does; gives the digest of what was loaded."""
        return start_configured(self.config).bundle_digest

    @property
    def stage(self) -> str:
        """The stage in force."""
        return self.ledger.state().stage


@pytest.fixture
def rig(tmp_path: Path, releases: Any) -> Rig:
    """See ``Rig``."""
    return Rig(tmp_path, releases)


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, digest: str, error: BundleError) -> Iterator[None]:
    """One bundle fails its proof meanwhile."""

    def prove(bundle: Any) -> Any:
        if bundle.digest == digest:
            raise error
        return prove_model(bundle)

    with monkeypatch.context() as patch:
        patch.setattr(slots_boot, "prove_model", prove)
        yield


def test_trial_becomes_probation(rig: Rig) -> None:
    """A start is counted before it loads, and its success noted."""
    assert rig.start() == rig.new
    assert (rig.stage, rig.ledger.state().boots_left) == (PROBATION, BOOTS - 1)


def test_counted_before_it_is_loaded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """66: a bundle on which the process dies while loading is left after its boots."""

    def die(_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(slots_boot, "prove_model", die)
        for left in range(BOOTS - 1, -1, -1):
            with pytest.raises(KeyboardInterrupt):
                rig.start()
            assert (rig.stage, rig.ledger.state().boots_left) == (TRIAL, left)
    assert rig.start() == rig.old
    assert (rig.stage, rig.ledger.state().mark) == (ROLLED_BACK, 1)


SELFTESTS: list[tuple[BundleError, bool]] = [
    (GoldenMismatch("golden_scores", "x"), True),
    (ModelRejected("model_interface", "x"), True),
    (PolicyRejected("expired", "x"), False),
]


@pytest.mark.parametrize(("error", "rejected"), SELFTESTS)
def test_failed_selftest_returns(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, error: BundleError, *, rejected: bool
) -> None:
    """The previous bundle is loaded in the same start; what the config refuses may come again."""
    with failing(monkeypatch, rig.new, error):
        assert rig.start() == rig.old
    state = rig.ledger.state()
    assert (state.stage, state.reason, state.active.digest) == (ROLLED_BACK, error.reason, rig.old)
    assert [each.digest for each in state.rejected] == [rig.new] * rejected
    assert rig.start() == rig.old


def expire(rig: Rig, monkeypatch: pytest.MonkeyPatch, *versions: str) -> None:
    """Let the bundles of these versions expire: yesterday was their last day."""
    real = Policy.check

    def check(policy: Policy, manifest: Manifest) -> None:
        last_day = "2026-11-27" if manifest.version in versions else "2026-11-29"
        real(policy, replace(manifest, expires=last_day))

    monkeypatch.setattr(Policy, "check", check)
    monkeypatch.setattr(startup, "today", lambda: date(2026, 11, 28))
    rig.store = slots_of_config(rig.config, TrustedKeys.from_files(rig.config.bundle.keys))


def test_expired_and_proven_runs_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine without a watch is worse: a restart does not refuse what runs; a new install and a trial do."""
    rig.ledger.change(lambda state: mark_good(loaded(state, rig.new), rig.new))
    expire(rig, monkeypatch, "1.0.0", "2.0.0")
    assert rig.start() == rig.new
    assert rig.stage == GOOD
    rig.ledger.change(roll_back)
    assert rig.start() == rig.old
    for refused in (
        lambda: rig.store.activate(rig.new, boots=BOOTS),
        lambda: rig.store.install(rig.ledger.folder / f"{rig.new}.bundle"),
    ):
        with pytest.raises(PolicyRejected, match="expected use until 2026-11-27"):
            refused()


def test_expired_on_trial_gives_way(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has not proven itself yet is refused; the proven one before it runs, expired or not."""
    expire(rig, monkeypatch, "1.0.0", "2.0.0")
    assert rig.start() == rig.old
    assert (rig.stage, rig.ledger.state().reason, rig.ledger.state().rejected) == (ROLLED_BACK, "expired", ())
    events = [(line["kind"], line["reason"]) for line in log_documents(rig.config.agent.state_dir)][-2:]
    assert events == [("refused", "expired"), ("rolled_back", "expired")]


@pytest.mark.parametrize("which", ["wrong_fleet", "signature"])
def test_only_age_is_forgiven(rig: Rig, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    """A proven bundle meets all other checks at each start."""
    rig.ledger.change(lambda state: mark_good(loaded(state, rig.new), rig.new))
    rig.ledger.change(lambda state: replace(state, previous=NO_SLOT))
    if which == "wrong_fleet":
        rig.config = replace(rig.config, agent=replace(rig.config.agent, fleet="other"))
    else:
        slot = rig.ledger.folder / f"{rig.new}.bundle"
        slot.write_bytes(slot.read_bytes().replace(b"small/2.0.0", b"small/9.0.0"))
    expire(rig, monkeypatch, "2.0.0")
    with pytest.raises(BundleError):
        rig.start()


def test_rot_in_the_active_slot(rig: Rig) -> None:
    """68: a proven bundle that is damaged on disk makes way, is not blamed, and may be installed again."""
    rig.ledger.change(lambda state: mark_good(loaded(state, rig.new), rig.new))
    (rig.ledger.folder / f"{rig.new}.bundle").write_bytes(b"rot")
    assert rig.start() == rig.old
    assert (rig.stage, rig.ledger.state().rejected) == (ROLLED_BACK, ())


def test_both_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs, the first reason is told, and nothing is changed but the count."""
    (rig.ledger.folder / f"{rig.old}.bundle").unlink()
    with failing(monkeypatch, rig.new, GoldenMismatch("golden_scores", "x")), pytest.raises(GoldenMismatch):
        rig.start()
    state = rig.ledger.state()
    assert (state.stage, state.active.digest, state.rejected) == (TRIAL, rig.new, ())


def test_the_same_refusal_again_adds_nothing_to_the_audit_log(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start every few seconds: within half a day the log would hold nothing else."""
    (rig.ledger.folder / f"{rig.old}.bundle").write_bytes(b"rot")

    def refused(*errors: BundleError) -> list[str]:
        for error in errors:
            with failing(monkeypatch, rig.new, error), pytest.raises(type(error)):
                rig.start()
        return [line["reason"] for line in log_documents(rig.config.agent.state_dir) if line["kind"] == "refused"]

    wrong, late = GoldenMismatch("golden_scores", "x"), PolicyRejected("expired", "x")
    first = refused(wrong)
    assert (len(first), first[0]) == (2, "golden_scores")
    assert refused(*[wrong] * (BOOTS - 1)) == first
    rig.ledger.change(lambda state: replace(state, boots_left=BOOTS))
    assert refused(late, late) == [*first, "expired"]


def test_disk_that_refuses(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that cannot be counted is put off; what is proven runs, disk or no disk."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(slots_disk.os, "write", full)
        assert rig.start() == rig.old
    assert rig.start() == rig.new
    rig.ledger.change(lambda state: mark_good(state, rig.new))
    monkeypatch.setattr(slots_disk.os, "write", full)
    assert rig.start() == rig.new


def test_no_slot_and_no_whole_state(rig: Rig) -> None:
    """65: the agent says so, and does not guess."""
    for path in rig.ledger.folder.glob("state.*"):
        path.write_bytes(b"?")
    with pytest.raises(BundleError, match="whole state file"):
        rig.start()
    for path in rig.ledger.folder.glob("state.*"):
        path.unlink()
    with pytest.raises(BundleError, match="expected an active bundle, got none"):
        rig.start()


class Watch:
    """A probation with a clock and a counter of faults."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.now_s = 0.0
        self.counters = Counters()
        self.probation = Probation(rig.config, rig.new, self.counters, now_s=lambda: self.now_s)

    def see(self, *states: str) -> None:
        """Let windows be judged."""
        judgements: Any = [
            SimpleNamespace(assessment=SimpleNamespace(state=state, bundle_digest=self.rig.new)) for state in states
        ]
        frame: Any = None
        assert self.probation.observe(frame, judgements) == []
        self.probation.tick()


def test_probation(rig: Rig) -> None:
    """Windows that are assessed and minutes count, both; only then the mark rises."""
    rig.start()
    watch = Watch(rig)
    watch.see("normal", "normal", "anomalous", NOT_ASSESSED)
    assert rig.stage == PROBATION
    watch.now_s = 119.0
    watch.see()
    assert rig.stage == PROBATION
    watch.now_s = 120.0
    watch.see()
    assert (rig.stage, rig.ledger.state().mark) == (GOOD, 2)
    watch.probation.close()
    assert rig.stage == GOOD


def test_probation_that_could_not_be_noted(rig: Rig) -> None:
    """The disk did not take that it was loaded; what passes its probation then is good, and not on trial for ever."""
    rig.start()
    rig.ledger.change(lambda state: replace(state, stage=TRIAL))
    watch = Watch(rig)
    watch.now_s = 120.0
    watch.see("normal", "normal", "normal")
    assert (rig.stage, rig.ledger.state().mark) == (GOOD, 2)


def test_windows_not_assessed_prove_nothing(rig: Rig) -> None:
    """A bundle that assesses nothing stays on probation."""
    rig.start()
    watch = Watch(rig)
    watch.now_s = 1e6
    watch.see(*[NOT_ASSESSED] * 100, "normal", "normal")
    assert rig.stage == PROBATION


def test_fault_starts_the_probation_again(rig: Rig) -> None:
    """Windows and minutes before a fault of the program do not count."""
    rig.start()
    watch = Watch(rig)
    watch.now_s = 119.0
    watch.see("normal", "normal", "normal")
    watch.counters.add("internal_errors")
    watch.now_s = 130.0
    watch.see("normal")
    watch.now_s = 260.0
    watch.see("normal", "normal")
    assert rig.stage == PROBATION
    watch.see("normal")
    assert rig.stage == GOOD


def test_without_slots_there_is_none(make_config: Callable[..., AgentConfig]) -> None:
    """Nothing is written."""
    config = make_config(bundle={"probation_windows": 1, "probation_minutes": 0.0})
    probation = Probation(config, "d", Counters())
    probation.tick()
    probation.close()
    assert not config.agent.state_dir.exists()


@pytest.mark.parametrize("table", [{"slots": True}, {"path": "/dev/null"}])
def test_path_or_slots(make_config: Callable[..., AgentConfig], table: dict[str, Any]) -> None:
    """One of them, not both, not neither."""
    with pytest.raises(ConfigError, match=r"expected a path, or slots = true, got (both|neither)"):
        make_config(bundle=table)


def test_the_real_agent(rig: Rig) -> None:
    """Killed as often as it may be, it comes back with the previous bundle; an end in order costs nothing."""
    assert (run(rig, signal.SIGTERM), rig.ledger.state().boots_left) == (0, BOOTS)
    for left in range(BOOTS - 1, -1, -1):
        assert run(rig, signal.SIGKILL) == -signal.SIGKILL
        assert (rig.stage, rig.ledger.state().boots_left) == (PROBATION, left)
    assert run(rig, signal.SIGTERM) == 0
    assert (rig.stage, rig.ledger.state().active.digest) == (ROLLED_BACK, rig.old)


def test_a_second_agent_costs_nothing(rig: Rig) -> None:
    """`edge-agent run` by hand beside the service is refused before it counts a start against the bundle."""
    lock = FolderLock(rig.config.agent.state_dir)
    with started(rig, stderr=subprocess.PIPE) as second:
        _, said = second.communicate(timeout=30)
    lock.close()
    assert (second.returncode, b"which another one uses" in said) == (2, True)
    assert (rig.stage, rig.ledger.state().boots_left) == (TRIAL, BOOTS)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
def test_an_end_while_it_loads_costs_nothing(rig: Rig, end: signal.Signals) -> None:
    """An aircraft may be switched off in the middle of a start."""
    with started(rig) as process:
        wait_until(lambda: rig.ledger.state().boots_left < BOOTS, "the start to be counted")
        process.send_signal(end)
        assert process.wait(30) == 0
    assert (rig.ledger.state().active.digest, rig.ledger.state().boots_left) == (rig.new, BOOTS)
    assert not (rig.config.agent.state_dir / "status.json").exists()


def test_an_end_for_time_while_it_loads_costs_a_start(rig: Rig) -> None:
    """As by systemd (``TimeoutStartFailureMode=abort``): a bundle that always loads too slowly is left."""
    for left in range(BOOTS - 1, -1, -1):
        with started(rig) as process:
            wait_until(lambda left=left: rig.ledger.state().boots_left == left, "the start to be counted")
            process.send_signal(signal.SIGABRT)
            assert process.wait(30) == -signal.SIGABRT
    assert rig.start() == rig.old
    assert (rig.stage, rig.ledger.state().reason) == (ROLLED_BACK, "boots_used_up")


def test_each_proof_of_a_trial_has_its_own_minute(rig: Rig) -> None:
    """The child may take half of the first one; then the agent replays the golden vectors itself."""
    said: list[str] = []
    start_configured(rig.config, said.append)
    assert said == ["loading the active slot, proven in a child"]


def test_each_bundle_has_its_own_time(rig: Rig, releases: Any, tmp_path: Path) -> None:
    """The active one is refused, the previous one loaded, then a shadow: systemd is asked for more time before each."""
    (rig.ledger.folder / f"{rig.new}.bundle").write_bytes(b"rot")
    with rig.path.open("a") as config:
        config.write(f"[shadow]\npath = '{releases[1].path}'\n")
    said = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(WAIT_S)
        with started(rig, env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}) as process:
            while not (message := manager.recv(4096)).startswith(b"READY=1"):
                said.append(message.decode())
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    steps = {"the active slot": STEP_S, "the previous slot": STEP_S, "the shadow": WALL_S}
    assert said == [f"STATUS=loading {step}\nEXTEND_TIMEOUT_USEC={s:.0f}000000" for step, s in steps.items()]


def end_a_start(rig: Rig, error: BaseException, *steps: Callable[[], object]) -> None:
    """A start that comes as far as these steps, and ends."""
    with given_back(rig.ledger):
        for step in steps:
            step()
        raise error


@pytest.mark.parametrize("error", [SystemExit(0), ConfigError("x"), SlotRefused("disk_error", "x")], ids=repr)
def test_starts_that_are_given_back(rig: Rig, error: BaseException) -> None:
    """What ends a start in order is not the bundle's doing, however far it had come."""
    with pytest.raises(type(error)):
        end_a_start(rig, error, rig.start)
    assert (rig.stage, rig.ledger.state().boots_left) == (PROBATION, BOOTS)


def test_starts_that_are_not_given_back(rig: Rig) -> None:
    """A fault of the program may be the bundle's doing; what was not counted, or is about another one, stays."""
    with pytest.raises(MemoryError):
        end_a_start(rig, MemoryError(), rig.start)
    assert rig.ledger.state().boots_left == BOOTS - 1
    with pytest.raises(SystemExit):
        end_a_start(rig, SystemExit())
    assert rig.ledger.state().boots_left == BOOTS - 1
    with pytest.raises(SystemExit):
        end_a_start(rig, SystemExit(), rig.start, lambda: rig.ledger.change(roll_back))
    assert (rig.stage, rig.ledger.state().active.digest) == (ROLLED_BACK, rig.old)


def test_a_start_that_is_refused_for_ever_soon_writes_nothing(rig: Rig) -> None:
    """A first bundle has nothing to return to: the count of its starts decides nothing, and a disk wears out."""
    rig.ledger.change(lambda state: replace(state, previous=NO_SLOT))
    generations = []
    for _ in range(BOOTS + 2):
        with pytest.raises(SlotRefused):
            end_a_start(rig, SlotRefused("disk_error", "x"), lambda: rig.ledger.change(begin_boot))
        generations.append(rig.ledger.state().generation)
    assert len(set(generations)) == BOOTS
    assert (rig.stage, rig.ledger.state().active.digest) == (TRIAL, rig.new)


def test_killed_in_its_goodbye_it_has_given_the_start_back(rig: Rig) -> None:
    """An end in order that takes too long for whoever asked costs no start, either."""
    die = "import os; from edge_agent import link; link.Link.stop = lambda *_: os._exit(9)"
    assert run(rig, signal.SIGTERM, program=("-c", f"{die}; from edge_agent.cli import main; main()")) == 9
    assert (rig.stage, rig.ledger.state().boots_left) == (PROBATION, BOOTS)


def started(
    rig: Rig, *program: str, stderr: int = subprocess.DEVNULL, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start the agent."""
    command = [sys.executable, *(program or ("-m", "edge_agent")), "run", "--config", str(rig.path)]
    return subprocess.Popen(command, stderr=stderr, env=env)


def run(rig: Rig, end: signal.Signals, program: tuple[str, ...] = ()) -> int:
    """Start the agent, wait until it runs, end it; gives its exit code."""
    status = rig.config.agent.state_dir / "status.json"
    status.unlink(missing_ok=True)
    with started(rig, *program) as process:
        wait_until(status.exists, "the agent to run")
        process.send_signal(end)
        return process.wait(30)
