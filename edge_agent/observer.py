"""Observers: what also looks at an engine, after its results are on their way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edge_agent.detector import Judgement
    from edge_agent.frame import Frame
    from edge_agent.publication import Publication


class Observer(Protocol):
    """Something that follows the engines without a say in their results.

    Called in the worker's thread once a frame's results are queued, so that its time adds nothing to their latency.
    """

    def observe(self, frame: Frame, judgements: Sequence[Judgement]) -> list[Publication]:
        """Take the next frame and what was judged of the windows it completed; gives what is to be published."""
