"""Tachometers of recordings: from a column to pulses, through interim files and frames, and on to the payload."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire import decode_frame, encode_frame
from ground.contract_custom import SamplesContext, needed_in_samples
from ground.errors import DataError
from ground.frames import frame_s_of, frames_for, frames_of
from ground.interim import interim_bytes, read_interim
from ground.recording_files import read_samples
from ground.recordings import load_recording, read_index
from ground.tach import rising_edges
from shared_features.groups import ShaftSpec
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

RATE_HZ = 1024
N = 20 * RATE_HZ
EDGES = {
    "one sample each": ([0, 1, 0, 0, 1, 0], [1, 4]),
    "as long as it lasts": ([0, 1, 1, 1, 0, 1, 1], [1, 5]),
    "high at first": ([1, 1, 0, 1], [3]),
    "a pulse that nobody saw rise": ([1, 0, 0], []),
    "half is not above": ([0.0, 0.5, 0.51, 0.5, 0.6], [2, 4]),
    "truth values": ([False, True, False], [1]),
    "missing values are low": ([0.0, np.nan, 1.0, np.nan, 1.0], [2, 4]),
    "unsigned counts": (np.array([0, 255, 0, 255], dtype=np.uint8), [1, 3]),
    "always high": ([1, 1, 1], []),
    "one sample": ([1], []),
    "nothing": ([], []),
}


@pytest.mark.parametrize(("levels", "expected"), EDGES.values(), ids=EDGES.keys())
def test_rising_edges(levels, expected):
    """A pulse begins at the sample above one half whose predecessor is not."""
    assert rising_edges(np.asarray(levels)).tolist() == expected


def levels_of(pulses, n=N):
    """A tachometer's column with pulses of three samples."""
    levels = np.zeros(n, dtype=np.int8)
    for offset in range(3):
        levels[np.minimum(pulses + offset, n - 1)] = 1
    return levels


PULSES = np.arange(17, N - 5, 51)


@pytest.fixture
def with_tach(tiny_recordings):
    """The tiny recordings; the flight has a tachometer on its first shaft."""
    tiny_recordings.change("flight", lambda frame: frame.assign(tach_n1=levels_of(PULSES)))
    return tiny_recordings


def load(tiny, name="flight"):
    """One tiny recording."""
    return load_recording(tiny.folder, tiny.info(name), conditions=("n1_hz",))


def absolute(frames):
    """All pulses of the first shaft, as samples since the frames began."""
    found, seen_n = [], 0
    for frame in frames:
        found += (frame.tach["n1"] + seen_n).tolist()
        seen_n += len(frame.samples)
    return found


def test_pulses_come_with_the_stretch(with_tach):
    """Positions count from the stretch's first sample, as float64 that nobody can write to."""
    (stretch,) = load(with_tach).stretches
    assert list(stretch.tach) == ["n1"]
    assert stretch.tach["n1"].dtype == np.float64
    assert stretch.tach["n1"].tolist() == PULSES.tolist()
    with pytest.raises(ValueError, match="read-only"):
        stretch.tach["n1"][0] = 1.0


def test_without_a_column_there_is_no_tach(tiny_recordings):
    """Other recordings are as they were: no shaft has a tachometer, and no frame says so."""
    recording = load(tiny_recordings)
    assert recording.stretches[0].tach == {}
    assert next(frames_of(recording, frame_s=1.0)).tach == {}
    assert "tach_n1" not in pq.read_schema(_interim(recording, tiny_recordings.folder)).names


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float32, np.float64])
def test_any_kind_of_number_will_do(with_tach, dtype):
    """Truth values, counts and floats give the same pulses."""
    with_tach.change("flight", lambda frame: frame.assign(tach_n1=frame["tach_n1"].astype(dtype)))
    assert load(with_tach).stretches[0].tach["n1"].tolist() == PULSES.tolist()


def test_csv_gives_the_same_pulses(tiny_recordings):
    """A CSV of zeros and ones is a tachometer too."""
    pulses = np.arange(9, 5000, 33)
    tiny_recordings.change("bench", lambda frame: frame.assign(tach_n2=levels_of(pulses, len(frame))))
    (stretch,) = load(tiny_recordings, "bench").stretches
    assert {shaft: found.tolist() for shaft, found in stretch.tach.items()} == {"n2": pulses.tolist()}


