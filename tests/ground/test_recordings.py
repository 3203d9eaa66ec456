"""Recordings in memory: the index typed, raw files on one time base, interim files the same again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ground.errors import DataError
from ground.frames import frames_of
from ground.interim import interim_bytes
from ground.recordings import PhaseRun, load_recording, read_index, stream_recording

RATE_HZ = 1024
START_NS = 1_700_000_000_000_000_000
NAMES = ("flight", "bench", "onset", "life")


def load(tiny, name, **arguments):
    """One tiny recording with its speed."""
    return load_recording(tiny.folder, tiny.info(name), conditions=("n1_hz",), **arguments)


def test_index_is_typed(tiny_recordings):
    """Every cell comes as what it is."""
    info = tiny_recordings.info("life")
    assert info.sampling_rate_hz == 1024.0
    assert info.channels == ("acc_1",)
    assert info.signal_units == ("g",)
    assert info.healthy_segments == ((0, 4), (5, 6))
    assert info.faulty_segments == ((10, 12),)
    assert info.segment_period_s == 10.0
    assert info.speed_hz == {"n1": 30.0}
    assert tiny_recordings.info("flight").start_ns == START_NS


def test_identities_have_defaults(tiny_recordings):
    """Without columns for them, the dataset is the aircraft, the unit the engine, the recording the flight."""
    info = tiny_recordings.info("flight")
    assert (info.aircraft, info.engine, info.flight) == ("tiny", "e1", "flight")


def test_identities_are_taken_from_the_index(tiny_recordings):
    """What the index states wins over the defaults."""
    tiny_recordings.restate("flight", aircraft="OO-ABC", engine="2", flight="F7")
    info = tiny_recordings.info("flight")
    assert (info.aircraft, info.engine, info.flight) == ("OO-ABC", "2", "F7")


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("g", ("g", "g")),
        ("g;mm/s", ("g", "mm/s")),
        ("", ("unknown", "unknown")),
        ("as published (not stated; 10.22 mV/(m/s2); scaled)", ("unknown", "unknown")),
        ("m/s^2", ("m/s2", "m/s2")),
        ("°C;RPM", ("degC", "rpm")),
        ("furlong;%", ("unknown", "%")),
    ],
)
def test_units_are_one_a_channel(tiny_recordings, text, units):
    """One unit counts for all; a remark, even with semicolons as in the UESTC index, means that it is unknown."""
    tiny_recordings.restate("flight", channels="acc_1;acc_2", signal_units=text)
    assert tiny_recordings.info("flight").signal_units == units


@pytest.mark.parametrize(
    "stated",
    [{"segment_s": "1"}, {"n_segments": "12.0"}, {"segment_s": "1.0", "n_segments": "12"}],
    ids=["their length", "their number", "both"],
)
def test_segments_are_counted_where_no_column_numbers_them(tiny_recordings, stated):
    """By what the index states: the same stretches and labels as with the column, whole and in pieces."""
    before = load(tiny_recordings, "life").stretches
    tiny_recordings.change("life", lambda frame: frame.drop(columns="segment"))
    tiny_recordings.restate("life", **stated)
    after = load(tiny_recordings, "life").stretches
    assert [part.start_ns for part in after] == [part.start_ns for part in before]
    assert [part.labels.tolist() for part in after] == [part.labels.tolist() for part in before]
    info = tiny_recordings.info("life")
    pieces = stream_recording(tiny_recordings.folder, info, conditions=(), piece_n=64).stretches
    assert sum(len(part.samples) for part in pieces) == sum(len(part.samples) for part in before)


@pytest.mark.parametrize("stated", [{"segment_s": "3"}, {"segment_s": "1", "n_segments": "50"}])
def test_segments_that_the_file_does_not_hold_are_refused(tiny_recordings, stated):
    """Labels would lie elsewhere."""
    tiny_recordings.change("life", lambda frame: frame.drop(columns="segment"))
    tiny_recordings.restate("life", **stated)
    with pytest.raises(DataError, match=r"life\.parquet: segment: expected .* segments, as in the index, got"):
        load(tiny_recordings, "life")


BAD_CELLS = {
    "no id": ({"recording_id": ""}, "recording_id"),
    "file outside": ({"file": "../secret.parquet"}, "file"),
    "absolute file": ({"file": "/etc/x.parquet"}, "file"),
    "file of another kind": ({"file": "tiny/flight.pkl"}, "file"),
    "rate of zero": ({"sampling_rate_hz": "0"}, "sampling_rate_hz"),
    "rate in words": ({"sampling_rate_hz": "fast"}, "sampling_rate_hz"),
    "infinite rate": ({"sampling_rate_hz": "inf"}, "sampling_rate_hz"),
    "no channel": ({"channels": "acc_1;"}, "channels"),
    "a channel twice": ({"channels": "acc_1;acc_1"}, "channels"),
    "three units for one channel": ({"signal_units": "g;g;g"}, "signal_units"),
    "misspelt label": ({"label": "healty"}, "label"),
    "start before 1970": ({"start_ns": "-1"}, "start_ns"),
    "start beyond int64": ({"start_ns": "9223372036854775808"}, "start_ns"),
    "no unit_id": ({"unit_id": ""}, "unit_id"),
    "span that ends first": ({"healthy_segments": "4:2"}, "healthy_segments"),
    "span of words": ({"faulty_segments": "all"}, "faulty_segments"),
    "spans that overlap": ({"healthy_segments": "0:5", "faulty_segments": "4:6"}, "faulty_segments"),
    "speed below zero": ({"speed_rpm": "-1"}, "speed_rpm"),
}


@pytest.mark.parametrize(("cells", "column"), BAD_CELLS.values(), ids=BAD_CELLS.keys())
def test_bad_cell_is_named(tiny_recordings, cells, column):
    """A wrong cell is refused with row, column, what was expected, what came, and what to do."""
    tiny_recordings.restate("flight", **cells)
    with pytest.raises(DataError) as refused:
        read_index(tiny_recordings.folder)
    text = str(refused.value)
    assert "recordings.csv" in text
    assert f"{column}: expected" in text
    assert f"got {cells[column]!r}" in text
    assert text.rpartition("; ")[2]


def test_odd_cells_are_read(tiny_recordings):
    """Names that are no file's or topic's become such, always the same; 0 for a speed or period is not known."""
    odd = {"recording_id": "a b/c", "unit_id": "pump #3", "aircraft": "+", "dataset": "x/y"}
    tiny_recordings.restate("life", speed_rpm="0", segment_period_s="0.0", n_samples="10240.0", **odd)
    info = read_index(tiny_recordings.folder)[-1]
    names = (info.recording_id, info.unit_id, info.aircraft, info.flight)
    assert [name.rpartition("-")[0] for name in names] == ["a_b_c", "pump_3", "", "a_b_c"]
    assert (info.dataset, info.speed_hz, info.segment_period_s, info.n_samples) == ("x/y", {}, 0.0, 10240)
    assert read_index(tiny_recordings.folder)[-1] == info


HEADER = b"recording_id,file,unit_id,sampling_rate_hz,channels,signal_units,label"
BAD_INDEXES = {
    "empty": (b"", "expected a header line, got an empty file"),
    "binary": (b"\xff\xfe\x00", "expected a readable CSV index"),
    "no label column": (HEADER.removesuffix(b",label"), "expected columns label"),
    "a column twice": (HEADER + b",label\n", "header: expected different values, got label twice"),
    "ragged": (HEADER + b"\na,b.csv,c\n", "row 2: expected 7 cells, got 3"),
    "two of one name": (
        HEADER + b"\na,a.csv,u,10,x,g,healthy\na,b.csv,u,10,x,g,healthy\n",
        "recording_id: expected different values, got a twice",
    ),
}


@pytest.mark.parametrize(("data", "says"), BAD_INDEXES.values(), ids=BAD_INDEXES.keys())
def test_bad_index_is_refused(tmp_path, data, says):
    """An index that cannot be read says why."""
    (tmp_path / "recordings.csv").write_bytes(data)
    with pytest.raises(DataError, match=r"recordings\.csv") as refused:
        read_index(tmp_path)
    assert says in str(refused.value)


def test_absent_index_is_named(tmp_path):
    """A folder without an index is no recordings folder."""
    with pytest.raises(DataError, match=r"expected a readable CSV index, got .*No such file"):
        read_index(tmp_path)


def test_samples_are_those_of_the_file(tiny_recordings):
    """Samples come bit for bit, and nobody can write into them."""
    (stretch,) = load(tiny_recordings, "flight").stretches
    expected = tiny_recordings.frame("flight")["acc_1"].to_numpy()
    assert stretch.samples.dtype == np.float32
    assert stretch.samples[:, 0].tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        stretch.samples[0, 0] = 1.0


def test_csv_gives_what_parquet_gives(tiny_recordings):
    """The same numbers written as CSV and as Parquet load to the same bits."""
    csv = load(tiny_recordings, "bench").stretches[0]
    path = tiny_recordings.folder / "tiny" / "again.parquet"
    tiny_recordings.write_parquet(path, pa.Table.from_pandas(tiny_recordings.frame("bench")))
    tiny_recordings.restate("bench", file="tiny/again.parquet")
    parquet = load(tiny_recordings, "bench").stretches[0]
    assert csv.samples.tobytes() == parquet.samples.tobytes()
    assert csv.start_ns == parquet.start_ns


def test_phases_are_runs(tiny_recordings):
    """A phase is a run from its first sample; without a column everything is steady."""
    assert load(tiny_recordings, "flight").stretches[0].phases == (PhaseRun(0, "taxi"), PhaseRun(8 * RATE_HZ, "cruise"))
    assert load(tiny_recordings, "bench").stretches[0].phases == (PhaseRun(0, "steady"),)


def test_speeds_come_from_columns_or_the_index(tiny_recordings):
    """A column wins; a constant speed of the index is revolutions a second."""
    flight = load(tiny_recordings, "flight").stretches[0]
    assert flight.conditions[[0, -1], 0].tolist() == [20.0, 60.0]
    bench = load(tiny_recordings, "bench").stretches[0]
    assert np.unique(bench.conditions).tolist() == [30.0]


def test_segments_without_a_period_lie_apart(tiny_recordings):
    """Nothing is known of the time between them; the longest and a second keep them apart."""
    tiny_recordings.restate("life", segment_period_s="")
    starts = [stretch.start_ns for stretch in load(tiny_recordings, "life").stretches]
    assert starts == [2_000_000_000 * index for index in range(12)]


def test_unknown_speed_is_nan(tiny_recordings):
    """A condition that nothing states is not guessed."""
    recording = load_recording(tiny_recordings.folder, tiny_recordings.info("bench"), conditions=("n2_hz",))
    assert np.isnan(recording.stretches[0].conditions).all()


def test_segments_are_stretches(tiny_recordings):
    """Each segment is a stretch of its own, dated by its number and the period."""
    stretches = load(tiny_recordings, "life").stretches
    assert [len(stretch.samples) for stretch in stretches] == [RATE_HZ] * 12
    assert [stretch.start_ns for stretch in stretches] == [number * 10 * 10**9 for number in range(12)]


def test_a_missing_segment_leaves_time_free(tiny_recordings):
    """Times follow the numbers, not the count."""
    tiny_recordings.change("life", lambda frame: frame[frame["segment"] != 3])
    tiny_recordings.restate("life", n_samples="")
    starts = [stretch.start_ns // 10**9 for stretch in load(tiny_recordings, "life").stretches]
    assert starts == [0, 10, 20, *range(40, 120, 10)]


def test_labels_of_a_life(tiny_recordings):
    """Segments in neither span are unlabelled."""
    labels = [np.unique(stretch.labels).tolist() for stretch in load(tiny_recordings, "life").stretches]
    healthy, unlabelled, faulty = [0], [-1], [1]
    assert labels == [healthy] * 4 + [unlabelled] + [healthy] + [unlabelled] * 4 + [faulty] * 2


def test_labels_of_a_mixed_recording(tiny_recordings):
    """A mixed recording is labelled a sample."""
    labels = load(tiny_recordings, "onset").stretches[0].labels
    assert np.flatnonzero(np.diff(labels)).tolist() == [12 * RATE_HZ - 1]
    assert labels[[0, -1]].tolist() == [0, 1]


def test_label_of_a_whole_recording(tiny_recordings):
    """Healthy is 0 and faulty is 1 throughout."""
    assert not load(tiny_recordings, "bench").stretches[0].labels.any()
    tiny_recordings.restate("bench", label="faulty")
    assert load(tiny_recordings, "bench").stretches[0].labels.all()


def test_stamps_show_gaps(tiny_recordings):
    """A step beyond the tolerance starts a new stretch at its own time."""
    later = lambda frame: frame.assign(time_s=frame["time_s"] + 0.05 * (frame.index >= 5 * RATE_HZ))  # noqa: E731
    tiny_recordings.change("flight", later)
    first, second = load(tiny_recordings, "flight").stretches
    assert len(first.samples) == 5 * RATE_HZ
    assert second.start_ns == START_NS + 5_050_000_000
    assert second.phases == (PhaseRun(0, "taxi"), PhaseRun(3 * RATE_HZ, "cruise"))


def test_stamps_within_the_tolerance_are_no_gap(tiny_recordings):
    """The tolerance is the caller's."""
    later = lambda frame: frame.assign(time_s=frame["time_s"] + 0.05 * (frame.index >= 5 * RATE_HZ))  # noqa: E731
    tiny_recordings.change("flight", later)
    assert len(load(tiny_recordings, "flight", gap_tolerance_s=0.06).stretches) == 1


