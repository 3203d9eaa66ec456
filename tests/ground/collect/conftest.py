"""Messages as agents send them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_agent.assessment import Assessment, Contribution
from edge_agent.frame import NS_PER_S
from edge_agent.publication import Publication
from edge_agent.result import Latency, Result, Runtime, encode_result

RESULT = Result(
    Assessment(
        aircraft="OO-ABC", engine="1", flight="F1", phase="cruise", seq=3, start_ns=1_700_000_000 * NS_PER_S,
        end_ns=1_700_000_010 * NS_PER_S, state="normal", reason="", event="", score=2.5, threshold=3.0,
        bundle_id="d/1.0.0", bundle_digest="ab", spec_digest="cd",
        contributions=(Contribution("acc_1.rms", 0.75), Contribution("acc_1.std", 0.25)),
    ),
    Runtime(
        agent="a1", run="r1", monotonic_ns=99, clock="unknown", latency_ms=Latency(0.1, 0.2, 0.3),
        deadline_missed=False,
    ),
)  # fmt: skip
DATE = "2023-11-14"


@pytest.fixture
def message() -> Callable[..., Publication]:
    """Makes a result of an aircraft, with whatever else about its window."""

    def make(seq: int = 0, *, aircraft: str = "OO-ABC", historical: bool = False, **changes: object) -> Publication:
        assessment = replace(RESULT.assessment, seq=seq, aircraft=aircraft, **changes)  # type: ignore[arg-type]
        result = Result(assessment, replace(RESULT.runtime, historical=historical))
        return Publication(topic=f"aircraft/{aircraft}/engine/1/result", payload=encode_result(result))

    return make
