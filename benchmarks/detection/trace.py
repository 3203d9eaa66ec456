"""What plots show of a judgement: its scores over time, its worst false alarms, its curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.normalised import normalised
from edge_agent.frame import NS_PER_S
from ground import metrics
from ground.report.figure import thinned
from ground.splits import FAULTY, HEALTHY
from ground.window_table import feature_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.detection.contender import Judgement
    from ground.window_table import WindowTable
    from shared_features.spec import FeatureSpec

STRIP_POINTS = 400
CURVE_POINTS = 120
WORST = 5
TOP_FEATURES = 3
MOST_STRIPS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Scores of one recording over its time; all arrays are (n,) float64.

    Attributes:
        recording_id: Which.
        time_s: Since the first examined window.
        margin: Score over threshold; NaN where not assessed.
        healthy: (m, 2) spans of healthy windows, seconds.
        faulty: (m, 2) spans of faulty windows, seconds.
        alarm: (m, 2) spans in alarm, seconds.
    """

    recording_id: str
    time_s: NDArray[np.float64]
    margin: NDArray[np.float64]
    healthy: NDArray[np.float64]
    faulty: NDArray[np.float64]
    alarm: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarm:
    """One healthy window in alarm, and which features are farthest from the training, in its standard deviations."""

    recording_id: str
    time_s: float
    margin: float
    features: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """What is shown; empty where nothing is."""

    strips: tuple[Strip, ...]
    worst: tuple[FalseAlarm, ...]
    curve: metrics.Curve


def no_trace() -> Trace:
    """Nothing to show."""
    return Trace((), (), metrics.Curve(np.zeros(0), np.zeros(0), np.zeros(0)))


def trace_of(spec: FeatureSpec, train: WindowTable, test: WindowTable, answers: Judgement, *, whole: bool) -> Trace:
    """What plots need of a judgement.

    Args:
        spec: Names of the features.
        train: Windows that were trained on.
        test: Windows that were judged.
        answers: The answers about them.
        whole: Strips and false alarms too, not the curve alone.
    """
    label = test.rows["label"].to_numpy()
    counted = answers.assessed & ((label == HEALTHY) | (label == FAULTY))
    curve = metrics.roc_curve(label[counted] == FAULTY, answers.margin[counted], points=CURVE_POINTS)
    if not whole:
        return Trace((), (), curve)
    return Trace(_strips(test, answers), _worst(spec, train, test, answers), curve)


def _strips(test: WindowTable, answers: Judgement) -> tuple[Strip, ...]:
    rows = test.rows
    parts = rows.groupby("recording_id", sort=True).indices
    names = sorted(map(str, parts))
    if len(names) > MOST_STRIPS:
        names = [names[at] for at in np.unique(np.linspace(0, len(names) - 1, MOST_STRIPS).round().astype(int))]
    return tuple(_strip(test, answers, np.asarray(parts[name])) for name in names)


def _strip(test: WindowTable, answers: Judgement, part: NDArray[np.intp]) -> Strip:
    rows = test.rows.iloc[part]
    label = rows["label"].to_numpy()
    start_s = (rows["start_ns"].to_numpy() - rows["start_ns"].iloc[0]) / NS_PER_S
    end_s = (rows["end_ns"].to_numpy() - rows["start_ns"].iloc[0]) / NS_PER_S
    margin = np.where(answers.assessed[part], answers.margin[part], np.nan)
    time_s, thin = thinned(end_s, margin, points=STRIP_POINTS)
    return Strip(
        recording_id=str(rows["recording_id"].iloc[0]),
        time_s=time_s,
        margin=thin,
        healthy=_spans(start_s, end_s, label == HEALTHY),
        faulty=_spans(start_s, end_s, label == FAULTY),
        alarm=_spans(start_s, end_s, answers.alarm[part]),
    )


def _spans(start_s: NDArray[np.float64], end_s: NDArray[np.float64], flag: NDArray[np.bool_]) -> NDArray[np.float64]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flag.astype(int), [0]])))
    return np.array([(start_s[first], end_s[last - 1]) for first, last in edges.reshape(-1, 2)]).reshape(-1, 2)


def _worst(spec: FeatureSpec, train: WindowTable, test: WindowTable, answers: Judgement) -> tuple[FalseAlarm, ...]:
    wrong = np.flatnonzero(answers.alarm & (test.rows["label"] == HEALTHY).to_numpy(dtype=bool))
    wrong = wrong[np.argsort(-answers.margin[wrong], kind="stable")]
    recording = test.rows["recording_id"].to_numpy(dtype=object)
    # One a recording: the neighbours of the worst window say the same.
    _, first = np.unique(recording[wrong], return_index=True)
    chosen = wrong[np.sort(first)][:WORST]
    if not len(chosen):
        return ()
    scaler, _ = normalised(train, spec, most=1)
    z = scaler.of(test)[chosen]
    names = feature_names(spec)
    begin_ns = test.rows.groupby("recording_id")["start_ns"].transform("min").to_numpy()
    return tuple(
        FalseAlarm(
            recording_id=str(recording[index]),
            time_s=float(test.rows["start_ns"].iloc[index] - begin_ns[index]) / NS_PER_S,
            margin=float(answers.margin[index]),
            features=tuple((names[at], float(row[at])) for at in np.argsort(-np.abs(row))[:TOP_FEATURES]),
        )
        for index, row in zip(chosen, z, strict=True)
    )
