"""The pages about engines and flights: what they show, and how they meet names, gaps and files that are strange."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from ground.console.app import make_app
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from tests.console.conftest import BASE, PASSWORD, log_in
from tests.console.drift_data import drift_message, write_drift
from tests.console.fleet_data import Plan, write_fleet

NAMES = ("OO-ABC", "<script>alert(1)<script>", "Ünïcode ✈ 航空", "n" * 128, "..", "a\"b'c&d", "%2e%2e")
ENGINES = ("1",)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engines of strange names, the last flight of each in alarm; drift of two engines, and one broken file."""
    root = tmp_path_factory.mktemp("engines") / "fleet"
    root.mkdir()
    write_fleet(root, Plan(aircraft=NAMES, engines=ENGINES, flights=4))
    drift = [drift_message(flight, [0.1 * flight, -3.0], aircraft=name) for name in NAMES[:2] for flight in range(3)]
    write_drift(root, drift)
    folder = next((root / "drift").glob("aircraft=OO-ABC/date=*"))
    (folder / "broken.parquet").write_bytes(b"PAR1 half")
    return root


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Iterator[TestClient]:
    """A viewer."""
    app = make_app(ConsoleSettings(workspace=tmp_path_factory.mktemp("workspace"), dataset=dataset))
    app.state.services.accounts.add("viewer", Role.VIEWER, PASSWORD.encode())
    made = TestClient(app, base_url=BASE, follow_redirects=False)
    assert log_in(made, "viewer").status_code == 303
    yield made
    app.state.services.index.close()
    app.state.services.accounts.close()


def about(aircraft: str, **more: str) -> str:
    """The query of an engine."""
    return urlencode({"aircraft": aircraft, "engine": "1", **more})


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_its_pages(client: TestClient, name: str) -> None:
    """Names are shown as they are, and run nothing."""
    for path in (f"/engine?{about(name)}", f"/flight?{about(name, flight='F004')}"):
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        assert "<script>alert" not in answer.text
    assert client.get(f"/engine/scores?{about(name)}").json()["series"][0]["values"][-1] > 1.0
    windows = client.get(f"/flight/windows?{about(name, flight='F004')}").json()
    assert len(windows["x"]["values"]) == 30
    assert [mark["from"] for mark in windows["marks"]] == [160.0]


def test_engine_page_shows_flights_features_and_faults(client: TestClient) -> None:
    """Drift without its bundle has no names; a broken file is told of and costs nothing else."""
    text = client.get(f"/engine?{about('OO-ABC')}").text
    assert text.count("feature ") >= 2
    assert "Names and units are not known" in text
    assert "-3.00 spreads" in text
    assert "outside in 3 of 3 flights" in text
    assert "broken.parquet" in text
    assert '<span class="badge fail">1</span>' in text
    assert f"/flight?{about('OO-ABC', flight='F004')}".replace("&", "&amp;") in text


def test_flight_says_what_was_said(client: TestClient) -> None:
    """Stretch by stretch, with its alert."""
    text = client.get(f"/flight?{about('OO-ABC', flight='F004')}").text
    assert text.count('data-label="State"') == 3
    assert 'href="/alerts/' in text


MISSING = {
    "no engine": ("/engine", 404),
    "unknown engine": (f"/engine?{about('OO-NONE')}", 404),
    "no flight": (f"/flight?{about('OO-ABC')}", 404),
    "unknown flight": (f"/flight?{about('OO-ABC', flight='<i>')}", 404),
    "windows of an unknown flight": (f"/flight/windows?{about('OO-ABC', flight='x')}", 404),
    "scores of an unknown engine": (f"/engine/scores?{about('OO-NONE')}", 200),
    "a page far away": (f"/engine?{about('OO-ABC', page='999999999999999999999')}", 200),
    "no number for a page": (f"/engine?{about('OO-ABC', page='-1')}", 200),
    "a phase that is none": (f"/engine?{about('OO-ABC', phase='<i>')}", 200),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_not_there_is_said(client: TestClient, name: str) -> None:
    """With a page of the console, or a figure that says so."""
    path, status = MISSING[name]
    answer = client.get(path)
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert "<i>" not in answer.text


def test_only_who_is_logged_in_sees_them(client: TestClient) -> None:
    """Each of the routes."""
    stranger = TestClient(client.app, base_url=BASE, follow_redirects=False)
    for path in ("/engine", "/engine/scores", "/flight", "/flight/windows", "/bundles", "/batches", "/batches/of"):
        assert stranger.get(path).headers["location"].startswith("/login?next=")
