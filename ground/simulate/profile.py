"""The flight: phases with their shaft speeds and loads, and smooth ramps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ground.simulate.arrays import Float32s, Float64s, Int8s

N1_RATED_HZ = 85.0
N2_RATED_HZ = 230.0
SETTLE_S = 0.25
"""Flown before the first sample and cut off, so that no recording begins with a switch-on transient."""

SHARE_SPREAD = 0.08
SPEED_SPREAD = 0.01
LOAD_SPREAD = 0.04
RAMP_SHARE = 0.3
WANDER = 0.001
GRID_HZ = 50.0
BUS_RATE_HZ = 20.0
BUS_STEP_HZ = 1 / 64


@dataclass(frozen=True, slots=True)
class Phase:
    """One flight phase: share of the flight, speeds as fractions of the rated ones, load from 0 to 1."""

    name: str
    share: float
    n1: float
    n2: float
    load: float


PHASES = (
    Phase("ground_idle", 0.15, 0.48, 0.67, 0.15),
    Phase("takeoff", 0.15, 0.99, 0.99, 1.00),
    Phase("climb", 0.18, 0.93, 0.96, 0.85),
    Phase("cruise", 0.26, 0.85, 0.92, 0.65),
    Phase("descent", 0.13, 0.55, 0.72, 0.20),
    Phase("approach", 0.13, 0.68, 0.82, 0.40),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the engine does at each sample, the lead-in of ``SETTLE_S`` included.

    Attributes:
        rate_hz: Sampling rate.
        n1_hz: True fan-shaft speed, (n,) float64.
        n2_hz: True core-shaft speed, (n,) float64.
        load: Load from 0 to 1, (n,) float32.
        phase: Index into ``PHASES``, (n,) int8.
    """

    rate_hz: float
    n1_hz: Float64s
    n2_hz: Float64s
    load: Float32s
    phase: Int8s

    @property
    def settle_n(self) -> int:
        """Samples of the lead-in."""
        return settle_n(self.rate_hz)


def settle_n(rate_hz: float) -> int:
    """Samples of the lead-in at this rate."""
    return round(SETTLE_S * rate_hz)


def fly(rate_hz: float, n_samples: int, rng: np.random.Generator) -> Conditions:
    """Draw one flight.

    A phase begins with a ramp of ``RAMP_SHARE`` of its length, a smoothstep 3u^2 - 2u^3 from the values of the
    phase before. Shares, speeds and loads vary from flight to flight; the governor wanders slowly.

    Args:
        rate_hz: Sampling rate.
        n_samples: Samples of the flight, the lead-in not counted.
        rng: Source of the flight's own variation.

    Returns:
        Conditions of ``n_samples`` plus the lead-in.
    """
    shares = np.array([phase.share for phase in PHASES]) * np.exp(rng.normal(0, SHARE_SPREAD, len(PHASES)))
    starts_s = np.concatenate([[0.0], np.cumsum(shares / shares.sum())]) * (n_samples / rate_hz)
    speed_jitter = np.exp(rng.normal(0, SPEED_SPREAD, len(PHASES)))
    load_jitter = np.exp(rng.normal(0, LOAD_SPREAD, len(PHASES)))
    wander = _slow_noise(rng, n_samples / rate_hz)
    time_s = np.arange(-settle_n(rate_hz), n_samples) / rate_hz

    def follow(targets: list[float], jitter: Float64s, unsteadiness: Float64s) -> Float64s:
        grid_s = np.arange(len(unsteadiness)) / GRID_HZ - SETTLE_S
        values = _ramps(grid_s, starts_s, np.array(targets) * jitter) * (1 + unsteadiness)
        return np.interp(time_s, grid_s, values)

    return Conditions(
        rate_hz=rate_hz,
        n1_hz=N1_RATED_HZ * follow([phase.n1 for phase in PHASES], speed_jitter, wander[0]),
        n2_hz=N2_RATED_HZ * follow([phase.n2 for phase in PHASES], np.sqrt(speed_jitter), wander[1]),
        load=follow([phase.load for phase in PHASES], load_jitter, 5 * wander[0]).astype(np.float32),
        phase=(np.searchsorted(starts_s[1:-1], time_s, side="right")).astype(np.int8),
    )


def bus_speed(speed_hz: Float64s, rate_hz: float) -> Float32s:
    """The speed as the engine's data bus reports it: held for 1/20 s, in steps of 1/64 Hz, (n,) float32."""
    held = np.arange(len(speed_hz)) // round(rate_hz / BUS_RATE_HZ) * round(rate_hz / BUS_RATE_HZ)
    return (np.rint(speed_hz[held] / BUS_STEP_HZ) * BUS_STEP_HZ).astype(np.float32)


def _slow_noise(rng: np.random.Generator, duration_s: float) -> Float64s:
    """Two independent wanders of relative standard deviation ``WANDER``, smoothed over one second."""
    count = int(np.ceil((duration_s + SETTLE_S) * GRID_HZ)) + 1
    taper = np.hanning(int(GRID_HZ) + 2)[1:-1]
    taper /= np.sqrt(np.sum(taper**2))
    white = rng.normal(0, WANDER, (2, count + len(taper) - 1))
    return np.stack([np.convolve(row, taper, mode="valid") for row in white])


def _ramps(grid_s: Float64s, starts_s: Float64s, targets: Float64s) -> Float64s:
    values = np.full(len(grid_s), targets[0])
    for index in range(1, len(targets)):
        ramp_s = RAMP_SHARE * (starts_s[index + 1] - starts_s[index])
        done = np.clip((grid_s - starts_s[index]) / ramp_s, 0, 1)
        values += (targets[index] - targets[index - 1]) * done**2 * (3 - 2 * done)
    return values
