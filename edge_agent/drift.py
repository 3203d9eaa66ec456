"""Drift on board: sketches of what the features were, each flight and each hour, for the ground to judge.

No verdict is given here. Neighbouring windows resemble each other, so that a distance between distributions of windows
has no known rate of false alarms; what it takes to know one, flights as observations, only the ground has.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

import msgpack

from edge_agent.account import Accounts
from edge_agent.decision import NOT_ASSESSED
from edge_agent.overload import Rung
from edge_agent.publication import Grade, Publication
from edge_agent.recent_scalers import RecentScalers
from edge_agent.sketch import Sketch
from edge_agent.topics import TopicTemplate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.account import Period
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement, LoadedModel
    from edge_agent.frame import Frame
    from edge_agent.health import Health
    from edge_agent.overload import Ladder
    from edge_agent.scaler import Scaler

SCHEMA: Final = 1
OTHER_PHASES: Final = ""
_MOST_PHASES = 8
"""Phases of one period that are sketched apart; further ones share a sketch, lest invented ones fill the memory."""


class Drift:
    """An observer that sketches every engine, phase by phase.

    Args:
        config: The agent's config.
        model: The model that decides; its scaler says what is usual.
        health: Receives counts.
        ladder: Says when there is no time for it.
    """

    def __init__(self, config: AgentConfig, model: LoadedModel, health: Health, ladder: Ladder) -> None:
        self._scalers = RecentScalers(model)
        self._health = health
        self._ladder = ladder
        self._accounts: Accounts[dict[str, Sketch]] = Accounts(dict, self._tell, limit=config.limits.max_streams)
        self.reconfigure(config)

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config, between two frames."""
        self._expiry_s = config.broker.message_expiry_s
        self._topic = TopicTemplate(config.topics.drift)
        self._accounts.keep(config.limits.max_streams)

    def swap(self, model: LoadedModel) -> None:
        """Another bundle decides from the next frame on."""
        self._scalers.follow(model)

    def observe(self, _frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """Sketch the windows; gives the messages of periods that have ended."""
        told: list[Publication] = []
        for judgement in judgements:
            window = judgement.assessment
            sketches, ended = self._accounts.enter(window, (window.bundle_id, window.bundle_digest))
            told += ended
            scaler = self._scalers.of(window.bundle_digest)
            self._add(_sketch_of(sketches, judgement.window.phase, len(scaler.names)), judgement, scaler)
        return told

    def close(self) -> list[Publication]:
        """What is left to say when the agent stops."""
        return self._accounts.close()

    def _add(self, sketch: Sketch, judgement: Judgement, scaler: Scaler) -> None:
        assessment = judgement.assessment
        if self._ladder.sheds(Rung.DRIFT):
            self._health.counters.add("shed.drift")
            sketch.shed += 1
        elif assessment.state == NOT_ASSESSED:
            sketch.not_assessed[assessment.reason] += 1
        else:
            scaled = scaler.transform(judgement.window.values)
            sketch.add(scaled, assessment.score / assessment.threshold)

    def _tell(self, period: Period, sketches: dict[str, Sketch], cause: str) -> list[Publication]:
        return [
            Publication(
                topic=self._topic.fill(aircraft=period.aircraft, engine=period.engine),
                payload=self._payload(period, cause, phase, sketch),
                expiry_s=self._expiry_s,
                grade=Grade.TELEMETRY,
            )
            for phase, sketch in sketches.items()
        ]

    def _payload(self, period: Period, cause: str, phase: str, sketch: Sketch) -> bytes:
        document: dict[str, Any] = {
            "schema": SCHEMA,
            **period.to_document(),
            "phase": phase,
            "cause": cause,
            "agent": self._health.identity.agent,
            "run": self._health.identity.run,
            "n": sketch.n,
            "not_assessed": dict(sorted(sketch.not_assessed.items())),
            "shed": sketch.shed,
            "n_feature": len(sketch.sums),
            "arrays": pack(sketch),
        }
        return bytes(msgpack.packb(document))


def _sketch_of(sketches: dict[str, Sketch], phase: str, n_feature: int) -> Sketch:
    name = phase if phase in sketches or len(sketches) < _MOST_PHASES else OTHER_PHASES
    if name not in sketches:
        sketches[name] = Sketch.empty(n_feature)
    return sketches[name]


def pack(sketch: Sketch) -> bytes:
    """The arrays of a sketch, one after the other, little-endian and row by row, deflated (RFC 1950)."""
    arrays = (
        sketch.counts.astype("<u4"),
        sketch.sums.astype("<i8"),
        sketch.squares.astype("<i8"),
        sketch.ratios.astype("<u4"),
    )
    return zlib.compress(b"".join(array.tobytes() for array in arrays))
