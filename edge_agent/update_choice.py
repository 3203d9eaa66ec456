"""Which of the offered bundles an agent takes: decided without a disk or a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from edge_agent.offer import Offer

MOST_TRIED: Final = 4
"""So many are fetched, proven and refused in one update before the rest is left: a thin link pays for each."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A bundle in a verified repository.

    Attributes:
        path: Its target path.
        digest: Hex sha256 of its bytes.
        length: Their number.
        offer: What is said of it.
    """

    path: str
    digest: str
    length: int
    offer: Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Who asks.

    Attributes:
        agent: The agent's name.
        fleet: Its fleet.
        wave: Its wave.
    """

    agent: str
    fleet: str
    wave: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What follows from the offers.

    Attributes:
        taken: The one to take; empty where there is none.
        others: Older ones that may be taken where that is refused for itself, newest first.
        halted: Newer ones that were stopped.
        waiting: Newer ones whose rollout has not reached this agent.
    """

    taken: tuple[Offered, ...] = ()
    others: tuple[Offered, ...] = ()
    halted: tuple[Offered, ...] = ()
    waiting: tuple[Offered, ...] = ()

    @property
    def reached(self) -> tuple[Offered, ...]:
        """All that may be taken, newest first."""
        return (*self.taken, *self.others)


def choose(offered: Iterable[Offered], place: Place, *, role: str, is_newer: Callable[[Offered], bool]) -> Choice:
    """Choose the newest bundle that is for this agent and has reached it.

    Args:
        offered: All offers of the fleet's role.
        place: Who asks.
        role: ``active`` or ``shadow``.
        is_newer: Whether a bundle is newer than what is there, and may be taken.
    """
    newer = [
        each for each in offered if each.offer.role == role and place.fleet in each.offer.fleets and is_newer(each)
    ]
    newer.sort(key=lambda each: each.offer.rank, reverse=True)
    reached = [each for each in newer if each.offer.rollout.reaches(place.agent, place.wave, each.digest)]
    return Choice(
        taken=tuple(reached[:1]),
        others=tuple(reached[1:MOST_TRIED]),
        halted=tuple(each for each in newer if each.offer.rollout.halted),
        waiting=tuple(each for each in newer if each not in reached and not each.offer.rollout.halted),
    )
