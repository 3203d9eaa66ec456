"""Where the detector was most wrong: its strongest false alarms, and the faulty flights it heard least of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ground.report import words
from ground.report.alerts import Alert
from ground.report.answers import Flags, Flight

MOST_OF_A_KIND = 2


@dataclass(frozen=True, slots=True)
class Mistake:
    """A moment in which the detector was wrong, and what to call it."""

    title: str
    moment: Alert


def worst_mistakes(flights: Sequence[Flight]) -> tuple[Mistake, ...]:
    """The worst false alarms, then the worst misses; flights with a faulty sensor are left out.

    A false alarm is the worse, the higher above its threshold; a miss, the further below the threshold a faulty flight
    stayed at its strangest.

    Args:
        flights: Answers, flight by flight.
    """
    sound = [flight for flight in flights if not flight.has_sensor_fault]
    loudest = sorted(_peaks(sound, _false_alarms), key=_excess, reverse=True)[:MOST_OF_A_KIND]
    faintest = sorted(_peaks(sound, _missed), key=_excess)[:MOST_OF_A_KIND]
    return (
        *(Mistake("False alarm", moment) for moment in loudest),
        *(Mistake(f"Missed: {words.fault_name(moment.flight.fault_type, healthy='fault')}", moment)
          for moment in faintest),
    )  # fmt: skip


def mistakes_sentence(flights: Sequence[Flight], mistakes: Sequence[Mistake]) -> str:
    """What the section shows, out of how many."""
    sound = [flight for flight in flights if not flight.has_sensor_fault]
    alarmed = sum(bool(_false_alarms(flight).any()) for flight in sound)
    missed = sum(bool(flight.faulty.any() and not (flight.faulty & flight.alarm).any()) for flight in sound)
    found = (
        f"Of {words.count(len(sound), 'test flight')} {alarmed:,} had a false alarm and {missed:,} a fault without an "
        "alarm."
    )
    if not mistakes:
        return f"{found} There is none to show."
    return (
        f"{found} At most {MOST_OF_A_KIND} of each kind are shown, the worst first: false alarms furthest above their "
        "threshold, missed faults whose strangest window stood out least."
    )


def _peaks(flights: Iterable[Flight], chosen: Callable[[Flight], Flags]) -> Iterator[Alert]:
    """The strangest of the chosen windows of each flight that has any with a score."""
    for flight in flights:
        ratio = np.where(chosen(flight) & flight.assessed, flight.ratio, np.nan)
        if np.isfinite(ratio).any():
            yield Alert(flight, int(np.nanargmax(ratio)))


def _excess(moment: Alert) -> float:
    return float(moment.flight.ratio[moment.index])


def _false_alarms(flight: Flight) -> Flags:
    return flight.healthy & flight.alarm


def _missed(flight: Flight) -> Flags:
    """Faulty windows of a flight that was in alarm in none of them."""
    return flight.faulty if not (flight.faulty & flight.alarm).any() else np.zeros_like(flight.faulty)
