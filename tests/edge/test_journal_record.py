"""Records of the journal: what is written is found again, and nothing else is."""

from __future__ import annotations

import pytest

from edge_agent.journal_record import HEAD_BYTES, MARK, decode_record, encode_record, scan_records
from edge_agent.publication import JSON, Grade, Publication

SEED = 7


def message(payload: bytes) -> Publication:
    """A publication with every field off its default."""
    return Publication(topic="a/b", payload=payload, content_type=JSON, expiry_s=60, grade=Grade.ALERT)


def records(*payloads: bytes, first: int = 1) -> list[bytes]:
    """Records with consecutive numbers."""
    return [encode_record(number, message(payload), SEED) for number, payload in enumerate(payloads, first)]


def test_round_trip() -> None:
    """A record gives its number and its publication back."""
    (record,) = records(b"payload", first=2**40)
    scan = scan_records(record, first=2**40, seed=SEED)
    assert [(place.number, place.start, place.end) for place in scan.places] == [(2**40, 0, len(record))]
    assert (scan.damaged, scan.torn_bytes) == (0, 0)
    assert decode_record(record, Grade.ALERT) == message(b"payload")


A, B, C = records(b"a", b"b" * 50, b"c")
NESTED = encode_record(2, message(C), SEED)
DAMAGES: list[tuple[str, bytes, list[int], int, int]] = [
    ("nothing", b"", [], 0, 0),
    ("a flipped body", A + B[:-1] + bytes([B[-1] ^ 1]) + C, [1, 3], 1, 0),
    ("a length of four gigabytes", A + B[:4] + b"\xff\xff\xff\xff" + B[8:] + C, [1, 3], 1, 0),
    ("a length of zero", A + B[:4] + bytes(4) + B[8:] + C, [1, 3], 1, 0),
    ("a mark that is none", A + b"\0" + B[1:] + C, [1, 3], 1, 0),
    ("rubbish before", b"rubbish" + A, [1], 1, 0),
    ("rubbish between", A + b"rubbish" + B, [1, 2], 1, 0),
    ("the first two lost", C, [3], 0, 0),
    ("a block of zeros where two were", A + bytes(len(B)) + encode_record(4, message(b"d"), SEED), [1, 4], 2, 0),
    ("half a head at the end", A + B[: HEAD_BYTES - 1], [1], 0, HEAD_BYTES - 1),
    ("half a body at the end", A + B[:-1], [1], 0, len(B) - 1),
    ("marks alone", MARK * 3, [], 0, 3 * len(MARK)),
    ("a record within a sound record", A + NESTED, [1, 2], 0, 0),
]


@pytest.mark.parametrize(
    ("content", "numbers", "damaged", "torn"), [row[1:] for row in DAMAGES], ids=[row[0] for row in DAMAGES]
)
def test_damage(content: bytes, numbers: list[int], damaged: int, torn: int) -> None:
    """Damage costs the records that it hits, by the holes in the numbers; the others are found."""
    scan = scan_records(content, first=1, seed=SEED)
    assert [place.number for place in scan.places] == numbers
    assert (scan.damaged, scan.torn_bytes) == (damaged, torn)


def test_what_another_file_left_is_no_record() -> None:
    """A record counts only in the file for which it was made: the disk may hand out old blocks."""
    assert scan_records(A, first=1, seed=SEED + 1).places == []
