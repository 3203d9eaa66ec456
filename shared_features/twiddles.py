"""Sines and cosines with the same bits on every machine, and the twiddle factors of the transforms.

A C library's sine may differ from another one's in the last place. Tapers and oscillators take this polynomial
instead; twiddle factors follow numpy's own recipe, which asks the C library for few and small angles.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_HALF, _QUARTER = 0.5, 0.25
_TWO_PI = 6.283185307179586
_SERIES = tuple((-1.0) ** (k // 2) / math.factorial(k) for k in range(21, 0, -2))
"""Taylor's series of the sine, from its last term: what is left out is below 2e-19 within a quarter turn."""
_PI = Fraction(3141592653589793238462643383279502884197, 10**39)


def sine(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sin(2 pi turns)``, any shape, float64, within 1e-15; only operations that IEEE 754 defines."""
    share = turns - np.floor(turns)
    half = np.where(share > _HALF, share - _HALF, share)
    x = np.where(half > _QUARTER, _HALF - half, half) * _TWO_PI
    square = x * x
    series = np.full_like(x, _SERIES[0])
    for term in _SERIES[1:]:
        series *= square
        series += term
    series *= x
    return np.where(share > _HALF, -series, series)


def cosine(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """``cos(2 pi turns)``; see ``sine``."""
    return sine(turns - np.floor(turns) + _QUARTER)


class Twiddles:
    """``exp(2 pi i k / n)`` as a product of two short tables: the recipe, and so the bits, of numpy's FFT."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._angle = float(_PI / (4 * n))
        self._shift = 1
        while 4**self._shift < (n + 2) // 2:
            self._shift += 1
        self._mask = 2**self._shift - 1
        self._fine = np.array([self._unit(k) for k in range(self._mask + 1)])
        self._coarse = np.array([self._unit(k) for k in range(0, (n + 2) // 2 + self._mask, self._mask + 1)])

    def at(self, k: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Real and imaginary parts of ``exp(2 pi i k / n)``, 0 <= k < n, any shape."""
        upper = 2 * k <= self._n
        index = np.where(upper, k, self._n - k)
        fine, coarse = self._fine[index & self._mask], self._coarse[index >> self._shift]
        real = fine[..., 0] * coarse[..., 0] - fine[..., 1] * coarse[..., 1]
        imag = fine[..., 0] * coarse[..., 1] + fine[..., 1] * coarse[..., 0]
        return real, np.where(upper, imag, -imag)

    def _unit(self, k: int) -> tuple[float, float]:
        """One point of the circle, from an angle of at most an eighth of it."""
        if k == 0:
            return 1.0, 0.0
        eighths, n = 8 * k, self._n
        sign = 1.0
        if eighths >= 4 * n:
            eighths, sign = 8 * n - eighths, -1.0
        if eighths < 2 * n:
            real, imag = self._first_quadrant(eighths)
        else:
            imag, real = self._first_quadrant(eighths - 2 * n)
            real = -real
        return real, sign * imag

    def _first_quadrant(self, eighths: int) -> tuple[float, float]:
        if eighths < self._n:
            return math.cos(eighths * self._angle), math.sin(eighths * self._angle)
        rest = (2 * self._n - eighths) * self._angle
        return math.sin(rest), math.cos(rest)
