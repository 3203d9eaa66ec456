"""Files of the dataset as rows of the console's tables."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgpack
import pyarrow as pa

from edge_agent.clock import SYNCHRONISED
from edge_agent.evidence import id_of
from edge_agent.frame import NS_PER_S
from edge_agent.health import OFFLINE, VANISHED
from ground.console.data.files import DataFile
from ground.console.data.tables import AGREEMENT, ALERT, EVIDENCE, FLIGHT, LATEST, STATUS
from ground.fleet.collect.dataset import read_file, schema_of
from ground.fleet.collect.kinds import Kind
from ground.fleet.verdicts import AlertKey

_COUNTS = ("both_normal", "both_alarm", "only_active", "only_shadow")
_INT64 = range(-(2**63), 2**63)
_MOST_COUNT: Final = 2**40
_LAST_STATUSES: Final = 60
"""Statuses of a file that are looked at, the last ones: a day holds thousands, and only the newest is shown."""
_ODD: Final = (
    ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, msgpack.exceptions.UnpackException,
)  # fmt: skip
"""What a message of another format ends in; anybody whom the broker lets in may send one."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """What a file holds for a table.

    Attributes:
        table: Rows of the table's columns but ``file``.
        odd: Messages that are not of a format that this version knows.
    """

    table: pa.Table
    odd: int = 0


@dataclass(frozen=True, slots=True)
class Intake:
    """How files of one kind become rows.

    Attributes:
        table: Name of the table.
        read: Reads a file.
    """

    table: str
    read: Callable[[DataFile], Rows]


def _without_file(schema: pa.Schema) -> pa.Schema:
    return schema.remove(schema.get_field_index("file"))


def _windows(file: DataFile, schema: pa.Schema) -> pa.Table:
    own = schema_of(file.kind)[0]
    table = read_file(file.path, own, [name for name in own.names if name in schema.names])
    table.validate(full=True)
    return table


def _alerts(file: DataFile) -> Rows:
    rows = _windows(file, ALERT).to_pylist()
    for row in rows:
        key = AlertKey.of_row(row)
        row["alert_id"] = key.alert_id
        row["evidence_id"] = id_of(key.run, key.aircraft, key.engine, key.flight, key.seq)
    return Rows(pa.Table.from_pylist(rows, schema=_without_file(ALERT)))


def _latest(file: DataFile) -> Rows:
    table = _windows(file, LATEST).select(_without_file(LATEST).names)
    last = table.append_column("row", pa.array(range(len(table)), pa.int64())).sort_by("end_ns")
    kept = last.group_by(["aircraft", "engine"], use_threads=False).aggregate([("row", "last")])
    return Rows(table.take(kept["row_last"]))


def _documents(file: DataFile, schema: pa.Schema, row_of: Callable[[Mapping[str, Any]], Row]) -> Rows:
    rows, odd = _rows(_payloads(file), schema, row_of)
    return Rows(pa.Table.from_pylist(rows, schema=_without_file(schema)), odd)


def _payloads(file: DataFile) -> list[bytes]:
    found: list[bytes] = read_file(file.path, schema_of(file.kind)[0], ["payload"])["payload"].to_pylist()
    return found


def _rows(
    payloads: Iterable[bytes], schema: pa.Schema, row_of: Callable[[Mapping[str, Any]], Row]
) -> tuple[list[Row], int]:
    """The rows of messages, and how many messages are odd."""
    rows, odd = [], 0
    for payload in payloads:
        try:
            rows.append(_checked(row_of(_document(payload)), schema))
        except _ODD:
            odd += 1
    return rows, odd


def _document(payload: bytes) -> Mapping[str, Any]:
    return _map(json.loads(payload) if payload[:1] == b"{" else msgpack.unpackb(payload))


def _map(value: object) -> Mapping[str, Any]:
    """A value that must be a map.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, dict):
        raise TypeError(f"no map: {value!r:.40}")
    return value


