"""Inverse transforms to real rows, in operations that IEEE 754 defines; see ``real_kernel``, whose way it goes back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared_features.real_kernel import (
    COSINE_5,
    COSINE_5_2,
    SINE_3,
    SINE_5,
    SINE_5_2,
    Floats,
    Stage,
    empty_lines,
    real_stages,
)

_ROOT = 1.4142135623730951


class RealInverseKernel:
    """Transforms lines back to rows of one length, a product of 2, 3 and 5."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._stages = real_stages(n)[::-1]

    def inverse(self, lines: NDArray[np.complex128], out: Floats) -> Floats:
        """What ``np.fft.irfft(lines, n, axis=1, out=out)`` gives on x86-64.

        Args:
            lines: (n_row, n // 2 + 1) complex128; imaginary parts of line 0 and of line n/2 do not count.
            out: (n_row, n) float64.
        """
        state = np.stack([lines.real.T, lines.imag.T])
        for stage in self._stages:
            state = _split(stage, state, stage.groups * len(lines))
        np.multiply(state[0].reshape(self._n, -1).T, 1.0 / self._n, out=out)
        return out


def _split(stage: Stage, lines: Floats, columns: int) -> Floats:
    """From the lines of each joined transform to those of its parts, side by side."""
    radix, m = stage.radix, stage.m
    out = empty_lines(m, m // 2 + 1, radix * columns)
    parts = out.reshape(2, -1, radix, columns)
    {2: _ends_2, 3: _ends_3, 4: _ends_4, 5: _ends_5}[radix](m, lines, parts[0])
    if stage.has_between:
        inner = parts[:, stage.between]
        {2: _inner_2, 3: _inner_3, 4: _inner_4, 5: _inner_5}[radix](m, lines, inner)
        real, imag = inner[:, :, 1:]
        by_real, by_imag = real * stage.real, real * stage.imag
        np.subtract(by_real, imag * stage.imag, out=real)
        np.add(imag * stage.real, by_imag, out=imag)
    return out


def _rising(lines: Floats, m: int, q: int) -> Floats:
    return lines[:, q * m + 1 : q * m + (m - 1) // 2 + 1]


def _sum_and_step(lines: Floats, m: int, up: int, down: int) -> tuple[Floats, Floats]:
    """Lines that rise from ``up m`` and the conjugates of those that fall from ``down m``: sum and difference."""
    rising = _rising(lines, m, up)
    falling = lines[:, down * m - 1 : down * m - (m - 1) // 2 - 1 : -1]
    plus, minus = rising + falling, rising - falling
    return np.stack([plus[0], minus[1]]), np.stack([minus[0], plus[1]])


def _turn(a: Floats, b: Floats, plus: Floats, minus: Floats) -> None:
    """``a + i b`` and ``a - i b``."""
    np.subtract(a[0], b[1], out=plus[0])
    np.add(a[1], b[0], out=plus[1])
    np.add(a[0], b[1], out=minus[0])
    np.subtract(a[1], b[0], out=minus[1])


def _ends_2(m: int, lines: Floats, c: Floats) -> None:
    np.add(lines[0, 0], lines[0, m], out=c[0, 0])
    np.subtract(lines[0, 0], lines[0, m], out=c[0, 1])
    if m % 2 == 0:
        np.multiply(2.0, lines[0, m // 2], out=c[m // 2, 0])
        np.multiply(-2.0, lines[1, m // 2], out=c[m // 2, 1])


def _inner_2(m: int, lines: Floats, c: Floats) -> None:
    c[:, :, 0], c[:, :, 1] = _sum_and_step(lines, m, 0, 1)


def _ends_4(m: int, lines: Floats, c: Floats) -> None:
    outer, outer_step = lines[0, 0] + lines[0, 2 * m], lines[0, 0] - lines[0, 2 * m]
    middle, middle_step = 2.0 * lines[:, m]
    np.add(outer, middle, out=c[0, 0])
    np.subtract(outer, middle, out=c[0, 2])
    np.subtract(outer_step, middle_step, out=c[0, 1])
    np.add(outer_step, middle_step, out=c[0, 3])
    if m % 2 == 0:
        near, far = lines[:, m // 2], lines[:, m + m // 2]
        real, real_step = near[0] + far[0], near[0] - far[0]
        imag, imag_step = far[1] + near[1], far[1] - near[1]
        np.add(real, real, out=c[m // 2, 0])
        np.add(imag_step, imag_step, out=c[m // 2, 2])
        np.multiply(_ROOT, real_step - imag, out=c[m // 2, 1])
        np.multiply(-_ROOT, real_step + imag, out=c[m // 2, 3])


def _inner_4(m: int, lines: Floats, c: Floats) -> None:
    outer, outer_step = _sum_and_step(lines, m, 0, 2)
    middle, middle_step = _sum_and_step(lines, m, 1, 1)
    np.add(outer, middle, out=c[:, :, 0])
    np.subtract(outer, middle, out=c[:, :, 2])
    _turn(outer_step, middle_step, c[:, :, 1], c[:, :, 3])


def _ends_3(m: int, lines: Floats, c: Floats) -> None:
    both = 2.0 * lines[0, m]
    middle = lines[0, 0] - 0.5 * both
    across = 2.0 * SINE_3 * lines[1, m]
    np.add(lines[0, 0], both, out=c[0, 0])
    np.subtract(middle, across, out=c[0, 1])
    np.add(middle, across, out=c[0, 2])


def _inner_3(m: int, lines: Floats, c: Floats) -> None:
    first = _rising(lines, m, 0)
    both, step = _sum_and_step(lines, m, 1, 1)
    np.add(first, both, out=c[:, :, 0])
    _turn(first - 0.5 * both, SINE_3 * step, c[:, :, 1], c[:, :, 2])


def _ends_5(m: int, lines: Floats, c: Floats) -> None:
    first = lines[0, 0]
    outer, outer_step = lines[:, m] + lines[:, m]
    middle, middle_step = lines[:, 2 * m] + lines[:, 2 * m]
    near, far = _near_and_far(first, outer, middle)
    near_step, far_step = _steps(outer_step, middle_step)
    np.add(first + outer, middle, out=c[0, 0])
    np.subtract(near, near_step, out=c[0, 1])
    np.add(near, near_step, out=c[0, 4])
    np.subtract(far, far_step, out=c[0, 2])
    np.add(far, far_step, out=c[0, 3])


def _inner_5(m: int, lines: Floats, c: Floats) -> None:
    first = _rising(lines, m, 0)
    outer, outer_step = _sum_and_step(lines, m, 1, 1)
    middle, middle_step = _sum_and_step(lines, m, 2, 2)
    near, far = _near_and_far(first, outer, middle)
    near_step, far_step = _steps(outer_step, middle_step)
    np.add(first + outer, middle, out=c[:, :, 0])
    _turn(near, near_step, c[:, :, 1], c[:, :, 4])
    _turn(far, far_step, c[:, :, 2], c[:, :, 3])


def _near_and_far(first: Floats, outer: Floats, middle: Floats) -> tuple[Floats, Floats]:
    near = first + COSINE_5 * outer + COSINE_5_2 * middle
    return near, first + COSINE_5_2 * outer + COSINE_5 * middle


def _steps(outer: Floats, middle: Floats) -> tuple[Floats, Floats]:
    return SINE_5 * outer + SINE_5_2 * middle, SINE_5_2 * outer - SINE_5 * middle
