"""The page about a batch: true to the results, whole, and clear where something is missing or strange."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from edge_agent.assessment import Assessment, Contribution
from ground.batch_record import UNKNOWN, batch_command, read_record, record_path
from ground.batch_table import results_table
from ground.cli import app
from ground.errors import DataError
from ground.report import batch_page, batch_results
from ground.report.batch_page import NOT_KNOWN, make_batch_page, write_batch_page
from ground.report.batch_results import read_results, windows_of
from ground.report.pdf import BROWSERS, PrintingError, find_browser, print_pdf
from tests.ground.report.batch_records import write_record

S = 10**9
BEGIN_NS = 1_790_000_000 * S
WHEN = {"began": "2026-11-28T20:00:00+00:00", "ended": "2026-11-28T20:01:00+00:00"}
HOSTILE = '<script>alert("x")</script>'


def windows(name: str, states: str, *, flight: str = "F1") -> list[Assessment]:
    """Windows of a recording: n(ormal), w(arning), A(larm begins), a(larm), x (not assessed)."""
    kinds = {"n": "normal", "w": "warning", "A": "alarm", "a": "alarm", "x": "not_assessed"}
    return [
        Assessment(
            aircraft="OO-ABC", engine=name, flight=flight, phase="cruise", seq=seq, start_ns=BEGIN_NS + seq * S,
            end_ns=BEGIN_NS + (seq + 4) * S, state=kinds[letter], reason="gap" if letter == "x" else "",
            event="raised" if letter == "A" else "", score={"x": 0.0, "n": 1.0}.get(letter, 6.0),
            threshold=0.0 if letter == "x" else 2.0, contributions=(Contribution("acc_1.band_1500_2100_hz", 0.6),),
            bundle_id="d/1.0.0", bundle_digest="ab" * 32, spec_digest="cd" * 32,
        )
        for seq, letter in enumerate(states)
    ]  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes results of recordings, given as name and states."""

    def write_results(**recordings: str) -> Path:
        path = tmp_path / "results.parquet"
        tables = [results_table(name, windows(name, states)) for name, states in recordings.items()]
        with pq.ParquetWriter(path, tables[0].schema) as writer:
            for table in tables:
                writer.write_table(table)
        return path

    return write_results


@pytest.mark.parametrize("rows_at_once", [1, 3, 100])
def test_counts_are_those_of_the_rows(write, monkeypatch: pytest.MonkeyPatch, rows_at_once: int) -> None:
    """However the file is cut into pieces."""
    monkeypatch.setattr(batch_results, "_ROWS_AT_ONCE", rows_at_once)
    found = read_results(write(one="nnxwA", two="xx", three="aaAan"))
    assert [
        (each.recording_id, each.windows, each.assessed, each.alarms, each.raised) for each in found.recordings
    ] == [
        ("one", 5, 4, 1, 1),
        ("two", 2, 0, 0, 0),
        ("three", 5, 5, 4, 1),
    ]
    assert [each.highest for each in found.recordings if each.assessed] == [3.0, 3.0]
    assert math.isnan(found.recordings[1].highest)
    assert (found.windows, found.assessed, found.raised, found.alarmed) == (12, 9, 2, 2)
    assert found.reasons == {"gap": 3}
    assert found.bundles == (("d/1.0.0", "ab" * 32),)
    assert [(each.engine, each.end_ns) for each in found.alerts] == [
        ("OO-ABC/one", BEGIN_NS + 8 * S),
        ("OO-ABC/three", BEGIN_NS + 6 * S),
    ]
    assert windows_of(found.path, ["two"])["recording_id"].to_pylist() == ["two", "two"]


