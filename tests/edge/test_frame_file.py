"""Files of blocks: there and back, cut short anywhere, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import FrameFileError
from edge_agent.frame_file import read_blocks, write_blocks

BLOCKS = [b"abc", b"", b"x" * 300]


def test_round_trip(tmp_path: Path) -> None:
    """What is written is read, empty blocks and empty files included; nothing else is left."""
    path = tmp_path / "frames.bin"
    assert write_blocks(path, BLOCKS) == 3
    assert list(read_blocks(path)) == BLOCKS
    assert write_blocks(path, []) == 0
    assert list(read_blocks(path)) == []
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("n_byte", "n_whole"), [(1, 0), (3, 0), (4, 0), (6, 0), (8, 1), (10, 1), (12, 2), (314, 2)])
def test_cut_short(tmp_path: Path, n_byte: int, n_whole: int) -> None:
    """A file cut inside a block gives the whole blocks before the cut, then says where it is."""
    path = tmp_path / "frames.bin"
    write_blocks(path, BLOCKS)
    path.write_bytes(path.read_bytes()[:n_byte])
    read: list[bytes] = []
    with pytest.raises(FrameFileError, match=rf"{path}: expected \d+ bytes at byte \d+, got \d+: .* cut short"):
        read.extend(read_blocks(path))
    assert read == BLOCKS[:n_whole]


def test_other_file(tmp_path: Path) -> None:
    """A file of another kind is recognised by its first length, without reading it into memory."""
    path = tmp_path / "text.txt"
    path.write_text("this is not a file of frames")
    with pytest.raises(FrameFileError, match="expected blocks of at most"):
        next(read_blocks(path))


def test_missing(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(FrameFileError, match=r"none\.bin: expected a readable file"):
        next(read_blocks(tmp_path / "none.bin"))


def test_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """Where the blocks end in an error, the file of before stays, and no other."""
    path = tmp_path / "out.bin"
    write_blocks(path, BLOCKS)

    def failing() -> object:
        yield b"new"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_blocks(path, failing())  # type: ignore[arg-type]
    assert list(read_blocks(path)) == BLOCKS
    assert list(tmp_path.iterdir()) == [path]
