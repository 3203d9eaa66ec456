"""Drift on board: sketches add up to the bit, and messages say what the windows were, by phase and hour."""

from __future__ import annotations

import dataclasses
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_agent.account import LONGEST_NS
from edge_agent.config import AgentConfig
from edge_agent.detector import Detector, Judgement, LoadedModel
from edge_agent.drift import Drift, pack
from edge_agent.health import Health
from edge_agent.overload import Ladder
from edge_agent.publication import Grade, Publication
from edge_agent.sketch import LARGEST, N_BIN, RATIO_EDGES, SCALED_EDGES, Sketch
from ground.drift_reading import DriftMessage, add_up, read_drift
from ground.errors import DataError

N_FEATURE = 3


def sketch_of(scaled: NDArray[np.float64], ratios: NDArray[np.float64]) -> Sketch:
    """The sketch of some windows."""
    sketch = Sketch.empty(scaled.shape[1])
    for row, ratio in zip(scaled, ratios, strict=True):
        sketch.add(row, float(ratio))
    return sketch


def content_of(sketch: Sketch) -> tuple[Any, ...]:
    """Everything in a sketch, to be compared."""
    arrays = (sketch.counts, sketch.sums, sketch.squares, sketch.ratios)
    return (*(array.tolist() for array in arrays), +sketch.not_assessed, sketch.shed)


