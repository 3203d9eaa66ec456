"""A reload reaches everything in the agent that publishes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agent import Agent
from edge_agent.config import AgentConfig
from edge_agent.config_source import ConfigSource
from edge_agent.detector import LoadedModel
from edge_agent.errors import ConfigError
from edge_agent.folder_lock import FolderLock
from edge_agent.inbox import Arrival
from edge_agent.probation import Probation
from edge_agent.sdnotify import Notifier
from edge_agent.status_file import prepare_folder
from edge_agent.topics import TopicTemplate
from edge_agent.wire import encode_frame
from tests.edge.test_unit_store import POLICY


class Corrected(ConfigSource):
    """Files that say something else by now."""

    def __init__(self, config: AgentConfig) -> None:
        super().__init__(Path("agent.toml"), {})
        self._config = config

    def read(self) -> AgentConfig:
        """As corrected."""
        return self._config


@pytest.mark.parametrize("part", ["_checkup", "_pipeline", "_onlookers", "_reports", "_watch_of_units"])
def test_a_reload_that_fails_halfway_ends_the_agent(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Told as done, it would go on half by the old config for months; systemd starts it anew, and no bundle pays."""
    given_back: list[Probation] = []

    def close(probation: Probation) -> None:
        given_back.append(probation)

    def fail(_config: AgentConfig) -> None:
        raise MemoryError

    before, after = make_config(), make_config(agent={"deadline_ms": 20.0})
    prepare_folder(before.agent.state_dir)
    lock = FolderLock(before.agent.state_dir)
    agent = Agent(before, small_model, Notifier(), Corrected(after), lock=lock)
    monkeypatch.setattr(getattr(agent, part), "reconfigure", fail)
    monkeypatch.setattr(Probation, "close", close)
    agent.reload()
    rescue = threading.Timer(30.0, agent.stop)
    rescue.start()
    was_asked_to = agent.run()
    rescue.cancel()
    lock.close()
    assert not was_asked_to
    assert len(given_back) == 1


class Broken(ConfigSource):
    """Files that somebody has broken."""

    def read(self) -> AgentConfig:
        """Refused."""
        raise ConfigError("agent.toml: expected TOML, got x; correct the line")


def test_a_refused_reload_says_what_a_start_would_do(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, tmp_path: Path
) -> None:
    """While there is somebody to say it: the next power-up may find nobody."""
    config = make_config()
    prepare_folder(config.agent.state_dir)
    lock = FolderLock(config.agent.state_dir)
    agent = Agent(config, small_model, Notifier(), Broken(tmp_path / "agent.toml", {}), lock=lock)
    agent._reload()
    lock.close()
    assert "correct the line; until then NO START is possible" in agent._health.config.error


TOPIC = "aircraft/OO-ABC/engine/1/vibration"


def test_all_that_is_told_of_engines_expires_as_the_new_config_says(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, small_bundle: Any
) -> None:
    """Results, summaries, drift and units: whoever is away is not told for a day what counts for an hour."""
    before, after = make_config(), make_config(broker={"host": "127.0.0.1", "message_expiry_s": 3_600})
    prepare_folder(before.agent.state_dir)
    lock = FolderLock(before.agent.state_dir)
    agent = Agent(before, replace(small_model, commissioning=POLICY), Notifier(), Corrected(after), lock=lock)
    agent._reports.start()
    agent._reload()
    # Run by the worker, which is not started here.
    agent._worker._do_what_was_asked()
    told = []
    for number in range(3):
        for frame in small_bundle.frames(8.0, flight=f"F{number}", seed=number):
            told += agent._pipeline.handle(Arrival(TOPIC, encode_frame(frame), 0))
            told += agent._pipeline.follow_up()
    told += [*agent._reports.finish(30.0), *agent._onlookers.close()]
    lock.close()
    topics = (before.topics.result, before.topics.flight, before.topics.drift, before.topics.unit)
    wanted = {TopicTemplate(topic).fill(aircraft="OO-ABC", engine="1") for topic in topics}
    assert wanted <= {each.topic for each in told}
    assert {(each.topic, each.expiry_s) for each in told if each.expiry_s != 3_600} == set()
