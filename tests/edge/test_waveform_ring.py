"""The waveform around an alert: a replay of it gives the alert to the same bytes, in bounded memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_agent.assessment import encode_assessment
from edge_agent.commissioning_policy import CommissioningPolicy, ExpectedLevels
from edge_agent.config import AgentConfig
from edge_agent.decision import RAISED
from edge_agent.detector import NOBODY, Detector, LoadedModel
from edge_agent.evidence import Evidence
from edge_agent.frame import NS_PER_S, Frame, samples_ns
from edge_agent.frame_file import read_blocks, write_blocks
from edge_agent.health import Counters
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scored
from edge_agent.thresholds import Thresholds
from edge_agent.unit_state import COMMISSIONING, KNOWN, new_unit
from edge_agent.waveform_recorder import WaveformRecorder
from edge_agent.waveform_ring import Snapshot, WaveformRing
from edge_agent.wire import decode_frame, encode_frame
from shared_features.groups import OrdersGroup, ShaftOrders, ShaftSpec
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

MIB = 1024 * 1024
RATE_HZ = 5120.0


class Recording:
    """A detector and a recorder side by side, as in the agent."""

    def __init__(self, config: AgentConfig, model: LoadedModel) -> None:
        self.snapshots: list[Snapshot] = []
        self.counters = Counters()
        self.now_ns = 0
        self.recorder = WaveformRecorder(
            config, model, self.counters, self.snapshots.append, now_ns=lambda: self.now_ns
        )
        self.model = model
        self.detector = Detector(model)
        self.assessments: list[Any] = []

    def push(self, frame: Frame) -> None:
        """Judge and record."""
        judgements = self.detector.judge(frame)
        self.assessments += [each.assessment for each in judgements]
        self.recorder.observe(frame, judgements)

    def alerts(self) -> list[Any]:
        """The assessments that raised an alarm."""
        return [each for each in self.assessments if each.event == RAISED]


def replayed(snapshot: Snapshot, model: LoadedModel, folder: Path) -> list[bytes]:
    """The assessments of a replay of the snapshot's file, counted from where it begins."""
    path = folder / "evidence.frames"
    write_blocks(path, map(encode_frame, snapshot.frames))
    detector = Detector(model)
    found = [each for payload in read_blocks(path) for each in detector.push(decode_frame(payload))]
    return [encode_assessment(dataclasses.replace(each, seq=each.seq + snapshot.first_seq)) for each in found]


def recut(frames: list[Frame], lengths_n: list[int], jitter_ns: int = 0) -> list[Frame]:
    """The same samples in frames of other lengths, whose stamps jitter."""
    first, samples = frames[0], np.concatenate([frame.samples for frame in frames])
    cut, start_n = [], 0
    while start_n < len(samples):
        n = lengths_n[len(cut) % len(lengths_n)]
        t_ns = first.t_ns + start_n * NS_PER_S // round(first.rate_hz) + (len(cut) * 7919 % 100) * jitter_ns // 100
        cut.append(dataclasses.replace(first, seq=len(cut), t_ns=t_ns, samples=samples[start_n : start_n + n]))
        start_n += n
    return cut


FRAMINGS = [
    ("frames of 0.1 s", [100], 0),
    ("frames of odd lengths", [137, 71, 1, 998], 0),
    ("frames longer than a window", [2_345], 0),
    ("stamps that jitter by 50 ms", [137, 100], 50_000_000),
]


@pytest.mark.parametrize("framing", [row[1:] for row in FRAMINGS], ids=[row[0] for row in FRAMINGS])
def test_replay_gives_the_alert(
    make_config: Callable[..., AgentConfig],
    small_model: LoadedModel,
    small_bundle: Any,
    tmp_path: Path,
    framing: tuple[list[int], int],
) -> None:
    """An hour into the flight or not: the frames around the alert give the very bytes that were published."""
    lengths_n, jitter_ns = framing
    recording = Recording(make_config(evidence={"before_s": 6.0, "after_s": 3.0}), small_model)
    for frame in recut(small_bundle.frames(90.0, faulty_from_s=70.0), lengths_n, jitter_ns):
        recording.push(frame)
    (alert,), (snapshot,) = recording.alerts(), recording.snapshots
    assert snapshot.reproduces
    assert snapshot.first_seq > 50
    published = [encode_assessment(each) for each in recording.assessments]
    again = replayed(snapshot, small_model, tmp_path)
    assert encode_assessment(alert) in again
    assert again == published[snapshot.first_seq : snapshot.first_seq + len(again)]
    assert snapshot.frames[0].t_ns <= alert.end_ns - 5 * NS_PER_S
    assert snapshot.frames[-1].end_ns >= alert.end_ns + 3 * NS_PER_S - jitter_ns


