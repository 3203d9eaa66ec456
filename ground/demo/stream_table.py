"""What the agent published, as a table: each result with its latencies and with what the ground knows of the window."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from edge_agent.assessment import encode_assessment
from edge_agent.result import Result

_TRUTH = ("label", "fault_type", "role")
UNLABELLED = -1


def stream_table(results: Sequence[Result], windows: pd.DataFrame) -> pd.DataFrame:
    """One row a result, in the order of arrival.

    Args:
        results: Decoded results.
        windows: The processed table; label, fault type and role are joined by flight and start. Results over spans that
            have no row there (gaps, for instance) are unlabelled.
    """
    table = pd.DataFrame([_row(result) for result in results])
    truth = windows[["flight", "start_ns", *_TRUTH]].drop_duplicates(["flight", "start_ns"])
    joined = table.merge(truth, how="left", on=["flight", "start_ns"])
    joined["label"] = joined["label"].fillna(UNLABELLED).astype(np.int8)
    for name in ("fault_type", "role"):
        joined[name] = joined[name].astype(object).fillna("").astype(str)
    return joined


def _row(result: Result) -> dict[str, object]:
    plain = asdict(result.assessment)
    plain["contributions"] = json.dumps([[part.feature, part.share] for part in result.assessment.contributions])
    latency = result.runtime.latency_ms
    return {
        **plain,
        "assessment": encode_assessment(result.assessment),
        "queue_ms": latency.queue,
        "decode_ms": latency.decode,
        "detect_ms": latency.detect,
        "total_ms": latency.total,
        "deadline_missed": result.runtime.deadline_missed,
    }
