"""VUS-PR, the volume under the surface of precision over recall as labels are blurred at their ends.

J. Paparrizos, P. Boniol, T. Palpanas, R. Tsay, A. Elmore, M. Franklin, "Volume Under the Surface: A New Accuracy
Evaluation Measure for Time-Series Anomaly Detection", PVLDB 15 (2022), sections 4.1 and 4.2. For a buffer of ``l``
windows, a window ``d <= l / 2`` windows before or after an event counts ``sqrt(1 - d / l)`` as part of it. At a score
from which windows are predicted, with ``y`` the blurred labels and ``y0`` the sharp ones,

    precision = sum(y over predicted) / predicted
    recall    = min(sum(y over predicted) / ((sum(y0) + sum(y)) / 2), 1) * share of events that are met

The area is the sum of steps ``(recall_i - recall_(i-1)) precision_i`` over all scores, the volume the mean area over
``l = 0, 1, ..., L``. Where buffers of two events overlap, the larger label counts, and an event stays one event: the
authors' own program adds the labels and merges the events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_BUFFER_N = 10
"""Windows; a delay of twice the persistence is forgiven in part."""


def vus_pr(
    series: NDArray[np.int64],
    faulty: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    score: NDArray[np.float64],
    *,
    longest_n: int = LONGEST_BUFFER_N,
) -> float:
    """Volume under the surface of precision over recall, 0 to 1; NaN without a counted faulty and healthy window.

    Args:
        series: (n,) number of the recording of each window; those of one are together, in time order.
        faulty: (n,) the truth; each run of it within a recording is an event.
        counted: (n,) windows that have a score and a label; the others only keep their place in time.
        score: (n,) higher is stranger.
        longest_n: Longest buffer, in windows.
    """
    if not (faulty & counted).any() or not (~faulty & counted).any():
        return float("nan")
    event = _events(series, faulty)
    order = np.flatnonzero(counted)[np.argsort(-score[counted], kind="stable")]
    last_of_level = np.flatnonzero(np.append(np.diff(score[order]) != 0.0, True))
    areas = []
    for length_n in range(longest_n + 1):
        label = _blurred(series, event, length_n)[order]
        met = np.sort(_met_at(series, event, order, length_n // 2))
        areas.append(_area(label, event[order] >= 0, met, last_of_level))
    return float(np.mean(areas))


def _events(series: NDArray[np.int64], faulty: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) number of the event of each window; -1 outside."""
    begins = faulty & np.append(True, ~faulty[:-1] | (np.diff(series) != 0))
    return np.where(faulty, np.cumsum(begins) - 1, -1)


def _blurred(series: NDArray[np.int64], event: NDArray[np.int64], length_n: int) -> NDArray[np.float64]:
    """(n,) labels with slopes of ``length_n // 2`` windows at both ends of every event."""
    label = (event >= 0).astype(np.float64)
    sharp = label.copy()
    for distance in range(1, length_n // 2 + 1):
        weight = np.sqrt(1.0 - distance / length_n)
        same = series[distance:] == series[:-distance]
        label[distance:] = np.maximum(label[distance:], weight * (sharp[:-distance] * same))
        label[:-distance] = np.maximum(label[:-distance], weight * (sharp[distance:] * same))
    return label


def _area(
    label: NDArray[np.float64], sharp: NDArray[np.bool_], met: NDArray[np.intp], last_of_level: NDArray[np.intp]
) -> float:
    """Area under precision over recall for one blur.

    Args:
        label: (m,) blurred labels of the counted windows, strangest first.
        sharp: (m,) their labels as they are.
        met: Places among them at which each event is first met, ascending.
        last_of_level: Places of the last window of each score.
    """
    true_n = np.cumsum(label)[last_of_level]
    met_share = np.searchsorted(met, last_of_level, side="right") / len(met)
    recall = np.minimum(true_n / ((np.sum(sharp) + np.sum(label)) / 2.0), 1.0) * met_share
    return float(np.sum(np.diff(recall, prepend=0.0) * true_n / (last_of_level + 1.0)))


def _met_at(
    series: NDArray[np.int64], event: NDArray[np.int64], order: NDArray[np.intp], reach_n: int
) -> NDArray[np.intp]:
    """Place in ``order`` of the first window that meets each event or its slopes; events never counted are left out."""
    n = len(event)
    place = np.full(n, len(order))
    place[order] = np.arange(len(order))
    best = np.full(event.max() + 1, len(order))
    for shift in range(-min(reach_n, n - 1), min(reach_n, n - 1) + 1):
        here, there = (slice(max(by, 0), n + min(by, 0)) for by in (shift, -shift))
        near = (event[here] >= 0) & (series[here] == series[there])
        np.minimum.at(best, event[here][near], place[there][near])
    return best[np.unique(event[order][event[order] >= 0])]
