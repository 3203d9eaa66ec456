"""Quality gates: what was measured, how sure that is, and the verdict.

Windows of one flight resemble each other, so a flight (more exactly its group: the unit, or the recording where units
cannot be kept apart) counts as ONE observation: the fraction of its windows or, of false alarms, of its flights. The
bounds are one-sided Clopper-Pearson bounds of the sum of these fractions over their number, each at
``gates.confidence``.

``PASS``          the bound on the gate's far side reaches it: the detector is that good even if the sample was lucky.
``FAIL``          the bound on the near side misses it: the detector is not that good even if the sample was unlucky; or
                  the estimate itself misses it although a flawless detector would pass with so many observations.
``INSUFFICIENT``  anything else: too few observations to decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ground.config import GatesConfig
from ground.errors import GateError
from ground.intervals import NO_RANK, Bounds, fewest_for_bound, lower_rank, proportion_bounds, upper_rank

PASS: Final = "PASS"  # noqa: S105 - a verdict, no secret
FAIL: Final = "FAIL"
INSUFFICIENT: Final = "INSUFFICIENT"

_WORSE = (PASS, "", INSUFFICIENT, FAIL)
"""Verdicts from the best to the worst; a record without a verdict has not passed."""

LATENCY_SHARE = 0.01
"""The latency gate is about all but this share of the windows: the 99th percentile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate and its verdict.

    Attributes:
        name: What is measured.
        unit: Its unit; ``1`` for shares.
        limit: The gate.
        higher_is_better: Whether the value must reach the limit from below.
        point: The estimate; NaN without an observation.
        bounds: One-sided bounds; infinite where nothing is known of a latency.
        n: Independent observations.
        needed_n: Observations with which a flawless detector passes.
        verdict: ``PASS``, ``FAIL`` or ``INSUFFICIENT``.
    """

    name: str
    unit: str
    limit: float
    higher_is_better: bool
    point: float
    bounds: Bounds
    n: int
    needed_n: int
    verdict: str

    @property
    def reason(self) -> str:
        """One sentence for people."""
        relation = ">=" if self.higher_is_better else "<="
        text = f"{self.name}: expected {relation} {self.limit:g}, got {self.point:.4g} from n={self.n}"
        text += f" (bounds {self.bounds.lower:.4g} to {self.bounds.upper:.4g})"
        return text if self.verdict != INSUFFICIENT else f"{text}; at least {self.needed_n} observations decide"


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """The verdict over a whole evaluation, and why."""

    verdict: str
    reasons: tuple[str, ...]


def share_gate(
    name: str, fractions: NDArray[np.float64], limit: float, *, higher_is_better: bool, confidence: float
) -> Gate:
    """A gate on a share.

    Args:
        name: What is measured.
        fractions: (n,) one fraction a group, 0 to 1.
        limit: The gate.
        higher_is_better: Whether the share must reach the limit from below.
        confidence: Of each bound.
    """
    n = len(fractions)
    point = float(np.mean(fractions)) if n else math.nan
    return _proportion_gate(name, point, n, limit, higher_is_better=higher_is_better, confidence=confidence)


def auc_gate(value: float, *, n_healthy: int, n_faulty: int, limit: float, confidence: float) -> Gate:
    """The gate on the AUC, taken as the share of rightly ordered pairs of a healthy and a faulty group.

    Args:
        value: AUC in which every group weighs alike; NaN without both classes.
        n_healthy: Groups with assessed healthy windows.
        n_faulty: Groups with assessed faulty windows; only ``min(n_healthy, n_faulty)`` pairs share no group.
        limit: The gate.
        confidence: Of each bound.
    """
    n = min(n_healthy, n_faulty)
    return _proportion_gate("auc", value, n, limit, higher_is_better=True, confidence=confidence)


def latency_gate(latency_ms: NDArray[np.float64], *, limit_ms: float, confidence: float) -> Gate:
    """The gate on the 99th percentile of the latencies, with order statistics as bounds.

    Args:
        latency_ms: (n,) one latency a window.
        limit_ms: The gate.
        confidence: Of each bound.
    """
    ordered = np.sort(latency_ms)
    n = len(ordered)
    upper = upper_rank(n, LATENCY_SHARE, confidence)
    lower = lower_rank(n, LATENCY_SHARE, confidence)
    bounds = Bounds(
        float(ordered[lower - 1]) if lower != NO_RANK else 0.0,
        float(ordered[upper - 1]) if upper != NO_RANK else math.inf,
    )
    point = float(np.quantile(ordered, 1.0 - LATENCY_SHARE, method="higher")) if n else math.nan
    needed_n = fewest_for_bound(LATENCY_SHARE, confidence)
    verdict = verdict_of(point, bounds, n, limit=limit_ms, needed_n=needed_n, higher_is_better=False)
    return Gate(
        name="latency_p99", unit="ms", limit=limit_ms, higher_is_better=False, point=point, bounds=bounds, n=n,
        needed_n=needed_n, verdict=verdict,
    )  # fmt: skip


def verdict_of(point: float, bounds: Bounds, n: int, *, limit: float, needed_n: int, higher_is_better: bool) -> str:
    """The verdict of one gate; the rules stand at the top of this file.

    Args:
        point: The estimate.
        bounds: One-sided bounds around it.
        n: Observations behind them.
        limit: The gate.
        needed_n: Observations with which a flawless result would pass.
        higher_is_better: Whether the value must reach the limit from below.
    """
    far, near = (bounds.lower, bounds.upper) if higher_is_better else (bounds.upper, bounds.lower)
    if n == 0:
        return INSUFFICIENT
    if _reaches(far, limit, higher_is_better=higher_is_better):
        return PASS
    if not _reaches(near, limit, higher_is_better=higher_is_better):
        return FAIL
    misses = not _reaches(point, limit, higher_is_better=higher_is_better)
    return FAIL if misses and n >= needed_n else INSUFFICIENT


def run_verdict(
    gates: Sequence[Gate], *, by_time: bool, calibration_note: str, passed_controls: Sequence[str]
) -> RunVerdict:
    """The verdict over a whole evaluation.

    Args:
        gates: All gates.
        by_time: Whether fit and test share units: such evidence says nothing about a new unit.
        calibration_note: Why the threshold's promise is weaker than declared; empty when it is kept.
        passed_controls: Negative controls that passed, which none may.
    """
    failed = [gate.reason for gate in gates if gate.verdict == FAIL]
    failed += [
        f"negative control {name}: expected a failure, got a pass; the evaluation is flawed" for name in passed_controls
    ]
    if failed:
        return RunVerdict(FAIL, tuple(failed))
    open_points = [gate.reason for gate in gates if gate.verdict == INSUFFICIENT]
    open_points += [calibration_note] if calibration_note else []
    if by_time:
        open_points.append("split.strategy by_time: fit and test share units, so nothing is known of a new unit")
    return RunVerdict(INSUFFICIENT if open_points else PASS, tuple(open_points))


def with_gate(verdict: RunVerdict, gate: Gate) -> RunVerdict:
    """The verdict over one gate more.

    Args:
        verdict: Over everything else.
        gate: The further gate.
    """
    worst = max(verdict.verdict, gate.verdict, key=_WORSE.index)
    reasons = verdict.reasons if verdict.verdict == worst else ()
    return RunVerdict(worst, (*reasons, *((gate.reason,) if gate.verdict == worst != PASS else ())))


def refuse_failed(verdict: RunVerdict) -> None:
    """Stop before anything is exported.

    Raises:
        GateError: The verdict is ``FAIL``; the text lists every reason.
    """
    if verdict.verdict == FAIL:
        reasons = "\n  ".join(verdict.reasons)
        raise GateError(
            f"gates: expected none to fail, got {len(verdict.reasons)} failed; no bundle is made:\n  {reasons}"
        )


def gates_of(
    settings: GatesConfig,
    *,
    auc: float,
    n_healthy: int,
    n_faulty: int,
    precision: NDArray[np.float64],
    recall: NDArray[np.float64],
    false_alarm_rate: NDArray[np.float64],
) -> tuple[Gate, ...]:
    """The four gates on detection.

    Args:
        settings: Limits and confidence.
        auc: Over the test windows, every group weighing alike.
        n_healthy: Groups with assessed healthy test windows.
        n_faulty: Groups with assessed faulty test windows.
        precision: Faulty share of the alarmed windows, one a group with any.
        recall: Alarmed share of the faulty windows, assessed or not, one a group with any.
        false_alarm_rate: Share of the flights with a false alarm, one a group with any healthy time.
    """
    sure = settings.confidence
    return (
        auc_gate(auc, n_healthy=n_healthy, n_faulty=n_faulty, limit=settings.auc_min, confidence=sure),
        share_gate("precision", precision, settings.precision_min, higher_is_better=True, confidence=sure),
        share_gate("recall", recall, settings.recall_min, higher_is_better=True, confidence=sure),
        share_gate(
            "false_alarm_rate", false_alarm_rate, settings.false_alarm_rate_max, higher_is_better=False, confidence=sure
        ),
    )  # fmt: skip


def _proportion_gate(
    name: str, point: float, n: int, limit: float, *, higher_is_better: bool, confidence: float
) -> Gate:
    bounds = proportion_bounds(min(point * n, n), n, confidence=confidence) if n else Bounds(0.0, 1.0)
    needed_n = fewest_for_bound(1.0 - limit if higher_is_better else limit, confidence)
    verdict = verdict_of(point, bounds, n, limit=limit, needed_n=needed_n, higher_is_better=higher_is_better)
    return Gate(
        name=name, unit="1", limit=limit, higher_is_better=higher_is_better, point=point, bounds=bounds, n=n,
        needed_n=needed_n, verdict=verdict,
    )  # fmt: skip


def _reaches(value: float, limit: float, *, higher_is_better: bool) -> bool:
    return value >= limit if higher_is_better else value <= limit
