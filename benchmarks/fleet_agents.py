"""Many agents in one process, as a broker sees them: a connection each, a will, a retained status, results at QoS 1.

Run by ``benchmarks.fleet`` as ``python -m benchmarks.fleet_agents PLAN``. The windows are invented; their bytes are
made by the agent's own encoder, so that broker and collectors cannot tell. Nothing is detected here: what an agent
itself costs is measured by ``benchmarks.footprint``.
"""

from __future__ import annotations

import heapq
import json
import random
import selectors
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.collector import RUNTIME, WINDOW
from benchmarks.command import run_command
from benchmarks.errors import BenchmarkError
from edge_agent.assessment import Contribution
from edge_agent.frame import NS_PER_S
from edge_agent.result import Latency, Result, encode_result
from edge_agent.topics import TopicTemplate
from edge_agent.topics_section import TopicsSection

_TOPICS = TopicsSection()
_RESULT = TopicTemplate(_TOPICS.result)
_STATUS = TopicTemplate(_TOPICS.status)
_QOS = 1
_KEEPALIVE_S = 60
_PATIENCE_S = 120.0
_TURN_S = 0.05
_MISC_S = 5.0
_FEATURES = 40
_LATENCY_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the agents do.

    Attributes:
        host: Of the broker.
        port: Of the broker.
        agents: Boxes, one an aircraft.
        engines: Engines of each.
        hop_s: From one result of an engine to the next.
        windows: Results of each engine.
    """

    host: str
    port: int
    agents: int
    engines: int
    hop_s: float
    windows: int

    @property
    def results(self) -> int:
        """Of the whole fleet."""
        return self.agents * self.engines * self.windows

    def to_json(self) -> str:
        """As the argument of the process."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the agents have done.

    Attributes:
        acknowledged: Results that the broker has acknowledged.
        connect_s: Until the last of them was connected.
        late_s: How far the slowest result was behind its time: whether the pace was kept.
        send_s: From the first result to the last acknowledgement.
        bytes_each: Mean length of a result's payload.
    """

    acknowledged: int
    connect_s: float
    late_s: float
    send_s: float
    bytes_each: float


class Fleet:
    """All connections, served by one thread.

    Args:
        plan: What to do.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._selector = selectors.DefaultSelector()
        self._clients = [self._client(number) for number in range(plan.agents)]
        self._connected = self._acknowledged = self._bytes = 0
        self._next_misc_s = time.monotonic() + _MISC_S

    def run(self) -> Sent:
        """Connect, send everything at its pace, wait for the last acknowledgement, and leave in order."""
        begin_s = time.monotonic()
        for client in self._clients:
            client.connect(self._plan.host, self._plan.port, keepalive=_KEEPALIVE_S)
            connection = client.socket()
            if connection is None:
                raise BenchmarkError(f"agents: expected a broker at port {self._plan.port}, got no connection")
            self._selector.register(connection, selectors.EVENT_READ, client)
            self._serve(0.0)
        self._serve_until(lambda: self._connected == self._plan.agents, "every agent to be connected")
        connect_s = time.monotonic() - begin_s
        begin_s = time.monotonic()
        late_s = self._send(begin_s)
        self._serve_until(lambda: self._acknowledged == self._plan.results, "every result to be acknowledged")
        send_s = time.monotonic() - begin_s
        for client in self._clients:
            client.disconnect()
        return Sent(
            acknowledged=self._acknowledged, connect_s=connect_s, late_s=late_s, send_s=send_s,
            bytes_each=self._bytes / self._plan.results,
        )  # fmt: skip

    def _send(self, begin_s: float) -> float:
        late_s = 0.0
        for due_s, agent, engine, seq in _schedule(self._plan):
            while (left_s := begin_s + due_s - time.monotonic()) > 0.0:
                self._serve(min(left_s, _TURN_S))
            late_s = max(late_s, -left_s)
            payload = encode_result(result_of(agent, engine, seq))
            self._bytes += len(payload)
            topic = _RESULT.fill(aircraft=_aircraft(agent), engine=str(engine))
            self._clients[agent].publish(topic, payload, qos=_QOS)
            self._serve(0.0)
        return late_s

    def _serve_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > deadline_s:
                raise BenchmarkError(f"agents: expected {what} within {_PATIENCE_S:g} s; look at the broker")
            self._serve(_TURN_S)

    def _serve(self, timeout_s: float) -> None:
        """Read and write whatever is ready."""
        for key, _ in self._selector.select(timeout_s):
            key.data.loop_read()
        now_s = time.monotonic()
        if now_s > self._next_misc_s:
            self._next_misc_s = now_s + _MISC_S
            for client in self._clients:
                client.loop_misc()
                if client.want_write():
                    client.loop_write()

    def _client(self, number: int) -> Client:
        name = _name(number)
        client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        status = _STATUS.fill(agent=name)
        client.user_data_set(status)
        client.will_set(status, b'{"state":"offline"}', qos=_QOS, retain=True)
        return client

    def _on_connect(self, client: Client, status: str, *_: Any) -> None:
        self._connected += 1
        # Its acknowledgement is not one of a result.
        self._acknowledged -= 1
        client.publish(status, b'{"state":"online"}', qos=_QOS, retain=True)

    def _on_publish(self, *_: Any) -> None:
        self._acknowledged += 1


def _schedule(plan: Plan) -> Iterator[tuple[float, int, int, int]]:
    """When which engine of which agent has a result, and its number; in order, engines spread over the hop."""
    sources = [(agent, engine) for agent in range(plan.agents) for engine in range(1, plan.engines + 1)]
    due = [(plan.hop_s * place / len(sources), *source, 0) for place, source in enumerate(sources)]
    heapq.heapify(due)
    while due:
        at_s, agent, engine, seq = due[0]
        yield at_s, agent, engine, seq
        if seq + 1 < plan.windows:
            heapq.heapreplace(due, (at_s + plan.hop_s, agent, engine, seq + 1))
        else:
            heapq.heappop(due)


def result_of(agent: int, engine: int, seq: int) -> Result:
    """An invented result whose numbers fill their bytes as measured ones do: nothing for a compressor to find."""
    numbers = random.Random(f"{agent}/{engine}/{seq}")
    start_ns = WINDOW.start_ns + seq * NS_PER_S
    shares = sorted((numbers.random() for _ in WINDOW.contributions), reverse=True)
    window = replace(
        WINDOW, aircraft=_aircraft(agent), engine=str(engine), seq=seq, start_ns=start_ns,
        end_ns=start_ns + WINDOW.end_ns - WINDOW.start_ns, score=numbers.random(),
        contributions=tuple(Contribution(f"acc_1.band_{numbers.randrange(_FEATURES)}", share) for share in shares),
    )  # fmt: skip
    latency = Latency(*(round(numbers.random(), _LATENCY_DIGITS) for _ in range(3)))
    monotonic_ns = RUNTIME.monotonic_ns + seq * NS_PER_S + numbers.randrange(NS_PER_S)
    return Result(window, replace(RUNTIME, agent=_name(agent), monotonic_ns=monotonic_ns, latency_ms=latency))


def _aircraft(number: int) -> str:
    return f"OO-{number:04d}"


def _name(number: int) -> str:
    return f"sim-{number:04d}"


def main() -> int:
    """Do the plan of the argument; prints what was done as JSON."""
    print(json.dumps(asdict(Fleet(Plan(**json.loads(sys.argv[1]))).run())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