def test_alert_at_the_beginning_of_a_flight(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, small_bundle: Any, tmp_path: Path
) -> None:
    """There is nothing before: the whole flight is the evidence, and the flight before is none of it."""
    recording = Recording(make_config(evidence={"after_s": 0.0}), small_model)
    for frame in [*small_bundle.frames(30.0), *small_bundle.frames(20.0, flight="F2", faulty_from_s=0.0)]:
        recording.push(frame)
    (alert,), (snapshot,) = recording.alerts(), recording.snapshots
    assert (snapshot.reproduces, snapshot.first_seq) == (True, 0)
    assert {frame.flight for frame in snapshot.frames} == {"F2"}
    assert encode_assessment(alert) in replayed(snapshot, small_model, tmp_path)


def test_gaps_and_redelivered_frames_are_part_of_it(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, small_bundle: Any, tmp_path: Path
) -> None:
    """What went wrong on the way goes wrong again in the replay, to the same bytes."""
    frames = small_bundle.frames(90.0, faulty_from_s=70.0)
    heard = [*frames[:660], *frames[650:690], *frames[695:]]
    recording = Recording(make_config(), small_model)
    for frame in heard:
        recording.push(frame)
    (alert,), (snapshot,) = recording.alerts(), recording.snapshots
    again = replayed(snapshot, small_model, tmp_path)
    assert encode_assessment(alert) in again
    published = [encode_assessment(each) for each in recording.assessments]
    assert again == published[snapshot.first_seq : snapshot.first_seq + len(again)]


def test_memory_is_bounded(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, small_bundle: Any
) -> None:
    """Beyond the limit the engine that takes most gives; an alert without its window is counted, not half written."""
    recording = Recording(make_config(evidence={"before_s": 3_000.0, "memory_mib": 1}), small_model)
    talkative = small_bundle.frames(120.0)
    quiet = small_bundle.frames(4.0, engine="2")
    for frame in [*quiet, *talkative]:
        recording.recorder.observe(frame, [])
        assert recording.recorder.n_byte <= MIB
    assert recording.recorder.n_byte > MIB - 10_000
    held = recording.recorder._engines
    assert len(held["OO-ABC/2"].ring._frames) == len(quiet)
    assert len(held["OO-ABC/1"].ring._frames) < len(talkative)


def test_windows_are_kept_no_longer_than_their_samples() -> None:
    """A flight of hours leaves no more windows behind than its last seconds hold."""
    ring = WaveformRing(keep_s=5.0, memory_n=3, window_s=2.0)
    frame = Frame(
        aircraft="a", engine="1", flight="f", phase="cruise", t_ns=0, seq=0, rate_hz=10.0, unit="g", channels=("acc",),
        samples=np.zeros((10, 1), dtype=np.float32),
    )  # fmt: skip
    window = SimpleNamespace(first_seq=0, offset_n=0)
    for seq in range(1_000):
        ring.add(replace(frame, seq=seq), [SimpleNamespace(window=window, assessment=SimpleNamespace(seq=seq))])  # type: ignore[list-item]
    assert ring.n_windows <= 7
    for _ in range(10):
        ring.drop_oldest()
    assert (ring.n_windows, ring.n_byte) == (0, 0)


def test_window_that_does_not_fit(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, small_bundle: Any
) -> None:
    """Where memory holds less than the alert's window, the evidence is lost, and counted."""
    recording = Recording(make_config(evidence={"memory_mib": 1, "after_s": 0.0}), small_model)
    recording.recorder._most_bytes = 2_000
    for frame in small_bundle.frames(20.0, faulty_from_s=10.0):
        recording.push(frame)
    assert len(recording.alerts()) == 1
    assert recording.snapshots == []
    assert recording.counters.snapshot() == {"evidence_lost.memory": 1}


@pytest.mark.parametrize("end", ["silence", "stop", "next flight", "eviction"])
def test_time_after_that_never_comes(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, small_bundle: Any, end: str
) -> None:
    """An engine that falls silent after its alert has its evidence kept all the same."""
    recording = Recording(make_config(evidence={"after_s": 60.0}, limits={"max_streams": 1}), small_model)
    for frame in small_bundle.frames(20.0, faulty_from_s=10.0):
        recording.push(frame)
    assert (len(recording.alerts()), recording.snapshots) == (1, [])
    if end == "silence":
        recording.now_ns += 61 * NS_PER_S
        recording.recorder.tick()
    elif end == "stop":
        recording.recorder.finish()
    else:
        changes = {"next flight": {"flight": "F2"}, "eviction": {"engine": "2"}}[end]
        recording.push(small_bundle.frames(0.1, **changes)[0])
    assert [each.reproduces for each in recording.snapshots] == [True]


def test_short_memory_is_told(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, small_bundle: Any, tmp_path: Path
) -> None:
    """A snapshot without the windows that the decision remembered does not claim to reproduce the alert."""
    recording = Recording(make_config(evidence={"before_s": 0.0, "after_s": 0.0}), small_model)
    recording.recorder._before_s = 2.0
    for frame in small_bundle.frames(90.0, faulty_from_s=70.0):
        recording.push(frame)
    (alert,), (snapshot,) = recording.alerts(), recording.snapshots
    assert not snapshot.reproduces
    assert encode_assessment(alert) not in replayed(snapshot, small_model, tmp_path)


