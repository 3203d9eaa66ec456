"""Records of the journal: publications as bytes that are found again even after damage around them. No I/O.

A record is a mark, the length of its body, its number, a checksum of all that and of the body, and the body: a msgpack
list of topic, content type, expiry and payload. docs/reference/journal.md describes the format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import msgpack

from edge_agent.publication import Grade, Publication

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = b"\xe5\x4a\x1f\xa7"
"""Begins every record; no text holds it, as it is no UTF-8."""
_FIELDS = struct.Struct("<IQ")
_CHECKSUM = struct.Struct("<I")
HEAD_BYTES = len(MARK) + _FIELDS.size + _CHECKSUM.size


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sound record lies in its file.

    Attributes:
        number: Its number.
        start: Its first byte.
        end: The byte after its last one.
    """

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is in the bytes of one file.

    Attributes:
        places: The sound records, in order.
        damaged: Records lost to damage between sound ones; at least one a damaged stretch.
        torn_bytes: Bytes after the last sound record that are none: what a crash or damage left of the last ones.
    """

    places: Sequence[Place]
    damaged: int
    torn_bytes: int


def encode_record(number: int, publication: Publication, seed: int) -> bytes:
    """The bytes of a record.

    Args:
        number: Its number, 0 to 2^64 - 1.
        publication: What it keeps; ``retain`` and ``grade`` are not in it.
        seed: Of the checksum: one of its own for each file, so that what is left of another one is no record.
    """
    parts = [publication.topic, publication.content_type, publication.expiry_s, publication.payload]
    body = bytes(msgpack.packb(parts))
    fields = _FIELDS.pack(len(body), number)
    return MARK + fields + _CHECKSUM.pack(crc32(body, crc32(fields, seed))) + body


def decode_record(record: bytes, grade: Grade) -> Publication:
    """The publication in the bytes of a sound record."""
    topic, content_type, expiry_s, payload = msgpack.unpackb(record[HEAD_BYTES:])
    return Publication(topic=topic, payload=payload, content_type=content_type, expiry_s=expiry_s, grade=grade)


def scan_records(content: bytes, *, first: int, seed: int) -> Scan:
    """Find the records in a file; its numbers begin with ``first`` and have no holes but those of damage."""
    places: list[Place] = []
    expected, sound_end, damaged = first, 0, 0
    for place in _sound_records(content, seed):
        if place.start > sound_end:
            damaged += max(1, place.number - expected)
        places.append(place)
        expected, sound_end = place.number + 1, place.end
    return Scan(places=places, damaged=damaged, torn_bytes=len(content) - sound_end)


def _sound_records(content: bytes, seed: int) -> Iterator[Place]:
    view = memoryview(content)
    start = content.find(MARK)
    while start >= 0:
        place = _place_at(view, start, seed)
        if place.end:
            yield place
        # After a damaged record the next mark is tried, even one inside what claims to be its body.
        start = content.find(MARK, place.end or start + 1)


def _place_at(view: memoryview, start: int, seed: int) -> Place:
    """The record that begins at ``start``; its end is 0 where there is none."""
    body_start = start + HEAD_BYTES
    if body_start > len(view):
        return Place(0, start, 0)
    fields = view[start + len(MARK) : body_start - _CHECKSUM.size]
    length, number = _FIELDS.unpack(fields)
    end = body_start + length
    (checksum,) = _CHECKSUM.unpack(view[body_start - _CHECKSUM.size : body_start])
    is_sound = end <= len(view) and crc32(view[body_start:end], crc32(fields, seed)) == checksum
    return Place(number, start, end if is_sound else 0)
