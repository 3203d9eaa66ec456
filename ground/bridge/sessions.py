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

    def resume(self) -> None:
        """Go on after a while in which nothing was heard: messages were lost, and aliases may be others."""
        self.gaps += 1
        self._named.clear()

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
        self._out_of_sight: dict[str, Session] = {}

    def lose_sight(self) -> None:
        """Nothing was heard for a while: only the next births say what messages mean; they may go on with a session."""
        self._out_of_sight.update(self._sessions)
        self._sessions.clear()

    def of(self, topic: SparkplugTopic, payload: Payload) -> Session | None:
        """The session that a message belongs to, which has taken note of it; None where its birth was not heard."""
        if topic.kind == NODE_DEATH:
            self._end(topic.node, payload)
            return None
        if topic.kind == NODE_BIRTH:
            return self._begin(topic.node, payload)
        session = self._sessions.get(topic.node)
        if session is not None:
            session.follow(payload.seq)
        return session

    def _end(self, node: str, payload: Payload) -> None:
        session, died = self._sessions.get(node, self._out_of_sight.get(node)), _bd_seq_of(payload)
        if session is not None and None not in (died, session.bd_seq) and died != session.bd_seq:
            # The late will of a connection before this one: a broker notices late that it was lost.
            return
        self._sessions.pop(node, None)
        self._out_of_sight.pop(node, None)

    def _begin(self, node: str, payload: Payload) -> Session:
        bd_seq = _bd_seq_of(payload)
        lost = self._out_of_sight.pop(node, None)
        known = self._sessions.get(node, lost)
        following = (payload.seq + 1) % _NUMBERS
        if known is None or known.bd_seq != bd_seq:
            known = Session(f"{node}-{payload.timestamp_ms}", bd_seq, following)
        else:
            # Born again at somebody's request: the same session, whose lost messages are counted already.
            known.next_seq = following
            if known is lost:
                known.resume()
        self._sessions[node] = known
        return known


def _bd_seq_of(payload: Payload) -> object:
    return next((metric.value for metric in payload.metrics if metric.name == _BD_SEQ), None)
