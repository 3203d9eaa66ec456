"""Features of recordings: the bits that fly, labels by majority, roles, and a scaler fitted to the fit alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from edge_agent.scaler import Scaler
from edge_agent.stream import PHASE_CHANGE, WindowStream
from ground.errors import DataError, SplitError
from ground.featurize import featurize
from ground.frames import frames_of
from ground.marks import EXCLUDED_FROM_FIT, KEPT, MARKS_NAME, OUTLIER, Mark, marks_bytes
from ground.pipeline import FEATURIZE
from ground.preprocess import preprocess
from ground.recordings import load_recording, read_index
from ground.stage import run_stage
from ground.window_extraction import extract_windows_of, windows_of
from ground.window_table import WINDOWS, read_table
from shared_features.extract import extract_windows

S = 10**9
BY_TIME = {"strategy": "by_time", "fit": 0.5, "calibration": 0.2}


@pytest.fixture
def config(tiny_config):
    """The tiny config, cut by time: no two of the tiny recordings are of one kind."""
    return tiny_config(split=BY_TIME)


@pytest.fixture
def interim(config, tiny_raw, tiny_workspace, no_progress):
    """A workspace with the tiny recordings preprocessed."""
    assert tiny_raw.folder == tiny_workspace.raw
    preprocess(config, tiny_workspace, progress=no_progress)
    return tiny_workspace


def recording_of(interim, config, name):
    """An interim recording."""
    info = next(info for info in read_index(interim.interim) if info.recording_id == name)
    return load_recording(interim.interim, info, conditions=config.signal.conditions)


def test_features_are_those_of_the_batch_face(interim, config, no_progress):
    """The rows of a recording in one stretch equal extract_windows over its samples, to the bit."""
    featurize(config, interim, progress=no_progress, workers=1)
    spec = config.feature_spec()
    table = read_table(interim.features / WINDOWS, spec)
    (stretch,) = recording_of(interim, config, "bench").stretches
    expected = extract_windows(spec, stretch.samples, stretch.conditions[0])
    chosen = (table.rows["recording_id"] == "bench").to_numpy()
    assert table.values[chosen].tobytes() == np.stack([window.values for window in expected]).tobytes()
    starts = stretch.start_ns + np.array([window.start_n for window in expected]) * S // 1024
    assert table.rows["start_ns"][chosen].tolist() == starts.tolist()


@pytest.mark.parametrize("frame_s", [0.1, 1.0, 3.7])
def test_features_do_not_depend_on_the_frames(interim, config, frame_s):
    """However the flight is cut into messages, the same windows come out, phases and all."""
    spec = config.feature_spec()
    recording = recording_of(interim, config, "flight")
    stream = WindowStream(spec)
    cut = [window for frame in frames_of(recording, frame_s=frame_s) for window in stream.push(frame)]
    windows = list(windows_of(recording, spec))
    assert [window.values.tobytes() for window in cut] == [window.values.tobytes() for window in windows]
    assert [(w.start_ns, w.phase, w.reason) for w in cut] == [(w.start_ns, w.phase, w.reason) for w in windows]
    assert [window.reason for window in windows].count(PHASE_CHANGE) == 1


def test_snapshots_are_windows_of_their_own(interim, config, no_progress):
    """Twelve segments of a second, ten apart: a window each, labelled by the spans of the index."""
    featurize(config, interim, progress=no_progress, workers=1)
    rows = read_table(interim.features / WINDOWS, config.feature_spec()).rows
    life = rows[rows["recording_id"] == "life"]
    assert life["label"].tolist() == [0, 0, 0, 0, -1, 0, -1, -1, -1, -1, 1, 1]
    assert np.diff(life["start_ns"]).tolist() == [10 * S] * 11
    assert (life["end_ns"] - life["start_ns"]).tolist() == [S] * 12


def test_outliers_stay_in_the_table_and_out_of_the_fit(interim, config, no_progress):
    """Only marks that are excluded from the fit count; the row itself stays."""
    spec = config.feature_spec()
    info = next(info for info in read_index(interim.interim) if info.recording_id == "flight")
    start_ns = info.start_ns
    marks = [
        Mark("flight", start_ns + 2 * S, start_ns + 2 * S + S // 4, OUTLIER, EXCLUDED_FROM_FIT, ""),
        Mark("flight", start_ns + 5 * S, start_ns + 6 * S, OUTLIER, KEPT, ""),
    ]
    (interim.interim / MARKS_NAME).write_bytes(marks_bytes(marks))
    report = featurize(config, interim, progress=no_progress, workers=1)
    rows = read_table(interim.processed / WINDOWS, spec).rows
    flagged = rows[rows["outlier"]]
    assert set(flagged["recording_id"]) == {"flight"}
    assert flagged["start_ns"].tolist() == [start_ns + S * half // 2 for half in (3, 4)]
    usable = rows[(rows["role"] == "fit") & (rows["label"] == 0) & (rows["reason"] == "")]
    assert report.fit_rows == len(usable) - usable["outlier"].sum() < len(usable)


@pytest.mark.parametrize("factor", [1.0, 1e-6])
def test_a_unit_that_is_too_large_is_a_note_of_the_fit(config, tiny_raw, tiny_workspace, no_progress, factor):
    """What the scaler takes for nothing trains, and hears nothing: the stage says so."""
    for name in ("flight", "bench", "onset", "life"):
        tiny_raw.change(name, lambda frame: frame.assign(acc_1=(frame["acc_1"] * factor).astype(np.float32)))
    preprocess(config, tiny_workspace, progress=no_progress)
    notes = run_stage(FEATURIZE, tiny_workspace, config, progress=no_progress, force=False).notes
    assert len(notes) == (factor < 1.0)
    assert all(note.startswith("too small for their unit: acc_1 (") for note in notes)


def test_the_scaler_is_fitted_to_the_fit_alone(interim, config, no_progress):
    """Zero mean and unit spread over the fit rows, and the table normalised with it."""
    featurize(config, interim, progress=no_progress, workers=1)
    spec = config.feature_spec()
    physical, normalised = (read_table(folder / WINDOWS, spec) for folder in (interim.features, interim.processed))
    rows = normalised.rows
    pd.testing.assert_frame_equal(physical.rows, rows[physical.rows.columns])
    fitted = ((rows["role"] == "fit") & (rows["label"] == 0) & (rows["reason"] == "") & ~rows["outlier"]).to_numpy()
    assert normalised.values[fitted].mean(axis=0) == pytest.approx(0.0, abs=1e-5)
    scaler = Scaler.from_document(pd.read_json(interim.processed / "scaler.json", typ="series").to_dict())
    assert normalised.values.tobytes() == scaler.transform(physical.values).astype(np.float32).tobytes()


def test_files_do_not_depend_on_the_workers(interim, config, no_progress):
    """One process or two: the same bytes; a second run as well."""
    files = (interim.features / WINDOWS, interim.processed / WINDOWS, interim.processed / "scaler.json")
    runs = []
    for workers in (1, 2):
        featurize(config, interim, progress=no_progress, workers=workers)
        runs.append([file.read_bytes() for file in files])
    assert runs[0] == runs[1]


def test_tables_name_their_spec(interim, config, tiny_config, no_progress):
    """Another window length is another spec: its reader refuses the table."""
    featurize(config, interim, progress=no_progress, workers=1)
    digest = pq.read_schema(interim.features / WINDOWS).metadata[b"spec_digest"].decode()
    assert digest == config.feature_spec().digest
    other = tiny_config(features={"record_s": 0.25, "window_s": 2.0, "hop_s": 0.5}).feature_spec()
    with pytest.raises(DataError, match=f"expected features of spec {other.digest[:12]}"):
        read_table(interim.features / WINDOWS, other)


def test_progress_is_told_of_every_recording(interim, config):
    """From none of four to all of them."""
    steps = []
    featurize(config, interim, progress=lambda *step: steps.append(step), workers=1)
    assert steps == [("featurize", done, 4) for done in range(5)]


def test_a_missing_table_says_what_to_run(tiny_workspace, config):
    """Nothing was featurized yet."""
    with pytest.raises(DataError, match="run `ground featurize` first"):
        read_table(tiny_workspace.features / WINDOWS, config.feature_spec())


def test_nothing_preprocessed_is_an_error(tiny_workspace, config, no_progress):
    """There is no index."""
    with pytest.raises(DataError, match=r"recordings\.csv"):
        featurize(config, tiny_workspace, progress=no_progress, workers=1)


def test_too_few_units_write_nothing(interim, tiny_config, no_progress):
    """Two healthy units cannot be dealt to four roles: no half-made table is left."""
    with pytest.raises(SplitError, match="at least 4"):
        featurize(tiny_config(), interim, progress=no_progress, workers=1)
    assert not (interim.features / WINDOWS).exists()


def test_recordings_shorter_than_a_window_are_an_error(interim, tiny_config, no_progress):
    """No stretch holds a window of 30 s."""
    config = tiny_config(split=BY_TIME, features={"record_s": 0.25, "window_s": 30.0, "hop_s": 0.5})
    with pytest.raises(DataError, match=r"a window of 30 s that can be assessed, got none \(gap 11\)"):
        featurize(config, interim, progress=no_progress, workers=1)


def test_a_lost_interim_file_is_named(interim, config, no_progress):
    """The index speaks of a recording that is gone."""
    info = read_index(interim.interim)[0]
    (interim.interim / info.file).unlink()
    with pytest.raises(DataError, match=info.file):
        featurize(config, interim, progress=no_progress, workers=1)


def test_one_recording_alone(interim, config):
    """What a worker is asked for."""
    info = next(info for info in read_index(interim.interim) if info.recording_id == "onset")
    part = extract_windows_of(interim.interim, info, (), spec=config.feature_spec())
    assert part.label.tolist() == [0] * 23 + [-1] + [1] * 15
    assert part.faulty_share[23] == pytest.approx(0.5)
