"""The golden set has the same bits whatever the processor, numpy, the BLAS and the C library are allowed to use."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from tests.determinism.compare import about, compare, load
from tests.determinism.configurations import configurations, run_golden_set
from tests.determinism.real_windows import write_real_windows

ALL = {configuration.name: configuration for configuration in configurations()}
FEWEST_WINDOWS = 400
LOGARITHMIC = {"flatness", "entropy"}
"""The only features whose float64 values may differ, in their last places: they hold logarithms."""


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A folder for the sets."""
    return tmp_path_factory.mktemp("golden")


@pytest.fixture(scope="session")
def real(work):
    """Spans of the real recordings, where there are any."""
    return write_real_windows(work / "real.npz")


@pytest.fixture(scope="session")
def reference(work, real):
    """The golden set of this machine as it is; computing it compares streams with batches."""
    return load(run_golden_set(work / "here.npz", real=real))


def test_the_set_is_large_and_mostly_assessed(reference):
    """A set of reasons alone would be equal everywhere."""
    reasons = np.concatenate([value for key, value in reference.items() if key.endswith("/reasons")])
    assert np.count_nonzero(reasons == "") >= FEWEST_WINDOWS
    assert "flatline" in reasons


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names are those of x86-64")
@pytest.mark.parametrize("name", ALL)
def test_no_bit_differs(name, reference, work, real):
    """What is switched off is off, and no feature notices."""
    configuration = ALL[name]
    other = load(run_golden_set(work / "other.npz", environment=configuration.environment, real=real))
    assert not set(configuration.absent) & set(about(other)["features"])
    comparison = compare(reference, other)
    assert comparison.equal, str(comparison)
    assert comparison.exact_features <= LOGARITHMIC
