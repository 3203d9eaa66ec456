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
    names = [column[0] for column in asked.description or ()]
    return tuple(kind(**dict(zip(names, row, strict=True))) for row in asked.fetchall())


def page_of(asked: duckdb.DuckDBPyConnection, kind: Callable[..., T]) -> tuple[tuple[T, ...], int]:
    """The same of a query whose column ``total`` says how many rows there are on all pages; 0 beyond the last one."""
    totals = [0]

    def made(*, total: int, **fields: Any) -> T:
        totals.append(total)
        return kind(**fields)

    return records(asked, made), max(totals)
