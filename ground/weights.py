"""Numbers of a model as ``.npz``: the same numbers give the same bytes, and no pickle is ever read."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ground.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_SUFFIX = ".npy"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack named arrays into an npz.

    Args:
        arrays: Arrays of plain numbers; objects are refused by numpy.

    Returns:
        The archive, members sorted by name and with a fixed date, so that equal arrays give equal bytes.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as writer:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(arrays[name], order="C"), (1, 0), allow_pickle=False)
            writer.writestr(_entry(name), member.getvalue())
    return archive.getvalue()


def unpack(data: bytes, *, where: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of an npz.

    Args:
        data: The archive.
        where: The place named in errors.

    Raises:
        TrainingError: Not a whole npz, or one that holds pickled objects.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{where}: expected an npz of plain arrays, got {error}; train again") from error


def module_arrays(module: torch.nn.Module) -> dict[str, NDArray[Any]]:
    """Copies of all parameters and buffers by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}


def load_arrays(module: torch.nn.Module, arrays: Mapping[str, NDArray[Any]], *, where: str) -> None:
    """Put arrays into a module.

    Args:
        module: A module of the same architecture; changed in place.
        arrays: One array for each parameter and buffer.
        where: The place named in errors.

    Raises:
        TrainingError: A name, shape or dtype differs from the module's.
    """
    expected = _shapes(module_arrays(module))
    got = _shapes(arrays)
    if got != expected:
        different = sorted(set(expected.items()) ^ set(got.items()))
        raise TrainingError(
            f"{where}: expected the arrays of this config's model, got another architecture "
            f"(first difference: {different[0]}); train again with this config"
        )
    module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name + _SUFFIX, date_time=_EPOCH)
    entry.create_system = _UNIX
    entry.external_attr = 0o644 << 16
    return entry


def _shapes(arrays: Mapping[str, NDArray[Any]]) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (array.shape, array.dtype.name) for name, array in arrays.items()}
