"""From arrays of foreign devices to frames for agents."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import Frame
from edge_agent.topics import TopicTemplate
from edge_agent.wire import MAX_TEXT, encode_frame
from ground.bridge.config import BridgeConfig, InputConfig
from ground.bridge.node import Message, rebirth_command
from ground.bridge.payload import Metric, SparkplugError, decode_payload
from ground.bridge.sessions import Session, Sessions
from ground.bridge.topic import (
    DEVICE_BIRTH,
    DEVICE_DATA,
    DEVICE_DEATH,
    NAMESPACE,
    NODE_BIRTH,
    NODE_DATA,
    NODE_DEATH,
    SparkplugTopic,
    parse_topic,
)

REBIRTH_EVERY_S: Final = 5.0
"""A node that is unknown, or of which messages were lost, is asked for its birth so often at most."""
_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000
_BEYOND_MS: Final = 2**62 // _NS_PER_MS
"""Later times are none of a frame's."""
_FLIGHT_SIGNS: Final = str.maketrans("/+#", "___")

UNREADABLE: Final = "unreadable"
UNKNOWN_NODE: Final = "unknown_node"
INCOMPLETE: Final = "channels_incomplete"
NO_TIME: Final = "no_time"


@dataclass(frozen=True, slots=True)
class Inbound:
    """What a message causes: frames for the agents' broker, commands for the plant's."""

    frames: tuple[Message, ...] = ()
    commands: tuple[Message, ...] = ()


_NOTHING: Final = Inbound()
_OF_NODES: Final = frozenset((NODE_BIRTH, NODE_DEATH, NODE_DATA, DEVICE_BIRTH, DEVICE_DATA, DEVICE_DEATH))
_MAX_SPEED_HZ: Final = 1e6


@dataclass(slots=True)
class _Source:
    """One input: what it last said beside samples, and where its frames are."""

    config: InputConfig
    values: dict[str, Metric]
    session: Session | None = None
    flight: str = ""
    seq: int = 0
    gaps: int = 0

    @property
    def names(self) -> frozenset[str]:
        """The metrics that are remembered beside samples."""
        config = self.config
        return frozenset(filter(None, (*config.speed_hz.values(), config.phase_metric, config.flight_metric)))

    def note(self, said: Mapping[str, Metric], session: Session) -> None:
        """Remember what is said beside samples; null is said of what is not known."""
        self.session = session
        for name in said.keys() & self.names:
            if said[name].value is None:
                self.values.pop(name, None)
            else:
                self.values[name] = said[name]


