"""Discrete Fourier transforms that have the same bits on every machine.

The bits of numpy's transforms depend on how they were compiled: where the processor can, as on arm64, a compiler fuses
multiplications with additions. So the bits are defined by kernels of our own, in operations that IEEE 754 defines, one
at a time. Where numpy has those bits, as on x86-64, numpy is called: it takes a tenth of the time.

Lengths other than products of 2, 3 and 5 are left to numpy, with the bits it has.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from shared_features import library_transforms
from shared_features.complex_kernel import ComplexKernel
from shared_features.real_inverse_kernel import RealInverseKernel
from shared_features.real_kernel import RealKernel

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_CACHED = 64
_PROBES_N = (720, 1440)
"""Lengths that between them pass through every radix: 2, 3, 4, 5 and 8."""
_PROBE_ROWS = 3


def rfft(rows: Floats, out: Complexes) -> Complexes:
    """Unscaled lines 0 to n/2 of rows of length n.

    Args:
        rows: (n_row, n) or (n,) float64.
        out: The same with n // 2 + 1 instead of n, complex128: where to write.
    """
    n = rows.shape[-1]
    if library_agrees() or not is_smooth(n):
        return library_transforms.rfft(rows, out)
    _real_kernel(n).transform(rows.reshape(-1, n), out.reshape(-1, n // 2 + 1))
    return out


def irfft(lines: Complexes, out: Floats) -> Floats:
    """Rows of which ``lines`` are the ``rfft``.

    Args:
        lines: (n_row, n // 2 + 1) or (n // 2 + 1,) complex128.
        out: The same with n instead of n // 2 + 1, float64, C-contiguous: where to write.
    """
    n = out.shape[-1]
    if library_agrees() or not is_smooth(n):
        return library_transforms.irfft(lines, out)
    _real_inverse_kernel(n).inverse(lines.reshape(-1, n // 2 + 1), out.reshape(-1, n))
    return out


def fft(rows: Complexes, out: Complexes) -> Complexes:
    """Unscaled lines 0 to n - 1 of complex rows.

    Args:
        rows: (n_row, n) or (n,) complex128.
        out: The same, C-contiguous: where to write.
    """
    n = rows.shape[-1]
    if library_agrees() or not is_smooth(n):
        return library_transforms.fft(rows, out)
    pairs = rows.reshape(-1, n)
    _complex_kernel(n, len(pairs)).inverse(pairs.conj(), out.reshape(-1, n))
    return np.conj(out, out=out)


def ifft(rows: Complexes, out: Complexes) -> Complexes:
    """Unscaled inverse: ``n`` times the rows of which ``rows`` are the ``fft``.

    Args:
        rows: (n_row, n) or (n,) complex128.
        out: The same, C-contiguous: where to write.
    """
    n = rows.shape[-1]
    if library_agrees() or not is_smooth(n):
        return library_transforms.ifft(rows, out)
    pairs = rows.reshape(-1, n)
    _complex_kernel(n, len(pairs)).inverse(pairs, out.reshape(-1, n))
    return out


def is_smooth(n: int) -> bool:
    """Whether ``n`` is a product of 2, 3 and 5."""
    for factor in (2, 3, 5):
        while n % factor == 0:
            n //= factor
    return n == 1


@cache
def library_agrees() -> bool:
    """Whether numpy's transforms have the bits of the kernels on this machine; found out once, by trying."""
    return all(_agrees(n) for n in _PROBES_N)


def _agrees(n: int) -> bool:
    parts = _noise((2, _PROBE_ROWS, n))
    pairs = np.empty((_PROBE_ROWS, n), dtype=np.complex128)
    pairs.real, pairs.imag = parts
    lines = library_transforms.rfft(parts[0], np.empty((_PROBE_ROWS, n // 2 + 1), dtype=np.complex128))
    return (
        RealKernel(n).transform(parts[0], np.empty_like(lines)).tobytes() == lines.tobytes()
        and RealInverseKernel(n).inverse(lines, np.empty_like(parts[0])).tobytes()
        == library_transforms.irfft(lines, np.empty_like(parts[0])).tobytes()
        and ComplexKernel(n, _PROBE_ROWS).inverse(pairs, np.empty_like(pairs)).tobytes()
        == library_transforms.ifft(pairs, np.empty_like(pairs)).tobytes()
        and _turned(ComplexKernel(n, _PROBE_ROWS).inverse(_turned(pairs), np.empty_like(pairs))).tobytes()
        == library_transforms.fft(pairs, np.empty_like(pairs)).tobytes()
    )


def _turned(pairs: Complexes) -> Complexes:
    """The same with the imaginary parts negated."""
    other = pairs.copy()
    np.negative(pairs.imag, out=other.imag)
    return other


def _noise(shape: tuple[int, ...]) -> Floats:
    """Numbers from -1 to 1 without a pattern that a transform could be exact on."""
    k = np.arange(1.0, float(np.prod(shape)) + 1.0)
    x = k * k * 0.6180339887498949
    return (2.0 * (x - np.floor(x)) - 1.0).reshape(shape)


_real_kernel = lru_cache(maxsize=_CACHED)(RealKernel)
_real_inverse_kernel = lru_cache(maxsize=_CACHED)(RealInverseKernel)
_complex_kernel = lru_cache(maxsize=_CACHED)(ComplexKernel)
