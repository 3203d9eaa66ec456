"""What one judgement comes to: counts that add up over cases, and measures that do not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.events import Event, distinct, events_of
from benchmarks.detection.parts import recording_numbers, recording_parts
from benchmarks.detection.vus import vus_pr
from edge_agent.frame import NS_PER_S
from ground import metrics
from ground.splits import FAULTY, HEALTHY, is_sensor_fault

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from benchmarks.detection.contender import Judgement

BLOCK_N = 25
"""Fewest neighbouring windows of a recording that speak with one voice when intervals are resampled."""
MOST_BLOCKS = 10
"""A recording is cut into so many blocks at most: the longer it is, the longer what repeats itself may be."""


@dataclass(frozen=True, slots=True)
class Areas:
    """Measures of the scores alone, before any threshold; NaN without both healthy and faulty windows."""

    auc: float
    partial_auc: float
    vus_pr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """How the end of one life was announced.

    Attributes:
        recording_id: The life.
        warning_s: From the first alarm after the healthy span to the onset mark; negative when it came later, NaN when
            there was none or the life has no mark.
        delay_s: From the onset mark to the first alarm at or after it, when none stood before; NaN otherwise.
        early_episodes: Alarms raised in the healthy span.
        can_be_kept: Whether the life has a mark, and a window that ends before it lies after the healthy span.
    """

    recording_id: str
    warning_s: float
    delay_s: float
    early_episodes: int
    can_be_kept: bool

    @property
    def kept(self) -> bool:
        """Whether the warning came before the mark and no false alarm before the warning."""
        return self.warning_s > 0.0 and self.early_episodes == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of one case, or of several; windows whose sensor is at fault count nowhere.

    Attributes:
        train_n: Windows trained on.
        train_recordings: Their recordings.
        healthy_n: Healthy windows examined, here and below without those that are ``recovering``.
        faulty_n: Faulty windows examined.
        faulty_assessed_n: Those of them with an answer.
        reasons: Healthy windows without an answer, by reason.
        blocks: (m, 3) int64: assessed healthy windows, those in alarm, those above the threshold, by block of time.
        episodes: Alarms raised in healthy windows.
        healthy_s: Time that assessed healthy windows cover.
        events: What was to be found.
        areas: Measures of the scores, one a case.
        warned: The lives, where lives were run.
    """

    train_n: int = 0
    train_recordings: int = 0
    healthy_n: int = 0
    faulty_n: int = 0
    faulty_assessed_n: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    blocks: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 3), dtype=np.int64))
    episodes: int = 0
    healthy_s: float = 0.0
    events: tuple[Event, ...] = ()
    areas: tuple[Areas, ...] = ()
    warned: tuple[Warned, ...] = ()

    @property
    def is_ranked(self) -> bool:
        """Whether a case has an AUC."""
        return any(not math.isnan(area.auc) for area in self.areas)

    def with_life(self, life: Warned) -> Tally:
        """The same with the announcement of one life."""
        return replace(self, warned=(life,))


def recovering(rows: pd.DataFrame, memory_n: int) -> NDArray[np.bool_]:
    """(n,) windows whose memory still holds a fault that is over: an alarm that ends with them is no false one.

    Args:
        rows: See ``tally``.
        memory_n: Windows of the memory.
    """
    touched = (rows["faulty_share"] > 0.0).to_numpy(dtype=bool)
    over = np.zeros(len(rows), dtype=bool)
    for part in recording_parts(rows):
        place = np.arange(len(part))
        last = np.maximum.accumulate(np.where(touched[part], place, -memory_n - 1))
        over[part] = (place > last) & (place <= last + memory_n)
    return over


def tally(rows: pd.DataFrame, answers: Judgement, *, train: pd.DataFrame, memory_n: int) -> Tally:
    """Count the answers about the windows of one case.

    Args:
        rows: (n) examined windows, those of one recording together, in time order.
        answers: (n) the answers.
        train: The windows that were trained on.
        memory_n: Windows of the decision's memory.
    """
    sound = ~is_sensor_fault(rows)
    healthy = (rows["label"] == HEALTHY).to_numpy(dtype=bool) & sound
    calm = healthy & ~recovering(rows, memory_n)
    faulty = (rows["label"] == FAULTY).to_numpy(dtype=bool) & sound
    assessed = answers.assessed
    recording = recording_numbers(rows)
    raised = answers.alarm & ~_before(answers.alarm, recording)
    return Tally(
        train_n=len(train),
        train_recordings=int(train["recording_id"].nunique()),
        healthy_n=int(calm.sum()),
        faulty_n=int(faulty.sum()),
        faulty_assessed_n=int((faulty & assessed).sum()),
        reasons=Counter(answers.reason[calm & ~assessed].tolist()),
        blocks=_blocks(rows, calm & assessed, answers),
        episodes=int((raised & calm).sum()),
        healthy_s=_covered_s(rows, calm & assessed),
        events=events_of(rows, assessed, answers.alarm),
        areas=(_areas(recording, healthy, faulty, answers),),
    )


