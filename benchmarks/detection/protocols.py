"""Who trains and who is examined: whole recordings, or their time cut in order, never shuffled windows.

| protocol | trains on | is examined on |
| --- | --- | --- |
| ``later_time`` | the first 60 % of each recording's healthy time | the rest of it after a guard; all faulty time |
| ``left_out_speed``, ``..._load``, ``..._condition`` | healthy time at every other value | all time at the one |
| ``left_out_unit`` | healthy time of every other unit | all time of the one; if it has no fault, those of strangers |
| ``run_to_failure`` | the first half of one life's healthy time | the rest of that life after a guard |

Recordings too short for a cut and a guard go to one side of ``later_time``, whole: three of five train, up to a guard
before their faults, which are examined.
Healthy time that may train: all of a ``healthy`` recording; of the others what is healthy before the first fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.detection.conditions import NO_LEVEL, Levels, levels_of
from benchmarks.detection.parts import recording_parts
from ground.errors import SplitError
from ground.index_cells import FAULTY as WHOLE
from ground.index_cells import RUN_TO_FAILURE as LIFE
from ground.splits import FAULTY, HEALTHY, is_sensor_fault

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

LATER_TIME: Final = "later_time"
LEFT_OUT: Final = "left_out_"
LEFT_OUT_UNIT: Final = "left_out_unit"
RUN_TO_FAILURE: Final = "run_to_failure"
FAULT_TYPE: Final = "fault_type"
"""Rows of the results only: the answers of ``later_time``, by type and severity of the fault."""

BETWEEN: Final = "between"
OUTSIDE: Final = "outside"

LATER_SHARE = 0.6
LIFE_SHARE = 0.5
MOST_LIVES = 12
"""Each is a case for every contender: two hundred of them would take days and say the same."""
FEWEST_LEVELS = 3
FEWEST_UNITS = 2


@dataclass(frozen=True, slots=True)
class Case:
    """One training and its examination.

    Attributes:
        protocol: One of the names above.
        name: What is left out, or the life; empty for ``later_time``.
        train: (n,) windows to train on, all healthy.
        test: (n,) windows to answer for; unlabelled ones between them are in the agent's memory, and count nowhere.
        position: Of a left-out value: ``between`` those of the training or ``outside`` them; empty where none is.
    """

    protocol: str
    name: str
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    position: str = ""


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases of one rig, and why a protocol has none, by its name."""

    cases: tuple[Case, ...]
    skipped: Mapping[str, str]


def cases_of(rows: pd.DataFrame, *, most_left_out: int) -> Cases:
    """Every case that the windows of a rig allow.

    Args:
        rows: (n) windows: the columns of ``ground.window_table.WINDOW_COLUMNS``, and ``kind``, ``speed_rpm``, ``load``
            and ``condition`` of their recordings; those of one recording in time order.
        most_left_out: At most so many values, or units, are left out in turn, evenly spread.

    Raises:
        SplitError: A case would train and examine on the same samples.
    """
    makers: dict[str, Callable[[pd.DataFrame], list[Case]]] = {
        LATER_TIME: later_time,
        **{f"{LEFT_OUT}{name}": partial(left_out, name=name, most=most_left_out) for name in ("speed", "load")},
        f"{LEFT_OUT}condition": partial(left_out, name="condition", most=most_left_out),
        LEFT_OUT_UNIT: partial(left_out_unit, most=most_left_out),
        RUN_TO_FAILURE: run_to_failure,
    }
    cases: list[Case] = []
    skipped: dict[str, str] = {}
    for protocol, make in makers.items():
        try:
            cases += make(rows)
        except SplitError as error:
            skipped[protocol] = str(error)
    for case in cases:
        check_apart(rows, case)
    return Cases(tuple(cases), skipped)


