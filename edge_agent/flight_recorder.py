"""The flight recorder: sums up every flight and publishes the summary when the flight is over."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from edge_agent.clock import clock_quality
from edge_agent.flight_log import FlightLog
from edge_agent.flight_summary import FlightFacts, encode_summary
from edge_agent.frame import NS_PER_S
from edge_agent.publication import Grade, Publication
from edge_agent.streams import name_of
from edge_agent.topics import TopicTemplate

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement
    from edge_agent.frame import Frame
    from edge_agent.health import Health

NEXT_FLIGHT: Final = "next_flight"
SILENCE: Final = "silence"
EVICTED: Final = "evicted"
STOPPED: Final = "stopped"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Open:
    """A flight that is not over."""

    log: FlightLog
    aircraft: str
    engine: str
    flight: str
    heard_ns: int


class FlightRecorder:
    """Sums up flights.

    A flight is over when another one of the engine begins, after ``agent.flight_end_s`` without a frame, or when the
    agent stops. Nothing is kept over a crash: the next run sums up the rest, and ``first_seq`` and ``run`` say so.

    Args:
        config: The agent's config.
        health: Who we are, and counts.
        now_ns: The monotonic clock.
    """

    def __init__(self, config: AgentConfig, health: Health, *, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._topic = TopicTemplate(config.topics.flight)
        self._silence_ns = config.agent.flight_end_s * NS_PER_S
        self.reconfigure(config)
        self._health = health
        self._now_ns = now_ns
        self._flights: OrderedDict[str, _Open] = OrderedDict()

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config, between two frames."""
        self._expiry_s = config.broker.message_expiry_s
        self._most_engines = config.limits.max_streams

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """Note the frame; gives the summary of the flight that it ends."""
        name = name_of(frame)
        over: list[Publication] = []
        if name in self._flights and self._flights[name].flight != frame.flight:
            over = self._close(name, NEXT_FLIGHT)
        while name not in self._flights and len(self._flights) >= self._most_engines:
            over += self._close(next(iter(self._flights)), EVICTED)
        if name not in self._flights:
            log = FlightLog(self._health.identity.run)
            self._flights[name] = _Open(log, frame.aircraft, frame.engine, frame.flight, 0)
        flight = self._flights[name]
        flight.heard_ns = self._now_ns()
        flight.log.note(frame, (judgement.assessment for judgement in judgements))
        self._flights.move_to_end(name)
        return over

    def tick(self) -> list[Publication]:
        """The summaries of flights that have fallen silent."""
        oldest_ns = self._now_ns() - self._silence_ns
        silent = [name for name, flight in self._flights.items() if flight.heard_ns < oldest_ns]
        return [each for name in silent for each in self._close(name, SILENCE)]

    def finish(self) -> list[Publication]:
        """The summaries of all flights: the agent stops."""
        return [each for name in list(self._flights) for each in self._close(name, STOPPED)]

    def _close(self, name: str, ended: str) -> list[Publication]:
        flight = self._flights.pop(name)
        if not flight.log.windows:
            # A source that names another flight in every frame would otherwise get an answer to each.
            return []
        identity = self._health.identity
        facts = FlightFacts(
            aircraft=flight.aircraft,
            engine=flight.engine,
            flight=flight.flight,
            agent=identity.agent,
            clock=clock_quality(),
            ended=ended,
        )
        self._health.counters.add(f"flights_ended.{ended}")
        _log.info("flight ended", engine=name, flight=flight.flight, reason=ended, windows=flight.log.windows)
        return [
            Publication(
                topic=self._topic.fill(aircraft=flight.aircraft, engine=flight.engine),
                payload=encode_summary(flight.log, facts),
                expiry_s=self._expiry_s,
                # One that says that nothing could be said must not push alerts out of the journal.
                grade=Grade.ALERT if flight.log.assessed else Grade.RESULT,
            )
        ]
