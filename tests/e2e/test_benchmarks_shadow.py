"""The benchmarks of the shadow: the queue in virtual time, and one short run of it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from benchmarks import shadow_turns
from benchmarks.bench_bundle import BenchBundle
from benchmarks.shadow_cost import added
from benchmarks.shadow_turns import LINGER_NS, MOST_BEHIND, Step, latencies
from edge_agent import worker


def step(due_ns: int, *, handle_ns: int = 10, look_ns: int = 0, has_results: bool = True) -> Step:
    """A frame."""
    return Step(due_ns, handle_ns, look_ns, has_results)


def test_constants_are_the_workers() -> None:
    """The queue rests and lags as the worker does."""
    assert LINGER_NS == worker._LINGER_S * 1e9
    assert MOST_BEHIND == worker._MOST_BEHIND


QUEUES: list[tuple[str, list[Step], list[int]]] = [
    ("one frame", [step(5)], [10]),
    ("two at once wait for each other, not for looks", [step(0, look_ns=1_000), step(0)], [10, 20]),
    ("one that comes in the rest waits for nothing", [step(0, look_ns=1_000), step(LINGER_NS)], [10, 10]),
    ("one that comes in a look waits for its end", [step(0, look_ns=1_000), step(LINGER_NS + 500)], [10, 520]),
    (
        "without results there is no rest",
        [step(0, look_ns=100, has_results=False), step(50)],
        [70],
    ),
    (
        "one look at a time",
        [step(0, look_ns=1_000), step(0, look_ns=1_000), step(LINGER_NS + 500)],
        [10, 20, 530],
    ),
]


@pytest.mark.parametrize(("steps", "expected"), [row[1:] for row in QUEUES], ids=[row[0] for row in QUEUES])
def test_queue(steps: list[Step], expected: list[int]) -> None:
    """By hand."""
    assert latencies(steps).tolist() == expected


def test_looks_lag_only_so_far() -> None:
    """In an endless burst the 65th frame is the first that makes its successor wait for a look."""
    waits = np.diff(latencies([step(0, look_ns=1_000)] * (MOST_BEHIND + 3)))
    assert waits.tolist() == [10] * MOST_BEHIND + [1_010] * 2


def test_added() -> None:
    """Twice the same is nothing added; a millisecond more is one, whatever the draw."""
    rng = np.random.default_rng(1)
    series = rng.gamma(2.0, 1e-3, 2_000)
    none, one = added(series, series, 99), added(series, series + 1e-3, 99)
    assert (none.low, none.high) == (0.0, 0.0)
    np.testing.assert_allclose((one.low, one.high, one.with_shadow - one.without), 1.0)


def test_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small_bundle: Any) -> None:
    """A short run, of a small bundle, prints a row for each kind of shadow and load; its verdict is not looked at."""
    bundle = BenchBundle(small_bundle.path, small_bundle.key, small_bundle.spec)
    monkeypatch.setattr(shadow_turns, "make_bundle", lambda *_args, **_kwargs: bundle)
    monkeypatch.setattr(shadow_turns, "FLEET", small_bundle.fleet)
    monkeypatch.setattr(sys, "argv", ["shadow_turns", "--windows", "3"])
    monkeypatch.setattr(shadow_turns, "STREAMS", 3)
    assert shadow_turns.main() in {0, 1}
    assert len(capsys.readouterr().out.splitlines()) == 6
