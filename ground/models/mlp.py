"""Supervised network: tells healthy windows from those of the faults it was shown. It knows no others.

Source: the logit as a log-likelihood ratio, quadratic between normal classes: Bishop, C. (2006), Pattern Recognition
and Machine Learning, section 4.2.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from ground.errors import TrainingError
from ground.models.family import FitData, Fitted, WeightArrays
from ground.models.gaussian import fit_gaussian
from ground.models.height import HeightCore
from ground.models.outcome import trained
from ground.reproducible import reproducible
from ground.training_loop import loop_settings, train_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.config import ModelConfig
    from ground.training_loop import LoopRun

FEWEST_FAULTY_ROWS = 16
LEAST_CURVATURE = 0.1
"""Of the logit along every whitened feature, where 1 is the log-likelihood ratio to a class without any limit."""
HELD_OUT = 5
"""One faulty row in so many decides when to stop."""


class Mlp(HeightCore):
    """Score: root of the logit of "faulty" above the least of the healthy fit rows, over its usual one.

    ``logit = network(y) + mean_i(c_i y_i^2) / 2`` with whitened features ``y``, a network of bounded activations and
    learned curvatures ``c_i >= LEAST_CURVATURE``. A network alone extrapolates as it likes: it may call a window
    healthy that is stranger than all faults it saw, only in another way. The curvature is part of the logit, so far out
    in any direction a window is faulty; near healthy ones only the faults of the fit are known, and of others nothing
    is promised.
    """

    def __init__(self, n_feature: int, hidden: tuple[int, ...]) -> None:
        super().__init__(n_feature)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((n_feature, *hidden)):
            layers += [nn.Linear(n_in, n_out), nn.Softsign()]
        self.network = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))
        self.curvature = nn.Parameter(torch.zeros(n_feature))

    def strangeness(self, whitened: Tensor) -> Tensor:
        """The logit of "faulty"."""
        curvature = LEAST_CURVATURE + softplus(self.curvature)
        logit: Tensor = self.network(whitened)[:, 0]
        return logit + 0.5 * torch.mean(curvature * torch.square(whitened), dim=1)

    def loss(self, labelled: Tensor) -> Tensor:
        """Mean cross entropy, both classes of equal weight.

        Args:
            labelled: (batch, n_feature + 2) whitened features, label (1 faulty) and weight.
        """
        whitened, label, weight = labelled[:, :-2], labelled[:, -2], labelled[:, -1]
        return binary_cross_entropy_with_logits(self.strangeness(whitened), label, weight=weight)


def build_mlp(n_feature: int, settings: ModelConfig, arrays: WeightArrays) -> Mlp:
    """An unfitted core, its network in float64 as when fitted."""
    del arrays
    return Mlp(n_feature, settings.hidden).double()


def fit_mlp(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Train on ``data.fit`` and ``data.faulty``; ``data.validation`` and a part of the faulty rows decide when to stop.

    Raises:
        TrainingError: Too few faulty rows; else see ``train_network``.
    """
    if len(data.faulty) < FEWEST_FAULTY_ROWS:
        raise TrainingError(
            f"faulty rows: expected at least {FEWEST_FAULTY_ROWS} windows of known faults among the fit rows, got "
            f"{len(data.faulty)}; take a family that learns from healthy windows alone"
        )
    with reproducible(run.seed):
        core = Mlp(data.n_feature, settings.hidden)
        gaussian = fit_gaussian(data, settings)
        core.take(gaussian.mean, gaussian.whitening())
        held_out = np.arange(len(data.faulty)) % HELD_OUT == 0
        result = train_network(
            core,
            core.loss,
            fit=_labelled(core, data.fit, data.faulty[~held_out]),
            validation=_labelled(core, data.validation, data.faulty[held_out]),
            settings=loop_settings(settings),
            run=run,
        )
        core.settle(data)
    return trained(core, result, data, settings)


def _labelled(core: Mlp, healthy: NDArray[np.float32], faulty: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, n_feature + 2) rows as ``Mlp.loss`` takes them, the weights of each class adding up to half the rows."""
    n_row = len(healthy) + len(faulty)
    parts = []
    for label, rows in enumerate((healthy, faulty)):
        marks = np.tile([label, n_row / (2 * len(rows))], (len(rows), 1))
        parts.append(np.hstack([core.whitened(torch.tensor(rows)).numpy(), marks]).astype(np.float32))
    return np.vstack(parts)
