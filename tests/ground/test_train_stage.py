"""The stage ``train`` over a processed table: what it reads, writes, records and refuses."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge_agent.layout import SCALER
from edge_agent.scaler import Scaler
from ground.config import Config
from ground.errors import DataError, GroundError, TrainingError
from ground.feature_spec import freeze
from ground.models.candidate import CHECKPOINT, RECORD, WEIGHTS, TrainingRecord, candidate_folder, load_candidate
from ground.models.families import FAMILIES as EVERY_FAMILY
from ground.models.families import SUPERVISED
from ground.train import families_of, train
from ground.training_data import read_training_data
from ground.window_table import ROLE_COLUMNS, SPEC_DIGEST, WINDOW_COLUMNS, WINDOWS
from ground.workspace import Workspace
from shared_features.vector import columns_of

FAMILIES = ("mahalanobis", "autoencoder")
ROLES = ("fit",) * 4 + ("validation",) * 2 + ("calibration", "test")
N_ROW = 480


def _config(**model: Any) -> Config:
    settings = {"max_epochs": 8, "checkpoint_epochs": 2, "hidden": [12], "bottleneck": 4, "batch_size": 32} | model
    return Config.model_validate(
        {
            "schema": 1,
            "detector": "test_detector",
            "ecr": "ECR-2025-0007",
            "seed": 11,
            "signal": {"sampling_rate_hz": 10240, "channels": [{"name": "acc", "unit": "g"}]},
            "features": {"window_s": 2.0},
            "model": settings,
        }
    )


CONFIG = _config()
COLUMNS = columns_of(CONFIG.feature_spec())
NAMES = tuple(column.name for column in COLUMNS)


def _scaler() -> Scaler:
    return Scaler(
        names=NAMES, scales=tuple(c.scale for c in COLUMNS), mean=(0.5,) * len(NAMES), std=(0.25,) * len(NAMES)
    )


def _columns() -> dict[str, Any]:
    """A table of healthy windows, all of them fit for use."""
    random = np.random.default_rng(0)
    loud = random.normal(size=(N_ROW, 1))
    z = 0.7 * loud + 0.7 * random.normal(size=(N_ROW, len(NAMES)))
    marks: dict[str, Any] = {field.name: [""] * N_ROW for field in (*WINDOW_COLUMNS, *ROLE_COLUMNS)}
    marks |= {
        "recording_id": [f"r{index // 60}" for index in range(N_ROW)],
        "role": [ROLES[index // 60] for index in range(N_ROW)],
        "label": np.zeros(N_ROW, dtype=np.int8),
        "outlier": np.zeros(N_ROW, dtype=bool),
    }
    return marks | {name: z[:, index].astype(np.float32) for index, name in enumerate(NAMES)}


def _write(workspace: Workspace, columns: dict[str, Any], spec_digest: str = CONFIG.feature_spec().digest) -> None:
    workspace.processed.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns).replace_schema_metadata({SPEC_DIGEST: spec_digest})
    pq.write_table(table, workspace.processed / WINDOWS)
    (workspace.processed / SCALER).write_bytes(_scaler().to_json())
    freeze(workspace, CONFIG.feature_spec(), None)


def _files(workspace: Workspace) -> dict[str, str]:
    """sha256 of everything below the candidates."""
    folder = workspace.candidate(CONFIG.detector)
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.*"))
    }


def _train(workspace: Workspace, config: Config = CONFIG, *, resume: bool = False) -> Any:
    return train(config, workspace, resume=resume, progress=lambda *_: None)


@pytest.fixture
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tracker makes its database in seconds: only the tests of tracking pay for that."""
    monkeypatch.setattr("ground.train.track", lambda *_: "run")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with a processed table, without anything that could stop a training."""
    made = Workspace(tmp_path)
    _write(made, _columns())
    return made


def _query(workspace: Workspace, text: str) -> list[Any]:
    with closing(sqlite3.connect(workspace.tracking / "mlflow.db")) as database:
        return database.execute(text).fetchall()


def test_trains_writes_and_tracks_every_family(workspace: Workspace) -> None:
    """The family that ships and the baseline: weights, record, and a run with parameters, metrics, curves and files."""
    report = _train(workspace)
    assert [record.family for record in report.records] == list(FAMILIES)
    assert report.tracking_errors == ()
    for record in report.records:
        folder = candidate_folder(CONFIG, workspace, record.family)
        assert record.weights_digest == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        assert TrainingRecord.from_json((folder / RECORD).read_bytes(), where="r") == record
        assert (record.fit_rows, record.validation_rows, record.n_feature) == (240, 120, len(NAMES))
        assert record.validation_score.mean == pytest.approx(1.0, abs=0.3)
    assert [row[0] for row in _query(workspace, "select name from runs order by start_time")] == list(FAMILIES)
    assert {row[0] for row in _query(workspace, "select status from runs")} == {"FINISHED"}
    assert _query(workspace, "select count(*) from metrics where key = 'validation_loss'") == [(8,)]
    assert _query(workspace, "select value from params where key = 'model.hidden'") == [("[12]",)] * 2
    assert _query(workspace, "select value from tags where key = 'ecr'") == [("ECR-2025-0007",)] * 2
    kept = [path.name for path in (workspace.tracking / "artifacts").rglob("*.*") if path.is_file()]
    assert sorted(kept) == [RECORD, RECORD, WEIGHTS, WEIGHTS]


def test_tracker_sends_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tracker's telemetry is off, also where neither CI nor a test runner is around to hide it."""
    monkeypatch.setattr("mlflow.telemetry.utils._IS_IN_CI_ENV_OR_TESTING", False, raising=True)
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    from mlflow.telemetry.client import get_telemetry_client
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert not is_telemetry_disabled()
    _train(workspace, _config(baselines=["mahalanobis"]))
    assert is_telemetry_disabled()
    assert get_telemetry_client() is None


