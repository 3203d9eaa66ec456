"""Why an alert was raised, in words: the features it names beside their healthy ranges."""

from __future__ import annotations

import numpy as np

from edge_agent.assessment import Contribution
from ground.errors import GroundError
from ground.report import words
from ground.report.alerts import Alert, Archive
from ground.report.library import FeatureRange
from ground.report.view import ContributionLine
from shared_features.feature import LOG
from shared_features.vector import Column, columns_of

_NAMED = 3


def circumstances(alert: Alert) -> str:
    """One sentence: when, in which phase, by how much."""
    score, threshold = float(alert.flight.score[alert.index]), float(alert.flight.threshold[alert.index])
    return (
        f"{words.duration(alert.time_s)} into flight {alert.flight.name}, in phase {words.spaced(alert.phase)}: the "
        f"score is {words.number(score)}, {words.number(score / threshold)} times its threshold of "
        f"{words.number(threshold)}."
    )


def causes(alert: Alert) -> str:
    """One sentence: which features deviate most from what the model expected."""
    parts = alert.contributions
    if not parts:
        return "These answers were kept without their contributions; the agent publishes them with each result."
    named = [f"{words.feature_name(part.feature)} ({part.share:.0%})" for part in parts[:_NAMED]]
    return f"What deviates most from the expected: {words.listed(named)}."


def contribution_lines(alert: Alert, archive: Archive) -> tuple[ContributionLine, ...]:
    """Each feature that the alert names, as measured and as usual; none where its window is not found."""
    columns = {column.name: column for column in columns_of(archive.spec)}
    known = [part for part in alert.contributions if part.feature in columns]
    try:
        span = archive.span_of(alert)
        healthy = archive.windows.healthy(alert.phase, apart_from=span.recording_id)
        ranges = [archive.windows.range_of(part.feature, span, healthy) for part in known]
    except GroundError:
        return ()
    return tuple(_line(part, columns[part.feature], found) for part, found in zip(known, ranges, strict=True))


def _line(part: Contribution, column: Column, found: FeatureRange) -> ContributionLine:
    unit = words.unit_suffix(column.unit)
    return ContributionLine(
        name=words.feature_name(part.feature),
        share=words.share(part.share),
        percent=100.0 * part.share,
        measured=f"{words.number(found.value)}{unit}",
        usual=f"{words.number(found.low)} to {words.number(found.high)}{unit}",
        verdict=compared(found, is_log=column.scale == LOG),
    )


def compared(found: FeatureRange, *, is_log: bool) -> str:
    """How a value stands to its healthy range.

    Args:
        found: Both.
        is_log: Whether the feature varies by factors.
    """
    if not np.isfinite([found.value, found.low, found.high]).all():
        return "not known"
    if found.low <= found.value <= found.high:
        return "usual by itself"
    is_above = found.value > found.high
    side = "above" if is_above else "below"
    if not is_log or min(found.value, found.low) <= 0.0:
        return side
    return f"{side}, by a factor of {words.number(found.value / found.high if is_above else found.low / found.value)}"