def _checked(row: Row, schema: pa.Schema) -> Row:
    """Raises TypeError where a value is not of its column's type, and ValueError where it has no room there."""
    for field in _without_file(schema):
        value = row[field.name]
        if field.type == pa.float64() and type(value) is int:
            row[field.name] = value = float(value)
        if type(value) is not _PYTHON[field.type]:
            raise TypeError(f"{field.name}: {value!r:.40}")
        if type(value) is int and value not in _INT64:
            raise ValueError(f"{field.name}: beyond 64 bits")
        if type(value) is str:
            value.encode()
    return row


def _count(value: object) -> int:
    """Windows or alerts that a message counts.

    Raises:
        ValueError: No number, or one that no fleet reaches: sums of such ones would leave the range of a column.
    """
    if type(value) is not int or not 0 <= value < _MOST_COUNT:
        raise ValueError(f"no count: {value!r:.40}")
    return value


def _flight(document: Mapping[str, Any]) -> Row:
    ratio = _map(document["ratio"])
    highest = document["highest"]
    return {
        **document, **{name: ratio.get(name, math.nan) for name in ("p50", "p90", "p99")},
        **{name: _count(document[name]) for name in ("windows", "assessed", "raised", "cleared")},
        "highest": highest[0] if highest else math.nan,
    }  # fmt: skip


def _evidence(document: Mapping[str, Any]) -> Row:
    return {**document, "evidence_id": document["id"]}


def _agreement(document: Mapping[str, Any]) -> Row:
    counts = _map(document["counts"])
    return {**document, **{name: _count(counts.get(name, 0)) for name in _COUNTS}}


def _statuses(file: DataFile) -> Rows:
    """The last status of each agent in a file, and beside it the will, which the broker sends for one that is gone."""
    written_ns = file.path.stat().st_mtime_ns
    payloads = _payloads(file)[-_LAST_STATUSES:]
    rows, odd = _rows(payloads, STATUS, lambda document: _status(document, written_ns))
    kept: dict[tuple[str, bool], Row] = {}
    for row in rows:
        place = (row["agent"], row["is_will"])
        if place not in kept or row["heard_ns"] >= kept[place]["heard_ns"]:
            kept[place] = row
    return Rows(pa.Table.from_pylist(list(kept.values()), schema=_without_file(STATUS)), odd)


def _status(document: Mapping[str, Any], written_ns: int) -> Row:
    shadow = _map(document.get("shadow", {}))
    return {
        "run": "", "health": "unknown", "bundle_id": "", "status_interval_s": 0.0, **document,
        "reasons": ", ".join(map(str, document.get("health_reasons", []))),
        "shadow_state": shadow.get("state", ""),
        "is_will": document["state"] == OFFLINE and document.get("reason") == VANISHED,
        "heard_ns": _heard_ns(document, written_ns),
    }  # fmt: skip


def _heard_ns(document: Mapping[str, Any], written_ns: int) -> int:
    """When a status was sent, since 1970 UTC; where nobody vouches for the clock of the box, when it had come."""
    if "updated" not in document or document.get("clock", SYNCHRONISED) != SYNCHRONISED:
        return written_ns
    sent = datetime.fromisoformat(document["updated"])
    # A time without a zone is UTC: that is what agents say.
    sent_s = (sent if sent.tzinfo else sent.replace(tzinfo=UTC)).timestamp()
    return max(0, min(int(sent_s * NS_PER_S), written_ns))


def _reads(schema: pa.Schema, row_of: Callable[[Mapping[str, Any]], Row]) -> Callable[[DataFile], Rows]:
    return lambda file: _documents(file, schema, row_of)


_PYTHON: Final = {pa.string(): str, pa.int64(): int, pa.float64(): float, pa.bool_(): bool}
INTAKES: Final = {
    Kind.ALERT: Intake("alert", _alerts),
    Kind.RESULT: Intake("latest", _latest),
    Kind.FLIGHT: Intake("flight", _reads(FLIGHT, _flight)),
    Kind.EVIDENCE: Intake("evidence", _reads(EVIDENCE, _evidence)),
    Kind.AGREEMENT: Intake("agreement", _reads(AGREEMENT, _agreement)),
    Kind.STATUS: Intake("status", _statuses),
}