def test_failing_tracker_loses_no_model(workspace: Workspace) -> None:
    """A file where the tracker's folder should be: both models are there, and the report says what is not."""
    workspace.tracking.write_text("in the way")
    report = _train(workspace)
    assert len(report.tracking_errors) == 2
    assert "tracking: expected run mahalanobis to be recorded, got" in report.tracking_errors[0]
    assert {f"{family}/{name}" for family in FAMILIES for name in (WEIGHTS, RECORD)} <= set(_files(workspace))


@pytest.mark.usefixtures("untracked")
def test_same_config_same_bytes(workspace: Workspace) -> None:
    """Trained twice, whatever lies there already: every file the same."""
    _train(workspace)
    first = _files(workspace)
    _train(workspace)
    assert _files(workspace) == first
    assert f"autoencoder/{CHECKPOINT}" in first


@pytest.mark.usefixtures("untracked")
def test_interrupted_stage_resumes_to_the_same_bytes(workspace: Workspace, tmp_path: Path) -> None:
    """Stopped in epoch 5 of 8 and resumed: every file as of an uninterrupted stage."""
    whole = Workspace(tmp_path / "whole")
    _write(whole, _columns())
    _train(whole)

    def stop(_what: str, done: int, _most: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, workspace, resume=False, progress=stop)
    _train(workspace, resume=True)
    assert _files(workspace) == _files(whole)


@pytest.mark.usefixtures("untracked")
@pytest.mark.parametrize(
    ("column", "value"), [("reason", "gap"), ("label", 1), ("label", -1), ("outlier", True), ("role", "unused")]
)
def test_only_healthy_assessable_windows_are_fitted(workspace: Workspace, column: str, value: object) -> None:
    """Ten rows of fit that are faulty, unlabelled, outliers, not assessable or of no role have no say."""
    columns = _columns()
    columns[column] = np.array(columns[column], dtype=object if column in ("reason", "role") else None)
    columns[column][:10] = value
    for name in NAMES:
        columns[name][:10] = 1e6
    columns[NAMES[0]][:5] = np.nan
    _write(workspace, columns)
    report = _train(workspace)
    assert report.records[0].fit_rows == 230
    assert report.records[0].validation_score.mean < 2.0


