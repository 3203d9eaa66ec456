"""Evidence as an agent ships it: from the chunks on the broker back to a file of frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from ground.errors import DataError
from ground.workspace import write_atomic


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One part of a snapshot's file."""

    evidence: dict[str, Any]
    index: int
    n_chunk: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A snapshot that is whole.

    Attributes:
        evidence: Its description; docs/reference/payload.md names the fields.
        content: The file of frames.
    """

    evidence: dict[str, Any]
    content: bytes


def write_received(payloads: Iterable[bytes], path: Path) -> dict[str, Any]:
    """Write the file that the chunks of one snapshot carry, in any order, each once or more.

    Args:
        payloads: Messages on ``topics.evidence_data``; what an agent refused is passed over.
        path: The file of frames to write; ``edge-agent replay`` reads it. It appears whole or not at all.

    Returns:
        The description of the snapshot; docs/reference/payload.md names its fields.

    Raises:
        DataError: Chunks are missing, of several snapshots, or damaged, or a payload is no message of evidence.
    """
    received = join_received(payloads)
    write_atomic(path, received.content)
    return received.evidence


def join_received(payloads: Iterable[bytes]) -> Received:
    """Put the chunks of one snapshot together, in any order, each once or more; what an agent refused is passed over.

    Raises:
        DataError: As ``write_received``.
    """
    chunks = {chunk.index: chunk for chunk in _chunks(payloads)}
    digests = {chunk.evidence["sha256"] for chunk in chunks.values()}
    n_chunk = max((chunk.n_chunk for chunk in chunks.values()), default=0)
    if not chunks:
        raise DataError("evidence: expected the chunks of a snapshot, got none; ask the agent for it")
    if len(digests) != 1 or chunks.keys() != set(range(n_chunk)):
        raise DataError(
            f"evidence: expected all {n_chunk} chunks of one snapshot, got {len(chunks)} of {len(digests)}; ask again"
        )
    whole = b"".join(chunks[index].data for index in range(n_chunk))
    if hashlib.sha256(whole).hexdigest() not in digests:
        raise DataError("evidence: expected the sha256 of its description, got another one; ask again")
    return Received(chunks[0].evidence, whole)


def _chunks(payloads: Iterable[bytes]) -> Iterator[_Chunk]:
    """The chunks among the messages.

    Raises:
        DataError: A message is neither a chunk nor a refusal.
    """
    for payload in payloads:
        try:
            document = msgpack.unpackb(payload)
            if "error" not in document:
                yield _chunk(document)
        except (ValueError, TypeError, KeyError, msgpack.exceptions.UnpackException) as error:
            raise DataError(
                f"evidence: expected messages of an agent's evidence, got {error!r:.200}; subscribe to no other topic"
            ) from error


def _chunk(document: Mapping[str, Any]) -> _Chunk:
    """Raises ValueError, TypeError or KeyError for another document."""
    chunk = _Chunk(document["evidence"], document["chunk"], document["chunks"], document["data"])
    values = (chunk.evidence["sha256"], chunk.index, chunk.n_chunk, chunk.data)
    if [type(value) for value in values] != [str, int, int, bytes]:
        raise ValueError("fields of other types")
    return chunk
