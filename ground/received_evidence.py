"""Evidence as an agent ships it: from the chunks on the broker back to a file of frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgpack

from ground.errors import DataError


def write_received(payloads: Iterable[bytes], path: Path) -> dict[str, Any]:
    """Write the file that the chunks of one snapshot carry, in any order, each once or more.

    Args:
        payloads: Messages on ``topics.evidence_data``.
        path: The file of frames to write; ``edge-agent replay`` reads it.

    Returns:
        The description of the snapshot; docs/reference/payload.md names its fields.

    Raises:
        DataError: Chunks are missing, of several snapshots, or damaged.
    """
    documents = [msgpack.unpackb(payload) for payload in payloads]
    chunks = {document["chunk"]: document for document in documents if "chunk" in document}
    digests = {document["evidence"]["sha256"] for document in chunks.values()}
    n_chunk = max((document["chunks"] for document in chunks.values()), default=0)
    if len(digests) != 1 or len(chunks) != n_chunk:
        raise DataError(
            f"evidence: expected all {n_chunk} chunks of one snapshot, got {len(chunks)} of {len(digests)}; ask again"
        )
    whole = b"".join(chunks[index]["data"] for index in range(n_chunk))
    if hashlib.sha256(whole).hexdigest() not in digests:
        raise DataError("evidence: expected the sha256 of its description, got another one; ask again")
    path.write_bytes(whole)
    description: dict[str, Any] = chunks[0]["evidence"]
    return description
