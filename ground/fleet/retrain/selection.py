"""Which recordings a detector is trained on anew, and why the others are left: decided without a disk or a clock.

A person's label decides about everything that is not called healthy. Of what is called healthy, a flight counts only
as long as no detector has alarmed in it, or a person has called every one of those alarms false.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ground.fleet.retrain.flown import Flown
from ground.fleet.verdicts import Entry, FlightKey, Verdict
from ground.recording_index import RecordingInfo

HEALTHY: Final = "healthy"


class Reason(Enum):
    """Why a recording is taken or left."""

    LABELLED = "labelled"
    """Taken: labelled as something else than healthy, so that it trains nothing as healthy, and tests."""
    NOT_FLOWN = "not_flown"
    """Taken: labelled healthy, and no detector has said anything of it."""
    NOT_ASSESSED = "not_assessed"
    """Taken: labelled healthy, and no detector could assess any of it."""
    QUIET = "quiet"
    """Taken: assessed on board, and no alarm."""
    FALSE_ALARM = "false_alarm"
    """Taken: a person has called every alarm in it false."""
    ALARMED = "alarmed"
    """Left: there was an alarm, and nobody has said what it was."""
    NEEDS_REVIEW = "needs_review"
    """Left: an alarm is under review."""
    CONFIRMED = "confirmed"
    """Left: an alarm was confirmed; its label is wrong."""
    CONFIGURED = "configured"
    """Left: the config leaves it out."""

    @property
    def is_taken(self) -> bool:
        """Whether the recording is taken."""
        return self not in _LEFT


_LEFT: Final = frozenset({Reason.ALARMED, Reason.NEEDS_REVIEW, Reason.CONFIRMED, Reason.CONFIGURED})


@dataclass(frozen=True, slots=True)
class Choice:
    """What became of one recording.

    Attributes:
        recording_id: Its id.
        flight: The flight it is of.
        label: What it is labelled.
        reason: Why it is taken or left.
    """

    recording_id: str
    flight: FlightKey
    label: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Selection:
    """What became of every recording of an index, in its order."""

    choices: tuple[Choice, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of the recordings that are left."""
        return tuple(each.recording_id for each in self.choices if not each.reason.is_taken)

    @property
    def healthy(self) -> int:
        """Recordings labelled healthy that are taken."""
        return sum(each.reason.is_taken and each.label == HEALTHY for each in self.choices)

    @property
    def counts(self) -> dict[str, int]:
        """Recordings by reason; every reason has a number."""
        found = Counter(each.reason for each in self.choices)
        return {reason.value: found[reason] for reason in Reason}


def select(
    infos: Iterable[RecordingInfo],
    flown: Mapping[FlightKey, Flown],
    verdicts: Mapping[FlightKey, Sequence[Entry]],
    *,
    left_out: Collection[str],
) -> Selection:
    """Choose.

    Args:
        infos: The recordings.
        flown: What was said of flights on board.
        verdicts: The verdicts that rule, by flight.
        left_out: Ids that the config leaves out.
    """
    return Selection(tuple(_choice(info, flown, verdicts, left_out) for info in infos))


def flight_of(info: RecordingInfo) -> FlightKey:
    """The flight a recording is of."""
    return FlightKey(info.aircraft, info.engine, info.flight)


def _choice(
    info: RecordingInfo,
    flown: Mapping[FlightKey, Flown],
    verdicts: Mapping[FlightKey, Sequence[Entry]],
    left_out: Collection[str],
) -> Choice:
    flight = flight_of(info)
    if info.recording_id in left_out:
        reason = Reason.CONFIGURED
    elif info.label != HEALTHY:
        reason = Reason.LABELLED
    else:
        reason = _of_healthy(flown.get(flight), verdicts.get(flight, ()))
    return Choice(info.recording_id, flight, info.label, reason)


def _of_healthy(flown: Flown | None, entries: Sequence[Entry]) -> Reason:
    said = {entry.verdict for entry in entries}
    if Verdict.CONFIRMED in said:
        return Reason.CONFIRMED
    if Verdict.NEEDS_REVIEW in said:
        return Reason.NEEDS_REVIEW
    alerts = flown.alerts if flown else frozenset()
    if alerts - {entry.key for entry in entries} or (flown and flown.unexplained):
        return Reason.ALARMED
    if said:
        return Reason.FALSE_ALARM
    if flown is None:
        return Reason.NOT_FLOWN
    return Reason.QUIET if flown.assessed else Reason.NOT_ASSESSED
