"""The stage `preprocess`: raw recordings -> contract -> one time base -> marks -> interim recordings.

It marks and never rewrites: the agent on board gets raw samples, so a detector must be trained on raw samples.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ground.config import Config
from ground.contract import Contract, contract_of
from ground.contract_run import CheckResult
from ground.errors import ContractError
from ground.interim import interim_bytes
from ground.left_out import is_left_out, read_left_out, unknown_names
from ground.marks import MARKS_NAME, Mark, marks_bytes
from ground.preprocess_recording import OF_OTHER_CHANNELS, Finished, RecordingDesk
from ground.preprocess_report import PreprocessReport
from ground.progress import Progress
from ground.recording_index import INDEX_NAME, IndexTable, read_table, table_bytes
from ground.workspace import Workspace, write_atomic

REPORT_JSON = "report.json"
REPORT_MARKDOWN = "report.md"
STEP = "preprocess"


def preprocess(config: Config, workspace: Workspace, *, progress: Progress, base: Path = Path()) -> PreprocessReport:
    """Check the raw recordings and bring them onto one time base, marking what stands out.

    Reads ``data/raw`` and writes ``data/interim``: a Parquet file a recording, ``marks.parquet``, ``report.json``,
    ``report.md`` and, last, ``recordings.csv``. One recording is in memory at a time.

    Args:
        config: Signal, preprocessing and features (for the record length).
        workspace: Where to read and write.
        progress: Told after each recording.
        base: Folder that ``config.contract`` is relative to: that of the config file.

    Raises:
        ContractError: Recordings break the contract; the text has every violation, and the reports are written.
        DataError: There is no readable index.
    """
    contract = contract_of(config, base)
    raw = read_table(workspace.raw / INDEX_NAME)
    leave_out = config.preprocess.leave_out
    table = _chosen(raw, frozenset(leave_out))
    # Without an index there are no interim recordings: what an earlier run left is not read by mistake.
    (workspace.interim / INDEX_NAME).unlink(missing_ok=True)
    desk = RecordingDesk(contract, config, workspace.raw, table.path)
    checks = list(contract.check_index(table, config))
    finished: list[Finished] = []
    progress(STEP, 0, len(table.rows))
    for done, row in enumerate(table.rows, start=1):
        found, kept = _process(desk, row, workspace.interim)
        checks.extend(found)
        finished.extend(kept)
        progress(STEP, done, len(table.rows))
    unknown = unknown_names(raw.rows, leave_out, known=read_left_out(workspace.raw))
    report = _report(contract, config, checks, finished, unknown)
    write_atomic(workspace.interim / REPORT_JSON, report.to_json())
    write_atomic(workspace.interim / REPORT_MARKDOWN, report.to_markdown())
    if report.violations:
        raise ContractError("\n".join(check.text for check in report.violations))
    _finish(workspace.interim, table, [findings.row for findings in finished], report.marks)
    return report


def _process(
    desk: RecordingDesk, row: Mapping[str, str], interim: Path
) -> tuple[tuple[CheckResult, ...], tuple[Finished, ...]]:
    """Process one recording and write it; what is returned, and so kept, holds none of its samples."""
    outcome = desk.process(row)
    for recording, findings in outcome.finished:
        write_atomic(interim / findings.row["file"], interim_bytes(recording))
    return outcome.checks, tuple(findings for _, findings in outcome.finished)


def _chosen(table: IndexTable, leave_out: Collection[str]) -> IndexTable:
    """Without the recordings that are left out; ``ground import --config`` did not bring them at all."""
    return replace(table, rows=tuple(row for row in table.rows if not is_left_out(row, leave_out)))


def _report(
    contract: Contract, config: Config, checks: Sequence[CheckResult], finished: Sequence[Finished],
    unknown_left_out: tuple[str, ...],
) -> PreprocessReport:  # fmt: skip
    return PreprocessReport(
        contract=contract.name,
        contract_version=contract.version,
        contract_digest=contract.digest,
        settings=config.preprocess,
        checks=tuple(checks),
        recordings=tuple(findings.report for findings in finished),
        marks=tuple(mark for findings in finished for mark in findings.marks),
        unknown_left_out=unknown_left_out,
    )


def _finish(interim: Path, table: IndexTable, rows: Sequence[Mapping[str, str]], marks: Sequence[Mark]) -> None:
    """Write the marks, remove recordings that are no longer among the raw ones, and write the index last."""
    write_atomic(interim / MARKS_NAME, marks_bytes(marks))
    wanted = {MARKS_NAME, *(row["file"] for row in rows)}
    for path in interim.glob("*.parquet"):
        if path.name not in wanted:
            path.unlink()
    columns = [name for name in table.columns if name not in OF_OTHER_CHANNELS]
    write_atomic(interim / INDEX_NAME, table_bytes(columns, rows))
