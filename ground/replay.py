"""Scores -> states, by the agent's own decider: what it would have answered in every flight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.decision import ALARM, NO_EVENT, NOT_ASSESSED, RAISED, Decider
from edge_agent.thresholds import Thresholds
from ground.flights import FlightScores
from ground.splits import FAULTY, HEALTHY, TEST, UNLABELLED, is_sensor_fault

NO_SCORE = 0.0
"""Score and threshold of a window that is not assessed, as in ``edge_agent.assessment.Assessment``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The answers about some windows; all arrays are (n,).

    Attributes:
        rows: The columns of the windows, index 0 to n - 1.
        score: float64; 0 where not assessed.
        threshold: float64; 0 where not assessed.
        state: ``normal``, ``warning``, ``alarm`` or ``not_assessed``.
        raised: Whether an alarm begins here.
    """

    rows: pd.DataFrame
    score: NDArray[np.float64]
    threshold: NDArray[np.float64]
    state: NDArray[np.object_]
    raised: NDArray[np.bool_]

    @property
    def alarm(self) -> NDArray[np.bool_]:
        """Whether the state is alarm."""
        return np.asarray(self.state == ALARM)

    @property
    def assessed(self) -> NDArray[np.bool_]:
        """Whether there is a score."""
        return np.asarray(self.state != NOT_ASSESSED)

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Score over threshold: what is compared between phases; 0 where not assessed."""
        return np.divide(self.score, self.threshold, out=np.zeros_like(self.score), where=self.threshold > 0.0)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Whether the window counts in the metrics: assessed, labelled, and of an engine with sound sensors."""
        return self.assessed & (self.rows["label"] != UNLABELLED).to_numpy() & ~is_sensor_fault(self.rows)

    @property
    def faulty(self) -> NDArray[np.bool_]:
        """Whether the window is labelled faulty."""
        return (self.rows["label"] == FAULTY).to_numpy(dtype=bool)

    @property
    def healthy(self) -> NDArray[np.bool_]:
        """Whether the window is labelled healthy."""
        return (self.rows["label"] == HEALTHY).to_numpy(dtype=bool)

    @property
    def sound(self) -> Replay:
        """The windows of engines with sound sensors, assessed or not."""
        return self.select(~is_sensor_fault(self.rows))

    def ordered(self, order: NDArray[np.intp]) -> Replay:
        """The same windows in another order: entry i is the one that was at ``order[i]``."""
        return Replay(
            rows=self.rows.iloc[order].reset_index(drop=True),
            score=self.score[order],
            threshold=self.threshold[order],
            state=self.state[order],
            raised=self.raised[order],
        )

    def select(self, chosen: NDArray[np.bool_]) -> Replay:
        """Some of the windows."""
        return Replay(
            rows=self.rows[chosen].reset_index(drop=True),
            score=self.score[chosen],
            threshold=self.threshold[chosen],
            state=self.state[chosen],
            raised=self.raised[chosen],
        )


def joined(first: Replay, second: Replay) -> Replay:
    """The windows of both, one after the other."""
    return Replay(
        rows=pd.concat([first.rows, second.rows], ignore_index=True),
        score=np.concatenate([first.score, second.score]),
        threshold=np.concatenate([first.threshold, second.threshold]),
        state=np.concatenate([first.state, second.state]),
        raised=np.concatenate([first.raised, second.raised]),
    )


def examined(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) windows to replay: the test windows and, from the first of a recording on, the unlabelled ones between them.

    The unlabelled ones are in the agent's memory when the next window comes, so they belong into the replay.
    """
    is_test = (rows["role"] == TEST).to_numpy(dtype=bool)
    begun = pd.Series(is_test).groupby(rows["recording_id"].to_numpy()).cummax().to_numpy(dtype=bool)
    return begun & (is_test | (rows["label"] == UNLABELLED).to_numpy(dtype=bool))


def replay(rows: pd.DataFrame, scores: NDArray[np.float64], thresholds: Thresholds) -> Replay:
    """Replay flights through the decider, each from an empty memory.

    Args:
        rows: (n) windows, those of one recording in the order in which the agent makes them.
        scores: (n,) their scores; those of windows with a reason are not looked at.
        thresholds: What the bundle would carry.
    """
    n = len(rows)
    state = np.full(n, NOT_ASSESSED, dtype=object)
    threshold = np.zeros(n)
    event = np.full(n, NO_EVENT, dtype=object)
    deciders: dict[str, Decider] = {}
    columns = zip(rows["recording_id"], rows["phase"], rows["reason"], scores.tolist(), strict=True)
    for index, (recording, phase, reason, score) in enumerate(columns):
        if reason:
            continue
        decider = deciders.setdefault(recording, Decider(thresholds))
        decision = decider.decide(score, phase)
        state[index], threshold[index], event[index] = decision.state, decision.threshold, decision.event
    assessed = state != NOT_ASSESSED
    return Replay(
        rows=rows.reset_index(drop=True),
        score=np.where(assessed, scores, NO_SCORE),
        threshold=threshold,
        state=state,
        raised=np.asarray(event == RAISED),
    )


def healthy_flights(
    rows: pd.DataFrame, scores: NDArray[np.float64], *, role: str, keep_outliers: bool
) -> list[FlightScores]:
    """The assessed healthy windows of one role, flight by flight.

    Args:
        rows: (n) windows with their roles.
        scores: (n,) their scores.
        role: Which.
        keep_outliers: Whether windows that touch an outlier belong to it: the fit leaves them out, and nothing else.
    """
    chosen = (rows["role"] == role) & (rows["label"] == HEALTHY) & (rows["reason"] == "") & ~is_sensor_fault(rows)
    if not keep_outliers:
        chosen &= ~rows["outlier"]
    part = rows[chosen].assign(score=scores[chosen.to_numpy()])
    return [
        FlightScores(
            group=str(flight["group"].iloc[0]),
            phases=flight["phase"].to_numpy(dtype=str),
            scores=flight["score"].to_numpy(dtype=np.float64),
        )
        for _, flight in part.groupby("recording_id", sort=True)
    ]
