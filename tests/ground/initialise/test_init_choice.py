"""What ``ground init`` chooses, and why: spans, groups, recordings, channels, sensor rules, contract."""

from __future__ import annotations

import re

import numpy as np
import pyarrow.parquet as pq
import pytest

from ground.errors import DataError
from ground.initialise import propose
from ground.initialise.groups import choose_groups
from ground.initialise.layout import Spans, lay_out
from ground.initialise.spans import Signal, choose_spans, held_by_nearly_all
from ground.recording_files import read_samples
from shared_features.fourier import is_smooth
from shared_features.spec import LONGEST_ROW_N

RATES_HZ = (200.0, 1000.0, 2048.0, 8192.0, 12_800.0, 25_600.0, 48_828.125, 51_200.0, 97_656.0, 10_007.0)


def signal(rate_hz, seconds, runs=1, **changes):
    """Some healthy runs of one length."""
    lengths = np.full(runs, round(rate_hz * seconds), dtype=np.int64)
    fields = {
        "slowest_hz": 0.0,
        "snapshot_n": lengths[0] if runs > 1 else 0,
        "is_torn": runs > 1,
        "limit_n": int(lengths.sum()),
        "n_channel": 1,
        **changes,
    }
    return Signal(rate_hz=rate_hz, healthy_n=lengths, longest_n=lengths, **fields)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("seconds", [0.1, 1.0, 5.0, 59.39, 3600.0])
def test_segments_fill_records_and_records_fill_windows(rate_hz, seconds):
    """Whatever the rate: half-overlapped segments, whole records, hops of whole records, nothing over the length."""
    one = signal(rate_hz, seconds)
    spans = choose_spans(one)
    assert spans.window_n % spans.record_n == 0
    assert spans.hop_n % spans.record_n == 0
    assert spans.hop_n <= spans.window_n <= one.healthy_n[0]
    if spans.segment_n:
        assert spans.segment_n <= LONGEST_ROW_N
        assert (spans.record_n - spans.segment_n) % (spans.segment_n - spans.overlap_n) == 0


def test_hours_give_windows_of_ten_seconds():
    """As long as possible up to 10 s."""
    assert choose_spans(signal(25_600.0, 7200.0)).window_n == 256_000


def test_a_short_snapshot_is_a_window():
    """Of 1.28 s, two hundred times; nothing is cut off it and windows do not overlap."""
    spans = choose_spans(signal(25_600.0, 1.28, runs=400))
    assert (spans.window_n, spans.hop_n) == (32_768, 32_768)


@pytest.mark.parametrize("snapshot_n", [2559, 2560, 20_000, 32_768, 12_345, 65_537, 10_007])
def test_nothing_of_a_snapshot_is_left_over(snapshot_n):
    """What no window covers is said to be a gap, and there is one rest a snapshot: half of all windows, unassessed."""
    lengths = np.full(500, snapshot_n, dtype=np.int64)
    one = Signal(
        rate_hz=25_600.0, healthy_n=lengths, longest_n=lengths[:5], snapshot_n=snapshot_n, slowest_hz=0.0, is_torn=True,
        limit_n=int(lengths.sum()), n_channel=2,
    )  # fmt: skip
    spans = choose_spans(one)
    assert (snapshot_n - spans.window_n) % spans.hop_n == 0
    assert spans.segment_n == 0 or (spans.record_n - spans.segment_n) % (spans.segment_n - spans.overlap_n) == 0


@pytest.mark.parametrize("window_n", [2559, 12_345, 10_007])
def test_records_of_any_length_have_a_spectrum(window_n):
    """Segments of lengths whose transform has the same bits everywhere, overlapped by a quarter to a half."""
    spans = lay_out(window_n, 25_600.0, overlap=1, exact=True)
    assert spans.window_n == window_n
    assert is_smooth(spans.segment_n)
    assert spans.segment_n / 4 <= spans.overlap_n <= spans.segment_n / 2


