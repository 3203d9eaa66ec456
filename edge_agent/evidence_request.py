"""Requests for evidence, and the messages that answer them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgpack

from edge_agent.errors import WireError
from edge_agent.evidence import ID_DIGITS
from edge_agent.evidence_store import NEWEST

if TYPE_CHECKING:
    from edge_agent.evidence_store import StoredEvidence
    from edge_agent.inbox import Arrival

SCHEMA = 1
MAX_REQUEST_BYTES = 1_024
CHUNK_BYTES = 16 * 1024
"""One is on its way at a time: so many bytes are in the way of an alert, on a thin link a second or two, and get there
well before the link is given up."""

RETAINED: Final = "retained"
TOO_LARGE: Final = "too_large"
NOT_A_REQUEST: Final = "not_a_request"

_ID = re.compile(rf"[0-9a-f]{{{ID_DIGITS}}}|{NEWEST}")


def decode_request(arrival: Arrival) -> str:
    """The id that a request names, or ``newest``.

    Raises:
        WireError: Not a request; ``reason`` is a counter label.
    """
    payload = arrival.payload
    if arrival.retained:
        raise WireError(RETAINED, "evidence request: expected a live one, got a retained one; publish without retain")
    if len(payload) > MAX_REQUEST_BYTES:
        raise WireError(
            TOO_LARGE, f"evidence request: expected at most {MAX_REQUEST_BYTES} bytes, got {len(payload)}; name one id"
        )
    try:
        document = json.loads(payload) if payload[:1] == b"{" else msgpack.unpackb(payload)
    except (ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise _no_request(error) from error
    if not isinstance(document, dict) or document.keys() != {"schema", "id"} or document["schema"] != SCHEMA:
        raise _no_request("another document")
    name = document["id"]
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise _no_request("another id")
    return name


def chunks_of(stored: StoredEvidence) -> Iterator[bytes]:
    """The payloads that carry a snapshot; the file is read chunk by chunk.

    Raises:
        OSError: The file cannot be read.
    """
    document = stored.evidence.to_document()
    n_chunk = -(-stored.evidence.n_byte // CHUNK_BYTES)
    with stored.path.open("rb") as stream:
        for index in range(n_chunk):
            data = stream.read(CHUNK_BYTES)
            yield _packed({"schema": SCHEMA, "evidence": document, "chunk": index, "chunks": n_chunk, "data": data})


def encode_refusal(*, agent: str, run: str, name: str, error: str) -> bytes:
    """The answer to a request that names nothing we have."""
    return _packed({"schema": SCHEMA, "agent": agent, "run": run, "id": name, "error": error})


def _packed(document: dict[str, Any]) -> bytes:
    return bytes(msgpack.packb(document))


def _no_request(got: object) -> WireError:
    return WireError(
        NOT_A_REQUEST,
        f'evidence request: expected {{"schema": {SCHEMA}, "id": "..."}}, got {got!s:.80}; see the format',
    )
