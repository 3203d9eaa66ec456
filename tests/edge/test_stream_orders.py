"""Shaft orders all the way from payloads: by tachometer and by reported speeds, at rest and through a run-up."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.frame import Frame, samples_ns
from edge_agent.stream import WindowStream
from edge_agent.wire import decode_frame, encode_frame
from shared_features.extract import extract_windows
from shared_features.groups import OrdersGroup, ShaftOrders, ShaftSpec
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

RATE_HZ = 5120.0
SECONDS = 6
N = round(SECONDS * RATE_HZ)
START_HZ = 61.3
ORDERS = {1.0: 1.0, 2.0: 0.5, 3.0: 0.25}
"""Orders and their peak amplitudes."""


def spec_of(source):
    """One channel, windows of two seconds, three orders of the first shaft."""
    return FeatureSpec(
        sampling_rate_hz=RATE_HZ, record_s=1.0, window_s=2.0, hop_s=1.0, channels=(ChannelSpec("a", "g"),),
        spectrum=SpectrumGroup(1024, 512, ((20.0, 200.0),)), shafts=(ShaftSpec("n1", source),),
        orders=OrdersGroup(enabled=True, shafts=(ShaftOrders("n1", tuple(ORDERS)),), max_hz=500.0),
    )  # fmt: skip


class Machine:
    """A shaft that runs up by a share of its first speed a second, and shakes at its orders."""

    def __init__(self, run_up):
        self._slope = run_up * START_HZ
        time_s = np.arange(N) / RATE_HZ
        turns = self.turns(time_s)
        noise = np.random.default_rng(20261123).normal(0, 0.05, N)
        shaking = sum(peak * np.cos(2 * np.pi * order * turns + order) for order, peak in ORDERS.items())
        self.samples = (noise + shaking).astype(np.float32)[:, np.newaxis]
        whole = np.arange(np.ceil(turns[0]), np.floor(turns[-1]) + 1)
        # The time of a whole turn: the root of turns(t) = whole.
        root = START_HZ + np.sqrt(START_HZ**2 + 2 * self._slope * (whole - 0.25))
        self.pulses = 2 * (whole - 0.25) / root * RATE_HZ

    def turns(self, time_s):
        """Revolutions at some times."""
        return 0.25 + START_HZ * time_s + 0.5 * self._slope * time_s**2

    def frames(self, edges, *, tach=True):
        """Payloads cut at ``edges``, read again."""
        for seq, (first, last) in enumerate(itertools.pairwise(edges)):
            inside = self.pulses[(self.pulses >= first) & (self.pulses < last)] - first
            frame = Frame(
                aircraft="a1", engine="e1", flight="f1", phase="climb", t_ns=samples_ns(first, RATE_HZ), seq=seq,
                rate_hz=RATE_HZ, unit="g", channels=("a",), samples=self.samples[first:last],
                speed_hz={"n1": START_HZ + self._slope * first / RATE_HZ}, tach={"n1": inside} if tach else {},
            )  # fmt: skip
            yield decode_frame(encode_frame(frame))


STEADY, RUN_UP = Machine(0.0), Machine(0.1)


def windows(spec, frames):
    """All windows of some frames."""
    stream = WindowStream(spec)
    return [window for frame in frames for window in stream.push(frame)]


def grid(frame_n):
    """Edges of frames of one length."""
    return [*range(0, N, frame_n), N]


def errors(spec, found):
    """By how much each order's level is off its peak over sqrt(2), as a share; (n_window, n_order)."""
    names = [column.name for column in columns_of(spec)]
    columns = [names.index(f"a.n1_{order:g}x") for order in ORDERS]
    levels = np.stack([window.values[columns] for window in found]).astype(np.float64)
    return levels / (np.array(list(ORDERS.values())) / np.sqrt(2)) - 1.0


@pytest.mark.parametrize("machine", [STEADY, RUN_UP], ids=["steady", "run-up"])
@pytest.mark.parametrize("source", ["tach", "reported"])
def test_orders_are_within_two_percent(machine, source):
    """Frames of a tenth of a second, through a run-up of 10 %/s as well: each order keeps its amplitude."""
    spec = spec_of(source)
    found = windows(spec, machine.frames(grid(512)))
    assert [window.reason for window in found] == [""] * (SECONDS - 1)
    assert np.abs(errors(spec, found)).max() < 0.02


def test_long_frames_do_not_show_a_run_up():
    """Why the ground cuts short ones: with one reported speed a second the first record knows of no run-up."""
    spec = spec_of("reported")
    found = windows(spec, RUN_UP.frames(grid(5120)))
    assert np.abs(errors(spec, found)).max() > 0.05
    assert np.abs(errors(spec_of("tach"), windows(spec_of("tach"), RUN_UP.frames(grid(5120))))).max() < 0.02


WHOLE = extract_windows(spec_of("tach"), RUN_UP.samples, np.zeros(0), {"n1": RUN_UP.pulses})


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), max_size=30, unique=True))
def test_any_framing_of_a_tachometer_gives_the_same_bits(cuts):
    """Pulses fall wherever they fall among the frames: features equal those of the whole stretch at once."""
    found = windows(spec_of("tach"), RUN_UP.frames([0, *sorted(cuts), N]))
    assert [window.values.tobytes() for window in found] == [window.values.tobytes() for window in WHOLE]


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), max_size=30, unique=True))
def test_any_framing_of_a_steady_report_gives_the_same_bits(cuts):
    """One speed throughout, however often it is reported."""
    whole = extract_windows(spec_of("reported"), STEADY.samples, np.array([START_HZ]))
    found = windows(spec_of("reported"), STEADY.frames([0, *sorted(cuts), N]))
    assert [window.values.tobytes() for window in found] == [window.values.tobytes() for window in whole]


def without(frames, *seqs, **changes):
    """Frames of which some have other fields."""
    for frame in frames:
        fields = {name: getattr(frame, name) for name in frame.__dataclass_fields__}
        yield Frame(**{**fields, **changes}) if frame.seq in seqs else frame


LOSSES = {
    # source, what the frames of the third second lack, the reason; windows 2 to 3 hold that second
    "pulses": ("tach", {"tach": {"n1": np.zeros(0)}}, "tach_loss"),
    "tachometer": ("tach", {"tach": {}}, "tach_loss"),
    "speed": ("reported", {"speed_hz": {}}, "condition_missing"),
    "a speed that can be": ("reported", {"speed_hz": {"n1": 400.0}}, "speed_out_of_range"),
    "any turning": ("reported", {"speed_hz": {"n1": 0.0}}, "speed_out_of_range"),
}


@pytest.mark.parametrize(("source", "changes", "reason"), LOSSES.values(), ids=LOSSES.keys())
def test_a_second_without_a_shaft_is_not_assessed(source, changes, reason):
    """The windows that hold it say why; the others go on, and none of them is normal by default."""
    frames = without(STEADY.frames(grid(512)), *range(20, 30), **changes)
    found = [window.reason for window in windows(spec_of(source), frames)]
    assert found[1:3] == [reason, reason]
    assert found[0] == found[4] == ""
