"""Model families against closed forms and scipy; the normaliser against the agent's scaler."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from edge_agent.scaler import Scaler
from ground.checkpoints import MemoryStore
from ground.config import ModelConfig
from ground.errors import TrainingError
from ground.models.autoencoder import Autoencoder
from ground.models.conditioner import Conditioner
from ground.models.detector_module import DetectorModule
from ground.models.families import FAMILIES, fit_core, load_core
from ground.models.family import VARIANCE_FLOOR, FitData
from ground.models.mahalanobis import Mahalanobis
from ground.models.normaliser import Z_LIMIT, Normaliser
from ground.training_loop import LoopRun
from ground.weights import module_arrays, pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_FEATURE = 6
SETTINGS = ModelConfig(hidden=(16,), bottleneck=3, max_epochs=60, patience=10, batch_size=64, learning_rate=3e-3)


def _run() -> LoopRun:
    return LoopRun(name="test", seed=7, store=MemoryStore(), resume=False, progress=lambda *_: None)


def _rows(n: int, seed: int) -> NDArray[np.float32]:
    """Correlated, about unit variance: three factors seen through six features, and some noise."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(3, N_FEATURE)) / np.sqrt(3.0)
    rows = random.normal(size=(n, 3)) @ mixing + 0.2 * random.normal(size=(n, N_FEATURE))
    return rows.astype(np.float32)


def _data(n: int = 600) -> FitData:
    names = tuple(f"acc.f{index}" for index in range(N_FEATURE))
    return FitData(names=names, fit=_rows(n, 1), validation=_rows(200, 2))


def _scaler() -> Scaler:
    return Scaler(
        names=tuple(f"acc.f{index}" for index in range(N_FEATURE)),
        scales=("log", "log", "linear", "linear", "log", "linear"),
        mean=(-4.0, 2.0, 0.01, 3.0, 0.0, 240.0),
        std=(0.3, 0.05, 0.2, 0.5, 2.0, 1e-3),
    )


def _score(core: torch.nn.Module, z: NDArray[Any]) -> NDArray[np.float64]:
    with torch.no_grad():
        return core(torch.tensor(z, dtype=torch.float32))[1].double().numpy()


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def fitted(request: pytest.FixtureRequest) -> Any:
    """Each family, fitted once."""
    return fit_core(request.param, _data(), SETTINGS, _run())


def test_mahalanobis_equals_scipy() -> None:
    """Scores are scipy's Mahalanobis distance by the documented covariance, over the root of n_feature."""
    data = _data()
    core = fit_core("mahalanobis", data, SETTINGS, _run()).core
    rows = data.fit.astype(np.float64)
    sample = np.cov(rows, rowvar=False)
    covariance = (1 - SETTINGS.shrinkage) * sample + SETTINGS.shrinkage * np.diag(np.diag(sample))
    precision = np.linalg.inv(covariance)
    wanted = [mahalanobis(row, rows.mean(axis=0), precision) / np.sqrt(N_FEATURE) for row in data.validation]
    np.testing.assert_allclose(_score(core, data.validation), wanted, rtol=2e-6)


def test_mahalanobis_reconstructs_the_conditional_expectation() -> None:
    """Each feature is rebuilt as E[z_i | the others] = mean_i + S_io S_oo^-1 (z_o - mean_o) (Schur complement)."""
    data = _data()
    core = fit_core("mahalanobis", data, SETTINGS, _run()).core
    sample = np.cov(data.fit.astype(np.float64), rowvar=False)
    covariance = (1 - SETTINGS.shrinkage) * sample + SETTINGS.shrinkage * np.diag(np.diag(sample))
    mean = data.fit.astype(np.float64).mean(axis=0)
    with torch.no_grad():
        reconstruction = core(torch.tensor(data.validation))[0].numpy()
    for i in range(N_FEATURE):
        others = [j for j in range(N_FEATURE) if j != i]
        slope = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, i])
        wanted = mean[i] + (data.validation[:, others] - mean[others]) @ slope
        np.testing.assert_allclose(reconstruction[:, i], wanted, atol=1e-5)


def test_mahalanobis_of_independent_features_is_their_rms() -> None:
    """With the identity as covariance the score is the root mean square of z, and the mean is the reconstruction."""
    reconstruction, score = Mahalanobis(2)(torch.tensor([[3.0, 4.0]]))
    assert score.item() == pytest.approx(5.0 / np.sqrt(2.0))
    assert reconstruction.tolist() == [[0.0, 0.0]]


