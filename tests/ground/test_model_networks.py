"""Trained families: what training must reach, and what it must not be able to break."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from ground.checkpoints import MemoryStore
from ground.config import ModelConfig
from ground.errors import TrainingError
from ground.models.families import fit_core
from ground.models.family import Core, FitData
from ground.models.flow import Flow
from ground.models.mlp import FEWEST_FAULTY_ROWS
from ground.models.svdd import LAYERS, SLOPE, Svdd
from ground.training_loop import LoopRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_FEATURE = 6
SETTINGS = ModelConfig(hidden=(16,), bottleneck=3, max_epochs=60, patience=10, batch_size=64, learning_rate=3e-3)


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


def _gap(core: Core, healthy: NDArray[Any], strange: NDArray[Any]) -> float:
    """How far the median strange window stands above nearly all healthy ones."""
    return float(np.median(_score(core, strange)) / np.quantile(_score(core, healthy), 0.99))


def test_svdd_draws_together_without_collapsing() -> None:
    """Training lowers the loss; the rotations stay rotations, so no direction is drawn in by more than the slopes."""
    data = _data(fit=_rows(600, 1) ** 2, validation=_rows(200, 2) ** 2)
    fitted = fit_core("svdd", data, SETTINGS, _run())
    core = fitted.core
    assert isinstance(core, Svdd)
    assert fitted.losses[fitted.best_epoch - 1].validation < 0.9 * fitted.losses[0].validation
    for rotation in core.rotations:
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(N_FEATURE).double(), atol=1e-12, rtol=0.0)
    z = 1e4 * np.random.default_rng(1).normal(size=(500, N_FEATURE))
    least = SLOPE**LAYERS * core.whitened(torch.tensor(z)).norm(dim=1) - core.centre.norm()
    assert (_score(core, z) * core.scale.item() * np.sqrt(N_FEATURE) >= least.numpy() * (1 - 1e-6)).all()


def _banana(n: int, seed: int) -> NDArray[np.float64]:
    """Two features on a parabola: no ellipse fits them."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    return np.column_stack([x, 0.7 * (x**2 - 1.0) + 0.1 * random.normal(size=n)])


def test_flow_follows_a_bend() -> None:
    """The inside of a parabola is near the centre of the ellipse and far from all healthy windows."""
    data = _data(fit=_banana(2000, 1), validation=_banana(500, 2))
    inside = np.array([[0.0, 0.8]]) + 0.05 * np.random.default_rng(3).normal(size=(50, 2))
    assert _gap(_fit("flow", data, max_epochs=150, patience=30), data.validation, inside) > 1.0
    assert _gap(_fit("mahalanobis", data), data.validation, inside) < 0.5


def test_untrained_flow_is_mahalanobis() -> None:
    """The couplings start as the identity: the strangeness is half the mean square of whitened features."""
    whitened = torch.tensor(_rows(20, 1))
    wanted = 0.5 * torch.mean(torch.square(whitened), dim=1)
    torch.testing.assert_close(Flow(N_FEATURE, 8).strangeness(whitened), wanted)


def test_flow_is_a_density() -> None:
    """In two dimensions it integrates to 1, like the normal it is mapped to: the couplings keep count of volume."""
    core = _fit("flow", _data(fit=_banana(2000, 1), validation=_banana(500, 2)), max_epochs=30)
    axis = torch.linspace(-12.0, 12.0, 481, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        density = torch.exp(-2.0 * core.strangeness(grid)) / (2.0 * np.pi)
    assert density.sum().item() * (axis[1] - axis[0]).item() ** 2 == pytest.approx(1.0, abs=2e-3)


def test_flow_of_one_feature_is_refused() -> None:
    """It has no other half."""
    with pytest.raises(TrainingError, match=r"model\.family flow: expected at least 2 features, got 1"):
        _fit("flow", _data(fit=_rows(20, 1)[:, :1], validation=_rows(20, 2)[:, :1]))


def _known_fault(n: int, seed: int) -> NDArray[np.float32]:
    """A fault within the healthy spread: less of everything, and one feature a little louder."""
    return np.float32(0.3) * _rows(n, seed) + np.eye(N_FEATURE, dtype=np.float32)[1]


def test_mlp_knows_the_fault_it_was_shown() -> None:
    """Windows that a distance cannot tell from healthy ones are told by the labels."""
    data = replace(_data(n=2000), faulty=_known_fault(500, 5))
    fresh = _known_fault(500, 6)
    healthy = _rows(500, 7)
    shares = [
        np.mean(_score(core, fresh)[:, None] > _score(core, healthy))
        for core in (_fit("mlp", data), _fit("mahalanobis", data))
    ]
    assert shares[0] > 0.85
    assert shares[0] > shares[1] + 0.1


def test_mlp_without_faults_is_refused() -> None:
    """Fit data hold healthy windows alone unless faulty ones were dealt to the fit."""
    with pytest.raises(TrainingError, match=f"faulty rows: expected at least {FEWEST_FAULTY_ROWS} .*, got 0"):
        _fit("mlp", _data())


@pytest.mark.parametrize(
    ("faulty", "text"),
    [
        (_rows(20, 1)[:, :5], r"faulty rows: expected \(n, 6\) float32, got \(20, 5\)"),
        (np.full((20, N_FEATURE), np.inf, dtype=np.float32), "faulty rows: expected finite features, got inf"),
    ],
)
def test_unfit_faulty_rows_are_refused(faulty: NDArray[np.float32], text: str) -> None:
    """They are checked like the healthy ones."""
    with pytest.raises(TrainingError, match=text):
        replace(_data(), faulty=faulty)
