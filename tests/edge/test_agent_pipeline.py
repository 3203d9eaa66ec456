"""The pipeline: frames in, publications out; whatever is wrong is counted and harms nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import pytest

from edge_agent.assessment import encode_assessment
from edge_agent.config import AgentConfig
from edge_agent.detector import Detector, Judgement, LoadedModel
from edge_agent.frame import Frame
from edge_agent.health import Health
from edge_agent.inbox import Arrival
from edge_agent.pipeline import Pipeline
from edge_agent.place import START, Place, Places
from edge_agent.publication import Grade, Publication
from edge_agent.result import RUNTIME, decode_result
from edge_agent.wire import encode_frame

TOPIC = "aircraft/OO-ABC/engine/{}/vibration"
TICK_NS = 1_000_000

PipelineMaker = Callable[..., tuple[Pipeline, Health]]


@pytest.fixture
def make_pipeline(
    make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health], small_model: LoadedModel
) -> PipelineMaker:
    """Makes pipelines whose clock advances by one millisecond a look."""

    def make(*, observers: Sequence[Watcher] = (), **tables: Any) -> tuple[Pipeline, Health]:
        config = make_config(**tables)
        health = make_health(config)
        times = iter(range(0, 10**15, TICK_NS))
        return Pipeline(config, small_model, health, observers=observers, now_ns=lambda: next(times)), health

    return make


def arrival(frame: Frame, **changes: Any) -> Arrival:
    """The arrival of a frame on the topic of its engine."""
    return dataclasses.replace(Arrival(TOPIC.format(frame.engine), encode_frame(frame), 0), **changes)


def handle_all(pipeline: Pipeline, frames: list[Frame]) -> list[Any]:
    """Everything published because of ``frames``."""
    return [publication for frame in frames for publication in pipeline.handle(arrival(frame))]


def test_results_equal_the_detector(
    make_pipeline: PipelineMaker, small_model: LoadedModel, small_bundle: Any, log_lines: list[Any]
) -> None:
    """Published results without their runtime are, byte for byte, what the pure detector says."""
    frames = small_bundle.frames(20.0, faulty_from_s=10.0)
    pipeline, health = make_pipeline()
    published = handle_all(pipeline, frames)
    detector = Detector(small_model)
    expected = [assessment for frame in frames for assessment in detector.push(frame)]
    results = [each for each in published if each.topic == "aircraft/OO-ABC/engine/1/result"]
    alerts = [each for each in published if each.topic == "aircraft/OO-ABC/engine/1/alert"]
    assert [each for each in published if each.grade == Grade.ALERT] == alerts
    assert [_without_runtime(each.payload) for each in results] == [encode_assessment(each) for each in expected]
    assert [decode_result(each.payload).assessment.event for each in alerts] == ["raised"]
    assert len(results) + len(alerts) == len(published)
    counters = health.counters.snapshot()
    assert counters["frames_received"] == 200
    assert counters["alerts.raised"] == 1
    assert sum(n for name, n in counters.items() if name.startswith("windows.")) == len(expected) == 19
    assert [line["event"] for line in log_lines] == ["alert raised"]


class Watcher:
    """An observer that notes what it is shown, and fails when it is told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.seen: list[tuple[int, list[Judgement]]] = []

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """Note."""
        self.seen.append((frame.seq, list(judgements)))
        if self.fails:
            raise ZeroDivisionError
        return [Publication(topic="watched", payload=b"", grade=Grade.TELEMETRY)]


def test_observers_follow_every_frame(make_pipeline: PipelineMaker, small_bundle: Any, log_lines: list[Any]) -> None:
    """Observers see each frame once, with its windows; one that fails is counted and costs the others nothing."""
    failing, watcher = Watcher(fails=True), Watcher()
    pipeline, health = make_pipeline(observers=[failing, watcher])
    frames = small_bundle.frames(3.0)
    handle_all(pipeline, frames)
    assert watcher.seen == []
    assert [each.topic for each in pipeline.follow_up()] == ["watched"] * len(frames)
    assert pipeline.follow_up() == []
    assert [seq for seq, _ in watcher.seen] == [frame.seq for frame in frames]
    judged = [judgement for _, judgements in watcher.seen for judgement in judgements]
    assert len(judged) == 2
    assert all(each.window.end_ns == each.assessment.end_ns for each in judged)
    assert health.counters.snapshot()["observer_errors.Watcher"] == len(frames)
    assert [line["event"] for line in log_lines] == ["observer failed"]