def test_text_is_refused(with_tach):
    """A column of words is named."""
    with_tach.change("flight", lambda frame: frame.assign(tach_n1="pulse"))
    with pytest.raises(DataError, match=r"tach_n1: expected numbers, got large_string; convert the column"):
        load(with_tach)


def test_a_pulse_that_rose_in_a_gap_is_none(with_tach):
    """High at the first sample after a gap: where the pulse began is not known."""
    first_n = int(PULSES[100]) + 1

    def tear(frame):
        return frame.assign(time_s=frame["time_s"] + 3.0 * (frame.index >= first_n))

    with_tach.change("flight", tear)
    before, after = load(with_tach).stretches
    assert before.tach["n1"].tolist() == PULSES[:101].tolist()
    assert after.tach["n1"].tolist() == (PULSES[101:] - first_n).tolist()


def _interim(recording, folder):
    path = folder / "interim.parquet"
    path.write_bytes(interim_bytes(recording))
    return path


def reread(recording, folder):
    """The recording out of its interim file."""
    file = read_samples(_interim(recording, folder), recording.info.channels)
    return read_interim(recording.info, file, conditions=recording.conditions)


def test_interim_keeps_the_pulses(with_tach):
    """One byte a sample that is 1 where a pulse begins; reading it back gives the same, and so do the same bytes."""
    recording = load(with_tach)
    again = reread(recording, with_tach.folder)
    assert again.stretches[0].tach["n1"].tobytes() == recording.stretches[0].tach["n1"].tobytes()
    column = pq.read_table(with_tach.folder / "interim.parquet").column("tach_n1")
    assert str(column.type) == "int8"
    assert np.flatnonzero(column.to_numpy()).tolist() == PULSES.tolist()
    assert interim_bytes(again) == interim_bytes(recording)


def test_preprocess_keeps_the_pulses(tiny_stage):
    """Through the whole stage: the interim recording has the raw one's pulses, and the column is not left out."""
    tiny_stage.raw.change("flight", lambda frame: frame.assign(tach_n1=levels_of(PULSES)))
    report = tiny_stage.run()
    info = next(info for info in map(tiny_stage.raw.info, ["flight"]))
    raw = load_recording(tiny_stage.workspace.raw, info, conditions=())
    interim = load_recording(tiny_stage.workspace.interim, replace(info, file="flight.parquet"), conditions=())
    assert interim.stretches[0].tach["n1"].tobytes() == raw.stretches[0].tach["n1"].tobytes()
    assert next(row for row in report.recordings if row.recording_id == "flight").left_out_columns == ()


@pytest.mark.parametrize("frame_s", [1 / 1024, 0.03, 0.1, 1.0, 60.0])
def test_frames_hold_each_pulse_once(with_tach, frame_s):
    """However they are cut: in its frame, before its end, on the place where it was."""
    frames = list(frames_of(load(with_tach), frame_s=frame_s))
    assert absolute(frames) == PULSES.tolist()
    assert all(0 <= pulse < len(frame.samples) for frame in frames for pulse in frame.tach["n1"])


def test_a_frame_without_a_pulse_says_so(with_tach):
    """Silence of a tachometer is told, not left out."""
    shortest = next(frames_of(load(with_tach), frame_s=4 / RATE_HZ))
    assert {shaft: pulses.size for shaft, pulses in shortest.tach.items()} == {"n1": 0}


@st.composite
def torn(draw):
    """Levels, the ends of stretches and of phases, and a frame length."""
    n = draw(st.integers(20, 300))
    levels = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), dtype=np.int8)
    cuts = sorted(draw(st.sets(st.integers(1, n - 1), max_size=4)))
    return levels, [0, *cuts, n], draw(st.integers(1, 60))


@settings(max_examples=80, deadline=None)
@given(case=torn())
def test_column_to_payload(tmp_path_factory, tiny_info, case):
    """Column -> recording -> interim -> frames -> bytes -> frames: the pulses that rose within a stretch, no others."""
    levels, edges, frame_n = case
    folder = tmp_path_factory.mktemp("torn")
    time_s = np.arange(len(levels)) / RATE_HZ + np.searchsorted(edges[1:], np.arange(len(levels)), side="right")
    samples = np.zeros(len(levels), dtype=np.float32)
    pd.DataFrame({"acc_1": samples, "tach_n1": levels, "time_s": time_s}).to_parquet(folder / "raw.parquet")
    info = replace(tiny_info, file="raw.parquet")
    recording = reread(load_recording(folder, info, conditions=()), folder)
    frames = [decode_frame(encode_frame(frame)) for frame in frames_of(recording, frame_s=frame_n / RATE_HZ)]
    expected = [n for n in range(1, len(levels)) if levels[n] and not levels[n - 1] and n not in edges]
    assert absolute(frames) == expected


