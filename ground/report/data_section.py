"""The part of the page about the data: what preprocessing found and did, and how the windows were dealt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ground.evidence import Evidence
from ground.report import words
from ground.report.view import Column, Grid, Section

_TOTALS = (
    ("n_samples", "samples a channel"),
    ("n_gaps", "gaps"),
    ("missing_samples", "missing or infinite values"),
    ("n_records", "records"),
    ("missing_records", "records not assessed because of them"),
    ("not_assessed_records", "records not assessed, because a sensor cannot be believed, these included"),
    ("judged_records", "healthy records judged for outliers"),
    ("excluded_records", "outlier records left out of the fit"),
    ("level_change_records", "records kept, because the level changed for long"),
    ("spared_records", "records kept, because too many stood out"),
)


def data_section(evidence: Evidence, report: Path) -> Section:
    """The section.

    Args:
        evidence: How the windows were dealt.
        report: ``data/interim/report.json``; the section does without where it is absent.
    """
    return Section(
        key="data",
        title="Data",
        sentences=(
            (
                "Samples are never changed, filled or filtered, since the agent on board gets raw samples, too: "
                "preprocessing checks, cuts at gaps and marks."
            ),
        ),
        grids=(_found(report), _roles(evidence)),
    )


def _roles(evidence: Evidence) -> Grid:
    names = ("role", "groups", "recordings", "windows that can be assessed")
    return Grid(
        tuple(Column(name, numeric=name != "role") for name in names),
        tuple(
            (words.spaced(role.role), f"{role.groups:,}", f"{role.recordings:,}", f"{role.windows:,}")
            for role in evidence.roles
        ),
        f"Dealt {words.spaced(evidence.split_strategy)}; no group, stretch of time or window is in two roles, which "
        "is checked."
        if evidence.roles
        else "",
    )


def _found(path: Path) -> Grid:
    columns = (Column("preprocessing"), Column("count", numeric=True))
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Grid(columns, (), "There is no preprocessing report in this workspace.")
    except (OSError, ValueError):
        return Grid(columns, (), "The preprocessing report cannot be read: preprocess again.")
    recordings = _rows(document, "recordings")
    checks = _rows(document, "checks")
    counted = [
        ("recordings", f"{len(recordings):,}"),
        *((title, f"{_total(recordings, name):,}") for name, title in _TOTALS),
        *((f"contract checks {name}", f"{_outcomes(checks, name):,}") for name in ("passed", "failed")),
    ]
    contract = _contract(document)
    note = (
        f"Contract {contract.get('name', '')} {contract.get('version', '')}, sha256 "
        f"{words.digest(str(contract.get('sha256', '')))}."
    )
    return Grid(columns, tuple(counted), note)


def _contract(document: Any) -> dict[str, Any]:
    found = document.get("contract") if isinstance(document, dict) else {}
    return found if isinstance(found, dict) else {}


def _rows(document: Any, name: str) -> list[dict[str, Any]]:
    found = document.get(name, []) if isinstance(document, dict) else []
    return [row for row in found if isinstance(row, dict)]


def _total(rows: list[dict[str, Any]], name: str) -> int:
    return sum(value for row in rows if isinstance(value := row.get(name, 0), int))


def _outcomes(checks: list[dict[str, Any]], name: str) -> int:
    return sum(len(check.get(name, [])) for check in checks)
