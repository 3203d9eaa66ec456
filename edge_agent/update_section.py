"""Settings of ``[update]``: where this agent looks for bundles, and in which wave of a rollout it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.errors import ConfigError
from edge_agent.offer import FIRST_WAVE, LAST_WAVE
from edge_agent.settings import number

NO_ROOT: Final = Path("/dev/null")
WEB: Final = ("https://", "http://")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSection:
    """``[update]``: the repository that `edge-agent update` takes bundles from; the running agent does not use it.

    Attributes:
        url: Its address, http or https, or the path of a folder; empty where only ``--from`` names one.
        root: Its first ``root.json``, the anchor of all trust in it, from the integrator.
        wave: The wave of a rollout that this agent is in; the last one unless told otherwise.
        deadline_s: Seconds that reading the repository may take, all of it.
    """

    url: str = ""
    root: Path = NO_ROOT
    wave: int = number(LAST_WAVE, low=FIRST_WAVE, high=LAST_WAVE)
    deadline_s: float = number(900.0, low=0.1, high=86_400.0)

    def __post_init__(self) -> None:
        check_location(self.url, where="update.url")
        if self.url and not self.wanted:
            raise ConfigError(
                "update.root: expected the root.json of the repository of update.url, got nothing; install the one "
                "that `ground repo init` wrote"
            )

    @property
    def wanted(self) -> bool:
        """Whether this agent takes updates."""
        return self.root != NO_ROOT


def check_location(location: str, *, where: str) -> None:
    """Refuse what is neither an address of the web nor an absolute path; empty is none.

    Raises:
        ConfigError: It is something else.
    """
    if location and not location.startswith((*WEB, "/")):
        raise ConfigError(
            f"{where}: expected https://..., http://... or the absolute path of a folder, got {location!r}; correct it"
        )
