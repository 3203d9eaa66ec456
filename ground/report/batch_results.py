"""What `ground batch` wrote, read for people: recordings, alerts, and windows that were not assessed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edge_agent.assessment import Contribution
from edge_agent.decision import ALARM, NOT_ASSESSED, RAISED
from ground.errors import DataError
from ground.report.answers import parse_contributions

COLUMNS: Final = (
    "recording_id", "aircraft", "engine", "flight", "phase", "state", "reason", "event", "start_ns", "end_ns", "score",
    "threshold", "contributions", "bundle_id", "bundle_digest",
)  # fmt: skip
MOST_ALERTS: Final = 10_000
"""Alerts that are kept one by one; the others are counted."""

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSummary:
    """One recording.

    Attributes:
        recording_id: Its name in the index.
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        first_ns: Source time of its first window's start.
        last_ns: Source time of its last one's end.
        windows: Windows answered.
        assessed: Those with a score.
        alarms: Those in alarm.
        raised: Alerts.
        highest: Highest score over threshold; NaN where nothing was assessed.
    """

    recording_id: str
    aircraft: str
    engine: str
    flight: str
    first_ns: int
    last_ns: int
    windows: int
    assessed: int
    alarms: int
    raised: int
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAlert:
    """The window in which an alarm began.

    Attributes:
        recording_id: Its recording.
        engine: ``aircraft/engine``.
        flight: Identity of the flight.
        phase: Flight phase.
        end_ns: Source time of the window's end.
        score: Its score.
        threshold: What that was held against.
        contributions: What made most of it, largest first.
    """

    recording_id: str
    engine: str
    flight: str
    phase: str
    end_ns: int
    score: float
    threshold: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResults:
    """A whole file of results.

    Attributes:
        path: The file.
        recordings: In the order of the file.
        alerts: In the same order, at most ``MOST_ALERTS``.
        reasons: Windows that were not assessed, by reason, most frequent first.
        bundles: Id and digest of the bundles that answered.
    """

    path: Path
    recordings: tuple[RecordingSummary, ...]
    alerts: tuple[BatchAlert, ...]
    reasons: dict[str, int]
    bundles: tuple[tuple[str, str], ...]

    @property
    def windows(self) -> int:
        """Windows answered."""
        return sum(each.windows for each in self.recordings)

    @property
    def assessed(self) -> int:
        """Windows with a score."""
        return sum(each.assessed for each in self.recordings)

    @property
    def raised(self) -> int:
        """Alerts."""
        return sum(each.raised for each in self.recordings)

    @property
    def alarmed(self) -> int:
        """Recordings with a window in alarm."""
        return sum(bool(each.alarms) for each in self.recordings)


def read_results(path: Path) -> BatchResults:
    """Read a file of results; of a large one only some rows are in memory at a time.

    Raises:
        DataError: Missing, damaged, empty, or not what ``ground batch`` writes.
    """
    recordings: dict[str, RecordingSummary] = {}
    alerts: list[BatchAlert] = []
    reasons: Counter[str] = Counter()
    bundles: dict[tuple[str, str], None] = {}
    for rows in _pieces(path):
        for summary in _summaries(rows):
            known = recordings.get(summary.recording_id)
            recordings[summary.recording_id] = _joined(known, summary) if known else summary
        alerts += _alerts(rows, MOST_ALERTS - len(alerts))
        reasons.update(_reasons(rows))
        names = rows.group_by(["bundle_id", "bundle_digest"]).aggregate([]).to_pylist()
        bundles |= dict.fromkeys((each["bundle_id"], each["bundle_digest"]) for each in names)
    if not recordings:
        raise DataError(f"{path}: expected results, got no rows; run `ground batch` again")
    return BatchResults(
        path=path, recordings=tuple(recordings.values()), alerts=tuple(alerts), reasons=dict(reasons.most_common()),
        bundles=tuple(bundles),
    )  # fmt: skip


def windows_of(path: Path, recordings: Sequence[str]) -> pa.Table:
    """Every window of some recordings, in the order of the file.

    Args:
        path: A file that ``read_results`` has read.
        recordings: Their ids.

    Raises:
        DataError: It is damaged.
    """
    wanted = pa.array(list(recordings), type=pa.string())
    return pa.concat_tables(rows.filter(pc.is_in(rows["recording_id"], value_set=wanted)) for rows in _pieces(path))


def _pieces(path: Path) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
            if missing:
                raise DataError(
                    f"{path}: expected the results of `ground batch`, got no column {', '.join(missing)}; "
                    "give the file that --output named"
                )
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(COLUMNS)):
                yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: expected the Parquet file of `ground batch`, got {error!s:.200}; check the path, or run it again"
        ) from error


def _summaries(rows: pa.Table) -> Iterator[RecordingSummary]:
    assessed = pc.not_equal(rows["state"], NOT_ASSESSED)
    ratio = pc.if_else(assessed, pc.divide(rows["score"], rows["threshold"]), pa.scalar(None, pa.float64()))
    marked = (
        rows.append_column("assessed", pc.cast(assessed, pa.int64()))
        .append_column("alarm", pc.cast(pc.equal(rows["state"], ALARM), pa.int64()))
        .append_column("alert", pc.cast(pc.equal(rows["event"], RAISED), pa.int64()))
        .append_column("ratio", ratio)
    )
    keys = ["recording_id", "aircraft", "engine", "flight"]
    sums = marked.group_by(keys, use_threads=False).aggregate(
        [
            ("start_ns", "min"), ("end_ns", "max"), ("ratio", "max"),
            *((name, "sum") for name in ("assessed", "alarm", "alert")), ("state", "count"),
        ]
    )  # fmt: skip
    yield from map(_summary, sums.to_pylist())


def _summary(row: dict[str, Any]) -> RecordingSummary:
    return RecordingSummary(
        **{name: row[name] for name in ("recording_id", "aircraft", "engine", "flight")},
        first_ns=row["start_ns_min"], last_ns=row["end_ns_max"], windows=row["state_count"],
        assessed=row["assessed_sum"], alarms=row["alarm_sum"], raised=row["alert_sum"],
        highest=math.nan if row["ratio_max"] is None else row["ratio_max"],
    )  # fmt: skip


def _joined(first: RecordingSummary, then: RecordingSummary) -> RecordingSummary:
    return replace(
        first,
        first_ns=min(first.first_ns, then.first_ns),
        last_ns=max(first.last_ns, then.last_ns),
        **{name: getattr(first, name) + getattr(then, name) for name in ("windows", "assessed", "alarms", "raised")},
        highest=max((each for each in (first.highest, then.highest) if math.isfinite(each)), default=math.nan),
    )


def _alerts(rows: pa.Table, most: int) -> list[BatchAlert]:
    raised = rows.filter(pc.equal(rows["event"], RAISED)).slice(0, most)
    return [_alert(row) for row in raised.to_pylist()]


def _alert(row: dict[str, Any]) -> BatchAlert:
    return BatchAlert(
        **{name: row[name] for name in ("recording_id", "flight", "phase", "end_ns", "score", "threshold")},
        engine=f"{row['aircraft']}/{row['engine']}",
        contributions=parse_contributions(row["contributions"]),
    )


def _reasons(rows: pa.Table) -> Counter[str]:
    silent = rows.filter(pc.equal(rows["state"], NOT_ASSESSED))
    return Counter({row["values"]: row["counts"] for row in pc.value_counts(silent["reason"]).to_pylist()})
