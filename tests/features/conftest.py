"""Specs and signals shared by the tests of the features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared_features.extract import extract_windows
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

SpecMaker = Callable[..., FeatureSpec]
Values = dict[str, float]


@pytest.fixture
def make_spec() -> SpecMaker:
    """Builds a small valid spec; keywords replace its fields."""

    def make(**changes: Any) -> FeatureSpec:
        fields: dict[str, Any] = {
            "sampling_rate_hz": 2000.0,
            "record_s": 1.0,
            "window_s": 2.0,
            "hop_s": 1.0,
            "channels": (ChannelSpec("acc", "g"),),
            "spectrum": SpectrumGroup(400, 200, ((10.0, 100.0), (100.0, 900.0))),
        }
        return FeatureSpec(**{**fields, **changes})

    return make


@pytest.fixture
def values_of() -> Callable[[FeatureSpec, NDArray[Any]], Values]:
    """The features of the first window of a one-channel signal, by name."""

    def values(spec: FeatureSpec, signal: NDArray[Any]) -> Values:
        samples = np.asarray(signal, dtype=np.float32).reshape(-1, len(spec.channels))
        window = extract_windows(spec, samples, np.zeros(len(spec.conditions)))[0]
        names = [column.name.partition(".")[2] or column.name for column in columns_of(spec)]
        return dict(zip(names, window.values.tolist(), strict=True))

    return values
