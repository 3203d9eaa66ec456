"""Foreign edge nodes of Sparkplug B: their births, and whether messages of theirs were lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from ground.bridge.payload import NO_ALIAS, Datatype, Metric, Payload
from ground.bridge.topic import NODE_BIRTH, NODE_DEATH, SparkplugTopic

_NUMBERS: Final = 256
_BD_SEQ: Final = "bdSeq"


@dataclass(slots=True)
class Session:
    """What is known of a node between its birth and its death.

    Attributes:
        name: Of the session: another one after each death.
        bd_seq: The number of its births.
        next_seq: The number that its next message should have.
        gaps: Times that messages of it were lost.
    """

    name: str
    bd_seq: object
    next_seq: int
    gaps: int = 0
    _named: dict[str, dict[int, Metric]] = field(default_factory=dict)

    def follow(self, seq: int) -> None:
        """Note the number of a message."""
        self.gaps += seq != self.next_seq
        self.next_seq = (seq + 1) % _NUMBERS

    def learn(self, device: str, metrics: Iterable[Metric]) -> None:
        """Note the aliases and datatypes of a birth; those of an earlier one are forgotten."""
        self._named[device] = {metric.alias: metric for metric in metrics if metric.alias != NO_ALIAS}

    def named(self, device: str, metric: Metric) -> Metric:
        """The metric with the name and the datatype that its birth gave; as it is where there was none."""
        known = self._named.get(device, {}).get(metric.alias)
        if known is None:
            return metric
        datatype = metric.datatype if metric.datatype != Datatype.UNKNOWN else known.datatype
        return replace(metric, name=metric.name or known.name, datatype=datatype)


class Sessions:
    """The sessions of foreign nodes, by name."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def of(self, topic: SparkplugTopic, payload: Payload) -> Session | None:
        """The session that a message belongs to, which has taken note of it; None where its birth was not heard."""
        if topic.kind == NODE_DEATH:
            self._sessions.pop(topic.node, None)
            return None
        if topic.kind == NODE_BIRTH:
            return self._begin(topic.node, payload)
        session = self._sessions.get(topic.node)
        if session is not None:
            session.follow(payload.seq)
        return session

    def _begin(self, node: str, payload: Payload) -> Session:
        bd_seq = next((metric.value for metric in payload.metrics if metric.name == _BD_SEQ), None)
        known = self._sessions.get(node)
        following = (payload.seq + 1) % _NUMBERS
        if known is None or known.bd_seq != bd_seq:
            self._sessions[node] = Session(f"{node}-{payload.timestamp_ms}", bd_seq, following)
        else:
            # Born again at somebody's request: the same session, whose lost messages are counted already.
            known.next_seq = following
        return self._sessions[node]