class Inward:
    """Turns messages of foreign nodes into frames.

    Args:
        config: The bridge's config.
        now_s: The wall clock.

    Attributes:
        left_out: Messages that gave no frame though they should have, by reason.
        lost: Times that messages of nodes were lost on the way.
    """

    def __init__(self, config: BridgeConfig, now_s: Callable[[], float] = time.time) -> None:
        self._group = config.group
        self._topic = TopicTemplate(config.input_topic)
        self._sources = {(each.node, each.device): _Source(each, {}) for each in config.inputs}
        self._nodes = {each.node for each in config.inputs}
        self._sessions = Sessions()
        self._asked_s: dict[str, float] = {}
        self._gaps: dict[str, int] = {}
        self._now_s = now_s
        self.left_out: Counter[str] = Counter()
        self.lost = 0

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to: all of each node, for its numbers count all of it."""
        nodes = sorted(self._nodes)
        return tuple(f"{NAMESPACE}/{self._group}/+/{node}{rest}" for node in nodes for rest in ("", "/+"))

    def take(self, topic: str, payload: bytes) -> Inbound:
        """What a message causes; one that cannot be read is counted."""
        parsed = parse_topic(topic)
        if parsed is None or parsed.node not in self._nodes or parsed.kind not in _OF_NODES:
            return _NOTHING
        try:
            return self._take(parsed, payload)
        except SparkplugError:
            self.left_out[UNREADABLE] += 1
            return _NOTHING

    def lose_sight(self) -> Inbound:
        """The plant was out of sight: what was known of nodes holds no more; each is asked for its birth at once."""
        self._sessions.lose_sight()
        self._asked_s.clear()
        for source in self._sources.values():
            source.values.clear()
        return Inbound(commands=tuple(each for node in sorted(self._nodes) for each in self._ask(node)))

    def _take(self, topic: SparkplugTopic, data: bytes) -> Inbound:
        payload = decode_payload(data)
        session = self._sessions.of(topic, payload)
        if session is None:
            return self._without_session(topic)
        source = self._sources.get((topic.node, topic.device))
        is_lost = self._lost_of(topic.node, session) and topic.kind != NODE_BIRTH
        commands = self._ask(topic.node) if is_lost else ()
        if source is None:
            return Inbound(commands=commands)
        is_birth = topic.kind in {NODE_BIRTH, DEVICE_BIRTH}
        if is_birth:
            session.learn(topic.device, payload.metrics)
        metrics = [session.named(topic.device, metric) for metric in payload.metrics]
        said = {metric.name: metric for metric in metrics if not metric.is_historical}
        if is_birth or topic.kind == DEVICE_DEATH or source.session is not session:
            source.values.clear()
        source.note(said, session)
        fresh = {name: metric for name, metric in said.items() if metric.value is not None}
        # A birth repeats last values: samples in it were sent before.
        return Inbound(() if is_birth else self._frames(source, session, fresh), commands)

    def _without_session(self, topic: SparkplugTopic) -> Inbound:
        if topic.kind == NODE_DEATH:
            return _NOTHING
        self.left_out[UNKNOWN_NODE] += 1
        return Inbound(commands=self._ask(topic.node))

    def _frames(self, source: _Source, session: Session, fresh: Mapping[str, Metric]) -> tuple[Message, ...]:
        config = source.config
        arrays = [fresh.get(name) for name in config.channels.values()]
        if not any(arrays):
            return ()
        found = [metric for metric in arrays if metric is not None]
        samples = [metric.samples for metric in found]
        if len(found) < len(arrays) or len({len(each) for each in samples}) > 1 or not len(samples[0]):
            self.left_out[INCOMPLETE] += 1
            return ()
        if not 0 < found[0].timestamp_ms < _BEYOND_MS:
            self.left_out[NO_TIME] += 1
            return ()
        frame = self._frame(source, session, np.stack(samples, axis=1), found[0].timestamp_ms)
        return (Message(self._topic.fill(aircraft=config.aircraft, engine=config.engine), encode_frame(frame)),)

    def _frame(self, source: _Source, session: Session, samples: NDArray[np.float32], t_ms: int) -> Frame:
        config = source.config
        self._count(source, session, _text(source.values, config.flight_metric, session.name))
        return Frame(
            aircraft=config.aircraft,
            engine=config.engine,
            flight=source.flight,
            phase=_text(source.values, config.phase_metric, config.phase),
            t_ns=t_ms * _NS_PER_MS,
            seq=source.seq,
            rate_hz=config.rate_hz,
            unit=config.unit,
            channels=tuple(config.channels),
            samples=samples,
            speed_hz=_speeds(config, source.values),
        )

    def _count(self, source: _Source, session: Session, flight: str) -> None:
        """The number of the next frame: one is left out where messages were lost, so that an agent sees a gap."""
        if flight != source.flight:
            source.flight, source.seq = flight, 0
        else:
            source.seq += 1 if session.gaps == source.gaps else 2
        source.gaps = session.gaps

    def _lost_of(self, node: str, session: Session) -> bool:
        """Whether messages were lost since the last look; all sources of the node are told by ``session.gaps``."""
        known = self._gaps.get(node, 0)
        self._gaps[node] = session.gaps
        self.lost += max(0, session.gaps - known)
        return session.gaps > known

    def _ask(self, node: str) -> tuple[Message, ...]:
        now_s = self._now_s()
        if now_s - self._asked_s.get(node, -REBIRTH_EVERY_S) < REBIRTH_EVERY_S:
            return ()
        self._asked_s[node] = now_s
        return (rebirth_command(self._group, node, round(now_s * _MS_PER_S)),)


def _text(values: Mapping[str, Metric], name: str, default: str) -> str:
    """A metric's text as an identity; what no topic may hold is replaced."""
    metric = values.get(name)
    text = str(metric.value) if metric else default
    plain = "".join(sign for sign in text.translate(_FLIGHT_SIGNS)[:MAX_TEXT] if sign.isprintable())
    return plain or default


def _speeds(config: InputConfig, values: Mapping[str, Metric]) -> dict[str, float]:
    """Speeds that are known; what is no number from 0 on is none."""
    known = {shaft: values[name].value for shaft, name in config.speed_hz.items() if name in values}
    return {
        shaft: float(value)
        for shaft, value in known.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= _MAX_SPEED_HZ
    }
