"""Commissioning over run-to-failure lives: each under detectors of the others, its first stretch for a first flight.

A life is one long run; stretches of 50 windows stand for its flights. Five lives are too few for a policy
(``ground.commissioning.FEWEST_UNITS``), so limits and thresholds come from what there is: each of the other four is
rehearsed under a detector of the remaining three.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.unit_adaptation import DATASET, FAMILY, windows_of_lives
from edge_agent.thresholds import Thresholds
from ground.checkpoints import MemoryStore
from ground.commissioning import draft_policy, unit_level
from ground.commissioning_rehearsal import RehearsedFlight, UnknownUnits, expected_levels, rehearse_unit
from ground.config import load_config
from ground.flights import flight_value
from ground.learning import learn
from ground.prediction import prediction_bound
from ground.splits import FAULTY, HEALTHY
from ground.training_loop import LoopRun
from ground.window_table import WindowTable
from ground.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.commissioning_policy import CommissioningPolicy
    from ground.config import Config

STRETCH = 50
_NOBODY_ALARMS = 1e9


def print_lives(data: Path) -> None:
    """The table of the lives: thresholds, and stretches in alarm before and after commissioning."""
    config = load_config(Path(str(files("ground") / "configs" / f"{DATASET}.yaml")))
    with tempfile.TemporaryDirectory() as folder:
        table = windows_of_lives(config, data, Workspace(Path(folder)))
    table = _assessed(table)
    lives = {str(unit): _life(table, str(unit)) for unit in np.unique(table.rows["unit_id"].to_numpy(dtype=str))}
    print(f"{'unit':12}{'threshold before, after':>26}{'healthy alarms':>24}{'worn found':>24}")
    for unit, life in lives.items():
        others = {name: _healthy(other) for name, other in lives.items() if name != unit}
        before, after = _levels(config, others)
        detector = _detector(config, others, before)
        policy = replace(_policy(config, others, detector), pooled=after)
        known = [flight for flight in rehearse_unit(life, policy, detector).flights if flight.is_known]
        never = rehearse_unit(life, replace(policy, flights=64), detector).flights[1:]
        counts = [_counts(life, flights) for flights in (never, known)]
        sound, worn = (f"{counts[0][part]}, then {counts[1][part]}" for part in (HEALTHY, FAULTY))
        print(f"{unit:12}{f'{before:.2f}, {after:.2f}':>26}{sound:>24}{worn:>24}", flush=True)


def _levels(config: Config, others: dict[str, WindowTable]) -> tuple[float, float]:
    """The thresholds that the other lives ask for, before and after commissioning."""
    before, after = [], []
    for left_out, life in others.items():
        rest = {name: other for name, other in others.items() if name != left_out}
        detector = _detector(config, rest, _NOBODY_ALARMS)
        policy = _policy(config, rest, detector)
        flown = rehearse_unit(life, policy, detector).flights
        never = rehearse_unit(life, replace(policy, flights=64), detector).flights
        before.append(_largest(config, never))
        after.append(_largest(config, [flight for flight in flown if flight.is_known]))
    share = config.decision.false_alarm_rate
    return prediction_bound(np.array(before), share), prediction_bound(np.array(after), share)


def _largest(config: Config, flights: Sequence[RehearsedFlight]) -> float:
    return max(flight_value(flight.scores.scores, k=config.decision.k, n=config.decision.n) for flight in flights)


def _detector(config: Config, lives: dict[str, WindowTable], threshold: float) -> UnknownUnits:
    values = np.concatenate([life.values for life in lives.values()])
    run = LoopRun(name="detector", seed=config.seed, store=MemoryStore(), resume=False, progress=lambda *_: None)
    learned = learn(config.feature_spec(), values, values, family=FAMILY, settings=config.model, run=run)
    decision = config.decision
    return UnknownUnits(
        scaler=learned.scaler,
        expected=expected_levels(learned.module.conditioner),
        score=lambda each: learned.module.outputs(each).score.astype(np.float64),
        thresholds=Thresholds(
            pooled=threshold, phases={}, k=decision.k, n=decision.n, release_ratio=decision.release_ratio,
            false_alarm_rate=decision.false_alarm_rate, confidence=decision.confidence,
        ),
    )  # fmt: skip


def _policy(config: Config, lives: dict[str, WindowTable], detector: UnknownUnits) -> CommissioningPolicy:
    levels = {name: unit_level(life, detector) for name, life in lives.items()}
    return draft_policy(detector, config.decision.model_copy(update={"commissioning_flights": 1}), levels, lives)


def _counts(life: WindowTable, flights: Sequence[RehearsedFlight]) -> dict[int, str]:
    """Stretches in alarm out of those that are healthy, and out of those that are worn, throughout."""
    labels = life.rows.groupby("recording_id")["label"].agg(["min", "max"])
    said: dict[int, str] = {}
    for label in (HEALTHY, FAULTY):
        pure = set(labels.index[(labels["min"] == label) & (labels["max"] == label)])
        chosen = [flight.is_alarmed for flight in flights if flight.recording_id in pure]
        said[label] = f"{sum(chosen)} of {len(chosen)}"
    return said


def _life(table: WindowTable, unit: str) -> WindowTable:
    """The windows of a life, healthy ones and worn ones in stretches of their own."""
    chosen = (table.rows["unit_id"] == unit).to_numpy()
    rows = table.rows[chosen].reset_index(drop=True)
    number = rows.groupby("label").cumcount() // STRETCH
    names = [f"{unit}-{label}-{index:03d}" for label, index in zip(rows["label"], number, strict=True)]
    return WindowTable(rows.assign(recording_id=names), table.values[chosen])


def _healthy(life: WindowTable) -> WindowTable:
    chosen = (life.rows["label"] == HEALTHY).to_numpy()
    return WindowTable(life.rows[chosen].reset_index(drop=True), life.values[chosen])


def _assessed(table: WindowTable) -> WindowTable:
    chosen = ((table.rows["reason"] == "") & table.rows["label"].isin((HEALTHY, FAULTY))).to_numpy(dtype=bool)
    return WindowTable(table.rows[chosen].reset_index(drop=True), table.values[chosen])
