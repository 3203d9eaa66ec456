"""The engines an agent follows: one detector each, within a limit."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from edge_agent.detector import Detector
from edge_agent.errors import WireError
from edge_agent.place import Places
from edge_agent.unit_store import FixedUnits, Units
from shared_features.makers import Makers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from edge_agent.detector import LoadedModel
    from edge_agent.frame import Frame

UNKNOWN_ENGINE = "unknown_engine"

_SETTLED_AT_ONCE = 8
"""Engines that are not heard, brought over to another bundle between two frames."""


class Streams:
    """Detectors by engine, made when an engine is first heard.

    Args:
        model: The model they share.
        engines: Engines to follow, as ``aircraft/engine``; empty for any.
        limit: Most engines followed; beyond, the one heard longest ago is evicted.
        on_evict: Called with the name of an engine that was evicted.
        units: What is known of the engines from earlier runs.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        engines: Collection[str],
        limit: int,
        on_evict: Callable[[str], object],
        units: Units | None = None,
    ) -> None:
        self._model = model
        self._makers = Makers(model.spec)
        self._allowed = frozenset(engines)
        self._limit = limit
        self._on_evict = on_evict
        self._units = units or FixedUnits()
        self._detectors: OrderedDict[str, Detector] = OrderedDict()
        self._places = Places()
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
            WireError: ``unknown_engine``.
        """
        name = name_of(frame)
        for engine in self._units.take_resets():
            if engine in self._detectors:
                self._detectors[engine].reset_unit()
        known = self._detectors.get(name)
        if known is not None:
            self._detectors.move_to_end(name)
            self._bring_over(name, known)
            return known
        if self._allowed and name not in self._allowed:
            raise WireError(
                UNKNOWN_ENGINE, f"{name}: expected an engine of agent.engines, got another one; add it, or mute it"
            )
        if len(self._detectors) >= self._limit:
            # Refusing instead would let invented engines keep real ones out until a restart.
            self._evict(next(iter(self._detectors)))
        unit, place = self._units.state_of(name), self._places.take(name)
        return self._detectors.setdefault(name, Detector(self._model, self._makers, unit, place))

    def follow(self, *, engines: Collection[str], limit: int) -> None:
        """Follow ``engines`` (empty for any), at most ``limit``; those that stay keep their past."""
        self._allowed = frozenset(engines)
        self._limit = limit
        for name in [each for each in self._detectors if self._allowed and each not in self._allowed]:
            self._drop(name)
        while len(self._detectors) > limit:
            self._evict(next(iter(self._detectors)))

    def swap(self, model: LoadedModel, makers: Makers) -> None:
        """Go over to another bundle: each engine at its next frame, so that no frame waits for all of them.

        Args:
            model: The bundle.
            makers: Of its spec.
        """
        self._model, self._makers = model, makers

    def settle(self) -> int:
        """Bring over some engines that are not heard; to be called once a second until none is left.

        Returns:
            Engines that a former bundle still decides about.
        """
        behind = [each for each in self._detectors.items() if each[1].bundle_digest != self._model.bundle_digest]
        for name, detector in behind[:_SETTLED_AT_ONCE]:
            self._bring_over(name, detector)
        for detector in self._detectors.values():
            detector.settle()
        return sum(not self._is_settled(detector) for detector in self._detectors.values())

    def _bring_over(self, name: str, detector: Detector) -> None:
        if detector.bundle_digest != self._model.bundle_digest:
            detector.swap(self._model, self._makers, self._units.state_of(name))

    def _is_settled(self, detector: Detector) -> bool:
        return detector.is_settled and detector.bundle_digest == self._model.bundle_digest

    def forget(self, frame: Frame) -> None:
        """Drop the detector of the frame's engine: it failed half-way, and its memory cannot be trusted."""
        self._drop(name_of(frame))

    def _evict(self, name: str) -> None:
        self._drop(name)
        self._on_evict(name)

    def _drop(self, name: str) -> None:
        dropped = self._detectors.pop(name)
        self._late_before += dropped.late_frames
        self._places.keep(name, dropped.place)


def name_of(frame: Frame) -> str:
    """The engine of a frame, as ``aircraft/engine``."""
    return f"{frame.aircraft}/{frame.engine}"
