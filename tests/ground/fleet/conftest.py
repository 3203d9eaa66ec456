"""Fixtures of the fleet's tests."""

from __future__ import annotations

import pytest

from tests.ground.registry_rig import Rig


@pytest.fixture(scope="package")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Bundles, a key, and an empty registry; MLflow makes its tables once."""
    return Rig(tmp_path_factory)
