"""Ensemble: the mean verdict of three families that err in different ways, in one graph.

Source: Aggarwal, C. and Sathe, S. (2017), Outlier Ensembles, chapter 5: averages of scores on one scale.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ground.models.family import VARIANCE_FLOOR, Core, FitData, Fitted, WeightArrays, usual_score
from ground.models.knn import build_knn, fit_knn
from ground.models.level_guard import LevelLimit
from ground.models.mahalanobis import build_mahalanobis, fit_mahalanobis
from ground.models.outcome import closed_form
from ground.models.pca import build_pca, fit_pca

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import LoopRun

MEMBERS = {
    "mahalanobis": (build_mahalanobis, fit_mahalanobis),
    "pca": (build_pca, fit_pca),
    "knn": (build_knn, fit_knn),
}
_PREFIX = "members."


class Ensemble(Core):
    """Score: mean of the members' scores, each over its median on healthy validation windows, over its usual one.

    The reconstruction is the mean of the members'.

    Attributes:
        medians: (n_member,) median of each member's score over validation.
        scale: Root mean square of the score over validation.
    """

    medians: Tensor
    scale: Tensor

    def __init__(self, members: dict[str, Core]) -> None:
        super().__init__()
        self.members = nn.ModuleDict(members)
        self.register_buffer("medians", torch.ones(len(members), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Core.forward``."""
        outputs = [member(z) for member in self.members.values()]
        reconstruction = torch.stack([output[0] for output in outputs]).mean(dim=0)
        scores = torch.stack([output[1].double() for output in outputs], dim=1)
        return reconstruction, (torch.mean(scores / self.medians, dim=1) / self.scale).float()


def build_ensemble(n_feature: int, settings: ModelConfig, arrays: WeightArrays) -> Ensemble:
    """An unfitted core whose members are ready to take their parts of ``arrays``."""
    members: dict[str, Core] = {}
    for name, (build, _) in MEMBERS.items():
        prefix = f"{_PREFIX}{name}."
        own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        members[name] = build(n_feature, settings, own)
    return Ensemble(members)


def fit_ensemble(data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Fit every member to ``data.fit``; ``data.validation`` puts them on one scale.

    Raises:
        TrainingError: A member cannot be fitted.
    """
    # A mean of verdicts: a limit that one member knows would be a third of a verdict.
    unlimited = replace(data, level_limit=LevelLimit())
    fitted = {name: fit(unlimited, settings, run) for name, (_, fit) in MEMBERS.items()}
    core = Ensemble({name: member.core for name, member in fitted.items()}).eval()
    with torch.no_grad():
        scores = [member(torch.tensor(data.validation))[1] for member in core.members.values()]
    medians = torch.stack([score.double().quantile(0.5) for score in scores])
    core.medians.copy_(torch.clamp(medians, min=VARIANCE_FLOOR**0.5))
    core.scale.fill_(usual_score(core, data.validation))
    return closed_form(core, data, settings)
