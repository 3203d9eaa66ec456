"""Transforms of real rows in operations that IEEE 754 defines, one at a time: the same bits on every processor.

Compiled transforms may fuse a multiplication and an addition where the processor can, as on arm64, and round once
instead of twice. This kernel never does. It follows the order of operations of FFTPACK (P. N. Swarztrauber,
"Vectorizing the FFTs", Parallel Computations, 1982), as pocketfft and so numpy does: on x86-64 it gives numpy's bits.
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


class Half(NamedTuple):
    """Lines 0 to n/2 of transforms of length n: (n // 2 + 1, ...) each."""

    real: Floats
    imag: Floats


class Inner(NamedTuple):
    """Lines 1 to below m/2 of one of the joined transforms, turned by its twiddle factors."""

    real: Floats
    imag: Floats


class RealKernel:
    """Transforms rows of one length, a product of 2, 3 and 5."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._stages = real_stages(n)

    def transform(self, rows: Floats, out: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """What ``np.fft.rfft(rows, axis=1, out=out)`` gives on x86-64.

        Args:
            rows: (n_row, n) float64.
            out: (n_row, n // 2 + 1) complex128.
        """
        joined = np.ascontiguousarray(rows.T).reshape(1, -1)
        lines = Half(joined, np.zeros_like(joined))
        for stage in self._stages:
            lines = _joined(stage, lines, stage.groups * len(rows))
        out.real = lines.real.T
        out.imag = lines.imag.T
        return out


def real_stages(n: int) -> list[Stage]:
    """The stages of transforms of ``n`` real values, in the order of the forward one."""
    twiddles = Twiddles(n)
    stages, m, groups = [], 1, n
    for radix in reversed(_factors(n)):
        groups //= radix
        k = np.arange(1, radix)[:, np.newaxis] * (groups * np.arange(1, (m + 1) // 2))
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


def _joined(stage: Stage, lines: Half, columns: int) -> Half:
    parts = Half(*(part.reshape(-1, stage.radix, columns) for part in lines))
    out = empty_lines(stage.m, stage.radix * stage.m // 2 + 1, columns)
    inner = [_turned(stage, parts, j) for j in range(stage.radix)] if stage.m > 2 else []  # noqa: PLR2004
    {2: _radix_2, 3: _radix_3, 4: _radix_4, 5: _radix_5}[stage.radix](stage.m, parts, inner, out)
    return out


def empty_lines(m: int, n_line: int, columns: int) -> Half:
    """Zeros; where columns are fewer than the ``m`` lines of a part, lines run along the memory: long rows are fast."""
    shape = (n_line, columns)
    if columns > m:
        return Half(np.zeros(shape), np.zeros(shape))
    return Half(np.zeros(shape, order="F"), np.zeros(shape, order="F"))


def _turned(stage: Stage, parts: Half, j: int) -> Inner:
    inner = slice(1, (stage.m + 1) // 2)
    x, y = parts.real[inner, j], parts.imag[inner, j]
    if j == 0:
        return Inner(x, y)
    real, imag = stage.real[j - 1], stage.imag[j - 1]
    return Inner(real * x + imag * y, real * y - imag * x)


def _put(out: Half, up: int, down: int, m: int, sums: tuple[Floats, Floats, Floats, Floats]) -> None:
    """Fill the lines that rise from ``up m`` and those that fall from ``down m``: a + b and a - b; e + d and e - d."""
    a, b, e, d = sums
    n = (m - 1) // 2
    rising = slice(up * m + 1, up * m + n + 1)
    falling = slice(down * m - 1, down * m - n - 1, -1)
    np.add(a, b, out=out.real[rising])
    np.subtract(a, b, out=out.real[falling])
    np.add(e, d, out=out.imag[rising])
    np.subtract(e, d, out=out.imag[falling])


def _radix_2(m: int, parts: Half, inner: list[Inner], out: Half) -> None:
    first = parts.real[0]
    out.real[0] = first[0] + first[1]
    out.real[m] = first[0] - first[1]
    if m % 2 == 0:
        out.real[m // 2] = parts.real[m // 2, 0]
        out.imag[m // 2] = -parts.real[m // 2, 1]
    if inner:
        c0, c1 = inner
        _put(out, 0, 1, m, (c0.real, c1.real, c1.imag, c0.imag))


def _radix_4(m: int, parts: Half, inner: list[Inner], out: Half) -> None:
    first = parts.real[0]
    odd, even = first[3] + first[1], first[0] + first[2]
    out.real[0] = even + odd
    out.real[2 * m] = even - odd
    out.real[m] = first[0] - first[2]
    out.imag[m] = first[3] - first[1]
    if m % 2 == 0:
        last = parts.real[m // 2]
        imag = -HALF_ROOT * (last[1] + last[3])
        real = HALF_ROOT * (last[1] - last[3])
        out.real[m // 2] = last[0] + real
        out.real[m + m // 2] = last[0] - real
        out.imag[m // 2] = imag - last[2]
        out.imag[m + m // 2] = imag + last[2]
    if inner:
        c0, c1, c2, c3 = inner
        _put(out, 0, 2, m, (c0.real + c2.real, c3.real + c1.real, c1.imag + c3.imag, c0.imag + c2.imag))
        _put(out, 1, 1, m, (c0.real - c2.real, c1.imag - c3.imag, c3.real - c1.real, c0.imag - c2.imag))


def _radix_3(m: int, parts: Half, inner: list[Inner], out: Half) -> None:
    first = parts.real[0]
    both = first[1] + first[2]
    out.real[0] = first[0] + both
    out.real[m] = first[0] - 0.5 * both
    out.imag[m] = SINE_3 * (first[2] - first[1])
    if inner:
        c0, c1, c2 = inner
        real, imag = c1.real + c2.real, c1.imag + c2.imag
        np.add(c0.real, real, out=out.real[1 : 1 + len(real)])
        np.add(c0.imag, imag, out=out.imag[1 : 1 + len(imag)])
        across = SINE_3 * (c1.imag - c2.imag), SINE_3 * (c2.real - c1.real)
        _put(out, 1, 1, m, (c0.real - 0.5 * real, across[0], across[1], c0.imag - 0.5 * imag))


def _radix_5(m: int, parts: Half, inner: list[Inner], out: Half) -> None:
    first = parts.real[0]
    outer, middle = first[4] + first[1], first[3] + first[2]
    outer_step, middle_step = first[4] - first[1], first[3] - first[2]
    out.real[0] = first[0] + outer + middle
    out.real[m] = first[0] + COSINE_5 * outer + COSINE_5_2 * middle
    out.imag[m] = SINE_5 * outer_step + SINE_5_2 * middle_step
    out.real[2 * m] = first[0] + COSINE_5_2 * outer + COSINE_5 * middle
    out.imag[2 * m] = SINE_5_2 * outer_step - SINE_5 * middle_step
    if inner:
        _radix_5_inner(m, inner, out)


def _radix_5_inner(m: int, inner: list[Inner], out: Half) -> None:
    c0, c1, c2, c3, c4 = inner
    outer = Inner(c1.real + c4.real, c1.imag + c4.imag)
    middle = Inner(c2.real + c3.real, c2.imag + c3.imag)
    outer_step = Inner(c1.imag - c4.imag, c4.real - c1.real)
    middle_step = Inner(c2.imag - c3.imag, c3.real - c2.real)
    np.add(c0.real + outer.real, middle.real, out=out.real[1 : 1 + len(c0.real)])
    np.add(c0.imag + outer.imag, middle.imag, out=out.imag[1 : 1 + len(c0.imag)])
    near = [c + COSINE_5 * o + COSINE_5_2 * i for c, o, i in zip(c0, outer, middle, strict=True)]
    far = [c + COSINE_5_2 * o + COSINE_5 * i for c, o, i in zip(c0, outer, middle, strict=True)]
    near_step = [SINE_5 * o + SINE_5_2 * i for o, i in zip(outer_step, middle_step, strict=True)]
    far_step = [SINE_5_2 * o - SINE_5 * i for o, i in zip(outer_step, middle_step, strict=True)]
    _put(out, 1, 1, m, (near[0], near_step[0], near_step[1], near[1]))
    _put(out, 2, 2, m, (far[0], far_step[0], far_step[1], far[1]))
