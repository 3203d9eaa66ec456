"""The table of model families: a new one is one file and one row here (and its name in ``ground.config``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ground.errors import TrainingError
from ground.models.autoencoder import build_autoencoder, fit_autoencoder
from ground.models.family import Core, Family, FitData, Fitted
from ground.models.mahalanobis import build_mahalanobis, fit_mahalanobis
from ground.weights import load_arrays, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ground.config import ModelConfig
    from ground.training_loop import LoopRun

FAMILIES: Mapping[str, Family] = {
    "autoencoder": Family(build_autoencoder, fit_autoencoder),
    "mahalanobis": Family(build_mahalanobis, fit_mahalanobis),
}


def fit_core(name: str, data: FitData, settings: ModelConfig, run: LoopRun) -> Fitted:
    """Fit the family ``name``; the same arguments give the same bits.

    Raises:
        TrainingError: No such family, or its fit fails.
    """
    return _family(name).fit(data, settings, run)


def load_core(name: str, weights: bytes, n_feature: int, settings: ModelConfig, *, where: str) -> Core:
    """Build the family ``name`` and give it the weights of an npz.

    Args:
        name: A name of ``FAMILIES``.
        weights: What ``ground.weights.pack`` made of the fitted core.
        n_feature: Length of the feature vector.
        settings: Those it was fitted with.
        where: The place named in errors.

    Raises:
        TrainingError: No such family, no npz, or one of another architecture.
    """
    core = _family(name).build(n_feature, settings)
    load_arrays(core, unpack(weights, where=where), where=where)
    return core.eval()


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise TrainingError(f"model.family: expected one of {', '.join(FAMILIES)}, got {name!r}; correct the config")
    return FAMILIES[name]
