"""The answers that were given, flight by flight: what the agent published, or what the evaluation replayed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from edge_agent.assessment import Contribution
from edge_agent.decision import ALARM, NOT_ASSESSED, RAISED
from ground.errors import DataError
from ground.recording import LABEL_FAULTY, LABEL_HEALTHY
from ground.splits import CALIBRATION, FIT, SENSOR_FAULT_PREFIX, VALIDATION

NS_PER_S = 1e9

_COMMON = ("flight", "phase", "start_ns", "end_ns", "label", "fault_type", "score", "threshold", "state", "reason")
_STREAM_COLUMNS = (
    *_COMMON, "aircraft", "engine", "seq", "event", "contributions", "total_ms", "deadline_missed", "bundle_id",
    "bundle_digest", "spec_digest",
)  # fmt: skip
_SCORES_COLUMNS = (*_COMMON, "recording_id", "unit_id")

_SEEN_ROLES = (FIT, VALIDATION, CALIBRATION)

Texts = NDArray[np.object_]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """The answers about one flight of one engine, in time order.

    Attributes:
        name: Names it for people.
        source: Identity to find its recording by: (aircraft, engine, flight), or (recording_id,).
        fault_type: What is wrong; empty for a healthy flight.
        start_ns: (n,) source time of each window's first sample.
        end_ns: (n,) source time just after its last.
        phase: (n,) flight phases.
        label: (n,) int8: 0 healthy, 1 faulty, -1 unlabelled.
        state: (n,) ``normal``, ``warning``, ``alarm`` or ``not_assessed``.
        reason: (n,) why not assessed.
        raised: (n,) whether an alert was raised here.
        score: (n,) 0 where not assessed.
        threshold: (n,) 0 where not assessed.
        contributions: (n,) JSON texts; empty ones where nobody kept them.
    """

    name: str
    source: tuple[str, ...]
    fault_type: str
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    phase: Texts
    label: NDArray[np.int8]
    state: Texts
    reason: Texts
    raised: Flags
    score: NDArray[np.float64]
    threshold: NDArray[np.float64]
    contributions: Texts

    @property
    def alarm(self) -> Flags:
        """(n,) whether the state is alarm."""
        return np.asarray(self.state == ALARM)

    @property
    def assessed(self) -> Flags:
        """(n,) whether there is a score."""
        return np.asarray(self.state != NOT_ASSESSED)

    @property
    def faulty(self) -> Flags:
        """(n,) whether the window is labelled faulty."""
        return np.asarray(self.label == LABEL_FAULTY)

    @property
    def healthy(self) -> Flags:
        """(n,) whether the window is labelled healthy."""
        return np.asarray(self.label == LABEL_HEALTHY)

    @property
    def has_sensor_fault(self) -> bool:
        """Whether the measuring chain, not the engine, is faulty."""
        return self.fault_type.startswith(SENSOR_FAULT_PREFIX)

    @property
    def ratio(self) -> NDArray[np.float64]:
        """(n,) score over threshold; NaN where not assessed."""
        known = self.assessed & (self.threshold > 0.0)
        ratio = np.full(len(self.score), np.nan)
        ratio[known] = self.score[known] / self.threshold[known]
        return ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What the agent published.

    Attributes:
        flights: In the order of their first window.
        latency_ms: (n,) total latency of each result.
        deadlines_missed: Results that the agent itself marked as late.
        trained_on: Results about windows that training or calibration has seen, as far as the table has roles.
        bundle_id: Detector and version that answered.
        bundle_digest: sha256 of its bundle.
        spec_digest: sha256 of its FeatureSpec.
    """

    flights: tuple[Flight, ...]
    latency_ms: NDArray[np.float64]
    deadlines_missed: int
    trained_on: int
    bundle_id: str
    bundle_digest: str
    spec_digest: str


