"""From what agents say to the devices of an edge node: each engine one, each agent one."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from edge_agent.assessment import Assessment
from edge_agent.decision import ALARM, NOT_ASSESSED
from edge_agent.errors import WireError
from edge_agent.frame import NS_PER_S
from edge_agent.health import OFFLINE
from edge_agent.inbox import LONGEST_TOPIC
from edge_agent.result import Result, decode_result
from edge_agent.topics import TopicTemplate
from edge_agent.topics_section import AGENT, AIRCRAFT, ENGINE, TopicsSection
from ground.bridge.node import EdgeNode, Message
from ground.bridge.payload import Datatype, Metric, Value
from ground.bridge.topic import device_of
from ground.bridge.vital_signs import VitalSigns, checked_interval_s

MOST_DEVICES: Final = 10_000
"""Names come from outside; beyond so many devices further ones are counted and left out."""
LONGEST_STATUS: Final = 4 * 1024 * 1024
_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000
_BEYOND_NS: Final = 2**63
_TYPES: Final[dict[Datatype, type | tuple[type, ...]]] = {
    Datatype.STRING: str,
    Datatype.BOOLEAN: bool,
    Datatype.DOUBLE: (float, int),
}

TOO_MANY: Final = "too_many_devices"
UNREADABLE: Final = "unreadable"
MISMATCH: Final = "topic_mismatch"
TOO_LONG: Final = "topic_too_long"


class Outward:
    """Turns the messages of agents into messages of a node.

    Args:
        node: The node.
        topics: The topics of the agents.
        signs: Knows who was heard when.
        now_s: The monotonic clock.

    Attributes:
        left_out: Messages that said nothing, by reason.
    """

    def __init__(
        self, node: EdgeNode, topics: TopicsSection, signs: VitalSigns, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._node = node
        self._result = TopicTemplate(topics.result)
        self._status = TopicTemplate(topics.status)
        self._signs = signs
        self._now_s = now_s
        self.left_out: Counter[str] = Counter()

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to; an alert is a result, too."""
        return self._result.filter, self._status.filter

    def take(self, topic: str, payload: bytes) -> list[Message]:
        """What is to be said because of a message; one that cannot be read is counted."""
        if len(topic) > LONGEST_TOPIC:
            self.left_out[TOO_LONG] += 1
            return []
        try:
            if self._result.matches(topic):
                return self._of_result(self._result.identities(topic), decode_result(payload))
            if self._status.matches(topic):
                return self._of_status(self._status.identities(topic)[AGENT], payload)
        except (WireError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            self.left_out[UNREADABLE] += 1
        return []

    def bury_silent(self) -> list[Message]:
        """The deaths of the devices of which nothing came for too long."""
        return self._bury(self._signs.silent(self._now_s()))

    def bury_all(self) -> list[Message]:
        """The deaths of all devices: nobody can be heard any more. They are born again as they are heard again."""
        return self._bury(self._signs.all())

    def _bury(self, devices: Iterable[str]) -> list[Message]:
        return [message for device in devices for message in self._node.bury(device)]

    def _of_result(self, named: dict[str, str], result: Result) -> list[Message]:
        runtime, assessment = result.runtime, result.assessment
        if (named[AIRCRAFT], named[ENGINE]) != (assessment.aircraft, assessment.engine):
            # A broker's access rules are by topic.
            self.left_out[MISMATCH] += 1
            return []
        device = device_of(assessment.aircraft, assessment.engine)
        metrics = engine_metrics(assessment, runtime.agent, historical=runtime.historical)
        window_s = (assessment.end_ns - assessment.start_ns) / NS_PER_S
        messages = self._tell(device, metrics)
        if not runtime.historical and self._node.knows(device):
            self._signs.engine(device, runtime.agent, window_s=window_s, now_s=self._now_s())
        return messages

    def _of_status(self, agent: str, payload: bytes) -> list[Message]:
        if len(payload) > LONGEST_STATUS or not agent or ":" in agent:
            raise ValueError("expected a status of an agent whose name is none of an engine's device")
        status = json.loads(payload)
        if status["state"] == OFFLINE:
            return self._bury(self._signs.gone(agent))
        metrics, interval_s = agent_metrics(status), checked_interval_s(status["status_interval_s"])
        messages = self._tell(agent, metrics)
        if self._node.knows(agent):
            self._signs.agent(agent, interval_s=interval_s, now_s=self._now_s())
        return messages

    def _tell(self, device: str, metrics: tuple[Metric, ...]) -> list[Message]:
        if not self._node.knows(device) and self._node.n_devices >= MOST_DEVICES:
            self.left_out[TOO_MANY] += 1
            return []
        return self._node.tell(device, metrics)


def engine_metrics(assessment: Assessment, agent: str, *, historical: bool) -> tuple[Metric, ...]:
    """What an engine's device says; score and threshold are null where the window is not assessed."""
    is_assessed = assessment.state != NOT_ASSESSED
    values: dict[str, tuple[Datatype, Value]] = {
        "State": (Datatype.STRING, assessment.state),
        "Alarm": (Datatype.BOOLEAN, assessment.state == ALARM),
        "Reason": (Datatype.STRING, assessment.reason),
        "Score": (Datatype.DOUBLE, assessment.score if is_assessed else None),
        "Threshold": (Datatype.DOUBLE, assessment.threshold if is_assessed else None),
        "Features": (Datatype.STRING, ", ".join(part.feature for part in assessment.contributions)),
        "Flight": (Datatype.STRING, assessment.flight),
        "Phase": (Datatype.STRING, assessment.phase),
        "Bundle": (Datatype.STRING, assessment.bundle_id),
        "Agent": (Datatype.STRING, agent),
    }
    if not isinstance(assessment.end_ns, int) or not 0 <= assessment.end_ns < _BEYOND_NS:
        raise ValueError("end_ns: expected a time")
    return _metrics(values, assessment.end_ns // _NS_PER_MS, historical=historical)


def agent_metrics(status: dict[str, Any]) -> tuple[Metric, ...]:
    """What an agent's device says."""
    values: dict[str, tuple[Datatype, Value]] = {
        "State": (Datatype.STRING, str(status["state"])),
        "Health": (Datatype.STRING, str(status["health"])),
        "Reasons": (Datatype.STRING, ", ".join(map(str, status["health_reasons"]))),
        "Version": (Datatype.STRING, str(status["version"])),
        "Bundle": (Datatype.STRING, str(status["bundle_id"])),
        "Fleet": (Datatype.STRING, str(status["fleet"])),
    }
    updated_s = datetime.fromisoformat(status["updated"]).timestamp()
    return _metrics(values, max(0, round(updated_s * _MS_PER_S)), historical=False)


def _metrics(
    values: dict[str, tuple[Datatype, Value]], timestamp_ms: int, *, historical: bool
) -> tuple[Metric, ...]:  # fmt: skip
    for name, (datatype, value) in values.items():
        _check(name, datatype, value)
    return tuple(
        Metric(name=name, datatype=datatype, value=value, timestamp_ms=timestamp_ms, is_historical=historical)
        for name, (datatype, value) in values.items()
    )


def _check(name: str, datatype: Datatype, value: Value) -> None:
    """Refuse what could not be sent, before a number is given to it: agents send none of it, others might."""
    if value is not None and not isinstance(value, _TYPES[datatype]):
        raise TypeError(f"{name}: expected {datatype.name}, got {type(value).__name__}")
    if isinstance(value, str):
        value.encode()
