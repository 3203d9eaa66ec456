"""Paced load: frames of many engines, each at its due time, and the way back of their results."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import collector_off
from benchmarks.mqtt_pair import due_in
from benchmarks.vibration import AIRCRAFT, FRAME_S, FrameSource, vibration
from edge_agent.decision import NOT_ASSESSED
from edge_agent.frame import NS_PER_S
from edge_agent.wire import encode_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.mqtt_pair import MqttPair, Receipt
    from benchmarks.processes import Program
    from edge_agent.result import Latency
    from shared_features.spec import FeatureSpec

_HEAD_START_S = 0.5
_ONLINE_TIMEOUT_S = 60.0
_LAST_RESULT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent: ``streams`` engines, each until it has completed ``windows`` windows."""

    spec: FeatureSpec
    streams: int
    windows: int

    @property
    def frames_per_stream(self) -> int:
        """Frames that complete the windows of one engine."""
        return round((self.spec.window_s + (self.windows - 1) * self.spec.hop_s) / FRAME_S)

    @property
    def duration_s(self) -> float:
        """Time from the first frame of an engine to the end of its last one."""
        return self.frames_per_stream * FRAME_S

    @property
    def first_n(self) -> int:
        """Frames of an engine up to the end of its first window."""
        return round(self.spec.window_s / FRAME_S)

    @property
    def per_hop_n(self) -> int:
        """Frames of an engine from window to window."""
        return round(self.spec.hop_s / FRAME_S)

    def completes(self, index: int) -> bool:
        """Whether frame ``index`` of an engine completes a window."""
        after_n = index + 1 - self.first_n
        return after_n >= 0 and after_n % self.per_hop_n == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PacedRun:
    """What came of a load.

    Attributes:
        total_s: (n_window,) from the publishing of the frame that completes a window to the receipt of its result;
            infinite where none came, or one that was not assessed.
        parts: The agent's own account of the windows that were answered.
        deadline_missed: Results that the agent itself marked.
        pacing_late_s: (n_frame,) how much later than due each frame was published.
        not_assessed: Windows whose result says that they were not assessed, by its reason.
    """

    total_s: NDArray[np.float64]
    parts: tuple[Latency, ...]
    deadline_missed: int
    pacing_late_s: NDArray[np.float64]
    not_assessed: Mapping[str, int]

    @property
    def unanswered(self) -> int:
        """Windows without an assessed result."""
        return int(np.count_nonzero(np.isinf(self.total_s)))

    @property
    def figures(self) -> dict[str, float]:
        """How many windows went unanswered, and how many of these the agent did not assess, by reason."""
        by_reason = {f"not assessed, {reason}": float(n) for reason, n in sorted(self.not_assessed.items())}
        return {"unanswered": float(self.unanswered)} | by_reason


@dataclass(frozen=True, slots=True, order=True)
class _Send:
    due_ns: int
    stream: int
    index: int


@dataclass(frozen=True, slots=True)
class _WindowKey:
    engine: str
    end_ns: int


def run_paced(load: Load, pair: MqttPair, agent: Program) -> PacedRun:
    """Send a load and wait for its results.

    Args:
        load: What to send.
        pair: The connections.
        agent: The agent that answers.

    Raises:
        BenchmarkError: The agent ended, or is not there.
    """
    _wait_until_online(pair, agent)
    samples = vibration(load.spec, load.spec.window_s)
    sources = [FrameSource(load.spec, samples, engine=str(stream)) for stream in range(load.streams)]
    with collector_off():
        sent, late_s = _send_all(load, sources, pair)
        pair.serve_until(due_in(_LAST_RESULT_TIMEOUT_S), lambda: pair.received >= len(sent))
    agent.check_alive()
    return _outcome(sent, pair.take_receipts(), late_s)


def schedule(load: Load, start_ns: int) -> list[_Send]:
    """All frames by due time. Engines start evenly over one hop, so that neither frames nor windows come in bursts."""
    spread_s = load.spec.hop_s / load.streams
    return sorted(
        _Send(start_ns + round((index * FRAME_S + stream * spread_s) * NS_PER_S), stream, index)
        for stream in range(load.streams)
        for index in range(load.frames_per_stream)
    )


def _wait_until_online(pair: MqttPair, agent: Program) -> None:
    ended = agent.process.poll
    pair.serve_until(due_in(_ONLINE_TIMEOUT_S), lambda: pair.agent_online or ended() is not None)
    agent.check_alive()
    if not pair.agent_online:
        raise agent.failed(f"to be online within {_ONLINE_TIMEOUT_S:g} s")


def _send_all(load: Load, sources: list[FrameSource], pair: MqttPair) -> tuple[Mapping[_WindowKey, int], list[float]]:
    """Send each frame when it is due; gives when those that complete windows went out, and the delays of all."""
    sent: dict[_WindowKey, int] = {}
    late_s = []
    for send in schedule(load, due_in(_HEAD_START_S)):
        frame = sources[send.stream].frame(send.index)
        payload = encode_frame(frame)
        pair.serve_until(send.due_ns)
        published_ns = time.monotonic_ns()
        pair.publish(AIRCRAFT, frame.engine, payload)
        late_s.append((published_ns - send.due_ns) / NS_PER_S)
        if load.completes(send.index):
            sent[_WindowKey(frame.engine, frame.end_ns)] = published_ns
    return sent, late_s


def _outcome(sent: Mapping[_WindowKey, int], receipts: Iterable[Receipt], late_s: list[float]) -> PacedRun:
    answers: dict[_WindowKey, Receipt] = {}
    reasons: dict[_WindowKey, str] = {}
    for receipt in receipts:
        assessment = receipt.result.assessment
        key = _WindowKey(assessment.engine, assessment.end_ns)
        if assessment.state == NOT_ASSESSED:
            reasons[key] = assessment.reason
        else:
            # MQTT delivers at least once: the first one counts.
            answers.setdefault(key, receipt)
    total_s = [
        (answers[key].received_ns - published_ns) / NS_PER_S if key in answers else math.inf
        for key, published_ns in sent.items()
    ]
    runtimes = [receipt.result.runtime for receipt in answers.values()]
    return PacedRun(
        total_s=np.array(total_s),
        parts=tuple(runtime.latency_ms for runtime in runtimes),
        deadline_missed=sum(runtime.deadline_missed for runtime in runtimes),
        pacing_late_s=np.array(late_s),
        not_assessed=Counter(reasons[key] for key in sent if key in reasons and key not in answers),
    )
