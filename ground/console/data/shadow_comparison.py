"""What a shadow would have changed, over the days that are looked at."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa

from ground.console.data.fleet_index import FleetIndex
from ground.console.data.kept import Kept
from ground.console.data.records import records
from ground.errors import DataError
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.rows import WINDOW_KEY
from ground.fleet.flight_ends import FlightEnd
from ground.fleet.shadow_report import COLUMNS, Rule, compare

if TYPE_CHECKING:
    from ground.fleet.shadow_report import ShadowReport

NOTHING_SEEN: Final = "No window of this bundle as a shadow is in the days that are looked at."
_MOST_KEPT: Final = 8
_KEY = ", ".join(WINDOW_KEY)
_COLUMNS = ", ".join(COLUMNS)
_HOLDING = """
SELECT DISTINCT filename FROM read_parquet($shadows, hive_partitioning = false, filename = true)
WHERE bundle_digest = $digest
"""
_SHADOW = f"""
SELECT DISTINCT ON ({_KEY}) {_COLUMNS} FROM read_parquet($shadows, hive_partitioning = false)
WHERE bundle_digest = $digest
"""  # noqa: S608 - names of columns
_ACTIVE = f"""
SELECT DISTINCT ON ({_KEY}) {_COLUMNS} FROM read_parquet($results, hive_partitioning = false)
SEMI JOIN (
    SELECT aircraft, engine, flight FROM read_parquet($shadows, hive_partitioning = false)
    WHERE bundle_digest = $digest
) USING (aircraft, engine, flight)
"""  # noqa: S608 - names of columns
_ENDS = "SELECT run, aircraft, engine, flight, windows FROM flights"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a report is made of: a digest, and the files that tell of its windows, the active ones, and flights."""

    digest: str
    shadows: tuple[str, ...]
    results: tuple[str, ...]
    flights: tuple[str, ...]


class ShadowComparisons:
    """Compares shadows with what decided; safe to ask from any thread.

    A report reads windows of many days, so that one is made at a time, and kept until a file comes or goes.

    Args:
        index: The dataset.
    """

    def __init__(self, index: FleetIndex) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._kept: Kept[_Seen, ShadowReport] = Kept(_MOST_KEPT)

    def report(self, digest: str) -> ShadowReport:
        """Compare a shadow.

        Args:
            digest: sha256 of the shadow's bundle.

        Raises:
            DataError: It has not looked along, or what there is cannot be compared; the text says why.
        """
        seen = self._seen(digest)
        return self._kept.of(seen, lambda: self._compared(seen))

    def _seen(self, digest: str) -> _Seen:
        shadows = tuple(self._holding(digest))
        if not shadows:
            raise DataError(NOTHING_SEEN)
        days = {(path.parent.parent.name, day) for path in map(Path, shadows) for day in _days_about(path)}
        results = (
            path for path in self._index.files(Kind.RESULT)
            if (Path(path).parent.parent.name, Path(path).parent.name) in days
        )  # fmt: skip
        return _Seen(digest, shadows, tuple(results), tuple(self._index.files(Kind.FLIGHT)))

    def _holding(self, digest: str) -> list[str]:
        """The files in which windows of the shadow lie."""
        files = self._index.files(Kind.SHADOW)
        if not files:
            return []
        return sorted(self._asked(_HOLDING, shadows=files, digest=digest)["filename"].to_pylist())

    def _compared(self, seen: _Seen) -> ShadowReport:
        if not seen.results:
            raise DataError(NOTHING_SEEN)
        given: dict[str, str | list[str]] = {"shadows": list(seen.shadows), "digest": seen.digest}
        with self._index.cursor() as cursor:
            ends = records(cursor.execute(_ENDS), FlightEnd)
        with self._lock:
            shadow = self._asked(_SHADOW, **given)
            active = self._asked(_ACTIVE, results=list(seen.results), **given)
            return compare(active, shadow, Rule(), ends=ends)

    def _asked(self, query: str, **given: str | list[str]) -> pa.Table:
        try:
            with self._index.cursor() as cursor:
                return cursor.sql(query, params=given).to_arrow_table()
        except duckdb.OutOfMemoryException as error:
            raise DataError(
                "shadow: expected room for the windows of these days, got too little memory; look at fewer (--days)"
            ) from error
        except duckdb.Error as error:
            raise DataError(f"shadow: expected readable files, got {error!s:.200}; load the page again") from error


def report_bytes(report: ShadowReport) -> bytes:
    """The report as ``ground shadow report --out`` writes it: the evidence of a promotion."""
    return f"{json.dumps(report.document(), indent=1, sort_keys=True)}\n".encode()


def _days_about(path: Path) -> tuple[str, ...]:
    """The folder of a file's day, and those of the days beside it: a flight may cross midnight."""
    key, _, day = path.parent.name.partition("=")
    try:
        found = date.fromisoformat(day)
        return tuple(f"{key}={found + timedelta(days=step)}" for step in (-1, 0, 1))
    except (ValueError, OverflowError):
        return (path.parent.name,)
