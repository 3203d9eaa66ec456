"""The tables of the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ground.errors import DataError
from ground.report.table import closing_table, gates_table


def shown(table):
    """The table as a terminal of 80 columns shows it."""
    sink = io.StringIO()
    Console(file=sink, width=80, color_system=None).print(table)
    return sink.getvalue().replace("\u00a0", " ")


def test_gates_stand_with_verdicts_and_the_auc_of_plain_rms(run_evidence):
    """Every gate, every verdict, the release class, and what a level meter would reach."""
    text = shown(gates_table(run_evidence))
    for gate in run_evidence.gates:
        assert gate.verdict in text
    assert f"{run_evidence.verdict.verdict}: " in text
    assert "…" not in text
    assert all(
        any(gate.verdict in line and f"{gate.limit:g}" in line for line in text.splitlines())
        for gate in run_evidence.gates
    )
    rms = run_evidence.evidence.contenders[-1].windows.auc
    assert f"plain RMS {rms:.3f}" in text


def test_closing_table_counts_the_stream(streamed):
    """Delays of what was found, what was not, the silent sensor, and latencies against the budget."""
    text = shown(closing_table(streamed))
    assert "faulty flights found" in text
    assert "2 of 4" in text
    assert "not found, not found" in text
    assert "sensor flatline" in text
    assert "budget 50 ms" in text
    assert "an hour" in text


def test_closing_table_without_a_stream_names_the_file(evaluated):
    """A clear error, no traceback of a library."""
    with pytest.raises(DataError, match=r"stream\.parquet: expected"):
        closing_table(evaluated)
