"""Golden windows: cut out of recordings with their speeds and pulses, and reproduced by the agent's own code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper

from edge_agent.errors import GoldenMismatch
from edge_agent.golden import replay_golden
from edge_agent.golden_vectors import GoldenVectors, join_pulses
from edge_agent.scorer import Scorer
from ground.errors import DataError
from ground.golden import GoldenWindow, choose_windows, cut_window, golden_vectors, prove_windows
from ground.preprocess import preprocess
from ground.recordings import load_recording, read_index, stream_recording
from shared_features.groups import OrdersGroup, ShaftOrders, ShaftSpec, SpectrumGroup
from shared_features.vector import columns_of

RATE_HZ = 1024
START_NS = 1_700_000_000_000_000_000
S = 10**9
PULSES = np.arange(17, 20 * RATE_HZ, 51)


def mean_model(n_feature):
    """Returns its input, and the mean of it as the score."""
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["input_features"], ["reconstruction"]),
            helper.make_node("ReduceMean", ["input_features", "axes"], ["anomaly_score"], keepdims=0),
        ],
        "mean",
        [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, ["batch", n_feature])],
        [
            helper.make_tensor_value_info("reconstruction", TensorProto.FLOAT, ["batch", n_feature]),
            helper.make_tensor_value_info("anomaly_score", TensorProto.FLOAT, ["batch"]),
        ],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


@pytest.fixture
def spec(tiny_config):
    """The tiny spec, following the first shaft by its tachometer and the second by its reports."""
    return replace(tiny_config().feature_spec(), shafts=(ShaftSpec("n1", "tach"), ShaftSpec("n2")))


@pytest.fixture
def scorer(spec):
    """A session of the model above."""
    n_feature = len(columns_of(spec))
    return Scorer(mean_model(n_feature), n_feature)


@pytest.fixture
def interim(tiny_raw, tiny_workspace, tiny_config, no_progress):
    """The tiny recordings, preprocessed; the flight has a tachometer and a second speed that rises."""

    def turning(frame):
        tach = np.isin(np.arange(len(frame)), PULSES).astype(np.int8)
        return frame.assign(tach_n1=tach, n2_hz=100.0 + np.arange(len(frame)) / RATE_HZ)

    tiny_raw.change("flight", turning)
    preprocess(tiny_config(), tiny_workspace, progress=no_progress)
    return tiny_workspace


def table(rows, recording="flight"):
    """A feature table: phase and reason of windows half a second apart."""
    return pd.DataFrame(
        {
            "recording_id": recording,
            "start_ns": START_NS + np.arange(len(rows)) * S // 2,
            "label": 0,
            "phase": [phase for phase, _ in rows],
            "reason": [reason for _, reason in rows],
        }
    )


def numbers(chosen):
    """Which windows of ``table`` were chosen."""
    return ((chosen["start_ns"] - START_NS) // (S // 2)).tolist()


TAXI, CRUISE, GAP = ("taxi", ""), ("cruise", ""), ("cruise", "gap")
CHOICES = {
    "amid two phases": ([TAXI] * 4 + [CRUISE] * 4, 4, [5, 6, 1, 2]),
    "away from what is not assessed": ([CRUISE, CRUISE, CRUISE, GAP, CRUISE, CRUISE, CRUISE], 4, [1, 5]),
    "anywhere, where nothing is steady": ([TAXI, CRUISE, TAXI, GAP], 4, [1, 0, 2]),
    "the only one": ([GAP, CRUISE, GAP], 4, [1]),
    "spread evenly": ([CRUISE] * 13, 3, [1, 6, 11]),
}


@pytest.mark.parametrize(("rows", "count", "expected"), CHOICES.values(), ids=CHOICES.keys())
def test_windows_amid_steady_running_come_first(rows, count, expected):
    """One speed holds through a golden window, so it is taken where the neighbours are of its kind."""
    assert numbers(choose_windows(table(rows), count)) == expected


def test_neighbours_are_of_one_recording():
    """The last window of one flight and the first of the next are not side by side."""
    both = pd.concat([table([CRUISE] * 2, "a"), table([CRUISE] * 3, "b")])
    chosen = choose_windows(both, 4)
    assert [*zip(chosen["recording_id"], numbers(chosen), strict=True)] == [("b", 1)]


def test_nothing_assessed_is_an_error():
    """Without an assessed window there is nothing to prove."""
    with pytest.raises(DataError, match="features: expected a window that can be assessed, got none"):
        choose_windows(table([GAP, GAP]), 4)


def test_a_window_brings_speeds_and_pulses(interim, spec):
    """Speeds in the order of the spec, from the window's middle; pulses counted from its first sample."""
    info = next(info for info in read_index(interim.interim) if info.recording_id == "flight")
    recording = load_recording(interim.interim, info, conditions=spec.speeds)
    window = cut_window(recording, spec, START_NS + 3 * S // 2)
    assert spec.speeds == ("n1_hz", "n2_hz")
    assert window.speeds.tolist() == [20.0, 102.0]
    first_n = 3 * RATE_HZ // 2
    inside = PULSES[(first_n <= PULSES) & (first_n + RATE_HZ > PULSES)]
    assert {shaft: found.tolist() for shaft, found in window.pulses.items()} == {"n1": (inside - first_n).tolist()}
    assert window.samples.tobytes() == recording.stretches[0].samples[first_n : first_n + RATE_HZ].tobytes()


@pytest.mark.parametrize("start_n", [0, 256, 777, 5000, 11000, 20000 - 544])
def test_pieces_give_the_window_of_the_whole(interim, spec, start_n):
    """A window is the same out of a recording in memory and out of one that comes record by record, gaps included."""
    info = next(info for info in read_index(interim.interim) if info.recording_id == "flight")
    whole = load_recording(interim.interim, info, conditions=spec.speeds)
    start_ns = START_NS + round(start_n * S / RATE_HZ)
    expected = cut_window(whole, spec, start_ns)
    (stretch,) = whole.stretches
    assert expected.samples.tobytes() == stretch.samples[start_n : start_n + RATE_HZ].tobytes()
    for piece_n in (100, 256, 1 << 20):
        found = cut_window(
            stream_recording(interim.interim, info, conditions=spec.speeds, piece_n=piece_n), spec, start_ns
        )
        assert found.samples.tobytes() == expected.samples.tobytes()
        assert found.speeds.tolist() == expected.speeds.tolist()
        assert found.pulses["n1"].tobytes() == expected.pulses["n1"].tobytes()


@pytest.mark.parametrize("start_n", [-256, 19 * RATE_HZ + 1, 30 * RATE_HZ])
def test_a_window_that_the_recording_does_not_hold(interim, spec, start_n):
    """Before its begin, beyond its end, and far away: refused by name."""
    info = next(info for info in read_index(interim.interim) if info.recording_id == "flight")
    recording = load_recording(interim.interim, info, conditions=spec.speeds)
    with pytest.raises(DataError, match=r"flight: expected samples at \d+ ns, got none; run `ground featurize` again"):
        cut_window(recording, spec, START_NS + round(start_n * S / RATE_HZ))


def test_windows_of_segments(interim, spec):
    """Each stretch counts its own samples: the ninth segment's window is that segment."""
    info = next(info for info in read_index(interim.interim) if info.recording_id == "life")
    whole = load_recording(interim.interim, info, conditions=spec.speeds)
    stream = stream_recording(interim.interim, info, conditions=spec.speeds, piece_n=256)
    for recording in (whole, stream):
        window = cut_window(recording, spec, 9 * 10 * S)
        assert window.samples.tobytes() == whole.stretches[9].samples.tobytes()


def test_the_agent_reproduces_what_the_ground_wrote(interim, spec, scorer):
    """From interim recordings through the bundle's members to the agent's replay: the same bits."""
    written = golden_vectors(interim, spec, table([TAXI] * 10), scorer)
    read = GoldenVectors.from_members(written.to_members())
    n_feature = len(columns_of(spec))
    read.check_shape(window_n=spec.window_n, n_channel=1, n_speed=2, n_tach=1, n_feature=n_feature)
    assert len(read.samples) == 4
    assert read.speeds[:, 0].tolist() == [20.0] * 4
    for window, pulses in enumerate(written.pulses):
        (row,) = pulses
        assert read.pulses_of(window, ["n1"])["n1"].tobytes() == row[row >= 0.0].tobytes()
        assert np.diff(row[row >= 0.0]).tolist() == [51.0] * (np.count_nonzero(row >= 0.0) - 1)
    replay_golden(read, spec, scorer)


@pytest.mark.parametrize("source", ["tach", "reported"])
def test_golden_windows_exercise_orders(interim, tiny_config, source):
    """Orders of the golden windows follow what they bring: another pulse or speed gives other bits, and is found."""
    plain = tiny_config().feature_spec()
    spec = replace(
        plain,
        record_s=1.0,
        shafts=(ShaftSpec("n1", source),),
        spectrum=SpectrumGroup(segment_n=256, overlap_n=128, bands_hz=()),
        orders=OrdersGroup(enabled=True, shafts=(ShaftOrders("n1", (1.0, 2.0)),), max_hz=200.0),
        hop_s=1.0,
    )
    n_feature = len(columns_of(spec))
    scorer = Scorer(mean_model(n_feature), n_feature)
    golden = golden_vectors(interim, spec, table([TAXI] * 10), scorer)
    replay_golden(golden, spec, scorer)
    later = {"speeds": golden.speeds * 1.05, "pulses": golden.pulses + 5.0 * (golden.pulses > 500.0)}
    for name in ("pulses",) if source == "tach" else ("speeds",):
        with pytest.raises(GoldenMismatch, match="golden window 0, feature") as caught:
            replay_golden(replace(golden, **{name: later[name]}), spec, scorer)
        assert caught.value.reason == "golden_features"


def test_windows_that_prove_nothing_are_left_out(spec, scorer):
    """A window that cannot be assessed by itself would be a row of zeros; one alone is an error."""
    rng = np.random.default_rng(1)
    good = GoldenWindow(
        rng.standard_normal((spec.window_n, 1)).astype(np.float32), np.array([20.0, 100.0]), {"n1": PULSES[:20] * 1.0}
    )
    flat = replace(good, samples=np.zeros_like(good.samples))
    assert prove_windows(spec, [flat, good, flat], scorer).samples.tobytes() == good.samples.tobytes()
    with pytest.raises(DataError, match="expected one that can be assessed by itself, got flatline"):
        prove_windows(spec, [flat, flat], scorer)


def test_pulses_are_filled_up():
    """Rows are as long as the longest; without a tachometer there are none."""
    windows = [{"n1": np.array([0.5, 7.0]), "n2": np.zeros(0)}, {"n1": np.zeros(0), "n2": np.array([3.0])}]
    assert join_pulses(windows, ["n2", "n1"]).tolist() == [[[-1.0, -1.0], [0.5, 7.0]], [[3.0, -1.0], [-1.0, -1.0]]]
    assert join_pulses(windows, []).shape == (2, 0, 0)
    assert join_pulses([{"n1": np.zeros(0)}], ["n1"]).shape == (1, 1, 0)
