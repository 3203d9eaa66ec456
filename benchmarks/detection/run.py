"""The whole benchmark: rigs -> windows -> cases -> contenders -> rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from threadpoolctl import threadpool_limits

from benchmarks.detection.contender import Promise
from benchmarks.detection.examination import REFUSALS, SEED, Outcome, Task, examine, lost, store_rig
from benchmarks.detection.numbers import OK, POOLED, SKIPPED, Place, Result, result_of, unmeasured
from benchmarks.detection.protocols import FAULT_TYPE, LATER_TIME, Case, cases_of
from benchmarks.detection.rig import Rig, read_rig, rig_names
from benchmarks.detection.roster import Effort, contenders, takes_part
from benchmarks.detection.tally import pooled
from ground.engine import LocalEngine, Lost, in_order
from ground.progress import Progress
from ground.window_table import feature_names

PROMISE = Promise(false_alarm_rate=0.01, confidence=0.95)

READ_STEP = "rigs"
EXAMINE_STEP = "examine"


@dataclass(frozen=True, slots=True, kw_only=True)
class RigReport:
    """What is told of one rig; a rig that could not be read has its reason and nothing else."""

    rig: str
    status: str
    reason: str = ""
    recordings: int = 0
    units: int = 0
    kinds: Mapping[str, int]
    sampling_rate_hz: float = 0.0
    channels: tuple[str, ...] = ()
    window_s: float = 0.0
    hop_s: float = 0.0
    persistence_k: int = 0
    persistence_n: int = 0
    features: int = 0
    windows: int = 0
    healthy_windows: int = 0
    faulty_windows: int = 0
    not_assessed: Mapping[str, int]
    doubts: tuple[str, ...] = ()
    unheard: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything found.

    Attributes:
        rigs: The rigs.
        results: One row a contender and case, the summaries after the cases.
        outcomes: What the rows were made of, with what plots need.
    """

    rigs: tuple[RigReport, ...]
    results: tuple[Result, ...]
    outcomes: tuple[Outcome, ...]


def run(folder: Path, effort: Effort, *, workers: int, progress: Progress) -> Findings:
    """Examine every contender on every rig of a folder.

    Args:
        folder: A recordings folder; see docs/reference/recordings.md.
        effort: How much is done.
        workers: Processes; the numbers do not depend on it.
        progress: Told after each rig, then after each task.

    Raises:
        DataError: There is no readable index, or a process died.
    """
    with TemporaryDirectory(prefix="enginear-detection-") as temporary:
        rigs, tasks, skipped = _prepared(folder, Path(temporary), effort, workers=workers, progress=progress)
        outcomes = []
        progress(EXAMINE_STEP, 0, len(tasks))
        items = ((task,) for task in tasks)
        found = LocalEngine(workers).each(_examine_alone, items, where=str(folder), progress=progress)
        for task, outcome in zip(tasks, in_order(found), strict=True):
            outcomes.append(lost(task, outcome.text) if isinstance(outcome, Lost) else outcome)
            progress(EXAMINE_STEP, len(outcomes), len(tasks))
    rows = [*skipped, *_rows(outcomes, effort)]
    return Findings(tuple(rigs), tuple(rows), tuple(outcomes))


