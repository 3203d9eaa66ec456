"""The states of a registered version, and what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from ground.errors import PromotionError


class State(Enum):
    """Where a version is on its way."""

    DEVELOPMENT = "development"
    """Registered; nothing is known to hold."""
    VALIDATION = "validation"
    """A release: every gate passed."""
    SHADOW = "shadow"
    """It may look along on board, and decides nothing."""
    ACTIVE = "active"
    """It may decide on board."""
    RETIRED = "retired"
    """For ever: the same model under another version goes its own way."""


PLACES: Final = (State.SHADOW, State.ACTIVE)
"""States that one version of a detector at most has in a fleet."""

NEXT: Final[Mapping[State, tuple[State, ...]]] = MappingProxyType(
    {
        State.DEVELOPMENT: (State.VALIDATION, State.RETIRED),
        State.VALIDATION: (State.SHADOW, State.ACTIVE, State.RETIRED),
        State.SHADOW: (State.ACTIVE, State.RETIRED),
        State.ACTIVE: (State.RETIRED,),
        State.RETIRED: (),
    }
)
"""From validation to active only the first version of a detector goes."""


def check_transition(name: str, old: State, new: State) -> None:
    """Refuse what may not follow.

    Raises:
        PromotionError: It may not; the text says what may.
    """
    if new not in NEXT[old]:
        allowed = ", ".join(each.value for each in NEXT[old]) or "nothing: register it as another version"
        raise PromotionError(f"{name}: expected one of what follows {old.value} ({allowed}), got {new.value}")
