"""The stage preprocess: what it writes, what it marks, and that it changes no sample."""

from __future__ import annotations

import gc

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from edge_agent.stream import WindowStream
from ground.config import Config
from ground.errors import ContractError, DataError
from ground.importer import import_recordings
from ground.left_out import LEFT_OUT_JSON, write_left_out
from ground.marks import Mark, marks_bytes, read_marks
from ground.pipeline import PREPROCESS
from ground.preprocess import preprocess
from ground.record_levels import record_levels
from ground.recording import Recording
from ground.recording_files import read_samples
from ground.recordings import frames_of, load_recording, read_index
from ground.stage import run_stage

RATE_HZ = 1024
RECORD_N = 256
START_NS = 1_700_000_000_000_000_000
NAMES = ["flight", "bench", "onset", "life"]


def files(folder):
    """All files of a folder with their bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def loudness(factor, *records):
    """A change of a file: these records times ``factor``."""

    def change(frame):
        gain = np.where(np.isin(np.arange(len(frame)) // RECORD_N, records), np.float32(factor), np.float32(1.0))
        return frame.assign(acc_1=frame["acc_1"].to_numpy(np.float32) * gain)

    return change


def of(report, name):
    """The report of one recording."""
    return next(row for row in report.recordings if row.recording_id == name)


def test_interim_recordings_are_the_raw_ones(tiny_stage):
    """Not one sample, phase, speed or label differs."""
    report = tiny_stage.run()
    raw = read_index(tiny_stage.workspace.raw)
    interim = read_index(tiny_stage.workspace.interim)
    assert [info.recording_id for info in interim] == [row.recording_id for row in report.recordings] == NAMES
    for before, after in zip(raw, interim, strict=True):
        old = load_recording(tiny_stage.workspace.raw, before, conditions=("n1_hz",))
        new = load_recording(tiny_stage.workspace.interim, after, conditions=("n1_hz",))
        pairs = zip(frames_of(old, frame_s=0.25), frames_of(new, frame_s=0.25), strict=True)
        for one, two in pairs:
            assert one.samples.tobytes() == two.samples.tobytes()
            assert (one.t_ns, one.seq, one.phase, one.speed_hz) == (two.t_ns, two.seq, two.phase, two.speed_hz)
        for one, two in zip(old.stretches, new.stretches, strict=True):
            assert one.labels.tobytes() == two.labels.tobytes()


def test_interim_columns(tiny_stage):
    """The columns and types that featurize reads."""
    tiny_stage.run()
    schema = pq.read_schema(tiny_stage.workspace.interim / "flight.parquet")
    types = {field.name: str(field.type) for field in schema}
    assert types == {
        "acc_1": "float",
        "stretch": "int32",
        "phase": "dictionary<values=string, indices=int32, ordered=0>",
        "n1_hz": "double",
        "anomaly": "int8",
    }


def test_preprocess_is_reproducible(tiny_stage):
    """The same raw recordings give the same bytes in every file."""
    tiny_stage.raw.change("flight", loudness(5, 40))
    tiny_stage.run()
    before = files(tiny_stage.workspace.interim)
    tiny_stage.run()
    assert files(tiny_stage.workspace.interim) == before
    assert set(before) == {
        "marks.parquet",
        "recordings.csv",
        "report.json",
        "report.md",
        *(f"{n}.parquet" for n in NAMES),
    }


def test_one_recording_is_in_memory_at_a_time(tiny_stage, monkeypatch):
    """When the next one is read, the one before is gone: recordings are as large as memory bears."""
    counts = []

    def alive():
        return sum(type(each) is Recording for each in gc.get_objects())

    def read(*args):
        counts.append(alive())
        return read_samples(*args)

    before = alive()
    monkeypatch.setattr("ground.preprocess_recording.read_samples", read)
    tiny_stage.run()
    assert counts == [before] * len(NAMES)


def test_recordings_that_are_gone_leave(tiny_stage):
    """A recording that is no longer among the raw ones is not among the interim ones either."""
    tiny_stage.run()
    index = tiny_stage.workspace.raw / "recordings.csv"
    index.write_text("\n".join(line for line in index.read_text().splitlines() if not line.startswith("bench")))
    tiny_stage.run()
    assert not (tiny_stage.workspace.interim / "bench.parquet").exists()


def test_what_is_left_out_has_the_name_of_its_source_too(tiny_stage):
    """Import made another name of ``Normal 0``; a person's own index has the old one."""
    tiny_stage.raw.restate("bench", recording_id="Normal 0")
    report = tiny_stage.run(preprocess={"leave_out": ["Normal 0", "life"]})
    assert [row.recording_id for row in report.recordings] == ["flight", "onset"]
    assert report.notes == ()