def read_stream(path: Path) -> Stream:
    """Read what the agent published.

    Args:
        path: ``evaluation/stream.parquet``.

    Raises:
        DataError: Missing, damaged, empty or without a needed column.
    """
    table = _read(path, _STREAM_COLUMNS)
    columns = {name: _column(table, name) for name in _STREAM_COLUMNS}
    keys = _keys(columns, ("aircraft", "engine", "flight"))
    names = _names([key for key, _ in keys])
    roles = table.column("role").to_pylist() if "role" in table.column_names else []
    raised = columns["event"] == RAISED
    flights = tuple(
        _flight(columns, rows, name=names[key], source=key, raised=raised, contributions=columns["contributions"])
        for key, rows in keys
    )
    return Stream(
        flights=flights,
        latency_ms=columns["total_ms"].astype(np.float64),
        deadlines_missed=int(np.count_nonzero(columns["deadline_missed"])),
        trained_on=sum(role in _SEEN_ROLES for role in roles),
        bundle_id=str(columns["bundle_id"][-1]),
        bundle_digest=str(columns["bundle_digest"][-1]),
        spec_digest=str(columns["spec_digest"][-1]),
    )


def read_scores(path: Path) -> tuple[Flight, ...]:
    """Read the answers of the evaluation about its test windows.

    Args:
        path: ``evaluation/scores.parquet``.

    Raises:
        DataError: Missing, damaged, empty or without a needed column.
    """
    table = _read(path, _SCORES_COLUMNS)
    columns = {name: _column(table, name) for name in _SCORES_COLUMNS}
    nothing = np.full(table.num_rows, "", dtype=object)
    keys = _keys(columns, ("recording_id",))
    return tuple(
        _flight(columns, rows, name=key[0], source=key, raised=_onsets(columns, rows), contributions=nothing)
        for key, rows in keys
    )


def parse_contributions(text: str) -> tuple[Contribution, ...]:
    """The contributions of one answer.

    Args:
        text: JSON list of [feature, share]; empty for none.
    """
    return tuple(Contribution(str(feature), float(share)) for feature, share in json.loads(text or "[]"))


def _read(path: Path, needed: tuple[str, ...]) -> pa.Table:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a readable table, got {error}; run the step that writes it again") from error
    missing = [name for name in needed if name not in table.column_names]
    if missing or not table.num_rows:
        got = f"no column {', '.join(missing)}" if missing else "no rows"
        raise DataError(f"{path}: expected answers with the columns {', '.join(needed)}, got {got}; write it again")
    return table.sort_by([("start_ns", "ascending"), ("end_ns", "ascending")])


def _column(table: pa.Table, name: str) -> NDArray[np.generic]:
    values: NDArray[np.generic] = table.column(name).to_numpy()
    return values


def _keys(
    columns: dict[str, NDArray[np.generic]], names: tuple[str, ...]
) -> list[tuple[tuple[str, ...], NDArray[np.int64]]]:
    """Each different key with the numbers of its rows, by its first row."""
    rows: dict[tuple[str, ...], list[int]] = {}
    for index, key in enumerate(zip(*(columns[name].tolist() for name in names), strict=True)):
        rows.setdefault(tuple(map(str, key)), []).append(index)
    return [(key, np.array(found, dtype=np.int64)) for key, found in rows.items()]


def _names(keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The flight by its own name, with its engine where several engines share it."""
    shared = Counter(flight for _, _, flight in keys)
    return {
        (aircraft, engine, flight): flight if shared[flight] == 1 else f"{flight} of {engine}"
        for aircraft, engine, flight in keys
    }


def _onsets(columns: dict[str, NDArray[np.generic]], rows: NDArray[np.int64]) -> Flags:
    """All rows, true where an alarm of this recording begins."""
    flags = np.zeros(len(columns["state"]), dtype=bool)
    flags[rows] = np.diff(columns["state"][rows] == ALARM, prepend=False) & (columns["state"][rows] == ALARM)
    return flags


def _flight(
    columns: dict[str, NDArray[np.generic]],
    rows: NDArray[np.int64],
    *,
    name: str,
    source: tuple[str, ...],
    raised: NDArray[np.generic],
    contributions: NDArray[np.generic],
) -> Flight:
    texts = {key: columns[key][rows].astype(object) for key in ("phase", "state", "reason")}
    faults = [str(value) for value in columns["fault_type"][rows].tolist() if value]
    return Flight(
        name=name,
        source=source,
        fault_type=faults[0] if faults else "",
        start_ns=columns["start_ns"][rows].astype(np.int64),
        end_ns=columns["end_ns"][rows].astype(np.int64),
        label=columns["label"][rows].astype(np.int8),
        raised=raised[rows].astype(bool),
        score=columns["score"][rows].astype(np.float64),
        threshold=columns["threshold"][rows].astype(np.float64),
        contributions=contributions[rows].astype(object),
        **texts,
    )
