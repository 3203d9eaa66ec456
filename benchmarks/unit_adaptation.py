"""What adapting to a new unit is worth: each run-to-failure life under a detector of the others, before and after.

`python -m benchmarks.unit_adaptation ../shared/data`: the table of docs/how-to/new-unit.md. The detector is that of
``ground.standalone`` for units it does not know; its thresholds are left alone, as ``ground adapt`` does.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import roc_auc_score

from edge_agent.scaler import Scaler
from ground.adaptation import shifted, unit_shift
from ground.config import load_config
from ground.featurize import interim_windows
from ground.healthy_start import healthy_start
from ground.importer import import_recordings
from ground.models.detector_module import DetectorModule
from ground.preprocess import preprocess
from ground.rehearsal import Recipe
from ground.splits import FAULTY, HEALTHY
from ground.standalone import StandaloneDetector, learn_alone
from ground.window_table import WindowTable, feature_names
from ground.workspace import Workspace
from shared_features.vector import columns_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.config import Config
    from ground.replay import Replay
    from shared_features.spec import FeatureSpec

DATASET = "femto"
FAMILY = "mahalanobis"
WINDOWS = 50


def main() -> int:
    """Measure and print; returns the exit code."""
    config = load_config(Path(str(files("ground") / "configs" / f"{DATASET}.yaml")))
    with tempfile.TemporaryDirectory() as folder:
        table = windows_of_lives(config, Path(sys.argv[1]), Workspace(Path(folder)))
    print(f"{'unit':12}{'':10}{'largest shift':>14}{'healthy':>9}{'p99':>7}{'worn':>7}{'AUC':>8}{'alarms':>14}")
    for unit in sorted(set(table.rows["unit_id"])):
        for line in _lines(config, table, unit):
            print(f"{unit:12}{line}", flush=True)
    return 0


def windows_of_lives(config: Config, data: Path, workspace: Workspace) -> WindowTable:
    """Every window of the run-to-failure lives."""
    import_recordings(data, workspace.raw, dataset=DATASET, progress=_quiet)
    preprocess(config, workspace, progress=_quiet)
    return interim_windows(config, workspace, config.feature_spec(), progress=_quiet)


def _lines(config: Config, table: WindowTable, unit: str) -> Iterator[str]:
    """One line unadapted, one adapted; both of the windows after those that were learned from."""
    rows, spec = table.rows, config.feature_spec()
    healthy = ((rows["label"] == HEALTHY) & (rows["reason"] == "") & ~rows["outlier"]).to_numpy(dtype=bool)
    of_unit = (rows["unit_id"] == unit).to_numpy(dtype=bool)
    others, own = _part(table, healthy & ~of_unit), _part(table, of_unit)
    detector = learn_alone(others, Recipe(spec, FAMILY, config.model, config.seed), config.decision, units_differ=True)
    answers = detector.answer(own)
    start = healthy_start(answers, own, unit=unit, windows=WINDOWS)
    spreads = unit_shift(detector.module.conditioner, _scaler(detector, spec), start.used.values)
    module = DetectorModule(
        shifted(_scaler(detector, spec), spreads), detector.module.core, detector.module.conditioner
    )
    later = (own.rows["start_ns"] > start.used.rows["start_ns"].max()).to_numpy(dtype=bool)
    yield f"{'':10}{np.abs(spreads).max():14.1f}" + _numbers(answers.select(later))
    yield f"{'adapted':10}{'':14}" + _numbers(replace(detector, module=module).answer(own).select(later))


def _numbers(answers: Replay) -> str:
    """Scores over threshold, and the windows in alarm out of the healthy and out of the worn ones."""
    label = answers.rows["label"].to_numpy()
    healthy, worn = (answers.select(answers.assessed & (label == wanted)) for wanted in (HEALTHY, FAULTY))
    auc = roc_auc_score(
        np.repeat([0, 1], [len(healthy.ratio), len(worn.ratio)]), np.concatenate([healthy.ratio, worn.ratio])
    )
    levels = f"{np.median(healthy.ratio):9.2f}{np.quantile(healthy.ratio, 0.99):7.2f}{np.median(worn.ratio):7.2f}"
    return f"{levels}{auc:8.3f}{f'{healthy.alarm.sum()}, {worn.alarm.sum()}/{len(worn.alarm)}':>14}"


def _scaler(detector: StandaloneDetector, spec: FeatureSpec) -> Scaler:
    normaliser = detector.module.normaliser
    scales = tuple(column.scale for column in columns_of(spec))
    return Scaler(feature_names(spec), scales, tuple(normaliser.mean.tolist()), tuple(normaliser.std.tolist()))


def _part(table: WindowTable, chosen: NDArray[np.bool_]) -> WindowTable:
    return WindowTable(table.rows[chosen].reset_index(drop=True), table.values[chosen])


def _quiet(_step: str, _done: int, _total: int) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    sys.exit(main())
