"""The part of the page about phases and faults: where the shipped detector detects and where it does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ground.breakdown import ALL, NO_FAULT, BreakdownRow
from ground.evidence import Evidence
from ground.report import words
from ground.report.answers import Flight
from ground.report.view import Column, Grid, Matrix, MatrixCell, MatrixRow, Section

_NOTE = (
    "Each cell: mean over the observations of the share of windows in alarm; its bounds, each one-sided at the "
    "confidence of the gates; n observations / windows. AUC is against the healthy windows of all phases."
)


def breakdown_section(evidence: Evidence, flights: Sequence[Flight]) -> Section:
    """The section.

    Args:
        evidence: Holds the table.
        flights: Give the order in which phases follow each other.
    """
    return Section(
        key="breakdown",
        title="By phase and fault",
        nav="Phases and faults",
        sentences=(
            (
                "Share of windows in alarm: the false-alarm rate in the first row, which should be pale, and the "
                "recall in all others, which should be strong."
            ),
        ),
        matrices=(_matrix(evidence, phase_order(flights)),),
        grids=(_sensor_grid(evidence),),
    )


def phase_order(flights: Sequence[Flight]) -> tuple[str, ...]:
    """Phases by when flights first enter them, the median flight."""
    first_ns: dict[str, list[int]] = {}
    for flight in flights:
        names, index = np.unique(flight.phase.astype(str), return_index=True)
        for name, row in zip(names, index, strict=True):
            first_ns.setdefault(str(name), []).append(int(flight.start_ns[row] - flight.start_ns[0]))
    return tuple(sorted(first_ns, key=lambda name: float(np.median(first_ns[name]))))


def _matrix(evidence: Evidence, order: tuple[str, ...]) -> Matrix:
    rows = {(row.phase, row.fault_type): row for row in evidence.breakdown}
    found = {phase for phase, _ in rows}
    phases = [phase for phase in (ALL, *order, *sorted(found - {ALL, *order})) if phase in found]
    faults = dict.fromkeys(fault for _, fault in rows)
    shown = phases if len(phases) > 2 else phases[:1]  # noqa: PLR2004 - with one phase, all is that phase
    return Matrix(
        columns=("fault", "AUC", *("all phases" if phase == ALL else words.spaced(phase) for phase in shown)),
        rows=tuple(_matrix_row(fault, rows, shown) for fault in faults),
        note=_NOTE,
    )


def _matrix_row(fault: str, rows: dict[tuple[str, str], BreakdownRow], phases: list[str]) -> MatrixRow:
    pooled = [row for (phase, kind), row in rows.items() if (phase, kind) == (ALL, fault)]
    auc = words.score(pooled[0].auc) if pooled and fault != NO_FAULT else ""
    return MatrixRow(
        name="all faults" if fault == ALL else words.spaced(fault),
        auc=auc,
        is_healthy=fault == NO_FAULT,
        cells=tuple(_cell(rows[phase, fault]) if (phase, fault) in rows else MatrixCell() for phase in phases),
    )


def _cell(row: BreakdownRow) -> MatrixCell:
    percent = 100.0 * row.alarmed_share
    return MatrixCell(
        value=f"{percent:.0f} %",
        bounds=f"{100.0 * row.bounds.lower:.0f} to {100.0 * row.bounds.upper:.0f} %",
        n=f"n {row.groups:,} / {row.windows:,}",
        percent=round(percent, 1),
    )


def _sensor_grid(evidence: Evidence) -> Grid:
    columns = (
        Column("sensor fault"), Column("flights", numeric=True), Column("windows", numeric=True),
        Column("not assessed", numeric=True), Column("mostly because of"), Column("alarms", numeric=True),
    )  # fmt: skip
    rows = tuple(
        (
            words.fault_name(row.fault_type),
            f"{row.flights:,}",
            f"{row.windows:,}",
            words.share(row.not_assessed),
            words.reason_name(row.reasons[0][0]) if row.reasons else words.NOTHING,
            f"{row.alarms:,}",
        )
        for row in evidence.sensor_faults
    )
    note = (
        "Flights with a faulty sensor count in no metric above; healthy time before the sensor fails is among the "
        "windows."
    )
    return Grid(columns, rows, note if rows else "")
