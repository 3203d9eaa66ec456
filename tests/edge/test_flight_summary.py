"""The summary of a flight: what happened, in less than 2 kB, whatever happened."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.assessment import Assessment, Contribution
from edge_agent.config import AgentConfig
from edge_agent.detector import Detector, LoadedModel
from edge_agent.evidence import evidence_id
from edge_agent.flight_log import FlightLog
from edge_agent.flight_recorder import FlightRecorder
from edge_agent.flight_summary import MAX_BYTES, FlightFacts, encode_summary
from edge_agent.frame import NS_PER_S, Frame
from edge_agent.health import Health
from edge_agent.publication import Grade

FACTS = FlightFacts(aircraft="OO-ABC", engine="1", flight="F1", agent="a1", clock="unknown", ended="stopped")


class Recording:
    """A detector and a recorder side by side, as in the agent."""

    def __init__(self, config: AgentConfig, health: Health, model: LoadedModel) -> None:
        self.now_ns = 0
        self.health = health
        self.model = model
        self.recorder = FlightRecorder(config, health, now_ns=lambda: self.now_ns)
        self.detectors: dict[str, Detector] = {}
        self.assessments: list[Assessment] = []

    def push(self, *frames: Frame) -> list[Any]:
        """Judge and record; the publications."""
        published = []
        for frame in frames:
            judgements = self.detectors.setdefault(frame.engine, Detector(self.model)).judge(frame)
            self.assessments += [each.assessment for each in judgements]
            published += self.recorder.observe(frame, judgements)
        return published


@pytest.fixture
def make_recording(
    make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health], small_model: LoadedModel
) -> Callable[..., Recording]:
    """Makes recordings."""

    def make(**tables: Any) -> Recording:
        config = make_config(**tables)
        return Recording(config, make_health(config), small_model)

    return make


def test_what_happened(make_recording: Callable[..., Recording], small_bundle: Any) -> None:
    """Counts, the highest score, alerts with their evidence, features and gaps are those of the results."""
    recording = make_recording()
    frames = small_bundle.frames(60.0, faulty_from_s=30.0)
    frames = [dataclasses.replace(each, speed_hz={"n1": 50.0 + each.seq / 10}) for each in frames]
    late = dataclasses.replace(frames[100], speed_hz={})
    assert recording.push(*frames[:200], late, *frames[205:]) == []
    (published,) = recording.recorder.finish()
    summary = msgpack.unpackb(published.payload)
    found = recording.assessments
    scored = [each for each in found if each.state != "not_assessed"]
    (raised,) = [each for each in found if each.event == "raised"]
    highest = max(scored, key=lambda each: each.score / each.threshold)
    assert (published.topic, published.grade) == ("aircraft/OO-ABC/engine/1/flight", Grade.ALERT)
    assert (summary["aircraft"], summary["engine"], summary["flight"], summary["run"]) == ("OO-ABC", "1", "F1", "run1")
    assert (summary["ended"], summary["bundle_digest"]) == ("stopped", recording.model.bundle_digest)
    assert (summary["first_ns"], summary["last_ns"]) == (frames[0].t_ns, frames[-1].end_ns)
    assert (summary["first_seq"], summary["frames"], summary["lost_frames"]) == (0, 596, 5)
    assert (summary["gaps"], summary["longest_gap_ns"]) == (1, NS_PER_S // 2)
    assert (summary["windows"], summary["assessed"]) == (len(found), len(scored))
    assert summary["coverage"] == len(scored) / len(found)
    ((phase, counts),) = summary["phases"]
    assert (phase, sum(counts.values())) == ("cruise", len(found))
    assert counts["alarm"] == sum(each.state == "alarm" for each in found)
    assert summary["highest"] == [
        highest.score / highest.threshold, highest.score, highest.threshold, highest.end_ns, "cruise",
    ]  # fmt: skip
    assert (summary["raised"], summary["cleared"]) == (1, 0)
    assert summary["alerts"] == [["raised", raised.end_ns, evidence_id("run1", raised)]]
    assert summary["speed_hz"] == {"n1": [50.0, 50.0 + 59.9]}
    assert sum(summary["truncated"].values()) == 0
    ratios = np.array([each.score / each.threshold for each in scored])
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        exact = np.quantile(ratios, share, method="inverted_cdf")
        assert summary["ratio"][name] == pytest.approx(exact, rel=0.024)
    named = [name for name, _ in summary["features"]]
    weights: dict[str, float] = {}
    for each in scored:
        for part in each.contributions:
            weights[part.feature] = weights.get(part.feature, 0.0) + part.share * each.score / each.threshold
    assert named == sorted(weights, key=lambda name: -weights[name])[:5]


ENDS = [("another flight", "next_flight"), ("silence", "silence"), ("too many engines", "evicted")]


@pytest.mark.parametrize("ended", [row[1] for row in ENDS], ids=[row[0] for row in ENDS])
def test_a_flight_ends(make_recording: Callable[..., Recording], small_bundle: Any, ended: str) -> None:
    """By another flight, by silence, by another engine where there are too many; once each."""
    recording = make_recording(agent={"flight_end_s": 100.0}, limits={"max_streams": 1})
    assert recording.push(*small_bundle.frames(5.0)) == []
    recording.now_ns = 100 * NS_PER_S
    assert recording.recorder.tick() == []
    if ended == "silence":
        recording.now_ns += 1
        published = recording.recorder.tick()
    else:
        changes = {"next_flight": {"flight": "F2"}, "evicted": {"engine": "2"}}[ended]
        published = recording.push(small_bundle.frames(0.1, **changes)[0])
    (summary,) = [msgpack.unpackb(each.payload) for each in published]
    assert (summary["ended"], summary["flight"], summary["windows"]) == (ended, "F1", 4)
    assert recording.recorder.tick() == []
    assert recording.health.counters.snapshot() == {f"flights_ended.{ended}": 1}


def test_without_a_window_there_is_nothing_to_say(make_recording: Callable[..., Recording], small_bundle: Any) -> None:
    """A source that names another flight in every frame gets no summary for each."""
    recording = make_recording()
    frames = [dataclasses.replace(each, flight=f"F{each.seq}") for each in small_bundle.frames(5.0)]
    assert recording.push(*frames) == []
    assert recording.recorder.finish() == []


def test_a_restarted_agent_says_that_it_missed_the_beginning(
    make_recording: Callable[..., Recording], small_bundle: Any
) -> None:
    """After a crash the next run sums up the rest: its first frame is not the flight's."""
    recording = make_recording()
    recording.push(*small_bundle.frames(10.0)[40:])
    (published,) = recording.recorder.finish()
    assert msgpack.unpackb(published.payload)["first_seq"] == 40


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128)
NAMES = st.lists(TEXTS, min_size=1, max_size=100)


