"""Files of byte blocks, each with its length before it: recorded payloads, and the assessments of a replay.

A block is its length as an unsigned 32-bit little-endian number, then that many bytes. There is nothing else in the
file; docs/reference/payload.md describes it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from edge_agent.errors import FrameFileError

_LENGTH = struct.Struct("<I")
LONGEST_BLOCK = 64 * 1024 * 1024
"""Bytes; a longer one is the mark of another kind of file."""


def read_blocks(path: Path) -> Iterator[bytes]:
    """The blocks of a file, one after the other.

    Raises:
        FrameFileError: The file cannot be read, is cut short (after its whole blocks were given), or is none of ours.
    """
    try:
        with path.open("rb") as stream:
            yield from blocks_of(stream, path)
    except OSError as error:
        raise FrameFileError(f"{path}: expected a readable file, got {error.strerror}; check the path") from error


def blocks_of(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """The blocks of an open file, or of one in memory; ``path`` is named in errors.

    Raises:
        FrameFileError: As ``read_blocks``.
    """
    while head := stream.read(_LENGTH.size):
        yield _read_block(stream, head, path)


def write_blocks(path: Path, blocks: Iterable[bytes]) -> int:
    """Write blocks to a file that appears only when it is complete.

    Returns:
        The number of blocks.

    Raises:
        FrameFileError: The file cannot be written.
    """
    return _write(path, (_LENGTH.pack(len(block)) + block for block in blocks))


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Write lines of text to a file that appears only when it is complete.

    Returns:
        The number of lines.

    Raises:
        FrameFileError: The file cannot be written.
    """
    return _write(path, (f"{line}\n".encode() for line in lines))


def _write(path: Path, pieces: Iterable[bytes]) -> int:
    temporary = path.with_name(f".{path.name}.new")
    n = 0
    try:
        with temporary.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
                n += 1
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise FrameFileError(f"{path}: expected a file that can be written, got {error.strerror}") from error
    finally:
        # With a folder that cannot be written to there is nothing to remove, nor is there a way.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return n


def _read_block(stream: BinaryIO, head: bytes, path: Path) -> bytes:
    if len(head) < _LENGTH.size:
        raise _cut_short(path, stream, _LENGTH.size, len(head))
    (length,) = _LENGTH.unpack(head)
    if length > LONGEST_BLOCK:
        raise FrameFileError(
            f"{path}: expected blocks of at most {LONGEST_BLOCK} bytes, got {length} at byte "
            f"{stream.tell() - _LENGTH.size}; give a file of length-prefixed payloads"
        )
    block = stream.read(length)
    if len(block) < length:
        raise _cut_short(path, stream, length, len(block))
    return block


def _cut_short(path: Path, stream: BinaryIO, expected: int, got: int) -> FrameFileError:
    return FrameFileError(
        f"{path}: expected {expected} bytes at byte {stream.tell() - got}, got {got}: the file is cut short; "
        "what came before was used"
    )
