"""The numbers to reach, row by row and for the default as a whole: kept, missed, or not to be decided here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.detection.contender import DEFAULT, PEER
from benchmarks.detection.levels import RMS
from benchmarks.detection.numbers import KEPT, MISSED, NAN, OK, POOLED, SKIPPED, UNDECIDED, Result
from benchmarks.detection.protocols import BETWEEN, LATER_TIME, LEFT_OUT, OUTSIDE
from ground.intervals import fewest_for_bound, proportion_bounds

LATER_COVERAGE: Final = 0.90
BETWEEN_COVERAGE: Final = 0.70
FAULTY_COVERAGE: Final = 0.90
"""Share of faulty windows that must be ranked: an AUC of fewer may be that of the easy ones."""
RECALL: Final = 0.95
AUC_SLACK: Final = 0.005
LIVES_SHARE: Final = 0.8

_Cases = Mapping[tuple[str, ...], Sequence[Result]]


@dataclass(frozen=True, slots=True)
class Target:
    """One target on one rig.

    Attributes:
        rig: The rig.
        target: What is to be reached.
        value: What was; NaN where nothing was measured.
        limit: The number to reach.
        verdict: ``kept``, ``missed`` or ``undecided``.
        note: What a reader of the verdict must know.
    """

    rig: str
    target: str
    value: float
    limit: float
    verdict: str
    note: str


def with_verdicts(results: Sequence[Result]) -> tuple[Result, ...]:
    """The rows with the verdicts that one row, or those of the same case, decide."""
    cases = _by_case(results)
    return tuple(_judged(row, cases[_case(row)]) if row.status == OK else row for row in results)


def targets_of(
    results: Sequence[Result], unreadable: Mapping[str, str], unheard: Mapping[str, int]
) -> tuple[Target, ...]:
    """The targets of the default on every rig.

    Args:
        results: Rows with verdicts.
        unreadable: Why a rig has none, by its name.
        unheard: Recordings whose faults no window holds, by rig.
    """
    ours = [row for row in results if row.kind == DEFAULT or (row.status == SKIPPED and row.protocol == LATER_TIME)]
    cases = _by_case(results)
    rigs = sorted({row.rig for row in results})
    told = [target for rig in rigs for target in _of_rig(ours, rig, cases, unheard.get(rig, 0))]
    told += [_not_measured(rig, "recordings read", reason) for rig, reason in unreadable.items()]
    return tuple(sorted(told, key=lambda target: target.rig))


def _of_rig(ours: Iterable[Result], rig: str, cases: _Cases, unheard: int) -> Iterator[Target]:
    for row in ours:
        if row.rig != rig or (row.protocol != LATER_TIME and row.case != POOLED):
            continue
        if row.status != OK:
            yield from [] if row.position else [_not_measured(rig, row.protocol.replace("_", " "), row.reason)]
        elif row.protocol == LATER_TIME:
            yield from _later_time(row, cases[_case(row)], unheard)
        elif row.protocol.startswith(LEFT_OUT):
            yield from _left_out(row, cases[_case(row)])
        else:
            yield from _lives(row, cases[_case(row)])


def _not_measured(rig: str, what: str, reason: str) -> Target:
    return Target(rig, what, NAN, NAN, UNDECIDED, f"not measured: {reason}")


def _later_time(row: Result, same: Sequence[Result], unheard: int) -> Iterator[Target]:
    yield _promise(row, "later time")
    yield _share(row, "coverage on later time", row.coverage_healthy, LATER_COVERAGE)
    if row.events or unheard:
        windowless = f"the faults of {unheard} recordings are in no window" if unheard else ""
        note = _told(_unheard(row), windowless)
        yield _share(row, "event recall", row.event_recall, RECALL, note=note)
    yield from _areas(row, same)


def _lives(row: Result, same: Sequence[Result]) -> Iterator[Target]:
    yield _promise(row, "rest of a life's healthy span")
    lives = row.lives - row.lives_undecided + row.cases_failed
    kept = row.lives_kept / lives if lives else NAN
    # A life that was not measured counts as not kept: nothing is left to decide.
    what = "lives warned of, and no false alarm before"
    touching = f"{row.lives_undecided} of {row.lives} lives leave no time between" if row.lives_undecided else ""
    yield Target(row.rig, what, kept, LIVES_SHARE, _at_least(kept, LIVES_SHARE), _told(touching, _failed(row)))
    yield from _areas(row, same)


def _left_out(row: Result, same: Sequence[Result]) -> Iterator[Target]:
    name = row.protocol.removeprefix(LEFT_OUT)
    where = f"left-out {name}s {row.position}".rstrip()
    if row.position or name in {"unit", "condition"}:
        yield _promise(row, where)
    if row.position == BETWEEN:
        yield _share(row, f"coverage at {where} trained ones", row.coverage_healthy, BETWEEN_COVERAGE)
    if row.events and (row.position == BETWEEN or name == "unit"):
        # Deafness keeps every promise: what is assessed must find faults as well.
        yield _share(row, f"event recall, {where}", row.event_recall, RECALL, note=_unheard(row))
    if name == "unit":
        # Where a level says more than a distance (docs/explanation/unknown-units.md) is no place to hide it.
        yield from _areas(row, same)


def _areas(row: Result, same: Sequence[Result]) -> Iterator[Target]:
    """Beside whoever was asked in the same case, whatever came of it."""
    if not row.events:
        return
    name = f"AUC ({row.protocol.replace('_', ' ')})"
    if peers := _peers(same):
        limit, note = row.best_peer_auc - AUC_SLACK, _told(_beside(peers), _unlike(row, _best(peers)), _failed(row))
        yield Target(row.rig, f"{name} against the best peer", row.auc, limit, row.auc_against_peers, note)
    if levels := _levels(same):
        note = _told("" if _best(levels) else _beside(levels), _unlike(row, _best(levels)), _failed(row))
        yield Target(row.rig, f"{name} against plain RMS", row.auc, row.rms_auc, row.auc_against_rms, note)


def _beside(rivals: Sequence[Result]) -> str:
    """The best of them and who is missing; why, where nobody is left."""
    best = _best(rivals)
    if best:
        missing = ", ".join(row.contender for row in rivals if math.isnan(row.auc))
        return _told(best.contender, f"without {missing}" if missing else "")
    reasons = dict.fromkeys(row.reason for row in rivals if row.reason)
    return f"not measured: {_told(*reasons) or 'nothing to rank'}"


def _unlike(row: Result, rival: Result | None) -> str:
    """Why an AUC decides nothing beside the rival's: silence about what is hard would win."""
    notes = []
    if row.coverage_faulty < FAULTY_COVERAGE:
        notes.append(f"{100.0 * row.coverage_faulty:.1f} % of faulty windows assessed")
    if rival and row.auc_cases != rival.auc_cases:
        notes.append(f"cases with an AUC: {row.auc_cases}, {rival.contender} {rival.auc_cases}")
    elif rival and row.auc_of != rival.auc_of:
        ours, theirs = (", ".join(sorted(each)) for each in _differing(row.auc_of, rival.auc_of))
        notes.append(f"cases with an AUC: {ours}, {rival.contender} {theirs}")
    return _told(*notes)


