"""The benchmark of the journal: its rivals do the same, and what it counts is what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.journal_damage import flip_bytes, lost_to_kills, payload
from benchmarks.journal_rivals import RIVALS


@pytest.mark.parametrize("name", RIVALS)
def test_rival(name: str, tmp_path: Path) -> None:
    """What is written is read again, in order, less what has arrived; by another process, too."""
    store = RIVALS[name](tmp_path / name)
    keys = [*store.write([payload(0), payload(1)]), *store.write([payload(2)])]
    store.acknowledge(keys[1:2])
    store.close()
    store = RIVALS[name](tmp_path / name)
    assert store.read() == [payload(0), payload(2)]
    store.close()


@pytest.mark.parametrize("name", RIVALS)
def test_nothing_promised_is_lost_to_a_kill(name: str, tmp_path: Path) -> None:
    """Both keep their promise."""
    assert lost_to_kills(name, tmp_path, kills=2) == 0


def test_a_flip_costs_one_record_of_segments_and_more_of_sqlite(tmp_path: Path) -> None:
    """The reason for the decision, in small."""
    ours = flip_bytes("segments", tmp_path / "a", 20, closed=False)
    theirs = flip_bytes("sqlite", tmp_path / "b", 20, closed=False)
    assert (ours.mean_lost, ours.most_lost, ours.silent, ours.refused) == (1.0, 1, 0, 0)
    assert theirs.most_lost > 1
