"""``ground adapt`` over whole workspaces: white noise, a unit that came later, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from edge_agent.layout import MODEL, SCALER, THRESHOLDS
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from edge_agent.thresholds import Thresholds
from ground.adaptation import ADAPTATION, adapt, adapted_folder
from ground.cli import app
from ground.config import Config
from ground.errors import ConfigError, DataError, GroundError
from ground.feature_spec import frozen_spec
from ground.featurize import featurize
from ground.judge import set_thresholds
from ground.models.candidate import load_candidate
from ground.onnx_export import export_onnx
from ground.preprocess import preprocess
from ground.train import train
from ground.units import FEWEST_WINDOWS
from ground.window_table import WINDOWS, WindowTable, read_table, table_bytes
from ground.workspace import Workspace, write_atomic
from shared_features.vector import columns_of

RATE_HZ = 1024
FLIGHT_S = 20
UNITS = 12
GAIN = 1.08
LATER_SEED = 99


def quiet(_what, _done, _total):
    """A progress that nobody watches."""


def document():
    """The config of the fleet."""
    return {
        "schema": 1,
        "detector": "small",
        "signal": {"sampling_rate_hz": RATE_HZ, "channels": [{"name": "acc_1", "unit": "g"}], "conditions": ["n1_hz"]},
        "features": {"record_s": 0.5, "window_s": 1.0, "hop_s": 0.5},
        "split": {"strategy": "by_unit", "fit": 0.5, "calibration": 0.3, "folds": 2},
        "model": {"family": "mahalanobis", "baselines": ["mahalanobis"]},
    }


CONFIG = Config.model_validate(document())


def write_recordings(raw, gains, *, seed):
    """One healthy recording a unit: white noise, the louder the higher its gain."""
    (raw / "noise").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows = []
    for number, (unit, gain) in enumerate(gains.items()):
        signal = (gain * rng.standard_normal(FLIGHT_S * RATE_HZ)).astype(np.float32)
        speed = np.full(len(signal), 60.0, dtype=np.float32)
        table = pa.table({"acc_1": signal, "n1_hz": speed})
        pq.write_table(
            table.replace_schema_metadata({"sampling_rate_hz": str(RATE_HZ)}), raw / "noise" / f"{unit}.parquet"
        )
        rows.append(
            {
                "recording_id": unit, "file": f"noise/{unit}.parquet", "dataset": "noise", "unit_id": unit,
                "sampling_rate_hz": RATE_HZ, "channels": "acc_1", "signal_units": "g", "label": "healthy",
                "start_ns": 1_700_000_000_000_000_000 + number * 10**12,
            }
        )  # fmt: skip
    pd.DataFrame(rows).to_csv(raw / "recordings.csv", index=False)


def set_candidate_thresholds(workspace):
    """What evaluation leaves beside the candidate: the graph and its thresholds."""
    spec = frozen_spec(CONFIG, workspace)
    rows = read_table(workspace.processed / WINDOWS, spec).rows
    table = WindowTable(rows, read_table(workspace.features / WINDOWS, spec).values)
    module = load_candidate(CONFIG, workspace, "mahalanobis").module
    thresholds = set_thresholds(table, module.outputs(table.values).score.astype(np.float64), CONFIG).thresholds
    folder = workspace.candidate(CONFIG.detector)
    write_atomic(folder / MODEL, export_onnx(module, table.values.shape[1]))
    write_atomic(folder / THRESHOLDS, thresholds.to_json())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace with a detector; tests that change it copy it first."""
    workspace = Workspace(tmp_path_factory.mktemp("trained"))
    write_recordings(workspace.raw, {f"u{number:02d}": 1.0 for number in range(UNITS)}, seed=1)
    preprocess(CONFIG, workspace, progress=quiet)
    featurize(CONFIG, workspace, progress=quiet, workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ground.train.track", lambda *_: "run")
        train(CONFIG, workspace, resume=False, progress=quiet)
    set_candidate_thresholds(workspace)
    return workspace


@pytest.fixture
def workspace(trained, tmp_path):
    """A copy."""
    return Workspace(shutil.copytree(trained.root, tmp_path / "copy"))


@pytest.fixture
def later(tmp_path):
    """The preprocessed recording of a unit that came later, off by the gain."""
    made = Workspace(tmp_path / "later")
    write_recordings(made.raw, {"off": GAIN}, seed=LATER_SEED)
    preprocess(CONFIG, made, progress=quiet)
    return made


def run(workspace, unit="u03", *, windows=30, source=None):
    """Adapt."""
    return adapt(CONFIG, workspace, unit, windows=windows, source=source or workspace, progress=quiet)


def make_loud(workspace):
    """Every window of unit u03 in the feature table twenty times as large."""
    spec = frozen_spec(CONFIG, workspace)
    table = read_table(workspace.features / WINDOWS, spec)
    loud = np.where((table.rows["unit_id"] == "u03").to_numpy()[:, None], np.float32(20.0), np.float32(1.0))
    loud = np.broadcast_to(loud, table.values.shape).copy()
    loud[:, -1] = 1.0
    (workspace.features / WINDOWS).write_bytes(table_bytes(WindowTable(table.rows, table.values * loud), spec))


def scaler_of(folder):
    """The scaler of a folder."""
    return Scaler.from_document(json.loads((folder / SCALER).read_bytes()))


def test_a_unit_that_came_later_is_adapted_to(workspace, later):
    """Its noise is louder by a factor: levels move by ln c, ratios hardly; it then scores like the fleet.

    Tolerance: 30 half-overlapping windows of 1,024 samples know the level of white noise to 0.01.
    """
    run(workspace, "off", source=later)
    folder = adapted_folder(CONFIG, workspace, "off")
    plain, adapted = scaler_of(workspace.processed), scaler_of(folder)
    moved = dict(zip(plain.names, np.array(adapted.mean) - np.array(plain.mean), strict=True))
    assert moved["acc_1.rms"] == pytest.approx(np.log(GAIN), abs=0.02)
    assert moved["acc_1.std"] == pytest.approx(np.log(GAIN), abs=0.02)
    assert moved["acc_1.shape_factor"] == pytest.approx(0.0, abs=0.01)
    assert moved["n1_hz"] == 0.0
    thresholds = Thresholds.from_document(json.loads((folder / THRESHOLDS).read_bytes()))
    assert (folder / THRESHOLDS).read_bytes() == (workspace.candidate("small") / THRESHOLDS).read_bytes()
    table = read_table(workspace.features / WINDOWS, frozen_spec(CONFIG, workspace))
    louder = shifted_rows(table, moved)
    before, after = (
        Scorer(path.read_bytes(), len(plain.names)).score_many(louder)
        for path in (workspace.candidate("small") / MODEL, folder / MODEL)
    )
    usual = Scorer((workspace.candidate("small") / MODEL).read_bytes(), len(plain.names)).score_many(table.values)
    np.testing.assert_allclose(after, usual, rtol=1e-3)
    assert np.median(before) > np.median(after)
    assert thresholds.of("") > np.median(after)


def shifted_rows(table, moved):
    """The windows of the fleet as they would be of a unit that is off by ``moved``."""
    shift = np.array(list(moved.values()))
    is_log = np.array([column.scale == "log" for column in columns_of(CONFIG.feature_spec())])
    return np.where(is_log, table.values * np.exp(shift), table.values + shift).astype(np.float32)


def test_the_record_says_what_was_learned_from(workspace):
    """The first windows in time order, each with its recording and times, the shifts, and digests that fit."""
    said = run(workspace, windows=20)
    folder = adapted_folder(CONFIG, workspace, "u03")
    record = json.loads((folder / ADAPTATION).read_bytes())
    rows = read_table(workspace.features / WINDOWS, frozen_spec(CONFIG, workspace)).rows
    first = rows[(rows["unit_id"] == "u03") & (rows["reason"] == "")].sort_values("start_ns").iloc[:20]
    assert [window["start_ns"] for window in record["windows"]] == first["start_ns"].tolist()
    assert {window["recording_id"] for window in record["windows"]} == {"u03"}
    assert record["shift_spreads"] == said.shift_spreads
    assert (record["unit"], record["config_digest"]) == ("u03", CONFIG.digest)
    assert record["digests"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (MODEL, SCALER, THRESHOLDS)
    }


def test_the_same_gives_the_same_and_leaves_the_candidate_alone(workspace):
    """Adapted over an adaptation that is there: the same bytes, nothing adds up."""
    before = {path: path.read_bytes() for path in workspace.candidate("small").rglob("*.*")}
    folder = adapted_folder(CONFIG, workspace, "u03")
    files = []
    for _ in range(2):
        run(workspace)
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert files[0] == files[1]
    assert before == {path: path.read_bytes() for path in workspace.candidate("small").rglob("*.*")}


ARGUMENTS = {
    "unknown unit": ({"unit": "u99"}, DataError, r"--unit: expected a unit of .*u00, .* and 4 more\), got 'u99'"),
    "too few asked for": ({"windows": FEWEST_WINDOWS - 1}, ConfigError, "--windows: expected at least 16, got 15"),
}


@pytest.mark.parametrize(("arguments", "error", "text"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_bad_arguments_are_refused(trained, arguments, error, text):
    """Before any work."""
    with pytest.raises(error, match=text):
        run(trained, **arguments)


def _remove(name):
    return lambda folder: (folder / name).unlink()


BROKEN = {
    "not evaluated": (_remove(MODEL), "expected an evaluated candidate"),
    "no thresholds": (_remove(THRESHOLDS), "expected an evaluated candidate"),
    "another model": (lambda folder: (folder / MODEL).write_bytes(b"other"), "expected the candidate as it is trained"),
    "broken thresholds": (lambda folder: (folder / THRESHOLDS).write_bytes(b"{}"), "expected an evaluated candidate"),
}


@pytest.mark.parametrize(("spoil", "text"), BROKEN.values(), ids=BROKEN)
def test_only_the_evaluated_candidate_is_adapted(workspace, spoil, text):
    """Thresholds and graph must be those of the weights as they are now."""
    spoil(workspace.candidate("small"))
    with pytest.raises(DataError, match=text):
        run(workspace)


def test_names_stay_below_the_detector(workspace):
    """A unit's name is no path."""
    folder = adapted_folder(CONFIG, workspace, "../../x y")
    assert folder.parent == workspace.candidate("small").parent


def test_the_command(workspace, tmp_path):
    """It says what was learned from and where the result lies; refusals come through as errors of the ground."""
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(document()))
    arguments = ["adapt", "--config", str(config), "--workspace", str(workspace.root), "--unit"]
    done = CliRunner().invoke(app, [*arguments, "u03", "--windows", "20"])
    assert done.exit_code == 0
    assert "of the first 20 healthy windows" in done.output
    assert str(adapted_folder(CONFIG, workspace, "u03")) in done.output
    shutil.rmtree(adapted_folder(CONFIG, workspace, "u03"))
    make_loud(workspace)
    refused = CliRunner().invoke(app, [*arguments, "u03"])
    assert isinstance(refused.exception, GroundError)
    assert "not a healthy start: look at it first" in str(refused.exception)
    assert not adapted_folder(CONFIG, workspace, "u03").exists()
