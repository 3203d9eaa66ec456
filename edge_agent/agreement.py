"""Agreement: how often the shadow says what the active detector says, of the same windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge_agent.decision import ALARM, NOT_ASSESSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_agent.assessment import Assessment

BOTH_NORMAL: Final = "both_normal"
BOTH_ALARM: Final = "both_alarm"
ONLY_ACTIVE: Final = "only_active"
ONLY_SHADOW: Final = "only_shadow"
NOT_ASSESSED_BY_ONE: Final = "not_assessed_by_one"
NOT_ASSESSED_BY_BOTH: Final = "not_assessed_by_both"
UNPAIRED: Final = "unpaired"

_BY_ALARMS = {
    (False, False): BOTH_NORMAL,
    (True, True): BOTH_ALARM,
    (True, False): ONLY_ACTIVE,
    (False, True): ONLY_SHADOW,
}


def agreement(active: Assessment, shadow: Assessment) -> str:
    """How two assessments of one window compare; whatever is assessed and no alarm counts as normal."""
    unassessed = (active.state == NOT_ASSESSED) + (shadow.state == NOT_ASSESSED)
    if unassessed:
        return NOT_ASSESSED_BY_ONE if unassessed == 1 else NOT_ASSESSED_BY_BOTH
    return _BY_ALARMS[active.state == ALARM, shadow.state == ALARM]


def compare(active: Sequence[Assessment], shadow: Sequence[Assessment]) -> Iterator[tuple[Assessment, str]]:
    """Compare what two detectors say after the same frame.

    Windows are pairs where they end together. Detectors whose windows hold other spans have few pairs, or none: every
    window that is left over is ``unpaired``.

    Returns:
        Each window once, by one of its assessments, and how the two compare.
    """
    waiting = {(each.flight, each.end_ns): each for each in active}
    for each in shadow:
        partner = waiting.pop((each.flight, each.end_ns), each)
        yield each, UNPAIRED if partner is each else agreement(partner, each)
    for each in waiting.values():
        yield each, UNPAIRED
