"""Results: the bytes of the assessment are inside, and nothing is lost on the way."""

from __future__ import annotations

import msgpack
import pytest

from edge_agent.assessment import Assessment, Contribution, encode_assessment
from edge_agent.errors import WireError
from edge_agent.result import RUNTIME, Latency, Result, Runtime, decode_result, encode_result

RESULT = Result(
    Assessment(
        aircraft="OO-ABC", engine="1", flight="F1", phase="cruise", seq=3, start_ns=5, end_ns=15, state="alarm",
        reason="", event="raised", score=2.5, threshold=1.0, bundle_id="d/1.0.0", bundle_digest="ab", spec_digest="cd",
        contributions=(Contribution("acc_1.rms", 0.75), Contribution("acc_1.std", 0.25)),
    ),
    Runtime(
        agent="a1", run="r1", monotonic_ns=99, clock="unknown", latency_ms=Latency(0.1, 0.2, 0.3),
        deadline_missed=False,
    ),
)  # fmt: skip


def test_round_trip() -> None:
    """A result is read back as it was."""
    assert decode_result(encode_result(RESULT)) == RESULT


def test_without_runtime_it_is_the_assessment() -> None:
    """Without ``runtime`` the bytes are those of ``encode_assessment``, as replay and batch give them."""
    document = msgpack.unpackb(encode_result(RESULT))
    del document[RUNTIME]
    assert msgpack.packb(document) == encode_assessment(RESULT.assessment)


def test_total_latency() -> None:
    """The total is the sum of the parts."""
    assert Latency(1.0, 2.0, 4.0).total == 7.0


def changed(name: str, value: object) -> bytes:
    """The result with one field changed."""
    document = msgpack.unpackb(encode_result(RESULT))
    document[name] = value
    return bytes(msgpack.packb(document))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xff",
        msgpack.packb(7),
        msgpack.packb({}),
        encode_assessment(RESULT.assessment),
        changed("schema", 2),
        changed("colour", "red"),
        changed("contributions", 5),
        changed("runtime", {}),
    ],
)
def test_not_a_result(payload: bytes) -> None:
    """Anything else is refused by the one error of the wire."""
    with pytest.raises(WireError, match=r"^result: expected schema 1"):
        decode_result(payload)
