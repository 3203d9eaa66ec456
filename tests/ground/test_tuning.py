"""``ground tune``: the search sees fit groups alone, gives the same again, and writes a config for people."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from ground import tuning
from ground.cli import app
from ground.config import Config, load_config
from ground.errors import ConfigError, DataError, TrainingError
from ground.feature_spec import frozen_spec
from ground.featurize import featurize
from ground.preprocess import preprocess
from ground.progress import silent
from ground.scaling import condition_columns, fit_scaler
from ground.splits import FIT
from ground.tuning import FOLDS, moved, search
from ground.window_table import WINDOWS, WindowTable, read_table, table_bytes
from ground.workspace import Workspace

pytest.importorskip("optuna")

RATE_HZ = 1024
UNITS = 10
TRIALS = 4
DOCUMENT = {
    "schema": 1,
    "detector": "small",
    "seed": 5,
    "signal": {"sampling_rate_hz": RATE_HZ, "channels": [{"name": "acc_1", "unit": "g"}], "conditions": ["n1_hz"]},
    "features": {"record_s": 0.5, "window_s": 1.0, "hop_s": 0.5},
    "split": {"strategy": "by_unit", "fit": 0.6, "calibration": 0.2, "folds": 2},
    "model": {"family": "pca", "baselines": ["mahalanobis"], "explained_variance": 0.75},
}


def config_of(**model):
    """The config with another section ``model``."""
    return Config.model_validate({**DOCUMENT, "model": {**DOCUMENT["model"], **model}})


@pytest.fixture(scope="module")
def featurized(tmp_path_factory):
    """A workspace with the windows of ten healthy units; read only."""
    workspace = Workspace(tmp_path_factory.mktemp("tuning"))
    (workspace.raw / "noise").mkdir(parents=True)
    rng = np.random.default_rng(3)
    rows = []
    for unit in (f"u{number}" for number in range(UNITS)):
        signal = (rng.uniform(0.8, 1.2) * rng.standard_normal(20 * RATE_HZ)).astype(np.float32)
        table = pa.table({"acc_1": signal, "n1_hz": np.full(len(signal), 60.0, dtype=np.float32)})
        pq.write_table(table, workspace.raw / "noise" / f"{unit}.parquet")
        rows.append({
            "recording_id": unit, "file": f"noise/{unit}.parquet", "dataset": "noise", "unit_id": unit,
            "sampling_rate_hz": RATE_HZ, "channels": "acc_1", "signal_units": "g", "label": "healthy",
            "start_ns": 10**18 + len(rows) * 10**12,
        })  # fmt: skip
    pd.DataFrame(rows).to_csv(workspace.raw / "recordings.csv", index=False)
    preprocess(config_of(), workspace, progress=silent)
    featurize(config_of(), workspace, progress=silent, workers=1)
    return workspace


@pytest.fixture
def workspace(featurized, tmp_path):
    """A copy to change."""
    return Workspace(shutil.copytree(featurized.root, tmp_path / "workspace"))


@pytest.fixture(scope="module")
def tuned(featurized):
    """What the search finds."""
    return search(config_of(), featurized, trials=TRIALS, progress=silent)


def test_a_poor_value_is_bettered(tuned):
    """A subspace of three quarters of the variance hides much; no value is worse than the one a person wrote."""
    assert tuned.best > tuned.configured
    assert tuned.settings.explained_variance > 0.75
    assert (tuned.trials, tuned.settings.tuning_trials) == (TRIALS, TRIALS)


def test_calibration_and_test_take_no_part(tuned, workspace):
    """Whatever their windows hold, the choice is the same to the last bit."""
    spec = frozen_spec(config_of(), workspace)
    for folder in (workspace.features, workspace.processed):
        table = read_table(folder / WINDOWS, spec)
        roles = read_table(workspace.processed / WINDOWS, spec).rows["role"]
        values = table.values.copy()
        others = (roles != FIT).to_numpy()
        values[others] = np.random.default_rng(1).uniform(1.0, 9.0, (others.sum(), values.shape[1]))
        (folder / WINDOWS).write_bytes(table_bytes(WindowTable(table.rows, values), spec))
    assert search(config_of(), workspace, trials=TRIALS, progress=silent) == tuned


def test_the_command_writes_a_config(featurized, tmp_path):
    """The same bytes for the same seed; the config it came from, the chosen values, and what they were chosen by."""
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT))
    words = ["tune", "--config", str(path), "--workspace", str(featurized.root), "--trials", str(TRIALS)]
    for name in ("a.yaml", "b.yaml"):
        done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    text = (tmp_path / "a.yaml").read_text()
    assert text == (tmp_path / "b.yaml").read_text()
    assert text.startswith("# small.yaml, tuned by `ground tune`: 4 trials")
    model = load_config(tmp_path / "a.yaml").model
    assert (model.tuning_trials, model.family) == (TRIALS, "pca")
    assert yaml.safe_load(text)["model"].keys() == {*DOCUMENT["model"], "tuning_trials"}


def test_a_tie_leaves_what_a_person_wrote(featurized):
    """The kNN memory of one neighbour to twenty: where no trial is better, the config's own value stays."""
    settings = config_of(family="knn")
    found = search(settings, featurized, trials=1, progress=silent)
    assert found.best >= found.configured
    if found.best == found.configured:
        assert found.settings.neighbours == settings.model.neighbours


def test_values_that_cannot_be_trained_with_do_not_end_the_search(featurized, monkeypatch):
    """They count as the worst; those of the config must do."""
    monkeypatch.setitem(
        tuning._SPACES, "knn", lambda trial: {"neighbours": trial.suggest_int("neighbours", 5000, 6000)}
    )
    found = search(config_of(family="knn"), featurized, trials=2, progress=silent)
    assert found.best == found.configured > tuning.WORST
    assert found.settings.neighbours == config_of(family="knn").model.neighbours
    with pytest.raises(TrainingError):
        search(config_of(family="knn", neighbours=5000), featurized, trials=1, progress=silent)


def test_a_tenth_of_the_features_moves_by_three_spreads(featurized):
    """In the scale of the model, up or down; operating conditions stay."""
    spec = frozen_spec(config_of(), featurized)
    values = read_table(featurized.features / WINDOWS, spec).values
    scaler = fit_scaler(spec, values)
    off = scaler.transform(moved(spec, scaler, values, np.random.default_rng(0))) - scaler.transform(values)
    n_moved = np.count_nonzero(np.abs(off) > 1.0, axis=1)
    assert set(n_moved) == {round(0.1 * (values.shape[1] - 1))}
    assert np.abs(off[np.abs(off) > 1.0]) == pytest.approx(3.0, abs=0.01)
    assert not off[:, condition_columns(spec)].any()


def test_what_cannot_be_tuned_is_refused(featurized, workspace, monkeypatch):
    """Supervised families, too few groups, and a machine without optuna."""
    with pytest.raises(ConfigError, match="got mlp; it needs known faults"):
        search(config_of(family="mlp"), featurized, trials=1, progress=silent)
    few = Config.model_validate({**DOCUMENT, "split": {"strategy": "by_unit", "fit": 0.2, "calibration": 0.5}})
    featurize(few, workspace, progress=silent, workers=1)
    with pytest.raises(DataError, match=f"at least {FOLDS} fit groups to leave some out, got 1"):
        search(few, workspace, trials=1, progress=silent)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ConfigError, match=r"expected optuna, got none; pip install -c constraints.txt -e 'ground\[tune\]'"
    ):
        search(config_of(), featurized, trials=1, progress=silent)
