"""Drift messages as an agent sends them, with levels that a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgpack
import numpy as np

from edge_agent.drift import pack
from edge_agent.publication import Publication
from edge_agent.sketch import Sketch
from edge_agent.topics_section import TopicsSection
from ground.fleet.collect.parts import write_parts
from tests.console.fleet_data import BEGIN_NS, BUNDLE, DATE

FLIGHT_NS = 7_200 * 10**9


def drift_message(
    number: int,
    spreads: Sequence[float],
    *,
    aircraft: str = "OO-ABC",
    engine: str = "1",
    windows: int = 5,
    **changed: object,
) -> Publication:
    """The message of a flight whose windows all lay at ``spreads``."""
    sketch = Sketch.empty(len(spreads))
    for _ in range(windows):
        sketch.add(np.array(spreads, dtype=np.float64), 0.5)
    begin_ns = BEGIN_NS + number * FLIGHT_NS
    document = {
        "schema": 1, "aircraft": aircraft, "engine": engine, "flight": f"F{number:03}", "from_ns": begin_ns,
        "to_ns": begin_ns + FLIGHT_NS, "bundle_id": BUNDLE, "bundle_digest": "ab" * 32, "phase": "cruise",
        "cause": "flight", "agent": "a", "run": "r1", "n": windows, "not_assessed": {}, "shed": 0,
        "n_feature": len(spreads), "arrays": pack(sketch), **changed,
    }  # fmt: skip
    return Publication(topic=f"aircraft/{aircraft}/engine/{engine}/drift", payload=bytes(msgpack.packb(document)))


def write_drift(root: Path, messages: Sequence[Publication], *, name: str = "drift-1") -> None:
    """Write them as a collector does."""
    write_parts(messages, root, name=name, date=DATE, topics=TopicsSection())