@pytest.mark.usefixtures("untracked")
@pytest.mark.parametrize("family", sorted(set(EVERY_FAMILY) - SUPERVISED))
def test_every_family_trains_and_loads(workspace: Workspace, family: str) -> None:
    """Whichever family the config names: trained, recorded, loaded back, of order 1 on validation."""
    config = _config(family=family, baselines=[])
    (record,) = _train(workspace, config).records
    assert record.family == family
    assert 0.3 < record.validation_score.median < 1.5
    assert bool(record.losses) == (record.best_epoch > 0)
    candidate = load_candidate(config, workspace, family)
    assert candidate.record == record
    strange = np.full((1, len(NAMES)), 40.0, dtype=np.float32)
    assert candidate.module.outputs(strange).score[0] > 3.0  # forty times beyond, within the soft limit of each feature


@pytest.mark.usefixtures("untracked")
@pytest.mark.parametrize("family", sorted(SUPERVISED))
def test_supervised_families_ask_for_faults(workspace: Workspace, family: str) -> None:
    """No faulty windows are dealt to the fit: a named error, and no model."""
    with pytest.raises(TrainingError, match=r"faulty rows: expected at least 16 windows of known faults .*, got 0"):
        _train(workspace, _config(family=family, baselines=[]))
    assert _files(workspace) == {}


@pytest.mark.usefixtures("untracked")
def test_candidate_loads_with_its_scaler(workspace: Workspace) -> None:
    """A loaded candidate takes physical features: the mean of the scaler scores next to nothing."""
    _train(workspace)
    for family in FAMILIES:
        candidate = load_candidate(CONFIG, workspace, family)
        assert candidate.record.family == family
        healthy = np.where([c.scale == "log" for c in COLUMNS], np.exp(0.5), 0.5).astype(np.float32)
        assert candidate.module.outputs(healthy[None]).score[0] < 1.0
        assert candidate.module.outputs(healthy[None] * 40.0).score[0] > 3.0


@pytest.mark.usefixtures("untracked")
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        ("weights", "expected weights .* as when it was trained"),
        ("scaler", "expected scaler .* as when it was trained"),
        ("record", "training.json: expected a training record, got .*surplus"),
        ("schema", "training.json: expected schema 2, got 3"),
        ("json", "training.json: expected a training record"),
        ("gone", "weights.npz: expected a trained model, got .*No such file.* run `ground train` first"),
        ("settings", "expected settings .* as when it was trained"),
        ("names", "expected the .* features of this config"),
        ("spec", r"feature_spec\.json: expected features of spec .* \(this config's\)"),
    ],
)
def test_damaged_candidate_is_refused(workspace: Workspace, damage: str, text: str) -> None:
    """Weights, scaler and record belong together; any other mix is a named error."""
    _train(workspace)
    config = CONFIG
    folder = candidate_folder(CONFIG, workspace, "autoencoder")
    record = json.loads((folder / RECORD).read_bytes())
    scaler = workspace.processed / SCALER
    if damage == "weights":
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes() + b"\0")
    elif damage == "scaler":
        scaler.write_bytes(scaler.read_bytes().replace(b"0.25", b"0.26"))
    elif damage in ("record", "schema"):
        (folder / RECORD).write_text(json.dumps(record | ({"surplus": 1} if damage == "record" else {"schema": 3})))
    elif damage == "json":
        (folder / RECORD).write_text("[1")
    elif damage == "gone":
        (folder / WEIGHTS).unlink()
    elif damage == "settings":
        config = _config(hidden=[13])
    elif damage == "names":
        scaler.write_bytes(scaler.read_bytes().replace(b"acc.std", b"acc.dev"))
    else:
        config = CONFIG.model_copy(update={"features": CONFIG.features.model_copy(update={"time": False})})
    with pytest.raises(GroundError, match=text):
        load_candidate(config, workspace, "autoencoder")


