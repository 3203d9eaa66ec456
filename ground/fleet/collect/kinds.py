"""What agents publish, told apart by topic."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from edge_agent.topics import TopicTemplate
from edge_agent.topics_section import AGENT, AIRCRAFT, TopicsSection

_TOPICS_KEPT = 65_536
"""Topics whose kind is remembered: a fleet of thousands of engines names the same ones again and again."""


class Kind(Enum):
    """A kind of message; its value is its folder in the dataset, and the field of ``[topics]`` that names its topic."""

    RESULT = "result"
    ALERT = "alert"
    SHADOW = "shadow"
    AGREEMENT = "agreement"
    DRIFT = "drift"
    FLIGHT = "flight"
    EVIDENCE = "evidence"
    EVIDENCE_DATA = "evidence_data"
    UNIT = "unit"
    STATUS = "status"
    REFUSED = "refused"

    @property
    def holds_windows(self) -> bool:
        """Whether each message is the assessment of one window."""
        return self in _OF_WINDOWS


_OF_WINDOWS = (Kind.RESULT, Kind.ALERT, Kind.SHADOW)
COLLECTED: Final = tuple(kind for kind in Kind if kind is not Kind.REFUSED)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message comes from.

    Attributes:
        kind: What it is.
        source: ``aircraft`` or ``agent``: what its topic names.
        name: The name of that aircraft or agent.
    """

    kind: Kind
    source: str
    name: str


UNKNOWN: Final = Origin(Kind.REFUSED, AIRCRAFT, "unknown")


def topic_filters(topics: TopicsSection) -> tuple[str, ...]:
    """Filters to subscribe to, one a kind."""
    return tuple(TopicTemplate(getattr(topics, kind.value)).filter for kind in COLLECTED)


@lru_cache(maxsize=_TOPICS_KEPT)
def origin_of(topic: str, topics: TopicsSection) -> Origin:
    """What a topic says of its message; ``UNKNOWN`` where it is none of an agent's."""
    for kind in COLLECTED:
        identities = TopicTemplate(getattr(topics, kind.value)).identities(topic)
        for source in (AIRCRAFT, AGENT):
            if source in identities:
                return Origin(kind, source, identities[source])
    return UNKNOWN
