"""What every model family must do, whichever it is: the contract of ``Core.forward``, and of what ships."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import pytest
import torch

from edge_agent.io_schema import IoSchema
from edge_agent.onnx_scan import scan_onnx
from edge_agent.reasons import contributions
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from ground.checkpoints import MemoryStore
from ground.config import FamilyName, ModelConfig
from ground.models.conditioner import Conditioner
from ground.models.detector_module import DetectorModule
from ground.models.families import FAMILIES, SUPERVISED, fit_core, load_core
from ground.models.family import Core, FitData
from ground.models.normaliser import Z_LIMIT
from ground.onnx_export import LARGEST_RELATIVE_ERROR, check_equal, export_onnx
from ground.training_loop import LoopRun
from ground.weights import module_arrays, pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_FEATURE = 20
NAMES = tuple(f"acc.f{index}" for index in range(N_FEATURE))
SETTINGS = ModelConfig(hidden=(16,), bottleneck=5, max_epochs=40, patience=10, batch_size=64, learning_rate=3e-3)
CONSTANT = 2
ANYWHERE = np.zeros(N_FEATURE, dtype=bool)
SCALER = Scaler(
    names=NAMES,
    scales=("log", "linear") * (N_FEATURE // 2),
    mean=tuple(np.random.default_rng(0).normal(scale=5.0, size=N_FEATURE).tolist()),
    std=tuple(np.geomspace(1e-3, 3.0, N_FEATURE).tolist()),
)


def _healthy(n: int, seed: int) -> NDArray[np.float32]:
    """Correlated, about unit variance: five factors seen through all features, some noise, and two ways to run."""
    mixing = np.random.default_rng(0).normal(size=(5, N_FEATURE)) / np.sqrt(5.0)
    random = np.random.default_rng(seed)
    rows = 0.6 * random.normal(size=(n, 5)) @ mixing + 0.3 * random.normal(size=(n, N_FEATURE))
    rows += random.choice([-0.8, 0.8], size=(n, 1)) * np.resize([1.0, -1.0, 0.5], N_FEATURE)
    return rows.astype(np.float32)


def _faulty(n: int) -> NDArray[np.float32]:
    """The one fault that the supervised family is shown: three features are louder."""
    rows = _healthy(n, 8)
    rows[:, 4:7] += np.float32(4.0)
    return rows


def _data(n_fit: int, n_validation: int) -> FitData:
    return FitData(names=NAMES, fit=_healthy(n_fit, 1), validation=_healthy(n_validation, 2), faulty=_faulty(60))


def _with_constant(data: FitData) -> FitData:
    """One feature stands still on healthy engines."""
    fit, validation = data.fit.copy(), data.validation.copy()
    fit[:, CONSTANT] = validation[:, CONSTANT] = 0.5
    return replace(data, fit=fit, validation=validation)


DATA = {
    "plenty": _data(600, 200),
    "fewer rows than features": _data(16, 8),
    "a constant feature": _with_constant(_data(600, 200)),
    "everything constant": FitData(
        names=NAMES, fit=np.zeros_like(_healthy(16, 1)), validation=np.zeros_like(_healthy(8, 1)), faulty=_faulty(60)
    ),
}


class Case(NamedTuple):
    """A fitted family."""

    family: str
    data: FitData
    core: Core


def _run() -> LoopRun:
    return LoopRun(name="test", seed=7, store=MemoryStore(), resume=False, progress=lambda *_: None)


def _outputs(core: Core, z: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    with torch.no_grad():
        reconstruction, score = core(torch.tensor(z, dtype=torch.float32))
    return reconstruction.numpy(), score.numpy()


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    """Each family."""
    return str(request.param)


@pytest.fixture(scope="module", params=sorted(DATA))
def case(request: pytest.FixtureRequest, family: str) -> Case:
    """Each family, fitted once to each kind of data."""
    data = DATA[request.param]
    return Case(family, data, fit_core(family, data, SETTINGS, _run()).core)


@pytest.fixture(scope="module")
def core(family: str) -> Core:
    """Each family, fitted once to plenty of data."""
    return fit_core(family, DATA["plenty"], SETTINGS, _run()).core


@pytest.fixture(scope="module")
def module(core: Core) -> DetectorModule:
    """Behind a scaler of mixed scales and spreads."""
    return DetectorModule(SCALER, core, Conditioner(len(SCALER.names), 0))


@pytest.fixture(scope="module")
def model(module: DetectorModule) -> bytes:
    """What ships."""
    return export_onnx(module, N_FEATURE)


def _features(module: DetectorModule, n: int) -> NDArray[np.float32]:
    """Windows in physical units: those of the fit, which may score next to nothing, and up to the limit of z."""
    z = np.vstack([DATA["plenty"].fit[:n], _healthy(n, 4) * np.geomspace(1.0, Z_LIMIT, n, dtype=np.float32)[:, None]])
    with torch.no_grad():
        return module.normaliser.inverse(torch.tensor(z)).numpy()


def test_config_knows_every_family() -> None:
    """A family is a row of the table and a name of the config, and neither without the other."""
    assert set(get_args(FamilyName)) == set(FAMILIES)
    assert set(FAMILIES) > SUPERVISED


def test_outputs_have_the_promised_shapes(case: Case) -> None:
    """A float32 score a window, zero or more, and a finite reconstruction of every feature."""
    reconstruction, score = _outputs(case.core, _healthy(7, 3))
    assert (score.shape, score.dtype) == ((7,), np.float32)
    assert reconstruction.shape == (7, N_FEATURE)
    assert np.isfinite(reconstruction).all()
    assert (score >= 0.0).all()
    assert not case.core.training


def test_healthy_windows_score_about_one(family: str, core: Core) -> None:
    """New healthy windows: a root mean square of 1, or less by what shrinkage takes from correlations."""
    score = _outputs(core, _healthy(2000, 3))[1]
    least = 0.7 if family in ("mahalanobis", "pca") else 0.9
    assert least < np.sqrt(np.mean(score.astype(np.float64) ** 2)) < 1.15


def test_healthy_windows_score_of_order_one_after_few_rows(family: str) -> None:
    """Sixteen rows of twenty features: new healthy windows do not look stranger than three times the usual."""
    core = fit_core(family, DATA["fewer rows than features"], SETTINGS, _run()).core
    score = _outputs(core, _healthy(2000, 3))[1]
    assert 0.3 < np.median(score) < 3.0


def test_score_rises_both_ways(case: Case) -> None:
    """Louder is strange and quieter is strange, in one feature or in all, ever more so the farther."""
    centre = case.data.fit.mean(axis=0)
    ways = np.vstack([np.eye(N_FEATURE), np.ones(N_FEATURE)])
    for way in np.vstack([ways, -ways]):
        score = _outputs(case.core, centre + np.outer([0.0, 8.0, 20.0, 100.0, 1e3, Z_LIMIT], way))[1]
        assert (np.diff(score) > 0.0).all(), way
        assert score[2] > 1.5, way
        assert score[-1] > 100.0 * score[2], way


def test_nothing_is_nan_at_the_limits(case: Case) -> None:
    """Every feature at one limit or the other: finite, and far from healthy."""
    corners = np.random.default_rng(1).choice([-Z_LIMIT, Z_LIMIT], size=(500, N_FEATURE))
    reconstruction, score = _outputs(case.core, corners)
    assert np.isfinite(reconstruction).all()
    assert np.isfinite(score).all()
    assert score.min() > 100.0


def test_second_fit_gives_the_same_bits(case: Case) -> None:
    """Whatever the global generators and the number of threads are set to."""
    threads = torch.get_num_threads()
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - the generator that scikit-learn falls back to
    torch.set_num_threads(2)
    try:
        again = fit_core(case.family, case.data, SETTINGS, _run()).core
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert pack(module_arrays(again)) == pack(module_arrays(case.core))


def test_weights_load_back(case: Case) -> None:
    """A core loaded from its npz gives the same bits."""
    loaded = load_core(case.family, pack(module_arrays(case.core)), N_FEATURE, SETTINGS, where="w.npz")
    for got, wanted in zip(_outputs(loaded, _healthy(50, 5)), _outputs(case.core, _healthy(50, 5)), strict=True):
        np.testing.assert_array_equal(got, wanted, strict=True)


def test_batch_gives_what_one_by_one_gives(core: Core) -> None:
    """A window's score does not depend on its company, but for the order of sums."""
    z = _healthy(40, 6) * np.geomspace(1.0, 1e3, 40, dtype=np.float32)[:, None]
    reconstruction, score = _outputs(core, z)
    alone = [_outputs(core, row[None]) for row in z]
    np.testing.assert_allclose([one[1][0] for one in alone], score, rtol=1e-6)
    np.testing.assert_allclose([one[0][0] for one in alone], reconstruction, rtol=1e-5, atol=1e-4)


