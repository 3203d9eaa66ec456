"""Results and alerts as CloudEvents 1.0, in the binary content mode of its MQTT binding.

The attributes are user properties beside the payload, which keeps its bytes. They are read from the payload when it is
sent, so that what comes out of the journal has them too, and what is sent again has the same id.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgpack
import structlog

from edge_agent.frame import NS_PER_S
from edge_agent.publication import MSGPACK
from edge_agent.result import RUNTIME
from edge_agent.topics import TopicTemplate

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.publication import Publication

SPEC_VERSION: Final = "1.0"
RESULT_TYPE: Final = "enginear.result"
ALERT_TYPE: Final = "enginear.alert"
"""Of an alert, with ``.raised`` or ``.cleared`` after it."""

CLOUD_EVENTS_FAULTS: Final = "observer_errors.CloudEvents"
"""Counts messages that could not be read."""

_READ = frozenset((RUNTIME, "flight", "seq", "event", "end_ns"))

Attributes = tuple[tuple[str, str], ...]
NONE: Final[Attributes] = ()

_log = structlog.get_logger(__name__)


class CloudEvents:
    """Says which attributes a message carries: none, unless it is a result or an alert and they are asked for.

    A message that cannot be read, as one that another version left in the journal, goes without: attributes are an
    extra, and never hold anything back.

    Args:
        config: The agent's config.
        on_fault: Told of each such message.
    """

    def __init__(self, config: AgentConfig, on_fault: Callable[[], None] = lambda: None) -> None:
        self._wanted = config.interop.cloud_events
        self._result = TopicTemplate(config.topics.result)
        self._alert = TopicTemplate(config.topics.alert)
        self._on_fault = on_fault
        self._told = False

    def attributes_of(self, publication: Publication) -> Attributes:
        """Names and values of the attributes, in a fixed order.

        ``id`` is unique for each ``source``; a message that is sent again has both again.
        """
        if not self._wanted or publication.retain or publication.content_type != MSGPACK:
            return NONE
        try:
            return self._read(publication)
        except Exception:  # noqa: BLE001 - it would come back with every connection, and nothing else would ever pass
            self._on_fault()
            if not self._told:
                self._told = True
                _log.error("message goes without attributes of CloudEvents", topic=publication.topic, exc_info=True)
            return NONE

    def _read(self, publication: Publication) -> Attributes:
        is_alert = bool(self._alert.identities(publication.topic))
        if not is_alert and not self._result.identities(publication.topic):
            return NONE
        said = msgpack.unpackb(publication.payload)
        if not isinstance(said, dict) or not said.keys() >= _READ:
            # Other messages of ours, where a config gives them the topic of results.
            return NONE
        return (
            ("specversion", SPEC_VERSION),
            ("id", f"{said[RUNTIME]['run']}:{said['flight']}:{said['seq']}"),
            ("source", "/" + quote(publication.topic)),
            ("type", f"{ALERT_TYPE}.{said['event']}" if is_alert else RESULT_TYPE),
            ("time", timestamp(said["end_ns"])),
        )


def bytes_of(attributes: Attributes) -> int:
    """What attributes add to a packet: each text has a length, each pair a mark."""
    return sum(5 + len(name) + len(value.encode()) for name, value in attributes)


def timestamp(t_ns: int) -> str:
    """A time since 1970 UTC as RFC 3339, to the nanosecond."""
    seconds, rest_ns = divmod(t_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"