def _differing(one: Sequence[str], other: Sequence[str]) -> tuple[set[str], set[str]]:
    return set(one) - set(other), set(other) - set(one)


def _promise(row: Result, where: str) -> Target:
    interval = f"{row.false_alarm_rate_low:.4f} to {row.false_alarm_rate_high:.4f}, n = {row.healthy_assessed}"
    note = _told(interval if row.healthy_assessed else "nothing was assessed", _to_show(row), _failed(row))
    limit = row.declared_false_alarm_rate
    return Target(row.rig, f"false alarms, {where}", row.false_alarm_rate, limit, row.promise, note)


def _to_show(row: Result) -> str:
    """How many windows would show a promise that these do not refute."""
    if row.promise != KEPT:
        return ""
    alarms = round(row.false_alarm_rate * row.healthy_assessed)
    declared, confidence = row.declared_false_alarm_rate, row.declared_confidence
    if proportion_bounds(alarms, row.healthy_assessed, confidence=confidence).upper <= declared:
        return ""
    return f"{fewest_for_bound(declared, confidence)} without an alarm would show it"


def _share(row: Result, what: str, value: float, limit: float, *, note: str = "") -> Target:
    return Target(row.rig, what, value, limit, _verdict(row, value, limit), _told(note, _failed(row)))


def _failed(row: Result) -> str:
    """How many cases are not behind the numbers."""
    return f"{row.cases_failed} of {row.cases + row.cases_failed} cases not measured" if row.cases_failed else ""


def _told(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _unheard(row: Result) -> str:
    """How many events were missed because nothing of them was assessed."""
    return f"{row.events_not_assessed} of {row.events} not assessed" if row.events_not_assessed else ""


def _judged(row: Result, same: Sequence[Result]) -> Result:
    best, level = _best(_peers(same)), _best(_levels(same))
    return replace(
        row,
        coverage_verdict=_verdict(row, row.coverage_healthy, _coverage_limit(row)),
        recall_verdict=_verdict(row, row.event_recall, RECALL),
        best_peer=best.contender if best else "",
        best_peer_auc=best.auc if best else NAN,
        auc_against_peers=_area_verdict(row, best, AUC_SLACK),
        rms_auc=level.auc if level else NAN,
        auc_against_rms=_area_verdict(row, level, 0.0),
    )


def _peers(same: Iterable[Result]) -> list[Result]:
    return [row for row in same if row.kind == PEER]


def _levels(same: Iterable[Result]) -> list[Result]:
    return [row for row in same if row.contender == RMS]


def _best(rivals: Iterable[Result]) -> Result | None:
    """Of those that were ranked in most cases."""
    ranked = (row for row in rivals if not math.isnan(row.auc))
    return max(ranked, key=lambda row: (row.auc_cases, row.auc), default=None)


def _area_verdict(row: Result, rival: Result | None, slack: float) -> str:
    """Silence on faults keeps nothing, and excuses nothing."""
    if rival is None:
        return UNDECIDED
    verdict = _verdict(row, row.auc, rival.auc - slack)
    return UNDECIDED if verdict == KEPT and _unlike(row, rival) else verdict


def _coverage_limit(row: Result) -> float:
    """Outside of what it has seen, a detector may be silent."""
    if row.position == OUTSIDE:
        return NAN
    return BETWEEN_COVERAGE if row.protocol.startswith(LEFT_OUT) else LATER_COVERAGE


def _verdict(row: Result, value: float, limit: float) -> str:
    """A case that failed takes its faults along: what the others reach keeps nothing, what they miss stays missed."""
    verdict = _at_least(value, limit)
    return UNDECIDED if verdict == KEPT and row.cases_failed else verdict


def _at_least(value: float, limit: float) -> str:
    if math.isnan(value) or math.isnan(limit):
        return UNDECIDED
    return KEPT if value >= limit else MISSED


def _by_case(results: Iterable[Result]) -> _Cases:
    cases: dict[tuple[str, ...], list[Result]] = {}
    for row in results:
        cases.setdefault(_case(row), []).append(row)
    return cases


def _case(row: Result) -> tuple[str, ...]:
    return (row.rig, row.protocol, row.case, row.position)
