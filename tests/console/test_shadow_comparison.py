"""The shadow's report in the console: of the files that matter, made once, and said why where it cannot be made."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.publication import Publication
from edge_agent.result import encode_result
from edge_agent.topics_section import TopicsSection
from ground.console.data.fleet_index import FleetIndex
from ground.console.data.shadow_comparison import ShadowComparisons
from ground.errors import DataError
from ground.fleet.collect.parts import write_parts
from tests.console.fleet_data import BEGIN_NS, DATE, FLIGHT_S, SHADOW, Flown, Plan, window, write_fleet

S = 10**9
DIGEST = "ef" * 32
FLEET = Plan(aircraft=("A", "B"), engines=("1",), flights=3, windows=12, alerts=2)


def shadow_windows(flight: int) -> Iterator[Publication]:
    """What a shadow says of a flight of aircraft A: nothing is wrong with it."""
    flown = Flown("A", "1", f"F{flight + 1:03}", BEGIN_NS + flight * FLIGHT_S * S, FLEET.windows, range(0))
    for seq in range(flown.windows):
        result = window(flown, seq, random.Random(seq))
        said = replace(result.assessment, bundle_id=SHADOW, bundle_digest=DIGEST)
        yield Publication(topic="aircraft/A/engine/1/shadow", payload=encode_result(replace(result, assessment=said)))


def write(root: Path, *flights: int, name: str = "shadow-1") -> None:
    """Write what the shadow says of some flights."""
    parts = [each for flight in flights for each in shadow_windows(flight)]
    write_parts(parts, root, name=name, date=DATE, topics=TopicsSection())


@pytest.fixture
def index(tmp_path: Path) -> Iterator[FleetIndex]:
    """Two aircraft with three flights each, a shadow that saw two of one, and an old flight of that one."""
    write_fleet(tmp_path, FLEET)
    write(tmp_path, 0, 1)
    old = Flown("A", "1", "OLD", BEGIN_NS - 30 * 86_400 * S, 4, range(0))
    parts = [
        Publication(topic="aircraft/A/engine/1/result", payload=encode_result(window(old, seq, random.Random(seq))))
        for seq in range(4)
    ]
    write_parts(parts, tmp_path, name="old-1", date=DATE, topics=TopicsSection())
    made = FleetIndex(tmp_path, days=90)
    made.refresh()
    yield made
    made.close()


def test_only_days_and_aircraft_of_the_shadow_are_read(index: FleetIndex) -> None:
    """A report takes what a shadow saw, not all that flew in ninety days."""
    comparisons = ShadowComparisons(index)
    (results,) = comparisons._seen(DIGEST).results
    assert "aircraft=A" in results
    assert f"date={DATE}" in results
    report = comparisons.report(DIGEST)
    assert (report.flights, report.both, len(report.lost), report.shadow) == (2, 0, 1, (SHADOW, DIGEST))


def test_it_is_made_once_for_the_same_files(index: FleetIndex) -> None:
    """And anew when a file has come."""
    comparisons = ShadowComparisons(index)
    first = comparisons.report(DIGEST)
    assert comparisons.report(DIGEST) is first
    write(index.root, 2, name="shadow-2")
    index.refresh()
    assert comparisons.report(DIGEST).flights == 3


def test_why_there_is_none_is_said(index: FleetIndex) -> None:
    """A shadow that nobody knows, and a machine that is too small."""
    comparisons = ShadowComparisons(index)
    with pytest.raises(DataError, match="No window of this bundle as a shadow"):
        comparisons.report("00" * 32)
    with index.cursor() as cursor:
        (used,) = cursor.execute("SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()").fetchone()
        cursor.execute(f"SET memory_limit = '{used + 300_000}B'")
    with pytest.raises(DataError, match="too little memory; look at fewer"):
        comparisons.report(DIGEST)
