"""Orders of recordings by tachometer columns: what whole samples cost, and that reported speeds tell the same."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edge_agent.stream import PHASE_CHANGE, WindowStream
from edge_agent.wire import decode_frame, encode_frame
from ground.frames import frame_s_of, frames_of
from ground.interim import interim_bytes, read_interim
from ground.recording_files import read_samples
from ground.recordings import load_recording, read_index
from ground.simulate import FleetConfig, simulate_fleet
from shared_features.groups import OrdersGroup, ShaftOrders, ShaftSpec
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

ORDERS = (1.0, 2.0, 3.0, 10.0, 22.0)


def run_up(rate_hz, folder):
    """A recording of three seconds, 80 to 104 Hz: a shaft that shakes at some orders, its pulses on whole samples."""
    time_s = np.arange(round(3 * rate_hz)) / rate_hz
    turns = 80.3 * (time_s + 0.05 * time_s**2)
    samples = sum(np.cos(2 * np.pi * order * turns + order) for order in ORDERS).astype(np.float32)
    tach = np.diff(np.floor(turns), prepend=0.0).astype(np.int8)
    pd.DataFrame({"acc_1": samples, "tach_n1": tach}).to_parquet(folder / "a.parquet")
    cells = "recording_id,file,unit_id,sampling_rate_hz,channels,signal_units,label\n"
    (folder / "recordings.csv").write_text(f"{cells}a,a.parquet,u,{rate_hz:g},acc_1,g,healthy\n")
    return load_recording(folder, read_index(folder)[0], conditions=())


def reread(recording, folder):
    """The recording out of its interim file."""
    (folder / "interim.parquet").write_bytes(interim_bytes(recording))
    file = read_samples(folder / "interim.parquet", recording.info.channels)
    return read_interim(recording.info, file, conditions=recording.conditions)


def test_whole_samples_cost_what_the_reference_says(tmp_path):
    """Through a run-up of 10 %/s an order at f loses up to 1.1 (f / rate)² of its amplitude, and the chirp's 0.1 %."""
    rate_hz = 25_600.0
    spec = FeatureSpec(
        sampling_rate_hz=rate_hz, record_s=1.0, window_s=1.0, hop_s=1.0, channels=(ChannelSpec("acc_1", "g"),),
        shafts=(ShaftSpec("n1", "tach"),), spectrum=SpectrumGroup(segment_n=5120, overlap_n=2560, bands_hz=()),
        orders=OrdersGroup(enabled=True, shafts=(ShaftOrders("n1", ORDERS),), max_hz=2500.0),
    )  # fmt: skip
    stream = WindowStream(spec)
    frames = frames_of(reread(run_up(rate_hz, tmp_path), tmp_path), frame_s=frame_s_of(spec))
    windows = [window for frame in frames for window in stream.push(decode_frame(encode_frame(frame)))]
    assert [window.reason for window in windows] == [""] * 3
    names = [column.name for column in columns_of(spec)]
    columns = [names.index(f"acc_1.n1_{order:g}x") for order in ORDERS]
    loss = np.stack([1.0 - np.sqrt(2.0) * window.values[columns] for window in windows])
    expected = 1.1 * (np.array(ORDERS) * 104.0 / rate_hz) ** 2
    assert np.all(np.abs(loss) < expected + 0.001)
    assert np.all(loss[:, -1] > 0.2 * expected[-1])


def test_tachometer_and_bus_tell_the_same_orders(tmp_path):
    """A simulated flight with its ramps, followed by either: the first order agrees within 1 % in every window."""
    fleet = FleetConfig(seed=5, tach=True, n_healthy=1, n_faulty=0, n_sensor_faulty=0, flight_s=60.0)
    simulate_fleet(fleet, tmp_path / "fleet", progress=lambda _done, _all: None, workers=1)
    recording = load_recording(tmp_path / "fleet", read_index(tmp_path / "fleet")[0], conditions=("n1_hz",))
    levels = {}
    for source in ("tach", "reported"):
        spec = FeatureSpec(
            sampling_rate_hz=10_240.0, record_s=1.0, window_s=1.0, hop_s=1.0, channels=(ChannelSpec("acc_1", "g"),),
            shafts=(ShaftSpec("n1", source),), spectrum=SpectrumGroup(segment_n=2048, overlap_n=1024, bands_hz=()),
            orders=OrdersGroup(enabled=True, shafts=(ShaftOrders("n1", (1.0,)),), max_hz=200.0),
        )  # fmt: skip
        stream = WindowStream(spec)
        windows = [window for frame in frames_of(recording, frame_s=frame_s_of(spec)) for window in stream.push(frame)]
        assert {window.reason for window in windows} <= {"", PHASE_CHANGE}
        column = [column.name for column in columns_of(spec)].index("acc_1.n1_1x")
        levels[source] = np.array([window.values[column] for window in windows])
    assert len(levels["tach"]) == 60
    np.testing.assert_allclose(levels["reported"], levels["tach"], rtol=0.01)