INFINITE = np.full(N_ROW, np.inf, dtype=np.float32)


@pytest.mark.usefixtures("untracked")
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (
            {"role": ["fit"] * 15 + ["validation"] * (N_ROW - 15)},
            TrainingError,
            "fit rows: expected at least 16 healthy windows, got 15; add healthy recordings",
        ),
        ({"role": ["fit"] * N_ROW}, TrainingError, "validation rows: expected at least 8 healthy windows, got 0"),
        ({NAMES[3]: INFINITE}, TrainingError, f"expected finite features, got inf in {NAMES[3]} of row 0"),
        ({"role": ()}, DataError, r"windows\.parquet: expected column role, got none; run `ground featurize` again"),
        ({NAMES[1]: ()}, DataError, rf"windows\.parquet: expected column {NAMES[1]}, got none"),
    ],
)
def test_unfit_tables_are_refused(workspace: Workspace, change: Any, error: type[Exception], text: str) -> None:
    """A named error that says what to do, and no model; an empty column stands for one that is missing."""
    columns = _columns() | change
    _write(workspace, {name: values for name, values in columns.items() if len(values)})
    with pytest.raises(error, match=text):
        _train(workspace)
    assert _files(workspace) == {}


@pytest.mark.usefixtures("untracked")
def test_table_of_another_spec_is_refused(workspace: Workspace) -> None:
    """Features of another FeatureSpec have the same names and mean something else."""
    _write(workspace, _columns(), spec_digest="ab" * 32)
    with pytest.raises(DataError, match=r"expected features of spec .* got abababababab; run `ground featurize`"):
        _train(workspace)


@pytest.mark.usefixtures("untracked")
@pytest.mark.parametrize("name", [WINDOWS, SCALER])
@pytest.mark.parametrize("damage", ["missing", "rubbish"])
def test_missing_or_damaged_input_is_refused(workspace: Workspace, name: str, damage: str) -> None:
    """Both files of ``data/processed`` are needed; the error names the file and the command that makes it."""
    path = workspace.processed / name
    path.unlink()
    if damage == "rubbish":
        path.write_bytes(b"{rubbish")
    with pytest.raises(DataError, match=rf"{name}: expected .*run `ground featurize`"):
        _train(workspace)


@pytest.mark.usefixtures("untracked")
def test_resume_with_other_settings_is_refused(workspace: Workspace) -> None:
    """A checkpoint of another learning rate is not taken up; the error names the file."""
    _train(workspace)
    with pytest.raises(TrainingError, match=r"autoencoder/checkpoint\.npz: expected a checkpoint of this training"):
        _train(workspace, _config(learning_rate=0.1), resume=True)


def test_each_family_is_trained_once() -> None:
    """The family that ships comes first and is not repeated among the baselines."""
    assert families_of(_config(family="autoencoder")) == ("autoencoder", "mahalanobis")
    assert families_of(_config(family="autoencoder", baselines=[])) == ("autoencoder",)


def test_level_limit_is_learned_in_physical_units(workspace: Workspace) -> None:
    """Four fit units whose levels spread by a quarter in the logarithm: within e^2, though the table holds z."""
    _write(workspace, _columns() | {"unit_id": [f"u{index // 60}" for index in range(N_ROW)]})
    limit = read_training_data(CONFIG, workspace).rows.level_limit
    assert limit.is_set
    assert 0.0 < limit.log_level < 2.0


def test_split_by_time_has_no_level_limit(workspace: Workspace) -> None:
    """It says nothing of other units."""
    _write(workspace, _columns() | {"unit_id": [f"u{index // 60}" for index in range(N_ROW)]})
    by_time = Config.model_validate({**CONFIG.model_dump(mode="json", by_alias=True), "split": {"strategy": "by_time"}})
    assert not read_training_data(by_time, workspace).rows.level_limit.is_set
