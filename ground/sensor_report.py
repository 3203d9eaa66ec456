"""Which sensors cannot be believed, when and why: the part of the report on preprocessing that counts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ground.record_levels import RecordLevels
from shared_features.quality import REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFinding:
    """Records of one channel that cannot be assessed for one reason.

    Attributes:
        channel: Name of the channel.
        reason: Out of ``shared_features.quality.REASONS``.
        records: How many.
    """

    channel: str
    reason: str
    records: int


def sensor_findings(channels: Sequence[str], levels: RecordLevels) -> tuple[SensorFinding, ...]:
    """What was found in the channels of one recording; nothing where all can be believed."""
    counts = [[int(np.count_nonzero(column == code)) for code in range(len(REASONS))] for column in levels.reason.T]
    return tuple(
        SensorFinding(channel=channel, reason=reason, records=records)
        for channel, row in zip(channels, counts, strict=True)
        for reason, records in zip(REASONS, row, strict=True)
        if records
    )


def sensor_table(recordings: Sequence[tuple[str, int, tuple[SensorFinding, ...]]], most_rows: int) -> Iterator[str]:
    """Markdown: one line a channel that cannot be believed all the time.

    Args:
        recordings: Name, records and findings of each.
        most_rows: How many lines are still reading matter.
    """
    yield "## Sensors"
    yield ""
    lines = [line for name, n, findings in recordings for line in _lines(name, n, findings)]
    if not lines:
        yield "All records of all channels can be believed."
        return
    yield "Records that cannot be assessed, by the rules that hold on board; the first that holds counts."
    yield ""
    yield f"| recording | channel | records | {' | '.join(REASONS)} |"
    yield f"|{' --- |' * (3 + len(REASONS))}"
    yield from lines[:most_rows]
    if len(lines) > most_rows:
        yield f"... and {len(lines) - most_rows} more, see report.json."


def _lines(name: str, n_record: int, findings: Sequence[SensorFinding]) -> Iterator[str]:
    for channel in dict.fromkeys(finding.channel for finding in findings):
        counts = {finding.reason: finding.records for finding in findings if finding.channel == channel}
        yield f"| {name} | {channel} | {n_record} | {' | '.join(str(counts.get(reason, 0)) for reason in REASONS)} |"
