"""A stream has the bits of the batch, every group enabled: cut anywhere, with frames lost, repeated, or restarted."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.frame import Frame, samples_ns
from edge_agent.stream import WindowStream
from shared_features.extract import StreamingExtractor, extract_windows
from shared_features.makers import Makers
from shared_features.spec import (
    BearingSpec,
    Carrier,
    ChannelSpec,
    EnvelopeGroup,
    FeatureSpec,
    OrderBand,
    OrdersGroup,
    ShaftOrders,
    ShaftSpec,
    SpectrumGroup,
    VelocityGroup,
)
from tests.determinism.exact_signals import noise, run_up_pulses, run_up_turns, seconds, sine

RATE_HZ = 2000.0
SPEC = FeatureSpec(
    sampling_rate_hz=RATE_HZ,
    record_s=0.5,
    window_s=1.0,
    hop_s=0.5,
    channels=(ChannelSpec("a", "g"), ChannelSpec("b", "g")),
    conditions=("n1_hz",),
    shafts=(ShaftSpec("n1"), ShaftSpec("n2", "tach", 2.0)),
    spectrum=SpectrumGroup(200, 100, ((20.0, 200.0), (200.0, 1000.0)), dominant_n=2),
    velocity=VelocityGroup(True, 20.0, 900.0),
    envelope=EnvelopeGroup(True, (400.0, 900.0), (BearingSpec("drive", "n1", 9, 7.94, 39.04),)),
    orders=OrdersGroup(
        enabled=True,
        shafts=(ShaftOrders("n1", (1.0, 2.0), (Carrier(8.0, 1),)), ShaftOrders("n2", (1.0, 2.0))),
        bands=(OrderBand("n2", 0.5, 3.5),),
        max_hz=200.0,
    ),
)
TOTAL_N = 9 * SPEC.record_n + 123
FRAME_N = 250
START_NS = 1_700_000_000_000_000_000
SPEED_HZ = 29.5
SPEEDS = np.array([SPEED_HZ])
TURNS = run_up_turns(seconds(RATE_HZ, TOTAL_N))
SAMPLES = np.stack(
    [sine(TURNS) + 0.2 * noise(TOTAL_N, 1), sine(8.0 * TURNS) * (1.0 + 0.5 * sine(TURNS)) + 0.1 * noise(TOTAL_N, 2)],
    axis=1,
).astype(np.float32)
PULSES_N = run_up_pulses(RATE_HZ, TOTAL_N + FRAME_N, 2.0)


def pulses(first_n, last_n):
    """The tachometer's pulses in a stretch, from its first sample."""
    return {"n2": PULSES_N[(first_n <= PULSES_N) & (last_n > PULSES_N)] - first_n}


def batch(first_n, last_n):
    """The windows of a stretch, computed at once, as (start, bits, reason) with starts in the whole recording."""
    windows = extract_windows(SPEC, SAMPLES[first_n:last_n], SPEEDS, pulses(first_n, last_n))
    return [(first_n + window.start_n, window.values.tobytes(), window.reason) for window in windows]


WHOLE = batch(0, TOTAL_N)


def frame(first_n, last_n, seq):
    """The frame of some samples."""
    return Frame(
        aircraft="a1", engine="e1", flight="f1", phase="cruise", t_ns=START_NS + samples_ns(first_n, RATE_HZ), seq=seq,
        rate_hz=RATE_HZ, unit="g", channels=("a", "b"), samples=SAMPLES[first_n:last_n], speed_hz={"n1": SPEED_HZ},
        tach=pulses(first_n, last_n),
    )  # fmt: skip


def frames_of(edges):
    """Frames between consecutive edges, numbered."""
    return [frame(low, high, seq) for seq, (low, high) in enumerate(itertools.pairwise(edges))]


def streamed(stream, frames):
    """What a stream makes of some frames, comparable with ``batch``."""
    windows = [window for item in frames for window in stream.push(item)]
    return [
        (round((window.start_ns - START_NS) * RATE_HZ / 1e9), window.values.tobytes(), window.reason)
        for window in windows
    ]


def assessed(windows):
    """Those without a reason."""
    return [window for window in windows if not window[2]]


EDGES = [*range(0, TOTAL_N, FRAME_N), TOTAL_N]
CUTS = st.lists(st.integers(1, TOTAL_N - 1), max_size=40, unique=True)


def test_the_windows_are_assessed():
    """Nine records, windows of two, one record apart; reasons alone would be equal in vain."""
    assert [window[0] for window in WHOLE] == list(range(0, 8 * SPEC.record_n, SPEC.record_n))
    assert assessed(WHOLE) == WHOLE
    assert len({window[1] for window in WHOLE}) == len(WHOLE)


@settings(max_examples=60, deadline=None)
@given(cuts=CUTS)
def test_any_chunking_gives_the_bits_of_the_batch(cuts):
    """Chunks of any lengths, straight into the extractor."""
    extractor = StreamingExtractor(SPEC)
    found = [
        (window.start_n, window.values.tobytes(), window.reason)
        for low, high in itertools.pairwise([0, *sorted(cuts), TOTAL_N])
        for window in extractor.push(SAMPLES[low:high], SPEEDS, pulses(low, high))
    ]
    assert found == WHOLE


