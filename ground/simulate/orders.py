"""Shaft angles and sums of shaft orders: exact through any speed ramp, without one sine an order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ground.simulate.arrays import Complex64s, Float32s, Float64s, Int8s
from ground.simulate.profile import N1_RATED_HZ, N2_RATED_HZ, Conditions

GEAR_RATIO = 0.31
"""Accessory gear speed over N2."""
GEAR_TEETH = 37
PASS_BAND = 0.45
"""Edge of the anti-aliasing filter over the sampling rate; no order above it is ever made."""


@dataclass(frozen=True, slots=True)
class OrderSeries:
    """Orders of one shaft with complex amplitudes: the force is Re sum c_k z^k, z = exp(i theta).

    Attributes:
        orders: Ascending whole multiples of the shaft speed, all >= 1.
        amplitudes: One complex amplitude an order, in g at rated speed.
    """

    orders: tuple[int, ...]
    amplitudes: tuple[complex, ...]

    def below(self, order_limit: float) -> OrderSeries:
        """The orders up to ``order_limit``."""
        kept = [pair for pair in zip(self.orders, self.amplitudes, strict=True) if pair[0] <= order_limit]
        return OrderSeries(tuple(order for order, _ in kept), tuple(amplitude for _, amplitude in kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Angles of all shafts of one flight.

    Attributes:
        turns1: Turns of the fan shaft since the start, (n,) float64.
        n1: exp(i theta) of the fan shaft, (n,) complex64.
        n2: The same of the core shaft.
        gear: The same of the accessory gear.
        force1: (N1 / rated)^2, (n,) float32: centrifugal forces grow with the square of the speed.
        force2: The same of N2.
        order_limit1: Highest order of N1 that stays below the anti-aliasing filter at all times.
        order_limit2: The same of N2.
        order_limit_gear: The same of the accessory gear.
    """

    turns1: Float64s
    n1: Complex64s
    n2: Complex64s
    gear: Complex64s
    force1: Float32s
    force2: Float32s
    order_limit1: float
    order_limit2: float
    order_limit_gear: float


def rotate(conditions: Conditions) -> Rotation:
    """Integrate the speeds into angles: theta(t) = 2 pi integral n dt."""
    turns1 = np.cumsum(conditions.n1_hz) / conditions.rate_hz
    turns2 = np.cumsum(conditions.n2_hz) / conditions.rate_hz
    limit_hz = PASS_BAND * conditions.rate_hz
    return Rotation(
        turns1=turns1,
        n1=unit_vector(turns1),
        n2=unit_vector(turns2),
        gear=unit_vector(turns2 * GEAR_RATIO),
        force1=np.square(conditions.n1_hz / N1_RATED_HZ).astype(np.float32),
        force2=np.square(conditions.n2_hz / N2_RATED_HZ).astype(np.float32),
        order_limit1=limit_hz / float(conditions.n1_hz.max()),
        order_limit2=limit_hz / float(conditions.n2_hz.max()),
        order_limit_gear=limit_hz / float(conditions.n2_hz.max()) / GEAR_RATIO,
    )


def pulses(turns: Float64s) -> Int8s:
    """A tachometer of one pulse a turn: 1 at the first sample at or after each whole turn, (n,) int8."""
    return np.diff(np.floor(turns), prepend=np.floor(turns[0])).astype(np.int8)


def unit_vector(turns: Float64s) -> Complex64s:
    """exp(2 pi i turns), (n,) complex64; whole turns are taken off in float64, where they still are exact."""
    angle = ((turns - np.floor(turns)) * (2 * np.pi)).astype(np.float32)
    vector = np.empty(len(angle), np.complex64)
    np.cos(angle, out=vector.real)
    np.sin(angle, out=vector.imag)
    return vector


def power(vector: Complex64s, exponent: int) -> Complex64s:
    """``vector**exponent`` for exponent >= 1 by repeated squaring; numpy's own takes a log and an exp."""
    if exponent <= 1:
        return vector
    root = power(vector, exponent // 2)
    return root * root * vector if exponent % 2 else root * root


def order_sum(vector: Complex64s, series: OrderSeries) -> Float32s:
    """Re sum c_k z^k by Horner's rule from the highest order down.

    Args:
        vector: z = exp(i theta), (n,) complex64.
        series: Orders and amplitudes.

    Returns:
        The force, (n,) float32, in g at rated speed.
    """
    if not series.orders:
        return np.zeros(len(vector), np.float32)
    lower = (0, *series.orders[:-1])
    total: Complex64s = np.zeros(len(vector), np.complex64)
    for order, below, amplitude in reversed(list(zip(series.orders, lower, series.amplitudes, strict=True))):
        total += np.complex64(amplitude)
        total *= power(vector, order - below)
    return total.real
