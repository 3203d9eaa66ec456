"""Closed-form families against references of scikit-learn and scipy, or the case each was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from ground.checkpoints import MemoryStore
from ground.config import ModelConfig
from ground.errors import TrainingError
from ground.models.coreset import greedy_k_center
from ground.models.ensemble import MEMBERS
from ground.models.families import fit_core, load_core
from ground.models.family import VARIANCE_FLOOR, Core, FitData
from ground.models.gaussian import LEAST_SHRINKAGE, shrinkage_of
from ground.models.gmm import Gmm
from ground.models.knn import Knn
from ground.models.pca import Pca
from ground.training_loop import LoopRun
from ground.weights import module_arrays, pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_FEATURE = 6
SETTINGS = ModelConfig(hidden=(16,), bottleneck=3, max_epochs=60, patience=10, batch_size=64, learning_rate=3e-3)
TINY_SHRINKAGE = 1e-9


def _run() -> LoopRun:
    return LoopRun(name="test", seed=7, store=MemoryStore(), resume=False, progress=lambda *_: None)


def _rows(n: int, seed: int) -> NDArray[np.float32]:
    """Correlated, about unit variance: three factors seen through six features, and some noise."""
    mixing = np.random.default_rng(0).normal(size=(3, N_FEATURE)) / np.sqrt(3.0)
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, 3)) @ mixing + 0.4 * random.normal(size=(n, N_FEATURE))
    return rows.astype(np.float32)


def _data(fit: NDArray[Any] | None = None, validation: NDArray[Any] | None = None, n: int = 600) -> FitData:
    fit = _rows(n, 1) if fit is None else fit.astype(np.float32)
    validation = _rows(200, 2) if validation is None else validation.astype(np.float32)
    return FitData(names=tuple(f"acc.f{i}" for i in range(fit.shape[1])), fit=fit, validation=validation)


def _fit(name: str, data: FitData, **settings: Any) -> Any:
    return fit_core(name, data, SETTINGS.model_copy(update=settings), _run()).core


def _score(core: Core, z: NDArray[Any]) -> NDArray[np.float64]:
    with torch.no_grad():
        return core(torch.tensor(z, dtype=torch.float32))[1].double().numpy()


def _reconstruction(core: Core, z: NDArray[Any]) -> NDArray[np.float64]:
    with torch.no_grad():
        return core(torch.tensor(z, dtype=torch.float32))[0].double().numpy()


def _gap(core: Core, healthy: NDArray[Any], strange: NDArray[Any]) -> float:
    """How far the median strange window stands above nearly all healthy ones."""
    return float(np.median(_score(core, strange)) / np.quantile(_score(core, healthy), 0.99))


@pytest.mark.parametrize("n", [17, 60, 5000])
def test_automatic_shrinkage_is_ledoit_and_wolfs(n: int) -> None:
    """What scikit-learn advises for few rows; of many, a floor; a number in the config stands."""
    data = _data(n=n)
    advised = ledoit_wolf_shrinkage(data.fit.astype(np.float64))
    assert (advised > LEAST_SHRINKAGE) == (n < 5000)
    assert shrinkage_of(data, SETTINGS) == max(LEAST_SHRINKAGE, advised)
    assert shrinkage_of(data, SETTINGS.model_copy(update={"shrinkage": 0.3})) == 0.3


@pytest.mark.parametrize("explained", [0.5, 0.9, 0.999])
def test_pca_is_the_probabilistic_one(explained: float) -> None:
    """The score is the Mahalanobis distance by scikit-learn's probabilistic PCA of as many components."""
    data = _data()
    core = _fit("pca", data, explained_variance=explained, shrinkage=TINY_SHRINKAGE)
    rows = data.fit.astype(np.float64)
    reference = PCA(min(PCA(explained).fit(rows).n_components_, N_FEATURE - 1)).fit(rows)
    centred = data.validation - reference.mean_
    squared = np.einsum("ij,jk,ik->i", centred, reference.get_precision(), centred)
    np.testing.assert_allclose(_score(core, data.validation), np.sqrt(squared / N_FEATURE), rtol=1e-5)


def test_pca_counts_both_ways_of_leaving() -> None:
    """Ten spreads along the first component, and ten spreads of the noise across the subspace: both are seen."""
    data = _data()
    core = _fit("pca", data, explained_variance=0.9)
    assert isinstance(core, Pca)
    for column in (0, -1):
        spread = 1.0 / core.whitening[:, column].norm()
        way = core.whitening[:, column] * spread
        away = (core.mean + 10.0 * spread * way)[None].numpy()
        assert _score(core, away)[0] == pytest.approx(10.0 / np.sqrt(N_FEATURE), rel=1e-4)
        assert np.abs(away - _reconstruction(core, away)).max() > 0.3