def trainable(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) healthy windows before the first fault of their recording."""
    healthy = (rows["label"] == HEALTHY).to_numpy(dtype=bool) & ~is_sensor_fault(rows)
    touched = (rows["faulty_share"] > 0.0).groupby(rows["recording_id"].to_numpy()).cummax().to_numpy(dtype=bool)
    return np.asarray(healthy & ~touched)


def later_time(rows: pd.DataFrame) -> list[Case]:
    """The first 60 % of healthy time against the rest.

    Raises:
        SplitError: No recording has healthy time on both sides of the guard.
    """
    usable = trainable(rows)
    train = np.zeros(len(rows), dtype=bool)
    test = np.zeros(len(rows), dtype=bool)
    short = []
    for part in recording_parts(rows):
        before, after = _cut(rows, part, usable[part], LATER_SHARE)
        if usable[part].any() and not (len(before) and usable[after].any()):
            short.append(part)
        else:
            train[before], test[after] = True, True
    for number, part in enumerate(short):
        # Of neighbours, which often share a condition, some train and some are examined.
        trains = math.ceil(LATER_SHARE * (number + 1)) > math.ceil(LATER_SHARE * number)
        before, after = _cut(rows, part, usable[part] & _well_before_faults(rows, part), 1.0)
        train[before] = trains
        test[after if trains else part] = True
    healthy = (rows["label"] == HEALTHY).to_numpy(dtype=bool)
    if not train.any() or not (test & healthy).any():
        raise SplitError(
            f"later time: expected healthy windows on both sides of a cut at {LATER_SHARE:.0%}, got {train.sum()} and "
            f"{(test & healthy).sum()}; record longer or shorten the window"
        )
    return [Case(LATER_TIME, "", train, test)]


def left_out(rows: pd.DataFrame, *, name: str, most: int) -> list[Case]:
    """Each value of an operating condition left out in turn.

    Raises:
        SplitError: There are too few different values among healthy windows.
    """
    usable = trainable(rows)
    levels = levels_of(rows, name)
    there = np.unique(levels.level[usable & (levels.level != NO_LEVEL)])
    if len(there) < FEWEST_LEVELS:
        raise SplitError(
            f"left-out {name}: expected at least {FEWEST_LEVELS} values among healthy recordings, got {len(there)}"
        )
    cases = []
    for level in _spread(there, most):
        out = levels.level == level
        train = usable & ~out & (levels.level != NO_LEVEL)
        cases.append(Case(f"{LEFT_OUT}{name}", levels.names[level], train, out, _position(levels, int(level), there)))
    return cases


def left_out_unit(rows: pd.DataFrame, *, most: int) -> list[Case]:
    """Each unit with healthy time left out in turn.

    Raises:
        SplitError: There are too few of them.
    """
    usable = trainable(rows)
    unit = rows["unit_id"].to_numpy(dtype=str)
    there = np.unique(unit[usable])
    if len(there) < FEWEST_UNITS:
        raise SplitError(
            f"left-out unit: expected at least {FEWEST_UNITS} units with healthy recordings, got {len(there)}"
        )
    faulty = (rows["label"] == FAULTY).to_numpy(dtype=bool)
    # A fault of a unit that trains would be one of a known unit.
    strangers = faulty & (rows["kind"] == WHOLE).to_numpy(dtype=bool) & ~np.isin(unit, there)
    cases = []
    for name in _spread(there, most):
        out = unit == name
        has_fault = bool((out & faulty).any())
        cases.append(Case(LEFT_OUT_UNIT, str(name), usable & ~out, out if has_fault else out | strangers))
    return cases


def run_to_failure(rows: pd.DataFrame) -> list[Case]:
    """Each life, commissioned on the first half of its healthy time; at most ``MOST_LIVES``, evenly spread.

    Raises:
        SplitError: There is no life with healthy time on both sides of the guard.
    """
    usable = trainable(rows)
    is_life = (rows["kind"] == LIFE).to_numpy(dtype=bool)
    cases = []
    for part in recording_parts(rows):
        if not is_life[part[0]]:
            continue
        before, after = _cut(rows, part, usable[part], LIFE_SHARE)
        if not len(before) or not usable[after].any():
            continue
        train = np.zeros(len(rows), dtype=bool)
        test = np.zeros(len(rows), dtype=bool)
        train[before], test[after] = True, True
        cases.append(Case(RUN_TO_FAILURE, str(rows["recording_id"].iloc[part[0]]), train, test))
    if not cases:
        raise SplitError("run to failure: expected a life with healthy time to train on and to watch, got none")
    return [cases[int(at)] for at in _spread(np.arange(len(cases)), MOST_LIVES)]


def check_apart(rows: pd.DataFrame, case: Case) -> None:
    """Check that training and examination share no sample.

    Raises:
        SplitError: Two windows of one recording share time; the text names it.
    """
    start_ns, end_ns = rows["start_ns"].to_numpy(), rows["end_ns"].to_numpy()
    for part in recording_parts(rows):
        train, test = part[case.train[part]], part[case.test[part]]
        begun = np.searchsorted(np.sort(start_ns[train]), end_ns[test], side="left")
        over = np.searchsorted(np.sort(end_ns[train]), start_ns[test], side="right")
        if (begun > over).any():
            name = rows["recording_id"].iloc[part[0]]
            raise SplitError(f"{case.protocol} {case.name}: expected no sample of {name} in train and test")


def _cut(
    rows: pd.DataFrame, part: NDArray[np.intp], usable: NDArray[np.bool_], share: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of one recording that train, and all its rows from a window's span later on."""
    chosen = part[usable]
    before = chosen[: int(share * len(chosen))]
    if not len(chosen):
        return before, part
    start_ns, end_ns = rows["start_ns"].to_numpy(), rows["end_ns"].to_numpy()
    if not len(before):
        return before, part[:0]
    open_from_ns = end_ns[before].max() + (end_ns[part] - start_ns[part]).max()
    return before, part[start_ns[part] >= open_from_ns]


def _well_before_faults(rows: pd.DataFrame, part: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Rows of one recording whose guard reaches into no window that holds faulty samples."""
    start_ns, end_ns = rows["start_ns"].to_numpy()[part], rows["end_ns"].to_numpy()[part]
    faulty_ns = start_ns[(rows["faulty_share"].to_numpy() > 0.0)[part]]
    guard_ns = (end_ns - start_ns).max()
    return np.asarray(end_ns + guard_ns <= faulty_ns.min(initial=np.iinfo(np.int64).max))


def _spread(names: NDArray[Any], most: int) -> list[Any]:
    """At most ``most`` of some sorted names, both ends among them."""
    at = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    return list(names[at])


def _position(levels: Levels, level: int, there: NDArray[Any]) -> str:
    if not levels.is_ordered:
        return ""
    return BETWEEN if there[0] < level < there[-1] else OUTSIDE
