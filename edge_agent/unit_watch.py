"""Keeps what detectors learn of their units, and tells of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog

from edge_agent.publication import JSON, Grade, Publication
from edge_agent.unit_state import POOLED, UnitState

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import Judgement, LoadedModel
    from edge_agent.frame import Frame
    from edge_agent.recent_scalers import RecentScalers
    from edge_agent.topics import TopicTemplate
    from edge_agent.unit_store import UnitStore

SCHEMA: Final = 1

_log = structlog.get_logger(__name__)


class UnitWatch:
    """An ``Observer`` of commissioning: each new state goes to the store, each step of it onto the unit's topic.

    Args:
        store: Keeps the states.
        topic: Of the events.
        expiry_s: How long a broker keeps an event for those who are away.
        scalers: Name the features, in the order of the vector.
    """

    def __init__(self, store: UnitStore, topic: TopicTemplate, scalers: RecentScalers, *, expiry_s: int) -> None:
        self._store = store
        self._topic = topic
        self._scalers = scalers
        self._expiry_s = expiry_s

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config, between two turns of the worker."""
        self._expiry_s = config.broker.message_expiry_s

    def swap(self, model: LoadedModel) -> None:
        """Another bundle decides from the next frame on."""
        self._scalers.follow(model)

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """See ``Observer``."""
        told: list[Publication] = []
        for judgement in judgements:
            unit = judgement.unit
            was = self._store.state_of(unit.engine)
            if unit.stage == POOLED or unit is was:
                continue
            self._store.put(unit)
            if _step(unit) != _step(was):
                told.append(self._event(frame, unit))
        return told

    def _event(self, frame: Frame, unit: UnitState) -> Publication:
        document = unit_document(unit, self._scalers.of(unit.bundle_digest).names)
        _log.info("unit", engine=unit.engine, stage=unit.stage, flights=len(unit.flights), refused=unit.refused)
        return Publication(
            topic=self._topic.fill(aircraft=frame.aircraft, engine=frame.engine),
            payload=json.dumps(document).encode(),
            content_type=JSON,
            expiry_s=self._expiry_s,
            grade=Grade.TELEMETRY,
        )


def unit_document(unit: UnitState, names: Sequence[str]) -> dict[str, Any]:
    """What is known of a unit, for people: docs/reference/payload.md.

    Args:
        unit: The unit.
        names: Features, in the order of the vector.
    """
    return {
        "schema": SCHEMA,
        "unit": unit.engine,
        "stage": unit.stage,
        "bundle_digest": unit.bundle_digest,
        "flights": [{"flight": each.flight, "windows": each.windows} for each in unit.flights],
        "flights_refused": unit.refused,
        "shift_digest": unit.shift_digest,
        "shift_spreads": dict(zip(names, unit.shift, strict=False)),
        "clipped": list(unit.clipped),
    }


def _step(unit: UnitState) -> tuple[str, tuple[str, ...], int, str]:
    """What makes a step of commissioning; the flight under way is none."""
    return unit.stage, tuple(each.flight for each in unit.flights), unit.refused, unit.bundle_digest
