"""The engines an agent follows: one detector each, within a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.detector import Detector
from edge_agent.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Collection

    from edge_agent.detector import LoadedModel
    from edge_agent.frame import Frame

UNKNOWN_ENGINE = "unknown_engine"
TOO_MANY_ENGINES = "too_many_engines"


class Streams:
    """Detectors by engine, made when an engine is first heard.

    Args:
        model: The model they share.
        engines: Engines to follow, as ``aircraft/engine``; empty for any.
        limit: Most engines followed.
    """

    def __init__(self, model: LoadedModel, *, engines: Collection[str], limit: int) -> None:
        self._model = model
        self._allowed = frozenset(engines)
        self._limit = limit
        self._detectors: dict[str, Detector] = {}
        self._late_before = 0

    def __len__(self) -> int:
        return len(self._detectors)

    @property
    def late_frames(self) -> int:
        """Frames of all engines that were dropped because they overlap the past."""
        return self._late_before + sum(detector.late_frames for detector in list(self._detectors.values()))

    def detector_of(self, frame: Frame) -> Detector:
        """The detector of the frame's engine.

        Raises:
            WireError: ``unknown_engine`` or ``too_many_engines``.
        """
        name = name_of(frame)
        known = self._detectors.get(name)
        if known is not None:
            return known
        if self._allowed and name not in self._allowed:
            raise WireError(
                UNKNOWN_ENGINE, f"{name}: expected an engine of agent.engines, got another one; add it, or mute it"
            )
        if len(self._detectors) >= self._limit:
            raise WireError(
                TOO_MANY_ENGINES,
                f"{name}: expected at most {self._limit} engines, got one more; raise limits.max_streams",
            )
        return self._detectors.setdefault(name, Detector(self._model))

    def forget(self, frame: Frame) -> None:
        """Drop the detector of the frame's engine: it failed half-way, and its memory cannot be trusted."""
        self._late_before += self._detectors.pop(name_of(frame)).late_frames


def name_of(frame: Frame) -> str:
    """The engine of a frame, as ``aircraft/engine``."""
    return f"{frame.aircraft}/{frame.engine}"
