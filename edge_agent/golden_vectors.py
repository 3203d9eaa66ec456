"""Golden vectors: windows with the features and scores that the ground computed from them.

An agent replays them on its own hardware before it uses a bundle: the same bits, or it does not start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import BundleFormatError
from edge_agent.layout import GOLDEN_CONDITIONS, GOLDEN_FEATURES, GOLDEN_SAMPLES, GOLDEN_SCORES
from edge_agent.npy import read_npy, write_npy

_FLOAT32 = np.dtype("<f4")
_FLOAT64 = np.dtype("<f8")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GoldenVectors:
    """Windows and what they must give.

    Attributes:
        samples: (n_golden, window_n, n_channel) float32, in the units of the spec.
        conditions: (n_golden, n_condition) float64.
        features: (n_golden, n_feature) float32.
        scores: (n_golden,) float32.
    """

    samples: NDArray[np.float32]
    conditions: NDArray[np.float64]
    features: NDArray[np.float32]
    scores: NDArray[np.float32]

    def to_members(self) -> dict[str, bytes]:
        """The members of the bundle that hold them."""
        return {
            GOLDEN_SAMPLES: write_npy(self.samples.astype(_FLOAT32)),
            GOLDEN_CONDITIONS: write_npy(self.conditions.astype(_FLOAT64)),
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
            conditions=cast(
                "NDArray[np.float64]",
                read_npy(members[GOLDEN_CONDITIONS], dtype=_FLOAT64, ndim=2, where=GOLDEN_CONDITIONS),
            ),
            features=_float32(members, GOLDEN_FEATURES, ndim=2),
            scores=_float32(members, GOLDEN_SCORES, ndim=1),
        )
        lengths = {len(golden.samples), len(golden.conditions), len(golden.features), len(golden.scores)}
        if len(lengths) != 1 or lengths == {0}:
            raise BundleFormatError(
                "golden_shape",
                f"golden: expected equally many samples, conditions, features and scores, got {sorted(lengths)}; "
                "export again",
            )
        return golden

    def check_shape(self, *, window_n: int, n_channel: int, n_condition: int, n_feature: int) -> None:
        """Check that the arrays fit a feature spec.

        Raises:
            BundleFormatError: ``golden_shape``.
        """
        got = (self.samples.shape[1:], self.conditions.shape[1:], self.features.shape[1:])
        expected = ((window_n, n_channel), (n_condition,), (n_feature,))
        if got != expected:
            raise BundleFormatError(
                "golden_shape",
                f"golden: expected samples, conditions and features of shapes {expected}, got {got}; export it again",
            )


def _float32(members: Mapping[str, bytes], name: str, *, ndim: int) -> NDArray[np.float32]:
    return cast("NDArray[np.float32]", read_npy(members[name], dtype=_FLOAT32, ndim=ndim, where=name))
