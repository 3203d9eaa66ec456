"""What each group of features is worth in detecting: the numbers of ADR 0014.

Windows are extracted once with every group and scored by subsets of their columns, the ground's own way: fitted to the
healthy windows of the fit, thresholds from the calibration, measured on the test. Intervals of the AUC's difference to
time and spectrum alone come from resampling flights (where time is split: runs of 25 windows); what another fit or
another engine would give is not in them. It takes minutes; nothing waits for it.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ground.checkpoints import MemoryStore
from ground.config import Config, load_config
from ground.contenders import Contender, examine
from ground.demo.scenario import CONFIGS, EXAMPLE, SIMULATED
from ground.evaluate import read_split_table
from ground.features_config import BearingConfig, EnvelopeConfig, FeaturesConfig, Section, ShaftConfig, VelocityConfig
from ground.featurize import featurize
from ground.importer import import_recordings
from ground.learning import learn
from ground.metrics import auc
from ground.preprocess import preprocess
from ground.replay import Replay
from ground.simulate import FleetConfig, simulate_fleet
from ground.splits import FIT, HEALTHY, VALIDATION
from ground.training_loop import LoopRun
from ground.window_table import WindowTable, feature_names
from ground.workspace import Workspace

SEED = 7
"""Not the demo's: what is chosen by a fleet is not shown on the same one."""
BASE = "time, spectrum"
RESAMPLES = 200
RUN_N = 25
DOMINANT_N = 3
FEMTO_BEARING = BearingConfig(name="bearing", shaft="n1", n_ball=13, ball_mm=3.5, pitch_mm=25.6)
"""P. Nectoux et al., "PRONOSTIA: an experimental platform for bearings accelerated degradation tests", PHM 2012."""
FULL: dict[str, dict[str, Section]] = {
    EXAMPLE: {"velocity": VelocityConfig(enabled=True)},
    "femto": {
        # A snapshot of 0.1 s has no lines of 50 Hz below 100 Hz, and no orders: they lie 30 Hz apart.
        "velocity": VelocityConfig(enabled=True, low_hz=100.0),
        "envelope": EnvelopeConfig(enabled=True, band_hz=(2000.0, 6000.0), bearings=(FEMTO_BEARING,)),
    },
    "uestc": {"envelope": EnvelopeConfig(enabled=True, band_hz=(2000.0, 6000.0))},
}

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Switch = Callable[[FeaturesConfig], FeaturesConfig]


class Variant(NamedTuple):
    """A subset of the features, by the config that asks for it."""

    name: str
    features: FeaturesConfig


class Scored(NamedTuple):
    """Answers on the test windows, and their AUC, partial AUC, recall of windows and of flights, and false alarms."""

    answers: Replay
    numbers: tuple[float, ...]


def main() -> int:
    """Measure and print; returns the exit code."""
    options = _options()
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        config = _config(options.set)
        _provide(options, workspace)
        preprocess(config, workspace, progress=_quiet)
        featurize(config, workspace, progress=_quiet)
        table = read_split_table(config, workspace)
    for family in options.families.split(","):
        _print(table, config, family)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What each group of features is worth in detecting.")
    parser.add_argument("--set", choices=(SIMULATED, "uestc", "femto"), default=SIMULATED)
    parser.add_argument("--data", type=Path, help="recordings folder that holds the set")
    parser.add_argument("--floor", type=float, default=0.4, help="severity of the earliest simulated faults")
    parser.add_argument("--engines", type=int, default=240, help="healthy simulated engines")
    parser.add_argument("--families", default="mahalanobis,autoencoder")
    options = parser.parse_args()
    if options.set != SIMULATED and not options.data:
        parser.error(f"--data: expected the folder that holds {options.set}, got none; give it")
    return options


def _config(dataset: str) -> Config:
    """The packaged config of a set with every group that its signal allows."""
    name = EXAMPLE if dataset == SIMULATED else dataset
    config = load_config(CONFIGS / f"{name}.yaml")
    spectrum = config.features.spectrum.model_copy(update={"dominant_n": DOMINANT_N})
    features = config.features.model_copy(update={"spectrum": spectrum, **FULL[name]})
    signal = config.signal.model_copy(update={"shafts": config.signal.shafts or (ShaftConfig(name="n1"),)})
    return config.model_copy(update={"features": features, "signal": signal})


def _provide(options: argparse.Namespace, workspace: Workspace) -> None:
    if options.set == SIMULATED:
        fleet = FleetConfig(
            seed=SEED, n_healthy=options.engines, n_faulty=64, n_sensor_faulty=0, severity_floor=options.floor
        )
        simulate_fleet(fleet, workspace.raw, progress=_quiet)
    else:
        import_recordings(options.data, workspace.raw, dataset=options.set, progress=_quiet)


