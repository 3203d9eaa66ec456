"""Reports about engines go on by the config as it is now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from edge_agent.config import AgentConfig
from edge_agent.detector import Detector, LoadedModel
from edge_agent.engine_reports import EngineReports
from edge_agent.health import Health
from edge_agent.publication import Publication


def test_a_reload_reaches_flights_and_evidence(
    make_config: Callable[..., AgentConfig],
    make_health: Callable[[AgentConfig], Health],
    small_model: LoadedModel,
    small_bundle: Any,
) -> None:
    """How long the broker keeps what is said, and how many engines are followed, as of the new config."""
    config = make_config(evidence={"after_s": 0.0})
    told: list[Publication] = []
    reports = EngineReports(
        config, small_model, make_health(config),
        publish=told.append, is_connected=lambda: True, is_waiting=lambda _: False,
    )  # fmt: skip
    reports.start()

    def fly(engine: str) -> list[Publication]:
        detector = Detector(small_model)
        frames = small_bundle.frames(8.0, engine=engine, faulty_from_s=4.0)
        return [each for frame in frames for each in reports.observe(frame, detector.judge(frame))]

    assert [each for engine in "123" for each in fly(engine)] == []
    reports.reconfigure(
        make_config(evidence={"after_s": 0.0}, broker={"message_expiry_s": 77}, limits={"max_streams": 2})
    )
    evicted = fly("4")
    assert [each.topic for each in evicted] == [f"aircraft/OO-ABC/engine/{engine}/flight" for engine in "12"]
    left = reports.finish(60.0)
    assert [each.topic for each in left] == [f"aircraft/OO-ABC/engine/{engine}/flight" for engine in "34"]
    assert {each.expiry_s for each in (*evicted, *left)} == {77}
    assert told[-1].topic == "aircraft/OO-ABC/engine/4/evidence"
    assert told[-1].expiry_s == 77


def test_an_observer_that_hangs_does_not_keep_the_agent_from_ending(
    make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health], small_model: LoadedModel
) -> None:
    """The lock is never given back: the summaries are lost, the end comes."""
    config = make_config()
    reports = EngineReports(
        config, small_model, make_health(config),
        publish=lambda _: None, is_connected=lambda: True, is_waiting=lambda _: False,
    )  # fmt: skip
    reports.start()
    hangs, over = threading.Event(), threading.Event()

    def hang() -> None:
        with reports._lock:
            hangs.set()
            over.wait(60.0)

    thread = threading.Thread(target=hang)
    thread.start()
    hangs.wait(10.0)
    assert reports.finish(0.1) == []
    over.set()
    thread.join()
