"""The tables that the console keeps in memory: what pages ask for most, made of the dataset's files.

Each row knows its ``file``, so that it goes when the file goes. Messages that came twice are in their table twice;
``ground.console.data.derived`` leaves the copies out.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from ground.fleet.collect.rows import CONTRIBUTIONS

_TEXT, _INT, _FLOAT, _FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()


def _schema(
    *, texts: str, numbers: str = "", floats: str = "", more: tuple[tuple[str, pa.DataType], ...] = ()
) -> pa.Schema:
    return pa.schema(
        [
            ("file", pa.int64()),
            *[(name, _TEXT) for name in texts.split()],
            *[(name, _INT) for name in numbers.split()],
            *[(name, _FLOAT) for name in floats.split()],
            *more,
        ]
    )


ALERT: Final = _schema(
    texts="alert_id evidence_id run agent aircraft engine flight phase event bundle_id bundle_digest spec_digest clock",
    numbers="seq start_ns end_ns",
    floats="score threshold",
    more=(("contributions", CONTRIBUTIONS),),
)
"""Alarms that began (``raised``) and ended (``cleared``)."""
LATEST: Final = _schema(
    texts="aircraft engine flight phase state reason agent bundle_id bundle_digest",
    numbers="end_ns",
    floats="score threshold",
)
"""The last window of each engine in each file of results."""
FLIGHT: Final = _schema(
    texts="aircraft engine flight agent run ended bundle_id bundle_digest",
    numbers="first_ns last_ns windows assessed raised cleared",
    floats="p50 p90 p99 highest",
)
"""Summaries of flights; the quantiles are of score over threshold."""
EVIDENCE: Final = _schema(texts="evidence_id agent", numbers="n_byte")
"""Waveforms that agents have announced."""
AGREEMENT: Final = _schema(
    texts="aircraft engine flight shadow_id shadow_digest",
    numbers="to_ns both_normal both_alarm only_active only_shadow",
)
"""How far shadows agree."""
STATUS: Final = _schema(
    texts="agent run state health reasons bundle_id shadow_state",
    numbers="heard_ns",
    floats="status_interval_s",
    more=(("is_will", _FLAG),),
)
"""What agents say of themselves: the last word in a file, and beside it the will, which the broker sends for them."""
VERDICT: Final = pa.schema(
    [("alert_id", _TEXT), ("verdict", _TEXT), ("said_by", _TEXT), ("at_ns", _INT), ("note", _TEXT)]
)
"""What people say of alerts: the last word on each."""

TABLES: Final = {
    "alert": ALERT,
    "latest": LATEST,
    "flight": FLIGHT,
    "evidence": EVIDENCE,
    "agreement": AGREEMENT,
    "status": STATUS,
    "verdict": VERDICT,
}
