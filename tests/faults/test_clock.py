"""A real agent whose wall clock is wrong: it starts in 1970, is set, and set back. Nothing is lost, nothing goes stale.

The clock is libfaketime's, which leaves monotonic time alone, as the kernel does.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgpack
import pytest

from edge_agent.exit_code import ExitCode
from edge_agent.frame import NS_PER_S, Frame
from edge_agent.result import decode_result
from edge_agent.wire import encode_frame
from tests.conftest import wait_until
from tests.e2e.conftest import RunningAgent
from tests.e2e.test_agent_broker import expected_of, without_runtime

libfaketime = pytest.importorskip("libfaketime")

ROOT = Path(__file__).resolve().parents[2]
INPUT = "aircraft/OO-ABC/engine/1/vibration"
RESULT = "aircraft/OO-ABC/engine/1/result"
FLIGHT = "aircraft/OO-ABC/engine/1/flight"
STATUS = "enginear/a1/status"
IN_1970 = "@1970-01-01 00:00:12"
NOW = "+0"
AN_HOUR_BACK = "-3600"
HOUR_NS = 3_600 * NS_PER_S


class Clock:
    """The wall clock of one process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"

    def set(self, setting: str) -> None:
        """Set it, in the words of libfaketime."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{setting}\n")
        new.replace(self._file)

    @property
    def environment(self) -> tuple[str, ...]:
        """Puts a command under it."""
        library = next(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"))
        return (
            "env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={self._file}", "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1", "TZ=UTC",
        )  # fmt: skip


@pytest.fixture
def make_agent(tmp_path: Path) -> Iterator[Callable[[Any, int], RunningAgent]]:
    """Makes an agent, and sees to its end."""
    made: list[RunningAgent] = []

    def make(bundle: Any, port: int) -> RunningAgent:
        made.append(RunningAgent(tmp_path, bundle, port))
        return made[-1]

    yield make
    for agent in made:
        agent.end()


def shifted(frames: list[Frame], by_ns: int) -> list[Frame]:
    """The same frames by another source clock."""
    return [dataclasses.replace(frame, t_ns=frame.t_ns + by_ns) for frame in frames]


def test_clock_that_jumps(broker: Any, peer: Any, make_agent: Any, small_bundle: Any, tmp_path: Path) -> None:
    """1970 at boot, set in flight, set back an hour: all results arrive, in order, and the status is never stale."""
    clock, agent = Clock(tmp_path), make_agent(small_bundle, broker.port)
    clock.set(IN_1970)
    agent.start(*clock.environment, sys.executable)
    agent.notified(b"READY=1")
    for topic in (RESULT, FLIGHT):
        peer.subscribe(topic)
    wait_until(lambda: agent.status()["link"]["connected"], "the link")
    frames = small_bundle.frames(30.0)
    to_1970 = 12 * NS_PER_S - frames[0].t_ns
    parts = [shifted(frames[:100], to_1970), frames[100:200], shifted(frames[200:], -HOUR_NS)]
    expected = expected_of(small_bundle, [frame for part in parts for frame in part])
    assert len(expected) > 25
    results: list[bytes] = []
    years: list[int] = []
    for setting, part in zip((IN_1970, NOW, AN_HOUR_BACK), parts, strict=True):
        clock.set(setting)
        peer.flood(INPUT, [encode_frame(frame) for frame in part])
        while len(results) < len(expected_of(small_bundle, [f for p in parts[: len(years) + 1] for f in p])):
            results.append(peer.next_where(lambda message: message.topic == RESULT).payload)
        before = agent.status()["monotonic_ns"]
        wait_until(lambda before=before: agent.status()["monotonic_ns"] > before, "the next status")
        years.append(datetime.fromisoformat(agent.status()["updated"]).year)
        # Not stale, whatever the clock says. That a second's flood of a minute's frames is late, it may complain of.
        assert status_code(agent) in {ExitCode.OK, ExitCode.FAILING}
    assert [without_runtime(payload) for payload in results] == expected
    runtimes = [decode_result(payload).runtime for payload in results]
    assert {each.clock for each in runtimes[:9]} == {"unsynchronised"}
    monotonic_ns = [each.monotonic_ns for each in runtimes]
    assert monotonic_ns == sorted(monotonic_ns)
    assert years[0] == 1970
    assert years[1] == years[2] >= 2026
    assert agent.stop() == 0
    summary = msgpack.unpackb(peer.next_where(lambda message: message.topic == FLIGHT).payload)
    assert (summary["windows"], summary["gaps"]) == (len(expected), 2)
    assert (summary["first_ns"], summary["last_ns"]) == (parts[0][0].t_ns, parts[2][-1].end_ns)
    assert agent.status()["counters"]["frames_late"] == 0


def status_code(agent: RunningAgent) -> int:
    """The exit code of ``edge-agent status``, asked under the true clock."""
    command = [sys.executable, "-m", "edge_agent", "status", "--config", str(agent.config)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode


def test_expiry_under_a_clock_nobody_vouches_for(tmp_path: Path) -> None:
    """In 1970 no bundle counts as expired, and none is taken for not yet valid: the day is unknown."""
    clock = Clock(tmp_path)
    clock.set(IN_1970)
    asked = "from edge_agent import clock, startup; print(startup.today(), clock.clock_quality())"
    done = subprocess.run(
        [*clock.environment, sys.executable, "-c", asked], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["0001-01-01", "unsynchronised"]
