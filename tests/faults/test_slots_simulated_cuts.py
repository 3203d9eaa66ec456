"""Power cuts in the slots, on a disk that loses and reorders what was not synced; kills and failed syncs before them.

`FAULTS=full` prints how many different crashes there are, and how many of them are bad where an fsync is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from edge_agent import slots, slots_disk, slots_ledger
from tests.faults.slot_crashes import (
    FIRST,
    LIFE,
    NOT_WRITABLE,
    ROLLBACK,
    UPDATE,
    Reader,
    Run,
    Step,
    activate,
    crashes_of,
    install,
    tally,
)

BUNDLES = "state/bundles"
LEFT_OUT: dict[str, Callable[[str], bool]] = {
    "all": lambda _: True,
    "of a slot": lambda path: path.endswith(".bundle.new"),
    "of a state file": lambda path: path.startswith(f"{BUNDLES}/.state"),
    "of bundles/": lambda path: path == BUNDLES,
    "of the state folder": lambda path: path == "state",
    "of the folder it lies in": lambda path: path == "",
}
AGAIN = (*FIRST, install(1), activate(1))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the proof in a child; and the disk that counts here is the simulated one."""
    monkeypatch.setattr(slots, "prove_in_child", lambda *_, **__: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, releases: Any) -> Reader:
    """Reads each disk once."""
    return Reader(tmp_path_factory.mktemp("boots") / "boot", releases)


@pytest.mark.parametrize("reordered", [False, True], ids=["ordered", "reordered"])
def test_row_61_power_cut_at_every_step(
    tmp_path: Path,
    releases: Any,
    reader: Reader,
    full: bool,  # noqa: FBT001 - a fixture
    reordered: bool,  # noqa: FBT001 - a parameter
) -> None:
    """61: old or new after each call of a bundle's whole life, never torn, never lost once acknowledged."""
    run = Run(tmp_path / "run", releases)
    run.do(LIFE)
    run.recorder.check_complete()
    found = tally(run, reader, crashes_of(run, reordered=reordered, samples=64 if full else 2))
    assert found.bad == []
    assert found.n > 50


def test_row_67_power_cut_during_rollback(tmp_path: Path, releases: Any, reader: Reader, full: bool) -> None:  # noqa: FBT001
    """67: each state on the way back names whole slots, and the way back can be gone on with."""
    run = Run(tmp_path / "run", releases)
    run.do(UPDATE)
    before = len(run.recorder.calls)
    run.do([ROLLBACK])
    cuts = range(before, len(run.recorder.calls) + 1)
    for reordered in (False, True):
        found = tally(run, reader, crashes_of(run, reordered=reordered, samples=64 if full else 4, at=cuts))
        assert found.bad == []
        assert found.n >= 3


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("left_out", LEFT_OUT)
def test_simulator_sees_what_is_left_out(
    tmp_path: Path,
    releases: Any,
    reader: Reader,
    full: bool,  # noqa: FBT001 - a fixture
    left_out: str,
) -> None:
    """Without any one kind of fsync there are crashes that break a promise: the simulator is not blind to them."""
    run = Run(tmp_path / "run", releases, LEFT_OUT[left_out])
    run.do(LIFE if full else FIRST)
    crashes = crashes_of(run, reordered=True)
    if full:
        ordered = tally(run, reader, crashes_of(run, reordered=False))
        reordered = tally(run, reader, crashes)
        os.write(2, f"\nfsync left out {left_out}: ordered {ordered}, reordered {reordered}\n".encode())
        assert reordered.bad
    else:
        assert any(tally(run, reader, [crash]).bad for crash in crashes)


def killed(folder: Path, releases: Any, reader: Reader, steps: tuple[Step, ...], stride: int) -> Iterator[str]:
    """What is bad where a step is killed before a call, gone on with, and the power is cut after all of it."""
    for number in count(0, stride):
        run = Run(folder / f"{number}", releases)
        run.do(steps, killing_call=number)
        if run.recorder.n_call <= number:
            return
        yield from tally(run, reader, crashes_of(run, reordered=True, at=[len(run.recorder.calls)])).bad


def test_row_62_killed_then_cut(tmp_path: Path, releases: Any, reader: Reader, full: bool) -> None:  # noqa: FBT001
    """62: what a killed process left unsynced is not built on before it is on disk."""
    assert list(killed(tmp_path, releases, reader, AGAIN, 1 if full else 6)) == []


def test_without_the_sync_before_reading(
    tmp_path: Path, releases: Any, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the folder not synced under the lock, an activation seen after a kill would be acknowledged, then lost."""
    monkeypatch.setattr(slots_ledger, "sync_folder", lambda _: None)
    assert any(killed(tmp_path, releases, reader, AGAIN, 1))


def with_failed_syncs(folder: Path, releases: Any, reader: Reader, steps: tuple[Step, ...]) -> list[str]:
    """What is bad where one sync fails, the refused step is done again, and the power is cut after all of it."""
    bad: list[str] = []
    for number in count():
        run = Run(folder / f"{number}", releases)
        run.do(steps, failing_sync=number)
        if run.recorder.n_sync <= number:
            return bad
        if run.recorder.failed_path.startswith(BUNDLES) or number == 0:
            assert run.reasons == (["disk_error"] if number else [NOT_WRITABLE])
        bad += tally(run, reader, crashes_of(run, reordered=True, at=[len(run.recorder.calls)])).bad
    raise AssertionError


def test_row_69_failed_sync(tmp_path: Path, releases: Any, reader: Reader, full: bool) -> None:  # noqa: FBT001
    """69: each fsync that fails refuses its step, what was before stands, and no later sync passes for it."""
    assert with_failed_syncs(tmp_path, releases, reader, UPDATE if full else FIRST[:2]) == []


def test_without_taking_back(tmp_path: Path, releases: Any, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a name whose sync failed left there, the next try would find it, acknowledge it, and lose it."""
    plain = slots_disk.write_durably
    monkeypatch.setattr(slots_disk, "write_durably", lambda path, content, **_: plain(path, content))
    with pytest.raises(AssertionError):
        with_failed_syncs(tmp_path, releases, reader, FIRST[:2])
