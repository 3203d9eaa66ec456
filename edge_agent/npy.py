"""``.npy`` members: version 1.0 files of little-endian floats, read without evaluating their header.

numpy's own reader evaluates the header as Python literals and allocates what the header asks for. Here the header has
one form, and the array is a view of the bytes that were verified, so nothing is allocated at all.
"""

from __future__ import annotations

import io
import math
import re

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import BundleFormatError

_MAGIC = b"\x93NUMPY\x01\x00"
_LENGTH_END = len(_MAGIC) + 2
_ALIGNMENT = 64
_SIZE = rb"(?:0|[1-9][0-9]{0,8})"
_SHAPE = rb"%s(?:, %s){1,3}|%s," % (_SIZE, _SIZE, _SIZE)
_HEADER = re.compile(rb"\{'descr': '(<f4|<f8)', 'fortran_order': False, 'shape': \((%s)\), \} *\n" % _SHAPE)


def write_npy(array: NDArray[np.floating]) -> bytes:
    """The ``.npy`` file of ``array``, in C order."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def read_npy(data: bytes, *, dtype: np.dtype[np.floating], ndim: int, where: str) -> NDArray[np.floating]:
    """Read an array.

    Args:
        data: A whole ``.npy`` file.
        dtype: The dtype it must have: float32 or float64, little endian.
        ndim: The number of axes it must have.
        where: The member named in errors.

    Returns:
        A read-only view of ``data``.

    Raises:
        BundleFormatError: ``npy_header``, ``npy_dtype``, ``npy_shape``, ``npy_size`` or ``npy_not_finite``.
    """
    start = _LENGTH_END + int.from_bytes(data[len(_MAGIC) : _LENGTH_END], "little")
    match = _HEADER.fullmatch(data[_LENGTH_END:start]) if data.startswith(_MAGIC) and start % _ALIGNMENT == 0 else None
    if match is None:
        raise BundleFormatError(
            "npy_header", f"{where}: expected a .npy file of floats in C order, got another one; export it again"
        )
    shape = tuple(int(part) for part in match[2].rstrip(b",").split(b","))
    if np.dtype(match[1].decode("ascii")) != dtype:
        raise BundleFormatError(
            "npy_dtype", f"{where}: expected {dtype}, got {match[1].decode('ascii')}; export it again"
        )
    if len(shape) != ndim:
        raise BundleFormatError("npy_shape", f"{where}: expected {ndim} axes, got shape {shape}; export it again")
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise BundleFormatError(
            "npy_size", f"{where}: expected the data of shape {shape}, got {len(data) - start} bytes; copy it again"
        )
    array = np.frombuffer(data, dtype=dtype, offset=start).reshape(shape)
    if not np.isfinite(array).all():
        raise BundleFormatError(
            "npy_not_finite", f"{where}: expected finite numbers, got NaN or infinity; export it again"
        )
    return array
