"""The agent's own path in process, timed: payload in, bytes of the answers out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.assessment import encode_assessment
from edge_agent.detector import Detector, LoadedModel
from edge_agent.wire import decode_frame, encode_frame
from ground.frames import frames_for
from ground.progress import Progress
from ground.recording import Recording

STAGE = "latency"
WINDOWS = 1000
"""Enough that a few hiccups of a busy machine do not decide the 99th percentile; 299 would be the least."""
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyNumbers:
    """Milliseconds from a frame's payload to the encoded answers about the windows it completes; NaN without any."""

    n: int
    median_ms: float
    p99_ms: float
    max_ms: float


def measure_latency(
    model: LoadedModel, recordings: Iterable[Recording], *, windows: int, progress: Progress
) -> NDArray[np.float64]:
    """Time the path ``decode_frame -> Detector.push -> encode_assessment`` over recorded flights.

    Frames are the publisher's (``frames_for``); they follow each other without a pause, since the path
    has no queue of its own. Encoding the payload is the sender's work and not timed.

    Args:
        model: What flies.
        recordings: Flights, one after the other, until there are windows enough.
        windows: How many windows to time.
        progress: Told after each recording.

    Returns:
        (n,) float64 milliseconds, one a window; fewer than ``windows`` when the recordings end.
    """
    latency_ms: list[float] = []
    progress(STAGE, 0, windows)
    for recording in recordings:
        latency_ms.extend(_time(model, recording))
        progress(STAGE, min(len(latency_ms), windows), windows)
        if len(latency_ms) >= windows:
            break
    return np.array(latency_ms)


def latency_numbers(latency_ms: NDArray[np.float64]) -> LatencyNumbers:
    """Median, 99th percentile and maximum of (n,) latencies."""
    if not len(latency_ms):
        return LatencyNumbers(n=0, median_ms=np.nan, p99_ms=np.nan, max_ms=np.nan)
    median, p99, largest = np.quantile(latency_ms, (0.5, 0.99, 1.0), method="higher").tolist()
    return LatencyNumbers(n=len(latency_ms), median_ms=median, p99_ms=p99, max_ms=largest)


def _time(model: LoadedModel, recording: Recording) -> Iterator[float]:
    detector = Detector(model)
    for frame in frames_for(model.spec, recording):
        payload = encode_frame(frame)
        begin_ns = time.perf_counter_ns()
        assessments = detector.push(decode_frame(payload))
        answers = [encode_assessment(assessment) for assessment in assessments]
        took_ms = (time.perf_counter_ns() - begin_ns) / _NS_PER_MS
        yield from [took_ms] * len(answers)
