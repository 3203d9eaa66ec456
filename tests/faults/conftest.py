"""Fixtures of the fault tests. `FAULTS=full` (`make test-faults`) runs their long forms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the long forms run."""
    return os.environ.get("FAULTS") == "full"


@pytest.fixture
def log_lines() -> Iterator[list[Any]]:
    """What is logged during the test, a map a line."""
    capture = LogCapture()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture.entries
    structlog.reset_defaults()