def test_alerts_beyond_the_most_are_counted(write, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not lost silently: the page says how many there are in all."""
    monkeypatch.setattr(batch_results, "MOST_ALERTS", 2)
    results = read_results(write(one="AAAAA"))
    assert (len(results.alerts), results.raised) == (2, 5)
    sections = {section.key: section for section in make_batch_page(results, UNKNOWN).sections}
    assert sections["alerts"].grids[0].note == "3 further alerts in the file."


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "expected the Parquet file of `ground batch`"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "expected the Parquet file of `ground batch`"),
    "another file": (lambda path: path.write_text("recording_id\n"), "expected the Parquet file of `ground batch`"),
    "half-written": (
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        "expected the Parquet file of `ground batch`",
    ),
    "another table": (
        lambda path: pq.write_table(pq.read_table(path).drop_columns(["state"]), path),
        "got no column state",
    ),
    "no rows": (lambda path: pq.write_table(pq.read_table(path).slice(0, 0), path), "expected results, got no rows"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_results_are_refused_by_name(write, tmp_path: Path, name: str) -> None:
    """And no page is written."""
    path = write(one="nn")
    change, text = BAD[name]
    change(path)
    with pytest.raises(DataError, match=text):
        write_batch_page(path, out=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_record_belongs_to_its_results(write) -> None:
    """A record of another run is none; a damaged one is told of."""
    path = write(one="nA")
    command = batch_command(Path("m"), Path("d"), path, (Path("k"),), None)
    write_record(path, command=command, **WHEN, recordings=1, left_out=("two: broken",))
    kept = read_record(path)
    assert kept.command == ("ground", "batch", "--model", "m", "--data", "d", "--output", str(path), "--key", "k")
    assert (kept.recordings, kept.left_out) == (1, ("two: broken",))
    write(one="nAn")
    assert read_record(path) == UNKNOWN
    for text in ("{}", "[1]", "no JSON", json.dumps({"schema": 2}), ""):
        record_path(path).write_text(text)
        with pytest.raises(DataError, match="expected the record of a batch"):
            read_record(path)


def test_page_says_what_made_it_and_escapes_names(write, tmp_path: Path) -> None:
    """A hostile name stays text, here and in every figure."""
    path = write(**{HOSTILE: "nnA", "quiet": "xx"})
    unknown = write_batch_page(path, out=tmp_path / "page.html").read_text()
    assert NOT_KNOWN in unknown
    write_record(path, command=("ground", "batch", HOSTILE), **WHEN, recordings=2, left_out=(HOSTILE,))
    text = write_batch_page(path, out=tmp_path / "page.html").read_text()
    assert "<script" not in text
    assert "ground batch &#39;&lt;script&gt;" in text
    assert "Alarms in 1 of 2 recordings" in text
    assert "power from 1,500 to 2,100 Hz of acc_1 (60.0\u00a0%)" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_long_lists_are_cut_and_counted(write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The strangest recordings come first; the rest is told of."""
    monkeypatch.setattr(batch_page, "LISTED", 4)
    monkeypatch.setattr(batch_page, "DRAWN", 2)
    names = {f"r{number}": "n" for number in range(9)}
    page = make_batch_page(read_results(write(**names, last="A")), UNKNOWN)
    grid = {section.key: section for section in page.sections}["recordings"].grids[0]
    assert grid.rows[0][0] == "last"
    assert len(grid.rows) == 4
    assert grid.note.startswith("6 further recordings")


def test_command_writes_the_page_beside_the_results(write, tmp_path: Path) -> None:
    """`ground report results.parquet`."""
    path = write(one="nA")
    told = CliRunner().invoke(app, ["report", str(path)])
    assert told.exit_code == 0, told.output
    assert (tmp_path / "results.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("out", ["results.parquet", "page.pdf", "page"])
def test_command_replaces_nothing_that_it_read(write, tmp_path: Path, out: str) -> None:
    """Neither the results, hours of work, nor the page by its own PDF."""
    path = write(one="nA")
    before = path.read_bytes()
    told = CliRunner().invoke(app, ["report", str(path), "--out", str(tmp_path / out)])
    assert "expected a file ending in .html" in str(told.exception)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


NO_BROWSER = pytest.mark.skipif(
    not any(map(shutil.which, BROWSERS)), reason="no chromium on the path; apt-get install chromium"
)


def test_without_a_browser_there_is_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not a traceback."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrintingError, match=f"expected {BROWSERS[0]}.*got none; install it"):
        find_browser()


def test_browser_that_prints_nothing_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What it said stands in the error, and no file is left."""
    fake = tmp_path / BROWSERS[0]
    fake.write_text("#!/bin/sh\necho cannot open display >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "page.html").write_text("<p>x</p>")
    with pytest.raises(PrintingError, match="cannot open display"):
        print_pdf(tmp_path / "page.html", tmp_path / "page.pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == [BROWSERS[0], "page.html"]


@NO_BROWSER
def test_page_prints(write, tmp_path: Path) -> None:
    """A real Chromium makes a PDF of it."""
    page = write_batch_page(write(one="nnA"), out=tmp_path / "page.html")
    content = print_pdf(page, tmp_path / "page.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in content
