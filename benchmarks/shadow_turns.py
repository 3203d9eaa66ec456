"""What a shadow adds to the latency of results inside the agent, whatever else the machine does.

Run ``python -m benchmarks.shadow_turns``; docs/reference/benchmarks.md explains the figures. The real pipeline handles
the same frames with and without a shadow, turn about; the processor time that each step takes goes into a queue in
virtual time, in which one worker takes turns as ``edge_agent.worker`` does.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.bench_bundle import FLEET, make_bundle
from benchmarks.command import EXIT_LIMIT, EXIT_OK, parser, positive, run_command
from benchmarks.measure import collector_off
from benchmarks.paced import Load, schedule
from benchmarks.vibration import AIRCRAFT, FRAME_S, FrameSource, vibration
from edge_agent.config import AgentConfig, parse_config
from edge_agent.frame import NS_PER_S, Frame
from edge_agent.health import Health, Identity
from edge_agent.inbox import Arrival
from edge_agent.onlookers import Onlookers
from edge_agent.pipeline import Pipeline
from edge_agent.startup import SHADOW_RUNS, LoadedShadow, load_configured
from edge_agent.version import AGENT_VERSION
from edge_agent.wire import encode_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared_features.spec import FeatureSpec

STREAMS = 33
LINGER_NS = 1_000_000
MOST_BEHIND = 64
"""As in ``edge_agent.worker``: its rest after results, and how far looks may lag."""
MOST_ADDED_MS = 1.0
_QUICK, _FULL = 1_000, 10_000
_PERCENTS = (50.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Step:
    """One frame: when it comes, what handling and looking at it take, ns, and whether results come of it."""

    due_ns: int
    handle_ns: int
    look_ns: int
    has_results: bool


def main() -> int:
    """Measure both kinds of shadow under both kinds of load, and judge."""
    options = parser("shadow_turns", "What a shadow adds to the latency of results inside the agent, in virtual time.")
    options.add_argument("--windows", type=positive, metavar="N", help="windows over all engines, at least")
    chosen = options.parse_args()
    windows = chosen.windows or (_QUICK if chosen.quick else _FULL)
    print("| shadow | frames come | p50, ms | p99, ms | p99.9, ms | added at p99, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    most_ms = 0.0
    for name, window_s in (("on the same windows", 10.0), ("with windows of its own", 5.0)):
        measured = _measure(window_s, windows)
        for pace, timed in (("one by one", measured), ("all engines at once", map(_in_step, measured))):
            one, two = (_percentiles(latencies(steps)) for steps in timed)
            pairs = " | ".join(f"{without:.2f} -> {with_it:.2f}" for without, with_it in zip(one, two, strict=True))
            most_ms = max(most_ms, two[1] - one[1])
            print(f"| {name} | {pace} | {pairs} | {two[1] - one[1]:+.2f} |")
    return EXIT_OK if most_ms < MOST_ADDED_MS else EXIT_LIMIT


def latencies(steps: Sequence[Step]) -> NDArray[np.float64]:
    """From the coming of each frame with results to the moment they are queued, for a worker that takes turns.

    Returns:
        (n,) nanoseconds.
    """
    found = []
    behind: deque[int] = deque()
    now_ns = rests_until_ns = 0
    for step in steps:
        # Until the frame comes, the worker rests, and then looks at one frame after the other.
        look_ns = max(now_ns, rests_until_ns)
        while behind and look_ns < step.due_ns:
            now_ns = look_ns = look_ns + behind.popleft()
        now_ns = max(now_ns, step.due_ns) + step.handle_ns
        if step.has_results:
            found.append(now_ns - step.due_ns)
            rests_until_ns = now_ns + LINGER_NS
        behind.append(step.look_ns)
        if len(behind) > MOST_BEHIND:
            now_ns += behind.popleft()
    return np.array(found, dtype=np.float64)


def _measure(window_s: float, windows: int) -> tuple[list[Step], list[Step]]:
    """The steps of all frames, without a shadow and with one, in the order in which they come."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, spec = _config(folder / "active", 10.0)
        shadow_config, _ = _config(folder / "shadow", window_s)
        shadow = LoadedShadow(SHADOW_RUNS, models=(load_configured(shadow_config),))
        pipelines = [_pipeline(config, each) for each in (LoadedShadow(), shadow)]
    load = Load(spec=spec, streams=STREAMS, windows=-(-windows // STREAMS))
    samples = vibration(spec, spec.window_s)
    sources = [FrameSource(spec, samples, engine=str(stream)) for stream in range(STREAMS)]
    steps: tuple[list[Step], list[Step]] = ([], [])
    with collector_off():
        for number, send in enumerate(schedule(load, 0)):
            frame = sources[send.stream].frame(send.index)
            # Turn about, so that neither is always the one that finds the samples in the cache.
            for side in (number % 2, 1 - number % 2):
                steps[side].append(_step(pipelines[side], frame, send.due_ns))
    return steps


def _step(pipeline: Pipeline, frame: Frame, due_ns: int) -> Step:
    arrival = Arrival(f"aircraft/{AIRCRAFT}/engine/{frame.engine}/vibration", encode_frame(frame), time.monotonic_ns())
    begun_ns = time.thread_time_ns()
    publications = pipeline.handle(arrival)
    handled_ns = time.thread_time_ns()
    pipeline.follow_up()
    return Step(due_ns, handled_ns - begun_ns, time.thread_time_ns() - handled_ns, bool(publications))


def _in_step(steps: Sequence[Step]) -> list[Step]:
    """The same frames, those of all engines at the same moment."""
    frame_ns = round(FRAME_S * NS_PER_S)
    return [replace(step, due_ns=step.due_ns // frame_ns * frame_ns) for step in steps]


def _config(folder: Path, window_s: float) -> tuple[AgentConfig, FeatureSpec]:
    folder.mkdir()
    bundle = make_bundle(folder, n_channel=1, window_s=window_s)
    document = {
        "agent": {"id": "bench", "fleet": FLEET},
        "bundle": {"path": str(bundle.path), "keys": [str(bundle.public_key)]},
    }
    return parse_config(document, folder=folder), bundle.spec


def _pipeline(config: AgentConfig, shadow: LoadedShadow) -> Pipeline:
    model = load_configured(config)
    health = Health(identity=Identity.of(config, model, run="bench", version=AGENT_VERSION))
    return Pipeline(config, model, health, observers=Onlookers(config, model, shadow, health).observers)


def _percentiles(latencies_ns: NDArray[np.float64]) -> list[float]:
    return [float(value) / 1e6 for value in np.percentile(latencies_ns, _PERCENTS)]


if __name__ == "__main__":
    sys.exit(run_command(main))
