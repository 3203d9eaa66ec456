"""Rehearsals: detectors trained without some of the healthy windows, and what they say of those.

What was left out stands for what a detector will meet: later time, operating conditions between the trained ones, and
recordings made on another day, under a load that nobody reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.domain import INSIDE
from ground.baseline import Knots, find_knots, inner_conditions
from ground.calibrate import Rehearsal
from ground.checkpoints import MemoryStore
from ground.config import ModelConfig
from ground.domain import learn_domain, outside_reasons
from ground.flights import FlightScores
from ground.learning import learn
from ground.level_limit import NO_UNITS
from ground.models.detector_module import DetectorModule
from ground.models.family import FEWEST_FIT_ROWS, FEWEST_VALIDATION_ROWS
from ground.prediction import UNIT_SPREAD
from ground.scaling import condition_columns
from ground.surrogates import carried_over, surrogate_windows
from ground.training_loop import LoopRun
from ground.window_table import WindowTable
from shared_features.spec import FeatureSpec

LATER_TIME: Final = "later time"
LEFT_OUT_TIME: Final = "left-out time"
LEFT_OUT_CONDITIONS: Final = "left-out conditions"
LEFT_OUT_RECORDINGS: Final = "left-out recordings"
LEFT_OUT_UNITS: Final = "left-out units"

BLOCKS = 6
"""Parts of equal length into which the healthy time of each recording is cut."""
FEWEST_BLOCKS = 3
"""Blocks that the first detector learns from: with fewer, it says more of its own scarcity than of the machine."""
FEWEST_LEFT_OUT = 2
MOST_FOLDS = 10
_VALIDATION_SHARE = 0.2

Carry = Callable[[DetectorModule, NDArray[np.bool_], NDArray[np.bool_]], float]
"""From a rehearsed detector and the flags of what it learned and is asked to the factor that its scores are given."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a detector is made: the same way whatever was left out.

    Attributes:
        spec: The features.
        family: Name of the model family.
        settings: How it is trained.
        seed: Of everything random.
        units_differ: Whether the detector will be asked about units that it does not know.
    """

    spec: FeatureSpec
    family: str
    settings: ModelConfig
    seed: int
    units_differ: bool = False


def later_time(table: WindowTable, recipe: Recipe) -> Rehearsal:
    """Each block of time of every recording, under a detector of the blocks before it.

    Args:
        table: Healthy assessed windows in physical units, with the columns recording_id, start_ns, phase and reason.
        recipe: How the detectors are made.

    Returns:
        One group a recording and block; without flights where the windows are too few.

    Raises:
        TrainingError: See ``learn``.
    """
    return Rehearsal(name=LATER_TIME, flights=tuple(_later_time(table, recipe)), is_harder=False)


def left_out_time(table: WindowTable, recipe: Recipe) -> Rehearsal:
    """Each block of time, under a detector of all others: for windows too few for ``later_time``."""
    block = time_blocks(table.rows)
    flights = (
        flight
        for number in range(BLOCKS)
        for flight in _scored(table, recipe, block != number, block == number, f"block {number}", by_recording=True)
    )
    return Rehearsal(name=LEFT_OUT_TIME, flights=tuple(flights), is_harder=False)


def left_out_conditions(table: WindowTable, recipe: Recipe) -> Rehearsal:
    """Each separate condition between others, under a detector of all the others; see ``later_time``."""
    return Rehearsal(name=LEFT_OUT_CONDITIONS, flights=tuple(_left_out_conditions(table, recipe)), is_harder=True)


def left_out_recordings(table: WindowTable, recipe: Recipe) -> Rehearsal:
    """Each recording, under a detector of the others, where these know its conditions and its unit."""
    flights = _left_out(table, recipe, "recording_id", ("unit_id",))
    return Rehearsal(name=LEFT_OUT_RECORDINGS, flights=tuple(flights), is_harder=False)


def left_out_units(table: WindowTable, recipe: Recipe, final: DetectorModule) -> Rehearsal:
    """Each unit, under a detector of the others, where these know its conditions; one group a unit.

    The scores are carried over to the final detector, which knows more of how units differ (``ground.surrogates``).
    Where every unit ran at conditions of its own, each is asked all the same: nothing else tells how units differ.
    Without it a threshold would be that of known units, and strangers alarm for good.

    Args:
        table: Healthy assessed windows in physical units; see ``later_time``.
        recipe: How the detectors are made.
        final: The detector of all units.
    """

    def carry(rehearsed: DetectorModule, known: NDArray[np.bool_], asked: NDArray[np.bool_]) -> float:
        made_up = surrogate_windows(_part(table, known), _part(table, asked), recipe.spec, recipe.seed)
        return carried_over(final, rehearsed, made_up)

    unit_of = dict(zip(table.rows["recording_id"], table.rows["unit_id"], strict=True))
    flights = tuple(_left_out(table, recipe, "unit_id", (), carry=carry))
    if not flights:
        flights = tuple(_left_out(table, recipe, "unit_id", (), carry=carry, at_any_condition=True))
    by_unit = tuple(replace(flight, group=str(unit_of[flight.group])) for flight in flights)
    return Rehearsal(name=LEFT_OUT_UNITS, flights=by_unit, is_harder=False, prior_spread=UNIT_SPREAD)


def left_out_anyhow(table: WindowTable, recipe: Recipe) -> Rehearsal:
    """Each recording, under a detector of the others, whatever these know: for recordings of a window or two."""
    flights = _left_out(table, recipe, "recording_id", ())
    return Rehearsal(name=LEFT_OUT_RECORDINGS, flights=tuple(flights), is_harder=False)


def _as_it_is(rehearsed: DetectorModule, known: NDArray[np.bool_], asked: NDArray[np.bool_]) -> float:
    del rehearsed, known, asked
    return 1.0


def _later_time(table: WindowTable, recipe: Recipe) -> Iterator[FlightScores]:
    block = time_blocks(table.rows)
    for number in range(FEWEST_BLOCKS, BLOCKS):
        known, asked = block < number, block == number
        yield from _scored(table, recipe, known, asked, f"block {number}", by_recording=True)


def _left_out_conditions(table: WindowTable, recipe: Recipe) -> Iterator[FlightScores]:
    values = table.values.astype(np.float64)
    for number, asked in enumerate(inner_conditions(values, _knots(values, recipe))):
        yield from _scored(table, recipe, ~asked, asked, f"condition {number}", by_recording=False)


def _left_out(
    table: WindowTable,
    recipe: Recipe,
    column: str,
    known_columns: tuple[str, ...],
    *,
    carry: Carry = _as_it_is,
    at_any_condition: bool = False,
) -> Iterator[FlightScores]:
    """Each value of ``column`` left out, asked where the others know its ``known_columns`` and (mostly) conditions."""
    names = table.rows[column].to_numpy(dtype=str)
    different = np.unique(names)
    values = table.values.astype(np.float64)
    clusters = [one.cluster_of(values) for one in _knots(values, recipe) if one.is_discrete]
    clusters += [table.rows[name].to_numpy(dtype=str) for name in known_columns]
    fold = np.searchsorted(different, names) % MOST_FOLDS
    for number in np.unique(fold) if len(different) >= FEWEST_LEFT_OUT else ():
        known = fold != number
        asked = ~known
        if not at_any_condition:
            domain = learn_domain(recipe.spec, table.rows[known], table.values[known])
            asked &= outside_reasons(table.rows, table.values, domain) == INSIDE
            for cluster in clusters:
                asked &= np.isin(cluster, cluster[known])
        yield from _scored(table, recipe, known, asked, "", by_recording=True, carry=carry)


def _knots(values: NDArray[np.float64], recipe: Recipe) -> tuple[Knots, ...]:
    return tuple(find_knots(values, condition_columns(recipe.spec)))


def _scored(
    table: WindowTable,
    recipe: Recipe,
    known: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    group: str,
    *,
    by_recording: bool,
    carry: Carry = _as_it_is,
) -> Iterator[FlightScores]:
    if known.sum() < FEWEST_FIT_ROWS or not asked.any():
        return
    module = module_of(_part(table, known), recipe, name="rehearsal")
    scores = module.outputs(table.values[asked]).score.astype(np.float64) * carry(module, known, asked)
    for flight in flights_of(table.rows[asked], scores):
        parts = (flight.group, group) if by_recording else ("", group)
        yield replace(flight, group=", ".join(filter(None, parts)))


def flights_of(rows: pd.DataFrame, scores: NDArray[np.float64]) -> list[FlightScores]:
    """The flight of each recording, as a group of its own.

    Args:
        rows: (n) assessed windows, those of one recording in time order.
        scores: (n,) their scores.
    """
    return [
        FlightScores(
            group=str(name), phases=part["phase"].to_numpy(dtype=str), scores=part["score"].to_numpy(dtype=np.float64)
        )
        for name, part in rows.assign(score=scores).groupby("recording_id", sort=True)
    ]


def module_of(table: WindowTable, recipe: Recipe, *, name: str) -> DetectorModule:
    """The detector that a recipe makes of healthy windows.

    Args:
        table: Healthy assessed windows in physical units.
        recipe: How it is made.
        name: What errors call it.

    Raises:
        TrainingError: See ``learn``.
    """
    fit, validation = fit_and_validation(table.rows)
    run = LoopRun(name=name, seed=recipe.seed, store=MemoryStore(), resume=False, progress=lambda *_: None)
    return learn(
        recipe.spec,
        table.values[fit],
        table.values[validation],
        family=recipe.family,
        settings=recipe.settings,
        run=run,
        units=units_of(table.rows[fit], recipe),
    ).module


def _part(table: WindowTable, chosen: NDArray[np.bool_]) -> WindowTable:
    return WindowTable(table.rows[chosen], table.values[chosen])


def units_of(rows: pd.DataFrame, recipe: Recipe) -> NDArray[np.str_]:
    """(n,) the units of windows to fit to, for ``learn``; none where the detector meets no others."""
    return rows["unit_id"].to_numpy(dtype=str) if recipe.units_differ else NO_UNITS


def fit_and_validation(rows: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n,) flags: all rows to fit to, and the last ones of each recording to watch; networks alone look at these.

    They overlap: a closed form that gave up a fifth of a few healthy minutes would lose more than it learns.
    """
    fit = np.ones(len(rows), dtype=bool)
    watched = _rank(rows) >= 1.0 - _VALIDATION_SHARE
    return fit, watched if watched.sum() >= FEWEST_VALIDATION_ROWS else fit


def time_blocks(rows: pd.DataFrame) -> NDArray[np.int64]:
    """(n,) number of each window's block, 0 to ``BLOCKS - 1`` in time order within its recording."""
    return np.asarray(np.floor(_rank(rows) * BLOCKS), dtype=np.int64)


def _rank(rows: pd.DataFrame) -> NDArray[np.float64]:
    """(n,) place of each window in time within its recording, 0 to below 1."""
    by_recording = rows.groupby("recording_id")["start_ns"]
    rank = (by_recording.rank(method="first") - 1.0) / by_recording.transform("size")
    return rank.to_numpy(dtype=np.float64)
