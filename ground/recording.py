"""A recording: gapless stretches of samples with times, phases and labels, in memory at once or piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ground.recording_index import RecordingInfo

LABEL_HEALTHY = 0
LABEL_FAULTY = 1
UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class PhaseRun:
    """From its first sample, counted within the stretch, a phase holds until the next run."""

    first_n: int
    phase: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples without a gap between them, or a piece of such a stretch; all arrays are read-only.

    Attributes:
        start_ns: Source time of the first sample of the stretch, nanoseconds since 1970 UTC.
        samples: (n, n_channel) float32, n >= 1, in the units of the recording.
        conditions: (n, n_condition) float64 in the order of ``Recording.conditions``, NaN where unknown.
        phases: At least one run; the first begins at 0, the first of these samples.
        labels: (n,) int8: 0 healthy, 1 faulty, -1 unlabelled.
        tach: Tachometer pulses by shaft name: (n_pulse,) float64 positions in samples from the first of these,
            ascending.
        first_n: Samples of the stretch that came in earlier pieces; 0 where the stretch begins.
    """

    start_ns: int
    samples: NDArray[np.float32]
    conditions: NDArray[np.float64]
    phases: tuple[PhaseRun, ...]
    labels: NDArray[np.int8]
    tach: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    first_n: int = 0


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording.

    Attributes:
        info: Its row of the index.
        conditions: Names of the condition columns, out of ``shared_features.spec.CONDITIONS``.
        stretches: In the order of time; a gap or a segment border lies between two of them.
    """

    info: RecordingInfo
    conditions: tuple[str, ...]
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class RecordingStream:
    """One recording that never is in memory as a whole.

    Attributes:
        info: Its row of the index.
        conditions: Names of the condition columns, out of ``shared_features.spec.CONDITIONS``.
        stretches: Its stretches in the order of time, the longer ones in pieces; can be gone through once.
    """

    info: RecordingInfo
    conditions: tuple[str, ...]
    stretches: Iterator[Stretch]