class SumScorer:
    """Scores by the sum of all features: whatever differs shows."""

    def score(self, values):
        """The sum, at the usual."""
        return Scored(float(values.sum()), np.zeros_like(values))


@pytest.mark.parametrize("source", ["tach", "reported"])
def test_shafts_that_run_up(make_config: Callable[..., AgentConfig], tmp_path: Path, source: str) -> None:
    """Orders follow pulses and speeds from before the window, too: the first window makes up for what is cut off."""
    spec = FeatureSpec(
        sampling_rate_hz=RATE_HZ, record_s=0.5, window_s=1.0, hop_s=0.5, channels=(ChannelSpec("a", "g"),),
        spectrum=SpectrumGroup(1024, 512, ((20.0, 200.0),)), shafts=(ShaftSpec("n1", source),),
        orders=OrdersGroup(enabled=True, shafts=(ShaftOrders("n1", (1.0, 2.0)),), max_hz=500.0),
    )  # fmt: skip
    names = tuple(column.name for column in columns_of(spec))
    scaler = Scaler(names, ("linear",) * len(names), (0.0,) * len(names), (1.0,) * len(names))
    thresholds = Thresholds(pooled=1e6, phases={}, k=2, n=3, release_ratio=0.9, false_alarm_rate=0.05, confidence=0.95)
    scorer: Any = SumScorer()
    model = LoadedModel(
        bundle_id="sum/1", bundle_digest="d", spec=spec, scaler=scaler, thresholds=thresholds, scorer=scorer
    )
    recording = Recording(make_config(evidence={"before_s": 4.0, "after_s": 1.0}), model)
    for frame in run_up(30.0, [700, 333, 512]):
        recording.push(frame)
    (alert,), (snapshot,) = recording.alerts(), recording.snapshots
    assert snapshot.reproduces
    again = replayed(snapshot, model, tmp_path)
    published = [encode_assessment(each) for each in recording.assessments]
    assert encode_assessment(alert) in again
    assert again[1:] == published[snapshot.first_seq + 1 : snapshot.first_seq + len(again)]


def run_up(duration_s: float, lengths_n: list[int]) -> list[Frame]:
    """A shaft that runs from 50 Hz up, with its speeds and its pulses; strong from 25 s on."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    turns = 50.0 * time_s + time_s**2
    samples = (np.cos(2 * np.pi * turns) + np.random.default_rng(3).normal(0, 0.1, len(time_s))).astype(np.float32)
    samples[time_s > 25.0] *= np.float32(1e7)
    pulses = np.interp(np.arange(1.0, turns[-1]), turns, time_s) * RATE_HZ
    frames: list[Frame] = []
    start_n = 0
    while start_n < len(samples):
        n = lengths_n[len(frames) % len(lengths_n)]
        inside = pulses[(pulses >= start_n) & (pulses < start_n + n)] - start_n
        frames.append(
            Frame(
                aircraft="OO-ABC", engine="1", flight="F1", phase="cruise", t_ns=samples_ns(start_n, RATE_HZ),
                seq=len(frames), rate_hz=RATE_HZ, unit="g", channels=("a",),
                samples=samples[start_n : start_n + n, np.newaxis],
                speed_hz={"n1": 50.0 + 2.0 * start_n / RATE_HZ}, tach={"n1": inside},
            )
        )  # fmt: skip
        start_n += n
    return frames


@pytest.mark.parametrize("stage", [KNOWN, COMMISSIONING])
def test_a_shift_learned_on_board_is_not_in_the_bundle(
    make_config: Callable[..., AgentConfig],
    small_model: LoadedModel,
    small_bundle: Any,
    tmp_path: Path,
    stage: str,
) -> None:
    """A snapshot of a unit whose shift was learned does not claim that a replay by the bundle alone gives the alert."""
    n = len(small_model.scaler.names)
    policy = CommissioningPolicy(
        flights=1, windows=1, spans=(), limits=(3.0,) * n, pooled=15.0, phases=(), confidence=0.9, units=20, known=(),
        expected=ExpectedLevels(offset=(0.0,) * n, columns=(), low=(), width=(), steps=()),
    )  # fmt: skip
    model = dataclasses.replace(small_model, commissioning=policy)
    recording = Recording(make_config(evidence={"before_s": 6.0, "after_s": 3.0}), model)
    known = dataclasses.replace(new_unit("OO-ABC/1", model.bundle_digest, KNOWN), shift=(0.5,) * n)
    recording.detector = Detector(model, unit=known if stage == KNOWN else NOBODY)
    for frame in small_bundle.frames(60.0, faulty_from_s=40.0):
        recording.push(frame)
    (alert,), (snapshot,) = recording.alerts(), recording.snapshots
    assert alert.unit == stage
    assert (encode_assessment(alert) in replayed(snapshot, model, tmp_path)) == (stage == COMMISSIONING)
    assert snapshot.reproduces == (stage == COMMISSIONING)
    evidence = Evidence.of(snapshot, agent="a1", run="r")
    assert (evidence.unit, evidence.unit_shift) == (alert.unit, alert.unit_shift)
