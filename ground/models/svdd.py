"""Deep support vector data description: a network that draws healthy windows together around one point.

Source: Ruff, L. et al. (2018), Deep one-class classification, ICML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ground.models.family import FitData, Fitted, WeightArrays, usual_score
from ground.models.gaussian import GaussianCore, fit_gaussian
from ground.models.outcome import trained
from ground.reproducible import reproducible
from ground.training_loop import loop_settings, train_network

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun

LAYERS = 2
SLOPE = 0.25
"""Of a layer where its input is negative: the most that a layer may draw together, by which it cannot collapse."""


class Svdd(GaussianCore):
    """Score: distance of the embedding of a whitened window from the centre, over its usual one.

    The embedding is ``LAYERS`` times a rotation and ``max(y, SLOPE y)``. Nothing in it can map all windows to one
    point, the trivial solution: there are no biases, no bounded activations, and rotations cannot shrink. An embedding
    is at least ``SLOPE^LAYERS`` times as long as the whitened window, so the score grows without bound.

    The reconstruction is each feature's conditional expectation given all the others, in the normal distribution that
    the whitening comes from: the embedding itself leads nowhere back.

    Attributes:
        rotations: (LAYERS, n_feature, n_feature) orthogonal matrices.
        centre: (n_feature,) where healthy windows are drawn to.
        scale: Root mean square of the distance over validation.
    """

    rotations: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, n_feature: int) -> None:
        super().__init__(n_feature)
        self.register_buffer("rotations", torch.eye(n_feature, dtype=torch.float64).repeat(LAYERS, 1, 1))
        self.register_buffer("centre", torch.zeros(n_feature, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Core.forward``."""
        away = embedding(self.whitened(z), self.rotations) - self.centre
        score = torch.sqrt(torch.mean(torch.square(away), dim=1)) / self.scale
        return self.expected(z), score.float()


class _Trainee(nn.Module):
    """The network in training. Its rotations are exponentials of skew-symmetric matrices: any step leaves rotations."""

    centre: Tensor

    def __init__(self, n_feature: int) -> None:
        super().__init__()
        self.generators = nn.Parameter(torch.randn(LAYERS, n_feature, n_feature) / n_feature**0.5)
        self.register_buffer("centre", torch.zeros(n_feature))

    def rotations(self) -> Tensor:
        """(LAYERS, n_feature, n_feature) of the dtype of the parameters."""
        rotations: Tensor = torch.linalg.matrix_exp(self.generators - self.generators.transpose(1, 2))
        return rotations

    def embed(self, whitened: Tensor) -> Tensor:
        """(batch, n_feature) embeddings of whitened windows of the same shape."""
        return embedding(whitened, self.rotations())

    def loss(self, whitened: Tensor) -> Tensor:
        """Mean squared distance from the centre."""
        return torch.mean(torch.square(self.embed(whitened) - self.centre))


def embedding(whitened: Tensor, rotations: Tensor) -> Tensor:
    """(batch, n_feature) embeddings of whitened windows of the same shape and dtype."""
    for rotation in rotations:
        turned = whitened @ rotation
        # Not LeakyRelu: onnxruntime has it in float32 only.
        whitened = torch.maximum(turned, SLOPE * turned)
    return whitened


def build_svdd(n_feature: int, settings: ModelConfig, arrays: WeightArrays) -> Svdd:
    """An unfitted core."""
    del settings, arrays
    return Svdd(n_feature)


def fit_svdd(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Train on whitened ``data.fit``, stopping early on ``data.validation``, which also gives the unit.

    The centre is the mean embedding of the fit rows before training, as Ruff et al. have it.

    Raises:
        TrainingError: See ``train_network``.
    """
    core = Svdd(data.n_feature)
    with reproducible(run.seed):
        gaussian = fit_gaussian(data, settings)
        core.take(gaussian.mean, gaussian.whitening())
        fit, validation = (core.whitened(torch.tensor(rows)).float() for rows in (data.fit, data.validation))
        trainee = _Trainee(data.n_feature)
        with torch.no_grad():
            trainee.centre.copy_(trainee.embed(fit).mean(dim=0))
        result = train_network(
            trainee,
            trainee.loss,
            fit=fit.numpy(),
            validation=validation.numpy(),
            settings=loop_settings(settings),
            run=run,
        )
        _take(core, trainee)
        core.scale.fill_(usual_score(core, data.validation))
    return trained(core, result, data, settings)


def _take(core: Svdd, trainee: _Trainee) -> None:
    with torch.no_grad():
        core.rotations.copy_(trainee.double().rotations())
        core.centre.copy_(trainee.centre)
