"""A seeded fleet of simulated engines; formulas and sources stand in docs/reference/simulation.md."""

from __future__ import annotations

from ground.simulate.config import FAULTS, SENSOR_FAULTS, FleetConfig
from ground.simulate.fleet import simulate_fleet

__all__ = ["FAULTS", "SENSOR_FAULTS", "FleetConfig", "simulate_fleet"]
