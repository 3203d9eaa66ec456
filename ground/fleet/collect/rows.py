"""Messages as rows of a table: one schema for windows, one for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgpack
import pyarrow as pa

from edge_agent.assessment import SCHEMA as WINDOW_MESSAGE
from edge_agent.frame import NS_PER_S
from edge_agent.publication import Publication

_TEXTS = ("aircraft", "engine", "flight", "phase", "state", "reason", "event")
_DIGESTS = ("bundle_id", "bundle_digest", "spec_digest", "unit", "unit_shift")
_LATENCIES = ("queue", "decode", "detect")
CONTRIBUTIONS: Final = pa.list_(pa.struct([("feature", pa.string()), ("share", pa.float64())]))
WINDOW_SCHEMA: Final = pa.schema(
    [
        *[(name, pa.string()) for name in _TEXTS],
        *[(name, pa.int64()) for name in ("seq", "start_ns", "end_ns")],
        *[(name, pa.float64()) for name in ("score", "threshold")],
        ("contributions", CONTRIBUTIONS),
        *[(name, pa.string()) for name in _DIGESTS],
        *[(name, pa.string()) for name in ("agent", "run", "clock")],
        ("monotonic_ns", pa.int64()),
        *[(f"latency_{name}_ms", pa.float64()) for name in _LATENCIES],
        *[(name, pa.bool_()) for name in ("deadline_missed", "historical")],
    ]
)
"""Columns of results, alerts and results of the shadow; docs/reference/payload.md says what they mean."""
WINDOW_KEY: Final = ("run", "aircraft", "engine", "flight", "seq", "bundle_digest")
"""What names a window: of messages that share it, one counts."""
DOCUMENT_SCHEMA: Final = pa.schema(
    [
        ("topic", pa.string()),
        ("content_type", pa.string()),
        ("payload", pa.binary()),
        ("reason", pa.string()),
    ]
)
"""Columns of everything else: the message as it came; ``reason`` says why it was refused, and is empty otherwise."""
DOCUMENT_KEY: Final = ("topic", "payload")

_NOT_DATED = "not a window of this schema"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_DAY = 86_400 * NS_PER_S
_LAST_DAY = 2**62 // _NS_PER_DAY
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dated:
    """A row and the day it belongs to, ``YYYY-MM-DD`` in UTC."""

    date: str
    row: Row


def window_row(message: Publication) -> Dated:
    """The row of a window.

    Raises:
        ValueError: The payload is none; the text says why.
    """
    try:
        document = msgpack.unpackb(message.payload)
        runtime = document.pop("runtime")
        latency = runtime.pop("latency_ms")
        latencies = {f"latency_{name}_ms": latency.get(name) for name in _LATENCIES}
        parts = [{"feature": name, "share": share} for name, share in document.pop("contributions")]
        schema, day = document.pop("schema"), document["end_ns"] // _NS_PER_DAY
    except (ValueError, TypeError, KeyError, AttributeError, msgpack.exceptions.UnpackException) as error:
        raise ValueError(f"{_NOT_DATED}: {error!r:.100}") from error
    row = {**document, **runtime, **latencies, "contributions": parts}
    if schema != WINDOW_MESSAGE or row.keys() != _WINDOW_FIELDS or not isinstance(day, int) or not 0 <= day < _LAST_DAY:
        raise ValueError(f"{_NOT_DATED}: schema {schema!r:.20} with {len(row)} fields")
    return Dated(date_of(day), row)


def document_row(message: Publication, date: str, *, reason: str = "") -> Dated:
    """The row of any other message."""
    return Dated(
        date,
        {"topic": message.topic, "content_type": message.content_type, "payload": message.payload, "reason": reason},
    )


@lru_cache(maxsize=1_024)
def date_of(day: int) -> str:
    """The date of a day since 1970 in UTC."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def date_of_ns(t_ns: int) -> str:
    """The date of a time in nanoseconds since 1970 in UTC."""
    return date_of(t_ns // _NS_PER_DAY)


def fits(schema: pa.Schema, row: Row) -> str:
    """Why a row does not fit a schema; empty where it does."""
    try:
        if any(value is None for value in row.values()):
            return "a value is missing"
        pa.Table.from_pylist([row], schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        return f"{error!r:.100}"
    return ""


def distinct(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows of a table, the first one of each key."""
    repeated = table.select(list(key)).to_pandas().duplicated().to_numpy()
    return table.filter(pa.array(~repeated)) if repeated.any() else table


_WINDOW_FIELDS = frozenset(WINDOW_SCHEMA.names)
