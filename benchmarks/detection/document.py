"""The JSON of a run; docs/reference/detection-benchmark.md describes it."""

from __future__ import annotations

import json
import math
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.detection.numbers import Result
from benchmarks.detection.roster import Effort
from benchmarks.detection.run import PROMISE, Findings
from benchmarks.detection.targets import Target

SCHEMA = 1

_PACKAGES = ("numpy", "torch", "scikit-learn", "pyod")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is told of a run.

    Attributes:
        findings: What was found.
        results: Its rows, with verdicts.
        targets: What became of the targets.
        effort: How much was done.
    """

    findings: Findings
    results: tuple[Result, ...]
    targets: tuple[Target, ...]
    effort: Effort


def document_of(report: Report) -> dict[str, Any]:
    """The report as plain JSON types; a number that the data do not define is null."""
    return {
        "schema": SCHEMA,
        "benchmark": "detection",
        "mode": report.effort.mode,
        "left_away": list(report.effort.left_away),
        "declared": {
            "false_alarm_rate": PROMISE.false_alarm_rate,
            "confidence": PROMISE.confidence,
            "per": "assessed healthy window in the final alarm state",
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "rigs": [_plain(asdict(rig)) for rig in report.findings.rigs],
        "results": [_plain(asdict(row)) for row in report.results],
        "targets": [_plain(asdict(target)) for target in report.targets],
    }


def json_bytes(report: Report) -> bytes:
    """The JSON, one row of a list a line: two runs are told apart by ``diff``."""
    document = document_of(report)
    parts = []
    for name, value in document.items():
        if isinstance(value, list) and value:
            lines = ",\n  ".join(json.dumps(item, allow_nan=False) for item in value)
            parts.append(f' "{name}": [\n  {lines}\n ]')
        else:
            parts.append(f' "{name}": {json.dumps(value, allow_nan=False)}')
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode("ascii")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