def test_a_name_that_the_import_left_out_is_no_slip(tiny_stage):
    """What ``ground init`` proposes to leave out is not brought; a later slip is not lost among these."""
    write_left_out(tiny_stage.workspace.raw, ["unreadable"])
    report = tiny_stage.run(preprocess={"leave_out": ["unreadable", "fligth"]})
    assert report.unknown_left_out == ("fligth",)
    (tiny_stage.workspace.raw / LEFT_OUT_JSON).write_text("{")
    with pytest.raises(DataError, match=r"left_out\.json: expected a list of names"):
        tiny_stage.run(preprocess={"leave_out": ["unreadable"]})


def test_a_name_to_leave_out_that_is_none_is_told(tiny_stage, tiny_config):
    """What was to be left out would train as healthy: the stage says it, and so do both reports."""
    names = ["life", "fligth", "bench-1", "bench-2", "bench-3", "bench-4", "bench-5"]
    told = (
        "preprocess.leave_out: no raw recording is named fligth, bench-1, bench-2, bench-3, bench-4 and 1 more; "
        "correct the config, unless the import did not bring them"
    )
    outcome = run_stage(
        PREPROCESS, tiny_stage.workspace, tiny_config(preprocess={"leave_out": names}),
        progress=lambda *_: None, force=False,
    )  # fmt: skip
    assert outcome.notes == (told,)
    assert tiny_stage.report()["unknown_left_out"] == names[1:]
    assert told in (tiny_stage.workspace.interim / "report.md").read_text()


def test_a_failed_run_leaves_no_index(tiny_stage):
    """What an earlier run left is not taken for the result of a failed one; the report says what failed."""
    tiny_stage.run()
    tiny_stage.raw.truncate("flight")
    with pytest.raises(ContractError):
        tiny_stage.run()
    assert not (tiny_stage.workspace.interim / "recordings.csv").exists()
    assert "flight.parquet: expected a complete Parquet file" in tiny_stage.report()["violations"][0]
    assert "expected a complete Parquet file" in (tiny_stage.workspace.interim / "report.md").read_text()


def test_no_raw_recordings(tiny_workspace, tiny_config, no_progress):
    """Without recordings there is a clear error."""
    with pytest.raises(DataError, match="expected a readable CSV index, got"):
        preprocess(tiny_config(), tiny_workspace, progress=no_progress)


def test_only_configured_channels_stay(tiny_stage):
    """Other channels are left out, in the order of the config, and the report says so."""
    tiny_stage.raw.change("flight", lambda frame: frame.assign(acc_2=frame["acc_1"], temperature=20.0))
    tiny_stage.raw.restate("flight", channels="acc_2;acc_1", signal_units="g", data_sha256="0" * 16)
    report = tiny_stage.run()
    assert of(report, "flight").left_out_columns == ("acc_2", "temperature")
    info = read_index(tiny_stage.workspace.interim)[0]
    assert (info.channels, info.signal_units, info.data_sha256) == (("acc_1",), ("g",), "")


def test_rounding_is_reported(tiny_stage):
    """A CSV holds decimals; that they became float32 is said."""
    report = tiny_stage.run()
    assert of(report, "bench").rounded_channels == ("acc_1",)
    assert of(report, "flight").rounded_channels == ()


def test_missing_values_are_counted_and_marked(tiny_stage, tiny_config):
    """The marked records are those that the agent does not assess."""
    holes = [3, 5 * RECORD_N, 6 * RECORD_N + 1, 6 * RECORD_N + 2]

    def punch(frame):
        samples = frame["acc_1"].to_numpy(np.float32).copy()
        samples[holes] = np.nan, np.inf, np.nan, -np.inf
        return frame.assign(acc_1=samples)

    tiny_stage.raw.change("flight", punch)
    report = tiny_stage.run()
    assert (of(report, "flight").missing_samples, of(report, "flight").missing_records) == (4, 3)
    marks = [mark for mark in report.marks if mark.kind == "missing"]
    spans = [((mark.start_ns - START_NS) / 0.25e9, (mark.end_ns - START_NS) / 0.25e9) for mark in marks]
    assert spans == [(0.0, 1.0), (5.0, 7.0)]
    assert {mark.action for mark in marks} == {"not_assessed"}
    stream = WindowStream(tiny_config(features={"record_s": 0.25, "window_s": 0.25, "hop_s": 0.25}).feature_spec())
    recording = load_recording(
        tiny_stage.workspace.interim, read_index(tiny_stage.workspace.interim)[0], conditions=("n1_hz",)
    )
    windows = [window for frame in frames_of(recording, frame_s=0.25) for window in stream.push(frame)]
    assert [number for number, window in enumerate(windows) if window.reason == "not_finite"] == [0, 5, 6]


