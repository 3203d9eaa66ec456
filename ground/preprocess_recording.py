"""What preprocessing does with one recording: contract, time base, levels, marks. Reads its file, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from ground.config import Config
from ground.contract import SAMPLES, Contract
from ground.contract_run import FAILED, PASSED, CheckResult
from ground.errors import DataError
from ground.marks import (
    EXCLUDED_FROM_FIT,
    GAP,
    KEPT,
    LEVEL_CHANGE,
    MISSING,
    NEW_STRETCH,
    NOT_ASSESSED,
    OUTLIER,
    SENSOR_QUALITY,
    Mark,
)
from ground.outliers import OutlierVerdict, judge_outliers
from ground.preprocess_report import RecordingReport
from ground.record_levels import BELIEVED, RecordLevels, record_levels
from ground.recording import Recording
from ground.recording_files import KNOWN_COLUMNS, STRETCH, SampleFile, read_samples, unreadable
from ground.recording_index import RecordingInfo, parse_row
from ground.sensor_report import sensor_findings
from ground.synchronise import Synchronised, synchronise
from shared_features.quality import NOT_FINITE, REASONS
from shared_features.spec import CONDITIONS

OF_OTHER_CHANNELS = ("ac_rms", "nan_count", "data_sha256")
"""Columns of the raw index that speak of channels which the interim file may not hold."""

_INDEX_ROW = "index_row"
_READABLE = "readable"
_SYNCHRONISED = "synchronised"
_OWN_CHECKS = {
    _INDEX_ROW: "a row of the index that can be understood",
    _READABLE: "a complete Parquet or CSV file",
    _SYNCHRONISED: "columns that fit onto one time base",
}
_FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Finished:
    """What was found in a recording that kept the contract: its row of the interim index, its report, its marks."""

    row: Mapping[str, str]
    report: RecordingReport
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recording; ``finished`` is empty when it broke the contract."""

    checks: tuple[CheckResult, ...]
    finished: tuple[tuple[Recording, Finished], ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingDesk:
    """Processes recordings, one after the other.

    Attributes:
        contract: What they must be.
        config: What they are processed with.
        raw: Their folder.
        index: Its index, named in errors.
    """

    contract: Contract
    config: Config
    raw: Path
    index: Path

    def process(self, row: Mapping[str, str]) -> Outcome:
        """Check, synchronise and judge the recording of one row of the index; a broken one has failed checks."""
        try:
            info = parse_row(row, self.index)
        except DataError as error:
            return Outcome((_own_check(_INDEX_ROW, row["file"], str(error)),))
        path = self.raw / info.file
        channels = tuple(channel.name for channel in self.config.signal.channels)
        try:
            file = read_samples(path, channels)
        except DataError as error:
            failed = _own_check(_READABLE, info.file, str(error))
            return Outcome((failed, *self.contract.skip_samples(unreadable(path), info, self.config)))
        checks = (_own_check(_READABLE, info.file, ""), *self.contract.check_samples(file, info, self.config))
        if any(check.status == FAILED for check in checks):
            return Outcome(checks)
        units = tuple(channel.unit for channel in self.config.signal.channels)
        return self._synchronise(row, replace(info, channels=channels, signal_units=units), file, checks)

    def _synchronise(
        self, row: Mapping[str, str], info: RecordingInfo, file: SampleFile, checks: tuple[CheckResult, ...]
    ) -> Outcome:
        try:
            _refuse_interim(file)
            conditions = [name for name in CONDITIONS if file.has(name) or name.removesuffix("_hz") in info.speed_hz]
            tolerance_s = self.config.preprocess.gap_tolerance_s
            found = synchronise(info, file, conditions=conditions, gap_tolerance_s=tolerance_s)
        except DataError as error:
            # A contract that a user wrote may check less than the code needs.
            return Outcome((*checks, _own_check(_SYNCHRONISED, info.file, str(error))))
        levels = record_levels(found.recording, self.config.feature_spec())
        verdict = judge_outliers(levels, self.config.preprocess)
        finished = Finished(
            row=_interim_row(row, info),
            report=_report(found, file, levels, verdict),
            marks=_marks(found, levels, verdict),
        )
        return Outcome((*checks, _own_check(_SYNCHRONISED, info.file, "")), ((found.recording, finished),))


def _interim_row(row: Mapping[str, str], info: RecordingInfo) -> Mapping[str, str]:
    kept = {name: cell for name, cell in row.items() if name not in OF_OTHER_CHANNELS}
    units, channels = ";".join(info.signal_units), ";".join(info.channels)
    return {**kept, "file": f"{info.recording_id}.parquet", "channels": channels, "signal_units": units}


def _refuse_interim(file: SampleFile) -> None:
    if file.interim or STRETCH in file.columns:
        raise DataError(f"{file.path}: expected a raw recording, got one that was preprocessed; import the raw one")


def _own_check(name: str, where: str, said: str) -> CheckResult:
    return CheckResult(
        table=SAMPLES,
        where=where,
        column="",
        check=name,
        status=FAILED if said else PASSED,
        expected=_OWN_CHECKS[name],
        got="",
        advice="",
        said=said,
    )


def _report(found: Synchronised, file: SampleFile, levels: RecordLevels, verdict: OutlierVerdict) -> RecordingReport:
    recording, timeline = found.recording, found.timeline
    info = recording.info
    known = {*info.channels, *KNOWN_COLUMNS}
    return RecordingReport(
        recording_id=info.recording_id,
        start_ns=recording.stretches[0].start_ns,
        n_samples=timeline.n_samples,
        duration_s=timeline.n_samples / info.sampling_rate_hz,
        n_stretches=len(recording.stretches),
        n_gaps=len(timeline.gaps),
        time_source=timeline.source,
        measured_rate_hz=timeline.measured_rate_hz,
        drift_ppm=timeline.drift_ppm,
        largest_clock_error_s=timeline.largest_error_s,
        missing_samples=sum(int(np.count_nonzero(~np.isfinite(part.samples))) for part in recording.stretches),
        n_records=len(levels.rms),
        missing_records=int(np.count_nonzero(levels.missing_n.any(axis=1))),
        not_assessed_records=int(np.count_nonzero((levels.reason != BELIEVED).any(axis=1))),
        sensors=sensor_findings(info.channels, levels),
        judged_records=verdict.judged_n,
        excluded_records=verdict.count(OUTLIER, EXCLUDED_FROM_FIT),
        spared_records=verdict.count(OUTLIER, KEPT),
        level_change_records=verdict.count(LEVEL_CHANGE, KEPT),
        rounded_channels=tuple(name for name in info.channels if file.numbers(name).dtype.itemsize > _FLOAT32_BYTES),
        left_out_columns=tuple(name for name in file.columns if name not in known),
        held=found.held,
    )


def _marks(found: Synchronised, levels: RecordLevels, verdict: OutlierVerdict) -> tuple[Mark, ...]:
    info = found.recording.info
    marks = [
        *_gap_marks(found),
        *_missing_marks(info, levels),
        *_sensor_marks(info, levels),
        *_outlier_marks(info, levels, verdict),
    ]
    return tuple(sorted(marks, key=lambda mark: (mark.start_ns, mark.kind)))


def _gap_marks(found: Synchronised) -> list[Mark]:
    name = found.recording.info.recording_id
    gaps = [(gap.start_ns, gap.end_ns) for gap in found.timeline.gaps]
    return [Mark(name, start, end, GAP, NEW_STRETCH, f"{(end - start) / NS_PER_S:.4g} s") for start, end in gaps]


def _outlier_marks(info: RecordingInfo, levels: RecordLevels, verdict: OutlierVerdict) -> list[Mark]:
    return [
        Mark(
            info.recording_id,
            int(levels.start_ns[run.first]),
            int(levels.end_ns[run.last]),
            run.kind,
            run.action,
            f"{info.channels[run.channel]} at {run.z:+.1f} sigma; {run.reason}",
        )
        for run in verdict.runs
    ]


def _missing_marks(info: RecordingInfo, levels: RecordLevels) -> list[Mark]:
    """One mark a run of neighbouring records with missing values."""
    return [
        Mark(
            info.recording_id,
            int(levels.start_ns[run[0]]),
            int(levels.end_ns[run[-1]]),
            MISSING,
            NOT_ASSESSED,
            f"{int(levels.missing_n[run].sum())} values that are NaN or infinite",
        )
        for run in _neighbours(levels, np.asarray(levels.missing_n.any(axis=1)))
    ]


def _sensor_marks(info: RecordingInfo, levels: RecordLevels) -> list[Mark]:
    """One mark a run of neighbouring records of a channel that cannot be believed for one reason."""
    return [
        Mark(
            info.recording_id,
            int(levels.start_ns[run[0]]),
            int(levels.end_ns[run[-1]]),
            SENSOR_QUALITY,
            NOT_ASSESSED,
            f"{channel}: {reason}",
        )
        for index, channel in enumerate(info.channels)
        for code, reason in enumerate(REASONS)
        if reason != NOT_FINITE
        for run in _neighbours(levels, levels.reason[:, index] == code)
    ]


def _neighbours(levels: RecordLevels, chosen: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """The chosen records (n,), by runs that no other record and no gap interrupts."""
    rows = np.flatnonzero(chosen)
    apart = (np.diff(rows) > 1) | (np.diff(levels.stretch[rows]) != 0)
    return [run for run in np.split(rows, np.flatnonzero(apart) + 1) if run.size]
