"""Golden vectors: windows with the features and scores that the ground computed from them.

An agent replays them on its own hardware before it uses a bundle: the same bits, or it does not start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import BundleFormatError
from edge_agent.layout import GOLDEN_FEATURES, GOLDEN_PULSES, GOLDEN_SAMPLES, GOLDEN_SCORES, GOLDEN_SPEEDS
from edge_agent.npy import read_npy, write_npy

_FLOAT32 = np.dtype("<f4")
_FLOAT64 = np.dtype("<f8")
_NO_PULSE = -1.0
"""Fills up the rows of windows with fewer pulses."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GoldenVectors:
    """Windows and what they must give.

    Attributes:
        samples: (n_golden, window_n, n_channel) float32, in the units of the spec.
        speeds: (n_golden, n_speed) float64, Hz, constant through the window, in the order of ``FeatureSpec.speeds``.
        pulses: (n_golden, n_tach, n_pulse) float64: tachometer pulses of the shafts that have one, in the order of the
            spec, as positions in samples from the window's first one, ascending; -1 after the last one.
        features: (n_golden, n_feature) float32.
        scores: (n_golden,) float32.
    """

    samples: NDArray[np.float32]
    speeds: NDArray[np.float64]
    pulses: NDArray[np.float64]
    features: NDArray[np.float32]
    scores: NDArray[np.float32]

    def to_members(self) -> dict[str, bytes]:
        """The members of the bundle that hold them."""
        return {
            GOLDEN_SAMPLES: write_npy(self.samples.astype(_FLOAT32)),
            GOLDEN_SPEEDS: write_npy(self.speeds.astype(_FLOAT64)),
            GOLDEN_PULSES: write_npy(self.pulses.astype(_FLOAT64)),
            GOLDEN_FEATURES: write_npy(self.features.astype(_FLOAT32)),
            GOLDEN_SCORES: write_npy(self.scores.astype(_FLOAT32)),
        }

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> GoldenVectors:
        """Read the members; the arrays are read-only views of their bytes.

        Raises:
            BundleFormatError: Not arrays of the right dtype and axes, not finite, or of different lengths.
        """
        golden = cls(
            samples=_float32(members, GOLDEN_SAMPLES, ndim=3),
            speeds=_float64(members, GOLDEN_SPEEDS, ndim=2),
            pulses=_float64(members, GOLDEN_PULSES, ndim=3),
            features=_float32(members, GOLDEN_FEATURES, ndim=2),
            scores=_float32(members, GOLDEN_SCORES, ndim=1),
        )
        arrays = (golden.samples, golden.speeds, golden.pulses, golden.features, golden.scores)
        lengths = {len(array) for array in arrays}
        if len(lengths) != 1 or lengths == {0}:
            raise BundleFormatError(
                "golden_shape",
                f"golden: expected equally many windows in each array, got {sorted(lengths)}; export again",
            )
        return golden

    def check_shape(self, *, window_n: int, n_channel: int, n_speed: int, n_tach: int, n_feature: int) -> None:
        """Check that the arrays fit a feature spec.

        Raises:
            BundleFormatError: ``golden_shape`` or ``golden_pulses``.
        """
        pulses = self.pulses.shape[1:] if n_tach == 0 else self.pulses.shape[1:2]
        got = (self.samples.shape[1:], self.speeds.shape[1:], pulses, self.features.shape[1:])
        expected = ((window_n, n_channel), (n_speed,), (n_tach,) if n_tach else (0, 0), (n_feature,))
        if got != expected:
            raise BundleFormatError(
                "golden_shape",
                f"golden: expected samples, speeds, pulses and features of shapes {expected}, got {got}; "
                "export it again",
            )
        if not _are_positions(self.pulses, window_n):
            raise BundleFormatError(
                "golden_pulses",
                f"{GOLDEN_PULSES}: expected positions that ascend from 0 to below {window_n}, then -1, got others; "
                "export it again",
            )

    def pulses_of(self, window: int, shafts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """The tachometer pulses of one window by shaft; ``shafts`` names the rows."""
        rows = zip(shafts, self.pulses[window], strict=True)
        return {shaft: row[row != _NO_PULSE] for shaft, row in rows}


def join_pulses(windows: Sequence[Mapping[str, NDArray[np.float64]]], shafts: Sequence[str]) -> NDArray[np.float64]:
    """The pulses of windows, by shaft, as the array that ``GoldenVectors`` holds."""
    longest_n = max((len(window[shaft]) for window in windows for shaft in shafts), default=0)
    joined = np.full((len(windows), len(shafts), longest_n), _NO_PULSE)
    for index, window in enumerate(windows):
        for row, shaft in zip(joined[index], shafts, strict=True):
            row[: len(window[shaft])] = window[shaft]
    return joined


def _are_positions(pulses: NDArray[np.float64], window_n: int) -> bool:
    earlier, later = pulses[..., :-1], pulses[..., 1:]
    inside = (pulses == _NO_PULSE) | ((pulses >= 0.0) & (pulses < window_n))
    follows = (later == _NO_PULSE) | ((earlier >= 0.0) & (later > earlier))
    return bool(inside.all() and follows.all())


def _float32(members: Mapping[str, bytes], name: str, *, ndim: int) -> NDArray[np.float32]:
    return cast("NDArray[np.float32]", read_npy(members[name], dtype=_FLOAT32, ndim=ndim, where=name))


def _float64(members: Mapping[str, bytes], name: str, *, ndim: int) -> NDArray[np.float64]:
    return cast("NDArray[np.float64]", read_npy(members[name], dtype=_FLOAT64, ndim=ndim, where=name))
