"""The shadow: says what its bundle would say if it were the active one, of every window, and never alerts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from edge_agent.assessment import Assessment, encode_assessment
from edge_agent.config import AgentConfig
from edge_agent.detector import Detector, LoadedModel
from edge_agent.health import Health
from edge_agent.inbox import Arrival
from edge_agent.overload import CALM_S, Ladder
from edge_agent.pipeline import Pipeline
from edge_agent.place import Place
from edge_agent.prove_child import WALL_S
from edge_agent.publication import Grade, Publication
from edge_agent.result import RUNTIME
from edge_agent.shadow import Shadow
from edge_agent.startup import LoadedShadow, load_shadow
from edge_agent.wire import encode_frame

SHADOW_TOPIC = "aircraft/OO-ABC/engine/{}/shadow"
AGREEMENT_TOPIC = "aircraft/OO-ABC/engine/1/shadow/agreement"


@pytest.fixture
def stricter(small_model: LoadedModel) -> LoadedModel:
    """Another detector over the same features: a third of the windows of noise are above its threshold."""
    return dataclasses.replace(
        small_model,
        bundle_id="stricter/2.0.0",
        bundle_digest="ab" * 32,
        thresholds=dataclasses.replace(small_model.thresholds, pooled=1.2, k=1, n=1),
    )


@pytest.fixture
def coarser(small_model: LoadedModel) -> LoadedModel:
    """Another detector over other windows: 3 s every second. It may do with the same features, by name."""
    return dataclasses.replace(small_model, spec=dataclasses.replace(small_model.spec, window_s=3.0))


@dataclasses.dataclass
class Clock:
    """A clock that a test sets."""

    now_s: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@dataclasses.dataclass
class Rig:
    """A pipeline with a shadow, without threads."""

    pipeline: Pipeline
    shadow: Shadow
    health: Health
    ladder: Ladder
    clock: Clock

    def push(self, frames: list[Any]) -> list[Publication]:
        """What the shadow publishes because of ``frames``."""
        published = []
        for frame in frames:
            self.pipeline.handle(Arrival("aircraft/x/engine/vibration", encode_frame(frame), 0))
            published += self.pipeline.follow_up()
        return published

    def counts(self) -> dict[str, int]:
        """The counters of agreement."""
        counters = self.health.counters.snapshot()
        return {name.removeprefix("shadow."): n for name, n in counters.items() if name.startswith("shadow.")}


RigMaker = Callable[..., Rig]


@pytest.fixture
def make_rig(
    make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health], small_model: LoadedModel
) -> RigMaker:
    """Makes rigs of the small model and a shadow."""

    def make(model: LoadedModel, **tables: Any) -> Rig:
        config = make_config(**tables)
        health = make_health(config)
        clock = Clock()
        ladder = Ladder(config.agent.deadline_ms, now_s=clock)
        shadow = Shadow(config, small_model, model, health, ladder)
        return Rig(Pipeline(config, small_model, health, observers=[shadow]), shadow, health, ladder, clock)

    return make


def as_if_active(model: LoadedModel, frames: list[Any], seq: int = 0) -> list[Assessment]:
    """What the model says when it is the one that decides, after ``seq`` windows that it has forgotten."""
    detector = Detector(model, place=Place("F1", seq))
    return [assessment for frame in frames for assessment in detector.push(frame)]


def results(published: list[Publication], engine: str = "1") -> list[bytes]:
    """The results of the shadow without their runtime."""
    documents = [msgpack.unpackb(each.payload) for each in published if each.topic == SHADOW_TOPIC.format(engine)]
    for document in documents:
        del document[RUNTIME]
    return [msgpack.packb(document) for document in documents]


def encoded(assessments: list[Assessment]) -> list[bytes]:
    """Assessments as bytes."""
    return [encode_assessment(assessment) for assessment in assessments]


@pytest.mark.parametrize("kind", ["stricter", "coarser"])
def test_says_what_the_bundle_would_say(
    make_rig: RigMaker, small_bundle: Any, kind: str, request: pytest.FixtureRequest, log_lines: list[Any]
) -> None:
    """Byte for byte, over a fault, a gap, another flight and two engines; on its own topic, of the lowest grade."""
    model = request.getfixturevalue(kind)
    first = small_bundle.frames(30.0, faulty_from_s=10.0, seed=1)
    flights = [*first[:120], *first[131:], *small_bundle.frames(12.0, flight="F2", seed=2)]
    other = small_bundle.frames(20.0, engine="2", seed=3)
    mixed = [frame for pair in zip(flights, other, strict=False) for frame in pair] + flights[len(other) :]
    published = make_rig(model).push(mixed)
    assert results(published) == encoded(as_if_active(model, flights))
    assert results(published, "2") == encoded(as_if_active(model, other))
    assert {each.grade for each in published} == {Grade.TELEMETRY}
    assert {each.topic for each in published} == {SHADOW_TOPIC.format(1), SHADOW_TOPIC.format(2), AGREEMENT_TOPIC}
    assert any(assessment.event == "raised" for assessment in as_if_active(model, flights))
    assert [line for line in log_lines if "shadow" in str(line)] == []


def test_agreement_is_counted_and_told(make_rig: RigMaker, small_bundle: Any, stricter: LoadedModel) -> None:
    """Window for window: quiet alike, alarmed alike, or one of them alone; a message at the end of each flight."""
    flights = [small_bundle.frames(30.0, faulty_from_s=20.0, seed=4), small_bundle.frames(5.0, flight="F2", seed=5)]
    rig = make_rig(stricter)
    published = rig.push([frame for frames in flights for frame in frames]) + rig.shadow.close()
    expected: dict[str, int] = {}
    for frames in flights:
        for one, two in zip(as_if_active(small_model_of(rig), frames), as_if_active(stricter, frames), strict=True):
            alarms = (one.state == "alarm", two.state == "alarm")
            kind = {(0, 0): "both_normal", (1, 1): "both_alarm", (0, 1): "only_shadow", (1, 0): "only_active"}[alarms]
            expected[kind] = expected.get(kind, 0) + 1
    assert rig.counts() == expected
    assert set(expected) == {"both_normal", "both_alarm", "only_shadow"}
    told = [msgpack.unpackb(each.payload) for each in published if each.topic == AGREEMENT_TOPIC]
    assert [(each["flight"], each["cause"]) for each in told] == [("F1", "flight"), ("F2", "stop")]
    assert {name: sum(each["counts"].get(name, 0) for each in told) for name in expected} == expected
    assert told[0]["shadow_id"] == "stricter/2.0.0"
    assert told[0]["to_ns"] - told[0]["from_ns"] == 30 * 10**9


def small_model_of(rig: Rig) -> LoadedModel:
    """The active model."""
    return rig.shadow._active


def test_windows_of_other_spans_are_paired_by_their_end(
    make_rig: RigMaker, small_bundle: Any, coarser: LoadedModel
) -> None:
    """The first window of 2 s has no partner of 3 s; the others end together."""
    rig = make_rig(coarser)
    rig.push(small_bundle.frames(10.0))
    assert rig.counts() == {"both_normal": 8, "unpaired": 1}


def test_not_assessed_by_one(make_rig: RigMaker, small_bundle: Any, small_model: LoadedModel) -> None:
    """A window outside the domain of one of the two is neither agreement nor disagreement."""
    domain = dataclasses.replace(small_model.thresholds.domain, phases=("climb",))
    narrow = dataclasses.replace(small_model.thresholds, domain=domain)
    rig = make_rig(dataclasses.replace(small_model, thresholds=narrow))
    rig.push(small_bundle.frames(5.0))
    frame, *_ = small_bundle.frames(0.1)
    rig.push([dataclasses.replace(frame, unit="mm/s", flight="F2")])
    assert rig.counts() == {"not_assessed_by_one": 4, "not_assessed_by_both": 1}


@pytest.mark.parametrize("kind", ["stricter", "coarser"])
def test_shed_windows_keep_their_numbers(
    make_rig: RigMaker, small_bundle: Any, kind: str, request: pytest.FixtureRequest
) -> None:
    """Frames for which there is no time are counted and not looked at; afterwards results go on, and say what they can.

    A shadow on the active one's windows goes on with the next window's number; one with windows of its own has a gap.
    """
    model = request.getfixturevalue(kind)
    rig = make_rig(model)
    frames = small_bundle.frames(30.0, seed=6)
    before = results(rig.push(frames[:100]))
    rig.ladder.observe(waited_ms=0.0, fullness=0.5, dropped=0)
    assert rig.push(frames[100:150]) == []
    rig.clock.now_s = CALM_S
    rig.ladder.observe(waited_ms=0.0, fullness=0.0, dropped=0)
    after = results(rig.push(frames[150:]))
    assert rig.health.counters.snapshot()["shed.shadow"] == 5
    if kind == "stricter":
        whole = encoded(as_if_active(model, frames))
        # Whether an alarm begins or ends with the first one cannot be the same: what came before it was not seen.
        assert (before, after[1:]) == (whole[:9], whole[15:])
        assert msgpack.unpackb(after[0]) | {"event": ""} == msgpack.unpackb(whole[14]) | {"event": ""}
    else:
        assert [*before, *after] == encoded(as_if_active(model, frames[:100] + frames[150:]))


def test_active_detector_that_begins_afresh(
    make_rig: RigMaker, small_bundle: Any, stricter: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fault of the active detector both begin again, and count on with the same numbers."""
    rig = make_rig(stricter)
    frames = small_bundle.frames(10.0, seed=7)
    rig.push(frames[:50])
    with monkeypatch.context() as patch:
        patch.setattr(Detector, "judge", lambda _self, _frame: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            rig.push(frames[50:51])
    assert results(rig.push(frames[51:])) == encoded(as_if_active(stricter, frames[51:], seq=4))


def test_shadow_that_fails_begins_afresh(
    make_rig: RigMaker, small_bundle: Any, coarser: LoadedModel, monkeypatch: pytest.MonkeyPatch, log_lines: list[Any]
) -> None:
    """A fault of the shadow costs no result, and nothing of what it half remembers is used."""
    rig = make_rig(coarser)
    frames = small_bundle.frames(10.0, seed=8)
    rig.push(frames[:50])
    with monkeypatch.context() as patch:
        patch.setattr(Detector, "push", lambda _self, _frame: 1 // 0)
        rig.push(frames[50:51])
    assert results(rig.push(frames[51:])) == encoded(as_if_active(coarser, frames[51:], seq=3))
    counters = rig.health.counters.snapshot()
    assert (counters["observer_errors.Shadow"], counters["windows.normal"]) == (1, 9)
    assert [line["event"] for line in log_lines] == ["observer failed"]


def test_evicted_engines_are_forgotten(make_rig: RigMaker, small_bundle: Any, stricter: LoadedModel) -> None:
    """The shadow remembers no more engines than the agent follows; what it knew of the others is told."""
    rig = make_rig(stricter, limits={"max_streams": 2})
    told = []
    for engine in ("1", "2", "3"):
        told += rig.push(small_bundle.frames(3.0, engine=engine))
    agreements = [msgpack.unpackb(each.payload) for each in told if each.topic.endswith("agreement")]
    assert [(each["engine"], each["cause"]) for each in agreements] == [("1", "evicted")]
    assert len(rig.shadow._engines) == 2


def test_reload_holds_from_the_next_frame(
    make_rig: RigMaker, make_config: Callable[..., AgentConfig], small_bundle: Any, stricter: LoadedModel
) -> None:
    """Another limit of engines and another expiry."""
    rig = make_rig(stricter)
    for engine in ("1", "2", "3"):
        rig.push(small_bundle.frames(2.0, engine=engine))
    rig.shadow.reconfigure(make_config(limits={"max_streams": 1}, broker={"message_expiry_s": 7}))
    published = rig.push(small_bundle.frames(2.0, engine="4"))
    assert {each.expiry_s for each in published} == {7}
    assert len(rig.shadow._engines) == 1
    told = [msgpack.unpackb(each.payload) for each in published if each.topic.endswith("agreement")]
    assert [each["engine"] for each in told] == ["1", "2", "3"]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("no such file", {"path": "none.bundle"}, "unreadable"),
    ("no such key", {"keys": ["none.pem"]}, "unreadable"),
]


@pytest.mark.parametrize(("section", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused_shadow_is_told(
    make_config: Callable[..., AgentConfig],
    small_bundle: Any,
    log_lines: list[Any],
    section: dict[str, Any],
    reason: str,
) -> None:
    """A second bundle passes the checks of the first, or there is no shadow: told, logged, and never raised."""
    table = {"path": str(small_bundle.path), **section}
    shadow = load_shadow(make_config(shadow=table))
    assert (shadow.state, shadow.reason, shadow.models) == ("refused", reason, ())
    assert shadow.document() == {"state": "refused", "reason": reason}
    assert [line["event"] for line in log_lines] == ["shadow refused"]


def test_shadow_of_another_signer(
    make_config: Callable[..., AgentConfig], small_bundle: Any, development_bundle: Any, tmp_path: Path
) -> None:
    """Keys of its own replace those of the first bundle; and a development bundle is no shadow unasked."""
    (tmp_path / "other.pem").write_bytes(OTHER_KEY)
    table = {"path": str(small_bundle.path), "keys": ["other.pem"]}
    assert load_shadow(make_config(shadow=table)).reason == "unknown_key"
    assert load_shadow(make_config(shadow={"path": str(development_bundle.path)})).reason == "development_not_allowed"


OTHER_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""
"""The generator of P-256: a key that signed nothing of ours."""


def test_shadow_with_the_keys_of_the_bundle(
    make_config: Callable[..., AgentConfig], small_bundle: Any, development_bundle: Any
) -> None:
    """Without keys of its own the shadow needs a signer of the first bundle; development bundles are its own choice."""
    loaded = load_shadow(make_config(shadow={"path": str(small_bundle.path)}))
    assert (loaded.state, loaded.reason, len(loaded.models)) == ("running", "", 1)
    assert loaded.document()["bundle_digest"] == loaded.models[0].bundle_digest
    table = {"path": str(development_bundle.path), "allow_development": True}
    assert load_shadow(make_config(shadow=table)).state == "running"
    assert load_shadow(make_config()) == LoadedShadow()
    assert LoadedShadow().document() == {"state": "none", "reason": ""}


def test_a_slow_shadow_has_as_long_as_its_install(make_config: Callable[..., AgentConfig], small_bundle: Any) -> None:
    """A start that is ended for time costs the active bundle, which can do nothing for it."""
    asked: list[tuple[str, float]] = []
    load_shadow(make_config(shadow={"path": str(small_bundle.path)}), lambda *step: asked.append(step))
    assert asked == [("loading the shadow", WALL_S)]


def test_fault_of_the_loader_costs_the_shadow_alone(
    make_config: Callable[..., AgentConfig], small_bundle: Any, monkeypatch: pytest.MonkeyPatch, log_lines: list[Any]
) -> None:
    """Even what nobody foresaw does not keep the agent from running."""
    monkeypatch.setattr("edge_agent.startup.load_model", lambda *_args, **_kwargs: 1 // 0)
    assert load_shadow(make_config(shadow={"path": str(small_bundle.path)})).reason == "internal_error"
    assert [line["event"] for line in log_lines] == ["shadow failed to load"]
