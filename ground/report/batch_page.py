"""The page about a batch run: what was assessed, what stands out, and what made it."""

from __future__ import annotations

import hashlib
import math
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from edge_agent.assessment import Contribution
from edge_agent.decision import ALARM, NOT_ASSESSED, RAISED
from ground.batch_record import BatchRecord, read_record
from ground.report import words
from ground.report.answers import NS_PER_S
from ground.report.batch_results import BatchAlert, BatchResults, RecordingSummary, read_results, windows_of
from ground.report.rendering import render_page
from ground.report.score_plot import Trace, score_plot
from ground.report.view import Absent, Column, Figure, Grid, Section, Tile, picture
from ground.workspace import write_atomic

DRAWN: Final = 24
"""Recordings in the figure."""
LISTED: Final = 300
"""Rows of a table; what is beyond is counted."""
NOT_KNOWN: Final = "Nothing beside this file says which command made it."

_NAMED = 3
_BLOCK = 1 << 20
_READING = (
    "Each band is one recording, the strangest first; above the dashed line a window is stranger than the threshold of "
    "its phase allows, and enough of them raise an alert, marked by a triangle. Hatched: not assessed. Scores off the "
    "scale are drawn at its edge."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """Everything that the page shows.

    Attributes:
        title: Name of the results file.
        subtitle: Bundle and period.
        meaning: The outcome in a sentence.
        tiles: The headline's numbers.
        sections: The rest, in order.
        origin: File and digest that the numbers come from.
    """

    title: str
    subtitle: str
    meaning: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    origin: str


def write_batch_page(results: Path, *, out: Path) -> Path:
    """Write the page about a file of results.

    Args:
        results: What ``ground batch`` wrote.
        out: The HTML file to write.

    Returns:
        ``out``.

    Raises:
        DataError: The results, or the record beside them, cannot be read.
        OSError: The disk refuses.
    """
    write_atomic(out, render_page("batch.html", make_batch_page(read_results(results), read_record(results))).encode())
    return out


def make_batch_page(results: BatchResults, record: BatchRecord) -> BatchPage:
    """Everything that the page shows, ready to print."""
    return BatchPage(
        title=results.path.name,
        subtitle=f"{words.listed([f'{name} {words.digest(digest)}' for name, digest in results.bundles])}; "
        f"{moment(min(each.first_ns for each in results.recordings))} to "
        f"{moment(max(each.last_ns for each in results.recordings))} UTC",
        meaning=meaning(results),
        tiles=tiles(results),
        sections=(
            made_section(record),
            _recordings_section(results),
            alerts_section(results),
            silence_section(results),
        ),
        origin=f"Every number on this page is read from {results.path.name} {words.digest(_sha256(results.path))} "
        "(sha256).",
    )


def meaning(results: BatchResults) -> str:
    """The outcome in a sentence."""
    told = words.count(len(results.recordings), "recording")
    if not results.assessed:
        return f"Nothing could be assessed in {told}: silence here is no sign of health."
    if not results.alarmed:
        return f"No alarm in {told}."
    return f"Alarms in {results.alarmed:,} of {told}; the strangest come first below."


def tiles(results: BatchResults) -> tuple[Tile, ...]:
    """The headline's numbers."""
    strangest = max(results.recordings, key=_strangeness)
    return (
        Tile(f"{len(results.recordings):,}", "recordings", f"{results.alarmed:,} with an alarm"),
        Tile(f"{results.windows:,}", "windows", f"{results.assessed:,} assessed"),
        Tile(words.share(results.assessed / results.windows), "coverage", "windows that have a score"),
        Tile(f"{results.raised:,}", "alerts", "an alarm began"),
        Tile(words.number(strangest.highest), "highest score / threshold", strangest.recording_id),
    )


def made_section(record: BatchRecord) -> Section:
    """What made the results, and what was left out."""
    if not record.command:
        return Section(key="made", title="How it was made", sentences=(NOT_KNOWN,))
    return Section(
        key="made",
        title="How it was made",
        sentences=(
            shlex.join(record.command),
            _times(record),
        ),
        points=record.left_out[:LISTED],
    )


def _times(record: BatchRecord) -> str:
    left = words.count(len(record.left_out), "recording")
    short = f" Shorter than a window: {words.count(len(record.empty), 'recording')}." if record.empty else ""
    return (
        f"Began {record.began}, ended {record.ended}; {words.count(record.recordings, 'recording')} assessed, "
        f"{left} left out.{short}"
    )


def alerts_section(results: BatchResults) -> Section:
    """Alerts, one a row, and what was strange."""
    shown = results.alerts[:LISTED]
    columns = (
        Column("when, UTC"), Column("engine"), Column("flight"), Column("phase"),
        Column("score / threshold", numeric=True), Column("what deviates most"),
    )  # fmt: skip
    more = results.raised - len(shown)
    note = f"{words.count(more, 'further alert')} in the file." if more else ""
    grid = Grid(columns, tuple(map(_alert_row, shown)), note)
    return Section(
        key="alerts", title="Alerts", sentences=() if shown else ("No alarm began.",), grids=(grid,) if shown else ()
    )


def silence_section(results: BatchResults) -> Section:
    """Why windows were not assessed."""
    silent = results.windows - results.assessed
    if not silent:
        return Section(key="silence", title="Not assessed", sentences=("Every window was assessed.",))
    columns = (Column("reason"), Column("windows", numeric=True), Column("share of all", numeric=True))
    rows = tuple(
        (words.reason_name(reason), f"{n:,}", words.share(n / results.windows)) for reason, n in results.reasons.items()
    )
    return Section(
        key="silence",
        title="Not assessed",
        sentences=(f"{silent:,} of {results.windows:,} windows have no score. That is no sign of health.",),
        grids=(Grid(columns, rows),),
    )


def moment(t_ns: int) -> str:
    """A source time for people, to the second, UTC."""
    return datetime.fromtimestamp(t_ns // int(NS_PER_S), UTC).strftime("%Y-%m-%d %H:%M:%S")


def causes(parts: tuple[Contribution, ...]) -> str:
    """The features that deviate most, with their shares."""
    named = [f"{words.feature_name(part.feature)} ({words.share(part.share)})" for part in parts[:_NAMED]]
    return words.listed(named) or words.NOTHING


def by_strangeness(recordings: tuple[RecordingSummary, ...]) -> list[RecordingSummary]:
    """Recordings in alarm first, then by their highest score over threshold."""
    return sorted(recordings, key=lambda each: (not each.alarms, -_strangeness(each), each.recording_id))


def _recordings_section(results: BatchResults) -> Section:
    ordered = by_strangeness(results.recordings)
    columns = (
        Column("recording"), Column("engine"), Column("flight"), Column("windows", numeric=True),
        Column("assessed", numeric=True), Column("in alarm", numeric=True), Column("alerts", numeric=True),
        Column("highest score / threshold", numeric=True),
    )  # fmt: skip
    more = len(ordered) - len(ordered[:LISTED])
    note = f"{words.count(more, 'further recording')} in the file, none stranger than these." if more else ""
    grid = Grid(columns, tuple(map(_recording_row, ordered[:LISTED])), note)
    return Section(key="recordings", title="Recordings", figures=(_figure(results, ordered[:DRAWN]),), grids=(grid,))


def _recording_row(each: RecordingSummary) -> tuple[str, ...]:
    return (
        each.recording_id, f"{each.aircraft}/{each.engine}", each.flight, f"{each.windows:,}",
        words.share(each.assessed / each.windows), f"{each.alarms:,}", f"{each.raised:,}", words.number(each.highest),
    )  # fmt: skip


def _alert_row(alert: BatchAlert) -> tuple[str, ...]:
    return (
        moment(alert.end_ns), alert.engine, alert.flight, words.spaced(alert.phase),
        words.number(alert.score / alert.threshold), causes(alert.contributions),
    )  # fmt: skip


def _figure(results: BatchResults, chosen: list[RecordingSummary]) -> Figure:
    assessed = [each for each in chosen if each.assessed]
    if not assessed:
        return Absent("No scores over time: no window was assessed.")
    rows = windows_of(results.path, [each.recording_id for each in assessed])
    traces = [_trace(each, rows) for each in assessed]
    more = len(results.recordings) - len(assessed)
    return picture(
        lambda width: score_plot(traces, width=width),
        title="Score over time, against its threshold",
        alt=f"{words.count(len(assessed), 'recording')}, of which {sum(bool(each.alarms) for each in assessed)} come "
        "to an alarm. The table below gives the same in numbers.",
        reading=_READING + (f" {words.count(more, 'recording')} further down the table are not drawn." if more else ""),
    )


def _trace(each: RecordingSummary, rows: pa.Table) -> Trace:
    own = rows.filter(pc.equal(rows["recording_id"], each.recording_id))
    column = {name: own[name].to_numpy() for name in ("start_ns", "end_ns", "score", "threshold", "state", "event")}
    known = column["state"] != NOT_ASSESSED
    ratio = np.full(len(known), math.nan)
    ratio[known] = column["score"][known] / column["threshold"][known]
    return Trace(
        title=each.recording_id,
        start_s=(column["start_ns"] - each.first_ns) / NS_PER_S,
        end_s=(column["end_ns"] - each.first_ns) / NS_PER_S,
        ratio=ratio,
        alarm=column["state"] == ALARM,
        raised=column["event"] == RAISED,
        faulty=np.zeros(len(known), dtype=bool),
    )


def _strangeness(each: RecordingSummary) -> float:
    return each.highest if math.isfinite(each.highest) else -1.0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