@settings(max_examples=40, deadline=None)
@given(cuts=CUTS)
def test_any_framing_gives_the_bits_of_the_batch(cuts):
    """The same through frames, as the agent takes them."""
    assert streamed(WindowStream(SPEC), frames_of([0, *sorted(cuts), TOTAL_N])) == WHOLE


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(CUTS, min_size=3, max_size=3), order=st.randoms(use_true_random=False))
def test_streams_that_share_their_makers_give_the_bits_they_give_alone(cuts, order):
    """Frames of three engines, one of them with a gap, in any order among each other."""
    makers = Makers(SPEC)
    streams = [WindowStream(SPEC, makers) for _ in cuts]
    pending = [frames_of([0, *sorted(each), TOTAL_N]) for each in cuts]
    pending[2] = pending[2][1:]
    alone = [streamed(WindowStream(SPEC), frames) for frames in pending]
    found = [[] for _ in cuts]
    turns = [index for index, frames in enumerate(pending) for _ in frames]
    order.shuffle(turns)
    queues = [iter(frames) for frames in pending]
    for index in turns:
        found[index] += streamed(streams[index], [next(queues[index])])
    assert found == alone
    assert found[0] == found[1] == WHOLE


@settings(max_examples=30, deadline=None)
@given(cuts=CUTS)
def test_a_record_takes_the_conditions_of_its_first_sample(cuts):
    """Speeds that change from frame to frame, in chunks that end anywhere; no shaft follows them."""
    spec = replace(SPEC, shafts=(), envelope=EnvelopeGroup(), orders=OrdersGroup())
    extractor = StreamingExtractor(spec)
    edges = sorted({*EDGES, *cuts})
    found = [
        window
        for low, high in itertools.pairwise(edges)
        for window in extractor.push(SAMPLES[low:high], np.array([20.0 + low // FRAME_N]))
    ]
    for window in found:
        firsts = [20.0 + (window.start_n + record * spec.record_n) // FRAME_N for record in range(spec.window_records)]
        assert window.values[-1] == np.float32(sum(firsts) / len(firsts))
    assert len(found) == len(WHOLE)


@settings(max_examples=60, deadline=None)
@given(lost=st.sets(st.integers(0, len(EDGES) - 2), max_size=8))
def test_lost_frames_leave_the_bits_of_each_stretch(lost):
    """Between gaps every window is that of its stretch alone; what no window covers is told as a gap."""
    frames = [item for item in frames_of(EDGES) if item.seq not in lost]
    expected, gaps = [], 0
    for _, group in itertools.groupby(enumerate(frames), key=lambda pair: pair[1].seq - pair[0]):
        stretch = [item for _, item in group]
        first_n, last_n = EDGES[stretch[0].seq], EDGES[stretch[-1].seq + 1]
        expected += batch(first_n, last_n)
        ends_n = [start_n + SPEC.window_n for start_n, _, _ in batch(first_n, last_n)]
        gaps += stretch[-1].seq != frames[-1].seq and last_n not in ends_n
    found = streamed(WindowStream(SPEC), frames)
    assert [window for window in found if window[2] != "gap"] == expected
    assert len(found) - len(expected) == gaps


@settings(max_examples=40, deadline=None)
@given(repeats=st.lists(st.integers(0, len(EDGES) - 2), max_size=8))
def test_repeated_frames_change_nothing(repeats):
    """What was delivered before, and comes again later, is dropped."""
    frames = frames_of(EDGES)
    again = [item for index, item in enumerate(frames) for item in [item, *(frames[r] for r in repeats if r <= index)]]
    assert streamed(WindowStream(SPEC), again) == WHOLE


@settings(max_examples=40, deadline=None)
@given(cuts=CUTS, at=st.integers(0, len(EDGES) - 2))
def test_a_restarted_process_goes_on_with_the_bits_of_the_rest(cuts, at):
    """What comes after the restart is that of the samples after it, whatever was computed before it."""
    before = streamed(WindowStream(SPEC), frames_of([0, *sorted(cuts), TOTAL_N])[: len(cuts)])
    assert before == WHOLE[: len(before)]
    assert streamed(WindowStream(SPEC), frames_of(EDGES)[at:]) == batch(EDGES[at], TOTAL_N)


def test_a_window_alone_is_the_window_among_others():
    """A batch of one, and a batch of many; the tachometer's last pulses before a window are part of what it is."""
    for (first_n, *_), window in itertools.pairwise(WHOLE):
        assert batch(first_n, window[0] + SPEC.window_n)[1:] == [window]
    untimed = replace(
        SPEC, shafts=SPEC.shafts[:1], orders=replace(SPEC.orders, shafts=SPEC.orders.shafts[:1], bands=())
    )
    for window in extract_windows(untimed, SAMPLES, SPEEDS):
        (alone,) = extract_windows(untimed, SAMPLES[window.start_n :][: SPEC.window_n], SPEEDS)
        assert alone.values.tobytes() == window.values.tobytes()


@pytest.mark.parametrize("channel", [0, 1])
def test_a_channel_alone_is_the_channel_beside_another(channel):
    """Channels do not touch each other."""
    alone = replace(SPEC, channels=SPEC.channels[channel : channel + 1])
    windows = extract_windows(alone, SAMPLES[:, channel : channel + 1], SPEEDS, pulses(0, TOTAL_N))
    for window, (_, bits, _) in zip(windows, WHOLE, strict=True):
        both = np.frombuffer(bits, dtype=np.float32)
        per_channel = (both.size - 1) // 2
        assert window.values[:-1].tobytes() == both[channel * per_channel : (channel + 1) * per_channel].tobytes()


def test_many_windows_at_once_are_those_one_by_one():
    """More windows than the extractor folds at a time."""
    many = np.tile(SAMPLES[: 8 * SPEC.record_n], (9, 1))
    spec = replace(SPEC, shafts=SPEC.shafts[:1], orders=OrdersGroup())
    at_once = extract_windows(spec, many, SPEEDS)
    extractor = StreamingExtractor(spec)
    one_by_one = [window for part in np.split(many, 72) for window in extractor.push(part, SPEEDS)]
    assert len(at_once) == 71
    assert [(w.start_n, w.values.tobytes()) for w in at_once] == [(w.start_n, w.values.tobytes()) for w in one_by_one]
