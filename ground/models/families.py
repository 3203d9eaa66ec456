"""The table of model families: a new one is one file and one row here (and its name in ``ground.config``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ground.errors import TrainingError
from ground.models.autoencoder import build_autoencoder, fit_autoencoder
from ground.models.ensemble import build_ensemble, fit_ensemble
from ground.models.family import Core, Family, FitData, Fitted
from ground.models.flow import build_flow, fit_flow
from ground.models.gmm import build_gmm, fit_gmm
from ground.models.knn import build_knn, fit_knn
from ground.models.mahalanobis import build_mahalanobis, fit_mahalanobis
from ground.models.mlp import build_mlp, fit_mlp
from ground.models.pca import build_pca, fit_pca
from ground.models.svdd import build_svdd, fit_svdd
from ground.weights import load_arrays, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ground.config import ModelConfig
    from ground.training_loop import LoopRun

FAMILIES: Mapping[str, Family] = {
    "autoencoder": Family(build_autoencoder, fit_autoencoder),
    "ensemble": Family(build_ensemble, fit_ensemble),
    "flow": Family(build_flow, fit_flow),
    "gmm": Family(build_gmm, fit_gmm),
    "knn": Family(build_knn, fit_knn),
    "mahalanobis": Family(build_mahalanobis, fit_mahalanobis),
    "mlp": Family(build_mlp, fit_mlp),
    "pca": Family(build_pca, fit_pca),
    "svdd": Family(build_svdd, fit_svdd),
}
SUPERVISED = frozenset({"mlp"})
"""Families that need ``FitData.faulty``."""
GUARDED = frozenset({"mahalanobis"})
"""Families that ask for ``FitData.level_limit``."""


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
    arrays = unpack(weights, where=where)
    core = _family(name).build(n_feature, settings, arrays)
    load_arrays(core, arrays, where=where)
    return core.eval()


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise TrainingError(f"model.family: expected one of {', '.join(FAMILIES)}, got {name!r}; correct the config")
    return FAMILIES[name]
