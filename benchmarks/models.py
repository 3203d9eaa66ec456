"""What each family of models costs on board: size of its graph, and thread CPU time of one score.

Run ``python -m benchmarks.models``; docs/reference/models.md tells the figures. Nothing here is gated. Each family is
fitted with the default settings to seeded synthetic features: cost does not depend on what they mean, but for the
number of parts that a mixture finds.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.cal import make_cal
from benchmarks.command import EXIT_OK, parser, positive, run_command
from benchmarks.feature_cases import always
from benchmarks.measure import Case, summarise, time_interleaved
from benchmarks.report import Report, Row, publish
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from ground.checkpoints import MemoryStore
from ground.config import ModelConfig
from ground.models.conditioner import Conditioner
from ground.models.detector_module import DetectorModule
from ground.models.families import FAMILIES, fit_core
from ground.models.family import FitData
from ground.onnx_export import export_onnx
from ground.training_loop import LoopRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

QUICK_ROUNDS = 400
FULL_ROUNDS = 10_000
QUICK_EPOCHS = 10
"""Networks cost the same whatever they have learned; only the time of the fit is another."""
N_FEATURE = 50
N_FIT = 1000
CAL = "cal"

_SEED = 1
_N_FACTOR = 10
_N_VALIDATION = 200
_N_FAULTY = 200
_FAULT = 3.0
_BYTES_PER_KIB = 1024


class _Exported(NamedTuple):
    model: bytes
    fit_s: float


def main() -> int:
    """Measure, print, write ``models.json``."""
    options = parser("models", "Size and CPU cost of each model family, as multiples of a calibration loop.")
    options.add_argument("--rounds", type=positive, metavar="N", help="rounds of each measurement")
    chosen = options.parse_args()
    rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else FULL_ROUNDS)
    settings = ModelConfig(max_epochs=QUICK_EPOCHS) if chosen.quick else ModelConfig()
    exported = {name: _export(name, settings) for name in FAMILIES}
    cases = [Case(name, _scoring(family.model), rounds) for name, family in exported.items()]
    times = time_interleaved([Case(CAL, always(make_cal()), rounds), *cases], seed=_SEED)
    publish(_report(times, exported, "quick" if chosen.quick else "full"), chosen.out)
    return EXIT_OK


def _rows(n: int, seed: int) -> NDArray[np.float32]:
    """(n, N_FEATURE) z of unit variance: ten factors and some noise."""
    mixing = np.random.default_rng(_SEED).normal(size=(_N_FACTOR, N_FEATURE)) / np.sqrt(_N_FACTOR)
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, _N_FACTOR)) @ mixing + 0.3 * random.normal(size=(n, N_FEATURE))
    return np.asarray(rows, dtype=np.float32)


def _scaler() -> Scaler:
    scales = ("log", "linear") * (N_FEATURE // 2)
    return Scaler(names=_names(), scales=scales, mean=(0.0,) * N_FEATURE, std=(1.0,) * N_FEATURE)


def _names() -> tuple[str, ...]:
    return tuple(f"acc.f{index}" for index in range(N_FEATURE))


def _export(name: str, settings: ModelConfig) -> _Exported:
    faulty = _rows(_N_FAULTY, 4) + np.float32(_FAULT)
    data = FitData(names=_names(), fit=_rows(N_FIT, 2), validation=_rows(_N_VALIDATION, 3), faulty=faulty)
    run = LoopRun(name=name, seed=_SEED, store=MemoryStore(), resume=False, progress=lambda *_: None)
    begin = time.process_time()
    core = fit_core(name, data, settings, run).core
    fit_s = time.process_time() - begin
    return _Exported(export_onnx(DetectorModule(_scaler(), core, Conditioner(N_FEATURE, 0)), N_FEATURE), fit_s)


def _scoring(model: bytes) -> Callable[[], Callable[[], object]]:
    scorer = Scorer(model, N_FEATURE)
    window = np.abs(_rows(1, 5)[0])
    return always(lambda: scorer.score(window))


def _report(times: Mapping[str, NDArray[np.float64]], exported: Mapping[str, _Exported], mode: str) -> Report:
    rows = tuple(
        Row(
            name=name,
            summary=summarise(times[name]),
            figures={"model_kib": len(family.model) / _BYTES_PER_KIB, "fit_s": family.fit_s},
        )
        for name, family in exported.items()
    )
    return Report(benchmark="models", mode=mode, unit="us", cal=summarise(times[CAL]), rows=rows)


if __name__ == "__main__":
    sys.exit(run_command(main))
