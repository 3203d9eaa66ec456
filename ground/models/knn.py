"""Nearest neighbours: how far a window lies from the healthy ones that the model remembers.

Source: Ramaswamy, S., Rastogi, R. and Shim, K. (2000), Efficient algorithms for mining outliers from large data sets,
SIGMOD; the mean over the neighbours instead of the last one: Angiulli, F. and Pizzuti, C. (2002), Fast outlier
detection in high dimensional spaces, PKDD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import embedding

from ground.errors import TrainingError
from ground.models.coreset import greedy_k_center
from ground.models.family import FitData, Fitted, WeightArrays, leading_size, usual_score
from ground.models.gaussian import GaussianCore, fit_gaussian
from ground.models.outcome import closed_form
from ground.reproducible import reproducible

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun

BANK = "bank"
SQUARE_FLOOR = 1e-6
"""Least squared distance: a thousandth of a healthy spread."""
VALUE_BYTES = 8
BYTES_PER_KIB = 1024


class Knn(GaussianCore):
    """Score: mean distance to the ``neighbours`` nearest windows of the memory, in whitened space, over its usual one.

    The reconstruction is the mean of those neighbours: the healthy windows that are most like this one.

    Attributes:
        bank: (n_bank, n_feature) remembered windows, whitened, float64.
        squares: (n_bank,) their squared lengths.
        colouring: (n_feature, n_feature) inverse of the whitening.
        scale: Root mean square of the mean distance over validation.
    """

    bank: Tensor
    squares: Tensor
    colouring: Tensor
    scale: Tensor

    def __init__(self, n_feature: int, n_bank: int, neighbours: int) -> None:
        super().__init__(n_feature)
        self.neighbours = min(neighbours, n_bank)
        self.register_buffer(BANK, torch.zeros(n_bank, n_feature, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(n_bank, dtype=torch.float64))
        self.register_buffer("colouring", torch.eye(n_feature, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def remember(self, bank: Tensor) -> None:
        """Take up a fitted memory, and the way back from it to z."""
        self.bank.copy_(bank)
        self.squares.copy_(torch.square(bank).sum(dim=1))
        self.colouring.copy_(torch.linalg.inv(self.whitening))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Core.forward``."""
        whitened = self.whitened(z)
        # |a|^2 + |b|^2 - 2ab, for the differences themselves would take memory of batch x bank x features. In float64
        # little is lost where they cancel, and the floor keeps it from showing in the root.
        # The windows are transposed and not the memory, which would be in the file twice.
        products = self.bank @ whitened.T
        squared = torch.square(whitened).sum(dim=1) + self.squares[:, None] - 2.0 * products
        nearest, at = torch.topk(squared, self.neighbours, dim=0, largest=False)
        distance = torch.sqrt(torch.clamp(nearest, min=SQUARE_FLOOR)).mean(dim=0)
        return self.mean + embedding(at, self.bank).mean(dim=0) @ self.colouring, (distance / self.scale).float()


def build_knn(n_feature: int, settings: ModelConfig, arrays: WeightArrays) -> Knn:
    """An unfitted core with a memory as long as that of ``arrays``."""
    return Knn(n_feature, leading_size(arrays, BANK), settings.neighbours)


def fit_knn(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Remember ``data.fit``, or of too many rows for ``model.bank_kib`` a coreset; take the unit from validation.

    Raises:
        TrainingError: The budget holds fewer windows than ``model.neighbours``.
    """
    with reproducible(run.seed):
        gaussian = fit_gaussian(data, settings)
        whitening = gaussian.whitening()
        rows = (torch.tensor(data.fit).double() - gaussian.mean) @ whitening
        chosen = greedy_k_center(rows.numpy(), bank_size(data.n_feature, settings), seed=run.seed)
        core = Knn(data.n_feature, len(chosen), settings.neighbours)
        core.take(gaussian.mean, whitening)
        core.remember(rows[torch.tensor(chosen)])
        core.scale.fill_(usual_score(core, data.validation))
    return closed_form(core, data, settings)


def bank_size(n_feature: int, settings: ModelConfig) -> int:
    """Most windows that a memory of ``model.bank_kib`` holds, float64 and with their squared lengths.

    Raises:
        TrainingError: Fewer than ``model.neighbours``.
    """
    window_bytes = VALUE_BYTES * (n_feature + 1)
    size = settings.bank_kib * BYTES_PER_KIB // window_bytes
    if size < settings.neighbours:
        raise TrainingError(
            f"model.bank_kib: expected room for model.neighbours = {settings.neighbours} windows of {window_bytes} "
            f"bytes, got {settings.bank_kib} KiB for {size}; raise it"
        )
    return size