def test_gaps_shorten_windows():
    """A gap a second: the rests that no window covers would be half of all windows."""
    lengths = np.random.default_rng(2).integers(500, 4000, size=300)
    fields = {"slowest_hz": 0.0, "limit_n": int(lengths.sum()), "n_channel": 2, "snapshot_n": 0}
    spans = choose_spans(
        Signal(rate_hz=2000.0, healthy_n=lengths, longest_n=np.array([4000] * 3), is_torn=True, **fields)
    )
    windows = np.maximum(0, (lengths - spans.window_n) // spans.hop_n + 1).sum()
    assert windows / (windows + 300) >= 0.9


def test_windows_hold_five_turns():
    """A slow shaft in short recordings: fewer windows, rather than parts of turns."""
    spans = choose_spans(signal(10_000.0, 20.0, slowest_hz=5.0))
    assert spans.window_n >= 10_000


def test_a_minute_gives_a_hundred_windows_of_a_thousand_samples():
    """Short enough for enough windows, not so short that kurtosis means nothing."""
    one = signal(20_000.0, 60.0)
    spans = choose_spans(one)
    assert spans.window_n >= 1024
    assert one.windows(spans.window_n, spans.hop_n) >= 120


def test_slow_values_have_no_spectrum():
    """Windows of a minute at 1 Hz."""
    spans = choose_spans(signal(1.0, 20_000.0))
    assert (spans.window_n, spans.record_n, spans.segment_n) == (60, 10, 0)


SPANS = Spans(record_n=25_600, window_n=25_600, hop_n=25_600, segment_n=5120, overlap_n=2560)


@pytest.mark.parametrize(("windows", "n_bands"), [(100, 8), (400, 13), (100_000, 32)])
def test_bands_are_as_many_as_windows_bear(windows, n_bands):
    """Thirteen windows a feature: 12 of the waveform, 5 of the spectrum's shape, and the bands."""
    assert choose_groups(SPANS, rate_hz=25_600.0, units=["g"], windows=windows).n_bands == n_bands


@pytest.mark.parametrize(
    ("units", "rate_hz", "velocity_hz", "why"),
    [
        (["g", "g"], 25_600.0, (10.0, 1000.0), ""),
        (["g", "bar"], 25_600.0, (0.0, 0.0), "not all in g"),
        (["unknown"], 25_600.0, (0.0, 0.0), "not all in g"),
        (["m/s2"], 204_800.0, (0.0, 0.0), "lines lie 40 Hz apart"),
        (["m/s2"], 100.0, (0.0, 0.0), "sampling rate is too low"),
    ],
)
def test_velocity_is_integrated_from_accelerations(units, rate_hz, velocity_hz, why):
    """In one unit, where lines lie close enough for 10 Hz and the rate reaches beyond it."""
    groups = choose_groups(SPANS, rate_hz=rate_hz, units=units, windows=1000)
    assert groups.velocity_hz == velocity_hz
    assert why in groups.why_no_velocity


def test_the_larger_group_is_taken_and_the_rest_named(bench, featurized):
    """Other rates, other channels and empty ones are left out by the config, and the stages then run."""
    bench.rows[0]["sampling_rate_hz"] = "4000"
    bench.rows[4]["channels"] = "a"
    bench.files["r1"]["b"][:] = np.nan
    folder = bench.write()
    proposal = propose(folder)
    assert proposal.recordings == ("r2", "r3", "r5")
    assert proposal.config.preprocess.leave_out == ("r0", "r1", "r4")
    said = next(doubt for doubt in proposal.doubts if "r0" in doubt)
    assert "r0 (4000 Hz instead of 2000 Hz), r1 (channel b is empty), r4 (no channel b)" in said
    assert set(featurized(proposal, folder)["recording_id"]) == {"r2", "r3", "r5"}


def test_rules_that_refuse_healthy_time_are_switched_off(bench, featurized):
    """A tachometer among the channels looks like a flat sensor; it is no broken one."""
    for columns in bench.files.values():
        columns["b"] = ((np.arange(40_000) * 25 / 2000) % 1 < 0.1).astype(np.float32)
    folder = bench.write()
    proposal = propose(folder)
    assert proposal.config.features.quality.flat_repeat_ratio == 1.0
    assert any("flatline): these rules are switched off" in doubt for doubt in proposal.doubts)
    assert (featurized(proposal, folder)["reason"] == "").all()


def test_a_dead_channel_is_left_out(bench):
    """Constant in all healthy time, it would refuse every window, whatever the rules."""
    for columns in bench.files.values():
        columns["b"][:] = 3.25
    proposal = propose(bench.write())
    assert [channel.name for channel in proposal.config.signal.channels] == ["a"]
    assert proposal.config.features.quality.flat_run_ratio == 0.1
    assert any("channels b" in doubt for doubt in proposal.doubts)


def test_large_numbers_get_a_contract_of_their_own(bench, featurized):
    """Pascals pass 10,000; the packaged contract would refuse them."""
    for columns in bench.files.values():
        columns["a"] *= np.float32(1e6)
    folder = bench.write()
    proposal = propose(folder)
    assert "minimum: -100000000, maximum: 100000000" in proposal.contract_yaml
    assert proposal.config.contract == "contract.yaml"
    assert len(featurized(proposal, folder))


def test_a_unit_that_is_too_large_is_doubted(bench, featurized):
    """Metres for micrometres: the scaler takes most of the features for nothing, and no fault is heard there."""
    assert not any("too small for their unit" in doubt for doubt in propose(bench.write()).doubts)
    for columns in bench.files.values():
        columns["b"] *= np.float32(1e-6)
    folder = bench.write()
    proposal = propose(folder)
    (doubt,) = (doubt for doubt in proposal.doubts if "too small for their unit" in doubt)
    assert doubt.startswith("too small for their unit: b (")
    assert len(featurized(proposal, folder))


def test_healthy_specimens_are_kept_apart_from_eight_on(bench):
    """Fewer are cut by time."""
    assert propose(bench.write()).config.split.strategy == "by_time"
    for index in range(10):
        columns = {name: bench.vibration(40_000, 2000) for name in ("a", "b")}
        bench.add(f"s{index}", columns, rate_hz=2000, dataset="bench", unit_id=f"s{index}")
    assert propose(bench.write()).config.split.strategy == "by_unit"


@pytest.mark.parametrize(
    ("seconds", "window_s", "k", "n"), [(20, 4.0, 3, 5), (11, 10.0, 1, 1)], ids=["shorter windows", "fewer windows"]
)
def test_short_recordings_of_any_label_can_alarm(rig, seconds, window_s, k, n):
    """Twelve faulty recordings beside a healthy hour: 3 of 5 windows of 10 s, and none could ever alarm."""
    rig.add("long", {"a": rig.vibration(500 * 3600, 500)}, rate_hz=500)
    for index in range(12):
        rig.add(f"f{index}", {"a": rig.vibration(500 * seconds, 500)}, rate_hz=500, label="faulty", unit_id="u2")
    config = propose(rig.write()).config
    assert (config.features.window_s, config.decision.k, config.decision.n) == (window_s, k, n)


@pytest.mark.parametrize(("n", "fewer"), [(1, 0), (2, 0), (9, 0), (10, 1), (12, 1), (19, 1), (20, 2), (21, 2), (30, 3)])
def test_a_tenth_of_the_recordings_may_hold_fewer(n, fewer):
    """No more than a tenth, and not one in nine."""
    assert held_by_nearly_all(list(range(n))[::-1]) == fewer


@pytest.mark.parametrize("n_healthy", [9, 20])
def test_recordings_too_short_to_alarm_are_named(rig, n_healthy):
    """Where they are a tenth at most, so few that they do not shorten the alarm."""
    for index in range(n_healthy):
        rig.add(f"h{index}", {"a": rig.vibration(40_000, 2000)}, rate_hz=2000, unit_id=f"u{index}")
    rig.add("brief", {"a": rig.vibration(3000, 2000)}, rate_hz=2000, label="faulty", unit_id="sick")
    proposal = propose(rig.write())
    assert proposal.config.decision.k == 3
    assert any("of an alarm, so never alarmed: brief" in doubt for doubt in proposal.doubts), proposal.doubts


def lose_c(columns, row):
    """The faulty recordings do not have it."""
    del columns["c"]
    row["channels"] = "a;b"


def other_c(columns, row):
    """They have another one in its place."""
    columns["d"] = columns.pop("c")
    row["channels"] = "a;b;d"


ODD_FAULTS = {
    "a channel less": (lose_c, ["a", "b"], "g"),
    "an empty channel": (lambda columns, _row: columns["c"].fill(np.nan), ["a", "b"], "g"),
    "another channel": (other_c, ["a", "b"], "g"),
    "no unit": (lambda _columns, row: row.update(signal_units=""), ["a", "b", "c"], "unknown"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "channels", "unit"), ODD_FAULTS.values(), ids=ODD_FAULTS.keys())
def test_faulty_recordings_that_differ_a_little_are_kept(rig, featurized, change, channels, unit):
    """By what they have in common with healthy ones: all of them would be left out, and no recall measured."""
    for index in range(9):
        label = "healthy" if index < 5 else "faulty"
        rig.add(f"r{index}", {name: rig.vibration(20_000, 2000) for name in "abc"}, rate_hz=2000, label=label)
        if label == "faulty":
            change(rig.files[f"r{index}"], rig.rows[index])
    folder = rig.write()
    proposal = propose(folder)
    assert len(proposal.recordings) == 9
    assert [(channel.name, channel.unit) for channel in proposal.config.signal.channels] == [
        (c, unit) for c in channels
    ]
    assert set(featurized(proposal, folder)["label"]) == {0, 1}


def test_units_that_differ_are_not_taken_for_one_another(bench):
    """Where two are stated, one that is not stated fits neither."""
    for row, unit in zip(bench.rows, ["g", "g", "m/s2", "", "g", "m/s2"], strict=True):
        row["signal_units"] = unit
    assert propose(bench.write()).recordings == ("r0", "r1", "r4")


def test_one_poor_recording_costs_no_channel(bench):
    """Where most of the recordings of each label keep all channels, the poor one is left out."""
    bench.add("poor", {"a": bench.vibration(40_000, 2000)}, rate_hz=2000, dataset="bench")
    assert [channel.name for channel in propose(bench.write()).config.signal.channels] == ["a", "b"]


def test_one_recording_without_a_unit_costs_no_unit(bench):
    """It is left out, as velocity is made of known units only."""
    bench.rows[0]["signal_units"] = ""
    proposal = propose(bench.write())
    assert proposal.recordings == ("r1", "r2", "r3", "r4", "r5")
    assert {channel.unit for channel in proposal.config.signal.channels} == {"g"}


def test_a_brief_recording_leaves_specimens_apart(rig):
    """One of no window, of a unit with others or of its own, made all roles empty."""
    for index in range(12):
        rig.add(f"h{index}", {"a": rig.vibration(40_000, 2000)}, rate_hz=2000, unit_id=f"u{index}")
    for name, unit in (("brief", "u0"), ("stranger", "u12")):
        rig.add(name, {"a": rig.vibration(100, 2000)}, rate_hz=2000, unit_id=unit)
        assert propose(rig.write()).config.split.strategy == "by_unit"


def spotty(rig, shares):
    """Slow values, an hour and a half of them, of which so many are missing in each channel, here and there."""
    n = 6000
    columns = {f"c{index}": rig.vibration(n, 1, 0.01) for index in range(len(shares))}
    for column, share in zip(columns.values(), shares, strict=True):
        column[rig.rng.random(n) < share] = np.nan
    rig.add("h", columns, rate_hz=1, signal_units=";".join(["bar"] * len(shares)))
    return rig.write()


@pytest.mark.parametrize(
    ("shares", "window_s", "kept"),
    [
        ([0.0] * 8, 60.0, 8),
        ([0.01, *[0.0] * 7], 12.0, 8),
        ([0.01] * 8, 4.0, 8),
        ([0.5, 0.3, *[0.0] * 6], 60.0, 6),
        ([0.5, *[0.01] * 7], 4.0, 7),
    ],
    ids=["none", "in one", "in all", "many in two", "many in one, some in all"],
)
def test_missing_slow_values_shorten_windows(rig, shares, window_s, kept):
    """One in a hundred left no window of a minute, or every channel that lacked one was left out."""
    config = propose(spotty(rig, shares)).config
    assert (config.features.window_s, len(config.signal.channels)) == (window_s, kept)


@pytest.mark.parametrize("n_channel", [1, 4])
def test_an_outage_of_all_costs_neither_channels_nor_length(rig, n_channel):
    """A logger that was off for a third of the time: shorter windows, or fewer channels, would lose as much."""
    columns = {f"c{index}": rig.vibration(6000, 1, 0.01) for index in range(n_channel)}
    for column in columns.values():
        column[2000:4000] = np.nan
    rig.add("h", columns, rate_hz=1, signal_units=";".join(["bar"] * n_channel))
    config = propose(rig.write()).config
    assert (config.features.window_s, len(config.signal.channels)) == (60.0, n_channel)


def test_the_worst_channel_is_left_out_first(bench):
    """Another that is guilty beside it may do without it."""
    for columns in bench.files.values():
        columns["a"][::5000] = np.nan
        columns["b"][10_000:10_500] = np.nan
    proposal = propose(bench.write())
    assert [channel.name for channel in proposal.config.signal.channels] == ["b"]


def test_channels_that_go_cost_no_reading(bench, monkeypatch):
    """Recordings are read once, and again for other windows or limits: not for each channel, nor in silence."""
    for columns in bench.files.values():
        columns.update({f"c{index}": bench.vibration(40_000, 2000) for index in range(6)})
        for index in range(4):
            columns[f"c{index}"][:: 5000 * (index + 1)] = np.nan
    for row in bench.rows:
        row["channels"] = "a;b;c0;c1;c2;c3;c4;c5"
    folder = bench.write()
    reads, steps = [], []
    monkeypatch.setattr(
        "ground.initialise.sensors.read_samples", lambda *args: reads.append(args) or read_samples(*args)
    )
    proposal = propose(folder, progress=lambda step, done, total: steps.append((step, done, total)))
    assert [channel.name for channel in proposal.config.signal.channels] == ["a", "b", "c4", "c5"]
    assert len(reads) <= 3 * 4 + 3
    assert {("init: read", 6, 6), ("init: try sensors", 4, 4), ("init: compute features", 3, 3)} <= set(steps)


def test_findings_are_of_the_config_that_is_written(bench, monkeypatch):
    """Also where no trial is left: a tachometer's rules are off, and nothing is refused."""
    monkeypatch.setattr("ground.initialise.proposal._MOST_TRIALS", 1)
    for columns in bench.files.values():
        columns["b"] = ((np.arange(40_000) * 25 / 2000) % 1 < 0.1).astype(np.float32)
    proposal = propose(bench.write())
    assert proposal.config.features.quality.flat_repeat_ratio == 1.0
    assert not any("can be assessed" in doubt for doubt in proposal.doubts), proposal.doubts


UNREADABLE = {
    "missing file": (lambda rig: rig.rows[1].update(file="nope.parquet"), r"nope\.parquet: expected a complete Par"),
    "unknown label": (lambda rig: rig.rows[1].update(label="ok"), "r1: label: expected one of healthy, faulty"),
    "rate in words": (lambda rig: rig.rows[1].update(sampling_rate_hz="fast"), "r1: sampling_rate_hz: expected a pos"),
    "speed in words": (lambda rig: rig.rows[1].update(speed_rpm="1500 rpm"), "r1: speed_rpm: expected a positive num"),
    "channel that is not there": (lambda rig: rig.rows[1].update(channels="a;z"), r"r1\.parquet: z: expected a column"),
    "life without segments": (lambda rig: rig.rows[4].update(label="run_to_failure"), r"r4\.parquet: segment: expecte"),
    "mixed without labels": (lambda rig: rig.rows[4].update(label="mixed"), r"r4\.parquet: anomaly: expected a column"),
    "no samples": (
        lambda rig: rig.files.update(r2={"a": np.zeros(0, np.float32), "b": np.zeros(0, np.float32)}),
        r"r2\.parquet: expected samples, got none",
    ),
    "name of two lines": (
        lambda rig: (rig.rows[1].update(channels="a\nb"), rig.files["r1"].update({"a\nb": rig.files["r1"]["a"]})),
        "channels: expected names of 1 to 64 printable",
    ),
    "samples that no float32 holds": (
        lambda rig: rig.files["r2"].update(a=rig.files["r2"]["a"].astype(np.float64) * 1e307),
        r"r2\.parquet: expected samples that float32 holds \(up to 3.4e\+38\), got .*; export the recording",
    ),
    "cut short": (lambda rig: rig.rows[1].update(n_samples="40001.0"), "expected 40001 samples, as n_samples of the"),
    "name twice": (lambda rig: rig.rows[1].update(recording_id="r0"), "recording_id: expected different values, got r"),
    "file twice": (lambda rig: rig.rows[1].update(file="r0.parquet"), r"file: expected different values, got r0\.par"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "text"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_left_out(bench, featurized, spoil, text):
    """One bad recording ends nothing: file and field are told, and the next commands do without it."""
    spoil(bench)
    folder = bench.write()
    proposal = propose(folder)
    (doubt,) = (doubt for doubt in proposal.doubts if "cannot be read" in doubt)
    assert re.search(text, doubt)
    assert str(folder) not in proposal.config_yaml + doubt
    left_out = proposal.config.preprocess.leave_out
    assert left_out
    assert set(featurized(proposal, folder)["recording_id"]) == set(proposal.recordings)
    assert set(proposal.recordings).isdisjoint(left_out)


HOSTILE = {
    "nothing healthy": (lambda rig: [row.update(label="faulty") for row in rig.rows], "label: expected healthy time"),
    "three samples": (
        lambda rig: [part.update(a=part["a"][:3], b=part["b"][:3]) for part in rig.files.values()],
        "expected healthy time of 16 samples or more without a gap, got 3",
    ),
    "two datasets": (lambda rig: rig.rows[1].update(dataset="other"), "dataset: expected one of bench, other, got"),
    "healthy ones unreadable": (
        lambda rig: [row.update(file=f"no{row['file']}") for row in rig.rows[:4]],
        r"(?s)label: expected healthy time.*not read: nor0\.parquet",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "text"), HOSTILE.values(), ids=HOSTILE.keys())
def test_broken_folders_are_told_what_is_wrong(bench, spoil, text):
    """File and field, what was expected and what came."""
    spoil(bench)
    with pytest.raises(DataError, match=text):
        propose(bench.write())


def test_all_that_is_wrong_is_said_at_once(bench):
    """Not one error a run, where no recording is left."""
    for row in bench.rows:
        row["label"] = "ok"
    bench.rows[2].update(label="healthy", file="nope.parquet")
    with pytest.raises(DataError, match=r"(?s)r1: label.*nope\.parquet"):
        propose(bench.write())


ODD_CELLS = {
    "whole number of pandas": {"n_samples": "40000.0"},
    "standing still": {"speed_rpm": "0"},
    "no period": {"segment_period_s": "0.0"},
    "odd specimen": {"unit_id": "pump #3"},
    "specimen with a slash": {"unit_id": "A/B"},
    "odd name": {"recording_id": "Normal 0"},
    "odd dataset": {"dataset": "line 3/a"},
}


@pytest.mark.parametrize("cells", ODD_CELLS.values(), ids=ODD_CELLS.keys())
def test_cells_as_people_write_them_are_read(bench, featurized, cells):
    """Each recording is taken, and the next commands read it."""
    for row in bench.rows if "dataset" in cells else bench.rows[1:2]:
        row.update(cells)
    folder = bench.write()
    proposal = propose(folder)
    assert proposal.config.preprocess.leave_out == ()
    assert featurized(proposal, folder)["recording_id"].nunique() == 6


def test_lives_need_no_column_of_segments(rig, featurized):
    """Their length is enough; a whole healthy life is one segment; a life that says nothing is left out."""
    for name, cells in {
        "counted": {"healthy_segments": "0:50", "faulty_segments": "60:100", "segment_s": "1", "n_segments": "100"},
        "whole": {"healthy_segments": "0:1"},
        "mute": {},
    }.items():
        rig.add(name, {"a": rig.vibration(200_000, 2000)}, rate_hz=2000, label="run_to_failure", **cells)
    folder = rig.write()
    proposal = propose(folder)
    assert proposal.config.preprocess.leave_out == ("mute",)
    rows = featurized(proposal, folder)
    labels = rows.groupby("recording_id")["label"].agg(lambda column: sorted(set(column)))
    assert labels["counted"] == [-1, 0, 1]
    assert labels["whole"] == [0]


ODD_STAMPS = {
    "float32 of a day later": lambda n: (86_400 + np.arange(n) / 2000).astype(np.float32),
    "set back": lambda n: np.arange(n) / 2000 - 3.0 * (np.arange(n) >= 20_000),
    "begun again": lambda n: np.arange(n) % 4000 / 2000,
}


@pytest.mark.parametrize("stamps", ODD_STAMPS.values(), ids=ODD_STAMPS.keys())
def test_odd_stamps_are_counted_and_doubted(bench, featurized, stamps):
    """No recording is lost for its clock, up to the table of windows."""
    for part, row in zip(bench.files.values(), bench.rows, strict=True):
        part.update(time_s=stamps(40_000), segment=np.arange(40_000) // 4000)
        row.update(channels="a;b")
    folder = bench.write()
    proposal = propose(folder)
    assert any("samples are counted there: r0" in doubt for doubt in proposal.doubts)
    assert featurized(proposal, folder)["recording_id"].nunique() == 6


@pytest.mark.parametrize(("stated", "left_out"), [("2000.1", ()), ("2001", ("r1",))])
def test_a_rate_may_be_rounded_in_the_file(bench, featurized, stated, left_out):
    """Metadata state the rate with other digits: the next commands read it; another rate is told by ``ground init``."""
    folder = bench.write()
    path = folder / "r1.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({"sampling_rate_hz": stated}), path)
    proposal = propose(folder)
    assert proposal.config.preprocess.leave_out == left_out
    assert featurized(proposal, folder)["recording_id"].nunique() == 6 - len(left_out)


def test_odd_names_stay_apart_and_are_told(bench):
    """Different names never become one, and the doubt has both."""
    bench.rows[0]["recording_id"], bench.rows[1]["recording_id"] = "Normal 0", "Normal+0"
    proposal = propose(bench.write())
    assert len(set(proposal.recordings)) == 6
    (doubt,) = (doubt for doubt in proposal.doubts if "renamed" in doubt)
    assert "'Normal 0' is Normal_0-" in doubt
    assert "'Normal+0' is Normal_0-" in doubt


DOUBTS = {
    "few recordings": (lambda rig: rig.rows, "4 healthy recordings: .*needs 59 for .*1 %: 299.*INSUFFICIENT"),
    "one specimen": (lambda rig: rig.rows, "one healthy specimen"),
    "missing samples": (lambda rig: rig.files["r0"]["a"].__setitem__(5, np.nan), "missing samples.*: r0"),
    "no faults": (lambda rig: [row.update(label="healthy") for row in rig.rows], "no faulty time"),
    "unit unknown": (lambda rig: [row.update(signal_units="") for row in rig.rows], "unit unknown: a, b"),
    "speed of one": (lambda rig: rig.rows[0].update(speed_rpm="1500"), "speed is known of some recordings only"),
    "faults at one speed": (
        lambda rig: [row.update(speed_rpm=str(1200 if row["label"] == "faulty" else 1200 + 60 * number))
                     for number, row in enumerate(rig.rows)],
        "faults at one speed only",
    ),
    "segments without a period": (
        lambda rig: [part.update(segment=np.repeat(np.arange(10), 4000)) or row.update(channels="a;b")
                     for part, row in zip(rig.files.values(), rig.rows, strict=True)],
        "time between segments is not stated",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "text"), DOUBTS.values(), ids=DOUBTS.keys())
def test_doubts_are_said(bench, change, text):
    """What a person should know before he believes the detector."""
    change(bench)
    proposal = propose(bench.write())
    assert any(re.search(text, doubt) for doubt in proposal.doubts), proposal.doubts