@given(cut=st.integers(0, 200), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_parts_add_up_to_the_whole(cut: int, seed: int) -> None:
    """The sketches of two parts add up to that of their concatenation, every bit of it, in either order."""
    rng = np.random.default_rng(seed)
    scaled, ratios = rng.standard_cauchy((200, N_FEATURE)), rng.chisquare(3, 200)
    parts = sketch_of(scaled[:cut], ratios[:cut]), sketch_of(scaled[cut:], ratios[cut:])
    whole = sketch_of(scaled, ratios)
    assert content_of(parts[0] + parts[1]) == content_of(parts[1] + parts[0]) == content_of(whole)


def test_moments_and_bins() -> None:
    """Against numpy: moments within the step that values are summed in, bins exactly."""
    rng = np.random.default_rng(1)
    scaled = rng.normal([0.0, 5.0, -0.3], [1.0, 0.01, 30.0], (3_000, N_FEATURE))
    ratios = rng.chisquare(3, 3_000)
    sketch = sketch_of(scaled, ratios)
    assert sketch.n == 3_000
    np.testing.assert_allclose(sketch.mean(), scaled.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(sketch.std(), scaled.std(axis=0), atol=2e-3)
    edges = [-np.inf, *SCALED_EDGES, np.inf]
    for column in range(N_FEATURE):
        np.testing.assert_array_equal(sketch.counts[column], np.histogram(scaled[:, column], edges)[0])
    np.testing.assert_array_equal(sketch.ratios, np.histogram(ratios, [-np.inf, *RATIO_EDGES, np.inf])[0])


def test_bins_hold_their_lower_edges() -> None:
    """And not their upper ones."""
    sketch = Sketch.empty(len(SCALED_EDGES))
    sketch.add(np.array(SCALED_EDGES), 1.0)
    np.testing.assert_array_equal(sketch.counts.argmax(axis=1), np.arange(1, N_BIN))
    assert sketch.ratios[RATIO_EDGES.index(1.0) + 1] == 1


def test_values_out_of_all_bounds() -> None:
    """What float32 can just hold, or not, ends in the outermost bins and does not overflow a sum."""
    sketch = Sketch.empty(N_FEATURE)
    for _ in range(100):
        sketch.add(np.array([np.inf, -np.inf, 3e38]), np.inf)
    assert sketch.counts[0, -1] == sketch.counts[1, 0] == sketch.counts[2, -1] == sketch.ratios[-1] == 100
    np.testing.assert_array_equal(sketch.mean(), [LARGEST, -LARGEST, LARGEST])


def test_sketch_of_nothing() -> None:
    """No window has no mean."""
    assert np.isnan(Sketch.empty(N_FEATURE).mean()).all()


DriftMaker = Callable[..., tuple[Drift, Ladder]]


@pytest.fixture
def make_drift(
    make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health], small_model: LoadedModel
) -> DriftMaker:
    """Makes drift observers of the small model."""

    def make(**tables: Any) -> tuple[Drift, Ladder]:
        config = make_config(**tables)
        ladder = Ladder(config.agent.deadline_ms)
        return Drift(config, small_model, make_health(config), ladder), ladder

    return make


def judged(model: LoadedModel, frames: list[Any]) -> list[tuple[Any, list[Judgement]]]:
    """Frames with what is said of the windows they complete."""
    detector = Detector(model)
    return [(frame, detector.judge(frame)) for frame in frames]


def told(drift: Drift, stream: list[tuple[Any, list[Judgement]]]) -> list[Publication]:
    """Everything that drift publishes of a stream."""
    return [each for frame, judgements in stream for each in drift.observe(frame, judgements)]


def expected_sketch(model: LoadedModel, judgements: list[Judgement]) -> Sketch:
    """The sketch of windows."""
    sketch = Sketch.empty(len(model.scaler.names))
    for each in judgements:
        if each.assessment.state == "not_assessed":
            sketch.not_assessed[each.assessment.reason] += 1
        else:
            sketch.add(model.scaler.transform(each.window.values), each.assessment.score / each.assessment.threshold)
    return sketch


def test_each_phase_of_each_flight_is_told(make_drift: DriftMaker, small_bundle: Any, small_model: LoadedModel) -> None:
    """Messages at the end of a flight and when the agent stops; what they hold is the sketch of just those windows."""
    drift, _ = make_drift()
    first = small_bundle.frames(20.0, faulty_from_s=15.0)
    first[100:] = [dataclasses.replace(frame, phase="descent") for frame in first[100:]]
    stream = judged(small_model, first + small_bundle.frames(5.0, flight="F2"))
    published = told(drift, stream)
    assert {each.grade for each in published} == {Grade.TELEMETRY}
    assert {each.topic for each in published} == {"aircraft/OO-ABC/engine/1/drift"}
    messages = [read_drift(each.payload) for each in [*published, *drift.close()]]
    assert [(each.flight, each.phase, each.cause) for each in messages] == [
        ("F1", "cruise", "flight"), ("F1", "descent", "flight"), ("F2", "cruise", "stop"),
    ]  # fmt: skip
    for message in messages:
        judgements = [
            each for _, found in stream for each in found
            if (each.window.flight, each.window.phase) == (message.flight, message.phase)
        ]  # fmt: skip
        assert content_of(message.sketch) == content_of(expected_sketch(small_model, judgements))
    assert messages[1].sketch.not_assessed == {"phase_change": 1}
    assert messages[1].sketch.ratios[RATIO_EDGES.index(1.0) + 1 :].sum() >= 4
    assert messages[0].to_ns - messages[0].from_ns == 20 * 10**9


def test_each_hour_is_told(make_drift: DriftMaker, small_bundle: Any, small_model: LoadedModel) -> None:
    """By source time, however fast frames come; a clock that jumps back or ahead ends the period at once."""
    drift, _ = make_drift()
    (frame, judgements), *_ = [each for each in judged(small_model, small_bundle.frames(2.0)) if each[1]]
    start_ns = judgements[0].window.start_ns

    def shifted(by_ns: int) -> list[Judgement]:
        one = judgements[0]
        at = {"start_ns": start_ns + by_ns, "end_ns": one.window.end_ns + by_ns}
        return [Judgement(dataclasses.replace(one.window, **at), dataclasses.replace(one.assessment, **at))]

    window_ns = judgements[0].window.end_ns - start_ns
    shifts = (0, LONGEST_NS - window_ns, LONGEST_NS - window_ns + 1, -(10**18), 0)
    counts = [len(drift.observe(frame, shifted(by_ns))) for by_ns in shifts]
    assert counts == [0, 0, 1, 1, 1]
    assert len(drift.close()) == 1


def test_shed_windows_are_told(make_drift: DriftMaker, small_bundle: Any, small_model: LoadedModel) -> None:
    """Windows for which there was no time are in no bin, and their number is."""
    drift, ladder = make_drift()
    stream = judged(small_model, small_bundle.frames(10.0))
    told(drift, stream[:50])
    ladder.observe(waited_ms=0.0, fullness=0.75, dropped=0)
    told(drift, stream[50:])
    (message,) = [read_drift(each.payload) for each in drift.close()]
    assert (message.sketch.n, message.sketch.shed) == (4, 5)


def test_invented_phases_fill_no_memory(make_drift: DriftMaker, small_bundle: Any, small_model: LoadedModel) -> None:
    """Beyond eight phases the others share a sketch."""
    drift, _ = make_drift()
    frames = small_bundle.frames(12.0)
    named = [dataclasses.replace(frame, phase=f"p{index // 10}") for index, frame in enumerate(frames)]
    told(drift, judged(small_model, named))
    messages = [read_drift(each.payload) for each in drift.close()]
    assert [each.phase for each in messages] == [*(f"p{number}" for number in range(1, 9)), ""]
    assert messages[-1].sketch.not_assessed == {"phase_change": 3}


def test_message_is_small() -> None:
    """An hour of a hundred features, a window a second, is under 5 kB; without deflation it would be 8 kB."""
    rng = np.random.default_rng(2)
    packed = pack(sketch_of(rng.normal(0.0, 1.5, (3_600, 100)), rng.chisquare(3, 3_600) / 10))
    assert len(packed) < 5_000


def message(**changes: Any) -> bytes:
    """A message, some fields of which are changed."""
    sketch = sketch_of(np.zeros((2, N_FEATURE)), np.ones(2))
    fields = {
        "schema": 1, "aircraft": "a", "engine": "e", "flight": "f", "from_ns": 0, "to_ns": 1, "phase": "p",
        "cause": "stop", "agent": "a1", "run": "r", "bundle_id": "b/1", "bundle_digest": "00", "n": 2,
        "not_assessed": {"gap": 1}, "shed": 0, "n_feature": N_FEATURE, "arrays": pack(sketch),
    }  # fmt: skip
    return bytes(msgpack.packb(fields | changes))


BAD: list[tuple[str, bytes]] = [
    ("not msgpack", b"\xc1"),
    ("no map", msgpack.packb([1])),
    ("empty", b""),
    ("another schema", message(schema=2)),
    ("an unknown field", message(colour="red")),
    ("a number for a text", message(engine=1)),
    ("a text for a number", message(to_ns="1")),
    ("no features", message(n_feature=0)),
    ("too many features", message(n_feature=10**9)),
    ("another number of features", message(n_feature=N_FEATURE + 1)),
    ("counts that do not add up", message(n=3)),
    ("a text for a count", message(shed="many")),
    ("fewer than none", message(shed=-1)),
    ("reasons without counts", message(not_assessed=["gap"])),
    ("a share for a count", message(not_assessed={"gap": 0.5})),
    ("not deflated", message(arrays=b"abc")),
    ("arrays cut short", message(arrays=message()[:40])),
]


@pytest.mark.parametrize("payload", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_messages_are_refused(payload: bytes) -> None:
    """By name, and at no cost."""
    with pytest.raises(DataError, match=r"^drift: expected a message of schema 1"):
        read_drift(payload)


def test_a_bomb_is_not_inflated() -> None:
    """A hundred megabytes of nothing take a few kilobytes on the wire, and as little here."""
    payload = message(arrays=zlib.compress(bytes(10**8)))
    tracemalloc.start()
    with pytest.raises(DataError):
        read_drift(payload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10**6


def test_messages_add_up() -> None:
    """By whatever key; one that comes twice counts once; two bundles do not mix."""
    flights = [message(flight=name) for name in ("f1", "f2", "f2", "f3")]
    read = [read_drift(payload) for payload in flights]
    whole = add_up(read, key=lambda each: each.engine)["e"]
    assert (whole.n, whole.not_assessed, whole.counts.shape) == (6, Counter(gap=3), (N_FEATURE, N_BIN))
    assert [sketch.n for sketch in add_up(read, key=lambda each: each.flight).values()] == [2, 2, 2]
    other = read_drift(message(flight="f4", bundle_digest="11"))
    with pytest.raises(DataError, match="expected messages of one bundle"):
        add_up([*read, other], key=lambda each: each.engine)
    assert isinstance(other, DriftMessage)
