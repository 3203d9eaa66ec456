"""``ground init`` on rigs as they come: its config goes through import, preprocess and featurize."""

from __future__ import annotations

import numpy as np
import pytest

from ground.initialise import propose
from ground.initialise.decision import NEEDED


def process_values(rig, *, stamps=True, known=True):
    """One long healthy recording and three with an anomaly, 1 Hz, eight channels of different units, quantised."""
    for name, n in {"free": 4000, "valve_0": 1150, "valve_1": 1150, "valve_2": 1150}.items():
        columns = rig.process(n)
        mixed = name != "free"
        if mixed:
            columns["Volume Flow RateRMS"][500:900] -= np.float32(5.0)
            columns["anomaly"] = (np.arange(n) // 500 == 1).astype(np.int32)
        if stamps:
            columns["time_s"] = np.cumsum(np.where(rig.rng.random(n) < 0.045, 2.0, 1.0))
        label, channels = "mixed" if mixed else "healthy", ";".join(rig.process_names)
        units = ";".join(rig.process_units) if known else ""
        rig.add(name, columns, rate_hz=1, label=label, channels=channels, signal_units=units)


def pump(rig, seconds=5, units="g"):
    """200 Hz, no speed, one healthy recording."""
    for name, label in (("h", "healthy"), ("f", "faulty")):
        rig.add(name, {"vib": rig.vibration(200 * seconds, 200)}, rate_hz=200, label=label, signal_units=units)


def gearbox(rig):
    """51.2 kHz, three channels of two units, names with spaces, speeds and loads."""
    for index in range(6):
        speed_rpm = (900, 1500, 2400)[index % 3]
        columns = {name: rig.vibration(8 * 51_200, 51_200, speed_rpm / 60) for name in ("X (g)", "Y (g)", "Mic")}
        rig.add(
            f"r{index}", columns, rate_hz=51_200, label="healthy" if index < 3 else "faulty", signal_units="g;g;V",
            speed_rpm=str(speed_rpm), load=f"{index} kN", unit_id=f"u{index}",
        )  # fmt: skip


def lives(rig, rate_hz=25_600, segment_n=32_768, segments=60):
    """Run to failure, a snapshot of 1.28 s a minute."""
    for index in range(2):
        columns = {name: rig.vibration(segments * segment_n, rate_hz) for name in ("Horizontal", "Vertical")}
        columns["segment"] = np.repeat(np.arange(segments, dtype=np.int32), segment_n)
        rig.add(
            f"b{index}", columns, rate_hz=rate_hz, label="run_to_failure", channels="Horizontal;Vertical",
            unit_id=f"b{index}", segment_period_s="60", healthy_segments="2:45", faulty_segments="55:60",
            speed_rpm="2100",
        )  # fmt: skip


def short_recordings(rig, units=1):
    """Forty healthy recordings of one second."""
    for index in range(45):
        label = "healthy" if index < 40 else "faulty"
        unit = f"u{index % units}" if label == "healthy" else "sick"
        rig.add(f"r{index}", {"a": rig.vibration(12_800, 12_800)}, rate_hz=12_800, label=label, unit_id=unit)


def one_recording(rig, rate_hz, seconds, **cells):
    """One healthy and one faulty recording."""
    for name, label in (("h", "healthy"), ("f", "faulty")):
        n = round(rate_hz * seconds)
        rig.add(name, {"acc": rig.vibration(n, rate_hz, rate_hz / 40)}, rate_hz=rate_hz, label=label, **cells)


RIGS = {
    "process values": process_values,
    "process values without stamps or units": lambda rig: process_values(rig, stamps=False, known=False),
    "pump of 5 s": pump,
    "pump of a minute": lambda rig: pump(rig, seconds=60),
    "gearbox": gearbox,
    "snapshots of 1.28 s": lives,
    "snapshots of 0.1 s": lambda rig: lives(rig, segment_n=2560, segments=300),
    "forty recordings of one unit": short_recordings,
    "forty recordings of ten units": lambda rig: short_recordings(rig, units=10),
    "97,656 Hz for 5 s": lambda rig: one_recording(rig, 97_656, 5),
    "48,828.125 Hz for 6 s": lambda rig: one_recording(rig, 48_828.125, 6, speed_rpm="1500"),
    "8,192 Hz for 30 s": lambda rig: one_recording(rig, 8192, 30, signal_units="mm/s"),
    "20 Hz for 10 min": lambda rig: one_recording(rig, 20, 600),
    "1 Hz for an hour": lambda rig: one_recording(rig, 1, 3600, signal_units="rpm"),
    "a sample in 10 s": lambda rig: one_recording(rig, 0.1, 36_000, signal_units="%"),
    "one second at 12 kHz": lambda rig: one_recording(rig, 12_000, 1, speed_rpm="1797"),
}


@pytest.mark.parametrize("make", RIGS.values(), ids=RIGS.keys())
def test_proposals_work(rig, featurized, make):
    """The stages that follow run, nine tenths of healthy time are assessed, and every role can be trained on."""
    make(rig)
    folder = rig.write()
    proposal = propose(folder)
    rows = featurized(proposal, folder)
    healthy = rows[rows["label"] == 0]
    assert (healthy["reason"] == "").mean() >= 0.9
    counts = healthy["role"].value_counts()
    assert {role: bool(counts.get(role, 0) >= fewest) for role, fewest in NEEDED.items()} == dict.fromkeys(NEEDED, True)
    assert set(rows[rows["label"] == 1]["role"]) == {"test"}


def test_a_proposal_is_repeatable(bench):
    """The recordings alone decide."""
    folder = bench.write()
    assert propose(folder, "bench").config_yaml == propose(folder, "bench").config_yaml


def test_public_rigs_get_what_their_makers_chose(shared_data):
    """A window is a snapshot of femto; on uestc it lies between one and two seconds, as by hand."""
    femto = propose(shared_data, "femto").config
    assert (femto.features.window_s, femto.features.hop_s, femto.signal.conditions) == (0.1, 0.1, ("n1_hz",))
    uestc = propose(shared_data, "uestc").config
    assert 1.0 <= uestc.features.window_s <= 2.0
    assert uestc.signal.channels[0].unit == "unknown"