def test_mahalanobis_survives_constant_features_and_says_so() -> None:
    """A constant feature counts with the floor as its variance: 1 off is 1 / sqrt(floor) deviations."""
    data = _data()
    fit = data.fit.copy()
    fit[:, 2] = 0.5
    fitted = fit_core("mahalanobis", FitData(names=data.names, fit=fit, validation=data.validation), SETTINGS, _run())
    at_mean = fit.mean(axis=0)
    off = at_mean + np.eye(N_FEATURE, dtype=np.float32)[2]
    assert _score(fitted.core, off[None])[0] == pytest.approx(1.0 / np.sqrt(VARIANCE_FLOOR * N_FEATURE), rel=1e-5)
    assert any("acc.f2" in warning for warning in fitted.warnings)


def test_few_rows_are_warned_of() -> None:
    """Fewer rows than five a feature still fit, thanks to shrinkage, but the reader is told how many it takes."""
    fitted = fit_core("mahalanobis", _data(n=17), SETTINGS, _run())
    assert any("at least 30" in warning for warning in fitted.warnings)
    assert any("Ledoit-Wolf" in warning for warning in fitted.warnings)


def test_healthy_scores_are_about_one(fitted: Any) -> None:
    """The root mean square of the score over healthy windows is 1 by construction, up to sampling."""
    assert np.sqrt(np.mean(_score(fitted.core, _rows(2000, 3)) ** 2)) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("direction", ["all together", *range(N_FEATURE)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_score_rises_both_ways(fitted: Any, direction: int | str, sign: float) -> None:
    """Louder is strange and quieter is strange, in one feature or in all, ever more so the farther."""
    way = np.ones(N_FEATURE) if direction == "all together" else np.eye(N_FEATURE)[int(direction)]
    scores = _score(fitted.core, sign * np.outer([0.0, 6.0, 20.0, 100.0, 1e3, Z_LIMIT], way))
    assert (np.diff(scores) > 0.0).all()
    assert scores[2] > 2.0


def test_autoencoder_learns_a_subspace() -> None:
    """Data of three factors passes a bottleneck of three: what is left is little more than the noise (0.04 of 1)."""
    data = _data()
    untrained = Autoencoder(N_FEATURE, SETTINGS.hidden, SETTINGS.bottleneck)
    settings = SETTINGS.model_copy(update={"max_epochs": 300, "patience": 30})
    trained = fit_core("autoencoder", data, settings, _run())
    with torch.no_grad():
        before = float(untrained.loss(torch.tensor(data.validation)))
        after = float(trained.core.loss(torch.tensor(data.validation)))
    assert before > 0.5
    assert after < 0.1
    assert after == trained.losses[trained.best_epoch - 1].validation


def test_autoencoder_cannot_extrapolate() -> None:
    """A window 10,000 times stranger along a healthy direction is not rebuilt: its output is bounded."""
    core = fit_core("autoencoder", _data(), SETTINGS, _run()).core
    ways = np.vstack([_rows(20, 6), -_rows(20, 6)])
    with torch.no_grad():
        reconstruction = core(torch.tensor(Z_LIMIT * ways))[0].numpy()
    assert np.abs(reconstruction).max() < 1e-2 * Z_LIMIT


def test_autoencoder_scores_in_units_of_the_usual_residual() -> None:
    """On validation the mean squared score is 1, for the residual's mean square there is the unit."""
    data = _data()
    core = fit_core("autoencoder", data, SETTINGS, _run()).core
    assert (core.residual_variance > VARIANCE_FLOOR).all()
    assert np.mean(_score(core, data.validation) ** 2) == pytest.approx(1.0, rel=1e-5)


def test_normaliser_is_the_scaler() -> None:
    """The graph's normalisation equals the agent's scaler, rounded once to float32."""
    features = np.exp(np.random.default_rng(3).normal(size=(500, N_FEATURE))).astype(np.float32)
    features[0] = [0.0, -1.0, 0.0, -2.0, 1e-30, 240.0]
    got = Normaliser(_scaler())(torch.tensor(features)).numpy()
    wanted = np.clip(_scaler().transform(features), -Z_LIMIT, Z_LIMIT).astype(np.float32)
    np.testing.assert_allclose(got, wanted, rtol=1.2e-7)


def test_usual_size_is_that_of_healthy_features() -> None:
    """Geometric mean exp(mean) of a logarithmic feature, root mean square sqrt(mean^2 + std^2) of a linear one."""
    sizes = Normaliser(_scaler()).usual_size()
    assert sizes[[0, 2]].tolist() == pytest.approx([np.exp(-4.0), np.sqrt(0.01**2 + 0.2**2)])


def test_normaliser_inverts() -> None:
    """There and back again within float32: a z of 1 is known to the features' own rounding over their spread."""
    normaliser = Normaliser(_scaler())
    z = torch.tensor(np.random.default_rng(4).normal(size=(500, N_FEATURE)).astype(np.float32))
    back = normaliser(normaliser.inverse(z))
    atol = np.array([4.0, 2.0, 1.0, 4.0, 1.0, 240.0]) * 1.2e-7 / np.array(_scaler().std) + 1e-6
    assert (np.abs((back - z).numpy()) <= atol).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, 3.4e38, -3.4e38, 0.0, 1e-45])
