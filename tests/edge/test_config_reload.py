"""What a running agent may change to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from edge_agent.config import SECTIONS, AgentConfig
from edge_agent.config_reload import LIVE, LIVE_SECTIONS, changed_keys, check_reload
from edge_agent.detector import LoadedModel
from edge_agent.errors import ConfigError
from edge_agent.inbox import Arrival, Inbox
from edge_agent.streams import Streams

MakeConfig = Callable[..., AgentConfig]

TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("agent.deadline_ms", {"agent": {"deadline_ms": 10.0}}),
    ("agent.engines", {"agent": {"engines": ["a/1"]}}),
    ("agent.log_level", {"agent": {"log_level": "debug"}}),
    ("broker.host", {"broker": {"host": "elsewhere"}}),
    ("topics.result", {"topics": {"result": "r/{aircraft}/{engine}"}}),
    ("limits.inbox_frames", {"limits": {"inbox_frames": 3}}),
]
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("agent.id", {"agent": {"id": "other"}}),
    ("agent.state_dir", {"agent": {"state_dir": "other"}}),
    ("bundle.path", {"bundle": {"path": "other"}}),
    ("topics.status", {"topics": {"status": "s/{agent}"}}),
]


@pytest.mark.parametrize(("key", "tables"), TAKEN, ids=[row[0] for row in TAKEN])
def test_taken(make_config: MakeConfig, key: str, tables: dict[str, Any]) -> None:
    """These change while the agent runs."""
    old, new = make_config(), make_config(**tables)
    assert changed_keys(old, new) == (key,)
    check_reload(old, new)


@pytest.mark.parametrize(("key", "tables"), REFUSED, ids=[row[0] for row in REFUSED])
def test_needs_a_restart(make_config: MakeConfig, key: str, tables: dict[str, Any]) -> None:
    """These do not, and the error says which key and what to do; nothing else is taken with them."""
    new = make_config(**{**tables, "broker": {"host": "elsewhere"}})
    with pytest.raises(ConfigError, match=f"^{key}: expected the running agent's, got other values; restart"):
        check_reload(make_config(), new)


def test_live_keys_exist() -> None:
    """A renamed key does not stay in the list."""
    known = {f"{name}.{key}" for name, section in SECTIONS.items() for key in section.__dataclass_fields__}
    assert known >= LIVE
    assert set(SECTIONS) >= LIVE_SECTIONS


def test_streams_that_stay_keep_their_past(small_model: LoadedModel, small_bundle: Any) -> None:
    """Fewer engines: the others go, those that stay are the same; a lower limit evicts the one heard longest ago."""
    evicted: list[str] = []
    streams = Streams(small_model, engines=(), limit=4, on_evict=evicted.append)
    (frame,) = small_bundle.frames(0.1)
    frames = {name: dataclasses.replace(frame, engine=name) for name in ("1", "2", "3")}
    before = {name: streams.detector_of(frame) for name, frame in frames.items()}
    streams.follow(engines=("OO-ABC/2", "OO-ABC/3"), limit=4)
    assert evicted == []
    assert streams.detector_of(frames["3"]) is before["3"]
    assert streams.detector_of(frames["2"]) is before["2"]
    streams.follow(engines=(), limit=1)
    assert evicted == ["OO-ABC/3"]
    assert streams.detector_of(frames["2"]) is before["2"]


def test_inbox_takes_another_bound() -> None:
    """From the next arrival on the new bound holds."""
    inbox = Inbox(max_frames=10, max_bytes=100, silence_ns=0)
    for number in range(5):
        inbox.put(Arrival(str(number), b"", 0))
    inbox.bound(max_frames=2, max_bytes=100)
    inbox.put(Arrival("5", b"", 0))
    assert [inbox.take(0.0).topic for _ in range(len(inbox))] == ["5"]
