"""Calls of the feature extraction that are timed, each warm and each completing the windows it is charged for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.specs import speeds_of
from benchmarks.vibration import FRAME_S, vibration
from shared_features.extract import StreamingExtractor, extract_windows
from shared_features.quality import ASSESSED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from shared_features.extract import WindowFeatures
    from shared_features.spec import FeatureSpec

    Call = Callable[[], object]
    Prepare = Callable[[], Call]


_PERIOD_S = 2.0
"""Whole turns of the shaft, so that a repetition is no step."""


def always(call: Call) -> Prepare:
    """The same call every time."""
    return lambda: call


def streaming(spec: FeatureSpec) -> Prepare:
    """Calls that push one hop each, in chunks of 100 ms, and complete one window each."""
    return _pushing(spec, chunks=round(spec.hop_s / FRAME_S))


def one_push(spec: FeatureSpec) -> Prepare:
    """Calls that push one hop at once and complete one window each."""
    return _pushing(spec, chunks=1)


def batch(spec: FeatureSpec, seconds: float) -> Prepare:
    """Calls that extract the windows of a recording at once."""
    recording = recorded(spec, seconds)
    speeds = speeds_of(spec)
    check_assessed(extract_windows(spec, recording, speeds), windows_of(spec, seconds))
    return always(lambda: extract_windows(spec, recording, speeds))


def recorded(spec: FeatureSpec, seconds: float) -> NDArray[np.float32]:
    """(n, n_channel) float32 of vibration that repeats every ``_PERIOD_S``: cheap to make, also under valgrind."""
    n = round(seconds * spec.sampling_rate_hz)
    period = vibration(spec, min(seconds, _PERIOD_S))
    return np.tile(period, (-(-n // len(period)), 1))[:n]


def windows_of(spec: FeatureSpec, seconds: float) -> int:
    """Windows of a recording: its first one takes ``window_records`` records, every other one ``hop_records``."""
    return 1 + round((seconds - spec.window_s) / spec.hop_s)


def check_assessed(windows: Sequence[WindowFeatures], expected: int) -> None:
    """Refuse to time what the product would not assess.

    Raises:
        BenchmarkError: Another number of windows, or one that is not assessed.
    """
    reasons = {window.reason for window in windows}
    if len(windows) != expected or reasons != {ASSESSED}:
        raise BenchmarkError(
            f"features: expected {expected} assessed windows, got {len(windows)} with reasons {sorted(reasons)}; "
            "look into benchmarks.vibration"
        )


def _pushing(spec: FeatureSpec, *, chunks: int) -> Prepare:
    samples = recorded(spec, spec.window_s)
    speeds = speeds_of(spec)
    extractor = StreamingExtractor(spec)
    check_assessed(extractor.push(samples, speeds), 1)
    pieces = np.split(samples[: spec.hop_records * spec.record_n], chunks)
    check_assessed([window for piece in pieces for window in extractor.push(piece, speeds)], 1)

    def push_hop() -> None:
        for piece in pieces:
            extractor.push(piece, speeds)

    return always(push_hop)