def test_sparse_speeds_are_held_until_the_next_value(tiny_recordings):
    """Between two reports the last one counts, as on board; before the first nothing is known."""

    def sparse(frame):
        reports = np.arange(len(frame)) % RATE_HZ == 512
        return frame.assign(n1_hz=np.where(reports, np.arange(len(frame)) // RATE_HZ, np.nan))

    tiny_recordings.change("flight", sparse)
    n1 = load(tiny_recordings, "flight").stretches[0].conditions[:, 0]
    assert np.isnan(n1[:512]).all()
    assert n1[512:1535].tolist() == [0.0] * 1023
    assert n1[1536] == 1.0


def test_speeds_are_not_held_across_a_gap(tiny_recordings):
    """What was known before a gap says nothing of the time after it."""

    def edit(frame):
        first = pd.Series(frame.index == 0)
        later = frame.index >= 5 * RATE_HZ
        return frame.assign(n1_hz=np.where(first, 7.0, np.nan), time_s=frame["time_s"] + 3.0 * later)

    tiny_recordings.change("flight", edit)
    before, after = load(tiny_recordings, "flight").stretches
    assert np.unique(before.conditions).tolist() == [7.0]
    assert np.isnan(after.conditions).all()


def test_nan_stays_nan(tiny_recordings):
    """Missing and infinite samples pass as they are; a null becomes NaN."""

    def holes(frame):
        samples = frame["acc_1"].to_numpy().copy()
        samples[[3, 5]] = np.nan, np.inf
        return frame.assign(acc_1=samples)

    tiny_recordings.change("flight", holes)
    samples = load(tiny_recordings, "flight").stretches[0].samples[:, 0]
    assert np.flatnonzero(~np.isfinite(samples)).tolist() == [3, 5]
    assert np.isposinf(samples[5])


def test_empty_csv_cells_are_nan(tiny_recordings):
    """A cell without a number is a missing value, not a zero."""
    lines = tiny_recordings.path("bench").read_text().splitlines()
    lines[4] = ""
    tiny_recordings.path("bench").write_text("\n".join(lines))
    samples = load(tiny_recordings, "bench").stretches[0].samples
    assert np.flatnonzero(np.isnan(samples)).tolist() == [3]


BAD_FILES = {
    "truncated": ("flight", lambda tiny: tiny.truncate("flight"), "complete Parquet file, got"),
    "empty": ("flight", lambda tiny: tiny.write("flight", b""), "complete Parquet file, got Parquet file size is 0"),
    "empty CSV": ("bench", lambda tiny: tiny.write("bench", b""), "complete CSV file, got Empty CSV file"),
    "absent": ("flight", lambda tiny: tiny.path("flight").unlink(), "complete Parquet file, got [Errno 2]"),
    "no rows": (
        "flight",
        lambda tiny: tiny.change("flight", lambda frame: frame[:0]),
        "expected samples, got none",
    ),
    "no channel": (
        "flight",
        lambda tiny: tiny.change("flight", lambda frame: frame.rename(columns={"acc_1": "acc"})),
        "acc_1: expected a column of numbers, got columns acc, phase, n1_hz, time_s",
    ),
    "text for numbers": (
        "flight",
        lambda tiny: tiny.change("flight", lambda frame: frame.assign(acc_1="x")),
        "acc_1: expected numbers, got large_string",
    ),
    "text in a CSV": (
        "bench",
        lambda tiny: tiny.write("bench", b"acc_1\n1.0\nloud\n"),
        "acc_1: CSV conversion error to double: invalid value 'loud'",
    ),
    "a column twice": (
        "bench",
        lambda tiny: tiny.write("bench", b"acc_1,acc_1\n1.0,2.0\n"),
        "expected different column names, got acc_1, acc_1",
    ),
    "time going back": (
        "flight",
        lambda tiny: tiny.change("flight", lambda frame: frame.assign(time_s=frame["time_s"].to_numpy()[::-1])),
        "time_s: expected seconds that increase from row to row, got 19.998046875 after 19.9990234375 in row 1",
    ),
    "another rate": (
        "flight",
        lambda tiny: tiny.change("flight", lambda frame: frame.assign(time_s=2 * frame["time_s"])),
        "time_s: expected steps of a rate within 1% of 1024 Hz, got 512 Hz",
    ),
    "segments going back": (
        "life",
        lambda tiny: tiny.change("life", lambda frame: frame.assign(segment=frame["segment"].to_numpy()[::-1])),
        "segment: expected numbers from 0 on that never go back, got 10 after 11 in row 1024",
    ),
    "segments that overlap": (
        "life",
        lambda tiny: tiny.restate("life", segment_period_s="0.5"),
        "segment: expected segments that end before the next begins, got one that begins 0.5 s too early in row 1024",
    ),
    "no segments to label by": (
        "life",
        lambda tiny: tiny.change("life", lambda frame: frame[["acc_1"]]),
        "segment: expected a column of numbers, got columns acc_1",
    ),
    "no anomaly to label by": (
        "onset",
        lambda tiny: tiny.change("onset", lambda frame: frame[["acc_1"]]),
        "anomaly: expected a column of numbers",
    ),
    "another anomaly": (
        "onset",
        lambda tiny: tiny.change("onset", lambda frame: frame.assign(anomaly=2)),
        "anomaly: expected 0 or 1 a sample",
    ),
    "phases as numbers": (
        "flight",
        lambda tiny: tiny.change("flight", lambda frame: frame.assign(phase=1)),
        "phase: expected strings, got int64",
    ),
    "a sample without phase": (
        "flight",
        lambda tiny: tiny.change("flight", lambda frame: frame.assign(phase=frame["phase"].where(frame.index > 0))),
        "phase: expected a phase for each sample, got 1 without",
    ),
}


@pytest.mark.parametrize(("name", "damage", "says"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_file_is_refused(tiny_recordings, name, damage, says):
    """What batch and stream cannot use is refused with file, column, what was expected and came, and what to do."""
    path = tiny_recordings.path(name)
    damage(tiny_recordings)
    with pytest.raises(DataError) as refused:
        load(tiny_recordings, name)
    text = str(refused.value)
    assert says in text
    assert "; " in text
    assert path.name in text


@pytest.mark.parametrize("name", NAMES)
def test_interim_gives_the_same_recording(tiny_recordings, name):
    """A recording written and read again gives the same frames and labels, bit for bit."""
    raw = load(tiny_recordings, name)
    (tiny_recordings.folder / f"{name}.parquet").write_bytes(interim_bytes(raw))
    tiny_recordings.restate(name, file=f"{name}.parquet")
    again = load(tiny_recordings, name)
    for old, new in zip(raw.stretches, again.stretches, strict=True):
        assert old.start_ns == new.start_ns
        assert old.phases == new.phases
        for column in ("samples", "conditions", "labels"):
            assert getattr(old, column).tobytes() == getattr(new, column).tobytes()
    assert len(list(frames_of(raw, frame_s=0.1))) == len(list(frames_of(again, frame_s=0.1)))


def test_interim_bytes_are_reproducible(tiny_recordings):
    """The same recording gives the same bytes."""
    assert interim_bytes(load(tiny_recordings, "flight")) == interim_bytes(load(tiny_recordings, "flight"))


def test_damaged_interim_is_refused(tiny_recordings):
    """Interim metadata that do not fit the stretches are no recording."""
    path = tiny_recordings.path("life")
    path.write_bytes(interim_bytes(load(tiny_recordings, "life")))
    table = pq.ParquetFile(path).read()
    pq.write_table(table.slice(0, 4 * RATE_HZ), path)
    with pytest.raises(DataError, match="stretch: expected 12 stretches, got 4; preprocess again"):
        load(tiny_recordings, "life")


@pytest.mark.parametrize(("dataset", "recordings", "stretches"), [("uestc", 16, 16), ("femto", 5, 5897)])
def test_real_recordings_load(shared_data, dataset, recordings, stretches):
    """Both public datasets load whole, with as many samples as their index states."""
    infos = [info for info in read_index(shared_data) if info.dataset == dataset]
    assert len(infos) == recordings
    count = 0
    for info in infos:
        loaded = load_recording(shared_data, info, conditions=("n1_hz",))
        assert sum(len(stretch.samples) for stretch in loaded.stretches) == info.n_samples
        assert all(stretch.samples.shape[1] == len(info.channels) for stretch in loaded.stretches)
        count += len(loaded.stretches)
    assert count == stretches


STATED = {
    "fewer samples": (
        {"n_samples": "5121"},
        "expected 5121 samples, as n_samples of the index, got 5120; copy the file",
    ),
    "other samples": ({"data_sha256": "0123456789abcdef"}, "expected samples with data_sha256 0123456789abcdef, as in"),
}


@pytest.mark.parametrize("name", STATED)
def test_samples_are_what_the_index_states(tiny_recordings, name):
    """A file that was cut at the end of a line is no shorter recording."""
    cells, says = STATED[name]
    tiny_recordings.restate("bench", **cells)
    with pytest.raises(DataError, match=f"bench.csv: {says}"):
        load(tiny_recordings, "bench")


def test_the_rate_is_what_the_file_states(tiny_recordings):
    """Read with another one, every feature is wrong by its factor."""
    tiny_recordings.restate("onset", sampling_rate_hz="2048")
    with pytest.raises(
        DataError, match=r"onset.parquet: expected 2048 Hz, as in the index or of the detector, got '1024'"
    ):
        load(tiny_recordings, "onset")


def test_interim_samples_are_counted_too(tiny_recordings):
    """Before a piece of them is read."""
    path = tiny_recordings.path("flight")
    path.write_bytes(interim_bytes(load(tiny_recordings, "flight")))
    tiny_recordings.restate("flight", n_samples="20481")
    info = tiny_recordings.info("flight")
    pieces = stream_recording(tiny_recordings.folder, info, conditions=(), piece_n=100).stretches
    with pytest.raises(
        DataError, match=r"flight.parquet: expected 20481 samples, as n_samples of the index, got 20480"
    ):
        next(iter(pieces))
