"""Slow values of a plant, once a second: they follow a set point that people move, the weather, and each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Generator = np.random.Generator
Samples = NDArray[np.float64]

UNITS = {"flow": "l/min", "pressure": "bar", "current": "A", "motor_temperature": "degC", "water_temperature": "degC"}
"""Names and units of the channels."""

_STEPS = {"flow": 0.1, "pressure": 0.01, "current": 1e-3, "motor_temperature": 0.1, "water_temperature": 0.1}
"""What their converters resolve."""
_DAY_S = 86_400.0
_HEAT_S = 600.0
_WATER_S = 1800.0
_FLOW_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A pump that moves water in a loop.

    Attributes:
        flow: Usual flow, l/min.
        pressure: At that flow, bar.
        current: Of the motor, A.
        rise: Of the motor over the water, degC.
        water: Temperature of the water, degC.
        noise: Relative noise of flow, pressure and current.
    """

    flow: float = 32.0
    pressure: float = 1.8
    current: float = 2.4
    rise: float = 38.0
    water: float = 24.0
    noise: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """(n,) each: 0 where nothing is wrong, 1 where it is in full.

    Attributes:
        blocked: The flow falls to half, the pressure rises, the motor has less to do.
        leaking: The pressure falls by a third.
        hot: The motor gets 15 degrees warmer in the end.
        stuck: Nothing fluctuates any more: the valve regulates nothing.
    """

    blocked: Samples
    leaking: Samples
    hot: Samples
    stuck: Samples

    @classmethod
    def none(cls, n: int) -> Trouble:
        """Nothing is wrong."""
        return cls(blocked=np.zeros(n), leaking=np.zeros(n), hot=np.zeros(n), stuck=np.zeros(n))


def another_plant(kind: Plant, rng: Generator, *, spread: float) -> Plant:
    """One of its kind, every value off by a factor of its own; temperatures by a tenth of that."""
    off = np.exp(spread * rng.standard_normal(5))
    return Plant(
        flow=kind.flow * off[0],
        pressure=kind.pressure * off[1],
        current=kind.current * off[2],
        rise=kind.rise * off[3],
        water=kind.water * off[4] ** 0.1,
        noise=kind.noise,
    )


def values_of(plant: Plant, trouble: Trouble, rng: Generator, *, start_s: float) -> dict[str, Samples]:
    """(n,) values of each channel, in the steps of its converter.

    Args:
        plant: Who is heard.
        trouble: What is wrong with it, and when; gives n.
        rng: Draws everything.
        start_s: Time of day.
    """
    n = len(trouble.blocked)
    live = 1.0 - trouble.stuck
    demand = 1.0 + (0.06 * _modes(n, rng) + 0.02 * _wandering(n, 120.0, rng)) * live
    flow = _lagged(demand * (1.0 - 0.5 * trouble.blocked), _FLOW_S)
    pressure = flow**2 * (1.0 - 0.33 * trouble.leaking) * (1.0 + 3.5 * trouble.blocked)
    current = 0.4 + 0.6 * flow * np.sqrt(np.maximum(pressure, 0.0))
    day = np.sin(2.0 * np.pi * (start_s + np.arange(n)) / _DAY_S)
    water = plant.water + 2.0 * day + _lagged(0.5 * _wandering(n, 900.0, rng), _WATER_S)
    motor = water + plant.rise * _lagged(current**2, _HEAT_S) + 15.0 * _lagged(trouble.hot, 0.2 * _HEAT_S)

    def noisy(values: Samples, relative: float) -> Samples:
        return values * (1.0 + relative * rng.standard_normal(n) * live)

    values = {
        "flow": plant.flow * noisy(flow, plant.noise),
        "pressure": plant.pressure * noisy(pressure, 2.0 * plant.noise),
        "current": plant.current * noisy(current, plant.noise),
        "motor_temperature": motor + 0.05 * rng.standard_normal(n),
        "water_temperature": water + 0.05 * rng.standard_normal(n),
    }
    return {name: np.round(column / _STEPS[name]) * _STEPS[name] for name, column in values.items()}


def _modes(n: int, rng: Generator) -> Samples:
    """(n,) -1, 0 or 1: the set point, moved every ten minutes or so."""
    count = max(1, n // 600)
    return np.repeat(rng.integers(-1, 2, size=count), -(-n // count))[:n].astype(np.float64)


def _wandering(n: int, knot_s: float, rng: Generator) -> Samples:
    knots = max(2, int(n / knot_s) + 2)
    return np.interp(np.arange(n) / knot_s, np.arange(knots), rng.standard_normal(knots))


def _lagged(values: Samples, time_s: float) -> Samples:
    """A first-order lag, settled at the first value."""
    from scipy.signal import lfilter

    keep = float(np.exp(-1.0 / time_s))
    lagged, _ = lfilter([1.0 - keep], [1.0, -keep], values, zi=[keep * values[0]])
    return np.asarray(lagged)
