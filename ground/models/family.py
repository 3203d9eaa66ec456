"""What every model family is: a torch module in z-space, built from the config and fitted to healthy windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ground.errors import TrainingError
from ground.models.level_guard import LevelLimit

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import EpochLosses, LoopRun

FEWEST_FIT_ROWS = 16
"""Below it the spread of a single feature is not known to 18 % (standard error 1 / sqrt(2 (n - 1)))."""
FEWEST_VALIDATION_ROWS = 8
"""Below it the spread of a residual is not known to 27 %."""
ADVISED_ROWS_PER_FEATURE = 5
"""Below so many fit rows a feature, a covariance owes more to its shrinkage than to the data."""
VARIANCE_FLOOR = 1e-2
"""Least variance granted to a feature in z-space, where healthy spread is 1: a constant one must not own the score."""


WeightArrays = Mapping[str, NDArray[Any]]
"""Arrays by the name of the parameter or buffer of a core that they are for."""


class Core(nn.Module):
    """A family's module: normalised features in, what they should have been and how strange they are out."""

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Score normalised features.

        Args:
            z: (batch, n_feature) float32, finite.

        Returns:
            (batch, n_feature) reconstruction in z-space, float32 or float64, and (batch,) float32 score: of order 1
            on healthy windows, growing without bound as any feature leaves its healthy range in either direction.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class FitData:
    """Healthy windows to fit to, normalised.

    Attributes:
        names: Full feature names, in the order of the columns.
        fit: (n_fit, n_feature) float32.
        validation: (n_validation, n_feature) float32, of other recordings or other time than ``fit``.
        faulty: (n_faulty, n_feature) float32, windows of known faults for the families that learn from labels; of the
            recordings of ``fit`` or others that nothing is examined on. None by default.
        level_limit: How loud healthy units get; none by default. Families that do not ask for it ignore it.

    Raises:
        TrainingError: Too few rows, another number of columns, or a value that is not finite.
    """

    names: tuple[str, ...]
    fit: NDArray[np.float32]
    validation: NDArray[np.float32]
    faulty: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    level_limit: LevelLimit = field(default_factory=LevelLimit)

    def __post_init__(self) -> None:
        _check_rows("fit", self.fit, self.names, FEWEST_FIT_ROWS)
        _check_rows("validation", self.validation, self.names, FEWEST_VALIDATION_ROWS)
        if len(self.faulty):
            _check_rows("faulty", self.faulty, self.names, 1)

    @property
    def n_feature(self) -> int:
        """Length of the feature vector."""
        return len(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted core and how it came about.

    Attributes:
        core: The module, ready to score.
        losses: Mean losses of every epoch; empty for a closed form.
        best_epoch: The epoch (from 1) whose weights these are; 0 for a closed form.
        stop_reason: Why fitting ended.
        warnings: What a reader of the model must know.
    """

    core: Core
    losses: tuple[EpochLosses, ...]
    best_epoch: int
    stop_reason: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table of families.

    Attributes:
        build: (n_feature, settings, arrays) -> an unfitted core of the architecture the settings ask for, ready to take
            ``arrays``: where the data decide how much a fitted core holds, as much as they have.
        fit: (data, settings, run) -> a fitted core; same arguments, same bits.
    """

    build: Callable[[int, ModelConfig, WeightArrays], Core]
    fit: Callable[[FitData, ModelConfig, LoopRun], Fitted]


def scarcity_warnings(data: FitData) -> tuple[str, ...]:
    """A warning when there are fewer fit rows than ``ADVISED_ROWS_PER_FEATURE`` a feature."""
    advised = ADVISED_ROWS_PER_FEATURE * data.n_feature
    if len(data.fit) >= advised:
        return ()
    text = f"fit rows: expected at least {advised} ({ADVISED_ROWS_PER_FEATURE} a feature), got {len(data.fit)}; "
    return (text + "add healthy recordings or take fewer features",)


def leading_size(arrays: WeightArrays, name: str) -> int:
    """Length of the first axis of the array ``name``; 1 where there is none: shapes are checked when taken."""
    sizes = np.shape(arrays.get(name, ())) or (1,)
    return max(1, int(sizes[0]))


def usual_score(core: Core, rows: NDArray[np.float32]) -> float:
    """The unit of a score: its root mean square over healthy rows, at least the root of ``VARIANCE_FLOOR``.

    Args:
        core: Fitted, its own unit still 1.
        rows: (n, n_feature) float32, not those it was fitted to.
    """
    with torch.no_grad():
        score = core(torch.tensor(rows))[1].double()
        return math.sqrt(max(torch.mean(torch.square(score)).item(), VARIANCE_FLOOR))


def _check_rows(role: str, rows: NDArray[np.float32], names: tuple[str, ...], fewest: int) -> None:
    if rows.shape != (len(rows), len(names)) or rows.dtype != np.float32:
        raise TrainingError(
            f"{role} rows: expected (n, {len(names)}) float32, got {rows.shape} {rows.dtype}; featurize again"
        )
    if len(rows) < fewest:
        raise TrainingError(
            f"{role} rows: expected at least {fewest} healthy windows, got {len(rows)}; add healthy recordings, "
            "shorten features.hop_s or enlarge the role's share of the split"
        )
    finite = np.isfinite(rows)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise TrainingError(
            f"{role} rows: expected finite features, got {rows[row, column]} in {names[column]} of row {row}; "
            "featurize again: such a window needs a reason not to be assessed"
        )
