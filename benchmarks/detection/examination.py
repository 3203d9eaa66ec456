"""One contender in one case: fitted, asked, counted. Runs in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.detection.contender import DEFAULT, Contender, ContenderAbsent, Judgement, Promise
from benchmarks.detection.numbers import ABSENT, ERROR
from benchmarks.detection.protocols import LATER_TIME, RUN_TO_FAILURE, Case, cases_of
from benchmarks.detection.roster import Effort, contenders
from benchmarks.detection.tally import Tally, tally, tally_by_type, warned
from benchmarks.detection.trace import Trace, no_trace, trace_of
from benchmarks.errors import BenchmarkError
from edge_agent.errors import AgentError
from ground.errors import GroundError
from ground.window_table import WindowTable
from shared_features.errors import SpecError
from shared_features.spec import FeatureSpec

if TYPE_CHECKING:
    from benchmarks.detection.rig import Rig

ROWS = "rows.parquet"
VALUES = "values.npy"
SPEC = "spec.json"

SEED = 2025

REFUSALS = (GroundError, AgentError, SpecError, BenchmarkError)
"""What the packages raise on recordings that will not do: a row with the reason, not the end of the run."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one process does.

    Attributes:
        rig: Name of the rig.
        folder: Where ``store_rig`` put it.
        case: Number among its cases.
        contender: Name.
        promise: What is declared.
        effort: How much is done.
    """

    rig: str
    folder: Path
    case: int
    contender: str
    promise: Promise
    effort: Effort


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a task.

    Attributes:
        task: The task.
        case: Protocol, name and position of its case; no masks.
        kind: Of the contender.
        status: Empty when it was examined; else ``absent`` or ``error``.
        reason: Why.
        counts: What was counted.
        by_type: The same by type of fault and severity; of ``later_time`` alone.
        trace: What plots show of it.
    """

    task: Task
    protocol: str
    case: str
    position: str
    kind: str
    status: str
    reason: str
    counts: Tally
    by_type: tuple[tuple[str, Tally], ...]
    trace: Trace


@dataclass(frozen=True, slots=True)
class _Stored:
    table: WindowTable
    spec: FeatureSpec
    cases: tuple[Case, ...]


def store_rig(rig: Rig, folder: Path) -> None:
    """Put a rig where other processes find it.

    Args:
        rig: The rig.
        folder: An empty folder.
    """
    rig.table.rows.to_parquet(folder / ROWS)
    np.save(folder / VALUES, rig.table.values)
    (folder / SPEC).write_bytes(rig.spec.to_json())


def examine(task: Task) -> Outcome:
    """Fit, ask and count; whatever a contender raises becomes its reason."""
    rig = _stored(task.folder, task.effort.most_left_out)
    contender = _contender(task)
    try:
        found = _examined(rig, rig.cases[task.case], contender, task.promise)
    except ContenderAbsent as error:
        return _outcome(task, ABSENT, str(error))
    except REFUSALS as error:
        return _outcome(task, ERROR, str(error))
    except Exception as error:  # noqa: BLE001 - whatever libraries say of data that they cannot take: hours of other results outlive it
        return _outcome(task, ERROR, f"{contender.name}: {type(error).__name__}: {error}")
    return replace(_outcome(task, "", ""), counts=found.counts, by_type=found.by_type, trace=found.trace)


def lost(task: Task, reason: str) -> Outcome:
    """What came of a task whose process died."""
    return _outcome(task, ERROR, f"{task.contender}: {reason}")


def _outcome(task: Task, status: str, reason: str) -> Outcome:
    """Nothing was counted."""
    case = _stored(task.folder, task.effort.most_left_out).cases[task.case]
    return Outcome(
        task=task, protocol=case.protocol, case=case.name, position=case.position, kind=_contender(task).kind,
        status=status, reason=reason, counts=Tally(), by_type=(), trace=no_trace(),
    )  # fmt: skip


def _contender(task: Task) -> Contender:
    return next(each for each in contenders(task.effort) if each.name == task.contender)


def examined_counts(rig: Rig, case: Case, contender: Contender, promise: Promise) -> Tally:
    """Fit, ask and count in this process.

    Raises:
        GroundError: What the contender refuses; ``BenchmarkError`` where it answers for other windows.
    """
    return _examined(_Stored(rig.table, rig.spec, (case,)), case, contender, promise).counts


class _Found(NamedTuple):
    counts: Tally
    by_type: tuple[tuple[str, Tally], ...]
    trace: Trace


def _examined(rig: _Stored, case: Case, contender: Contender, promise: Promise) -> _Found:
    train, test = _part(rig.table, case.train), _part(rig.table, case.test)
    judge = contender.fit(train, rig.spec, promise, SEED)
    answers = judge.judge(test)
    _check(answers, len(test.rows), contender.name)
    counts = tally(test.rows, answers, train=train.rows, memory_n=promise.n)
    if case.protocol == RUN_TO_FAILURE:
        counts = counts.with_life(warned(test.rows, answers))
    wanted = contender.kind == DEFAULT or case.protocol == LATER_TIME
    trace = trace_of(rig.spec, train, test, answers, whole=contender.kind == DEFAULT) if wanted else no_trace()
    by_type = (
        tally_by_type(test.rows, answers, train=train.rows, memory_n=promise.n) if case.protocol == LATER_TIME else ()
    )
    return _Found(counts, by_type, trace)


def _check(answers: Judgement, n: int, name: str) -> None:
    """A contender that answers for other windows, or with no number, must not be counted."""
    parts = (answers.score, answers.threshold, answers.reason, answers.alarm)
    finite = np.isfinite(answers.score[answers.assessed]).all() if all(len(part) == n for part in parts) else False
    if not finite:
        raise BenchmarkError(f"{name}: expected {n} finite scores, got others; it was not counted")


@lru_cache(maxsize=1)
def _stored(folder: Path, most_left_out: int) -> _Stored:
    rows = pd.read_parquet(folder / ROWS)
    table = WindowTable(rows, np.load(folder / VALUES))
    spec = FeatureSpec.from_json((folder / SPEC).read_bytes())
    return _Stored(table, spec, cases_of(rows, most_left_out=most_left_out).cases)


def _part(table: WindowTable, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> WindowTable:
    return WindowTable(table.rows[chosen].reset_index(drop=True), table.values[chosen])
