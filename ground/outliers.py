"""Which healthy records are outliers, and which are a change of the machine that must stay. Pure.

A filter of single values by 3 sigma would delete exactly what a detector is to find: the rare, the strong, the new.
So only *records* are judged, only inside time that is *labelled healthy*, only against their *own recording and
phase*, and only *short* runs of few records are left out of the fit. Calibration and test keep all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from ground.config import PreprocessConfig
from ground.marks import EXCLUDED_FROM_FIT, KEPT, LEVEL_CHANGE, OUTLIER
from ground.record_levels import BELIEVED, MIXED_PHASE, RecordLevels

MAD_TO_SIGMA = 1.4826
"""1 / Phi^-1(3/4): makes the median absolute deviation of normal values their standard deviation (Hampel 1974)."""
FEWEST_RECORDS = 10
"""Below this many records of a phase, median and MAD say too little to call any of them an outlier."""
SMALLEST_SIGMA = 1e-3
"""In log RMS. Levels that differ by 0.1 % are equal for any sensor, however equal the others are."""
_ROUNDING_S = 1e-6
"""Record borders lie on whole nanoseconds; two records of 1 s may take 2.000000001 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierRun:
    """Neighbouring records that stand out.

    Attributes:
        first: Index of the first record.
        last: Index of the last one, inclusive.
        n_record: Records of the run.
        channel: Index of the channel that stands out most.
        z: Robust standard deviations from the median, of that channel, with its sign.
        kind: ``outlier`` or ``level_change``.
        action: ``excluded_from_fit`` or ``kept``.
        reason: Why.
    """

    first: int
    last: int
    n_record: int
    channel: int
    z: float
    kind: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class OutlierVerdict:
    """What was judged, and what stood out.

    Attributes:
        judged_n: Records that were judged: healthy, of sensors that can be believed and one phase with enough records.
        runs: In the order of time.
    """

    judged_n: int
    runs: tuple[OutlierRun, ...]

    def count(self, kind: str, action: str) -> int:
        """Records in runs of that kind and action."""
        return sum(run.n_record for run in self.runs if (run.kind, run.action) == (kind, action))


def judge_outliers(levels: RecordLevels, settings: PreprocessConfig) -> OutlierVerdict:
    """Judge the records of one recording.

    Args:
        levels: Its records.
        settings: From which deviation a record stands out, and what is left out.
    """
    z = _robust_z(levels)
    judged = np.flatnonzero(np.isfinite(z).all(axis=1))
    if not judged.size:
        return OutlierVerdict(0, ())
    channel = np.argmax(np.abs(z[judged]), axis=1)
    strongest = z[judged, channel]
    spans = _runs(np.abs(strongest) > settings.outlier_sigma)
    lengths_s = [(levels.end_ns[judged[last]] - levels.start_ns[judged[first]]) / NS_PER_S for first, last in spans]
    short = [last - first + 1 for (first, last), s in zip(spans, lengths_s, strict=True) if _is_short(s, settings)]
    share = sum(short) / judged.size
    runs = []
    for (first, last), length_s in zip(spans, lengths_s, strict=True):
        peak = first + int(np.argmax(np.abs(strongest[first : last + 1])))
        kind, action, reason = _decide(length_s, share, settings)
        runs.append(
            OutlierRun(
                first=int(judged[first]),
                last=int(judged[last]),
                n_record=last - first + 1,
                channel=int(channel[peak]),
                z=float(strongest[peak]),
                kind=kind,
                action=action,
                reason=reason,
            )
        )
    return OutlierVerdict(int(judged.size), tuple(runs))


def _is_short(length_s: float, settings: PreprocessConfig) -> bool:
    return length_s <= settings.outlier_max_run_s + _ROUNDING_S


def _decide(length_s: float, share: float, settings: PreprocessConfig) -> tuple[str, str, str]:
    if not _is_short(length_s, settings):
        limit_s = settings.outlier_max_run_s
        return LEVEL_CHANGE, KEPT, f"lasts {length_s:.4g} s, longer than {limit_s:g} s: the machine changed, it stays"
    if share > settings.outlier_max_share:
        limit = settings.outlier_max_share
        return OUTLIER, KEPT, f"{share:.2%} of the records stand out, more than {limit:.2%}: too many to be outliers"
    return OUTLIER, EXCLUDED_FROM_FIT, f"short and rare ({share:.2%} of the records): left out of the fit only"


def _robust_z(levels: RecordLevels) -> NDArray[np.float64]:
    """(n, n_channel) deviations of log RMS from the median of recording and phase; NaN where not judged."""
    tiny = np.finfo(np.float32).tiny
    level = np.log(np.maximum(levels.rms, tiny))
    believed = (levels.reason == BELIEVED).all(axis=1)
    z = np.full(level.shape, np.nan)
    for phase in np.unique(levels.phase[levels.phase != MIXED_PHASE]):
        rows = np.flatnonzero((levels.phase == phase) & levels.healthy & believed)
        if rows.size < FEWEST_RECORDS:
            continue
        median = np.median(level[rows], axis=0)
        sigma = MAD_TO_SIGMA * np.median(np.abs(level[rows] - median), axis=0)
        z[rows] = (level[rows] - median) / np.maximum(sigma, SMALLEST_SIGMA)
    return z


def _runs(standing: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index (inclusive) of each run of true values."""
    edges = np.flatnonzero(np.diff(standing, prepend=False, append=False))
    return [(int(first), int(end) - 1) for first, end in zip(edges[::2], edges[1::2], strict=True)]
