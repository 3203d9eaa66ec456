"""The onlookers: shadow and drift, and the ladder of overload that sheds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_agent.drift import Drift
from edge_agent.overload import Ladder
from edge_agent.shadow import Shadow
from edge_agent.startup import SHADOW_REFUSED

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import LoadedModel
    from edge_agent.health import Health
    from edge_agent.inbox import Inbox
    from edge_agent.publication import Publication
    from edge_agent.startup import LoadedShadow


class Onlookers:
    """What looks on while the detector decides.

    Args:
        config: The agent's config.
        model: The model that decides.
        shadow: What became of the second bundle.
        health: Receives counts.

    Attributes:
        ladder: To be told of the load.
        observers: To be shown every frame, in this order.
    """

    def __init__(self, config: AgentConfig, model: LoadedModel, shadow: LoadedShadow, health: Health) -> None:
        self._shadow = shadow
        self.ladder = Ladder(config.agent.deadline_ms)
        shadows = [Shadow(config, model, each, health, self.ladder) for each in shadow.models]
        self.observers: tuple[Drift | Shadow, ...] = (Drift(config, model, health, self.ladder), *shadows)

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config, between two turns of the worker."""
        self.ladder.deadline_ms = config.agent.deadline_ms
        for observer in self.observers:
            observer.reconfigure(config)

    def swap(self, model: LoadedModel) -> None:
        """Another bundle decides, from the next turn of the worker on."""
        for observer in self.observers:
            observer.swap(model)

    def close(self) -> list[Publication]:
        """What is left to say when the agent stops; to be called when the worker has ended."""
        return [publication for observer in self.observers for publication in observer.close()]

    def gauges(self) -> dict[str, int]:
        """Figures that may fall, for the status."""
        return {"load_rung": int(self.ladder.rung), "shadow_refused": int(self._shadow.state == SHADOW_REFUSED)}

    def document(self, inbox: Inbox) -> dict[str, Any]:
        """What the status says of shadow and load."""
        return {
            "shadow": self._shadow.document(),
            "load": {"state": self.ladder.state, "shed": self.ladder.shed, "dropped": inbox.dropped_by_source},
        }