def _quiet(*_: object) -> None:
    """Nobody watches."""


def _off(part: str) -> Switch:
    """Switches a group off, or a part of one."""
    switches: dict[str, Switch] = {
        "dominant": lambda full: _with(full, "spectrum", dominant_n=0),
        "bearings": lambda full: _with(full, "envelope", bearings=()),
        "order bands": lambda full: _with(full, "orders", bands=()),
        "time": lambda full: full.model_copy(update={"time": False}),
    }
    return switches.get(part, lambda full: _with(full, part, enabled=False))


def _with(features: FeaturesConfig, group: str, **changes: object) -> FeaturesConfig:
    return features.model_copy(update={group: getattr(features, group).model_copy(update=changes)})


def _variants(full: FeaturesConfig) -> list[Variant]:
    groups = [name for name in ("velocity", "envelope", "orders") if getattr(full, name).enabled]
    added = ["dominant", *groups]
    parts = [*added, "time"]
    parts += ["bearings"] if full.envelope.bearings else []
    parts += ["order bands"] if full.orders.bands else []
    alone = {name: _without(full, [other for other in added if other != name]) for name in added}
    return [
        Variant(BASE, _without(full, added)),
        *(Variant(f"+ {name}", features) for name, features in alone.items()),
        Variant("all", full),
        *(Variant(f"all - {name}", _without(full, [name])) for name in parts),
    ]


def _without(features: FeaturesConfig, parts: list[str]) -> FeaturesConfig:
    for part in parts:
        features = _off(part)(features)
    return features


def _print(table: WindowTable, config: Config, family: str) -> None:
    print(f"\n{family:22}   AUC   difference       pAUC recall  flights  false")
    base: Floats | None = None
    for name, features in _variants(config.features):
        scored = _score(table, config, features, family)
        spread = _resampled(scored.answers, by_time=config.split.strategy == "by_time")
        base = spread if base is None else base
        low, high = np.quantile(spread - base, (0.025, 0.975))
        area, rest = scored.numbers[0], scored.numbers[1:]
        print(f"{name:22} {area:.3f}  {low:+.3f} {high:+.3f}  " + "  ".join(f"{number:.3f}" for number in rest))


def _score(table: WindowTable, config: Config, features: FeaturesConfig, family: str) -> Scored:
    chosen = config.model_copy(update={"features": features})
    spec, known = chosen.feature_spec(), feature_names(config.feature_spec())
    values = np.ascontiguousarray(table.values[:, [known.index(name) for name in feature_names(spec)]])
    healthy = ((table.rows["label"] == HEALTHY) & (table.rows["reason"] == "") & ~table.rows["outlier"]).to_numpy()
    fit, validation = (values[healthy & (table.rows["role"] == role).to_numpy()] for role in (FIT, VALIDATION))
    run = LoopRun(name=family, seed=config.seed, store=MemoryStore(), resume=False, progress=_quiet)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = learn(spec, fit, validation, family=family, settings=config.model, run=run).module
    assessed = (table.rows["reason"] == "").to_numpy()
    scores = np.zeros(len(assessed))
    scores[assessed] = module.outputs(values[assessed]).score
    contender = Contender(name=family, kind="other", model=b"", scores=scores, rehearsals=())
    examined = examine(contender, WindowTable(table.rows, values), chosen)
    windows = examined.evidence.windows
    found = examined.evidence.flights.recall
    numbers = (windows.auc, windows.partial_auc, windows.recall, found, windows.false_alarm_rate)
    return Scored(examined.answers, numbers)


def _resampled(answers: Replay, *, by_time: bool) -> Floats:
    """AUC of the test windows with blocks of them drawn anew: the same draws for every variant."""
    judged = answers.select(answers.judged)
    run = judged.rows.groupby(["recording_id", "label"]).cumcount() // RUN_N if by_time else 0
    parts = judged.rows.assign(run=run).groupby(["recording_id", "run"]).indices
    blocks = [np.asarray(part) for part in parts.values()]
    has_fault = np.array([bool(judged.faulty[block].any()) for block in blocks])
    rng = np.random.default_rng(SEED)
    draws = (_drawn(blocks, has_fault, rng) for _ in range(RESAMPLES))
    return np.array([auc(judged.faulty[index], judged.ratio[index]) for index in draws])


def _drawn(blocks: list[Ints], has_fault: Bools, rng: np.random.Generator) -> Ints:
    """As many blocks of either kind as there are, with replacement."""
    sides = [np.flatnonzero(has_fault == side) for side in (False, True)]
    return np.concatenate([blocks[each] for side in sides for each in rng.choice(side, len(side))])


if __name__ == "__main__":
    sys.exit(main())
