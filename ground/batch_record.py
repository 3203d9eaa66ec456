"""What made a file of results: the command, the model, what was left out. It lies beside the results as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ground.errors import DataError

SCHEMA: Final = 1
SUFFIX: Final = ".run.json"
"""Added to the name of the results."""

_TAIL_BYTES = 1 << 20
"""So much of the end of a results file tells it from another one: it holds where everything lies, and statistics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """How results came about.

    Attributes:
        command: The command line, word by word, with every option that mattered.
        began: Wall time, ISO 8601, UTC.
        ended: The same, of the end.
        recordings: Recordings assessed.
        left_out: Why recordings were left out, one text each.
        empty: Recordings too short for a window.
        n_byte: Length of the results file.
        tail_sha256: sha256 of its last MiB: results that another run has written are told apart.
    """

    command: tuple[str, ...]
    began: str
    ended: str
    recordings: int
    left_out: tuple[str, ...]
    empty: tuple[str, ...] = ()
    n_byte: int
    tail_sha256: str

    def to_json(self) -> bytes:
        """The record as it lies beside the results."""
        return f"{json.dumps({'schema': SCHEMA, **asdict(self)}, indent=1, sort_keys=True)}\n".encode()


@dataclass(frozen=True, slots=True)
class FilePrint:
    """What tells a file from another one.

    Attributes:
        n_byte: Its length.
        tail_sha256: sha256 of its last MiB.
    """

    n_byte: int
    tail_sha256: str


UNKNOWN: Final = BatchRecord(command=(), began="", ended="", recordings=0, left_out=(), n_byte=0, tail_sha256="")
"""Of results that nothing beside them tells about."""


def batch_command(
    model: Path, data: Path | str, output: Path | str, keys: tuple[Path, ...], units: Path | None
) -> tuple[str, ...]:
    """The command line that gives the same results, with what was taken by default written out."""
    known = () if units is None else ("--units", str(units))
    named = tuple(word for key in keys for word in ("--key", str(key)))
    return (
        "ground", "batch", "--model", str(model), "--data", str(data), "--output", str(output), *named, *known,
    )  # fmt: skip


def now() -> str:
    """The wall time as records write it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_record(results: Path) -> BatchRecord:
    """What made a results file; ``UNKNOWN`` where nothing lies beside it, or the record of another run.

    Raises:
        DataError: The record is damaged, or the results cannot be read.
    """
    path = record_path(results)
    try:
        document = json.loads(path.read_bytes())
        record = _record(document)
    except FileNotFoundError:
        return UNKNOWN
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected the record of a batch, got {error!r:.100}; remove it") from error
    try:
        found = print_of(results)
    except OSError as error:
        raise DataError(f"{results}: expected results, got {error.strerror}; check the path") from error
    return record if found == FilePrint(record.n_byte, record.tail_sha256) else UNKNOWN


def record_path(results: Path) -> Path:
    """Where the record of a results file lies."""
    return results.with_name(f"{results.name}{SUFFIX}")


def _record(document: Any) -> BatchRecord:
    if document.pop("schema") != SCHEMA:
        raise ValueError("another schema")
    document.setdefault("empty", ())
    command, left_out, empty = (tuple(map(str, document.pop(name))) for name in ("command", "left_out", "empty"))
    recordings, n_byte = (int(document.pop(name)) for name in ("recordings", "n_byte"))
    began, ended, tail = (str(document.pop(name)) for name in ("began", "ended", "tail_sha256"))
    return BatchRecord(
        command=command, began=began, ended=ended, recordings=recordings, left_out=left_out, empty=empty,
        n_byte=n_byte, tail_sha256=tail,
    )  # fmt: skip


def print_of(results: Path) -> FilePrint:
    """What tells a file from another one.

    Raises:
        OSError: It cannot be read.
    """
    n_byte = results.stat().st_size
    with results.open("rb") as file:
        file.seek(max(0, n_byte - _TAIL_BYTES))
        return FilePrint(n_byte, hashlib.sha256(file.read()).hexdigest())
