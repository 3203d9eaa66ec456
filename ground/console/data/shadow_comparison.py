"""What a shadow would have changed, over the days that are looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ground.console.data.fleet_index import FleetIndex
from ground.errors import DataError
from ground.fleet.collect.kinds import Kind

if TYPE_CHECKING:
    from ground.fleet.shadow_report import ShadowReport

NOTHING_SEEN: Final = "No window of this bundle as a shadow is in the days that are looked at."
_TABLE = "read_parquet($files, hive_partitioning = false, union_by_name = true)"


def shadow_comparison(index: FleetIndex, digest: str) -> ShadowReport:
    """Compare a shadow with what decided.

    Args:
        index: The dataset.
        digest: sha256 of the shadow's bundle.

    Raises:
        DataError: It has not looked along, or what there is cannot be compared; the text says why.
    """
    from ground.fleet.shadow_report import Rule, compare

    shadow = _windows(index, Kind.SHADOW, digest)
    if not len(shadow):
        raise DataError(NOTHING_SEEN)
    return compare(_windows(index, Kind.RESULT, ""), shadow, Rule())


def report_bytes(report: ShadowReport) -> bytes:
    """The report as ``ground shadow report --out`` writes it: the evidence of a promotion."""
    return f"{json.dumps(report.document(), indent=1, sort_keys=True)}\n".encode()


def _windows(index: FleetIndex, kind: Kind, digest: str) -> pa.Table:
    """Windows of a kind, each once; with a digest, those of that bundle."""
    import duckdb

    from ground.fleet.collect.rows import WINDOW_KEY
    from ground.fleet.shadow_report import COLUMNS

    files = index.files(kind)
    if not files:
        return pa.table({name: [] for name in COLUMNS})
    query = f"""
        SELECT DISTINCT ON ({", ".join(WINDOW_KEY)}) {", ".join(COLUMNS)} FROM {_TABLE}
        WHERE bundle_digest = $digest OR $digest = ''
    """  # noqa: S608 - names of columns
    try:
        return index.cursor().sql(query, params={"files": files, "digest": digest}).to_arrow_table()
    except duckdb.Error as error:
        raise DataError(f"{kind.value}: expected readable files, got {error!s:.200}; load the page again") from error
