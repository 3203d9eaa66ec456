"""Why a detector is trained anew."""

from __future__ import annotations

from enum import Enum


class Cause(Enum):
    """The reason that a person or a timer gives."""

    DRIFT = "drift"
    """An event of ``ground drift``."""
    SCHEDULE = "schedule"
    """A quarter has begun."""
    MANUAL = "manual"
    """A person says so."""
