"""What lies in a recordings folder: each recording read once, whole, and what of it matters for a config."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ground.config import PreprocessConfig
from ground.errors import DataError
from ground.importer import choose_dataset
from ground.index_cells import ORIGINALS
from ground.progress import Progress
from ground.recording import LABEL_FAULTY, LABEL_HEALTHY
from ground.recording_files import KNOWN_COLUMNS, TIME, SampleFile, read_samples
from ground.recording_index import INDEX_NAME, RecordingInfo, parse_row, read_table
from ground.stated_samples import check_rate, check_stated
from ground.synchronise import has_segments, labels_of, make_timeline
from shared_features.errors import SpecError
from shared_features.groups import check_channel_name
from shared_features.spec import CONDITIONS

STEP = "init: read"
GAP_TOLERANCE_S = PreprocessConfig().gap_tolerance_s
_MOST_ERRORS = 20
_LARGEST_SAMPLE = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFacts:
    """One recording.

    Attributes:
        info: Its row of the index.
        units: Unit of each channel that holds samples, in the order of the index.
        empty: Channels without one finite sample.
        n_samples: Samples a channel.
        stretch_n: (n_stretch,) int64, samples of each gapless stretch.
        healthy_n: (n_run,) int64, samples of each run that is labelled healthy within one stretch.
        faulty_n: Samples that are labelled faulty.
        conditions: Speeds that are known, out of ``shared_features.spec.CONDITIONS``.
        missing_n: Values that are NaN or infinite, over the channels that hold samples.
        largest: Largest magnitude of a sample.
        has_segments: Whether it is made of snapshots.
        stamped: Whether it has time stamps.
        measured_rate_hz: Rate by the stamps; the stated one where there are none.
        gaps: Gaps that the stamps show.
        late_n: Stamps that are not later than the one before.
    """

    info: RecordingInfo
    units: Mapping[str, str]
    empty: tuple[str, ...]
    n_samples: int
    stretch_n: NDArray[np.int64]
    healthy_n: NDArray[np.int64]
    faulty_n: int
    conditions: tuple[str, ...]
    missing_n: int
    largest: float
    has_segments: bool
    stamped: bool
    measured_rate_hz: float
    gaps: int
    late_n: int

    @property
    def healthy_s(self) -> float:
        """Time that is labelled healthy."""
        return float(self.healthy_n.sum()) / self.info.sampling_rate_hz

    @property
    def faulty_s(self) -> float:
        """Time that is labelled faulty."""
        return self.faulty_n / self.info.sampling_rate_hz


@dataclass(frozen=True, slots=True)
class Survey:
    """The recordings of one dataset.

    Attributes:
        folder: Where they lie.
        dataset: Its name; may be empty.
        recordings: Those that can be read, at least one.
        unreadable: Names of the others, each with the reason.
        renamed: Names of recordings and specimens as the index has them, each with the one that took its place.
    """

    folder: Path
    dataset: str
    recordings: tuple[RecordingFacts, ...]
    unreadable: tuple[tuple[str, str], ...]
    renamed: tuple[tuple[str, str], ...]


def survey(folder: Path, dataset: str | None, *, progress: Progress) -> Survey:
    """Read every recording of a dataset.

    Args:
        folder: Holds ``recordings.csv``.
        dataset: Which dataset; None takes the only one there is.
        progress: Told after each recording.

    Raises:
        DataError: Unknown dataset, a broken index, or no recording that can be read: the text names each.
    """
    table = read_table(folder / INDEX_NAME)
    chosen = choose_dataset(table, dataset)
    rows = [row for row in table.rows if row.get("dataset", "") == chosen]
    facts: list[RecordingFacts] = []
    errors: list[tuple[str, str]] = []
    twice = {column: _twice(rows, column) for column in ("recording_id", "file")}
    for done, row in enumerate(rows, start=1):
        try:
            for column, values in twice.items():
                _refuse_twice(table.path, column, row[column], values)
            facts.append(_facts(folder, parse_row(row, table.path)))
        except DataError as error:
            errors.append((row["recording_id"], str(error)))
        progress(STEP, done, len(rows))
    if not facts:
        more = [f"... and {len(errors) - _MOST_ERRORS} more"] if len(errors) > _MOST_ERRORS else []
        raise DataError("\n".join([*(text for _, text in errors[:_MOST_ERRORS]), *more]))
    return Survey(
        folder,
        chosen,
        tuple(facts),
        unreadable=tuple({name: _one_line(text, folder) for name, text in errors}.items()),
        renamed=tuple(
            dict.fromkeys((row[was], row[now]) for row in rows for now, was in ORIGINALS.items() if row.get(was))
        ),
    )


def _twice(rows: Sequence[Mapping[str, str]], column: str) -> frozenset[str]:
    return frozenset(value for value, count in Counter(row[column] for row in rows).items() if count > 1)


def _refuse_twice(path: Path, column: str, value: str, twice: frozenset[str]) -> None:
    """Which of two rows of one name or file holds cannot be known."""
    if value in twice:
        raise DataError(f"{path}: {column}: expected different values, got {value} twice; rename or remove one")


def _one_line(text: str, folder: Path) -> str:
    """An error as a remark in a config, which says nothing of where the folder lies."""
    plain = " ".join(text.replace(f"{folder}/", "").split())
    return "".join(sign if sign.isprintable() else "?" for sign in plain)


def _facts(folder: Path, info: RecordingInfo) -> RecordingFacts:
    file = read_samples(folder / info.file, info.channels)
    if not file.n_samples:
        raise DataError(f"{file.path}: expected samples, got none; remove the recording or export it again")
    check_stated(info, file)
    check_rate(info, file)
    timeline = make_timeline(info, file, GAP_TOLERANCE_S)
    labels = labels_of(info, file)
    numbers = dict(_channels(info, file))
    seen = {name: column[np.isfinite(column)] for name, column in numbers.items()}
    largest = max((float(np.abs(column).max()) for column in seen.values() if column.size), default=0.0)
    if largest > _LARGEST_SAMPLE:
        raise DataError(
            f"{file.path}: expected samples that float32 holds (up to {_LARGEST_SAMPLE:.2g}), got {largest:.2g}; "
            "export the recording in another unit, or mark what is no sample as missing"
        )
    units = dict(zip(info.channels, info.signal_units, strict=True))
    stretches = list(zip(timeline.first_n.tolist(), timeline.last_n.tolist(), strict=True))
    return RecordingFacts(
        info=info,
        units={name: units[name] for name, column in seen.items() if column.size},
        empty=tuple(name for name, column in seen.items() if not column.size),
        n_samples=file.n_samples,
        stretch_n=np.diff([*timeline.first_n.tolist(), file.n_samples]),
        healthy_n=np.concatenate([_runs(labels[first:last] == LABEL_HEALTHY) for first, last in stretches]),
        faulty_n=int(np.count_nonzero(labels == LABEL_FAULTY)),
        conditions=tuple(name for name in CONDITIONS if _knows(name, info, file)),
        missing_n=sum(len(column) - seen[name].size for name, column in numbers.items() if seen[name].size),
        largest=largest,
        has_segments=has_segments(info, file),
        stamped=file.has(TIME),
        measured_rate_hz=timeline.measured_rate_hz,
        gaps=len(timeline.gaps),
        late_n=_late_n(file),
    )


def _channels(info: RecordingInfo, file: SampleFile) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """The sample columns; those that the layout gives a meaning of their own are none."""
    for name in info.channels:
        if name in KNOWN_COLUMNS:
            continue
        try:
            check_channel_name(name)
        except SpecError as error:
            raise DataError(f"{file.path}: {error}, in the file and in the index") from error
        yield name, file.numbers(name)


def _late_n(file: SampleFile) -> int:
    return int(np.count_nonzero(np.diff(file.numbers(TIME)) <= 0.0)) if file.has(TIME) else 0


def _knows(condition: str, info: RecordingInfo, file: SampleFile) -> bool:
    if file.has(condition):
        return bool(np.isfinite(file.numbers(condition)).any())
    return condition.removesuffix("_hz") in info.speed_hz


def _runs(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    return np.asarray(edges[1::2] - edges[::2], dtype=np.int64)
