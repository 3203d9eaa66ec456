"""Interim files piece by piece: the frames of the whole recording, bit for bit, wherever the pieces are cut."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ground import interim_stream
from ground.errors import DataError
from ground.frames import frames_for, frames_of
from ground.interim import interim_bytes
from ground.interim_stream import interim_footer, joined
from ground.recording import PhaseRun, Recording, RecordingStream, Stretch
from ground.recording_index import RecordingInfo
from ground.recordings import load_recording, read_index, stream_recording
from ground.synchronise import join_columns
from shared_features.spec import ChannelSpec, FeatureSpec, ShaftSpec, SpectrumGroup

RATE_HZ = 1000.0
CONDITIONS = ("n1_hz", "n2_hz")
NAMES = ("flight", "bench", "onset", "life")
S = 10**9


def info_of(n_channel=2):
    """The row of the index of a recording that lives in ``hard.parquet``."""
    return RecordingInfo(
        recording_id="hard", file="hard.parquet", dataset="d", unit_id="u", aircraft="a", engine="e", flight="f",
        start_ns=0, sampling_rate_hz=RATE_HZ, channels=tuple(f"acc_{index}" for index in range(n_channel)),
        signal_units=("g",) * n_channel, label="mixed", fault_type="", severity="", condition="", segment_period_s=0.0,
        healthy_segments=(), faulty_segments=(), speed_hz={}, n_samples=0, data_sha256="",
    )  # fmt: skip


def hard_recording(seed, lengths):
    """Stretches of some lengths with gaps between them: phases, labels, speeds and pulses change where they like."""
    rng = np.random.default_rng(seed)
    stretches, start_ns = [], 1_700_000_000_000_000_000
    for n in lengths:
        speeds = np.repeat(rng.uniform(10.0, 90.0, (n // 50 + 1, 2)), 50, axis=0)[:n]
        speeds[rng.uniform(size=n) < 0.1] = np.nan
        first = np.unique(np.concatenate([[0], rng.integers(0, n, rng.integers(0, 4))]))
        stretches.append(
            Stretch(
                start_ns=start_ns,
                samples=rng.standard_normal((n, 2), dtype=np.float32),
                conditions=speeds,
                phases=tuple(PhaseRun(int(at), f"phase_{index % 2}") for index, at in enumerate(first)),
                labels=np.repeat(rng.integers(-1, 2, n // 30 + 1), 30)[:n].astype(np.int8),
                tach={"n1": np.flatnonzero(rng.uniform(size=n) < 0.05).astype(np.float64)},
            )
        )
        start_ns += n * S // 1000 + int(rng.integers(1, 10 * S))
    return Recording(info_of(), CONDITIONS, tuple(stretches))


def written(folder, recording):
    """The recording as an interim file, and its row of the index."""
    (folder / recording.info.file).write_bytes(interim_bytes(recording))
    return recording.info


def facts(frame):
    """Everything that a frame says, as bits."""
    fields = dataclasses.asdict(frame)
    tach = {shaft: pulses.tobytes() for shaft, pulses in fields.pop("tach").items()}
    return {**fields, "samples": frame.samples.tobytes(), "tach": tach}


def same_frames(folder, info, *, frame_n, piece_n, conditions=CONDITIONS):
    """Whether the pieces of a file give the frames of the file as a whole; and how many there are."""
    frame_s = frame_n / info.sampling_rate_hz
    whole = load_recording(folder, info, conditions=conditions)
    stream = stream_recording(folder, info, conditions=conditions, piece_n=piece_n)
    assert isinstance(stream, RecordingStream)
    pieces = list(stream.stretches)
    stream = RecordingStream(info, conditions, iter(pieces))
    expected = [facts(frame) for frame in frames_of(whole, frame_s=frame_s)]
    assert [facts(frame) for frame in frames_of(stream, frame_s=frame_s)] == expected
    labels = [np.concatenate([stretch.labels for stretch in part]) for part in (whole.stretches, pieces)]
    assert labels[0].tobytes() == labels[1].tobytes()
    return len(pieces)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 700), min_size=1, max_size=6),
    batch_n=st.integers(1, 900),
    piece=st.tuples(st.integers(1, 200), st.integers(1, 5)),
)
def test_pieces_give_the_frames_of_the_whole(tmp_path_factory, seed, lengths, batch_n, piece):
    """Gaps, changes of phase, unknown speeds and pulses, cut anywhere by the batches of the file."""
    frame_n, frames_per_piece = piece
    folder = tmp_path_factory.mktemp("hard")
    info = written(folder, hard_recording(seed, lengths))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interim_stream, "BATCH_N", batch_n)
        same_frames(folder, info, frame_n=frame_n, piece_n=frame_n * frames_per_piece)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 700), min_size=1, max_size=4),
    batch_n=st.integers(1, 900),
    record_n=st.sampled_from([11, 97, 101, 211, 256]),
)
def test_pieces_give_the_frames_for_a_spec(tmp_path_factory, seed, lengths, batch_n, record_n):
    """Of prime lengths, too: as many frames a record, wherever the batches of the file end."""
    folder = tmp_path_factory.mktemp("prime")
    info = written(folder, hard_recording(seed, lengths))
    record_s = record_n / info.sampling_rate_hz
    spec = FeatureSpec(
        sampling_rate_hz=info.sampling_rate_hz, record_s=record_s, window_s=record_s, hop_s=record_s,
        channels=(ChannelSpec("acc_1", "g"),), shafts=(ShaftSpec("n1", "tach"),),
        spectrum=SpectrumGroup(segment_n=8, overlap_n=4, bands_hz=(), enabled=False),
    )  # fmt: skip
    whole = load_recording(folder, info, conditions=CONDITIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interim_stream, "BATCH_N", batch_n)
        pieces = stream_recording(folder, info, conditions=CONDITIONS, piece_n=record_n)
        found = [facts(frame) for frame in frames_for(spec, pieces)]
    assert found == [facts(frame) for frame in frames_for(spec, whole)]


@pytest.mark.parametrize("name", NAMES)
def test_preprocessed_recordings_come_in_pieces(tiny_stage, monkeypatch, name):
    """What `ground preprocess` writes of a flight, a bench run, an onset and a life of segments."""
    tiny_stage.run()
    folder = tiny_stage.workspace.interim
    monkeypatch.setattr(interim_stream, "BATCH_N", 1500)
    info = next(info for info in read_index(folder) if info.recording_id == name)
    n = same_frames(folder, info, frame_n=256, piece_n=512, conditions=("n1_hz",))
    assert n >= 4


def test_pieces_are_whole_multiples(tmp_path, monkeypatch):
    """But for the last one of each stretch, and none is longer than needed to hold a batch."""
    info = written(tmp_path, hard_recording(3, [1000, 130, 999]))
    monkeypatch.setattr(interim_stream, "BATCH_N", 250)
    stream = stream_recording(tmp_path, info, conditions=(), piece_n=100)
    sizes = [(piece.first_n, len(piece.samples)) for piece in stream.stretches]
    assert sizes == [
        (0, 200), (200, 100), (300, 200), (500, 200), (700, 100), (800, 200),
        (0, 100), (100, 30),
        (0, 100), (100, 100), (200, 100), (300, 100), (400, 200), (600, 100), (700, 100), (800, 100), (900, 99),
    ]  # fmt: skip


def test_only_what_lies_across_a_border_is_copied():
    """Of parts that are no whole number of pieces, one piece each; the others are the memory of the part."""
    parts = [
        dataclasses.replace(hard_recording(at, [250]).stretches[0], phases=(PhaseRun(0, "x"),), tach={}, first_n=at)
        for at in (0, 250)
    ]
    pieces = list(joined(iter(parts), 100))
    assert [len(piece.samples) for piece in pieces] == [200, 100, 200]
    shared = [any(np.shares_memory(piece.samples, part.samples) for part in parts) for piece in pieces]
    assert shared == [True, False, True]


def test_a_piece_can_be_longer_than_a_batch(tmp_path, monkeypatch):
    """Records of a second at a high rate are gathered from several batches."""
    info = written(tmp_path, hard_recording(4, [1000, 700]))
    monkeypatch.setattr(interim_stream, "BATCH_N", 64)
    stream = stream_recording(tmp_path, info, conditions=(), piece_n=300)
    assert [len(piece.samples) for piece in stream.stretches] == [300, 300, 300, 100, 300, 300, 100]


def test_join_keeps_a_phase_whole():
    """Two pieces of one phase make one run of it, lest a frame be cut where they meet."""
    parts = (
        dataclasses.replace(hard_recording(5, [40]).stretches[0], phases=(PhaseRun(0, "taxi"),), first_n=first_n)
        for first_n in (0, 40)
    )
    (piece,) = joined(parts, 80)
    assert piece.phases == (PhaseRun(0, "taxi"),)
    assert len(piece.samples) == 80


def test_frames_keep_their_grid_in_pieces_of_any_length():
    """A piece that ends within a frame cuts it in two; the next frames begin where they would have begun anyway."""
    (stretch,) = hard_recording(9, [200]).stretches
    whole = dataclasses.replace(stretch, phases=(PhaseRun(0, "taxi"),))
    pieces = (
        dataclasses.replace(
            whole, samples=whole.samples[at : at + 70], conditions=whole.conditions[at : at + 70], tach={}, first_n=at
        )
        for at in (0, 70, 140)
    )
    frames = list(frames_of(RecordingStream(info_of(), CONDITIONS, pieces), frame_s=0.04))
    assert [len(frame.samples) for frame in frames] == [40, 30, 10, 40, 20, 20, 40]
    assert [(frame.t_ns - whole.start_ns) // 10**6 for frame in frames] == [0, 40, 70, 80, 120, 140, 160]
    assert [frame.seq for frame in frames] == list(range(7))


def test_raw_segments_without_a_period_come_whole(tiny_recordings):
    """They lie as far apart as the longest of them needs."""
    tiny_recordings.restate("life", segment_period_s="")
    assert interim_footer(tiny_recordings.path("life")) is None
    raw = stream_recording(tiny_recordings.folder, tiny_recordings.info("life"), conditions=(), piece_n=1)
    assert isinstance(raw, Recording)


def steady_recording(n=1000):
    """One stretch, one phase, one label."""
    (stretch,) = hard_recording(12, [n]).stretches
    steady = dataclasses.replace(stretch, phases=(PhaseRun(0, "cruise"),), labels=np.ones(n, dtype=np.int8), tach={})
    return Recording(info_of(), CONDITIONS, (steady,))


def test_columns_of_one_value_are_not_decoded(tmp_path, monkeypatch):
    """Nor made: a label that holds all along takes one byte, and phase and stretch no array at all."""
    info = written(tmp_path, steady_recording())
    monkeypatch.setattr(interim_stream, "phase_runs", None)
    monkeypatch.setattr(interim_stream, "stretch_borders", None)
    (piece,) = stream_recording(tmp_path, info, conditions=CONDITIONS, piece_n=1000).stretches
    assert piece.phases == (PhaseRun(0, "cruise"),)
    assert (piece.labels.strides, piece.labels.sum()) == ((0,), 1000)
    assert not piece.labels.flags.writeable


def test_channels_are_taken_as_they_were_decoded(tmp_path):
    """Each keeps its samples together, as features take them; a single one is not copied."""
    info = written(tmp_path, steady_recording())
    (piece,) = stream_recording(tmp_path, info, conditions=(), piece_n=1000).stretches
    assert piece.samples[:, 1].flags.c_contiguous
    column = np.arange(9, dtype=np.float32)
    assert np.shares_memory(join_columns([column], 9, np.float32), column)
    assert join_columns([column.astype(np.float64)], 9, np.float32).tolist() == column.reshape(9, 1).tolist()


def test_a_column_of_one_value_of_another_kind_is_refused(tmp_path):
    """A phase is a text, also where it never changes."""
    info = written(tmp_path, steady_recording())
    table = pq.ParquetFile(tmp_path / info.file).read()
    numbers = pa.array(np.ones(table.num_rows, dtype=np.int64))
    pq.write_table(table.set_column(table.column_names.index("phase"), "phase", numbers), tmp_path / info.file)
    with pytest.raises(DataError, match="phase: expected strings, got int64"):
        list(stream_recording(tmp_path, info, conditions=(), piece_n=10).stretches)


def test_interim_files_miss_nothing(tmp_path):
    """Their columns say so, and readers need not look; files of before, which did not, are read all the same."""
    info = written(tmp_path, hard_recording(13, [700, 300]))
    path = tmp_path / info.file
    table = pq.ParquetFile(path).read()
    assert not any(field.nullable for field in table.schema)
    now = [facts(frame) for frame in frames_of(load_recording(tmp_path, info, conditions=CONDITIONS), frame_s=0.03)]
    before = pa.table({name: table[name] for name in table.column_names}, metadata=table.schema.metadata)
    pq.write_table(before, path, use_dictionary=["stretch", "phase", "anomaly"], max_rows_per_page=100)
    assert all(field.nullable for field in pq.read_schema(path))
    stream = stream_recording(tmp_path, info, conditions=CONDITIONS, piece_n=30)
    assert [facts(frame) for frame in frames_of(stream, frame_s=0.03)] == now


def test_unknown_conditions_are_nan(tmp_path):
    """A speed that the file does not have is not guessed."""
    recording = dataclasses.replace(hard_recording(6, [10]), conditions=("n1_hz", "n2_hz"))
    info = written(tmp_path, recording)
    table = pq.ParquetFile(tmp_path / info.file).read()
    pq.write_table(table.drop_columns(["n2_hz"]), tmp_path / info.file)
    (piece,) = stream_recording(tmp_path, info, conditions=CONDITIONS, piece_n=10).stretches
    assert np.isnan(piece.conditions[:, 1]).all()
    assert not np.isnan(piece.conditions[:, 0]).all()


def keep(n):
    """Only the first ``n`` rows."""
    return lambda path, table: pq.write_table(table.slice(0, n), path)


def twist(path, table):
    """Other bytes in the middle of the file, which only who reads on meets."""
    pq.write_table(table, path, row_group_size=500, use_dictionary=False)
    data = bytearray(path.read_bytes())
    middle = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    data[middle : middle + 64] = bytes(64)
    path.write_bytes(data)


def more(path, table):
    """One stretch more than the metadata state."""
    stretch = pa.array(np.arange(table.num_rows, dtype=np.int32) // 500)
    pq.write_table(table.set_column(table.column_names.index("stretch"), "stretch", stretch), path)


BAD = {
    "too few stretches": (keep(900), "stretch: expected 2 stretches, got 1; preprocess again"),
    "too many stretches": (more, "stretch: expected 2 stretches, got 3; preprocess again"),
    "no samples": (keep(0), "expected samples, got none"),
    "no channel": (lambda path, table: pq.write_table(table.drop_columns(["acc_0"]), path), "acc_0: expected a column"),
    "cut short": (lambda path, _: path.write_bytes(path.read_bytes()[:-9]), "expected a complete Parquet file"),
    "twisted": (twist, "expected a complete Parquet file, got"),
    "other metadata": (
        lambda path, table: pq.write_table(table.replace_schema_metadata({b"enginear": b"{}"}), path),
        "expected the metadata of an interim file",
    ),
}


@pytest.mark.parametrize(("damage", "says"), BAD.values(), ids=BAD.keys())
def test_damaged_files_are_refused(tmp_path, monkeypatch, damage, says):
    """At the latest when the damage is met: file, what was expected and came, and what to do."""
    monkeypatch.setattr(interim_stream, "BATCH_N", 300)
    info = written(tmp_path, hard_recording(7, [1000, 500]))
    path = tmp_path / info.file
    damage(path, pq.ParquetFile(path).read())
    with pytest.raises(DataError) as refused:
        list(stream_recording(tmp_path, info, conditions=CONDITIONS, piece_n=100).stretches)
    assert says in str(refused.value)
    assert "hard.parquet" in str(refused.value)


def test_speeds_are_those_of_the_first_sample(tmp_path):
    """Of each frame, also in a later piece: an unknown one is left out."""
    recording = hard_recording(8, [100])
    conditions = np.full((100, 2), np.nan)
    conditions[50:, 0] = 7.0
    stretch = dataclasses.replace(recording.stretches[0], conditions=conditions, phases=(PhaseRun(0, "x"),))
    info = written(tmp_path, dataclasses.replace(recording, stretches=(stretch,)))
    frames = frames_of(stream_recording(tmp_path, info, conditions=CONDITIONS, piece_n=10), frame_s=0.01)
    speeds = [frame.speed_hz.get("n1", math.nan) for frame in frames]
    assert np.isnan(speeds[:5]).all()
    assert speeds[5:] == [7.0] * 5