def test_agent_gives_what_torch_gives(module: DetectorModule, model: bytes) -> None:
    """The agent's scorer is within 1e-5 of torch, from healthy windows to the limits, one by one and all at once."""
    features = _features(module, 600)
    assert check_equal(module, model, features) <= LARGEST_RELATIVE_ERROR
    together = Scorer(model, N_FEATURE).score_many(features)
    np.testing.assert_allclose(together, module.outputs(features).score, rtol=LARGEST_RELATIVE_ERROR)


def test_agent_takes_the_graph(model: bytes) -> None:
    """Allowed operators only, one file, the promised interface."""
    scan_onnx(model, IoSchema.of(N_FEATURE))


@pytest.mark.parametrize("shift", [12.0, -12.0])
def test_contributions_name_the_culprit(module: DetectorModule, shift: float) -> None:
    """One feature of a healthy window rises or falls far: in an alert it is among the first two that are named."""
    found = 0
    for index in range(N_FEATURE):
        z = _healthy(1, 30 + index)
        z[0, index] += np.float32(shift)
        with torch.no_grad():
            features = module.normaliser.inverse(torch.tensor(z)).numpy()
        named = contributions(SCALER, features[0], module.outputs(features).reconstruction[0], ANYWHERE)
        found += NAMES[index] in [contribution.feature for contribution in named[:2]]
    assert found >= 0.8 * N_FEATURE
