"""The window that a person asks for is the agent's, to the bit, and no other."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ground.errors import DataError
from ground.features import window_search
from ground.features.excerpt import read_excerpt
from ground.features.recording_choice import choose_recording
from ground.interim import interim_bytes
from ground.recording_index import INDEX_NAME, read_table, table_bytes
from ground.recordings import load_recording, read_index
from ground.window_extraction import windows_of
from shared_features.groups import ShaftSpec
from shared_features.rotation import RotationLog
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

HEALTHY, OUTER, FLAT = (f"sim-e{engine:04d}-f000" for engine in range(3))
S = 10**9


def info_of(folder, name):
    """The row of a recording."""
    return next(info for info in read_index(folder) if info.recording_id == name)


def windows_by_start(folder, name, spec):
    """All windows of a recording as the agent makes them, by their start in seconds."""
    info = info_of(folder, name)
    recording = load_recording(folder, info, conditions=spec.speeds)
    return {(window.start_ns - info.start_ns) / S: window for window in windows_of(recording, spec)}


@pytest.mark.parametrize("name", [HEALTHY, OUTER, FLAT])
def test_every_window_is_the_agents(fleet, people_spec, name):
    """Values, phase, times and reason of each window, asked for at its start or before the next begins."""
    windows = windows_by_start(fleet, name, people_spec)
    assert len(windows) == 29
    for later_s, (start_s, window) in zip(itertools.cycle((0.0, 0.999)), windows.items(), strict=False):
        excerpt = read_excerpt(fleet, info_of(fleet, name), people_spec, start_s + later_s)
        assert (excerpt.start_s, excerpt.end_s) == (start_s, start_s + 2.0)
        assert (excerpt.phase, excerpt.reason) == (window.phase, window.reason)
        assert excerpt.values.tobytes() == window.values.tobytes()


def test_the_flat_sensor_has_its_reason(fleet, people_spec):
    """The fixture holds windows with and without one."""
    reasons = {window.reason for window in windows_by_start(fleet, FLAT, people_spec).values()}
    assert {"", "flatline"} <= reasons


def test_samples_and_speeds_are_those_of_the_recording(fleet, people_spec):
    """Channels in the order of the spec; speeds as reported."""
    spec = replace(people_spec, channels=people_spec.channels[::-1])
    info = info_of(fleet, HEALTHY)
    excerpt = read_excerpt(fleet, info, spec, 7.5)
    whole = load_recording(fleet, info, conditions=spec.speeds).stretches[0]
    inside = slice(7 * 10240, 9 * 10240)
    assert np.array_equal(excerpt.samples, whole.samples[inside][:, ::-1])
    assert np.array_equal(excerpt.speeds_hz["n1"], whole.conditions[inside, 0])
    records = list(excerpt.records(1))
    assert np.array_equal(np.concatenate(records), excerpt.samples[:, 1])
    assert all(record.flags.c_contiguous and record.shape == (10240,) for record in records)
    for (n1, n2), part in zip(excerpt.rotations, np.split(excerpt.speeds_hz["n1"], 2), strict=True):
        assert n1.mean_hz == pytest.approx(part.mean(), rel=2e-3)
        assert n2.mean_hz > n1.mean_hz


def interim_copy(fleet, folder, name, seconds=((0, 30),), offset_s=0.0):
    """The flight as an interim file of one or more stretches, spans of seconds; all of it ``offset_s`` later."""
    info = info_of(fleet, name)
    (whole,) = load_recording(fleet, info, conditions=("n1_hz", "n2_hz")).stretches
    rate = round(info.sampling_rate_hz)
    parts = [window_search.slice_piece(whole, round(a * rate), round(b * rate)) for a, b in seconds]
    shifted = [
        replace(part, first_n=0, start_ns=whole.start_ns + round((a + offset_s) * S))
        for part, (a, _) in zip(parts, seconds, strict=True)
    ]
    folder.mkdir(exist_ok=True)
    table = read_table(fleet / INDEX_NAME)
    rows = [{**row, "n_samples": ""} for row in table.rows]
    (folder / INDEX_NAME).write_bytes(table_bytes(table.columns, rows))
    (folder / info.file).parent.mkdir(exist_ok=True)
    recording = load_recording(fleet, info, conditions=("n1_hz", "n2_hz"))
    (folder / info.file).write_bytes(interim_bytes(replace(recording, stretches=tuple(shifted))))
    return folder


def test_preprocessed_recordings_give_the_same(fleet, people_spec, tmp_path):
    """They come piece by piece; the bits do not care."""
    folder = interim_copy(fleet, tmp_path / "interim", OUTER)
    for at_s in (0.0, 1.0, 12.3, 29.9):
        one = read_excerpt(fleet, info_of(fleet, OUTER), people_spec, at_s)
        other = read_excerpt(folder, info_of(folder, OUTER), people_spec, at_s)
        assert one.values.tobytes() == other.values.tobytes()
        assert one.samples.tobytes() == other.samples.tobytes()


def test_no_more_is_read_than_the_window_needs(fleet, people_spec, tmp_path, monkeypatch):
    """A recording of hours: what comes after the window stays on the disk, what came before is let go."""
    folder = interim_copy(fleet, tmp_path / "interim", HEALTHY)
    stream, joined_n = window_search.stream_recording, []

    def guarded(*arguments, **options):
        recording = stream(*arguments, **options)
        # The window from 20 to 22 s: pieces have 12, 1 and 11 s, so it is complete with the third of them.
        return replace(recording, stretches=itertools.islice(recording.stretches, 3))

    def counted(pieces):
        joined_n.append(sum(len(piece.samples) for piece in pieces))
        return join(pieces)

    join = window_search.join_pieces
    monkeypatch.setattr(window_search, "stream_recording", guarded)
    monkeypatch.setattr(window_search, "join_pieces", counted)
    excerpt = read_excerpt(folder, info_of(folder, HEALTHY), people_spec, 20.0)
    assert excerpt.start_s == 20.0
    assert joined_n[0] < 150_000


def test_the_last_window_covers_the_end(fleet, people_spec, tmp_path):
    """Where no window begins any more, the last one that holds the moment is shown."""
    folder = interim_copy(fleet, tmp_path / "gaps", HEALTHY, seconds=((0, 8.5), (10, 18.25)))
    info = info_of(folder, HEALTHY)
    for at_s, start_s in ((7.9, 6.0), (17.9, 16.0), (10.0, 10.0), (12.5, 12.0)):
        assert read_excerpt(folder, info, people_spec, at_s).start_s == start_s


OUTSIDE = [
    (-0.5, "has samples, got -0.5 s; the nearest are those from 0 to 8.5 s"),
    (9.0, "has samples, got 9 s; the nearest are those from 0 to 8.5 s and from 10 to 18.25 s"),
    (30.0, "has samples, got 30 s; the nearest are those from 20 to 21 s"),
    (8.25, "in a window of 2 s of sim-e0000-f000, got 8.25 s; its samples from 0 to 8.5 s are too few for one there"),
    (20.5, "in a window of 2 s of sim-e0000-f000, got 20.5 s; its samples from 20 to 21 s are too few for one there"),
    (float("nan"), "expected seconds from the recording's start, got nan"),
    (float("inf"), "expected seconds from the recording's start, got inf"),
]


@pytest.mark.parametrize(("at_s", "expected"), OUTSIDE, ids=[str(row[0]) for row in OUTSIDE])
def test_a_time_without_a_window_is_told(fleet, people_spec, tmp_path, at_s, expected):
    """With the times around it at which there are samples."""
    folder = interim_copy(fleet, tmp_path / "gaps", HEALTHY, seconds=((0, 8.5), (10, 18.25), (20, 21)))
    with pytest.raises(DataError) as refused:
        read_excerpt(folder, info_of(folder, HEALTHY), people_spec, at_s)
    assert str(refused.value).startswith("--at: expected ")
    assert expected in str(refused.value)


def test_times_count_from_the_time_of_the_index(fleet, people_spec, tmp_path):
    """A file whose samples begin five seconds after ``start_ns``: 5 s is the first of them."""
    folder = interim_copy(fleet, tmp_path / "late", HEALTHY, offset_s=5.0)
    excerpt = read_excerpt(folder, info_of(folder, HEALTHY), people_spec, 5.0)
    assert excerpt.start_s == 5.0
    expected = read_excerpt(fleet, info_of(fleet, HEALTHY), people_spec, 0.0)
    assert excerpt.values.tobytes() == expected.values.tobytes()


def test_snapshots_are_windows_of_their_own(tiny_recordings):
    """Segments of a second, ten seconds apart: a moment between them has no samples."""
    spec = FeatureSpec(
        sampling_rate_hz=1024.0, record_s=0.25, window_s=1.0, hop_s=0.5, channels=(ChannelSpec("acc_1", "g"),),
        spectrum=SpectrumGroup(segment_n=64, overlap_n=32, bands_hz=((16.0, 128.0),)),
    )  # fmt: skip
    info = tiny_recordings.info("life")
    assert read_excerpt(tiny_recordings.folder, info, spec, 30.4).start_s == 30.0
    with pytest.raises(DataError, match=r"from 30 to 31 s and from 40 to 41 s"):
        read_excerpt(tiny_recordings.folder, info, spec, 35.0)


def test_pulses_before_the_window_count(tiny_recordings):
    """In a run-up the first pulse in a window tells less than that and the one before, as on board."""
    seconds = np.arange(20 * 1024) / 1024
    turns = np.floor(3.0 * seconds + 0.25 * seconds**2 + 0.3)
    levels = np.diff(turns, prepend=0.0).astype(np.int8)
    tiny_recordings.change("flight", lambda frame: frame.assign(tach_n1=levels))
    spec = FeatureSpec(
        sampling_rate_hz=1024.0, record_s=0.5, window_s=1.0, hop_s=0.5, channels=(ChannelSpec("acc_1", "g"),),
        shafts=(ShaftSpec("n1", "tach"),),
        spectrum=SpectrumGroup(segment_n=128, overlap_n=64, bands_hz=((16.0, 128.0),)),
    )  # fmt: skip
    excerpt = read_excerpt(tiny_recordings.folder, tiny_recordings.info("flight"), spec, 3.0)
    log = RotationLog(spec)
    log.note(0, np.zeros(0), {"n1": np.flatnonzero(levels).astype(np.float64)})
    expected = [log.rotations(start_n)[0].mean_hz for start_n in (3 * 1024, 3 * 1024 + 512)]
    assert [record[0].mean_hz for record in excerpt.rotations] == expected
    assert expected[1] > expected[0] > 4.0


MISFITS = [
    ("rate", {"sampling_rate_hz": 20480.0}, "sampling_rate_hz: expected 20480, as the spec says, got 10240"),
    ("channel", {"channels": (ChannelSpec("acc_9", "g"),)}, "channels: expected acc_9, as the spec says, got acc_1"),
    ("unit", {"channels": (ChannelSpec("acc_1", "m/s2"),)}, "signal_units: expected m/s2 for acc_1, as the spec says"),
]


@pytest.mark.parametrize(("changes", "expected"), [row[1:] for row in MISFITS], ids=[row[0] for row in MISFITS])
def test_a_recording_of_another_rig_is_refused(fleet, people_spec, changes, expected):
    """With the field and the way out."""
    with pytest.raises(DataError, match="give the config of this rig with --config") as refused:
        read_excerpt(fleet, info_of(fleet, HEALTHY), replace(people_spec, **changes), 1.0)
    assert f"{HEALTHY}: {expected}" in str(refused.value)


def test_a_recording_is_found_by_id_and_by_path(fleet, monkeypatch):
    """An absolute path, a relative one, an id."""
    path = fleet / "simulated" / f"{OUTER}.parquet"
    monkeypatch.chdir(fleet / "simulated")
    for name, data in ((OUTER, fleet), (str(path), fleet / "none"), (path.name, fleet / "none")):
        chosen = choose_recording(name, data)
        assert chosen.info.recording_id == OUTER
        assert chosen.folder.resolve() == fleet


def test_an_unknown_recording_is_told_with_those_that_are_near(fleet):
    """The closest names help with typing errors."""
    with pytest.raises(DataError, match="expected recording 'sim-e0001', got 3 others") as refused:
        choose_recording("sim-e0001", fleet)
    assert OUTER in str(refused.value)


def test_a_file_that_no_index_knows_is_refused(fleet, tmp_path):
    """Neither rate nor units are known of it."""
    lost = tmp_path / "lost.parquet"
    lost.write_bytes(b"")
    with pytest.raises(DataError, match=r"lost\.parquet: expected a file below a folder with recordings\.csv"):
        choose_recording(str(lost), fleet)
    folder = interim_copy(fleet, tmp_path / "more", HEALTHY)
    (folder / "more.csv").write_text("acc_1\n1\n")
    with pytest.raises(DataError, match=r"expected a row for more\.csv, got none"):
        choose_recording(str(folder / "more.csv"), fleet)
    with pytest.raises(DataError, match="name the folder with --data"):
        choose_recording(HEALTHY, tmp_path)
