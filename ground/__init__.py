"""The ground: trains, gates, signs and replays detectors.

``from ground import Detector`` is the way in from Python; it is imported when it is asked for, nothing heavy before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ground.scoring.detector import Detector

__all__ = ["Detector"]


def __getattr__(name: str) -> Any:
    if name != "Detector":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ground.scoring.detector import Detector

    return Detector
