"""What agents say, and what a foreign node of Sparkplug says."""

from __future__ import annotations

import struct

import pytest

from edge_agent.assessment import Assessment, Contribution
from edge_agent.result import Latency, Result, Runtime, encode_result
from ground.bridge.payload import NO_SEQ, Datatype, Metric, Payload, encode_payload

END_NS = 1_700_000_010_500_000_000


def result(*, historical=False, agent="a1", **changes):
    """The payload of a result."""
    facts = {
        "aircraft": "OO-ABC", "engine": "1", "flight": "F1", "phase": "cruise", "seq": 7, "start_ns": END_NS - 10**10,
        "end_ns": END_NS, "state": "normal", "reason": "", "event": "", "score": 1.5, "threshold": 2.0,
        "contributions": (Contribution("acc_1.rms", 0.75), Contribution("acc_1.std", 0.25)), "bundle_id": "d/1.0.0",
        "bundle_digest": "ab", "spec_digest": "cd", **changes,
    }  # fmt: skip
    runtime = Runtime(
        agent=agent, run="r1", monotonic_ns=1, clock="unknown", latency_ms=Latency(0.1, 0.1, 0.1),
        deadline_missed=False, historical=historical,
    )  # fmt: skip
    return encode_result(Result(Assessment(**facts), runtime))


class ForeignNode:
    """A gateway that speaks Sparkplug B: counts its messages, and names metrics by alias after the birth."""

    def __init__(self):
        self.seq = 0
        self.t_ms = 1_700_000_000_000

    def birth(self, bd_seq=0):
        """Its birth."""
        self.seq = 0
        return self._payload([Metric(name="bdSeq", datatype=Datatype.INT64, value=bd_seq)])

    def device_birth(self):
        """That of its device; ``vibration/x`` has alias 5."""
        metrics = [Metric(name="vibration/x", datatype=Datatype.FLOAT_ARRAY, value=b"\0" * 8)]
        metrics.append(Metric(name="speed", datatype=Datatype.DOUBLE, value=50.0))
        return self._payload(metrics)

    def samples(self, values, **more):
        """An array of samples, and whatever else."""
        array = struct.pack(f"<{len(values)}f", *values)
        metrics = [
            Metric(name="vibration/x", datatype=Datatype.FLOAT_ARRAY, value=array, timestamp_ms=self.t_ms),
            *(Metric(name=name, datatype=Datatype.STRING, value=value) for name, value in more.items()),
        ]
        self.t_ms += len(values)
        return self._payload(metrics)

    def death(self, bd_seq=None):
        """The will of a connection; without a number as some leave it."""
        number = [] if bd_seq is None else [Metric(name="bdSeq", datatype=Datatype.INT64, value=bd_seq)]
        return encode_payload(Payload(timestamp_ms=self.t_ms, seq=NO_SEQ, metrics=tuple(number)))

    def said(self, *metrics):
        """Any metrics."""
        return self._payload(metrics)

    def _payload(self, metrics):
        seq, self.seq = self.seq, (self.seq + 1) % 256
        return encode_payload(Payload(timestamp_ms=self.t_ms, seq=seq, metrics=tuple(metrics)))


@pytest.fixture
def foreign():
    """A foreign node."""
    return ForeignNode()
