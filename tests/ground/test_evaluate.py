"""The stage, whole: a small fleet from raw recordings to verdicts, and the answers of the very agent."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge_agent.detector import Detector, LoadedModel
from edge_agent.layout import MEMBER_CAPS, METRICS, MODEL, SCALER, THRESHOLDS
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from edge_agent.strict_json import parse_json
from edge_agent.thresholds import Thresholds
from ground.calibration_curve import DECLARED
from ground.config import Config
from ground.crossval import COMPLETE, NOT_RUN, cross_validate
from ground.errors import DataError, SplitError, TrainingError
from ground.evaluate import evaluate, read_split_table
from ground.evidence import BASELINE, OTHER, SHIPPED
from ground.feature_spec import frozen_spec
from ground.featurize import featurize
from ground.frames import frames_of
from ground.gates import FAIL, INSUFFICIENT, PASS
from ground.preprocess import preprocess
from ground.recordings import load_recording, read_index
from ground.train import train
from ground.window_table import WINDOWS
from ground.workspace import SCORES, THRESHOLDS_YAML, Workspace

RATE_HZ = 1024
FLIGHT_S = 20
HEALTHY, FAULTY, DEAD = 24, 10, 2
ONSET_S = 12


def document(**sections):
    """The config of the small fleet."""
    base = {
        "schema": 1,
        "detector": "small",
        "seed": 7,
        "signal": {
            "sampling_rate_hz": RATE_HZ,
            "channels": [{"name": "acc_1", "unit": "g"}],
            "conditions": ["n1_hz"],
        },
        "features": {
            "record_s": 0.5,
            "window_s": 1.0,
            "hop_s": 0.5,
            "envelope": {"enabled": True, "band_hz": "auto"},
        },
        "split": {"strategy": "by_unit", "fit": 0.4, "calibration": 0.3, "folds": 5},
        "model": {"family": "mahalanobis", "baselines": ["mahalanobis", "autoencoder"], "max_epochs": 5},
        # Machines that run tests are busy: how long an answer takes is no matter of these.
        "gates": {"latency_p99_max_ms": 5000.0},
    }
    return {**base, **sections}


def config_of(**sections):
    """The same, checked."""
    return Config.model_validate(document(**sections))


def vibration(rng, unit, cruise_from_s):
    """A flight of one unit: two phases, a level and a tone of its own; every third faulty unit rattles from ONSET_S."""
    time_s = np.arange(FLIGHT_S * RATE_HZ) / RATE_HZ
    cruise = time_s >= cruise_from_s
    signal = rng.standard_normal(time_s.size) + rng.uniform(0.5, 1.0) * np.sin(2 * np.pi * 60.0 * time_s)
    faulty = HEALTHY <= unit < HEALTHY + FAULTY
    onset_s = ONSET_S if faulty and unit % 3 == 0 else 0.0
    broken = (time_s >= onset_s) & faulty
    signal = signal + broken * 3.0 * np.sin(2 * np.pi * 300.0 * time_s)
    signal *= np.where(cruise, 1.0, 0.4)
    if unit >= HEALTHY + FAULTY:
        signal[time_s > FLIGHT_S / 2] = 0.0
    return signal.astype(np.float32), cruise, broken


def write_fleet(raw, *, cruise_from_s):
    """A recordings folder of healthy units, faulty ones, and ones with a dead sensor."""
    (raw / "fleet").mkdir(parents=True)
    rng = np.random.default_rng(20261123)
    rows = []
    for unit in range(HEALTHY + FAULTY + DEAD):
        signal, cruise, broken = vibration(rng, unit, cruise_from_s)
        columns = {
            "acc_1": signal,
            "phase": np.where(cruise, "cruise", "climb"),
            "n1_hz": np.where(cruise, 60.0, 30.0).astype(np.float32),
        }
        label, fault = "healthy", ""
        if unit >= HEALTHY:
            label, fault = "mixed", ("rattle" if unit < HEALTHY + FAULTY else "sensor_flatline")
            columns["anomaly"] = broken.astype(np.int8)
        name = f"u{unit:02d}"
        table = pa.table(columns).replace_schema_metadata({"sampling_rate_hz": str(RATE_HZ)})
        pq.write_table(table, raw / "fleet" / f"{name}.parquet")
        rows.append(
            {
                "recording_id": name, "file": f"fleet/{name}.parquet", "dataset": "fleet", "unit_id": name,
                "sampling_rate_hz": RATE_HZ, "channels": "acc_1", "signal_units": "g", "label": label,
                "fault_type": fault, "start_ns": 1_700_000_000_000_000_000 + unit * 10**12,
            }
        )  # fmt: skip
    pd.DataFrame(rows).to_csv(raw / "recordings.csv", index=False)


def quiet(_what, _done, _total):
    """A progress that nobody watches."""


def prepared(folder, config, *, cruise_from_s=FLIGHT_S / 2):
    """A workspace, trained and ready to be evaluated."""
    workspace = Workspace(folder)
    write_fleet(workspace.raw, cruise_from_s=cruise_from_s)
    preprocess(config, workspace, progress=quiet)
    featurize(config, workspace, progress=quiet, workers=1)
    train(config, workspace, resume=False, progress=quiet)
    return workspace


@pytest.fixture(scope="module")
def config():
    """The config."""
    return config_of()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, config):
    """The trained workspace; tests that change it copy it first."""
    return prepared(tmp_path_factory.mktemp("fleet"), config)


@pytest.fixture(scope="module")
def evaluation(workspace, config):
    """The evaluation of it."""
    return evaluate(config, workspace, progress=quiet)


@pytest.fixture
def copy(workspace, evaluation, tmp_path):
    """A copy to break."""
    assert evaluation.evidence.detector == "small"
    return Workspace(shutil.copytree(workspace.root, tmp_path / "copy"))


def test_the_verdict_is_insufficient_and_says_why(evaluation):
    """A flawless detector on a small fleet: nothing fails, nothing is decided, 59 flights are asked for."""
    verdict = evaluation.verdict
    assert verdict.verdict == INSUFFICIENT
    gates = {gate.name: gate for gate in evaluation.run.gates}
    assert list(gates) == ["auc", "precision", "recall", "false_alarm_rate", "latency_p99"]
    assert gates["auc"].point > 0.99
    assert gates["auc"].n == FAULTY
    assert gates["latency_p99"].n >= 1000
    assert FAIL not in {gate.verdict for gate in gates.values() if gate.name != "latency_p99"}
    assert any("needs 59" in reason for reason in verdict.reasons)


@pytest.mark.usefixtures("evaluation")
def test_the_answers_are_the_agents(workspace, config):
    """The files of the candidate in the agent's detector, fed with frames of every test flight: the same answers."""
    spec = frozen_spec(config, workspace)
    scaler = Scaler.from_document(json.loads((workspace.processed / SCALER).read_bytes()))
    candidate = workspace.candidate("small")
    thresholds = Thresholds.from_document(json.loads((candidate / THRESHOLDS).read_bytes()))
    model = LoadedModel(
        bundle_id="small/candidate", bundle_digest="", spec=spec, scaler=scaler, thresholds=thresholds,
        scorer=Scorer((candidate / MODEL).read_bytes(), len(scaler.names)),
    )  # fmt: skip
    infos = {info.recording_id: info for info in read_index(workspace.raw)}
    scores = pq.read_table(workspace.evaluation / SCORES).to_pandas()
    assert scores["recording_id"].nunique() > FAULTY + DEAD
    for name, rows in scores.groupby("recording_id"):
        recording = load_recording(workspace.raw, infos[name], conditions=config.signal.conditions)
        detector = Detector(model)
        answers = [one for frame in frames_of(recording, frame_s=0.25) for one in detector.push(frame)]
        assert rows["start_ns"].tolist() == [one.start_ns for one in answers]
        assert rows["state"].tolist() == [one.state for one in answers]
        assert rows["reason"].tolist() == [one.reason for one in answers]
        assert rows["raised"].tolist() == [one.event == "raised" for one in answers]
        assert rows["threshold"].tolist() == [one.threshold for one in answers]
        assert rows["score"].tolist() == pytest.approx([one.score for one in answers], rel=1e-5)


