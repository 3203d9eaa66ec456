"""Rehearsing on the ground what an agent does with a new unit: the same state machine, over recorded flights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.commissioning import Commissioning
from edge_agent.commissioning_policy import CommissioningPolicy, ExpectedLevels
from edge_agent.decision import ALARM, Decider
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from edge_agent.thresholds import Thresholds
from edge_agent.unit_state import KNOWN, UnitState, new_unit
from ground.flights import FlightScores
from ground.window_table import WindowTable

if TYPE_CHECKING:
    from ground.models.conditioner import Conditioner
    from ground.recording_index import RecordingInfo

_REHEARSAL = "rehearsal"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownUnits:
    """The detector as it meets units that it does not know.

    Attributes:
        scaler: Its scaler.
        expected: What its graph expects at each operating condition.
        score: (n, n_feature) physical features -> (n,) scores.
        thresholds: Those of units that it does not know.
    """

    scaler: Scaler
    expected: ExpectedLevels
    score: Callable[[NDArray[np.float32]], NDArray[np.float64]]
    thresholds: Thresholds

    @property
    def n_condition(self) -> int:
        """How many of the last features are operating conditions: those that the domain names."""
        return len(self.thresholds.domain.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedFlight:
    """A flight of a unit that is commissioned as it flies.

    Attributes:
        recording_id: The flight.
        is_known: Whether its unit was known when it began.
        is_alarmed: Whether an alarm was raised, each stage by its own thresholds.
        scores: Its assessed windows, what was learned of the unit taken away.
    """

    recording_id: str
    is_known: bool
    is_alarmed: bool
    scores: FlightScores


@dataclass(frozen=True, slots=True)
class RehearsedUnit:
    """The flights of one unit in time order, and what is known of it at last."""

    flights: tuple[RehearsedFlight, ...]
    state: UnitState


def expected_levels(conditioner: Conditioner) -> ExpectedLevels:
    """The baseline of a graph as bundles carry it."""
    return ExpectedLevels(
        offset=tuple(conditioner.offset.tolist()),
        columns=tuple(conditioner.selected.argmax(dim=0).tolist()),
        low=tuple(conditioner.low.tolist()),
        width=tuple(conditioner.width.tolist()),
        steps=tuple(tuple(step) for step in conditioner.steps.tolist()),
    )


def scored(scorer: Scorer, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) scores of (n, n_feature) features, as ``UnknownUnits.score`` gives them."""
    return scorer.score_many(values).astype(np.float64)


def engines_of(infos: Sequence[RecordingInfo]) -> dict[str, str]:
    """``aircraft/engine`` by unit, of units that stay in one place and have it to themselves."""
    pairs = {(info.unit_id, f"{info.aircraft}/{info.engine}") for info in infos}
    units, places = Counter(unit for unit, _ in pairs), Counter(place for _, place in pairs)
    return {unit: place for unit, place in sorted(pairs) if units[unit] == places[place] == 1}


def rehearse_unit(table: WindowTable, policy: CommissioningPolicy, detector: UnknownUnits) -> RehearsedUnit:
    """Fly a unit from its first flight on, as an agent would that has never heard it.

    Args:
        table: The assessed windows of one unit in physical units, those of one recording in time order.
        policy: What is learned, and the thresholds after it.
        detector: What the unit is held against.
    """
    unit = str(table.rows["unit_id"].iloc[0])
    commissioning = Commissioning(policy, detector.scaler, _REHEARSAL, new_unit("", ""))
    flights = []
    for name in flights_in_order(table.rows):
        chosen = (table.rows["recording_id"] == name).to_numpy()
        phases, values = table.rows["phase"].to_numpy(dtype=str)[chosen], table.values[chosen]
        commissioning.begin(f"{_REHEARSAL}/{unit}", name)
        shift = commissioning.state.shift
        is_known = commissioning.state.stage == KNOWN
        scores = detector.score(detector.scaler.without(values, np.array(shift)) if shift else values)
        decider = Decider(policy.thresholds(detector.thresholds) if is_known else detector.thresholds)
        states = [decider.decide(score, phase).state for score, phase in zip(scores.tolist(), phases, strict=True)]
        for window, state in zip(values, states, strict=True):
            commissioning.learn(window, state)
        flights.append(
            RehearsedFlight(
                recording_id=name,
                is_known=is_known,
                is_alarmed=ALARM in states,
                scores=FlightScores(group=unit, phases=phases, scores=scores),
            )
        )
    commissioning.begin(f"{_REHEARSAL}/{unit}", "")
    return RehearsedUnit(tuple(flights), commissioning.state)


def flights_in_order(rows: pd.DataFrame) -> Sequence[str]:
    """Recordings by the time of their first window; where starts are not known, in the order of the rows."""
    first_ns = rows.groupby("recording_id", sort=False)["start_ns"].min()
    return [str(name) for name in first_ns.sort_values(kind="stable").index]
