"""Golden vectors: does this machine compute what the ground computed?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_agent.errors import GoldenMismatch
from edge_agent.stream import tach_shafts
from shared_features.extract import StreamingExtractor, WindowFeatures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_agent.golden_vectors import GoldenVectors
    from edge_agent.scorer import Scorer
    from shared_features.spec import FeatureSpec

SCORE_TOLERANCE = 1e-5
"""Relative: onnxruntime picks its kernels by processor, and their float32 sums differ in the last bits."""


_RISE = 1.01
"""So the reported speeds rise in the middle of a golden window: orders in motion have code of their own."""


def golden_window(
    spec: FeatureSpec,
    samples: NDArray[np.float32],
    speeds: NDArray[np.float64],
    pulses: Mapping[str, NDArray[np.float64]],
) -> WindowFeatures:
    """The features of one golden window: its second half comes with speeds that have risen.

    Args:
        spec: What to compute.
        samples: (window_n, n_channel) float32.
        speeds: (n_speed,) speeds of the first half, in the order of ``spec.speeds``.
        pulses: By shaft, positions of tachometer pulses in samples from the first sample.
    """
    extractor, half_n = StreamingExtractor(spec), len(samples) // 2
    early = {shaft: at[at < half_n] for shaft, at in pulses.items()}
    late = {shaft: at[at >= half_n] - half_n for shaft, at in pulses.items()}
    windows = extractor.push(samples[:half_n], speeds, early)
    windows += extractor.push(samples[half_n:], speeds * _RISE, late)
    return windows[0]


def replay_golden(golden: GoldenVectors, spec: FeatureSpec, scorer: Scorer) -> None:
    """Compute every golden window here and compare: features to the bit, scores within ``SCORE_TOLERANCE``.

    Raises:
        GoldenMismatch: ``golden_features`` or ``golden_scores``; the text names the window and the numbers.
        ScorerError: The model gives no finite score.
    """
    tachs = tach_shafts(spec)
    for index, samples in enumerate(golden.samples):
        window = golden_window(spec, samples, golden.speeds[index], golden.pulses_of(index, tachs))
        expected = golden.features[index]
        if window.values.tobytes() != expected.tobytes():
            column = int(np.flatnonzero(window.values.view(np.uint32) != expected.view(np.uint32))[0])
            raise GoldenMismatch(
                "golden_features",
                f"golden window {index}, feature {column}: expected {expected[column]!r}, got {window.values[column]!r}"
                f"{f' ({window.reason})' if window.reason else ''}; this machine must not run the bundle: report it",
            )
        _replay_score(golden, index, scorer)


def replay_scores(golden: GoldenVectors, scorer: Scorer) -> None:
    """Score the features of every golden window and compare: warms a session where another process has proven the rest.

    Raises:
        GoldenMismatch: ``golden_scores``.
        ScorerError: The model gives no finite score.
    """
    for index in range(len(golden.scores)):
        _replay_score(golden, index, scorer)


def _replay_score(golden: GoldenVectors, index: int, scorer: Scorer) -> None:
    score = scorer.score(golden.features[index]).score
    if abs(score - golden.scores[index]) > SCORE_TOLERANCE * abs(golden.scores[index]):
        raise GoldenMismatch(
            "golden_scores",
            f"golden window {index}: expected score {golden.scores[index]!r}, got {score!r}; "
            "this machine must not run the bundle: report it",
        )
