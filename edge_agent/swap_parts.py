"""Everything in a running agent that follows the bundle which decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from edge_agent.frame import NS_PER_S

if TYPE_CHECKING:
    from edge_agent.detector import LoadedModel
    from edge_agent.health import Health
    from edge_agent.inbox import Inbox
    from edge_agent.pipeline import Pipeline
    from edge_agent.probation import Probation
    from shared_features.makers import Makers

SILENCED_WINDOWS: Final = 3
"""A source that must make room is silenced for so many windows: a gap costs it one more window, however long it is."""


class Follower(Protocol):
    """Looks on while a bundle decides."""

    def swap(self, model: LoadedModel) -> None:
        """Another bundle decides from the next frame on."""


@dataclass(frozen=True, slots=True)
class SwapParts:
    """What a swap changes.

    Attributes:
        pipeline: Decides.
        inbox: Silences sources by the length of windows.
        health: Says which bundle runs.
        followers: Look on.
        probation: Watches over the bundle.
    """

    pipeline: Pipeline
    inbox: Inbox
    health: Health
    followers: tuple[Follower, ...]
    probation: Probation

    @property
    def digest(self) -> str:
        """The bundle that decides."""
        return self.health.identity.bundle_digest

    def swap(self, model: LoadedModel, makers: Makers) -> None:
        """Go over to a bundle, between two turns of the worker."""
        # Followers first: they must know the bundle of every window that they are shown.
        for follower in self.followers:
            follower.swap(model)
        self.pipeline.swap(model, makers)
        self.inbox.silence_for(silence_ns_of(model))
        self.probation.swap(model.bundle_digest)
        self.health.rename(
            bundle_id=model.bundle_id,
            bundle_digest=model.bundle_digest,
            part_number=model.part_number,
            expires=model.expires,
            spec_digest=model.spec.digest,
        )


def silence_ns_of(model: LoadedModel) -> int:
    """How long a source that must make room is silenced, ns."""
    return round(SILENCED_WINDOWS * model.spec.window_s * NS_PER_S)
