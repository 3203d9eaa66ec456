"""numpy's own transforms, called without what ``numpy.fft`` does for callers of every kind.

``numpy.fft`` looks at axes, norms and types, which takes as long as a short transform, before it calls one of five
ufuncs; a second with every group takes nine. The ufuncs have no public names: where a numpy does not have them, its
public functions are called, which have the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_UFUNCS: Any = getattr(np.fft, "_pocketfft_umath", None)
HAS_UFUNCS = all(hasattr(_UFUNCS, name) for name in ("rfft_n_even", "rfft_n_odd", "irfft", "fft", "ifft"))


def rfft(rows: Floats, out: Complexes) -> Complexes:
    """Unscaled lines 0 to n/2 of rows (..., n)."""
    if not HAS_UFUNCS:
        return np.fft.rfft(rows, axis=-1, out=out)
    ufunc = _UFUNCS.rfft_n_odd if rows.shape[-1] % 2 else _UFUNCS.rfft_n_even
    ufunc(rows, 1.0, out=out)
    return out


def irfft(lines: Complexes, out: Floats) -> Floats:
    """Rows (..., n) of which ``lines`` (..., n // 2 + 1) are the ``rfft``."""
    n = out.shape[-1]
    if not HAS_UFUNCS:
        return np.fft.irfft(lines, n, axis=-1, out=out)
    _UFUNCS.irfft(lines, 1.0 / n, out=out)
    return out


def fft(rows: Complexes, out: Complexes) -> Complexes:
    """Unscaled lines of complex rows (..., n)."""
    if not HAS_UFUNCS:
        return np.fft.fft(rows, axis=-1, out=out)
    _UFUNCS.fft(rows, 1.0, out=out)
    return out


def ifft(rows: Complexes, out: Complexes) -> Complexes:
    """Unscaled inverse of ``fft``."""
    if not HAS_UFUNCS:
        return np.fft.ifft(rows, axis=-1, norm="forward", out=out)
    _UFUNCS.ifft(rows, 1.0, out=out)
    return out
