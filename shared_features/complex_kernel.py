"""Unscaled inverse transforms of complex rows, in operations that IEEE 754 defines; see ``real_kernel``.

Complex arrays are kept as two real ones, on a leading axis of 2: numpy fuses complex products on some processors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared_features.real_kernel import COSINE_5, COSINE_5_2, HALF_ROOT, SINE_3, SINE_5, SINE_5_2
from shared_features.twiddles import Twiddles

Floats = NDArray[np.float64]


class _Stage(NamedTuple):
    """Splits transforms of length ``radix * rest`` into ``radix`` ones of length ``rest``; with the twiddle factors."""

    radix: int
    rest: int
    real: Floats
    imag: Floats


class ComplexKernel:
    """Transforms ``n_row`` rows at once of one length, a product of 2, 3 and 5."""

    def __init__(self, n: int, n_row: int) -> None:
        self._n = n
        self._stages = _stages(n, n_row)

    def inverse(self, rows: NDArray[np.complex128], out: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """What ``np.fft.ifft(rows, axis=1, norm="forward", out=out)`` gives on x86-64.

        Args:
            rows: (n_row, n) complex128.
            out: (n_row, n) complex128.
        """
        state = np.stack([rows.real.T, rows.imag.T])
        for stage in self._stages:
            state = _split(stage, state, len(rows))
        out.real, out.imag = state.reshape(2, self._n, -1).transpose(0, 2, 1)
        return out


def _stages(n: int, n_row: int) -> list[_Stage]:
    twiddles = Twiddles(n)
    stages, groups, rest = [], 1, n
    for radix in _factors(n):
        rest //= radix
        k = np.arange(1, radix)[:, np.newaxis] * (groups * np.arange(1, rest))
        # One axis for the groups, one for the rows; written out for each row, as loops over a few rows are slow.
        real, imag = (np.repeat(part[:, np.newaxis, :, np.newaxis], n_row, axis=3) for part in twiddles.at(k))
        stages.append(_Stage(radix, rest, real, imag))
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


def _split(stage: _Stage, state: Floats, n_row: int) -> Floats:
    parts = state.reshape(2, -1, stage.radix, stage.rest, n_row).transpose(0, 2, 1, 3, 4)
    out = np.empty(parts.shape)
    {2: _radix_2, 3: _radix_3, 4: _radix_4, 5: _radix_5, 8: _radix_8}[stage.radix](parts, out)
    if stage.rest > 1:
        real, imag = out[:, 1:, :, 1:]
        cosines, sines = real * stage.real, real * stage.imag
        np.subtract(cosines, imag * stage.imag, out=real)
        np.add(sines, imag * stage.real, out=imag)
    return out


def _turn(a: Floats, b: Floats, plus: Floats, minus: Floats) -> None:
    """``a + i b`` and ``a - i b``."""
    np.subtract(a[0], b[1], out=plus[0])
    np.add(a[1], b[0], out=plus[1])
    np.add(a[0], b[1], out=minus[0])
    np.subtract(a[1], b[0], out=minus[1])


def _radix_2(c: Floats, out: Floats) -> None:
    np.add(c[:, 0], c[:, 1], out=out[:, 0])
    np.subtract(c[:, 0], c[:, 1], out=out[:, 1])


def _radix_4(c: Floats, out: Floats) -> None:
    sums, steps = c[:, :2] + c[:, 2:], c[:, :2] - c[:, 2:]
    np.add(sums[:, 0], sums[:, 1], out=out[:, 0])
    np.subtract(sums[:, 0], sums[:, 1], out=out[:, 2])
    _turn(steps[:, 0], steps[:, 1], out[:, 1], out[:, 3])


def _radix_3(c: Floats, out: Floats) -> None:
    both = c[:, 1] + c[:, 2]
    np.add(c[:, 0], both, out=out[:, 0])
    _turn(c[:, 0] - 0.5 * both, SINE_3 * (c[:, 1] - c[:, 2]), out[:, 1], out[:, 2])


def _radix_5(c: Floats, out: Floats) -> None:
    first, rising, falling = c[:, 0], c[:, 1:3], c[:, 4:2:-1]
    sums, steps = rising + falling, rising - falling
    outer, middle = sums[:, 0], sums[:, 1]
    np.add(first + outer, middle, out=out[:, 0])
    near = first + COSINE_5 * outer + COSINE_5_2 * middle
    far = first + COSINE_5_2 * outer + COSINE_5 * middle
    _turn(near, SINE_5 * steps[:, 0] + SINE_5_2 * steps[:, 1], out[:, 1], out[:, 4])
    _turn(far, SINE_5_2 * steps[:, 0] - SINE_5 * steps[:, 1], out[:, 2], out[:, 3])


def _radix_8(c: Floats, out: Floats) -> None:
    sums, steps = c[:, :4] + c[:, 4:], c[:, :4] - c[:, 4:]
    evens, even_steps = sums[:, :2] + sums[:, 2:], sums[:, :2] - sums[:, 2:]
    np.add(evens[:, 0], evens[:, 1], out=out[:, 0])
    np.subtract(evens[:, 0], evens[:, 1], out=out[:, 4])
    _turn(even_steps[:, 0], even_steps[:, 1], out[:, 2], out[:, 6])
    low, high = np.empty(evens.shape), np.empty(evens.shape)
    _turn(steps[:, :2], steps[:, 2:], low, high)
    real, imag = low[:, 1]
    eighth = HALF_ROOT * np.stack([real - imag, imag + real])
    np.add(low[:, 0], eighth, out=out[:, 1])
    np.subtract(low[:, 0], eighth, out=out[:, 5])
    real, imag = high[:, 1]
    eighth = HALF_ROOT * np.stack([-real - imag, real - imag])
    np.add(high[:, 0], eighth, out=out[:, 3])
    np.subtract(high[:, 0], eighth, out=out[:, 7])