def test_everything_lies_in_one_record(evaluation, workspace, config):
    """metrics.json is JSON as the bundle demands it, says what it was made of, and is what the stage returned."""
    data = (workspace.evaluation / METRICS).read_bytes()
    assert len(data) < MEMBER_CAPS[METRICS]
    record = parse_json(data, where=METRICS)
    assert data == evaluation.evidence.to_json()
    assert (record["config_digest"], record["spec_digest"]) == (config.digest, frozen_spec(config, workspace).digest)
    assert (record["seed"], record["family"]) == (7, "mahalanobis")
    assert {"numpy", "torch", "onnxruntime"} <= set(record["versions"])
    thresholds = record["contenders"][0]["thresholds"]
    assert thresholds == json.loads((workspace.candidate("small") / THRESHOLDS).read_bytes())
    assert f"pooled: {thresholds['pooled']}" in (workspace.candidate("small") / THRESHOLDS_YAML).read_text()


def test_the_others_go_the_same_way(evaluation):
    """The other family and plain RMS: calibrated on the same flights, with the same gates."""
    contenders = evaluation.evidence.contenders
    assert [(one.name, one.kind) for one in contenders] == [
        ("mahalanobis", SHIPPED), ("autoencoder", OTHER), ("rms", BASELINE),
    ]  # fmt: skip
    groups = {role.role: role.groups for role in evaluation.evidence.roles}
    assert groups["calibration"] != groups["fit"]
    assert {one.calibration.n_flights for one in contenders} == {groups["calibration"]}
    assert contenders[0].windows.auc > contenders[2].windows.auc > 0.5
    assert {one.windows.healthy for one in contenders} == {contenders[0].windows.healthy}


