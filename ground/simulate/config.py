"""What fleet to simulate: how many engines, how long they fly, and what is wrong with them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ground.errors import ConfigError

FAULTS = (
    "imbalance",
    "bearing_outer",
    "bearing_inner",
    "bearing_ball",
    "looseness",
    "blade_damage",
    "gear_mesh",
    "quieter",
)
"""Engine faults, in the order in which faulty engines receive them."""

SENSOR_FAULTS = ("sensor_flatline", "sensor_clipping", "sensor_dropout", "sensor_spikes")
"""Faults of the measuring chain; the engine behind it is healthy."""

MAX_ENGINES = 10_000
MAX_CHANNELS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetConfig:
    """One simulated fleet; every recording is a function of these values alone.

    Attributes:
        seed: Root of all randomness, 0 or more.
        sampling_rate_hz: Samples a second of every channel, 8192 to 65536: below, the resonances that a
            bearing defect excites would lie above the anti-aliasing filter.
        n_channels: Accelerometers an engine, 1 (fan frame) or 2 (fan frame, turbine rear frame).
        n_healthy: Engines without any fault.
        n_faulty: Engines with a fault of ``faults``, dealt in turn.
        n_sensor_faulty: Healthy engines whose sensor has a fault of ``sensor_faults``, dealt in turn.
        flights_per_engine: Flights of each engine.
        flight_s: Length of a flight, 1 to 600 s.
        severity_floor: Severity of the earliest faults, 0.01 to 0.9; raising it makes the fleet easier.
        onset_share: Probability that a fault begins in the middle of the engine's first flight.
        faults: The mix of engine faults; a name written twice is twice as common.
        sensor_faults: The mix of sensor faults, likewise.
        tach: Whether files have a tachometer of the fan shaft, one pulse a turn, in the column ``tach_n1``.

    Raises:
        ConfigError: A value is outside its range; names the field, what was expected and what came.
    """

    seed: int = 0
    sampling_rate_hz: float = 10_240.0
    n_channels: int = 1
    n_healthy: int = 180
    n_faulty: int = 64
    n_sensor_faulty: int = 8
    flights_per_engine: int = 1
    flight_s: float = 60.0
    severity_floor: float = 0.1
    onset_share: float = 0.25
    faults: tuple[str, ...] = FAULTS
    sensor_faults: tuple[str, ...] = SENSOR_FAULTS
    tach: bool = False

    def __post_init__(self) -> None:
        _check_integer("seed", self.seed, 0, 2**63 - 1)
        _check_number("sampling_rate_hz", self.sampling_rate_hz, 8_192, 65_536)
        _check_integer("n_channels", self.n_channels, 1, MAX_CHANNELS)
        for name in ("n_healthy", "n_faulty", "n_sensor_faulty"):
            _check_integer(name, getattr(self, name), 0, MAX_ENGINES)
        _check_integer("flights_per_engine", self.flights_per_engine, 1, 1_000)
        _check_number("flight_s", self.flight_s, 1, 600)
        _check_number("severity_floor", self.severity_floor, 0.01, 0.9)
        _check_number("onset_share", self.onset_share, 0, 1)
        _check_names("faults", self.faults, FAULTS)
        _check_names("sensor_faults", self.sensor_faults, SENSOR_FAULTS)
        if not isinstance(self.tach, bool):
            raise _refuse("tach", "True or False", self.tach, "say whether to write the column")
        if not 1 <= self.n_engines <= MAX_ENGINES:
            raise ConfigError(
                f"FleetConfig.n_healthy + n_faulty + n_sensor_faulty: expected 1 to {MAX_ENGINES} engines, "
                f"got {self.n_engines}; change one of the three",
            )

    @property
    def n_engines(self) -> int:
        """Engines of all kinds."""
        return self.n_healthy + self.n_faulty + self.n_sensor_faulty

    @property
    def n_samples(self) -> int:
        """Samples of one channel of one flight."""
        return round(self.flight_s * self.sampling_rate_hz)

    @property
    def channels(self) -> tuple[str, ...]:
        """Column names of the accelerometers."""
        return tuple(f"acc_{index + 1}" for index in range(self.n_channels))


def _refuse(field: str, expected: str, got: object, advice: str) -> ConfigError:
    return ConfigError(f"FleetConfig.{field}: expected {expected}, got {got!r}; {advice}")


def _check_integer(field: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _refuse(field, f"an integer from {low} to {high}", value, "choose a value in that range")


def _check_number(field: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type, operator]
        raise _refuse(field, f"a number from {low} to {high}", value, "choose a value in that range")


def _check_names(field: str, value: object, known: tuple[str, ...]) -> None:
    advice = "list at least one of these names"
    if not isinstance(value, tuple) or not value:
        raise _refuse(field, f"a tuple of names out of {', '.join(known)}", value, advice)
    for name in value:
        if name not in known:
            raise _refuse(field, f"names out of {', '.join(known)}", name, advice)
