"""Weights as npz: exact both ways, and nothing but plain arrays of the right architecture is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ground.config import ModelConfig
from ground.errors import TrainingError
from ground.models.autoencoder import Autoencoder
from ground.models.families import load_core
from ground.models.mahalanobis import Mahalanobis
from ground.weights import load_arrays, module_arrays, pack, unpack

if TYPE_CHECKING:
    from pathlib import Path


def test_weights_of_another_architecture_are_refused() -> None:
    """The error names the first array that differs."""
    weights = pack(module_arrays(Autoencoder(6, (8,), 3)))
    with pytest.raises(TrainingError, match=r"w\.npz: expected the arrays of this config's model.*decoder\.0"):
        load_core("autoencoder", weights, 6, ModelConfig(hidden=(16,), bottleneck=3), where="w.npz")


def test_missing_and_surplus_weights_are_refused() -> None:
    """Every array is needed and no other is taken."""
    arrays = module_arrays(Mahalanobis(2))
    with pytest.raises(TrainingError, match="surplus"):
        load_arrays(Mahalanobis(2), arrays | {"surplus": np.zeros(1)}, where="w.npz")
    with pytest.raises(TrainingError, match="whitening"):
        load_arrays(Mahalanobis(2), {key: arrays[key] for key in arrays if key != "whitening"}, where="w.npz")


def test_pickles_are_refused(tmp_path: Path) -> None:
    """An npz that holds an object is not read, so nothing in it can run."""
    np.savez(tmp_path / "w.npz", weight=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TrainingError, match="expected an npz of plain arrays"):
        unpack((tmp_path / "w.npz").read_bytes(), where="w.npz")


@pytest.mark.parametrize(
    "data",
    [b"", b"no zip", pack({"a": np.zeros(100)})[:-30], pack({"a": np.zeros(3)}).replace(b"\x93NUMPY", b"\x93NUMPX")],
)
def test_damaged_weights_are_refused(data: bytes) -> None:
    """Empty, foreign, truncated or corrupted bytes: one named error."""
    with pytest.raises(TrainingError, match=r"w\.npz: expected an npz"):
        unpack(data, where="w.npz")


def test_pack_keeps_bytes_dtypes_and_shapes() -> None:
    """Order of insertion does not show; scalars, booleans and float64 come back as they were."""
    arrays = {"b": np.array(3), "a": np.array([True, False]), "c/d": np.arange(6.0).reshape(2, 3).T}
    assert pack(arrays) == pack(dict(reversed(arrays.items())))
    for name, array in unpack(pack(arrays), where="w.npz").items():
        np.testing.assert_array_equal(array, arrays[name], strict=True)
