"""How healthy time is dealt to roles, and how windows become an alarm: what fits the number of recordings. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ground.config import ModelConfig, SplitConfig
from ground.initialise.layout import Spans
from ground.initialise.selection import Rig
from ground.initialise.spans import held_by_nearly_all
from ground.initialise.survey import RecordingFacts
from ground.models.family import FEWEST_FIT_ROWS, FEWEST_VALIDATION_ROWS
from ground.splits import CALIBRATION, FIT, TEST, UNUSED, VALIDATION, deal, shares_of
from ground.time_split import cut_by_time, deal_whole

BY_UNIT = "by_unit"
BY_TIME = "by_time"
FEWEST_UNITS = 8
"""Healthy specimens from which on whole ones can be kept apart: two for each role."""
MOST_FOLDS = 5
FEWEST_FOLDS = 2
NEEDED = {FIT: FEWEST_FIT_ROWS + 4, VALIDATION: FEWEST_VALIDATION_ROWS + 2, CALIBRATION: 1, TEST: 1}
"""Healthy windows without which no model is trained, and some more: outliers and broken sensors do not count."""

_USUAL = (0.5, 0.25)
_SCARCE = (0.6, 0.2)
"""Shares of fit and calibration; where there is little, more of it is learned from."""
_USUAL_VALIDATION = ModelConfig().validation_share
_SCARCE_VALIDATION = 0.3
_PARTS = (25, 32, 40, 60, 90)
"""Windows side by side in the longest recording: the more there are, the fewer are lost between two roles."""
_UNIT_PARTS = (1, 4, 12)
_MEMORY = 5
_VOTES = {1: 1, 2: 2, 3: 2, 4: 3, 5: 3}
"""Windows above the threshold that raise an alarm, by the length of the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How healthy time would be dealt.

    Attributes:
        strategy: ``by_unit`` or ``by_time``.
        fit: Share of fit and validation.
        calibration: Share of calibration.
        validation: Share of fit that validation takes.
        longest_n: Longest window, in samples.
    """

    strategy: str
    fit: float
    calibration: float
    validation: float
    longest_n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealing:
    """How healthy time is dealt, and how windows become an alarm.

    Attributes:
        plan: Strategy and shares.
        folds: Folds of the cross-validation.
        k: Windows above the threshold that raise an alarm.
        n: Out of so many.
        usual_n: Out of how many, if only the usual calibration recording counted.
        windows: Healthy windows by role.
    """

    plan: Plan
    folds: int
    k: int
    n: int
    usual_n: int
    windows: Counter[str]

    @property
    def is_enough(self) -> bool:
        """Whether a model can be trained."""
        return all(self.windows[role] >= fewest for role, fewest in NEEDED.items())

    @property
    def is_shortened(self) -> bool:
        """Whether short recordings, of whatever label, leave an alarm fewer windows than calibration would."""
        return self.n < self.usual_n


def plans_for(rig: Rig) -> Iterator[Plan]:
    """Plans to try, the best first: whole specimens, then parts of recordings, in ever shorter windows."""
    most_n = max(int(facts.healthy_n.sum()) for facts in rig.healthy)
    usual = {"fit": _USUAL[0], "calibration": _USUAL[1], "validation": _USUAL_VALIDATION}
    scarce = {"fit": _SCARCE[0], "calibration": _SCARCE[1], "validation": _SCARCE_VALIDATION}
    if len(rig.healthy_units) >= FEWEST_UNITS:
        yield from (Plan(strategy=BY_UNIT, longest_n=_part(most_n, parts), **usual) for parts in _UNIT_PARTS)
    if len(rig.healthy) >= FEWEST_UNITS:
        yield from (Plan(strategy=BY_TIME, longest_n=_part(most_n, parts), **usual) for parts in _UNIT_PARTS)
    yield Plan(strategy=BY_TIME, longest_n=_part(most_n, _PARTS[0]), **usual)
    yield from (Plan(strategy=BY_TIME, longest_n=_part(most_n, parts), **scarce) for parts in _PARTS)


def choose_dealing(rig: Rig, spans: Spans, plan: Plan) -> Dealing:
    """What a plan comes to: windows by role, folds, and an alarm that nearly every recording can raise."""
    windows, flights = _by_role(rig, spans, plan)
    usual_n = _bounded(sorted(flights)[len(flights) // 2] if flights else 1)
    # The length of a recording is no label: those of all labels count.
    held = [held for facts in rig.taken if (held := windows_held(facts, spans))]
    n = min(usual_n, _bounded(held_by_nearly_all(held) if held else 1))
    return Dealing(plan=plan, folds=_folds(rig, plan.strategy), k=_VOTES[n], n=n, usual_n=usual_n, windows=windows)


def windows_held(facts: RecordingFacts, spans: Spans) -> int:
    """Windows of a recording, of whatever label."""
    return sum(spans.windows(n) for n in facts.stretch_n.tolist())


def shorter_plan(rig: Rig, dealing: Dealing) -> Plan:
    """The same plan in windows of which nearly every recording holds as many as the usual alarm remembers."""
    held_n = [int(facts.stretch_n.sum()) for facts in rig.taken]
    longest_n = _part(held_by_nearly_all(held_n), dealing.usual_n)
    return replace(dealing.plan, longest_n=min(dealing.plan.longest_n, longest_n))


def _by_role(rig: Rig, spans: Spans, plan: Plan) -> tuple[Counter[str], list[int]]:
    """Healthy windows by role, and of each calibration flight."""
    split = SplitConfig(fit=plan.fit, calibration=plan.calibration)
    shares = shares_of(split, plan.validation)
    if plan.strategy == BY_UNIT:
        dealt = deal(rig.healthy_units, shares, seed=0)
        roles = [(dealt.get(facts.info.unit_id, UNUSED), _count(facts, spans)) for facts in rig.healthy]
        # Who is dealt what, a seed decides: the units of the fewest windows may come together.
        held = Counter[str]()
        for facts in rig.healthy:
            if facts.info.unit_id in dealt:
                held[facts.info.unit_id] += _count(facts, spans)
        least = sorted(held.values())
        units = Counter(dealt.values())
        counts = Counter({role: sum(least[: units[role]]) for role in shares})
        return counts, [n for role, n in roles if role == CALIBRATION]
    return _by_time(rig, spans, shares)


def _by_time(rig: Rig, spans: Spans, shares: dict[str, float]) -> tuple[Counter[str], list[int]]:
    parts = {facts.info.recording_id: Counter(_cut(facts, spans, shares).tolist()) for facts in rig.healthy}
    counts = {facts.info.recording_id: _count(facts, spans) for facts in rig.healthy}
    short = {name: counts[name] for name, part in parts.items() if counts[name] and not set(shares) <= set(part)}
    if len(short) >= len(shares):
        parts |= {name: Counter({role: counts[name]}) for name, role in deal_whole(short, shares).items()}
    total = sum(parts.values(), Counter[str]())
    return total, [part[CALIBRATION] for part in parts.values() if part[CALIBRATION]]


def _cut(facts: RecordingFacts, spans: Spans, shares: dict[str, float]) -> NDArray[np.object_]:
    """Roles of the windows of one recording; between two snapshots time passes, about as long as a window."""
    apart_n = spans.window_n if facts.has_segments else 1
    starts: list[int] = []
    begin_n = 0
    for length in facts.healthy_n.tolist():
        starts.extend(range(begin_n, begin_n + length - spans.window_n + 1, spans.hop_n))
        begin_n += length + apart_n
    start_n = np.array(starts, dtype=np.int64)
    return cut_by_time(start_n, start_n + spans.window_n, shares, otherwise=UNUSED)


def _count(facts: RecordingFacts, spans: Spans) -> int:
    return sum(spans.windows(n) for n in facts.healthy_n.tolist())


def _bounded(n: int) -> int:
    return max(1, min(_MEMORY, n))


def _part(n: int, parts: int) -> int:
    return max(1, n // parts)


def _folds(rig: Rig, strategy: str) -> int:
    """No more than there are groups with healthy, and with faulty windows."""
    faulty = [facts for facts in rig.taken if facts.faulty_n]
    if strategy == BY_UNIT:
        groups = (len(rig.healthy_units), len({facts.info.unit_id for facts in faulty}))
    else:
        groups = (len(rig.healthy), len(faulty))
    return max(FEWEST_FOLDS, min(MOST_FOLDS, *groups))
