"""Sensors that cannot be believed: preprocessing marks and counts them, by the functions that judge on board."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.stream import WindowStream
from ground.recordings import frames_of, load_recording, read_index
from ground.sensor_report import SensorFinding
from shared_features.record import RecordMaker

RATE_HZ = 1024
RECORD_N = 256
START_NS = 1_700_000_000_000_000_000
FEATURES = {"record_s": 0.25, "window_s": 0.25, "hop_s": 0.25}

REASONS = {
    **dict.fromkeys((10, 11, 12), "flatline"), 20: "dropout", 31: "clipped", 40: "spikes", 50: "bias_step",
    60: "not_finite", 70: "flatline",
}  # fmt: skip
"""Which records of the flight are spoiled, and how."""
_PLANT = {
    "flatline": lambda x: np.full_like(x, 0.25),
    "dropout": lambda x: np.where(np.arange(RECORD_N) // 24 == 5, np.float32(0), x),
    "clipped": lambda x: np.clip(x, -0.3, 0.3),
    "spikes": lambda x: np.where(np.arange(RECORD_N) == 100, np.float32(90), x),
    "bias_step": lambda x: x + np.where(np.arange(RECORD_N) < 130, np.float32(0), np.float32(8)),
    "not_finite": lambda x: np.where(np.arange(RECORD_N) == 7, np.float32(np.nan), x),
}


def spoil(samples, reasons):
    """Plant sensor faults into records."""
    samples = samples.to_numpy(np.float32).copy()
    for number, reason in reasons.items():
        record = slice(number * RECORD_N, (number + 1) * RECORD_N)
        samples[record] = _PLANT[reason](samples[record])
    return samples


@pytest.fixture
def spoiled(tiny_stage):
    """The report on the tiny recordings, the flight with planted sensor faults."""
    tiny_stage.raw.change("flight", lambda frame: frame.assign(acc_1=spoil(frame["acc_1"], REASONS)))
    return tiny_stage.run()


def of(report, name):
    """The report of one recording."""
    return next(row for row in report.recordings if row.recording_id == name)


def spans_of(report, kind):
    """Marks of a kind as (first record, record after the last, action, detail)."""
    return [
        ((mark.start_ns - START_NS) / 0.25e9, (mark.end_ns - START_NS) / 0.25e9, mark.action, mark.detail)
        for mark in report.marks
        if mark.recording_id == "flight" and mark.kind == kind
    ]


def test_every_reason_is_marked(spoiled):
    """One mark a run of records with the same reason; missing values keep their own kind."""
    assert spans_of(spoiled, "sensor_quality") == [
        (10.0, 13.0, "not_assessed", "acc_1: flatline"),
        (20.0, 21.0, "not_assessed", "acc_1: dropout"),
        (31.0, 32.0, "not_assessed", "acc_1: clipped"),
        (40.0, 41.0, "not_assessed", "acc_1: spikes"),
        (50.0, 51.0, "not_assessed", "acc_1: bias_step"),
        (70.0, 71.0, "not_assessed", "acc_1: flatline"),
    ]
    assert [span[:2] for span in spans_of(spoiled, "missing")] == [(60.0, 61.0)]


def test_every_reason_is_counted(spoiled, tiny_stage):
    """By recording, channel and reason, as objects and as JSON; a sound recording has nothing."""
    counts = {"not_finite": 1, "flatline": 4, "clipped": 1, "dropout": 1, "bias_step": 1, "spikes": 1}
    row = of(spoiled, "flight")
    assert row.sensors == tuple(SensorFinding(channel="acc_1", reason=r, records=n) for r, n in counts.items())
    assert (row.not_assessed_records, row.missing_records) == (9, 1)
    assert [of(spoiled, name).sensors for name in ("bench", "onset", "life")] == [(), (), ()]
    written = next(each for each in tiny_stage.report()["recordings"] if each["recording_id"] == "flight")
    assert written["sensors"] == [{"channel": "acc_1", "reason": r, "records": n} for r, n in counts.items()]


@pytest.mark.usefixtures("spoiled")
def test_the_page_counts_them(tiny_stage):
    """One line a channel, in the order of the reasons; the summary has the sum."""
    page = (tiny_stage.workspace.interim / "report.md").read_text()
    assert "| recording | channel | records | not_finite | flatline | clipped | dropout | bias_step | spikes |" in page
    assert "| flight | acc_1 | 80 | 1 | 4 | 1 | 1 | 1 | 1 |" in page
    assert "- **Sensors**: 9 records hold a channel that cannot be believed" in page
    assert "| 1 | 9 of 80 |" in page
    assert "| bench | acc_1 |" not in page


def test_the_page_of_sound_sensors(tiny_stage):
    """Nothing found is said, too."""
    tiny_stage.run()
    page = (tiny_stage.workspace.interim / "report.md").read_text()
    assert "All records of all channels can be believed." in page


@pytest.mark.usefixtures("spoiled")
def test_the_agent_finds_the_same(tiny_stage, tiny_config):
    """Window by window of one record, the agent gives the reasons that preprocessing marked."""
    spec = tiny_config(features=FEATURES).feature_spec()
    info = read_index(tiny_stage.workspace.interim)[0]
    recording = load_recording(tiny_stage.workspace.interim, info, conditions=("n1_hz",))
    stream = WindowStream(spec)
    windows = [window for frame in frames_of(recording, frame_s=0.25) for window in stream.push(frame)]
    found = {number: window.reason for number, window in enumerate(windows) if window.reason}
    assert {number: reason for number, reason in found.items() if reason != "phase_change"} == REASONS


def test_channels_are_judged_one_by_one(tiny_stage):
    """Each channel has its own counts and marks; a record of two broken channels is lost once."""
    second = {10: "spikes", 33: "dropout"}

    def change(frame):
        other = frame["acc_1"].to_numpy()[::-1].copy()
        return frame.assign(
            acc_1=spoil(frame["acc_1"], {10: "flatline"}), acc_2=spoil(frame.assign(acc_2=other)["acc_2"], second)
        )

    for name in ("flight", "bench", "onset", "life"):
        tiny_stage.raw.change(name, change if name == "flight" else lambda frame: frame.assign(acc_2=frame["acc_1"]))
        tiny_stage.raw.restate(name, channels="acc_1;acc_2", signal_units="g", data_sha256="")
    channels = [{"name": "acc_1", "unit": "g"}, {"name": "acc_2", "unit": "g"}]
    signal = {"sampling_rate_hz": RATE_HZ, "channels": channels, "conditions": ["n1_hz"]}
    report = tiny_stage.run(signal=signal)
    found = [(each.channel, each.reason, each.records) for each in of(report, "flight").sensors]
    assert found == [("acc_1", "flatline", 1), ("acc_2", "dropout", 1), ("acc_2", "spikes", 1)]
    assert of(report, "flight").not_assessed_records == 2
    page = (tiny_stage.workspace.interim / "report.md").read_text()
    assert "| flight | acc_2 | 80 | 0 | 0 | 0 | 1 | 0 | 1 |" in page
    assert [span[3] for span in spans_of(report, "sensor_quality")] == [
        "acc_1: flatline", "acc_2: spikes", "acc_2: dropout",
    ]  # fmt: skip


def test_a_gap_parts_marks(tiny_stage):
    """Two flat records on either side of a gap are two marks: no span of time without samples is judged."""

    def change(frame):
        late = frame["time_s"] + 2.0 * (frame.index >= 5 * RATE_HZ)
        return frame.assign(time_s=late, acc_1=spoil(frame["acc_1"], {19: "flatline", 20: "flatline"}))

    tiny_stage.raw.change("flight", change)
    assert [span[:2] for span in spans_of(tiny_stage.run(), "sensor_quality")] == [(19.0, 20.0), (28.0, 29.0)]


def test_what_is_not_assessed_is_not_judged_for_outliers(spoiled):
    """It trains nothing, so it neither stands out nor shapes what is usual."""
    row = of(spoiled, "flight")
    assert (row.judged_records, row.excluded_records, row.spared_records) == (80 - 9, 0, 0)


def test_levels_and_reasons_are_those_of_the_records(tiny_stage, tiny_config):
    """Bit by bit what the agent's own record holds."""
    tiny_stage.raw.change("flight", lambda frame: frame.assign(acc_1=spoil(frame["acc_1"], REASONS)))
    maker = RecordMaker(tiny_config(features=FEATURES).feature_spec())
    samples = tiny_stage.raw.frame("flight")["acc_1"].to_numpy(np.float32)
    reasons = [maker.record(record).reason for record in samples.reshape(80, RECORD_N)]
    assert {number: reason for number, reason in enumerate(reasons) if reason} == REASONS
