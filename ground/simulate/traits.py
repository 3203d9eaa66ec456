"""One engine of the fleet: how its amplitudes and resonances differ from its sisters'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ground.simulate.arrays import Float64s
from ground.simulate.orders import GEAR_TEETH, OrderSeries

FAN_BLADES = 22
COMPRESSOR_BLADES = 17

FAN_ORDERS_G = {1: 0.25, 2: 0.08, 3: 0.05, 4: 0.03, 5: 0.02, 6: 0.015, FAN_BLADES: 0.35, 2 * FAN_BLADES: 0.12}
CORE_ORDERS_G = {1: 0.30, 2: 0.10, 3: 0.06, 4: 0.04, COMPRESSOR_BLADES: 0.25}
GEAR_ORDERS_G = {
    1: 0.02,
    GEAR_TEETH - 1: 0.04,
    GEAR_TEETH: 0.50,
    GEAR_TEETH + 1: 0.04,
    2 * GEAR_TEETH: 0.15,
}
UNBALANCE_SPREAD = 0.35
ORDER_SPREAD = 0.20
FLIGHT_SPREAD = 0.05

FLOW_NOISE_G = 0.45
RUMBLE_G = 0.25
TIP_NOISE_G = 0.10
NOISE_SPREAD = 0.12

UNIT_GAIN_SPREAD = 0.20
FLIGHT_GAIN_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class Location:
    """Where a sensor sits: what reaches it of each source, and the structure in between."""

    fan: float
    core: float
    gear: float
    mode_hz: tuple[float, ...]


LOCATIONS = (
    Location(fan=1.0, core=0.8, gear=0.9, mode_hz=(140.0, 480.0, 1350.0, 2900.0)),
    Location(fan=0.5, core=1.0, gear=0.5, mode_hz=(115.0, 390.0, 1120.0, 2450.0)),
)
MODE_DAMPING = (0.05, 0.04, 0.03, 0.03)
MODE_GAIN = (0.20, 0.20, 0.15, 0.12)
MODE_HZ_SPREAD = 0.02
MODE_DAMPING_SPREAD = 0.15
MODE_GAIN_SPREAD = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Structure between the sources and one sensor.

    Attributes:
        gain: Overall gain.
        mode_hz: Natural frequencies, (n_modes,) float64.
        damping: Damping ratios, (n_modes,) float64.
        mode_gain: Modal participation, (n_modes,) float64.
        fan: Share of the fan-shaft forces that reaches the sensor.
        core: The same of the core shaft.
        gear: The same of the accessory gear.
    """

    gain: float
    mode_hz: Float64s
    damping: Float64s
    mode_gain: Float64s
    fan: float
    core: float
    gear: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTraits:
    """Everything that one engine keeps from flight to flight; amplitudes in g at rated speed and full load."""

    fan: OrderSeries
    core: OrderSeries
    gear: OrderSeries
    flow_noise_g: float
    rumble_g: float
    tip_noise_g: float
    mounts: tuple[Mount, ...]


def draw_traits(rng: np.random.Generator) -> EngineTraits:
    """Draw an engine; always with all its sensors, so that a second channel never changes the first."""
    fan, core, gear = (_draw_series(rng, table) for table in (FAN_ORDERS_G, CORE_ORDERS_G, GEAR_ORDERS_G))
    noise = lognormal(rng, NOISE_SPREAD, 3)
    return EngineTraits(
        fan=fan,
        core=core,
        gear=gear,
        flow_noise_g=FLOW_NOISE_G * float(noise[0]),
        rumble_g=RUMBLE_G * float(noise[1]),
        tip_noise_g=TIP_NOISE_G * float(noise[2]),
        mounts=tuple(_draw_mount(rng, location) for location in LOCATIONS),
    )


def lognormal(rng: np.random.Generator, spread: float, count: int) -> Float64s:
    """Factors of median 1 whose logarithm has the standard deviation ``spread``, (count,) float64."""
    return np.exp(rng.normal(0, spread, count))


def vary_flight(series: OrderSeries, rng: np.random.Generator) -> OrderSeries:
    """The same orders as they come out on one flight."""
    factors = lognormal(rng, FLIGHT_SPREAD, len(series.orders))
    amplitudes = tuple(amplitude * float(factor) for amplitude, factor in zip(series.amplitudes, factors, strict=True))
    return OrderSeries(series.orders, amplitudes)


def _draw_series(rng: np.random.Generator, table: dict[int, float]) -> OrderSeries:
    spreads = np.array([UNBALANCE_SPREAD if order == 1 else ORDER_SPREAD for order in table])
    sizes = np.array(list(table.values())) * np.exp(rng.normal(0, 1, len(table)) * spreads)
    phases = rng.uniform(0, 2 * np.pi, len(table))
    return OrderSeries(tuple(table), tuple(complex(value) for value in sizes * np.exp(1j * phases)))


def _draw_mount(rng: np.random.Generator, location: Location) -> Mount:
    count = len(location.mode_hz)
    return Mount(
        gain=float(lognormal(rng, UNIT_GAIN_SPREAD, 1)[0]),
        mode_hz=np.array(location.mode_hz) * lognormal(rng, MODE_HZ_SPREAD, count),
        damping=np.array(MODE_DAMPING) * lognormal(rng, MODE_DAMPING_SPREAD, count),
        mode_gain=np.array(MODE_GAIN) * lognormal(rng, MODE_GAIN_SPREAD, count),
        fan=location.fan,
        core=location.core,
        gear=location.gear,
    )
