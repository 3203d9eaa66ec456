"""Which engine flies when, and with which fault: decided for the whole fleet before any sample is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ground.simulate.config import FAULTS, SENSOR_FAULTS, FleetConfig

DATASET = "simulated"
FIRST_FLIGHT_NS = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
DAY_NS = 86_400 * 10**9
ENGINE_STAGGER_NS = 60 * 10**9

SEVERITY_SHAPE = 2.0


class Stream(IntEnum):
    """Independent random streams of one engine: a fault never changes the healthy part of its engine."""

    PLAN = 0
    TRAITS = 1
    FLIGHT = 2
    FAULT = 3
    IMPACTS = 4
    SENSOR = 5


def random_stream(seed: int, engine: int, stream: Stream, flight: int = 0) -> np.random.Generator:
    """The generator of one purpose, the same wherever and in whatever order flights are made."""
    key = (engine, int(stream), flight)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightPlan:
    """One flight of one engine.

    Attributes:
        engine: Index of the engine in the fleet.
        flight: Index of the flight of that engine.
        fault: A name of ``FAULTS`` or ``SENSOR_FAULTS``; empty for a healthy flight.
        severity: 0 for a healthy engine, else up to 1 (advanced).
        onset_s: When the fault begins; 0 when it is there from the start.
    """

    engine: int
    flight: int
    fault: str
    severity: float
    onset_s: float

    @property
    def unit_id(self) -> str:
        """The physical engine."""
        return f"sim-e{self.engine:04d}"

    @property
    def aircraft(self) -> str:
        """The aircraft; two engines each."""
        return f"sim-a{self.engine // 2:04d}"

    @property
    def recording_id(self) -> str:
        """The flight, unique in the fleet."""
        return f"{self.unit_id}-f{self.flight:03d}"

    @property
    def start_ns(self) -> int:
        """Time of the first sample, nanoseconds since 1970."""
        return FIRST_FLIGHT_NS + self.flight * DAY_NS + self.engine * ENGINE_STAGGER_NS

    @property
    def has_engine_fault(self) -> bool:
        """Whether the engine itself is faulty."""
        return self.fault in FAULTS

    @property
    def has_sensor_fault(self) -> bool:
        """Whether the measuring chain is faulty."""
        return self.fault in SENSOR_FAULTS

    @property
    def label(self) -> str:
        """``healthy``, ``faulty`` or ``mixed``; sensor faults are ``mixed`` so that they never train a model."""
        if not self.fault:
            return "healthy"
        return "mixed" if self.has_sensor_fault or self.onset_s > 0 else "faulty"


def plan_fleet(config: FleetConfig) -> list[FlightPlan]:
    """Every flight of the fleet: healthy engines first, then faulty ones, then those with a faulty sensor."""
    plans = []
    for engine in range(config.n_engines):
        plans += _plan_engine(config, engine)
    return plans


def _plan_engine(config: FleetConfig, engine: int) -> list[FlightPlan]:
    rng = random_stream(config.seed, engine, Stream.PLAN)
    fault = _fault_of(config, engine)
    # Every engine draws the same numbers in the same order: changing one share leaves the others' draws alone.
    growth = rng.beta(SEVERITY_SHAPE, SEVERITY_SHAPE)
    drawn_severity = config.severity_floor + (1 - config.severity_floor) * growth
    begins_in_flight = rng.random() < config.onset_share
    engine_onset_s = config.flight_s * rng.uniform(0.35, 0.6)
    sensor_onsets_s = config.flight_s * rng.uniform(0.1, 0.5, config.flights_per_engine)
    severity = round(float(drawn_severity), 4) if fault in FAULTS else 0.0

    def onset_s(flight: int) -> float:
        if fault in SENSOR_FAULTS:
            return round(float(sensor_onsets_s[flight]), 3)
        begins_now = fault in FAULTS and begins_in_flight and flight == 0
        return round(float(engine_onset_s), 3) if begins_now else 0.0

    return [
        FlightPlan(engine=engine, flight=flight, fault=fault, severity=severity, onset_s=onset_s(flight))
        for flight in range(config.flights_per_engine)
    ]


def _fault_of(config: FleetConfig, engine: int) -> str:
    faulty = engine - config.n_healthy
    if faulty < 0:
        return ""
    if faulty < config.n_faulty:
        return config.faults[faulty % len(config.faults)]
    return config.sensor_faults[(faulty - config.n_faulty) % len(config.sensor_faults)]
