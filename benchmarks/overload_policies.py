"""What is worth dropping when frames come faster than they are handled? A small simulation, in virtual time.

Run ``python -m benchmarks.overload_policies``; docs/adr/0019-overload.md draws the conclusion. It takes the agent's
inbox, as it is, against one that drops the oldest frame, whoever sent it.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import Empty
from typing import Protocol

from edge_agent.inbox import Arrival, Inbox

RATE_HZ = 10
WINDOW = 100
HOP = 10
MAX_FRAMES = 256
DEADLINE_S = 0.05
NS_PER_S = 1_000_000_000
_ROOMY = 1 << 40


class Queue(Protocol):
    """What a policy is: an inbox."""

    def put(self, arrival: Arrival) -> None:
        """Add an arrival."""

    def take(self, timeout_s: float) -> Arrival:
        """The next arrival, or Empty."""


class OldestFirst:
    """Drops the oldest frame, whoever sent it."""

    def __init__(self) -> None:
        self._arrivals: deque[Arrival] = deque(maxlen=MAX_FRAMES)

    def put(self, arrival: Arrival) -> None:
        """Add an arrival."""
        self._arrivals.append(arrival)

    def take(self, _timeout_s: float) -> Arrival:
        """The oldest arrival."""
        if not self._arrivals:
            raise Empty
        return self._arrivals.popleft()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Engines that send ten frames a second each, windows of 10 s every second.

    Attributes:
        engines: How many.
        ratio: Frames that come over frames that can be handled.
        flooding: Engines among them that send ten times as much.
        duration_s: How long.
    """

    engines: int
    ratio: float
    flooding: int = 0
    duration_s: int = 300

    @property
    def frame_time_s(self) -> float:
        """What a frame takes to handle: such that the ratio holds of the engines that do not flood."""
        return self.ratio / (self.engines * RATE_HZ)

    def arrivals(self) -> Iterator[Arrival]:
        """All frames, in time; the payload is the frame's number."""
        for tick in range(self.duration_s * RATE_HZ):
            for engine in range(self.engines):
                at_s = (tick + engine / self.engines) / RATE_HZ
                for copy in range(10 if engine < self.flooding else 1):
                    number = tick * 10 + copy if engine < self.flooding else tick
                    yield Arrival(str(engine), number.to_bytes(8), round(at_s * NS_PER_S))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it, for the engines that do not flood: shares of the windows there would be without overload.

    Attributes:
        answered: Windows that were assessed at all.
        in_time: Those whose frame was done within the deadline.
        least: Windows assessed of the engine with the fewest.
    """

    answered: float
    in_time: float
    least: float


def simulate(load: Load, queue: Queue) -> Outcome:
    """Let one worker, which takes ``frame_time_s`` a frame, work off the queue."""
    served = _serve(load, queue)
    answered: Counter[str] = Counter()
    in_time = 0
    runs: dict[str, tuple[int, int]] = {}
    for arrival, done_ns in served:
        number = int.from_bytes(arrival.payload)
        last, length = runs.get(arrival.topic, (-1, 0))
        length = length + 1 if number == last + 1 else 1
        runs[arrival.topic] = (number, length)
        if length >= WINDOW and (length - WINDOW) % HOP == 0 and int(arrival.topic) >= load.flooding:
            answered[arrival.topic] += 1
            in_time += done_ns - arrival.received_ns <= DEADLINE_S * NS_PER_S
    each = (load.duration_s * RATE_HZ - WINDOW) // HOP + 1
    quiet = [str(engine) for engine in range(load.flooding, load.engines)]
    return Outcome(
        answered=answered.total() / (each * len(quiet)),
        in_time=in_time / (each * len(quiet)),
        least=min(answered[engine] for engine in quiet) / each,
    )


def _serve(load: Load, queue: Queue) -> Iterator[tuple[Arrival, int]]:
    """Each frame that is handled, and when that is done."""
    frame_ns = round(load.frame_time_s * NS_PER_S)
    free_ns = 0
    for arrival in load.arrivals():
        while free_ns <= arrival.received_ns:
            try:
                taken = queue.take(0.0)
            except Empty:
                free_ns = arrival.received_ns
                break
            free_ns = max(free_ns, taken.received_ns) + frame_ns
            yield taken, free_ns
        queue.put(arrival)


def agent_inbox(silence_s: float) -> Inbox:
    """The agent's inbox."""
    return Inbox(max_frames=MAX_FRAMES, max_bytes=_ROOMY, silence_ns=round(silence_s * NS_PER_S))


LOADS: Sequence[tuple[str, Load]] = (
    ("64 engines, 1.1 times too much", Load(engines=64, ratio=1.1)),
    ("64 engines, 1.5 times", Load(engines=64, ratio=1.5)),
    ("64 engines, 4 times", Load(engines=64, ratio=4.0)),
    ("4 engines, 1.1 times", Load(engines=4, ratio=1.1)),
    ("1 engine, 1.1 times", Load(engines=1, ratio=1.1)),
    ("64 engines, 0.95 times, one of them sends tenfold", Load(engines=64, ratio=0.95, flooding=1)),
)
SILENCES_S = (0.0, 10.0, 30.0, 60.0)


def main() -> int:
    """Print the table."""
    print("| load | policy | answered | in time | least of an engine |\n| --- | --- | --- | --- | --- |")
    for name, load in LOADS:
        policies: list[tuple[str, Queue]] = [("oldest frame", OldestFirst())]
        policies += [(f"a source, {silence_s:g} s", agent_inbox(silence_s)) for silence_s in SILENCES_S]
        for policy, queue in policies:
            got = simulate(load, queue)
            print(f"| {name} | {policy} | {got.answered:.3f} | {got.in_time:.3f} | {got.least:.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