def test_gaps_are_marked(tiny_stage):
    """A gap is a mark from the last sample before it to the first one after."""
    late = lambda frame: frame.assign(time_s=frame["time_s"] + 2.0 * (frame.index >= 5 * RATE_HZ))  # noqa: E731
    tiny_stage.raw.change("flight", late)
    report = tiny_stage.run()
    (mark,) = [mark for mark in report.marks if mark.kind == "gap"]
    assert (mark.start_ns - START_NS, mark.end_ns - START_NS) == (5_000_000_000, 7_000_000_000)
    assert (mark.action, mark.detail) == ("new_stretch", "2 s")
    row = of(report, "flight")
    assert (row.n_gaps, row.n_stretches, row.time_source) == (1, 2, "time_s")


def test_clock_drift_is_reported(tiny_stage):
    """A recorder that is 0.05 % slow passes, and the report says by how much."""
    tiny_stage.raw.change("flight", lambda frame: frame.assign(time_s=frame["time_s"] * 1.0005))
    row = of(tiny_stage.run(), "flight")
    assert row.drift_ppm == pytest.approx(-499.75, abs=0.01)
    assert row.largest_clock_error_s == pytest.approx(20.0 * 0.0005, rel=1e-3)
    assert row.measured_rate_hz == pytest.approx(1024 / 1.0005)


def test_held_speeds_are_reported(tiny_stage):
    """How many samples took an older value, and for how long one was held."""
    sparse = lambda frame: frame.assign(n1_hz=frame["n1_hz"].where(frame.index % RATE_HZ == 100))  # noqa: E731
    tiny_stage.raw.change("flight", sparse)
    (held,) = of(tiny_stage.run(), "flight").held
    assert (held.name, held.held_n, held.unknown_n) == ("n1_hz", 20 * RATE_HZ - 20 - 100, 100)
    assert held.longest_hold_s == (RATE_HZ - 1) / RATE_HZ


def test_a_loud_record_is_left_out_of_the_fit(tiny_stage):
    """One record in eighty, ten times as loud: marked, excluded from fit, and still there."""
    before = tiny_stage.raw.frame("flight")["acc_1"].to_numpy(np.float32)
    tiny_stage.raw.change("flight", loudness(10, 60))
    report = tiny_stage.run()
    row = of(report, "flight")
    assert (row.judged_records, row.excluded_records, row.spared_records, row.level_change_records) == (80, 1, 0, 0)
    (mark,) = [mark for mark in report.marks if mark.action == "excluded_from_fit"]
    assert (mark.recording_id, mark.kind) == ("flight", "outlier")
    assert (mark.start_ns - START_NS, mark.end_ns - START_NS) == (15_000_000_000, 15_250_000_000)
    stored = pq.ParquetFile(tiny_stage.workspace.interim / "flight.parquet").read()["acc_1"].to_numpy()
    assert stored[60 * RECORD_N] == np.float32(before[60 * RECORD_N] * np.float32(10))


def test_a_lasting_change_stays(tiny_stage):
    """Three seconds of loud time are a change of the machine: kept, and said to be."""
    tiny_stage.raw.change("flight", loudness(10, *range(60, 72)))
    report = tiny_stage.run()
    row = of(report, "flight")
    assert (row.excluded_records, row.level_change_records) == (0, 12)
    (mark,) = [mark for mark in report.marks if mark.recording_id == "flight"]
    assert (mark.kind, mark.action) == ("level_change", "kept")
    assert "lasts 3 s, longer than 2 s" in mark.detail


def test_the_anomaly_is_not_eaten(tiny_stage):
    """A fault of one second in time labelled faulty is never judged, nor are unlabelled segments."""
    tiny_stage.raw.change("onset", loudness(50, 70, 71))
    tiny_stage.raw.change("life", loudness(50, 4 * 4, 4 * 10))
    report = tiny_stage.run()
    assert of(report, "onset").judged_records == 12 * 4
    assert of(report, "life").judged_records == 5 * 4
    assert not [mark for mark in report.marks if mark.action == "excluded_from_fit"]


def test_report_says_what_was_decided(tiny_stage):
    """The page names every check with its counts, every mark, and how outliers are decided."""
    tiny_stage.raw.change("flight", loudness(10, 60))
    report = tiny_stage.run()
    text = (tiny_stage.workspace.interim / "report.md").read_text()
    assert "Samples are never changed, filled or removed" in text
    assert "| flight | 15.000 | 15.250 | outlier | excluded_from_fit |" in text
    assert "| samples | time_s | increasing | seconds that increase from row to row | 1 | 0 | 3 |" in text
    checks = {(check.table, check.column, check.check) for check in report.checks}
    assert len([line for line in text.splitlines() if line.startswith(("| samples |", "| recordings |"))]) == len(
        checks
    )


