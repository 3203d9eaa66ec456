"""Search for the hyperparameters of a family, on the fit groups alone: calibration and test take no part.

There are no faults to tune by, for those that are known are examined. So a trial is asked how well it tells healthy
windows of groups left out from the same windows with some features moved by a few healthy spreads: a stand-in for
faults, not one of them. Optuna's TPE proposes the values (J. Bergstra et al., Algorithms for Hyper-Parameter
Optimization, NIPS 2011); one process and one seed, so the same config and windows give the same choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import yaml
from sklearn.model_selection import GroupKFold

from edge_agent.scaler import LOG_FLOOR, Scaler
from ground import metrics
from ground.checkpoints import MemoryStore
from ground.config import Config, ModelConfig
from ground.errors import ConfigError, DataError, TrainingError
from ground.evaluate import read_split_table
from ground.extras import installing
from ground.feature_spec import frozen_spec
from ground.learning import learn
from ground.models.families import SUPERVISED
from ground.progress import Progress, silent
from ground.scaling import condition_columns, fit_scaler
from ground.splits import FIT, HEALTHY
from ground.training_loop import LoopRun
from ground.workspace import Workspace
from shared_features.feature import LOG

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.trial import BaseTrial

    from shared_features.spec import FeatureSpec

STEP: Final = "tune"
FOLDS: Final = 3
WORST: Final = 0.0
_MOVED_SHARE = 0.1
"""Of the features of a window: a fault is heard in some of them."""
_MOVED_SPREADS = 3.0
_VALIDATION_SHARE = 0.2
_WIDTHS = (8, 16, 32, 64)


def _network(trial: BaseTrial) -> dict[str, Any]:
    width = trial.suggest_categorical("width", _WIDTHS)
    rate = trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True)
    return {"hidden": (width, width // 2), "learning_rate": rate}


_SPACES: Mapping[str, Callable[[BaseTrial], dict[str, Any]]] = {
    "mahalanobis": lambda trial: {"shrinkage": trial.suggest_float("shrinkage", 0.01, 0.9, log=True)},
    "pca": lambda trial: {"explained_variance": trial.suggest_float("explained_variance", 0.7, 0.999)},
    "knn": lambda trial: {"neighbours": trial.suggest_int("neighbours", 1, 20)},
    "gmm": lambda trial: {"mixture_components": trial.suggest_int("mixture_components", 1, 8)},
    "ensemble": lambda trial: {"neighbours": trial.suggest_int("neighbours", 1, 20)},
    "autoencoder": lambda trial: {**_network(trial), "bottleneck": trial.suggest_int("bottleneck", 2, 16)},
    "svdd": _network,
    "flow": _network,
}


@dataclass(frozen=True, slots=True)
class Tuned:
    """What the search found.

    Attributes:
        settings: The values to train with: those of the config where no trial was better.
        trials: How many were tried.
        configured: Partial AUC (false-alarm rates up to 10 %) of the config's own values, mean over the folds.
        best: The same of ``settings``.
    """

    settings: ModelConfig
    trials: int
    configured: float
    best: float


@dataclass(frozen=True, slots=True)
class _Fold:
    """Healthy windows in physical units: to fit, to stop by, left out, and the left-out ones with features moved."""

    fit: NDArray[np.float32]
    validation: NDArray[np.float32]
    healthy: NDArray[np.float32]
    moved: NDArray[np.float32]


def search(config: Config, workspace: Workspace, *, trials: int, progress: Progress) -> Tuned:
    """Search for better values of the family that ships; optuna must be installed.

    Args:
        config: What the windows were made with; its seed is that of the search.
        workspace: Holds the tables of ``ground featurize``; nothing is written.
        trials: How many values to try.
        progress: Told after each.

    Raises:
        ConfigError: Optuna is missing, or the family cannot be tuned.
        DataError: Too few fit groups, or a table is missing.
        TrainingError: The config's own values cannot be trained with.
    """
    family = config.model.family
    if family in SUPERVISED:
        raise ConfigError(f"model.family: expected one of {', '.join(_SPACES)}, got {family}; it needs known faults")
    study = _study(config.seed)
    spec, folds = _folds(config, workspace)

    def value(settings: ModelConfig) -> float:
        return float(np.mean([_value(spec, fold, settings, config.seed) for fold in folds]))

    def objective(trial: BaseTrial) -> float:
        progress(STEP, trial.number, trials)
        try:
            return value(_with(config.model, _SPACES[family](trial)))
        except TrainingError:
            # More neighbours than windows, say: such values are as bad as can be, and no reason to stop.
            return WORST

    configured = value(config.model)
    study.optimize(objective, n_trials=trials)
    progress(STEP, trials, trials)
    found = _with(config.model, _values_of(family, study.best_trial))
    # Ties go to what a person wrote.
    settings, best = (found, study.best_value) if study.best_value > configured else (config.model, configured)
    return Tuned(_with(settings, {"tuning_trials": trials}), trials, configured, best)


def tuned_yaml(text: str, tuned: Tuned, *, origin: str) -> str:
    """The config with the chosen values, for people to read.

    Args:
        text: The YAML that was tuned; its comments are not kept.
        tuned: What was found.
        origin: Its name.
    """
    document = yaml.safe_load(text)
    chosen = tuned.settings.model_dump(mode="json")
    usual = ModelConfig().model_dump(mode="json")
    section = document.get("model", {})
    document["model"] = section | {
        name: chosen[name] for name in chosen if chosen[name] != section.get(name, usual[name])
    }
    head = (
        f"# {origin}, tuned by `ground tune`: {tuned.trials} trials on the fit groups; partial AUC against moved\n"
        f"# features {tuned.best:.4f}, as configured {tuned.configured:.4f}. Comments of the original are not here.\n"
    )
    return head + yaml.safe_dump(document, sort_keys=False, width=120)


def _study(seed: int) -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(f"ground tune: expected optuna, got none; {installing('tune')}") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))


def _values_of(family: str, best: Any) -> dict[str, Any]:
    """The values of a trial that is over."""
    from optuna.trial import FixedTrial

    return _SPACES[family](FixedTrial(best.params))


def _with(settings: ModelConfig, values: Mapping[str, Any]) -> ModelConfig:
    return ModelConfig.model_validate({**settings.model_dump(), **values})


def _folds(config: Config, workspace: Workspace) -> tuple[FeatureSpec, list[_Fold]]:
    table = read_split_table(config, workspace)
    rows = table.rows
    chosen = (rows["role"] == FIT) & (rows["label"] == HEALTHY) & (rows["reason"] == "") & ~rows["outlier"]
    values, groups = table.values[chosen.to_numpy()], rows["group"][chosen].to_numpy(dtype=str)
    found = len(np.unique(groups))
    if found < FOLDS:
        raise DataError(
            f"ground tune: expected at least {FOLDS} fit groups to leave some out, got {found}; record more units"
        )
    spec = frozen_spec(config, workspace)
    parts = GroupKFold(FOLDS, shuffle=True, random_state=config.seed).split(values, groups=groups)
    return spec, [
        _fold(spec, values[inner], values[outer], np.random.default_rng([config.seed, number]))
        for number, (inner, outer) in enumerate(parts)
    ]


def _fold(spec: FeatureSpec, inner: NDArray[np.float32], outer: NDArray[np.float32], rng: np.random.Generator) -> _Fold:
    # Every fifth window, not the last: it tells when to stop, the groups left out tell how good.
    stops = np.arange(len(inner)) % round(1.0 / _VALIDATION_SHARE) == 0
    fit = inner[~stops]
    return _Fold(fit, inner[stops], outer, moved(spec, fit_scaler(spec, fit), outer, rng))


def moved(
    spec: FeatureSpec, scaler: Scaler, values: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Windows with a tenth of their features moved by three healthy spreads, up or down; conditions stay.

    Args:
        spec: The features.
        scaler: Whose spreads.
        values: (n, n_feature) float32 in physical units.
        rng: Draws features and directions.
    """
    free = np.setdiff1d(np.arange(values.shape[1]), condition_columns(spec))
    shift = np.zeros(values.shape)
    for row in shift:
        some = rng.choice(free, max(1, round(_MOVED_SHARE * free.size)), replace=False)
        row[some] = rng.choice((-_MOVED_SPREADS, _MOVED_SPREADS), some.size)
    is_log = np.array([scale == LOG for scale in scaler.scales])
    step = shift * np.array(scaler.std)
    physical = values.astype(np.float64)
    louder = np.maximum(physical, LOG_FLOOR) * np.exp(np.where(is_log, step, 0.0))
    result: NDArray[np.float32] = np.where(is_log, louder, physical + step).astype(np.float32)
    return result


def _value(spec: FeatureSpec, fold: _Fold, settings: ModelConfig, seed: int) -> float:
    run = LoopRun(name=settings.family, seed=seed, store=MemoryStore(), resume=False, progress=silent)
    learned = learn(spec, fold.fit, fold.validation, family=settings.family, settings=settings, run=run)
    score = [learned.module.outputs(values).score.astype(np.float64) for values in (fold.healthy, fold.moved)]
    is_moved = np.repeat([False, True], [len(part) for part in score])
    return metrics.partial_auc(is_moved, np.concatenate(score))
