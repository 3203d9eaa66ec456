"""Evidence put together from what came over the broker: whole, or an error that says what to do."""

from __future__ import annotations

import hashlib

import msgpack
import pytest

from ground.errors import DataError
from ground.received_evidence import write_received

WHOLE = b"abcdef"
EVIDENCE = {"id": "f" * 16, "sha256": hashlib.sha256(WHOLE).hexdigest()}
REFUSAL = msgpack.packb({"schema": 1, "agent": "a1", "run": "r", "id": "f" * 16, "error": "unknown_id"})


def chunk(index, data, **other):
    """One message, out of three of two bytes each."""
    return msgpack.packb({"schema": 1, "evidence": EVIDENCE, "chunk": index, "chunks": 3, "data": data} | other)


CHUNKS = (chunk(0, b"ab"), chunk(1, b"cd"), chunk(2, b"ef"))


def test_chunks_in_any_order_beside_a_refusal(tmp_path):
    """Chunks may come twice and out of order, and the topic carries refusals of other requests as well."""
    path = tmp_path / "received.frames"
    assert write_received([*reversed(CHUNKS), REFUSAL, CHUNKS[0]], path) == EVIDENCE
    assert path.read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("payloads", "text"),
    [
        pytest.param((), "expected the chunks of a snapshot, got none", id="nothing"),
        pytest.param((REFUSAL,), "expected the chunks of a snapshot, got none", id="refusal_alone"),
        pytest.param(CHUNKS[1:], "expected all 3 chunks", id="first_missing"),
        pytest.param((*CHUNKS[1:], chunk(3, b"ab")), "expected all 3 chunks", id="as_many_of_other_numbers"),
        pytest.param((*CHUNKS[:2], chunk(2, b"ef", evidence={"sha256": "0" * 64})), "3 of 2", id="two_snapshots"),
        pytest.param((*CHUNKS[:2], chunk(2, b"eF")), "expected the sha256", id="flipped"),
        pytest.param((b"\xc1",), "expected messages of an agent's evidence", id="no_msgpack"),
        pytest.param((b"",), "expected messages of an agent's evidence", id="empty"),
        pytest.param((msgpack.packb(7),), "expected messages of an agent's evidence", id="a_number"),
        pytest.param((msgpack.packb({}),), "expected messages of an agent's evidence", id="another_document"),
        pytest.param((msgpack.packb({"chunk": 0}),), "expected messages of an agent's evidence", id="fields_missing"),
        pytest.param((chunk("0", b"ab"),), "fields of other types", id="number_as_text"),
        pytest.param((chunk([0], b"ab"),), "fields of other types", id="number_as_list"),
        pytest.param((chunk(0, "ab"),), "fields of other types", id="data_as_text"),
        pytest.param((chunk(0, b"ab", evidence=[]),), "expected messages of an agent's evidence", id="no_description"),
    ],
)
def test_what_is_not_one_whole_snapshot(payloads, text, tmp_path):
    """Nothing is written."""
    with pytest.raises(DataError, match=text):
        write_received(payloads, tmp_path / "received.frames")
    assert not list(tmp_path.iterdir())
