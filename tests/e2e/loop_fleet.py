"""The fleet of the loop test: recordings to begin with, and flights in service that drift at some point."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from edge_agent.frame import Frame
from ground.frames import frames_for
from ground.recording_index import INDEX_NAME, read_index
from ground.recordings import load_recording
from ground.simulate.config import FleetConfig
from ground.simulate.files import IndexRow, index_bytes, index_row, parquet_bytes
from ground.simulate.flight import simulate_flight
from ground.simulate.plan import FlightPlan, plan_fleet
from ground.workspace import write_atomic
from shared_features.spec import FeatureSpec

FLIGHTS_EACH = 3
FLEET = FleetConfig(
    seed=5, n_healthy=48, n_faulty=12, n_sensor_faulty=0, flights_per_engine=1 + 3 * FLIGHTS_EACH, flight_s=40.0,
    severity_floor=0.9, onset_share=0.0,
)  # fmt: skip
IN_SERVICE = 8
"""The first engines fly; of the others there is one recording each."""
DRIFT_GAIN = np.float32(1.35)
"""New mounts: every engine in service sounds louder by this, all of a sudden."""
ILL = (3, 5)
"""Engine and flight of which nobody knows that it is faulty: an alarm is all that tells."""
ILL_FLIGHT = f"sim-e{ILL[0]:04d}-f{ILL[1]:03d}"
_PIECE_FRAMES = 8
_HEAD_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Flown:
    """A folder of recordings, and whether they are of after the drift."""

    folder: Path
    drifted: bool


def simulate(root: Path) -> dict[str, Path]:
    """Write every folder of recordings below ``root``; they are given by name.

    ``begin`` has a first flight of every engine; ``usual``, ``drifted`` and ``later`` have three flights each of the
    engines in service, the last two of after the drift.
    """
    plans = plan_fleet(FLEET)
    service = [plan for plan in plans if plan.engine < IN_SERVICE]
    spans = {"usual": (1, 4, False), "drifted": (4, 7, True), "later": (7, 10, True)}
    jobs = {"begin": [(plan, False) for plan in plans if plan.flight == 0]} | {
        name: [(plan, drifted) for plan in service if begin <= plan.flight < end]
        for name, (begin, end, drifted) in spans.items()
    }
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for name, flights in jobs.items():
            rows = list(pool.map(partial(_write, root / name), flights, chunksize=4))
            write_atomic(root / name / INDEX_NAME, index_bytes(rows))
    return {name: root / name for name in jobs}


def _write(folder: Path, job: tuple[FlightPlan, bool]) -> IndexRow:
    plan, drifted = job
    ill = (plan.engine, plan.flight) == ILL
    faulty = replace(plan, engine=FLEET.n_healthy, fault=FLEET.faults[0], severity=1.0)
    record = simulate_flight(FLEET, faulty if ill else plan)
    if drifted:
        record = replace(record, samples=record.samples * DRIFT_GAIN)
    row = index_row(FLEET, plan, record)
    write_atomic(folder / row.file, parquet_bytes(FLEET, plan, record, row))
    return row


def whole_flights(folder: Path, spec: FeatureSpec) -> Iterator[tuple[str, list[Frame]]]:
    """The frames of each recording, in the order of their flights."""
    for info in sorted(read_index(folder), key=lambda each: (each.start_ns, each.recording_id)):
        recording = load_recording(folder, info, conditions=spec.speeds)
        yield info.recording_id, list(frames_for(spec, recording))


def short_flights(folder: Path, spec: FeatureSpec) -> Iterator[tuple[str, list[Frame]]]:
    """Many flights of a few seconds in one phase each, out of the middle of the phases of a few long ones."""
    for name, frames in whole_flights(folder, spec):
        number = 0
        for _, run in groupby(frames, key=lambda frame: frame.phase):
            steady = list(run)[_HEAD_FRAMES:]
            for begin in range(0, len(steady) - _PIECE_FRAMES + 1, _PIECE_FRAMES):
                piece = steady[begin : begin + _PIECE_FRAMES]
                flight = f"{name}-{number}"
                number += 1
                yield flight, [replace(frame, flight=flight, seq=seq) for seq, frame in enumerate(piece)]