def _without_runtime(payload: bytes) -> bytes:
    document = msgpack.unpackb(payload)
    del document[RUNTIME]
    return bytes(msgpack.packb(document))


def test_latency_split(make_pipeline: PipelineMaker, small_bundle: Any) -> None:
    """Each stage is given the time between its looks at the clock; the deadline is held against the sum."""
    pipeline, health = make_pipeline(agent={"deadline_ms": 5.0})
    (published,) = [
        publication
        for frame in small_bundle.frames(2.0)
        for publication in pipeline.handle(arrival(frame, received_ns=-2 * TICK_NS))
    ]
    runtime = decode_result(published.payload).runtime
    # Three looks a frame; the twentieth is taken at 57 ms, and arrived, so it is said, at -2 ms.
    assert dataclasses.astuple(runtime.latency_ms) == (59.0, 1.0, 1.0)
    assert runtime.deadline_missed
    assert not runtime.historical
    assert health.counters.snapshot()["deadline_missed"] == 1
    assert health.latency.snapshot()["max"] == 61.0


def test_within_the_deadline(make_pipeline: PipelineMaker, small_bundle: Any) -> None:
    """A result in time is not marked."""
    pipeline, health = make_pipeline(agent={"deadline_ms": 60.0})
    (published,) = handle_all(pipeline, small_bundle.frames(2.0))
    assert not decode_result(published.payload).runtime.deadline_missed
    assert "deadline_missed" not in health.counters.snapshot()


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("not msgpack", {"payload": b"hello"}, "not_msgpack"),
    ("wrong schema", {"payload": msgpack.packb({"schema": 2})}, "schema"),
    ("a map without fields", {"payload": json.dumps({"schema": 1}).encode()}, "missing_field"),
    ("too long", {"payload": bytes(2_000_000)}, "too_large"),
    ("retained", {"retained": True}, "retained"),
    ("topic of another engine", {"topic": TOPIC.format(2)}, "topic_mismatch"),
    ("topic of another aircraft", {"topic": "aircraft/OO-XYZ/engine/1/vibration"}, "topic_mismatch"),
]