def test_wild_input_stays_finite(fitted: Any, value: float) -> None:
    """Whatever a broken sensor makes of the features: finite, and far above healthy."""
    outputs = DetectorModule(_scaler(), fitted.core, Conditioner(N_FEATURE, 0)).outputs(
        np.full((1, N_FEATURE), value, dtype=np.float32)
    )
    assert np.isfinite(outputs.reconstruction).all()
    assert np.isfinite(outputs.score).all()
    assert outputs.score[0] > 10.0


def test_same_fit_same_bytes(fitted: Any) -> None:
    """A second fit in this process gives the same weights, whatever threads and global seed are set to."""
    name = type(fitted.core).__name__.lower()
    threads = torch.get_num_threads()
    torch.manual_seed(123)
    torch.set_num_threads(2)
    try:
        again = fit_core(name, _data(), SETTINGS, _run())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert pack(module_arrays(again.core)) == pack(module_arrays(fitted.core))


_SCRIPT = """
import sys, hashlib, importlib.util
spec = importlib.util.spec_from_file_location("models_test", sys.argv[1])
test = importlib.util.module_from_spec(spec); spec.loader.exec_module(test)
for name in sorted(test.FAMILIES):
    core = test.fit_core(name, test._data(), test.SETTINGS, test._run()).core
    print(hashlib.sha256(test.pack(test.module_arrays(core))).hexdigest())
"""


def test_another_process_gives_the_same_bytes() -> None:
    """Weights depend on nothing of the process: not on hash seeds, addresses or the clock."""
    here = [
        hashlib.sha256(pack(module_arrays(fit_core(name, _data(), SETTINGS, _run()).core))).hexdigest()
        for name in sorted(FAMILIES)
    ]
    there = subprocess.run([sys.executable, "-c", _SCRIPT, __file__], capture_output=True, text=True, check=True)
    assert there.stdout.split() == here


def test_weights_load_back(fitted: Any) -> None:
    """A core loaded from its bytes scores the same bits."""
    name = type(fitted.core).__name__.lower()
    loaded = load_core(name, pack(module_arrays(fitted.core)), N_FEATURE, SETTINGS, where="w.npz")
    np.testing.assert_array_equal(_score(loaded, _rows(50, 5)), _score(fitted.core, _rows(50, 5)))


def _with_nan() -> NDArray[np.float32]:
    rows = _rows(20, 1)
    rows[3, 4] = np.nan
    return rows


@pytest.mark.parametrize(
    ("fit", "validation", "text"),
    [
        (_rows(15, 1), _rows(20, 2), "fit rows: expected at least 16 healthy windows, got 15"),
        (_rows(20, 1), _rows(7, 2), "validation rows: expected at least 8 healthy windows, got 7"),
        (_with_nan(), _rows(20, 2), "fit rows: expected finite features, got nan in acc.f4 of row 3"),
        (_rows(20, 1), _rows(20, 2)[:, :5], r"validation rows: expected \(n, 6\) float32, got \(20, 5\)"),
        (_rows(20, 1).astype(np.float64), _rows(20, 2), "fit rows: .* float64"),
    ],
)
def test_unfit_rows_are_refused(fit: NDArray[Any], validation: NDArray[Any], text: str) -> None:
    """Too few, not finite, of another shape or dtype: the error says what, where and what to do."""
    names = tuple(f"acc.f{index}" for index in range(N_FEATURE))
    with pytest.raises(TrainingError, match=text):
        FitData(names=names, fit=fit, validation=validation)


def test_unknown_family_is_refused() -> None:
    """The error lists the families there are."""
    with pytest.raises(TrainingError, match="expected one of autoencoder, mahalanobis, got 'transformer'"):
        fit_core("transformer", _data(), SETTINGS, _run())
