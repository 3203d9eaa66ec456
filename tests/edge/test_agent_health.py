"""Counters, latency classes, the status document, and the file it is kept in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from edge_agent.clock import SYNCHRONISED, UNKNOWN, UNSYNCHRONISED, clock_quality
from edge_agent.config import AgentConfig
from edge_agent.errors import ConfigError
from edge_agent.health import LATENCY_BOUNDS_MS, OFFLINE, ONLINE, Counters, Health, LatencyHistogram
from edge_agent.status_file import StatusFile, is_stale, is_stopped, prepare_folder, read_status, write_status


def test_counters_from_many_threads() -> None:
    """No count is lost between threads; the snapshot is sorted."""
    counters = Counters()
    threads = [threading.Thread(target=lambda: [counters.add("b") for _ in range(1_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counters.add("a", 5)
    assert list(counters.snapshot().items()) == [("a", 5), ("b", 4_000)]


def test_latency_classes() -> None:
    """A latency falls into the first class whose bound it does not exceed."""
    histogram = LatencyHistogram()
    for latency_ms in (0.5, 0.500001, 50.0, 50.1, 1e6):
        histogram.observe(latency_ms)
    snapshot = histogram.snapshot()
    counts = snapshot["counts_up_to"]
    assert {bound: count for bound, count in counts.items() if count} == {
        "0.5": 1, "1.0": 1, "50.0": 1, "100.0": 1, "longer": 1,
    }  # fmt: skip
    assert (snapshot["n"], snapshot["max"], len(counts)) == (5, 1e6, len(LATENCY_BOUNDS_MS) + 1)


def test_clock_quality() -> None:
    """The kernel answers with one of the three."""
    assert clock_quality() in {SYNCHRONISED, UNSYNCHRONISED, UNKNOWN}


@pytest.fixture
def document(make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health]) -> dict[str, Any]:
    """The status document of an agent that is online."""
    health = make_health(make_config())
    health.state = ONLINE
    health.counters.add("frames_received")
    return health.document({"engines": 2})


def test_document(document: dict[str, Any], small_bundle: Any) -> None:
    """The document names the run and the bundle and holds all counts."""
    assert document["state"] == ONLINE
    assert document["bundle_id"] == "small/1.0.0"
    assert document["spec_digest"] == small_bundle.spec.digest
    assert document["counters"] == {"frames_received": 1, "engines": 2}


def test_file_round_trip(tmp_path: Path, document: dict[str, Any]) -> None:
    """The document is read as it was written, and no other file is left."""
    write_status(tmp_path, document)
    write_status(tmp_path, document)
    assert read_status(tmp_path) == document
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"schema": 2}'])
def test_file_that_is_no_status(tmp_path: Path, content: bytes) -> None:
    """A file that a crash or a newer agent left counts as none."""
    (tmp_path / "status.json").write_bytes(content)
    assert read_status(tmp_path) == {}


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder that cannot be looked into is not taken for an agent that never ran."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"^agent\.state_dir: expected a folder that can be read"):
        read_status(tmp_path / "file")


def test_stopped(document: dict[str, Any]) -> None:
    """No document, and one of an agent that said goodbye, mean that none runs."""
    assert is_stopped({})
    assert is_stopped({**document, "state": OFFLINE})
    assert not is_stopped(document)


@pytest.mark.parametrize(("age_intervals", "stale"), [(0.0, False), (2.9, False), (3.5, True), (-1.0, True)])
def test_stale(document: dict[str, Any], age_intervals: float, stale: bool) -> None:  # noqa: FBT001 - a column
    """Three intervals without news are too many; a document of the future is one of before a reboot."""
    age_ns = round(age_intervals * document["status_interval_s"] * 1e9)
    assert is_stale({**document, "monotonic_ns": time.monotonic_ns() - age_ns}) is stale


def test_folder_is_made(tmp_path: Path) -> None:
    """The state folder is made with its parents."""
    prepare_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """A state folder that cannot be is an error of the config, by its key."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"^agent\.state_dir: expected a folder that can be written"):
        prepare_folder(tmp_path / "file" / "state")


def test_disk_that_refuses_is_told_once(tmp_path: Path, document: dict[str, Any]) -> None:
    """A disk that stays full costs one line of the log, not one at every report; every attempt is counted."""
    counters = Counters()
    file = StatusFile(tmp_path / "gone", counters)
    with capture_logs() as logs:
        file.keep(document)
        file.keep(document)
        (tmp_path / "gone").mkdir()
        file.keep(document)
    assert [line["event"] for line in logs] == ["status not written", "status written again"]
    assert counters.snapshot() == {"status_not_written": 2}