@pytest.mark.parametrize(("changes", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(
    make_pipeline: PipelineMaker, small_bundle: Any, log_lines: list[Any], changes: dict[str, Any], reason: str
) -> None:
    """A bad message is counted under its reason, logged once for its topic, and does no harm to the stream."""
    frames = small_bundle.frames(4.0)
    clean, _ = make_pipeline()
    pipeline, health = make_pipeline(limits={"max_payload_bytes": 1_000_000})
    published = []
    for frame in frames:
        assert pipeline.handle(arrival(frame, **changes)) == []
        published += pipeline.handle(arrival(frame))
    assert health.counters.snapshot()[f"frames_refused.{reason}"] == len(frames)
    assert [_without_runtime(each.payload) for each in published] == [
        _without_runtime(each.payload) for each in handle_all(clean, frames)
    ]
    assert [(line["event"], line["reason"]) for line in log_lines] == [("frame refused", reason)]


def test_seed_topic_names_no_engine(make_pipeline: PipelineMaker, small_bundle: Any) -> None:
    """On the topic with a bare wildcard the frame's own identity counts."""
    pipeline, health = make_pipeline()
    pipeline.handle(arrival(small_bundle.frames(0.1)[0], topic="aircraft/anything/engine/vibration"))
    assert "frames_refused.topic_mismatch" not in health.counters.snapshot()
    assert len(pipeline.streams) == 1


def test_unknown_engine(make_pipeline: PipelineMaker, small_bundle: Any, log_lines: list[Any]) -> None:
    """Engines that are not listed are dropped, counted each time and logged once each."""
    pipeline, health = make_pipeline(agent={"engines": ["OO-ABC/1"]})
    for engine in ("1", "2", "3"):
        handle_all(pipeline, small_bundle.frames(1.0, engine=engine))
    assert health.counters.snapshot()["frames_refused.unknown_engine"] == 20
    assert len(pipeline.streams) == 1
    assert [line["engine"] for line in log_lines] == ["OO-ABC/2", "OO-ABC/3"]


def test_engine_beyond_the_limit_evicts(make_pipeline: PipelineMaker, small_bundle: Any, log_lines: list[Any]) -> None:
    """Beyond the limit the engine heard longest ago goes, counted and logged; the new one is assessed at once."""
    pipeline, health = make_pipeline(limits={"max_streams": 2})
    for engine in ("1", "2", "1"):
        handle_all(pipeline, small_bundle.frames(0.1, engine=engine))
    assert len(handle_all(pipeline, small_bundle.frames(2.0, engine="3"))) == 1
    assert health.counters.snapshot()["streams_evicted"] == 1
    assert len(pipeline.streams) == 2
    assert [(line["log_level"], line["engine"]) for line in log_lines] == [("info", "OO-ABC/2")]


def test_log_of_refusals_is_bounded(make_pipeline: PipelineMaker, small_bundle: Any, log_lines: list[Any]) -> None:
    """A sender that invents engines fills neither the log nor the memory."""
    pipeline, health = make_pipeline(agent={"engines": ["OO-ABC/1"]})
    frame = small_bundle.frames(0.1)[0]
    for number in range(1_500):
        pipeline.handle(arrival(dataclasses.replace(frame, engine=f"x{number}")))
    assert health.counters.snapshot()["frames_refused.unknown_engine"] == 1_500
    assert len(log_lines) == 1_000


def test_engines_do_not_mix(make_pipeline: PipelineMaker, small_bundle: Any, log_lines: list[Any]) -> None:
    """Interleaved engines give the results that each gives alone."""
    streams = [small_bundle.frames(6.0, engine=engine, seed=int(engine)) for engine in ("1", "2")]
    mixed, _ = make_pipeline()
    interleaved = handle_all(mixed, [frame for pair in zip(*streams, strict=True) for frame in pair])
    for engine, frames in zip(("1", "2"), streams, strict=True):
        alone, _ = make_pipeline()
        expected = [_without_runtime(each.payload) for each in handle_all(alone, frames)]
        topic = f"aircraft/OO-ABC/engine/{engine}/result"
        assert [_without_runtime(each.payload) for each in interleaved if each.topic == topic] == expected
    assert log_lines == []


def test_detector_that_fails_is_replaced(
    make_pipeline: PipelineMaker, small_bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in a detector reaches the worker, and the engine starts afresh."""
    pipeline, _ = make_pipeline()
    first, *rest = small_bundle.frames(2.1)
    with monkeypatch.context() as patch:
        patch.setattr(Detector, "judge", lambda _self, _frame: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.handle(arrival(first))
    assert len(pipeline.streams) == 0
    assert len(handle_all(pipeline, rest)) == 1


def test_count_goes_on_after_an_eviction(make_pipeline: PipelineMaker, small_bundle: Any) -> None:
    """Run, engine, flight and seq name a result: an engine heard again counts on in its flight, and anew in another."""
    pipeline, _ = make_pipeline(limits={"max_streams": 1})

    def seqs(frames: list[Frame]) -> list[int]:
        return [decode_result(each.payload).assessment.seq for each in handle_all(pipeline, frames)]

    frames = small_bundle.frames(12.0)
    half = len(frames) // 2
    before = seqs(frames[:half])
    assert before == list(range(len(before)))
    seqs(small_bundle.frames(0.1, engine="2"))
    after = seqs(frames[half:])
    assert after == list(range(len(before), len(before) + len(after)))
    seqs(small_bundle.frames(0.1, engine="2"))
    assert seqs([dataclasses.replace(each, flight="F2") for each in frames[:half]])[0] == 0


def test_count_goes_on_after_a_fault(
    make_pipeline: PipelineMaker, small_bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does one whose detector failed."""
    pipeline, _ = make_pipeline()
    frames = small_bundle.frames(12.0)
    half = len(frames) // 2
    before = handle_all(pipeline, frames[:half])
    with monkeypatch.context() as patch:
        patch.setattr(Detector, "judge", lambda _self, _frame: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.handle(arrival(frames[half]))
    first_again = handle_all(pipeline, frames[half + 1 :])[0]
    assert decode_result(first_again.payload).assessment.seq == len(before)


def test_places_are_bounded() -> None:
    """Invented engines push each other out, not the memory."""
    places = Places()
    for number in range(3_000):
        places.keep(f"A/{number}", Place("F1", number))
    assert places.take("A/0") == START
    assert places.take("A/2999") == Place("F1", 2_999)
    assert places.take("A/2999") == START


def test_late_frames_are_counted(make_pipeline: PipelineMaker, small_bundle: Any) -> None:
    """A frame that comes twice is dropped and counted."""
    pipeline, _ = make_pipeline()
    frames = small_bundle.frames(1.0)
    handle_all(pipeline, [*frames, frames[-1]])
    assert pipeline.streams.late_frames == 1
