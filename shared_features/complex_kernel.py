"""Unscaled inverse transforms of complex rows, in operations that IEEE 754 defines; see ``real_kernel``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared_features.real_kernel import COSINE_5, COSINE_5_2, HALF_ROOT, SINE_3, SINE_5, SINE_5_2
from shared_features.twiddles import Twiddles

Floats = NDArray[np.float64]


class _Pair(NamedTuple):
    """A complex array as two real ones: numpy's product of complex numbers is fused on some processors."""

    real: Floats
    imag: Floats

    def plus(self, other: _Pair) -> _Pair:
        return _Pair(self.real + other.real, self.imag + other.imag)

    def minus(self, other: _Pair) -> _Pair:
        return _Pair(self.real - other.real, self.imag - other.imag)

    def times(self, other: _Pair) -> _Pair:
        return _Pair(self.real * other.real - self.imag * other.imag, self.real * other.imag + self.imag * other.real)

    def scaled(self, factor: float) -> _Pair:
        return _Pair(factor * self.real, factor * self.imag)

    def turned(self) -> _Pair:
        """A quarter turn on."""
        return _Pair(-self.imag, self.real)


class _Stage(NamedTuple):
    """Splits transforms of length ``radix * rest`` into ``radix`` ones of length ``rest``; with the twiddle factors."""

    radix: int
    rest: int
    twiddles: _Pair


class ComplexKernel:
    """Transforms rows of one length, a product of 2, 3 and 5."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._stages = _stages(n)

    def inverse(self, rows: NDArray[np.complex128], out: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """What ``np.fft.ifft(rows, axis=1, norm="forward", out=out)`` gives on x86-64.

        Args:
            rows: (n_row, n) complex128.
            out: (n_row, n) complex128.
        """
        state = _Pair(np.ascontiguousarray(rows.real.T), np.ascontiguousarray(rows.imag.T))
        for stage in self._stages:
            state = _split(stage, state, len(rows))
        out.real = state.real.reshape(self._n, -1).T
        out.imag = state.imag.reshape(self._n, -1).T
        return out


def _stages(n: int) -> list[_Stage]:
    twiddles = Twiddles(n)
    stages, groups, rest = [], 1, n
    for radix in _factors(n):
        rest //= radix
        k = np.arange(1, radix)[:, np.newaxis] * (groups * np.arange(1, rest))
        # One axis for the groups, one for the rows.
        real, imag = (part[:, np.newaxis, :, np.newaxis] for part in twiddles.at(k))
        stages.append(_Stage(radix, rest, _Pair(real, imag)))
        groups *= radix
    return stages


def _factors(n: int) -> list[int]:
    """Eights first, then at most one four, a two in front of all; then threes and fives."""
    factors = []
    for power in (8, 4):
        while n % power == 0:
            factors.append(power)
            n //= power
    if n % 2 == 0:
        factors = [2, *factors[1:], *factors[:1]]
        n //= 2
    for odd in (3, 5):
        while n % odd == 0:
            factors.append(odd)
            n //= odd
    return factors


def _split(stage: _Stage, state: _Pair, n_row: int) -> _Pair:
    shape = (-1, stage.radix, stage.rest, n_row)
    real, imag = (part.reshape(shape) for part in state)
    parts = [_Pair(real[:, j], imag[:, j]) for j in range(stage.radix)]
    results = {2: _radix_2, 3: _radix_3, 4: _radix_4, 5: _radix_5, 8: _radix_8}[stage.radix](parts)
    for j, result in enumerate(results[1:]):
        part = _Pair(result.real[:, 1:], result.imag[:, 1:])
        turned = part.times(_Pair(stage.twiddles.real[j], stage.twiddles.imag[j]))
        part.real[...], part.imag[...] = turned
    return _Pair(np.stack([result.real for result in results]), np.stack([result.imag for result in results]))


def _radix_2(c: list[_Pair]) -> list[_Pair]:
    return [c[0].plus(c[1]), c[0].minus(c[1])]


def _radix_4(c: list[_Pair]) -> list[_Pair]:
    even, even_step = c[0].plus(c[2]), c[0].minus(c[2])
    odd, odd_step = c[1].plus(c[3]), c[1].minus(c[3]).turned()
    return [even.plus(odd), even_step.plus(odd_step), even.minus(odd), even_step.minus(odd_step)]


def _radix_3(c: list[_Pair]) -> list[_Pair]:
    both = c[1].plus(c[2])
    middle = c[0].plus(both.scaled(-0.5))
    across = c[1].minus(c[2]).scaled(SINE_3).turned()
    return [c[0].plus(both), middle.plus(across), middle.minus(across)]


def _radix_5(c: list[_Pair]) -> list[_Pair]:
    outer, outer_step = c[1].plus(c[4]), c[1].minus(c[4])
    middle, middle_step = c[2].plus(c[3]), c[2].minus(c[3])
    near = c[0].plus(outer.scaled(COSINE_5)).plus(middle.scaled(COSINE_5_2))
    far = c[0].plus(outer.scaled(COSINE_5_2)).plus(middle.scaled(COSINE_5))
    near_step = outer_step.scaled(SINE_5).plus(middle_step.scaled(SINE_5_2)).turned()
    far_step = outer_step.scaled(SINE_5_2).minus(middle_step.scaled(SINE_5)).turned()
    return [
        c[0].plus(outer).plus(middle),
        near.plus(near_step),
        far.plus(far_step),
        far.minus(far_step),
        near.minus(near_step),
    ]


def _radix_8(c: list[_Pair]) -> list[_Pair]:
    a1, a5 = c[1].plus(c[5]), c[1].minus(c[5])
    a3, a7 = c[3].plus(c[7]), c[3].minus(c[7]).turned()
    odd, odd_step = a1.plus(a3), a1.minus(a3).turned()
    eighth, three_eighths = _eighth_turned(a5.plus(a7)), _three_eighths_turned(a5.minus(a7))
    a0, a4 = c[0].plus(c[4]), c[0].minus(c[4])
    a2, a6 = c[2].plus(c[6]), c[2].minus(c[6]).turned()
    even, even_step = a0.plus(a2), a0.minus(a2)
    low, high = a4.plus(a6), a4.minus(a6)
    return [
        even.plus(odd),
        low.plus(eighth),
        even_step.plus(odd_step),
        high.plus(three_eighths),
        even.minus(odd),
        low.minus(eighth),
        even_step.minus(odd_step),
        high.minus(three_eighths),
    ]


def _eighth_turned(c: _Pair) -> _Pair:
    return _Pair(HALF_ROOT * (c.real - c.imag), HALF_ROOT * (c.imag + c.real))


def _three_eighths_turned(c: _Pair) -> _Pair:
    return _Pair(HALF_ROOT * (-c.real - c.imag), HALF_ROOT * (c.real - c.imag))