@pytest.fixture(scope="module")
def tiny_info(tmp_path_factory):
    """The row of a recording at 1,024 Hz."""
    folder = tmp_path_factory.mktemp("index")
    cells = (
        "recording_id,file,unit_id,sampling_rate_hz,channels,signal_units,label\na,a.parquet,u,1024,acc_1,g,healthy\n"
    )
    (folder / "recordings.csv").write_text(cells)
    return read_index(folder)[0]


def spec_of(rate_hz, record_s, *shafts):
    """A spec of that rate and record."""
    return FeatureSpec(
        sampling_rate_hz=rate_hz, record_s=record_s, window_s=record_s, hop_s=record_s,
        channels=(ChannelSpec("acc_1", "g"),), shafts=shafts,
        spectrum=SpectrumGroup(segment_n=8, overlap_n=4, bands_hz=(), enabled=False),
    )  # fmt: skip


FRAME_LENGTHS = [
    # rate, record, samples of a frame
    (25600.0, 1.0, 2560),
    (10240.0, 1.0, 1024),
    (12000.0, 1.0, 1200),
    (12000.0, 0.1, 1200),
    (25600.0, 0.04, 1024),
    (1024.0, 0.25, 86),
    (44100.0, 1.0, 4410),
    (20001.0, 1.0, 1819),
    (25601.0, 1.0, 2328),
    (997.0, 1.0, 91),
    (100.0, 0.07, 7),
    (5.0, 2.0, 1),
]


@pytest.mark.parametrize(("rate_hz", "record_s", "frame_n"), FRAME_LENGTHS)
def test_frame_length_where_shafts_turn(rate_hz, record_s, frame_n):
    """As few frames as keep to a tenth of a second, also of prime lengths; without shafts a whole record, as ever."""
    for shaft in (ShaftSpec("n1"), ShaftSpec("n2", "tach")):
        spec = spec_of(rate_hz, record_s, shaft)
        assert round(frame_s_of(spec) * rate_hz) == frame_n
        assert spec.record_n - frame_n * (-(-spec.record_n // frame_n) - 1) > frame_n // 2
    assert frame_s_of(spec_of(rate_hz, record_s)) == record_s


@pytest.mark.parametrize("record_n", [97, 211, 256])
def test_a_record_begins_with_a_frame(with_tach, record_n):
    """In prime lengths, too: frames of up to a tenth of a second, the last of each record a little shorter."""
    spec = spec_of(RATE_HZ, record_n / RATE_HZ, ShaftSpec("n1", "tach"))
    recording = load(with_tach)
    starts, samples = [], 0
    for frame in frames_for(spec, recording):
        starts.append(samples)
        samples += len(frame.samples)
        assert len(frame.samples) <= 0.1 * RATE_HZ
    assert samples == sum(len(stretch.samples) for stretch in recording.stretches)
    assert set(range(0, samples, record_n)) <= set(starts)
    assert len(starts) <= 3 * (samples // record_n + 1) + len(recording.stretches[0].phases)


NEEDED = [
    # presence, column, needed
    ("configured_tach", "tach_n1", True),
    ("configured_tach", "tach_n2", False),
    ("configured_condition", "n1_hz", False),
    ("configured_condition", "n2_hz", True),
]


@pytest.mark.parametrize(("presence", "column", "needed"), NEEDED)
def test_columns_that_shafts_need(with_tach, tiny_config, presence, column, needed):
    """A shaft followed by tachometer needs that column, one followed by reports the other."""
    signal = {"sampling_rate_hz": RATE_HZ, "channels": [{"name": "acc_1", "unit": "g"}]}
    turning = tiny_config(signal={**signal, "shafts": [{"name": "n1", "source": "tach"}, {"name": "n2"}]})
    info = with_tach.info("flight")
    context = SamplesContext(turning, info, read_samples(with_tach.path("flight"), info.channels))
    assert needed_in_samples(presence, column, context) is needed
    assert not needed_in_samples(presence, column, replace(context, config=tiny_config(signal=signal)))
