"""A dataset as collectors write it, of messages as agents send them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgpack

from edge_agent.assessment import Assessment, Contribution
from edge_agent.frame import NS_PER_S
from edge_agent.publication import Publication
from edge_agent.result import Latency, Result, Runtime, encode_result
from edge_agent.topics_section import TopicsSection
from ground.fleet.collect.parts import write_parts

BEGIN_NS = 1_790_000_000 * NS_PER_S
"""2026-09-21."""
DATE = "2026-09-21"
WINDOW_S = 10
FLIGHT_S = 7_200
BUNDLE = "engine_vibration_detector/1.0.0"
SHADOW = "engine_vibration_detector/1.1.0"
FEATURES = ("acc_1.band_1500_2100_hz", "acc_1.n1_1x", "acc_1.n2_2x", "acc_1.rms", "acc_1.envelope_bpfo_1x")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the fleet is.

    Attributes:
        aircraft: Their names.
        engines: Engines of each.
        flights: Flights of each engine.
        windows: Windows of each flight.
        alerts: Every so many flights one has an alert.
        seed: Of all that is random.
    """

    aircraft: tuple[str, ...] = ("OO-ABC", "OO-DEF", "OO-XYZ")
    engines: tuple[str, ...] = ("1", "2")
    flights: int = 6
    windows: int = 30
    alerts: int = 4
    seed: int = 7


@dataclass(frozen=True)
class Flown:
    """One flight: ``alarmed`` are the windows in alarm."""

    aircraft: str
    engine: str
    flight: str
    begin_ns: int
    windows: int
    alarmed: range


def write_fleet(root: Path, plan: Plan, *, name: str = "test-1") -> None:
    """Write the dataset of a plan."""
    write_parts(messages(plan), root, name=name, date=DATE, topics=TopicsSection())


def messages(plan: Plan) -> Iterator[Publication]:
    """All that the agents of a plan say."""
    chance = random.Random(plan.seed)
    number = 0
    for aircraft in plan.aircraft:
        yield status(f"agent-{aircraft}", sent_ns=BEGIN_NS)
        for engine in plan.engines:
            for flight in range(plan.flights):
                number += 1
                begin_ns = BEGIN_NS + flight * FLIGHT_S * NS_PER_S
                alarmed = range(plan.windows // 2, plan.windows - 3) if number % plan.alerts == 0 else range(0)
                yield from _flight(
                    Flown(aircraft, engine, f"F{flight + 1:03}", begin_ns, plan.windows, alarmed), chance
                )


def _flight(flown: Flown, chance: random.Random) -> Iterator[Publication]:
    results = [window(flown, seq, chance) for seq in range(flown.windows)]
    for result in results:
        yield _publication(result, "result")
        if result.assessment.event:
            yield _publication(result, "alert")
    yield from _documents(results, flown.aircraft, flown.engine)


def window(flown: Flown, seq: int, chance: random.Random) -> Result:
    """One window of a flight."""
    alarmed = flown.alarmed
    state = "alarm" if seq in alarmed else "normal"
    event = "raised" if alarmed and seq == alarmed.start else "cleared" if alarmed and seq == alarmed.stop else ""
    ratio = chance.uniform(1.2, 4.0) if seq in alarmed else chance.uniform(0.2, 0.8)
    named = chance.sample(FEATURES, 3)
    start_ns = flown.begin_ns + seq * WINDOW_S * NS_PER_S
    return Result(
        Assessment(
            aircraft=flown.aircraft, engine=flown.engine, flight=flown.flight, phase="cruise", seq=seq,
            start_ns=start_ns, end_ns=start_ns + WINDOW_S * NS_PER_S, state=state, reason="", event=event,
            score=3.0 * ratio, threshold=3.0,
            bundle_id=BUNDLE, bundle_digest="ab" * 32, spec_digest="cd" * 32,
            contributions=tuple(Contribution(name, share) for name, share in zip(named, (0.5, 0.3, 0.2), strict=True)),
        ),
        Runtime(
            agent=f"agent-{flown.aircraft}", run="r1", monotonic_ns=seq, clock="synchronised",
            latency_ms=Latency(0.1, 0.2, 2.3), deadline_missed=False,
        ),
    )  # fmt: skip


def _publication(result: Result, kind: str) -> Publication:
    assessment = result.assessment
    topic = f"aircraft/{assessment.aircraft}/engine/{assessment.engine}/{kind}"
    return Publication(topic=topic, payload=encode_result(result))


def _documents(results: list[Result], aircraft: str, engine: str) -> Iterator[Publication]:
    first, last = results[0].assessment, results[-1].assessment
    ratios = sorted(each.assessment.score / each.assessment.threshold for each in results)
    base = {
        "schema": 1, "aircraft": aircraft, "engine": engine, "flight": first.flight, "agent": f"agent-{aircraft}",
        "run": "r1", "bundle_id": BUNDLE, "bundle_digest": "ab" * 32,
    }  # fmt: skip
    n = len(results)
    summary = {
        **base, "ended": "next_flight", "clock": "synchronised", "first_ns": first.start_ns, "last_ns": last.end_ns,
        "first_seq": 0, "frames": 10 * n, "lost_frames": 0, "gaps": 0, "longest_gap_ns": 0, "windows": n, "assessed": n,
        "coverage": 1.0, "phases": [["cruise", {"normal": n}]],
        "ratio": {"p50": ratios[n // 2], "p90": ratios[9 * n // 10], "p99": ratios[-1]},
        "highest": [ratios[-1], 3.0 * ratios[-1], 3.0, last.end_ns, "cruise"],
        "raised": sum(each.assessment.event == "raised" for each in results),
        "cleared": sum(each.assessment.event == "cleared" for each in results),
        "alerts": [], "features": [[FEATURES[0], 0.4]], "speed_hz": {"n1": [50.0, 51.0]}, "truncated": {},
    }  # fmt: skip
    agreement = {
        **base, "from_ns": first.start_ns, "to_ns": last.end_ns, "cause": "flight", "shadow_id": SHADOW,
        "shadow_digest": "ef" * 32, "counts": {"both_normal": n - 1, "only_active": 1},
    }  # fmt: skip
    topic = f"aircraft/{aircraft}/engine/{engine}"
    yield Publication(topic=f"{topic}/flight", payload=bytes(msgpack.packb(summary)))
    yield Publication(topic=f"{topic}/shadow/agreement", payload=bytes(msgpack.packb(agreement)))


def status(agent: str, *, sent_ns: int = 0, **changed: object) -> Publication:
    """What an agent says of itself; its clock is not vouched for where no time is given."""
    told = {"updated": datetime.fromtimestamp(sent_ns / NS_PER_S, UTC).isoformat(timespec="milliseconds")}
    document = {
        "schema": 1, "state": "online", "reason": "", "health": "ok", "health_reasons": [], "agent": agent, "run": "r1",
        **told, "clock": "synchronised" if sent_ns else "unsynchronised", "status_interval_s": 10.0,
        "bundle_id": BUNDLE, "shadow": {"state": "running"}, **changed,
    }  # fmt: skip
    return Publication(topic=f"enginear/{agent}/status", payload=json.dumps(document).encode())
