"""Raw files piece by piece: the frames, labels and errors of the file as a whole, wherever its batches end."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ground import raw_stream, recording_files
from ground.errors import DataError
from ground.frames import frames_of
from ground.recording import RecordingStream
from ground.recordings import load_recording, stream_recording
from tests.ground.test_interim_stream import CONDITIONS, NAMES, RATE_HZ, facts, info_of, same_frames

CLOCKS = ("counted", "stamped", "segments", "stamped segments")


def hard_columns(seed, lengths, clock):
    """Columns of a raw file in which everything changes where it likes; between its lengths lie gaps or borders."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    number = np.repeat(np.arange(len(lengths)), lengths)
    speeds = np.where(rng.uniform(size=n) < 0.3, np.nan, np.round(rng.uniform(10.0, 90.0, n), 3))
    columns = {
        "acc_0": rng.standard_normal(n, dtype=np.float32),
        "acc_1": rng.integers(-3000, 3000, n, dtype=np.int16),
        "n1_hz": speeds,
        "tach_n1": rng.uniform(size=n) < 0.4,
        "phase": [f"phase_{each}" for each in np.repeat(rng.integers(0, 3, n // 40 + 1), 40)[:n]],
        "anomaly": np.repeat(rng.integers(0, 2, n // 30 + 1), 30)[:n],
    }
    if "stamped" in clock:
        columns["time_s"] = np.arange(n) / RATE_HZ + 2.5 * number
    if "segments" in clock:
        columns["segment"] = 3 * number
    return columns


def written(folder, columns, *, suffix="parquet", **stated):
    """The columns as a file of that kind, and its row of the index."""
    frame = pd.DataFrame(columns)
    path = folder / f"hard.{suffix}"
    if suffix == "csv":
        frame.assign(tach_n1=frame["tach_n1"].astype(int)).to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False, row_group_size=250)
    return dataclasses.replace(info_of(), file=path.name, segment_period_s=5.0, **stated)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    clock=st.sampled_from(CLOCKS),
    suffix=st.sampled_from(["parquet", "csv"]),
    batch=st.integers(20, 400),
    piece=st.tuples(st.integers(10, 100), st.integers(1, 5)),
)
def test_pieces_give_the_frames_of_the_whole(tmp_path_factory, *, seed, lengths, clock, suffix, batch, piece):
    """Stamps with gaps, segments, held speeds, pulses, phases and labels, out of Parquet and CSV."""
    frame_n, frames_per_piece = piece
    folder = tmp_path_factory.mktemp("raw")
    info = written(folder, hard_columns(seed, lengths, clock), suffix=suffix)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording_files, "BATCH_N", batch)
        patch.setattr(recording_files, "BATCH_BYTES", 200 + 10 * batch)
        same_frames(folder, info, frame_n=frame_n, piece_n=frame_n * frames_per_piece)


@pytest.mark.parametrize("name", NAMES)
def test_recordings_come_in_pieces(tiny_recordings, monkeypatch, name):
    """A flight, a bench run, an onset and a life of segments."""
    monkeypatch.setattr(recording_files, "BATCH_N", 1000)
    monkeypatch.setattr(recording_files, "BATCH_BYTES", 4096)
    assert same_frames(tiny_recordings.folder, tiny_recordings.info(name), frame_n=102, piece_n=102) > 3


def test_pieces_come_before_the_file_is_read(tmp_path, monkeypatch):
    """The memory is that of a batch, however long the file is: damage at its end is met at its end."""
    monkeypatch.setattr(recording_files, "BATCH_N", 500)
    monkeypatch.setattr(recording_files, "BATCH_BYTES", 20_000)
    info = written(tmp_path, hard_columns(3, [6000], "counted"), suffix="csv")
    path = tmp_path / info.file
    path.write_bytes(path.read_bytes() + b"x,y\n")
    pieces = iter(stream_recording(tmp_path, info, conditions=(), piece_n=100).stretches)
    assert len(next(pieces).samples) >= 100
    with pytest.raises(DataError, match="expected a complete CSV file"):
        list(pieces)


def changed(column, row, value):
    """One value of a column is another one."""

    def change(columns):
        values = np.asarray(columns[column], dtype=object)
        values[row] = value
        columns[column] = pd.Series(values).infer_objects()

    return change


BAD = {
    "no channel": ("counted", lambda columns: columns.pop("acc_1"), {}),
    "no samples": ("counted", lambda columns: [columns.update({name: columns[name][:0]}) for name in columns], {}),
    "time goes back": ("stamped", lambda columns: columns.update(time_s=columns["time_s"][::-1]), {}),
    "unknown time": ("stamped", changed("time_s", 1100, np.nan), {}),
    "a wrong rate": ("stamped", lambda columns: columns.update(time_s=columns["time_s"] * 1.2), {}),
    "a quite wrong rate": ("stamped", lambda columns: columns.update(time_s=columns["time_s"] * 30.0), {}),
    "segments go back": ("segments", changed("segment", 1300, 0), {}),
    "segments overlap": (
        "segments",
        lambda columns: columns.update(segment=columns["segment"] // 3),
        {"segment_period_s": 1.0},
    ),
    "no phase": ("counted", changed("phase", 1250, None), {}),
    "a phase of numbers": ("counted", lambda columns: columns.update(phase=columns["anomaly"]), {}),
    "a label of three": ("counted", changed("anomaly", 1250, 3), {}),
    "cut short": ("counted", lambda _: None, {"n_samples": 2001}),
    "other samples": ("counted", lambda _: None, {"data_sha256": "0123456789abcdef"}),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_those_of_the_whole(tmp_path, monkeypatch, name):
    """To the word: file, column, row, what was expected and came."""
    monkeypatch.setattr(recording_files, "BATCH_N", 1050)
    clock, change, stated = BAD[name]
    columns = hard_columns(5, [1250, 750], clock)
    change(columns)
    info = dataclasses.replace(written(tmp_path, columns), **stated)
    with pytest.raises(DataError) as whole:
        load_recording(tmp_path, info, conditions=CONDITIONS)
    with pytest.raises(DataError) as in_pieces:
        list(stream_recording(tmp_path, info, conditions=CONDITIONS, piece_n=100).stretches)
    assert str(in_pieces.value).split("(")[0] == str(whole.value).split("(")[0]


def test_the_digest_is_over_one_channel_after_the_other(tmp_path, monkeypatch):
    """As the index states it, also where they come in batches side by side."""
    monkeypatch.setattr(recording_files, "BATCH_N", 300)
    columns = hard_columns(6, [1000], "counted")
    samples = [np.asarray(columns[name], dtype=np.float32).tobytes() for name in ("acc_0", "acc_1")]
    info = written(tmp_path, columns, data_sha256=hashlib.sha256(b"".join(samples)).hexdigest()[:16])
    same_frames(tmp_path, info, frame_n=100, piece_n=100)


def test_a_quite_wrong_rate_is_told_at_once(tmp_path, monkeypatch):
    """Each sample would be a stretch: hours of work over nothing."""
    monkeypatch.setattr(raw_stream, "_SURE_N", 50)
    monkeypatch.setattr(recording_files, "BATCH_N", 100)
    columns = hard_columns(7, [1000], "stamped")
    columns["time_s"] = columns["time_s"] * 30.0
    info = written(tmp_path, columns)
    stream = stream_recording(tmp_path, info, conditions=(), piece_n=10)
    assert isinstance(stream, RecordingStream)
    with pytest.raises(DataError, match=r"time_s: expected steps of a rate within 1% of 1000 Hz, got 33\.3333 Hz"):
        next(iter(stream.stretches))


def test_constant_speeds_are_those_of_the_index(tmp_path):
    """Where the file has no column of them."""
    info = written(tmp_path, hard_columns(8, [300], "counted"), speed_hz={"n2": 12.5})
    stream = stream_recording(tmp_path, info, conditions=CONDITIONS, piece_n=100)
    speeds = {frame.speed_hz["n2"] for frame in frames_of(stream, frame_s=0.1)}
    assert speeds == {12.5}
    assert facts(next(frames_of(load_recording(tmp_path, info, conditions=()), frame_s=0.1)))["seq"] == 0