def test_declared_rates_are_held_against_measured_ones(evaluation):
    """A higher rate is promised with more confidence and never alarms less; seven calibration flights are too few."""
    points = evaluation.evidence.calibration_curve
    assert [point.declared for point in points] == list(DECLARED)
    assert {point.flights for point in points} == {evaluation.evidence.contenders[0].flights.healthy_flights}
    assert [point.alarmed for point in points] == sorted(point.alarmed for point in points)
    assert points[0].insufficient_flights
    assert not points[-1].insufficient_flights
    assert all(point.bounds.lower <= point.measured <= point.bounds.upper for point in points)


def test_negative_controls_hold(evaluation):
    """Noise does not pass, and the planted recording is found under both names."""
    controls = {control.name: control for control in evaluation.evidence.controls}
    assert {name: control.outcome != PASS and control.holds for name, control in controls.items()} == {
        "shuffled_labels": True, "random_scores": True, "leaked_recording": True, "renamed_recording": True,
    }  # fmt: skip
    assert controls["random_scores"].auc == pytest.approx(0.5, abs=0.1)
    assert controls["leaked_recording"].outcome == controls["renamed_recording"].outcome == "found"


def test_coverage_is_in_the_record(evaluation, workspace):
    """Windows over the change of phase were not assessed: healthy ones, and faulty ones."""
    coverage = json.loads((workspace.evaluation / METRICS).read_bytes())["coverage"]
    windows = evaluation.evidence.contenders[0].windows
    assert {label: coverage[label]["assessed"] for label in coverage} == {
        "healthy": windows.healthy, "faulty": windows.faulty,
    }  # fmt: skip
    for part in coverage.values():
        assert part["assessed"] < part["examined"]
        assert part["examined"] - part["assessed"] == sum(n for _, n in part["not_assessed"])
        assert "phase_change" in dict(part["not_assessed"])


def test_dead_sensors_are_reported_apart(evaluation):
    """Two flights, silent from the middle on; they are no healthy and no faulty windows."""
    (row,) = evaluation.evidence.sensor_faults
    assert (row.fault_type, row.flights) == ("sensor_flatline", DEAD)
    assert dict(row.reasons)["flatline"] >= DEAD * (FLIGHT_S - 2)
    assert "sensor_flatline" not in {row.fault_type for row in evaluation.evidence.breakdown}


def test_roles_are_counted(evaluation):
    """24 healthy units: 8 fit, 2 validation, 7 calibration, 7 test, and whoever is not healthy."""
    roles = {role.role: role.groups for role in evaluation.evidence.roles}
    assert sum(roles.values()) == HEALTHY + FAULTY + DEAD
    assert roles["test"] - FAULTY - DEAD == pytest.approx(0.3 * HEALTHY, abs=1)


