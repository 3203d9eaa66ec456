"""Publication: a message on its way to the broker, and what it is worth when room runs short."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MSGPACK: Final = "application/msgpack"
JSON: Final = "application/json"

NEVER: Final = 0
"""``Publication.expiry_s`` of a message that does not expire."""


class Grade(IntEnum):
    """What a publication is worth: where room runs short, the lowest goes first, and of equals the oldest."""

    TELEMETRY = 0
    RESULT = 1
    ALERT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A message to publish, at least once.

    Attributes:
        topic: Its topic.
        payload: Its bytes.
        content_type: MIME type of the payload (MQTT 5).
        expiry_s: Seconds after which the broker may drop it undelivered (MQTT 5), or ``NEVER``.
        retain: Whether the broker keeps it for later subscribers; only the last one on a topic counts then.
        grade: What it is worth.
        keep: Whether the journal keeps it where the broker does not acknowledge it soon.
    """

    topic: str
    payload: bytes
    content_type: str = MSGPACK
    expiry_s: int = NEVER
    retain: bool = False
    grade: Grade = Grade.RESULT
    keep: bool = True
