"""The local engine: a process that dies costs time only, and the item that ends every process is told."""

from __future__ import annotations

import os
import signal

import pytest

from ground.engine import DIED, Done, LocalEngine, Lost
from ground.errors import DataError


class Poison:
    """Work over one item of which every process dies."""

    def __call__(self, number):
        """The number, or a death."""
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number


class KillsOnce:
    """Work in which one process dies, as the kernel kills one where memory is short."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, number):
        """The number, or a death."""
        if number == 1 and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number


class CannotArrive:
    """Work that ends a process before it has any."""

    def __setstate__(self, _):
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)

    def __getstate__(self):
        """Something to restore."""
        return 1


def results_of(work, no_progress, n):
    """The results of some items by two processes, in their order."""
    found = LocalEngine(2).each(work, [(number,) for number in range(n)], where="data", progress=no_progress)
    return sorted(found, key=lambda done: done.index)


def test_a_process_that_dies_costs_time_only(tmp_path, no_progress):
    """Every item has its result, once."""
    assert results_of(KillsOnce(tmp_path), no_progress, 6) == [Done(number, number) for number in range(6)]


def test_the_item_over_which_processes_die_is_told(no_progress):
    """The others come back."""
    expected = [Done(number, Lost(DIED) if number == 2 else number) for number in range(4)]
    assert results_of(Poison(), no_progress, 4) == expected


def test_processes_that_die_at_once_end_the_run(no_progress):
    """No item is to blame."""
    with pytest.raises(DataError, match="data: expected a worker to start, got one that died"):
        results_of(CannotArrive(), no_progress, 4)
