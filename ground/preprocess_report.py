"""What preprocessing did, as JSON for programs and Markdown for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from edge_agent.frame import NS_PER_S
from ground.config import PreprocessConfig
from ground.contract_run import FAILED, NOT_RUN, PASSED, CheckResult
from ground.held_condition import HeldCondition
from ground.left_out import unknown_note
from ground.marks import Mark
from ground.sensor_report import SensorFinding, sensor_table

SCHEMA = 1
_MOST_ROWS = 500
"""Beyond this many rows a table is no reading matter; report.json has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReport:
    """What preprocessing found in one recording and did about it.

    Attributes:
        recording_id: The recording.
        start_ns: Source time of its first sample.
        n_samples: Samples a channel; all of them are in the interim file, as they were.
        duration_s: Time they take.
        n_stretches: Gapless stretches.
        n_gaps: Gaps that the stamps show.
        time_source: ``time_s``, ``segment`` or ``counted``.
        measured_rate_hz: Rate by the stamps; the stated one where there are none.
        drift_ppm: By how much it exceeds the stated one.
        largest_clock_error_s: Largest distance of a stamp from the sample count's time.
        missing_samples: Values that are NaN or infinite, over all channels.
        n_records: Whole records.
        missing_records: Records with such a value: not assessed on the ground and on board.
        not_assessed_records: Records in which some channel cannot be believed, missing values included.
        sensors: Which channels, why, and how often.
        judged_records: Healthy records that could be outliers.
        excluded_records: Outliers, left out of the fit.
        spared_records: Short runs that stayed, because too many stood out.
        level_change_records: Records of long runs that stayed: the machine changed.
        rounded_channels: Channels that were stored wider than float32 and were rounded to it.
        left_out_columns: Columns that neither config nor layout knows.
        held: What was done to the operating conditions.
    """

    recording_id: str
    start_ns: int
    n_samples: int
    duration_s: float
    n_stretches: int
    n_gaps: int
    time_source: str
    measured_rate_hz: float
    drift_ppm: float
    largest_clock_error_s: float
    missing_samples: int
    n_records: int
    missing_records: int
    not_assessed_records: int
    sensors: tuple[SensorFinding, ...]
    judged_records: int
    excluded_records: int
    spared_records: int
    level_change_records: int
    rounded_channels: tuple[str, ...]
    left_out_columns: tuple[str, ...]
    held: tuple[HeldCondition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessReport:
    """What one run of preprocessing found and did.

    Attributes:
        contract: Name of the data contract.
        contract_version: Its version.
        contract_digest: Its sha256.
        settings: What outliers and gaps were decided by.
        checks: Every check of every file, whether it passed, failed or could not run.
        recordings: One a recording that kept the contract.
        marks: Every span that stands out.
        unknown_left_out: Names in ``preprocess.leave_out`` that no raw recording has, nor one that an import left out.
    """

    contract: str
    contract_version: str
    contract_digest: str
    settings: PreprocessConfig
    checks: tuple[CheckResult, ...]
    recordings: tuple[RecordingReport, ...]
    marks: tuple[Mark, ...]
    unknown_left_out: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the run."""
        return unknown_note(self.unknown_left_out, whose="raw recording", unless="the import did not bring them")

    @property
    def violations(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == FAILED)

    def to_json(self) -> bytes:
        """The whole report; the same input gives the same bytes."""
        document = {
            "schema": SCHEMA,
            "contract": {"name": self.contract, "version": self.contract_version, "sha256": self.contract_digest},
            "settings": self.settings.model_dump(mode="json"),
            "checks": list(_checks_document(self.checks)),
            "violations": [check.text for check in self.violations],
            "unknown_left_out": list(self.unknown_left_out),
            "recordings": [asdict(recording) for recording in self.recordings],
            "marks": dict(sorted(Counter(f"{mark.kind}: {mark.action}" for mark in self.marks).items())),
        }
        return json.dumps(document, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"

    def to_markdown(self) -> bytes:
        """The report for people."""
        sections = (
            self._summary(),
            self._decisions(),
            self._recording_table(),
            sensor_table([(row.recording_id, row.n_records, row.sensors) for row in self.recordings], _MOST_ROWS),
            self._mark_table(),
            self._check_table(),
        )
        return "\n\n".join("\n".join(section) for section in sections).encode() + b"\n"

    def _summary(self) -> Iterator[str]:
        status = Counter(check.status for check in self.checks)
        yield "# Preprocessing"
        yield ""
        yield f"Contract `{self.contract}` {self.contract_version} (sha256 {self.contract_digest[:12]}): "
        yield f"{status[PASSED]} checks passed, {status[FAILED]} failed, {status[NOT_RUN]} had nothing to run on."
        if self.violations:
            yield ""
            yield "Nothing was written, because the contract is broken:"
            yield ""
            yield from (f"- {check.text}" for check in self.violations)
        for note in self.notes:
            yield ""
            yield f"{note}."

    def _decisions(self) -> Iterator[str]:
        settings = self.settings
        total = {name: sum(getattr(row, name) for row in self.recordings) for name in _TOTALS}
        yield "## What was decided, and why"
        yield ""
        yield "Samples are never changed, filled or removed: the agent on board gets raw samples, too."
        yield ""
        yield (
            f"- **Missing values**: {total['missing_samples']} values are NaN or infinite. They stay; the "
            f"{total['missing_records']} of {total['n_records']} records that hold them are not assessed, on the "
            "ground and on board."
        )
        yield (
            f"- **Sensors**: {total['not_assessed_records']} records hold a channel that cannot be believed (missing "
            "values, a flat, clipped or interrupted sensor, a step of its bias, electrical spikes). They are judged by "
            "the functions that judge on board; they stay in the files and are not assessed, and so train nothing."
        )
        yield (
            f"- **Time**: {total['n_gaps']} gaps (steps {settings.gap_tolerance_s:g} s beyond the sampling interval). "
            "A gap or a segment border starts a new stretch; no record or window crosses it. Speeds n1_hz and n2_hz "
            "that come more slowly than the samples are held until the next value of the stretch, as on board."
        )
        yield (
            f"- **Outliers**: {total['judged_records']} healthy records were judged by the log of their RMS, against "
            "the median and MAD of their recording and phase. Left out of the *fit* is what lies beyond "
            f"{settings.outlier_sigma:g} sigma in runs of at most {settings.outlier_max_run_s:g} s that are at most "
            f"{settings.outlier_max_share:.2%} of their recording: {total['excluded_records']} records. Longer runs "
            f"are a change of the machine and stay: {total['level_change_records']} records. So does everything "
            f"where too much stands out: {total['spared_records']} records. Faulty and unlabelled time is never "
            "judged; calibration and test keep every outlier."
        )

    def _recording_table(self) -> Iterator[str]:
        yield "## Recordings"
        yield ""
        yield f"| {' | '.join(_RECORDING_HEAD)} |"
        yield f"|{' --- |' * len(_RECORDING_HEAD)}"
        yield from (_recording_row(row) for row in self.recordings[:_MOST_ROWS])
        yield from _rest(len(self.recordings))

    def _mark_table(self) -> Iterator[str]:
        yield "## Marks"
        yield ""
        if not self.marks:
            yield "None."
            return
        yield "Seconds count from the first sample of the recording."
        yield ""
        yield "| recording | from s | to s | kind | action | detail |"
        yield "| --- | --- | --- | --- | --- | --- |"
        starts = {row.recording_id: row.start_ns for row in self.recordings}
        for mark in self.marks[:_MOST_ROWS]:
            start_ns = starts[mark.recording_id]
            times = f"{(mark.start_ns - start_ns) / NS_PER_S:.3f} | {(mark.end_ns - start_ns) / NS_PER_S:.3f}"
            yield f"| {mark.recording_id} | {times} | {mark.kind} | {mark.action} | {mark.detail} |"
        yield from _rest(len(self.marks))

    def _check_table(self) -> Iterator[str]:
        yield "## Checks"
        yield ""
        yield "| table | column | check | expected | passed | failed | not run |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for group in _groups(self.checks):
            counts = Counter(check.status for check in group)
            first = group[0]
            expected = first.expected.replace("|", "\\|")
            yield (
                f"| {first.table} | {first.column or '(all)'} | {first.check} | {expected} | {counts[PASSED]} | "
                f"{counts[FAILED]} | {counts[NOT_RUN]} |"
            )


_RECORDING_HEAD = (
    "recording",
    "s",
    "stretches",
    "time",
    "drift ppm",
    "clock error ms",
    "missing",
    "not assessed",
    "excluded",
    "kept",
    "notes",
)
_TOTALS = (
    "missing_samples",
    "missing_records",
    "not_assessed_records",
    "n_records",
    "n_gaps",
    "judged_records",
    "excluded_records",
    "level_change_records",
    "spared_records",
)


def _groups(checks: Iterable[CheckResult]) -> list[list[CheckResult]]:
    """The results of one check over all files, in the order of the first."""
    groups: dict[tuple[str, str, str], list[CheckResult]] = {}
    for check in checks:
        groups.setdefault((check.table, check.column, check.check), []).append(check)
    return list(groups.values())


def _checks_document(checks: Iterable[CheckResult]) -> Iterator[dict[str, object]]:
    for group in _groups(checks):
        first = group[0]
        reasons = sorted({check.got for check in group if check.status == NOT_RUN})
        yield {
            "table": first.table,
            "column": first.column,
            "check": first.check,
            "expected": sorted({check.expected for check in group}),
            PASSED: [check.where for check in group if check.status == PASSED],
            FAILED: [{"where": check.where, "got": check.got} for check in group if check.status == FAILED],
            NOT_RUN: {
                why: [check.where for check in group if (check.status, check.got) == (NOT_RUN, why)] for why in reasons
            },
        }


def _recording_row(row: RecordingReport) -> str:
    notes = [
        f"{hold.name}: {hold.held_n} held, {hold.unknown_n} unknown"
        for hold in row.held
        if hold.held_n or hold.unknown_n
    ]
    if row.rounded_channels:
        notes.append(f"rounded to float32: {', '.join(row.rounded_channels)}")
    if row.left_out_columns:
        notes.append(f"left out: {', '.join(row.left_out_columns)}")
    kept = row.level_change_records + row.spared_records
    lost = f"{row.not_assessed_records} of {row.n_records}"
    return (
        f"| {row.recording_id} | {row.duration_s:.2f} | {row.n_stretches} | {row.time_source} | {row.drift_ppm:.0f} | "
        f"{row.largest_clock_error_s * 1e3:.2f} | {row.missing_samples} | {lost} | "
        f"{row.excluded_records} | {kept} | {'; '.join(notes)} |"
    )


def _rest(n: int) -> Iterator[str]:
    if n > _MOST_ROWS:
        yield f"... and {n - _MOST_ROWS} more, see report.json and marks.parquet."
