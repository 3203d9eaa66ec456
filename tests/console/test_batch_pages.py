"""The pages about batches: results in the workspace, what made them, and files that are none."""

from __future__ import annotations

import html
import os
import shlex
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from ground.batch_table import results_table
from ground.console.data import batch_timeline as batch_timeline_module
from ground.console.data import batches
from ground.console.data.batch_timeline import batch_timeline
from ground.console.data.batches import find_batch, results_of
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from ground.errors import DataError
from tests.ground.report.batch_records import write_record
from tests.ground.report.test_batch_page import windows

HOSTILE = "<img src=x onerror=alert(1)>"
GIVEN = ("--model", "my model", "--data", "raw", "--key", "k.pem")


@pytest.fixture
def client(browser: Callable[..., TestClient]) -> TestClient:
    """A viewer."""
    return browser(Role.VIEWER)


@pytest.fixture
def results(settings: ConsoleSettings) -> str:
    """Results of three recordings, one of a hostile name, and the record of their run; their name."""
    path = settings.workspace / "evaluation" / "results.parquet"
    path.parent.mkdir()
    tables = [results_table(name, windows(name, states)) for name, states in (("one", "nnAa"), (HOSTILE, "nx"))]
    pq.write_table(pa.concat_tables(tables), path)
    command = ("ground", "batch", *GIVEN, "--output", "my results.parquet")
    write_record(path, command=command, began="a", ended="b", recordings=2, left_out=(f"{HOSTILE}: broken",))
    return "evaluation/results.parquet"


def test_results_are_listed_with_their_command(client: TestClient, results: str) -> None:
    """And one page tells what is in them."""
    listed = client.get("/batches").text
    assert "--key k.pem --output &#39;my results.parquet&#39;" in listed
    text = client.get(f"/batches/of?{urlencode({'name': results})}").text
    assert "Alarms in 1 of 2 recordings" in text
    assert HOSTILE not in text
    assert "&lt;img src=x onerror=alert(1)&gt;: broken" in text
    for recording, n in (("one", 4), (HOSTILE, 2)):
        asked = urlencode({"name": results, "recording": recording})
        assert len(client.get(f"/batches/windows?{asked}").json()["x"]["values"]) == n
        shown = client.get(f"/batches/of?{asked}").text
        assert "2 in all; seconds since the first window" in shown
        replay = shlex.join(("ground", "replay", "--as-stream", *GIVEN, "--recording", recording))
        assert replay in html.unescape(shown)
    other = client.get(f"/batches/of?{urlencode({'name': results, 'recording': 'none'})}").text
    assert "Score over time: one<" in other


def test_other_files_are_no_results(client: TestClient, settings: ConsoleSettings, results: str) -> None:
    """Tables of other kinds are passed over; what is damaged is told of; nothing outside the workspace is read."""
    pq.write_table(pa.table({"a": [1]}), settings.workspace / "other.parquet")
    (settings.workspace / "half.parquet").write_bytes((settings.workspace / results).read_bytes()[:300])
    listed = client.get("/batches").text
    assert "other.parquet" not in listed
    assert "half.parquet" in listed
    assert "expected a Parquet file" in listed
    for name in ("", "../x.parquet", "/etc/passwd", "half.parquet/..", HOSTILE):
        answer = client.get(f"/batches/of?{urlencode({'name': name})}")
        assert answer.status_code == 422
        assert HOSTILE not in answer.text
    assert "absent" in client.get(f"/batches/windows?{urlencode({'name': results, 'recording': 'none'})}").json()


def test_workspace_without_results_says_how_to_make_some(client: TestClient) -> None:
    """Instead of an empty table."""
    assert "ground batch --output results.parquet" in client.get("/batches").text


def test_old_results_are_counted_and_found(
    client: TestClient, settings: ConsoleSettings, results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workspace with many files costs no more than those that are listed; an address that was kept still works."""
    monkeypatch.setattr(batches, "MOST_FILES", 1)
    newer = settings.workspace / "newer.parquet"
    newer.write_bytes((settings.workspace / results).read_bytes())
    os.utime(settings.workspace / results, ns=(1, 1))
    listed = client.get("/batches").text
    assert "newer.parquet" in listed
    assert results not in listed
    assert "1 older Parquet file is not looked at" in listed
    assert client.get(f"/batches/of?{urlencode({'name': results})}").status_code == 200


def test_results_that_went_away_are_told_of(settings: ConsoleSettings, results: str) -> None:
    """Also between two looks of one page."""
    batch = find_batch(settings.workspace, results)
    batch.path.unlink()
    with pytest.raises(DataError, match="may have been removed"):
        results_of(batch)


@pytest.mark.parametrize("what", ["results", "timeline"])
def test_a_file_is_read_once_however_many_ask(
    settings: ConsoleSettings, results: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A page and the chart on it do so at the same time."""
    batch, reads = find_batch(settings.workspace, results), []
    module, name = {"results": (batches, "read_results"), "timeline": (batch_timeline_module, "windows_of")}[what]
    real = getattr(module, name)

    def slow(*given: object) -> object:
        reads.append(given)
        time.sleep(0.2)
        return real(*given)

    monkeypatch.setattr(module, name, slow)
    ask = {"results": lambda: results_of(batch), "timeline": lambda: batch_timeline(batch, "one")}[what]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ask(), range(8)))
    assert len(reads) == 1
    assert len({id(each) for each in found}) == 1
    os.utime(batch.path, ns=(1, 1))
    ask()
    assert len(reads) == 2