def use_one_thread() -> None:
    """Processes share the cores; threads within each of them would only wait for each other."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def _examine_alone(task: Task) -> Outcome:
    use_one_thread()
    return examine(task)


def _prepared(
    folder: Path, temporary: Path, effort: Effort, *, workers: int, progress: Progress
) -> tuple[list[RigReport], list[Task], list[Result]]:
    """Windows and cases of every rig; the one place where a rig that will not do becomes a row."""
    reports: list[RigReport] = []
    tasks: list[Task] = []
    skipped: list[Result] = []
    names = rig_names(folder)
    progress(READ_STEP, 0, len(names))
    for number, name in enumerate(names, start=1):
        place = temporary / str(number)
        place.mkdir()
        try:
            rig = read_rig(folder, name, workers=workers)
            cases = cases_of(rig.table.rows, most_left_out=effort.most_left_out)
            store_rig(rig, place)
        except REFUSALS as error:
            reports.append(_unreadable(name, str(error)))
        except Exception as error:  # noqa: BLE001 - a full disk, a decoder's own error: the other rigs go on
            reports.append(_unreadable(name, f"{type(error).__name__}: {error}"))
        else:
            reports.append(_report(rig))
            promise = replace(PROMISE, k=rig.decision.k, n=rig.decision.n)
            tasks += _tasks(Task(name, place, 0, "", promise, effort), cases.cases)
            skipped += [_skipped(name, protocol, reason) for protocol, reason in cases.skipped.items()]
        progress(READ_STEP, number, len(names))
    return reports, tasks, skipped


def _tasks(blank: Task, cases: Sequence[Case]) -> list[Task]:
    """One a case and contender, otherwise like ``blank``."""
    return [
        replace(blank, case=number, contender=contender.name)
        for number, case in enumerate(cases)
        for contender in contenders(blank.effort)
        if takes_part(contender, case, blank.effort)
    ]


def _unreadable(rig: str, reason: str) -> RigReport:
    return RigReport(rig=rig, status="error", reason=reason, kinds={}, not_assessed={})


def _report(rig: Rig) -> RigReport:
    rows, spec = rig.table.rows, rig.spec
    first = rows.drop_duplicates("recording_id")
    return RigReport(
        rig=rig.name,
        status=OK,
        recordings=rig.recordings,
        units=int(rows["unit_id"].nunique()),
        kinds=dict(sorted(Counter(first["kind"]).items())),
        sampling_rate_hz=spec.sampling_rate_hz,
        channels=tuple(channel.name for channel in spec.channels),
        window_s=spec.window_s,
        hop_s=spec.hop_s,
        persistence_k=rig.decision.k,
        persistence_n=rig.decision.n,
        features=len(feature_names(spec)),
        windows=len(rows),
        healthy_windows=int((rows["label"] == 0).sum()),
        faulty_windows=int((rows["label"] == 1).sum()),
        not_assessed=dict(sorted(Counter(rows["reason"][rows["reason"] != ""]).items())),
        doubts=rig.doubts,
        unheard=rig.unheard,
    )


def _skipped(rig: str, protocol: str, reason: str) -> Result:
    return unmeasured(Place(rig=rig, protocol=protocol), SKIPPED, reason)


def _rows(outcomes: Sequence[Outcome], effort: Effort) -> Iterator[Result]:
    """A row a case, then one a protocol (and position), then the types of fault."""
    for outcome in outcomes:
        yield _row(outcome, effort)
    for (*_, position), group in _groups(outcomes).items():
        yield _pooled_row(group, position, effort)
    for outcome in outcomes:
        for name, counts in outcome.by_type:
            place = replace(_place(outcome), protocol=FAULT_TYPE, case=name)
            yield result_of(place, counts, PROMISE, rounds=effort.rounds, seed=SEED)


def _row(outcome: Outcome, effort: Effort) -> Result:
    if outcome.status:
        return unmeasured(_place(outcome), outcome.status, outcome.reason)
    return result_of(_place(outcome), outcome.counts, PROMISE, rounds=effort.rounds, seed=SEED)


def _groups(outcomes: Sequence[Outcome]) -> dict[tuple[str, str, str, str], list[Outcome]]:
    """Cases of one protocol and contender that belong together: all of them, and those between and outside apart."""
    groups: dict[tuple[str, str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.protocol == LATER_TIME:
            continue
        key = (outcome.task.rig, outcome.protocol, outcome.task.contender)
        for position in sorted({"", outcome.position}):
            groups.setdefault((*key, position), []).append(outcome)
    return groups


def _pooled_row(group: Sequence[Outcome], position: str, effort: Effort) -> Result:
    place = replace(_place(group[0]), case=POOLED, position=position)
    counted = [outcome for outcome in group if not outcome.status]
    failed = [outcome for outcome in group if outcome.status]
    if not counted:
        return replace(unmeasured(place, failed[0].status, failed[0].reason), cases=0, cases_failed=len(failed))
    counts = pooled([outcome.counts for outcome in counted])
    found = result_of(place, counts, PROMISE, rounds=effort.rounds, seed=SEED, cases=len(counted), failed=len(failed))
    return replace(found, auc_of=tuple(outcome.case for outcome in counted if outcome.counts.is_ranked))


def _place(outcome: Outcome) -> Place:
    return Place(
        rig=outcome.task.rig,
        protocol=outcome.protocol,
        case=outcome.case,
        position=outcome.position,
        contender=outcome.task.contender,
        kind=outcome.kind,
    )