def test_json_report_lists_every_check_of_every_file(tiny_stage):
    """Each check has a result for each file it was meant for."""
    tiny_stage.run()
    document = tiny_stage.report()
    assert document["contract"]["name"] == "engine_vibration.contract.yaml"
    for check in document["checks"]:
        results = len(check["passed"]) + len(check["failed"]) + sum(map(len, check["not_run"].values()))
        assert results == (1 if check["table"] == "recordings" else 4) or check["check"] == "presence"


def test_progress_counts_recordings(tiny_workspace, tiny_raw, tiny_config):
    """Progress begins at nothing and ends at all."""
    seen = []
    preprocess(tiny_config(), tiny_workspace, progress=lambda *step: seen.append(step))
    assert seen == [("preprocess", done, 4) for done in range(5)]
    assert tiny_raw.path("flight").exists()


def test_marks_survive_a_file(tmp_path):
    """Marks come back as they were; none is a table, too."""
    marks = (Mark("a", 1, 2, "outlier", "kept", "because"), Mark("b", 3, 2**62, "gap", "new_stretch", ""))
    for each in (marks, ()):
        (tmp_path / "marks.parquet").write_bytes(marks_bytes(each))
        assert read_marks(tmp_path / "marks.parquet") == each


@pytest.mark.parametrize("data", [b"", b"PAR1"])
def test_damaged_marks_are_refused(tmp_path, data):
    """Marks that cannot be read are named, with what to do."""
    (tmp_path / "marks.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"marks\.parquet: expected the marks of preprocessing, got .*preprocess again"):
        read_marks(tmp_path / "marks.parquet")


def test_foreign_marks_are_refused(tmp_path):
    """Another table is not the marks."""
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "marks.parquet")
    with pytest.raises(DataError, match="expected columns recording_id, start_ns"):
        read_marks(tmp_path / "marks.parquet")


def test_record_levels_are_the_root_mean_square(tiny_stage, tiny_config):
    """Levels equal the closed form, record by record; records lie where the agent's windows lie."""
    recording = load_recording(tiny_stage.workspace.raw, tiny_stage.raw.info("flight"), conditions=())
    levels = record_levels(recording, tiny_config().feature_spec())
    samples = recording.stretches[0].samples.astype(np.float64).reshape(80, RECORD_N)
    np.testing.assert_allclose(levels.rms[:, 0], np.sqrt((samples**2).mean(axis=1)), rtol=1e-12)
    assert (levels.start_ns - START_NS).tolist() == [number * 250_000_000 for number in range(80)]
    assert [levels.phase_names[code] for code in levels.phase[[0, 31, 32, 79]]] == ["taxi", "taxi", "cruise", "cruise"]


def test_a_record_across_phases_has_none(tiny_stage, tiny_config):
    """With records of 0.75 s the one at 8 s holds both phases."""
    recording = load_recording(tiny_stage.workspace.raw, tiny_stage.raw.info("flight"), conditions=())
    spec = tiny_config(features={"record_s": 0.75, "window_s": 1.5, "hop_s": 0.75}).feature_spec()
    assert np.flatnonzero(record_levels(recording, spec).phase == -1).tolist() == [10]


def real_config(dataset):
    """A config for one of the public datasets."""
    signals = {
        "uestc": {"sampling_rate_hz": 20000, "channels": [{"name": "acc", "unit": "unknown"}], "conditions": ["n1_hz"]},
        "femto": {
            "sampling_rate_hz": 25600,
            "channels": [{"name": "acc_h", "unit": "g"}, {"name": "acc_v", "unit": "g"}],
            "conditions": ["n1_hz"],
        },
    }
    spans = {
        "uestc": {"record_s": 0.5, "window_s": 1.0, "hop_s": 0.5},
        "femto": {"record_s": 0.1, "window_s": 0.1, "hop_s": 0.1},
    }
    return Config.model_validate(
        {"schema": 1, "detector": dataset, "signal": signals[dataset], "features": spans[dataset]}
    )


@pytest.mark.parametrize(("dataset", "counts"), [("uestc", (16, 16 * 118)), ("femto", (5, 5897))])
def test_real_recordings_preprocess(shared_data, tiny_workspace, no_progress, dataset, counts):
    """Both public datasets keep the contract; few healthy records are left out of the fit, no faulty one is."""
    import_recordings(shared_data, tiny_workspace.raw, dataset=dataset, progress=no_progress)
    report = preprocess(real_config(dataset), tiny_workspace, progress=no_progress)
    assert (len(report.recordings), sum(row.n_records for row in report.recordings)) == counts
    assert all(row.excluded_records <= 0.02 * row.judged_records for row in report.recordings)
    infos = {info.recording_id: info for info in read_index(tiny_workspace.interim)}
    for mark in report.marks:
        info = infos[mark.recording_id]
        number = mark.start_ns // 10**9 // 10
        assert info.label == "healthy" or any(first <= number < last for first, last in info.healthy_segments)
