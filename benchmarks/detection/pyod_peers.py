"""Detectors of PyOD, as its users take them: default settings, its own threshold at the declared rate.

Y. Zhao, Z. Nasrullah, Z. Li, "PyOD: A Python Toolbox for Scalable Outlier Detection", JMLR 20 (2019). ECOD ranks the
windows that it is asked about among those it has learned from: asked about many faulty ones at once it takes them for
usual. So it is asked in parts of a twentieth of what it has learned, more as windows come on board.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.detection.contender import PEER, ContenderAbsent, Judge, Judgement, Promise, judgement_of
from benchmarks.detection.normalised import Normalised, is_assessed, normalised
from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.window_table import WindowTable
    from shared_features.spec import FeatureSpec

LIBRARY = "pyod"
_DEFAULT_NEIGHBOURS = {"LOF": 20, "KNN": 5}
"""PyOD's defaults; fewer where there are fewer windows."""

_ASKED_SHARE = 20
_ROWS_AT_ONCE = 4096

Arguments = Callable[[int, int], Mapping[str, Any]]
"""From the number of training windows and the seed to keyword arguments."""


def _nothing(_n: int, _seed: int) -> Mapping[str, Any]:
    return {}


def _seeded(_n: int, seed: int) -> Mapping[str, Any]:
    return {"random_state": seed}


def _network(_n: int, seed: int) -> Mapping[str, Any]:
    return {"random_state": seed, "verbose": 0}


def _neighbours(name: str) -> Arguments:
    return lambda n, _seed: {"n_neighbors": max(min(_DEFAULT_NEIGHBOURS[name], n - 1), 1)}


_DETECTORS: Mapping[str, tuple[str, Arguments]] = {
    "ECOD": ("pyod.models.ecod", _nothing),
    "IForest": ("pyod.models.iforest", _seeded),
    "LOF": ("pyod.models.lof", _neighbours("LOF")),
    "KNN": ("pyod.models.knn", _neighbours("KNN")),
    "PCA": ("pyod.models.pca", _seeded),
    "AutoEncoder": ("pyod.models.auto_encoder", _network),
}


@dataclass(frozen=True, slots=True)
class PyodPeer:
    """One detector of PyOD.

    Attributes:
        detector: Its class there.
        most_rows: Most windows that it learns from.
    """

    detector: str
    most_rows: int
    kind: str = PEER

    @property
    def name(self) -> str:
        """Unique among the contenders."""
        return f"{LIBRARY}:{self.detector}"

    def fit(self, train: WindowTable, spec: FeatureSpec, promise: Promise, seed: int) -> Judge:
        """See ``Contender.fit``."""
        if importlib.util.find_spec(LIBRARY) is None:
            raise ContenderAbsent(f"{LIBRARY}: not installed; pip install -r requirements-dev.txt")
        scaler, rows = normalised(train, spec, most=self.most_rows)
        module, arguments = _DETECTORS[self.detector]
        with _as_benchmark_error(self.name), warnings.catch_warnings():
            # Libraries warn of few or constant rows; the table tells what came of it.
            warnings.simplefilter("ignore")
            make = getattr(importlib.import_module(module), self.detector)
            model = make(contamination=promise.false_alarm_rate, **arguments(len(rows), seed))
            model.fit(rows)
        at_once = max(len(rows) // _ASKED_SHARE, 1) if self.detector == "ECOD" else _ROWS_AT_ONCE
        return PyodJudge(self.name, scaler, model, at_once, promise)


@dataclass(frozen=True, slots=True)
class PyodJudge:
    """A fitted detector of PyOD."""

    name: str
    scaler: Normalised
    model: Any
    at_once: int
    promise: Promise

    def judge(self, table: WindowTable) -> Judgement:
        """See ``Judge.judge``."""
        score = np.zeros(len(table.rows))
        assessed = is_assessed(table)
        with _as_benchmark_error(self.name), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if assessed.any():
                score[assessed] = self._scores(self.scaler.of(table)[assessed])
        return judgement_of(table.rows, score, float(self.model.threshold_), self.promise)

    def _scores(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = [self.model.decision_function(z[at : at + self.at_once]) for at in range(0, len(z), self.at_once)]
        return np.concatenate(parts)


def pyod_peers(*, most_rows: int) -> tuple[PyodPeer, ...]:
    """The peers of the design."""
    return tuple(PyodPeer(name, most_rows) for name in _DETECTORS)


class _as_benchmark_error:  # noqa: N801 - reads as a statement
    """Turns what a third-party detector raises on data it cannot take into this benchmark's error."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ValueError | RuntimeError | ArithmeticError | IndexError):
            raise BenchmarkError(f"{self._name}: expected a detector for these windows, got {error}") from error
