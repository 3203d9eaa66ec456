"""Flights as a fleet publishes them: the agent's own pipeline over recordings, in process, into a dataset."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgpack

from edge_agent.assessment import Assessment
from edge_agent.config import parse_config
from edge_agent.detector import LoadedModel
from edge_agent.evidence import Evidence
from edge_agent.evidence_request import CHUNK_BYTES
from edge_agent.flight_recorder import FlightRecorder
from edge_agent.frame import NS_PER_S, Frame
from edge_agent.health import Health, Identity
from edge_agent.inbox import Arrival
from edge_agent.onlookers import Onlookers
from edge_agent.pipeline import Pipeline
from edge_agent.publication import Publication
from edge_agent.result import decode_result
from edge_agent.startup import LoadedShadow
from edge_agent.topics_section import TopicsSection
from edge_agent.version import AGENT_VERSION
from edge_agent.waveform_ring import Snapshot
from edge_agent.wire import encode_frame
from ground.fleet.collect.parts import write_parts
from ground.frames import frames_for
from ground.recording import Recording

RUN = "run-1"
BEFORE_S, AFTER_S = 6.0, 4.0
"""Waveform that is shipped around an alert."""


@dataclass(frozen=True)
class Flown:
    """One flight: whose it is, what it is called, when it begins, and the recording that is flown."""

    aircraft: str
    engine: str
    flight: str
    start_ns: int
    recording: Recording


def fly(
    flights: Iterable[Flown], dataset: Path, *, active: LoadedModel, shadows: Sequence[LoadedModel] = (), folder: Path
) -> None:
    """Assess flights as an agent does, and write what it publishes as a collector does.

    Args:
        flights: In the order of time.
        dataset: The collector's dataset.
        active: The bundle that decides.
        shadows: One that looks along, or none.
        folder: The agent's.
    """
    for day, published in _by_day(flights, active, shadows, folder):
        write_parts(published, dataset, name=f"west-{day}", date=day, topics=TopicsSection())


def _by_day(
    flights: Iterable[Flown], active: LoadedModel, shadows: Sequence[LoadedModel], folder: Path
) -> Iterator[tuple[str, list[Publication]]]:
    from ground.fleet.collect.rows import date_of_ns

    agents: dict[str, _Agent] = {}
    days: dict[str, list[Publication]] = {}
    for flown in flights:
        if flown.aircraft not in agents:
            agents[flown.aircraft] = _Agent(flown.aircraft, active, shadows, folder)
        days.setdefault(date_of_ns(flown.start_ns), []).extend(agents[flown.aircraft].fly(flown))
    last = max(days)
    for agent in agents.values():
        days[last] += agent.stop()
    yield from sorted(days.items())


class _Agent:
    """The agent of one aircraft."""

    def __init__(self, name: str, active: LoadedModel, shadows: Sequence[LoadedModel], folder: Path) -> None:
        self._model = active
        document = {
            "agent": {"id": f"agent-{name}", "fleet": "demo", "state_dir": str(folder / name)},
            "bundle": {"path": "none.bundle", "keys": ["none.pem"]},
            "broker": {"host": "127.0.0.1"},
        }
        config = parse_config(document, folder=folder)
        health = Health(identity=Identity.of(config, active, run=RUN, version=AGENT_VERSION))
        shadow = LoadedShadow("running", "", tuple(shadows)) if shadows else LoadedShadow()
        self._onlookers = Onlookers(config, active, shadow, health)
        self._recorder = FlightRecorder(config, health)
        self._pipeline = Pipeline(config, active, health, observers=(self._recorder, *self._onlookers.observers))
        self._name, self._shadow = name, shadow

    def fly(self, flown: Flown) -> Iterator[Publication]:
        """What it publishes about one flight."""
        frames = list(_frames(flown, self._model))
        for frame in frames:
            topic = f"aircraft/{flown.aircraft}/engine/{flown.engine}/vibration"
            for each in (*self._pipeline.handle(Arrival(topic, encode_frame(frame), 0)), *self._pipeline.follow_up()):
                yield each
                if each.topic.endswith("/alert"):
                    yield from _evidence(frames, decode_result(each.payload).assessment, f"agent-{self._name}")

    def stop(self) -> Iterator[Publication]:
        """What it publishes in the end."""
        yield from self._recorder.finish()
        yield from self._onlookers.close()
        document = (
            f'{{"schema": 1, "state": "online", "health": "ok", "health_reasons": [], "agent": "agent-{self._name}", '
            f'"updated": "2026-11-20T14:00:00.000+00:00", "clock": "unsynchronised", '
            f'"bundle_id": "{self._model.bundle_id}", '
            f'"shadow": {{"state": "{self._shadow.state}"}}}}'
        )
        yield Publication(topic=f"enginear/agent-{self._name}/status", payload=document.encode())


def _frames(flown: Flown, model: LoadedModel) -> Iterator[Frame]:
    names = {"aircraft": flown.aircraft, "engine": flown.engine, "flight": flown.flight}
    frames = frames_for(model.spec, flown.recording)
    shift_ns = 0
    for at, frame in enumerate(frames):
        shift_ns = shift_ns if at else flown.start_ns - frame.t_ns
        yield replace(frame, **names, t_ns=frame.t_ns + shift_ns)


def _evidence(frames: list[Frame], alert: Assessment, agent: str) -> Iterator[Publication]:
    """The waveform around an alert, announced and shipped."""
    if alert.event != "raised":
        return
    from_ns, to_ns = alert.start_ns - int(BEFORE_S * NS_PER_S), alert.end_ns + int(AFTER_S * NS_PER_S)
    kept = tuple(frame for frame in frames if from_ns <= frame.t_ns <= to_ns)
    blocks = [encode_frame(frame) for frame in kept]
    content = b"".join(struct.pack("<I", len(block)) + block for block in blocks)
    told = replace(
        Evidence.of(Snapshot(alert, kept, 0, reproduces=False), agent=agent, run=RUN),
        n_byte=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    topic = f"aircraft/{alert.aircraft}/engine/{alert.engine}/evidence"
    yield Publication(topic=topic, payload=told.to_msgpack())
    pieces = [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]
    for number, piece in enumerate(pieces):
        document = {
            "schema": 1, "evidence": told.to_document(), "chunk": number, "chunks": len(pieces), "data": piece,
        }  # fmt: skip
        yield Publication(topic=f"enginear/{agent}/evidence/data", payload=bytes(msgpack.packb(document)))