def tally_by_type(
    rows: pd.DataFrame, answers: Judgement, *, train: pd.DataFrame, memory_n: int
) -> tuple[tuple[str, Tally], ...]:
    """The same for each type of fault and severity, against all healthy windows; by ``type / severity``.

    Args:
        rows: See ``tally``.
        answers: See ``tally``.
        train: See ``tally``.
        memory_n: See ``tally``.
    """
    touched = (rows["faulty_share"] > 0.0).to_numpy(dtype=bool) & ~is_sensor_fault(rows)
    names = np.array(
        [_type_name(*pair) for pair in zip(rows["fault_type"], rows["severity"], strict=True)], dtype=object
    )
    parts = []
    for name in sorted(set(names[touched])):
        chosen = ~touched | (names == name)
        part = tally(rows[chosen].reset_index(drop=True), answers.select(chosen), train=train, memory_n=memory_n)
        parts.append((name, part))
    return tuple(parts)


def pooled(tallies: Sequence[Tally]) -> Tally:
    """The counts of several cases together; of faults that several of them asked for, one each."""
    reasons: Counter[str] = Counter()
    for each in tallies:
        reasons.update(each.reasons)
    return Tally(
        train_n=sum(each.train_n for each in tallies),
        train_recordings=sum(each.train_recordings for each in tallies),
        healthy_n=sum(each.healthy_n for each in tallies),
        faulty_n=sum(each.faulty_n for each in tallies),
        faulty_assessed_n=sum(each.faulty_assessed_n for each in tallies),
        reasons=reasons,
        blocks=np.concatenate([each.blocks for each in tallies]),
        episodes=sum(each.episodes for each in tallies),
        healthy_s=sum(each.healthy_s for each in tallies),
        events=distinct(event for each in tallies for event in each.events),
        areas=tuple(area for each in tallies for area in each.areas),
        warned=tuple(life for each in tallies for life in each.warned),
    )


def warned(rows: pd.DataFrame, answers: Judgement) -> Warned:
    """How one life was announced.

    Args:
        rows: (n) windows of the life after its commissioning, in time order.
        answers: (n) the answers.
    """
    label = rows["label"].to_numpy()
    alarm, end_ns = answers.alarm, rows["end_ns"].to_numpy()
    raised = alarm & ~np.append(False, alarm[:-1])
    faulty = np.flatnonzero(rows["faulty_share"].to_numpy() > 0.0)
    place = np.arange(len(label))
    # What is healthy after the mark has been repaired.
    healthy = (label == HEALTHY) & (place < (faulty[0] if len(faulty) else len(label)))
    after = place > np.max(np.flatnonzero(healthy), initial=-1)
    first = np.flatnonzero(alarm & after)
    onset_ns = float(rows["start_ns"].iloc[faulty[0]]) if len(faulty) else float("nan")
    warning_s = (onset_ns - float(end_ns[first[0]])) / NS_PER_S if len(first) else float("nan")
    return Warned(
        recording_id=str(rows["recording_id"].iloc[0]),
        warning_s=warning_s,
        delay_s=-warning_s if warning_s <= 0.0 else float("nan"),
        early_episodes=int((raised & healthy).sum()),
        can_be_kept=bool((after & (end_ns < onset_ns)).any()),
    )


def _type_name(fault_type: str, severity: str) -> str:
    return " / ".join(part for part in (fault_type or "unnamed", severity) if part)


def _before(alarm: NDArray[np.bool_], recording: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether an alarm stood at the window before, in the same recording."""
    return np.append(False, alarm[:-1] & (recording[1:] == recording[:-1]))


def _blocks(rows: pd.DataFrame, counted: NDArray[np.bool_], answers: Judgement) -> NDArray[np.int64]:
    chosen = [part[counted[part]] for part in recording_parts(rows)]
    cuts = [int(np.clip(len(part) // BLOCK_N, 1, MOST_BLOCKS)) for part in chosen]
    blocks = [block for part, n in zip(chosen, cuts, strict=True) for block in np.array_split(part, n) if len(block)]
    sums = [(len(block), answers.alarm[block].sum(), answers.above[block].sum()) for block in blocks]
    return np.array(sums, dtype=np.int64).reshape(-1, 3)


def _covered_s(rows: pd.DataFrame, counted: NDArray[np.bool_]) -> float:
    start_ns, end_ns = rows["start_ns"].to_numpy(), rows["end_ns"].to_numpy()
    parts = (part[counted[part]] for part in recording_parts(rows))
    return sum(metrics.covered_hours(start_ns[part], end_ns[part]) for part in parts) * 3600.0


def _areas(
    recording: NDArray[np.int64], healthy: NDArray[np.bool_], faulty: NDArray[np.bool_], answers: Judgement
) -> Areas:
    counted = (healthy | faulty) & answers.assessed
    margin = answers.margin
    return Areas(
        auc=metrics.auc(faulty[counted], margin[counted]),
        partial_auc=metrics.partial_auc(faulty[counted], margin[counted]),
        vus_pr=vus_pr(recording, faulty, counted, margin),
    )
