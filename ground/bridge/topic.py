"""Topics of Sparkplug B: ``spBv1.0/<group>/<kind>/<node>[/<device>]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NAMESPACE: Final = "spBv1.0"
NODE_BIRTH: Final = "NBIRTH"
NODE_DEATH: Final = "NDEATH"
NODE_DATA: Final = "NDATA"
NODE_COMMAND: Final = "NCMD"
DEVICE_BIRTH: Final = "DBIRTH"
DEVICE_DEATH: Final = "DDEATH"
DEVICE_DATA: Final = "DDATA"
NO_DEVICE: Final = ""
_NODE_LEVELS: Final = 4
_DEVICE_LEVELS: Final = 5


@dataclass(frozen=True, slots=True)
class SparkplugTopic:
    """Where a message of a node or of one of its devices goes."""

    group: str
    kind: str
    node: str
    device: str = NO_DEVICE

    def __str__(self) -> str:
        levels = (NAMESPACE, self.group, self.kind, self.node, *([self.device] if self.device else []))
        return "/".join(levels)


def parse_topic(text: str) -> SparkplugTopic | None:
    """The parts of a topic; None where it is of another form, as that of a host's state is."""
    levels = text.split("/")
    if levels[0] != NAMESPACE or not _NODE_LEVELS <= len(levels) <= _DEVICE_LEVELS or not all(levels):
        return None
    return SparkplugTopic(*levels[1:])


def device_of(aircraft: str, engine: str) -> str:
    """The device of an engine: no two share one, and an agent's (its name) has no colon."""
    return ":".join(name.replace("%", "%25").replace(":", "%3A") for name in (aircraft, engine))
