"""Transforms of real rows in operations that IEEE 754 defines, one at a time: the same bits on every processor.

Compiled transforms may fuse a multiplication and an addition where the processor can, as on arm64, and round once
instead of twice. This kernel never does. It follows the order of operations of FFTPACK (P. N. Swarztrauber,
"Vectorizing the FFTs", Parallel Computations, 1982), as pocketfft and so numpy does: on x86-64 it gives numpy's bits.

Lines are kept as (2, n_line, n_column): real parts, then imaginary ones; a column is one of many transforms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared_features.twiddles import Twiddles

Floats = NDArray[np.float64]

HALF_ROOT = 0.7071067811865476
SINE_3 = 0.8660254037844386
COSINE_5, SINE_5 = 0.30901699437494745, 0.9510565162951535
COSINE_5_2, SINE_5_2 = -0.8090169943749475, 0.5877852522924731


class Stage(NamedTuple):
    """Joins ``radix`` transforms of length ``m`` each into one, for ``groups`` of them; with the twiddle factors."""

    radix: int
    m: int
    groups: int
    real: Floats
    imag: Floats

    @property
    def between(self) -> slice:
        """Lines of one of the joined transforms between the first and, of even m, the last."""
        return slice(1, (self.m + 1) // 2)

    @property
    def has_between(self) -> bool:
        """Whether there are any."""
        return self.m > 2  # noqa: PLR2004 - two lines are the first and the last


class RealKernel:
    """Transforms rows of one length, a product of 2, 3 and 5."""

    def __init__(self, n: int) -> None:
        self._stages = real_stages(n)

    def transform(self, rows: Floats, out: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """What ``np.fft.rfft(rows, axis=1, out=out)`` gives on x86-64.

        Args:
            rows: (n_row, n) float64.
            out: (n_row, n // 2 + 1) complex128.
        """
        lines = np.zeros((2, 1, rows.size))
        lines[0].reshape(rows.shape[::-1])[...] = rows.T
        for stage in self._stages:
            lines = _joined(stage, lines, stage.groups * len(rows))
        out.real, out.imag = lines.transpose(0, 2, 1)
        return out


def real_stages(n: int) -> list[Stage]:
    """The stages of transforms of ``n`` real values, in the order of the forward one."""
    twiddles = Twiddles(n)
    stages, m, groups = [], 1, n
    for radix in reversed(_factors(n)):
        groups //= radix
        k = np.arange(1, (m + 1) // 2)[:, np.newaxis] * (groups * np.arange(1, radix))
        real, imag = twiddles.at(k)
        stages.append(Stage(radix, m, groups, real[..., np.newaxis], imag[..., np.newaxis]))
        m *= radix
    return stages


def _factors(n: int) -> list[int]:
    """Fours first, but for a two in front; then threes and fives."""
    factors = []
    while n % 4 == 0:
        factors.append(4)
        n //= 4
    if n % 2 == 0:
        factors = [2, *factors[1:], *factors[:1]]
        n //= 2
    for odd in (3, 5):
        while n % odd == 0:
            factors.append(odd)
            n //= odd
    return factors


def empty_lines(m: int, n_line: int, columns: int) -> Floats:
    """Zeros; where columns are fewer than the ``m`` lines of a part, lines run along the memory: long rows are fast."""
    if columns > m:
        return np.zeros((2, n_line, columns))
    return np.zeros((2, columns, n_line)).transpose(0, 2, 1)


def _joined(stage: Stage, lines: Floats, columns: int) -> Floats:
    radix, m = stage.radix, stage.m
    parts = lines.reshape(2, -1, radix, columns)
    out = empty_lines(m, radix * m // 2 + 1, columns)
    {2: _ends_2, 3: _ends_3, 4: _ends_4, 5: _ends_5}[radix](m, parts[0], out)
    if stage.has_between:
        inner = parts[:, stage.between]
        by_real, by_imag = inner[:, :, 1:] * stage.real, inner[:, :, 1:] * stage.imag
        np.add(by_real[0], by_imag[1], out=by_real[0])
        np.subtract(by_real[1], by_imag[0], out=by_real[1])
        {2: _inner_2, 3: _inner_3, 4: _inner_4, 5: _inner_5}[radix](m, inner[:, :, 0], by_real, out)
    return out


def _put(out: Floats, m: int, up: int, down: int, sums: tuple[Floats, Floats, Floats, Floats]) -> None:
    """Fill the lines that rise from ``up m`` and those that fall from ``down m``: a + b and a - b; e + d and e - d."""
    a, b, e, d = sums
    n = (m - 1) // 2
    rising = out[:, up * m + 1 : up * m + n + 1]
    falling = out[:, down * m - 1 : down * m - n - 1 : -1]
    np.add(a, b, out=rising[0])
    np.subtract(a, b, out=falling[0])
    np.add(e, d, out=rising[1])
    np.subtract(e, d, out=falling[1])


def _ends_2(m: int, c: Floats, out: Floats) -> None:
    np.add(c[0, 0], c[0, 1], out=out[0, 0])
    np.subtract(c[0, 0], c[0, 1], out=out[0, m])
    if m % 2 == 0:
        out[0, m // 2] = c[m // 2, 0]
        np.negative(c[m // 2, 1], out=out[1, m // 2])


def _inner_2(m: int, first: Floats, turned: Floats, out: Floats) -> None:
    _put(out, m, 0, 1, (first[0], turned[0, :, 0], turned[1, :, 0], first[1]))


def _ends_4(m: int, c: Floats, out: Floats) -> None:
    odd, even = c[0, 3] + c[0, 1], c[0, 0] + c[0, 2]
    np.add(even, odd, out=out[0, 0])
    np.subtract(even, odd, out=out[0, 2 * m])
    np.subtract(c[0, 0], c[0, 2], out=out[0, m])
    np.subtract(c[0, 3], c[0, 1], out=out[1, m])
    if m % 2 == 0:
        last = c[m // 2]
        imag = -HALF_ROOT * (last[1] + last[3])
        real = HALF_ROOT * (last[1] - last[3])
        np.add(last[0], real, out=out[0, m // 2])
        np.subtract(last[0], real, out=out[0, m + m // 2])
        np.subtract(imag, last[2], out=out[1, m // 2])
        np.add(imag, last[2], out=out[1, m + m // 2])


def _inner_4(m: int, first: Floats, turned: Floats, out: Floats) -> None:
    c1, c2, c3 = turned[:, :, 0], turned[:, :, 1], turned[:, :, 2]
    even, even_step = first + c2, first - c2
    odd = c3 + c1
    _put(out, m, 0, 2, (even[0], odd[0], odd[1], even[1]))
    _put(out, m, 1, 1, (even_step[0], c1[1] - c3[1], c3[0] - c1[0], even_step[1]))


def _ends_3(m: int, c: Floats, out: Floats) -> None:
    both = c[0, 1] + c[0, 2]
    np.add(c[0, 0], both, out=out[0, 0])
    np.subtract(c[0, 0], 0.5 * both, out=out[0, m])
    np.multiply(SINE_3, c[0, 2] - c[0, 1], out=out[1, m])


def _inner_3(m: int, first: Floats, turned: Floats, out: Floats) -> None:
    c1, c2 = turned[:, :, 0], turned[:, :, 1]
    both = c1 + c2
    np.add(first, both, out=out[:, 1 : 1 + first.shape[1]])
    middle = first - 0.5 * both
    _put(out, m, 1, 1, (middle[0], SINE_3 * (c1[1] - c2[1]), SINE_3 * (c2[0] - c1[0]), middle[1]))


def _ends_5(m: int, c: Floats, out: Floats) -> None:
    falling, rising = c[0, 4:2:-1], c[0, 1:3]
    outer, middle = falling + rising
    outer_step, middle_step = falling - rising
    np.add(c[0, 0] + outer, middle, out=out[0, 0])
    np.add(c[0, 0] + COSINE_5 * outer, COSINE_5_2 * middle, out=out[0, m])
    np.add(c[0, 0] + COSINE_5_2 * outer, COSINE_5 * middle, out=out[0, 2 * m])
    np.add(SINE_5 * outer_step, SINE_5_2 * middle_step, out=out[1, m])
    np.subtract(SINE_5_2 * outer_step, SINE_5 * middle_step, out=out[1, 2 * m])


def _inner_5(m: int, first: Floats, turned: Floats, out: Floats) -> None:
    rising, falling = turned[:, :, :2], turned[:, :, 3:1:-1]
    sums = rising + falling
    outer, middle = sums[:, :, 0], sums[:, :, 1]
    np.add(first + outer, middle, out=out[:, 1 : 1 + first.shape[1]])
    near = first + COSINE_5 * outer + COSINE_5_2 * middle
    far = first + COSINE_5_2 * outer + COSINE_5 * middle
    real, imag = rising[1] - falling[1], falling[0] - rising[0]
    near_steps = [SINE_5 * part[:, 0] + SINE_5_2 * part[:, 1] for part in (real, imag)]
    far_steps = [SINE_5_2 * part[:, 0] - SINE_5 * part[:, 1] for part in (real, imag)]
    _put(out, m, 1, 1, (near[0], near_steps[0], near_steps[1], near[1]))
    _put(out, m, 2, 2, (far[0], far_steps[0], far_steps[1], far[1]))
