"""Temporary folders: gone after their block, and what a killed program left goes with the next one."""

from __future__ import annotations

import os
import tempfile

import pytest

from ground.bulk import scratch as scratch_module
from ground.bulk.scratch import PREFIX, scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch_module._sweep.cache_clear()
    return tmp_path


def left_over(temporary, name, age_s):
    """A folder with a file, as old as that."""
    folder = temporary / f"{PREFIX}{name}"
    folder.mkdir()
    (folder / "recording.parquet").write_bytes(b"large")
    when_s = folder.stat().st_mtime - age_s
    os.utime(folder, (when_s, when_s))
    return folder


def test_it_is_gone_after_its_block(temporary):
    """Also after an error."""

    class OddError(Exception):
        """Ends the block."""

    def work():
        with scratch() as folder:
            (folder / "x").write_bytes(b"x")
            raise OddError

    with pytest.raises(OddError):
        work()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_program_left_is_removed(temporary):
    """But neither what another one uses, nor what another one has just made, nor what is not ours."""
    old, young = left_over(temporary, "old", 3600.0), left_over(temporary, "young", 1.0)
    other = temporary / "other"
    other.mkdir()
    with scratch() as used:
        os.utime(used, (0.0, 0.0))
        scratch_module._sweep.cache_clear()
        old_again = left_over(temporary, "again", 3600.0)
        with scratch():
            assert used.is_dir()
    assert not old.exists()
    assert not old_again.exists()
    assert young.exists()
    assert other.exists()
