"""Rows of a query as records: columns go by their names, so that their order does not matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import duckdb

T = TypeVar("T")


def records(asked: duckdb.DuckDBPyConnection, kind: Callable[..., T]) -> tuple[T, ...]:
    """What a query gives, a record a row.

    Args:
        asked: The query, executed.
        kind: The record; it has a field for each column, and no other.
    """
    return tuple(kind(**row) for row in _rows(asked))


def page_of(asked: duckdb.DuckDBPyConnection, kind: Callable[..., T]) -> tuple[tuple[T, ...], int]:
    """The same of a query whose column ``total`` says how many rows there are on all pages; 0 beyond the last one."""
    rows = _rows(asked)
    totals = [row.pop("total") for row in rows]
    return tuple(kind(**row) for row in rows), max(totals, default=0)


def _rows(asked: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in asked.description or ()]
    return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]
