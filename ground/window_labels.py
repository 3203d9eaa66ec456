"""Labels of windows by those of their samples, of which only the runs are kept: a recording may have billions."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from ground.recording import LABEL_FAULTY, LABEL_HEALTHY, UNLABELLED, Stretch

Span = tuple[int, int]
"""Start and end, source time in nanoseconds."""

_NONE = 99
"""No label: what comes before the first sample."""


@dataclass(frozen=True, slots=True)
class WindowLabels:
    """(n,) int8 labels and (n,) float32 shares of faulty samples."""

    label: NDArray[np.int8]
    faulty_share: NDArray[np.float32]


class LabelRuns:
    """The labels of a recording as runs of equal ones, gathered while its stretches pass."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._start_ns = array("q")
        self._stretch_n = array("q")
        self._run_n = array("q")
        self._run_label = array("b")
        self._seen_n = 0

    def watch(self, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
        """The same stretches, each noted as it passes."""
        for stretch in stretches:
            self.note(stretch)
            yield stretch

    def note(self, stretch: Stretch) -> None:
        """Take the labels of the next stretch, or of its next piece."""
        if not stretch.first_n:
            self._start_ns.append(stretch.start_ns)
            self._stretch_n.append(self._seen_n)
        before = self._run_label[-1:].tolist() or [_NONE]
        begins = np.flatnonzero(np.diff(stretch.labels, prepend=np.int8(before[0])))
        self._run_n.frombytes((begins + self._seen_n).astype(np.int64).tobytes())
        self._run_label.frombytes(stretch.labels[begins].tobytes())
        self._seen_n += len(stretch.labels)

    def label_windows(self, start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]) -> WindowLabels:
        """Label windows by their samples.

        A window is faulty (1) when more than half of its samples are, healthy (0) when all of its samples are healthy,
        and unlabelled (-1) otherwise: one that has just begun to be faulty is neither a miss nor a false alarm.

        Args:
            start_ns: (n,) source times of first samples.
            end_ns: (n,) source times just after last samples.
        """
        counts = _Counts(np.array(self._run_n), np.array(self._run_label), self._seen_n)
        found = np.zeros((3, len(start_ns)))
        for windows, first_n, end_n in self._shares(start_ns, end_ns):
            for row, label in enumerate((LABEL_HEALTHY, LABEL_FAULTY)):
                found[row, windows] += counts.before(label, end_n) - counts.before(label, first_n)
            found[2, windows] += end_n - first_n
        healthy, faulty, total = found
        labels = np.full(len(start_ns), UNLABELLED, dtype=np.int8)
        labels[(healthy == total) & (total > 0)] = LABEL_HEALTHY
        labels[2.0 * faulty > total] = LABEL_FAULTY
        return WindowLabels(labels, (faulty / np.maximum(total, 1.0)).astype(np.float32))

    def _shares(
        self, start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Windows, and their first and end sample in one of the stretches that they may share time with."""
        starts_ns = np.array(self._start_ns)
        borders_n = np.array([*self._stretch_n, self._seen_n], dtype=np.int64)
        span_ns = np.ceil(np.diff(borders_n) * (NS_PER_S / self._rate_hz)).astype(np.int64)
        # By its samples' count a stretch may end a little after the next one has begun: clocks drift.
        over_ns = np.maximum.accumulate(starts_ns + span_ns)
        first = np.searchsorted(over_ns, start_ns)
        end = np.searchsorted(starts_ns, end_ns)
        for step in range(int(np.max(end - first, initial=0))):
            windows = np.flatnonzero(first + step < end)
            stretch = first[windows] + step
            since_ns = (start_ns[windows] - starts_ns[stretch], end_ns[windows] - starts_ns[stretch])
            length_n = borders_n[stretch + 1] - borders_n[stretch]
            first_n, end_n = (borders_n[stretch] + self._sample_numbers(ns, length_n) for ns in since_ns)
            yield windows, first_n, end_n

    def _sample_numbers(self, since_ns: NDArray[np.int64], length_n: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the samples at some times since the start of their stretches, cut to these."""
        # Since then, not since 1970: float64 would round that to a quarter of a microsecond.
        numbers = np.rint(since_ns * (self._rate_hz / NS_PER_S)).astype(np.int64)
        return np.asarray(np.clip(numbers, 0, length_n))


class _Counts:
    """How many of the first samples of a recording have a label."""

    def __init__(self, run_n: NDArray[np.int64], run_label: NDArray[np.int8], n: int) -> None:
        self._run_n = run_n
        self._run_label = run_label
        lengths = np.diff(np.append(run_n, n))
        self._before = {
            label: np.concatenate([[0], np.cumsum(np.where(run_label == label, lengths, 0))])
            for label in (LABEL_HEALTHY, LABEL_FAULTY)
        }

    def before(self, label: int, n: NDArray[np.int64]) -> NDArray[np.int64]:
        """(m,) samples of ``label`` among the first ``n`` (m,)."""
        run = np.searchsorted(self._run_n, n, side="right") - 1
        inside = np.where(self._run_label[run] == label, n - self._run_n[run], 0)
        return np.asarray(self._before[label][run] + inside)


def touches(start_ns: NDArray[np.int64], end_ns: NDArray[np.int64], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """(n,) whether a window shares time with one of ``spans``."""
    flags = np.zeros(len(start_ns), dtype=bool)
    for first_ns, last_ns in spans:
        flags |= (start_ns < last_ns) & (end_ns > first_ns)
    return flags