@settings(max_examples=20, deadline=None)
@given(names=NAMES, texts=st.tuples(TEXTS, TEXTS, TEXTS), n_alert=st.integers(0, 200), seed=st.integers(0, 2**32 - 1))
def test_size_is_bounded(names: list[str], texts: tuple[str, str, str], n_alert: int, seed: int) -> None:
    """A hundred phases with the longest names, any reasons, hundreds of alerts: under 2 kB, nothing uncounted."""
    rng = np.random.default_rng(seed)
    log = adversarial(rng, names, n_alert)
    facts = dataclasses.replace(FACTS, aircraft=texts[0], engine=texts[1], flight=texts[2])
    payload = encode_summary(log, facts)
    assert len(payload) <= MAX_BYTES
    summary = msgpack.unpackb(payload)
    assert sum(sum(counts.values()) for _, counts in summary["phases"]) == summary["windows"] == log.windows
    assert len(summary["alerts"]) + summary["truncated"]["alerts"] == summary["raised"] + summary["cleared"] == n_alert


def test_longest_names_and_a_hundred_phases() -> None:
    """The worst of all: identities of four bytes a character, a hundred phases that fail in seventeen ways."""
    names = [f"{index:03d}" + "\U0001f6e9" * 125 for index in range(100)]
    log = adversarial(np.random.default_rng(1), names, 500)
    long = "\U0001f6e9" * 128
    payload = encode_summary(log, dataclasses.replace(FACTS, aircraft=long, engine=long, flight=long, agent="a" * 64))
    assert len(payload) <= MAX_BYTES
    summary = msgpack.unpackb(payload)
    assert summary["truncated"]["phases"] > 0
    assert summary["truncated"]["alerts"] > 0
    assert summary["phases"][-1][0] == "(others)"
    assert len(log.phases) <= 33
    assert len(log.features) <= 1_024


def adversarial(rng: np.random.Generator, names: list[str], n_alert: int) -> FlightLog:
    """A flight that does everything: every window another phase, another reason, another feature."""
    log = FlightLog("0123456789abcdef")
    for index in range(max(500, 2 * n_alert)):
        name = names[index % len(names)]
        assessed = index < n_alert or rng.random() < 0.5
        frame = Frame(
            aircraft="a", engine="e", flight="f", phase=name, t_ns=int(rng.integers(2**62)), seq=index,
            rate_hz=1e3, unit="g", channels=("a",), samples=np.zeros((1, 1), dtype=np.float32),
            speed_hz={"n1": float(rng.uniform(0, 1e6)), "n2": 1e-3},
        )  # fmt: skip
        assessment = Assessment(
            aircraft="a", engine="e", flight="f", phase=name, seq=index, start_ns=0, end_ns=2**62,
            state="alarm" if assessed else "not_assessed", reason="" if assessed else f"{index % 17}{name}",
            event=("raised", "cleared")[index % 2] if index < n_alert else "", score=float(rng.uniform(0, 1e300)),
            threshold=1.0, contributions=(Contribution(f"{index}{name}", 1.0),), bundle_id="b" * 200,
            bundle_digest="d" * 64, spec_digest="s",
        )  # fmt: skip
        log.note(frame, [assessment])
    return log


def test_flights_of_which_nothing_was_assessed_are_no_alerts(
    make_recording: Callable[..., Recording], small_bundle: Any
) -> None:
    """A source of another rate, which names another flight in every frame, gets its summaries, but not first."""
    recording = make_recording()
    frames = [dataclasses.replace(each, rate_hz=999.0, flight=f"F{each.seq}") for each in small_bundle.frames(1.0)]
    published = recording.push(*frames)
    assert len(published) == len(frames) - 1
    assert {each.grade for each in published} == {Grade.RESULT}
