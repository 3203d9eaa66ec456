"""Rolling bearings: kinematic orders and the impulses of a local defect.

Sources: T. A. Harris, Rolling Bearing Analysis (kinematics, load zone); P. D. McFadden and J. D. Smith,
J. Sound Vib. 96 (1984) 69 (impulse series); J. Antoni and R. B. Randall, J. Vib. Acoust. 125 (2003) 282 (slip).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ground.simulate.arrays import Complex64s, Float32s, Float64s

SLIP_LOW = 0.01
SLIP_HIGH = 0.02
JITTER = 0.01
SIZE_SPREAD = 0.15
LOAD_ZONE_EXPONENT = 1.5
LOAD_ZONE_WIDTH = 0.5
THRUST_SHARE = 0.2
"""A thrust-loaded ball bearing never unloads wholly outside its radial load zone."""


@dataclass(frozen=True, slots=True)
class Bearing:
    """Geometry of a ball bearing whose inner race turns with the shaft."""

    n_balls: int
    ball_mm: float
    pitch_mm: float
    contact_rad: float

    @property
    def ratio(self) -> float:
        """Ball over pitch diameter, times the cosine of the contact angle."""
        return self.ball_mm / self.pitch_mm * math.cos(self.contact_rad)

    @property
    def ftf_order(self) -> float:
        """Cage: (1 - ratio) / 2 turns a shaft turn."""
        return (1 - self.ratio) / 2

    @property
    def bpfo_order(self) -> float:
        """Balls over a point of the outer race: Z (1 - ratio) / 2 a shaft turn."""
        return self.n_balls * self.ftf_order

    @property
    def bpfi_order(self) -> float:
        """Balls over a point of the inner race: Z (1 + ratio) / 2 a shaft turn."""
        return self.n_balls * (1 + self.ratio) / 2

    @property
    def bsf_order(self) -> float:
        """Spin of a ball: D / (2 d) (1 - ratio^2) turns a shaft turn."""
        return self.pitch_mm / (2 * self.ball_mm) * (1 - self.ratio**2)


FAN_BEARING = Bearing(n_balls=13, ball_mm=22.0, pitch_mm=150.0, contact_rad=math.radians(25))


def load_zone(angle_rad: Float64s) -> Float64s:
    """Load over its maximum at an angle from the load line.

    q = [1 - (1 - cos angle) / (2 eps)]^1.5 within the zone and 0 outside (Stribeck), with the thrust share below.
    """
    inside = np.maximum(1 - (1 - np.cos(angle_rad)) / (2 * LOAD_ZONE_WIDTH), 0)
    zone: Float64s = THRUST_SHARE + (1 - THRUST_SHARE) * inside**LOAD_ZONE_EXPONENT
    return zone


@dataclass(frozen=True, slots=True)
class Impulses:
    """Impacts of a defect: turns of the shaft at which they happen and their sizes, both (m,) float64."""

    turns: Float64s
    sizes: Float64s


def defect_impulses(defect: str, last_turn: float, rng: np.random.Generator) -> Impulses:
    """Impacts of one defect between turn 0 and ``last_turn``.

    The interval between impacts is the kinematic one, longer by a slip of 1-2 % drawn once, times 1 plus a
    random part of 1 %: the errors add up, so the train is not periodic over long times (Antoni and Randall).

    Args:
        defect: ``bearing_outer``, ``bearing_inner`` or ``bearing_ball``.
        last_turn: Turns of the shaft in the recording.
        rng: Source of slip and jitter.
    """
    order = impact_order(defect) * (1 - rng.uniform(SLIP_LOW, SLIP_HIGH))
    count = math.ceil(last_turn * order * (1 + 4 * JITTER)) + 2
    intervals = (1 + JITTER * rng.standard_normal(count)) / order
    turns = rng.uniform(0, 1 / order) + np.cumsum(intervals)
    turns = turns[turns < last_turn]
    sizes = np.exp(rng.normal(0, SIZE_SPREAD, len(turns)))
    return Impulses(turns, sizes * _modulation(defect, turns, rng.uniform(0, 2 * np.pi)))


def impact_order(defect: str) -> float:
    """Impacts a shaft turn without slip; a ball defect strikes both races once a spin."""
    orders = {
        "bearing_outer": FAN_BEARING.bpfo_order,
        "bearing_inner": FAN_BEARING.bpfi_order,
        "bearing_ball": 2 * FAN_BEARING.bsf_order,
    }
    return orders[defect]


def _modulation(defect: str, turns: Float64s, start_rad: float) -> Float64s:
    """An outer-race defect stays in the load zone; the inner race passes it each turn, a ball with the cage."""
    orders = {"bearing_outer": 0.0, "bearing_inner": 1.0, "bearing_ball": FAN_BEARING.ftf_order}
    if orders[defect] == 0:
        return np.ones(len(turns))
    return load_zone(start_rad + 2 * np.pi * orders[defect] * turns)


def impulse_train(impulses: Impulses, turns: Float64s) -> Float32s:
    """Impulses on the sample grid, each shared linearly between its two neighbours, (n,) float32.

    Args:
        impulses: Impacts.
        turns: Turns of the shaft at each sample, ascending, (n,) float64.
    """
    at = np.interp(impulses.turns, turns, np.arange(len(turns)))
    left = np.minimum(at.astype(np.int64), len(turns) - 2)
    late = at - left
    train = np.bincount(left, impulses.sizes * (1 - late), len(turns))
    train += np.bincount(left + 1, impulses.sizes * late, len(turns))
    return train.astype(np.float32)


def ringing(frequency_hz: Float64s, ring_hz: float, damping: float, rate_hz: float) -> Complex64s:
    """Transfer function of the struck race: an impulse of 1 gives exp(-damping w t) sin(w t), w = 2 pi ring_hz.

    Args:
        frequency_hz: Grid, (m,) float64.
        ring_hz: Resonance.
        damping: Damping ratio.
        rate_hz: Sampling rate.

    Returns:
        H, (m,) complex64, exact for the sampled response (z-transform of a damped sine).
    """
    radius = math.exp(-damping * 2 * math.pi * ring_hz / rate_hz)
    angle = 2 * math.pi * ring_hz / rate_hz
    delay = np.exp(-2j * np.pi * frequency_hz / rate_hz)
    numerator = radius * math.sin(angle) * delay
    denominator = 1 - 2 * radius * math.cos(angle) * delay + radius**2 * delay**2
    response: Complex64s = (numerator / denominator).astype(np.complex64)
    return response
