"""`ground import`: bring a folder of recordings into the workspace, checked, whole or not at all."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ground.errors import DataError
from ground.left_out import is_left_out, names_of, read_left_out, unknown_names, unknown_note, write_left_out
from ground.progress import Progress
from ground.recording_index import INDEX_NAME, IndexTable, RecordingInfo, parse_row, read_table, table_bytes
from ground.stated_samples import stated_batches
from ground.workspace import write_atomic

READ_STEP = "import: read"
COPY_STEP = "import: copy"

_MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        dataset: The dataset that was taken; may be empty.
        added: Recordings that are new in the workspace.
        unchanged: Recordings that were there already, byte for byte.
        unknown_left_out: Names to leave out that no recording has, of the source, the workspace or an earlier import.
    """

    dataset: str
    added: tuple[str, ...]
    unchanged: tuple[str, ...]
    unknown_left_out: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the import."""
        return unknown_note(self.unknown_left_out, whose="recording", unless="another import brings them")

    @property
    def recordings(self) -> int:
        """Recordings of the dataset."""
        return len(self.added) + len(self.unchanged)


def import_recordings(
    source: Path, raw: Path, *, dataset: str | None, progress: Progress, leave_out: Collection[str] = ()
) -> ImportReport:
    """Copy one dataset of a recordings folder into ``raw``.

    Every file is read through before anything is copied. Files are copied, never linked, so that nothing done to the
    workspace reaches the source; the index comes last. Recordings already in ``raw`` stay beside the new ones.

    Args:
        source: Folder with ``recordings.csv``.
        raw: Folder to fill; made when missing.
        dataset: Which dataset; None takes the only one there is.
        progress: Told after each file that was read, then after each that was copied.
        leave_out: Names of recordings that are neither read nor copied: ``preprocess.leave_out`` of a config, which may
            name recordings of other imports, too.

    Raises:
        DataError: Unknown dataset, or a broken index or file: the text names each, and nothing was copied. Or the disk
            refused.
    """
    table = read_table(source / INDEX_NAME)
    chosen = choose_dataset(table, dataset)
    rows = _rows_of(table, chosen, leave_out)
    old = _old_table(raw)
    unknown = unknown_names((*table.rows, *old.rows), leave_out, known=read_left_out(raw))
    old_files = {row["recording_id"]: row["file"] for row in old.rows}
    owners = {file: name for name, file in old_files.items()}
    infos = _Reader(table.path, source, raw, old_files, owners).read(rows, progress)
    added: list[str] = []
    unchanged: list[str] = []
    try:
        for done, info in enumerate(infos, start=1):
            is_new = _copy(source / info.file, raw / info.file)
            (added if is_new else unchanged).append(info.recording_id)
            progress(COPY_STEP, done, len(infos))
        write_left_out(raw, frozenset(leave_out) & {name for row in table.rows for name in names_of(row)})
        write_atomic(raw / INDEX_NAME, _merged(old, table, rows))
    except OSError as error:
        raise DataError(f"{raw}: expected a writable folder, got {error}; check path and disk space") from error
    return ImportReport(chosen, tuple(added), tuple(unchanged), unknown)


def choose_dataset(table: IndexTable, dataset: str | None) -> str:
    """The dataset of that name, or with None the only one there is.

    Raises:
        DataError: There are no recordings, none of that name, or several datasets and no name.
    """
    there = sorted({row.get("dataset", "") for row in table.rows})
    if not there:
        raise DataError(f"{table.path}: expected recordings, got none; add a row for each")
    if dataset is None and len(there) == 1:
        return there[0]
    if dataset is None or dataset not in there:
        names = ", ".join(name or "(no name)" for name in there)
        got = "none chosen" if dataset is None else repr(dataset)
        raise DataError(f"{table.path}: dataset: expected one of {names}, got {got}; choose one")
    return dataset


def _rows_of(table: IndexTable, dataset: str, leave_out: Collection[str]) -> list[Mapping[str, str]]:
    names = frozenset(leave_out)
    return [row for row in table.rows if row.get("dataset", "") == dataset and not is_left_out(row, names)]


def _old_table(raw: Path) -> IndexTable:
    path = raw / INDEX_NAME
    return read_table(path) if path.exists() else IndexTable(path, (), ())


def _merged(old: IndexTable, new: IndexTable, rows: Sequence[Mapping[str, str]]) -> bytes:
    """The index of both; a row that comes again replaces the old one, so that corrected labels arrive."""
    names = {row["recording_id"] for row in rows}
    kept = [row for row in old.rows if row["recording_id"] not in names]
    return table_bytes(tuple(dict.fromkeys((*old.columns, *new.columns))), [*kept, *rows])


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads recordings through before they are copied.

    Attributes:
        index: Index of the source, named in errors.
        source: Folder to read.
        raw: Folder that will be filled.
        old_files: Files of the recordings that ``raw`` holds already, by recording.
        owners: The same the other way about: recordings by file.
    """

    index: Path
    source: Path
    raw: Path
    old_files: Mapping[str, str]
    owners: Mapping[str, str]

    def read(self, rows: Sequence[Mapping[str, str]], progress: Progress) -> list[RecordingInfo]:
        """Read every recording; all that is wrong comes in one error."""
        infos: list[RecordingInfo] = []
        errors = []
        taken: dict[str, set[str]] = {"recording_id": set(), "file": set()}
        for done, row in enumerate(rows, start=1):
            try:
                infos.append(self._read(row, taken))
            except DataError as error:
                errors.append(str(error))
            else:
                for column, values in taken.items():
                    values.add(getattr(infos[-1], column))
            progress(READ_STEP, done, len(rows))
        if errors:
            rest = [f"... and {len(errors) - _MOST_ERRORS} more"] if len(errors) > _MOST_ERRORS else []
            raise DataError("\n".join([*errors[:_MOST_ERRORS], *rest]))
        return infos

    def _read(self, row: Mapping[str, str], taken: Mapping[str, Collection[str]]) -> RecordingInfo:
        info = parse_row(row, self.index)
        for column, values in taken.items():
            value = getattr(info, column)
            if value in values:
                raise DataError(
                    f"{self.index}: {column}: expected different values, got {value} twice; rename or remove one"
                )
        _check_samples(info, self.source / info.file)
        self._check_old(info)
        return info

    def _check_old(self, info: RecordingInfo) -> None:
        """Recordings in the workspace never change under their name, and no two share a file."""
        target = self.raw / info.file
        owner = self.owners.get(info.file, info.recording_id)
        if owner != info.recording_id:
            raise DataError(
                f"{target}: expected a file of {info.recording_id}, got one of {owner} that is there already; "
                "rename one, or use another workspace"
            )
        is_old = info.recording_id in self.old_files
        moved = is_old and self.old_files[info.recording_id] != info.file
        if moved or (is_old and target.exists() and not filecmp.cmp(self.source / info.file, target, shallow=False)):
            raise DataError(
                f"{target}: expected the samples of {info.recording_id} that are there already, got others; "
                "rename the new recording, or use another workspace"
            )


def _check_samples(info: RecordingInfo, path: Path) -> None:
    for file in stated_batches(info, path):
        for name in info.channels:
            file.numbers(name)
        if not file.n_samples:
            raise DataError(f"{path}: expected samples, got none; remove the recording or export it again")


def _copy(source: Path, target: Path) -> bool:
    """Copy a file so that a crash leaves all or nothing of it; whether it was not there before."""
    if target.exists() and filecmp.cmp(source, target, shallow=False):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as copy, source.open("rb") as original:
            shutil.copyfileobj(original, copy)
            copy.flush()
            os.fsync(copy.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return True
