"""Records beside results that a test has made itself: ``ground batch`` writes them with its own."""

from __future__ import annotations

from pathlib import Path

from ground.batch_record import BatchRecord, print_of, record_path


def write_record(
    results: Path, *, command: tuple[str, ...], began: str, ended: str, recordings: int, left_out: tuple[str, ...]
) -> None:
    """Put beside a results file what made it."""
    found = print_of(results)
    record = BatchRecord(
        command=command, began=began, ended=ended, recordings=recordings, left_out=left_out,
        n_byte=found.n_byte, tail_sha256=found.tail_sha256,
    )  # fmt: skip
    record_path(results).write_bytes(record.to_json())