def test_cross_validation_runs_the_whole_recipe(evaluation):
    """Five folds of units; each has its own scaler, model and threshold."""
    folds = evaluation.evidence.cross_validation
    assert (folds.status, len(folds.folds)) == (COMPLETE, 5)
    assert sum(fold.test_groups for fold in folds.folds) == HEALTHY + FAULTY
    assert folds.auc.lowest > 0.95
    assert folds.auc.mean == pytest.approx(np.mean([fold.numbers.auc for fold in folds.folds]))


def test_folds_that_cannot_be_are_not_run(workspace):
    """Eleven folds of ten faulty units: not run, and the reason."""
    settings = config_of(split={"strategy": "by_unit", "fit": 0.4, "calibration": 0.3, "folds": 11})
    result = cross_validate(read_split_table(settings, workspace), settings, progress=quiet)
    assert result.status == NOT_RUN
    assert "at least 11 groups with faulty windows, got 10" in result.reason
    assert result.folds == ()


def test_the_same_config_gives_the_same_evidence(evaluation, workspace, copy, config):
    """A second run differs in its latency alone, which has its own file; all others are equal byte for byte."""
    again = evaluate(config, copy, progress=quiet)

    assert again.evidence.to_json() == evaluation.evidence.to_json()
    assert again.run.latency.to_json() != evaluation.run.latency.to_json()
    for name in (MODEL, THRESHOLDS, THRESHOLDS_YAML):
        first, second = (one.candidate("small") / name for one in (workspace, copy))
        assert first.read_bytes() == second.read_bytes()
    assert (workspace.evaluation / SCORES).read_bytes() == (copy.evaluation / SCORES).read_bytes()


def test_by_time_is_never_more_than_insufficient(tmp_path):
    """A fleet that only cruises, cut by time: units are shared, and the verdict says so."""
    config = config_of(split={"strategy": "by_time", "fit": 0.4, "calibration": 0.3, "folds": 5})
    result = evaluate(config, prepared(tmp_path, config, cruise_from_s=0.0), progress=quiet)
    assert result.verdict.verdict == INSUFFICIENT
    assert any("by_time" in reason for reason in result.verdict.reasons)
    assert all(control.holds for control in result.evidence.controls)


def rewrite(path, edit):
    """Change the columns of a Parquet file; its metadata stay."""
    table = pq.ParquetFile(path).read()
    frame = edit(table.to_pandas())
    pq.write_table(pa.Table.from_pandas(frame, table.schema.remove_metadata(), preserve_index=False)
                   .replace_schema_metadata(table.schema.metadata), path)  # fmt: skip


def leak(frame):
    """A unit that was fitted to is examined as well."""
    unit = frame["unit_id"][frame["role"] == "fit"].iloc[0]
    rows = (frame["unit_id"] == unit) & (frame.index % 2 == 0)
    return frame.assign(role=frame["role"].mask(rows, "test"))


BROKEN = [
    ("a leak", lambda ws: rewrite(ws.processed / WINDOWS, leak), SplitError, r"unit_id u\d\d in one role"),
    ("other rows", lambda ws: rewrite(ws.processed / WINDOWS, lambda f: f.iloc[::-1]), DataError, "with their roles"),
    ("no features", lambda ws: (ws.features / WINDOWS).unlink(), DataError, "run `ground featurize` first"),
    ("half a table", lambda ws: (ws.features / WINDOWS).write_bytes(b"PAR1"), DataError, "expected a table of windows"),
    ("no candidate", lambda ws: shutil.rmtree(ws.candidate("small")), TrainingError, "run `ground train` first"),
    ("no interim", lambda ws: shutil.rmtree(ws.interim), DataError, "recordings.csv"),
]


@pytest.mark.parametrize(("harm", "error", "text"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_does_not_fit_together_is_refused(copy, config, harm, error, text):
    """By the name of what is wrong, before anything is written."""
    before = (copy.evaluation / METRICS).read_bytes()
    harm(copy)
    with pytest.raises(error, match=text):
        evaluate(config, copy, progress=quiet)
    assert (copy.evaluation / METRICS).read_bytes() == before


def test_features_of_another_config_are_refused(copy):
    """Another window length is another spec."""
    other = config_of(features={"record_s": 0.5, "window_s": 2.0, "hop_s": 0.5})
    with pytest.raises(DataError, match="run `ground featurize` with this config"):
        evaluate(other, copy, progress=quiet)
