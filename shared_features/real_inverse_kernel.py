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
    Half,
    Inner,
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
        state = Half(np.ascontiguousarray(lines.real.T), np.ascontiguousarray(lines.imag.T))
        for stage in self._stages:
            state = _split(stage, state, stage.groups * len(lines))
        np.multiply(state.real.reshape(self._n, -1).T, 1.0 / self._n, out=out)
        return out


def _split(stage: Stage, lines: Half, columns: int) -> Half:
    """From the lines of each joined transform to those of its parts, side by side."""
    m = stage.m
    out = empty_lines(m, m // 2 + 1, stage.radix * columns)
    parts = Half(*(part.reshape(-1, stage.radix, columns) for part in out))
    {2: _radix_2, 3: _radix_3, 4: _radix_4, 5: _radix_5}[stage.radix](m, lines, parts)
    if m > 2:  # noqa: PLR2004 - shorter ones have no lines between the first and the last
        results = {2: _inner_2, 3: _inner_3, 4: _inner_4, 5: _inner_5}[stage.radix](m, lines)
        inner = slice(1, (m + 1) // 2)
        parts.real[inner, 0], parts.imag[inner, 0] = results[0]
        for j, result in enumerate(results[1:]):
            real, imag = stage.real[j], stage.imag[j]
            parts.imag[inner, j + 1] = real * result.imag + imag * result.real
            parts.real[inner, j + 1] = real * result.real - imag * result.imag
    return out


def _rising(m: int, q: int) -> slice:
    return slice(q * m + 1, q * m + (m - 1) // 2 + 1)


def _falling(m: int, q: int) -> slice:
    return slice(q * m - 1, q * m - (m - 1) // 2 - 1, -1)


def _sum_and_step(lines: Half, m: int, up: int, down: int) -> tuple[Inner, Inner]:
    """Lines that rise from ``up m`` and the conjugates of those that fall from ``down m``: sum and difference."""
    rising, falling = _rising(m, up), _falling(m, down)
    a, b = lines.real[rising], lines.real[falling]
    c, d = lines.imag[rising], lines.imag[falling]
    return Inner(a + b, c - d), Inner(a - b, c + d)


def _radix_2(m: int, lines: Half, parts: Half) -> None:
    parts.real[0, 0] = lines.real[0] + lines.real[m]
    parts.real[0, 1] = lines.real[0] - lines.real[m]
    if m % 2 == 0:
        parts.real[m // 2, 0] = 2.0 * lines.real[m // 2]
        parts.real[m // 2, 1] = -2.0 * lines.imag[m // 2]


def _inner_2(m: int, lines: Half) -> list[Inner]:
    return list(_sum_and_step(lines, m, 0, 1))


def _radix_4(m: int, lines: Half, parts: Half) -> None:
    outer, outer_step = lines.real[0] + lines.real[2 * m], lines.real[0] - lines.real[2 * m]
    middle, middle_step = 2.0 * lines.real[m], 2.0 * lines.imag[m]
    parts.real[0, 0], parts.real[0, 2] = outer + middle, outer - middle
    parts.real[0, 1], parts.real[0, 3] = outer_step - middle_step, outer_step + middle_step
    if m % 2 == 0:
        near, far = m // 2, m + m // 2
        real, real_step = lines.real[near] + lines.real[far], lines.real[near] - lines.real[far]
        imag, imag_step = lines.imag[far] + lines.imag[near], lines.imag[far] - lines.imag[near]
        parts.real[near, 0], parts.real[near, 2] = real + real, imag_step + imag_step
        parts.real[near, 1], parts.real[near, 3] = _ROOT * (real_step - imag), -_ROOT * (real_step + imag)


def _inner_4(m: int, lines: Half) -> list[Inner]:
    outer, outer_step = _sum_and_step(lines, m, 0, 2)
    middle, middle_step = _sum_and_step(lines, m, 1, 1)
    return [
        Inner(outer.real + middle.real, outer.imag + middle.imag),
        Inner(outer_step.real - middle_step.imag, outer_step.imag + middle_step.real),
        Inner(outer.real - middle.real, outer.imag - middle.imag),
        Inner(outer_step.real + middle_step.imag, outer_step.imag - middle_step.real),
    ]


def _radix_3(m: int, lines: Half, parts: Half) -> None:
    both = 2.0 * lines.real[m]
    middle = lines.real[0] - 0.5 * both
    across = 2.0 * SINE_3 * lines.imag[m]
    parts.real[0, 0] = lines.real[0] + both
    parts.real[0, 1], parts.real[0, 2] = middle - across, middle + across


def _inner_3(m: int, lines: Half) -> list[Inner]:
    first = Inner(lines.real[_rising(m, 0)], lines.imag[_rising(m, 0)])
    both, step = _sum_and_step(lines, m, 1, 1)
    real, imag = first.real - 0.5 * both.real, first.imag - 0.5 * both.imag
    across = Inner(SINE_3 * step.imag, SINE_3 * step.real)
    return [
        Inner(first.real + both.real, first.imag + both.imag),
        Inner(real - across.real, imag + across.imag),
        Inner(real + across.real, imag - across.imag),
    ]


def _radix_5(m: int, lines: Half, parts: Half) -> None:
    first = lines.real[0]
    outer, middle = lines.real[m] + lines.real[m], lines.real[2 * m] + lines.real[2 * m]
    outer_step, middle_step = lines.imag[m] + lines.imag[m], lines.imag[2 * m] + lines.imag[2 * m]
    near, far = _near_and_far(first, outer, middle)
    near_step, far_step = _steps(outer_step, middle_step)
    parts.real[0, 0] = first + outer + middle
    parts.real[0, 1], parts.real[0, 4] = near - near_step, near + near_step
    parts.real[0, 2], parts.real[0, 3] = far - far_step, far + far_step


def _inner_5(m: int, lines: Half) -> list[Inner]:
    first = Inner(lines.real[_rising(m, 0)], lines.imag[_rising(m, 0)])
    outer, outer_step = _sum_and_step(lines, m, 1, 1)
    middle, middle_step = _sum_and_step(lines, m, 2, 2)
    near_real, far_real = _near_and_far(first.real, outer.real, middle.real)
    near_imag, far_imag = _near_and_far(first.imag, outer.imag, middle.imag)
    near_step_real, far_step_real = _steps(outer_step.real, middle_step.real)
    near_step_imag, far_step_imag = _steps(outer_step.imag, middle_step.imag)
    return [
        Inner(first.real + outer.real + middle.real, first.imag + outer.imag + middle.imag),
        Inner(near_real - near_step_imag, near_imag + near_step_real),
        Inner(far_real - far_step_imag, far_imag + far_step_real),
        Inner(far_real + far_step_imag, far_imag - far_step_real),
        Inner(near_real + near_step_imag, near_imag - near_step_real),
    ]


def _near_and_far(first: Floats, outer: Floats, middle: Floats) -> tuple[Floats, Floats]:
    near = first + COSINE_5 * outer + COSINE_5_2 * middle
    return near, first + COSINE_5_2 * outer + COSINE_5 * middle


def _steps(outer: Floats, middle: Floats) -> tuple[Floats, Floats]:
    return outer * SINE_5 + middle * SINE_5_2, outer * SINE_5_2 - middle * SINE_5
