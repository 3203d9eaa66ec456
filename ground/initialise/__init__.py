"""`ground init`: from a folder of recordings to a config and a contract that work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ground.initialise.proposal import Proposal, propose

__all__ = ["Proposal", "propose"]


def __getattr__(name: str) -> Any:
    """The public names, imported when they are used: the command line starts without pandas and torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ground.initialise import proposal

    return getattr(proposal, name)