def test_knn_is_the_mean_distance_to_neighbours() -> None:
    """scikit-learn's neighbours in whitened space, over the root mean square on validation."""
    data = _data()
    core = _fit("knn", data)
    white = [core.whitened(torch.tensor(rows)).numpy() for rows in (data.fit, data.validation)]
    distances, at = NearestNeighbors(n_neighbors=SETTINGS.neighbours).fit(white[0]).kneighbors(white[1])
    mean = distances.mean(axis=1)
    np.testing.assert_allclose(_score(core, data.validation), mean / np.sqrt(np.mean(mean**2)), rtol=1e-6)
    np.testing.assert_allclose(_reconstruction(core, data.validation), data.fit[at].mean(axis=1), atol=1e-5)


@pytest.mark.parametrize("bank_kib", [1, 4, 1000])
def test_knn_keeps_its_budget(bank_kib: int) -> None:
    """The memory and its squared lengths weigh no more than ``model.bank_kib``, and hold all rows where they fit."""
    core = _fit("knn", _data(), bank_kib=bank_kib)
    weight = core.bank.numpy().nbytes + core.squares.numpy().nbytes
    assert weight <= bank_kib * 1024
    assert len(core.bank) == min(600, bank_kib * 1024 // (8 * (N_FEATURE + 1)))
    assert np.sqrt(np.mean(_score(core, _rows(2000, 3)) ** 2)) == pytest.approx(1.0, abs=0.15)


def test_knn_without_room_is_refused() -> None:
    """The error says what fits and what to raise."""
    with pytest.raises(TrainingError, match=r"model\.bank_kib: expected room for model\.neighbours = 50 windows"):
        _fit("knn", _data(), bank_kib=1, neighbours=50)


def test_knn_of_fewer_windows_than_neighbours() -> None:
    """Twenty rows of which two differ: the memory holds two windows, and they are all the neighbours there are."""
    data = _data(fit=np.repeat(_rows(2, 1), 10, axis=0))
    core = _fit("knn", data)
    assert isinstance(core, Knn)
    assert (len(core.bank), core.neighbours) == (2, 2)
    loaded = load_core("knn", pack(module_arrays(core)), N_FEATURE, SETTINGS, where="w.npz")
    np.testing.assert_array_equal(_score(loaded, data.validation), _score(core, data.validation))


@pytest.mark.parametrize("size", [1, 5, 40])
def test_coreset_leaves_no_row_far_away(size: int) -> None:
    """Gonzalez: the farthest row is at most twice as far as from the best centres; so are any two chosen ones apart."""
    rows = _rows(400, 1).astype(np.float64)
    chosen = greedy_k_center(rows, size, seed=0)
    assert len(set(chosen)) == size
    radius = cdist(rows, rows[chosen]).min(axis=1).max()
    # Were there size centres of a radius below r / 2, two of these size + 1 rows would share one.
    apart = cdist(rows[chosen], rows[chosen]) + np.diag(np.full(size, np.inf))
    assert radius <= apart.min()


def test_coreset_chooses_nothing_twice() -> None:
    """Asked for more than there are different rows, it stops."""
    rows = np.repeat(np.eye(3), 4, axis=0)
    assert len(np.unique(rows[greedy_k_center(rows, 10, seed=0)], axis=0)) == 3
    assert len(greedy_k_center(np.zeros((5, 3)), 10, seed=0)) == 1


def test_coreset_draws_candidates_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many rows a seeded part is looked at: the same seed, the same rows."""
    monkeypatch.setattr("ground.models.coreset.CANDIDATES_N", 50)
    rows = _rows(400, 1).astype(np.float64)
    one, again, other = (greedy_k_center(rows, 10, seed=seed).tolist() for seed in (1, 1, 2))
    assert one == again != other


def _two_modes(n: int, seed: int) -> NDArray[np.float64]:
    """Two speeds: healthy windows of each stand close together, with nothing between."""
    random = np.random.default_rng(seed)
    speed = random.choice([-1.0, 1.0], size=(n, 1))
    loud = np.abs(speed + 1.0) * 0.1 + 0.1
    return speed + loud * random.normal(size=(n, N_FEATURE))


def test_gmm_is_the_likelihood_below_its_peaks() -> None:
    """Scores against scipy's normal densities of the parts' covariances, each relative to its own peak."""
    data = _data(fit=_two_modes(800, 1), validation=_two_modes(200, 2))
    core = _fit("gmm", data)
    assert isinstance(core, Gmm)
    weights = torch.exp(core.log_weight).numpy()
    assert len(weights) >= 2
    assert weights.sum() == pytest.approx(1.0)
    parts = [
        multivariate_normal(mean.numpy(), np.linalg.inv((whitening @ whitening.T).numpy()))
        for mean, whitening in zip(core.means, core.whitening, strict=True)
    ]
    below_peak = np.array([part.logpdf(data.validation) - part.logpdf(part.mean) for part in parts])
    raw = np.sqrt(-2.0 * logsumexp(below_peak, axis=0, b=weights[:, None]) / N_FEATURE)
    np.testing.assert_allclose(_score(core, data.validation), raw / np.sqrt(np.mean(raw**2)), rtol=1e-5)


def test_gmm_judges_each_way_to_run_by_its_own_spread() -> None:
    """Healthy windows of the speed that spreads three times more are hardly stranger."""
    data = _data(fit=_two_modes(800, 1), validation=_two_modes(200, 2))
    fast = data.validation[:, 0] > 0.0
    score = _score(_fit("gmm", data), data.validation)
    assert np.median(score[fast]) == pytest.approx(np.median(score[~fast]), rel=0.3)


def test_gmm_sees_what_lies_between_two_speeds() -> None:
    """Midway between two ways to run is strange to a mixture and the very centre to a Mahalanobis distance."""
    data = _data(fit=_two_modes(800, 1), validation=_two_modes(200, 2))
    between = 0.1 * np.random.default_rng(3).normal(size=(50, N_FEATURE))
    assert _gap(_fit("gmm", data), data.validation, between) > 1.0
    assert _gap(_fit("mahalanobis", data), data.validation, between) < 0.5


def test_gmm_of_one_part_is_mahalanobis() -> None:
    """A single part with the floor as its own shrinkage: scores go with the Mahalanobis distance."""
    data = _data()
    scores = [_score(_fit(name, data, mixture_components=1), data.validation) for name in ("gmm", "mahalanobis")]
    assert np.corrcoef(*scores)[0, 1] > 0.999


def test_ensemble_is_the_mean_of_its_members() -> None:
    """Each member's score over its median on validation, averaged, over the root mean square there."""
    data = _data()
    members = [_fit(name, data) for name in MEMBERS]
    on_validation = [_score(member, data.validation) for member in members]
    medians = [np.median(score) for score in on_validation]
    usual = np.mean([score / median for score, median in zip(on_validation, medians, strict=True)], axis=0)
    z = _rows(50, 5) * np.float32(3.0)
    wanted = np.mean([_score(member, z) / median for member, median in zip(members, medians, strict=True)], axis=0)
    core = _fit("ensemble", data)
    np.testing.assert_allclose(_score(core, z), wanted / np.sqrt(np.mean(usual**2)), rtol=1e-6)
    rebuilt = np.mean([_reconstruction(member, z) for member in members], axis=0)
    np.testing.assert_allclose(_reconstruction(core, z), rebuilt, atol=1e-12)


@pytest.mark.parametrize(("name", "array"), [("knn", "bank"), ("gmm", "means"), ("ensemble", "members.knn.bank")])
def test_weights_without_their_variable_part_are_refused(name: str, array: str) -> None:
    """An npz that lacks the array whose length the data decide is refused like any other of another architecture."""
    arrays = module_arrays(_fit(name, _data()))
    for broken in ({key: arrays[key] for key in arrays if key != array}, arrays | {array: np.float64(1.0)}):
        with pytest.raises(TrainingError, match=r"w\.npz: expected the arrays of this config's model"):
            load_core(name, pack(broken), N_FEATURE, SETTINGS, where="w.npz")


def test_constant_features_do_not_own_the_mixture() -> None:
    """A feature that stood still counts with the floor as its variance, as it does for a Mahalanobis distance."""
    fit = _rows(600, 1)
    fit[:, 2] = 0.5
    core = _fit("gmm", _data(fit=fit, validation=fit[:200]), mixture_components=1)
    off = fit.mean(axis=0) + np.eye(N_FEATURE)[2]
    raw = _score(core, off[None])[0] * core.scale.item()
    assert raw == pytest.approx(1.0 / np.sqrt(VARIANCE_FLOOR * N_FEATURE), rel=0.05)
