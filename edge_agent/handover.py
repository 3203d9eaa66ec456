"""The handover of one engine from a bundle to one of another feature spec: the new one warms up beside the old one.

The old one goes on deciding. The new one takes over at its first window that begins where the old one has already been,
so that no span of time goes unjudged; or with the next flight, which neither of them knows anything of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_agent.frame import NS_PER_S
from edge_agent.stream import GAP, STEP_TOLERANCE_NS, WindowStream

if TYPE_CHECKING:
    from edge_agent.detector import Assessor
    from edge_agent.frame import Frame
    from edge_agent.stream import Window
    from shared_features.makers import Makers
    from shared_features.spec import FeatureSpec

MOST_LOOKS_UNHEARD: Final = 10
"""An engine that was not heard between so many looks has fallen silent: there is nothing to wait for any more."""


class Handover:
    """What waits to take over.

    Args:
        spec: Of the new bundle.
        makers: Of the same spec.
        assessor: Of the new bundle.
        flight: The flight under way; empty for none.

    Attributes:
        spec_digest: Of the new spec.
        stream: Windows by it.
        assessor: The same.
    """

    def __init__(self, spec: FeatureSpec, makers: Makers, assessor: Assessor, flight: str) -> None:
        self.spec_digest = spec.digest
        self.stream = WindowStream(spec, makers)
        self.assessor = assessor
        self._half_hop_ns = round(spec.hop_s * NS_PER_S / 2)
        self._flight = flight
        self._looks_unheard = 0

    def begins_with(self, frame: Frame) -> bool:
        """Whether another flight begins, which is judged by the new one from its first sample on."""
        return frame.flight != self._flight

    def warm(self, frame: Frame, before_ns: int, after_ns: int) -> list[Window]:
        """Take a frame that the old one has taken; gives windows once they leave nothing out, and the new one decides.

        Args:
            frame: The frame.
            before_ns: Source time of the first sample that no window of the old one had covered before the frame.
            after_ns: The same after it. A window that begins in between may repeat what the old one says of the frame.
        """
        self._looks_unheard = 0
        # What a gap has cost is told by the old one.
        windows = [window for window in self.stream.push(frame) if window.reason != GAP]
        if windows and windows[0].start_ns <= before_ns + STEP_TOLERANCE_NS:
            return windows
        further = [window for window in windows if window.end_ns > after_ns + self._half_hop_ns]
        return further if further and further[0].start_ns <= after_ns + STEP_TOLERANCE_NS else []

    def is_unheard(self) -> bool:
        """Whether the engine was not heard for so many looks, this one included."""
        self._looks_unheard += 1
        return self._looks_unheard >= MOST_LOOKS_UNHEARD
