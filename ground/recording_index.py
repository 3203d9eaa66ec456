"""The index of a recordings folder: one row a recording, checked and typed."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ground.errors import DataError
from ground.index_cells import ORIGINALS, RUN_TO_FAILURE, Cells, plain_row, topic_name

INDEX_NAME = "recordings.csv"
REQUIRED_COLUMNS = ("recording_id", "file", "unit_id", "sampling_rate_hz", "channels", "signal_units", "label")
IDENTITY_COLUMNS = ("aircraft", "engine", "flight")

UNKNOWN_AIRCRAFT = "unknown"


@dataclass(frozen=True, slots=True)
class IndexTable:
    """An index as text.

    Attributes:
        path: The file, named in errors.
        columns: Names in the order of the file.
        rows: One mapping a recording, from every column to its text.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingInfo:
    """What the index says about one recording.

    Attributes:
        recording_id: Unique in the folder; also the name of its interim file.
        file: Parquet or CSV file, relative to the folder.
        dataset: The rig or fleet; may be empty.
        unit_id: The physical specimen.
        aircraft: Identity on the wire; the dataset where the index names none.
        engine: Identity on the wire; the unit where the index names none.
        flight: Identity on the wire; the recording where the index names none.
        start_ns: Source time of time 0, nanoseconds since 1970 UTC.
        sampling_rate_hz: Samples per second of every channel.
        channels: Names of the sample columns.
        signal_units: One of ``shared_features.spec.UNITS`` a channel.
        label: One of ``LABELS``.
        fault_type: Free text; empty for none.
        severity: Free text.
        condition: Free text.
        segment_period_s: Time from the start of one segment to that of the next; 0 where not stated.
        healthy_segments: Half-open spans of segment numbers.
        faulty_segments: Likewise.
        speed_hz: Constant shaft speeds by shaft name (``n1``); empty where the index states none.
        n_samples: Samples a channel; 0 where not stated.
        data_sha256: First hex digits of the sha256 over the float32 channels in their order; empty where not stated.
        segment_s: Of run_to_failure, length of each segment; 0 where not stated.
        n_segments: Of run_to_failure, how many there are; 0 where not stated.
    """

    recording_id: str
    file: str
    dataset: str
    unit_id: str
    aircraft: str
    engine: str
    flight: str
    start_ns: int
    sampling_rate_hz: float
    channels: tuple[str, ...]
    signal_units: tuple[str, ...]
    label: str
    fault_type: str
    severity: str
    condition: str
    segment_period_s: float
    healthy_segments: tuple[tuple[int, int], ...]
    faulty_segments: tuple[tuple[int, int], ...]
    speed_hz: Mapping[str, float]
    n_samples: int
    data_sha256: str
    segment_s: float = 0.0
    n_segments: int = 0

    @property
    def counts_segments(self) -> bool:
        """Whether labels by segment can be read without segment numbers in the file."""
        last = max((last for _, last in (*self.healthy_segments, *self.faulty_segments)), default=0)
        return self.label == RUN_TO_FAILURE and bool(self.segment_s or self.n_segments or last == 1)


def read_index(folder: Path) -> tuple[RecordingInfo, ...]:
    """Read and check the index of a recordings folder.

    Args:
        folder: Holds ``recordings.csv``.

    Raises:
        DataError: No readable index, a wrong value, or two recordings with one id; names row, column and value.
    """
    table = read_table(folder / INDEX_NAME)
    infos = tuple(parse_row(row, table.path) for row in table.rows)
    for column in ("recording_id", "file"):
        _check_unique(table.path, column, [getattr(info, column) for info in infos])
    return infos


def read_table(path: Path) -> IndexTable:
    """Read an index as text, each row as ``ground.index_cells.plain_row`` words it.

    Raises:
        DataError: Missing, not UTF-8 CSV, without a needed column, or with a ragged row.
    """
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: expected a readable CSV index, got {error}; see docs/reference/recordings.md"
        ) from error
    if not lines:
        raise DataError(f"{path}: expected a header line, got an empty file; see docs/reference/recordings.md")
    columns = tuple(lines[0])
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        raise DataError(f"{path}: expected columns {', '.join(missing)}, got {', '.join(columns)}; add them")
    _check_unique(path, "header", columns)
    rows = []
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) not in {0, len(columns)}:
            raise DataError(
                f"{path}: row {number}: expected {len(columns)} cells, got {len(cells)}; quote cells that hold commas"
            )
        if cells:
            rows.append(plain_row(dict(zip(columns, (cell.strip() for cell in cells), strict=True))))
    added = [name for name in ORIGINALS.values() if name not in columns and any(name in row for row in rows)]
    empty = dict.fromkeys(added, "")
    return IndexTable(path, (*columns, *added), tuple({**empty, **row} for row in rows))


def table_bytes(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """An index as CSV; cells that a row does not name stay empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def with_identities(row: Mapping[str, str]) -> dict[str, str]:
    """The row with aircraft, engine and flight filled from dataset, unit and recording where it names none."""
    dataset = row.get("dataset", "")
    defaults = (topic_name(dataset) or UNKNOWN_AIRCRAFT, row["unit_id"], row["recording_id"])
    filled = {name: row.get(name, "") or default for name, default in zip(IDENTITY_COLUMNS, defaults, strict=True)}
    return {**row, **filled}


def parse_row(row: Mapping[str, str], path: Path | str) -> RecordingInfo:
    """Type one row.

    Args:
        row: Text of the row by column.
        path: The index, named in errors.

    Raises:
        DataError: A wrong value; names recording, column, what was expected and what came.
    """
    cells = Cells(with_identities(row), f"{path}: {row['recording_id'] or 'a row without recording_id'}")
    channels = cells.names("channels")
    is_life = cells.text("label") == RUN_TO_FAILURE
    return RecordingInfo(
        recording_id=cells.recording_id(),
        file=cells.file(),
        dataset=cells.text("dataset"),
        unit_id=cells.identity("unit_id"),
        aircraft=cells.identity("aircraft"),
        engine=cells.identity("engine"),
        flight=cells.identity("flight"),
        start_ns=cells.whole("start_ns"),
        sampling_rate_hz=cells.positive("sampling_rate_hz"),
        channels=channels,
        signal_units=cells.units(len(channels)),
        label=cells.label(),
        fault_type=cells.text("fault_type"),
        severity=cells.text("severity"),
        condition=cells.text("condition"),
        segment_period_s=cells.optional_positive("segment_period_s"),
        healthy_segments=cells.spans("healthy_segments"),
        faulty_segments=cells.faulty_spans(),
        speed_hz=cells.speeds(),
        n_samples=cells.whole("n_samples"),
        data_sha256=cells.text("data_sha256"),
        segment_s=cells.optional_positive("segment_s") if is_life else 0.0,
        n_segments=cells.whole("n_segments") if is_life else 0,
    )


def _check_unique(path: Path, what: str, values: Sequence[str]) -> None:
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
    if twice:
        raise DataError(
            f"{path}: {what}: expected different values, got {', '.join(twice)} twice; rename or remove one"
        )
