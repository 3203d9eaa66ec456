"""Files of the dataset as rows of the console's tables."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgpack
import pyarrow as pa

from edge_agent.evidence import ID_DIGITS
from ground.console.data.files import DataFile
from ground.console.data.tables import AGREEMENT, ALERT, EVIDENCE, FLIGHT, LATEST, STATUS
from ground.fleet.collect.dataset import read_file, schema_of
from ground.fleet.collect.kinds import Kind
from ground.fleet.verdicts import AlertKey

_COUNTS = ("both_normal", "both_alarm", "only_active", "only_shadow")
_INT64 = range(-(2**63), 2**63)
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
    return read_file(file.path, own, [name for name in own.names if name in {*schema.names, "run"}])


def _alerts(file: DataFile) -> Rows:
    rows = _windows(file, ALERT).to_pylist()
    for row in rows:
        key = AlertKey.of_row(row)
        row["alert_id"], row["evidence_id"] = key.alert_id, evidence_of(key)
    return Rows(pa.Table.from_pylist(rows, schema=_without_file(ALERT)))


def evidence_of(key: AlertKey) -> str:
    """The id of an alert's waveform, as ``edge_agent.evidence.evidence_id`` makes it."""
    names = (key.run, key.aircraft, key.engine, key.flight, str(key.seq))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:ID_DIGITS]


def _latest(file: DataFile) -> Rows:
    table = _windows(file, LATEST).select(_without_file(LATEST).names)
    last = table.append_column("row", pa.array(range(len(table)), pa.int64())).sort_by("end_ns")
    kept = last.group_by(["aircraft", "engine"], use_threads=False).aggregate([("row", "last")])
    return Rows(table.take(kept["row_last"]))


def _documents(file: DataFile, schema: pa.Schema, row_of: Callable[[Mapping[str, Any]], Row]) -> Rows:
    own = schema_of(file.kind)[0]
    rows, odd = [], 0
    for payload in read_file(file.path, own, ["payload"])["payload"].to_pylist():
        try:
            rows.append(_checked(row_of(_document(payload)), schema))
        except (ValueError, TypeError, KeyError, IndexError, msgpack.exceptions.UnpackException):
            odd += 1
    return Rows(pa.Table.from_pylist(rows, schema=_without_file(schema)), odd)


def _document(payload: bytes) -> Mapping[str, Any]:
    document = json.loads(payload) if payload[:1] == b"{" else msgpack.unpackb(payload)
    if not isinstance(document, dict):
        raise TypeError("no map")
    return document


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


def _flight(document: Mapping[str, Any]) -> Row:
    ratio = document["ratio"]
    highest = document["highest"]
    return {**document, **{name: ratio.get(name, math.nan) for name in ("p50", "p90", "p99")},
            "highest": highest[0] if highest else math.nan}  # fmt: skip


def _evidence(document: Mapping[str, Any]) -> Row:
    return {**document, "evidence_id": document["id"]}


def _agreement(document: Mapping[str, Any]) -> Row:
    return {**document, **{name: document["counts"].get(name, 0) for name in _COUNTS}}


def _status(document: Mapping[str, Any]) -> Row:
    reasons = document.get("health_reasons", [])
    return {
        "health": "unknown", "updated": "", "bundle_id": "", **document,
        "reasons": ", ".join(map(str, reasons)), "shadow_state": document.get("shadow", {}).get("state", "none"),
    }  # fmt: skip


def _reads(schema: pa.Schema, row_of: Callable[[Mapping[str, Any]], Row]) -> Callable[[DataFile], Rows]:
    return lambda file: _documents(file, schema, row_of)


_PYTHON: Final = {pa.string(): str, pa.int64(): int, pa.float64(): float, pa.bool_(): bool}
INTAKES: Final = {
    Kind.ALERT: Intake("alert", _alerts),
    Kind.RESULT: Intake("latest", _latest),
    Kind.FLIGHT: Intake("flight", _reads(FLIGHT, _flight)),
    Kind.EVIDENCE: Intake("evidence", _reads(EVIDENCE, _evidence)),
    Kind.AGREEMENT: Intake("agreement", _reads(AGREEMENT, _agreement)),
    Kind.STATUS: Intake("status", _reads(STATUS, _status)),
}
