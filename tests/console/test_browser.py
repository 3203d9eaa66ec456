"""The console in a real Chromium: the pages work with their scripts and their content policy, and keep nobody out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from ground.fleet.retrain.flown import read_flown
from ground.fleet.retrain.selection import select
from ground.fleet.verdicts import VERDICTS_FILE, open_verdicts
from ground.recording_index import parse_row
from tests.console.fleet_data import Plan, write_fleet
from tests.console.web import NARROW, WIDE, Visit, chromium, needs_chromium, served, visiting

pytestmark = needs_chromium
ENGINE = "/engine?aircraft=OO-ABC&engine=1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fleet: flight F004 of both engines has an alert."""
    folder = tmp_path_factory.mktemp("served") / "fleet"
    folder.mkdir()
    write_fleet(folder, Plan(aircraft=("OO-ABC",), flights=4))
    return folder


@pytest.fixture(scope="module")
def base(dataset: Path) -> Iterator[str]:
    """A console over it."""
    with served(ConsoleSettings(workspace=dataset.parent, dataset=dataset)) as address:
        yield address


@pytest.fixture
def visit(browser: Any, base: str) -> Iterator[Visit]:
    """An engineer at a desk, who ends without a complaint of the browser."""
    with visiting(browser, base, viewport=WIDE) as made:
        made.log_in(Role.ENGINEER)
        yield made
        assert made.complaints == []


def test_pages_draw_under_their_policy(visit: Visit) -> None:
    """Scripts run, figures are drawn, nothing is refused, and axe finds nothing."""
    found = []
    for path in ("/", ENGINE, f"{ENGINE}&flight=F004".replace("/engine", "/flight"), "/bundles", "/batches"):
        visit.open(path)
        found += visit.violations()
    assert found == []
    visit.open(ENGINE)
    assert visit.page.locator(".plot canvas").count() == 1


def test_phone_shows_pages_without_scrolling_sideways(browser: Any, base: str) -> None:
    """At 375 px, tables become lists."""
    with visiting(browser, base, viewport=NARROW, scheme="dark") as visit:
        visit.log_in(Role.VIEWER)
        for path in ("/", ENGINE, "/alerts"):
            visit.open(path)
            assert visit.overflow_px() <= 0, path
        assert visit.violations() == []


def selected(dataset: Path) -> dict[str, str]:
    """What retraining does with flight F004 of each engine, were it labelled healthy."""
    row = {
        "file": "f.parquet",
        "unit_id": "u",
        "sampling_rate_hz": "1",
        "channels": "a",
        "signal_units": "g",
        "label": "healthy",
    }
    named = (
        {**row, "recording_id": name, "aircraft": "OO-ABC", "engine": name, "flight": "F004"} for name in ("1", "2")
    )
    infos = [parse_row(each, dataset) for each in named]
    flown = read_flown(dataset, ["OO-ABC"])
    verdicts = open_verdicts(dataset / VERDICTS_FILE).for_flights(flown.flights)
    chosen = select(infos, flown.flights, verdicts, left_out=())
    return {each.recording_id: each.reason.value for each in chosen.choices}


def test_verdict_reaches_retraining(visit: Visit, dataset: Path) -> None:
    """From the fleet to the alert, a word on it, and the next training takes the flight or leaves it."""
    assert selected(dataset) == {"1": "alarmed", "2": "alarmed"}
    for engine, button in (("1", "False alarm"), ("2", "Confirm")):
        visit.open("/")
        visit.page.locator(f"a[href='/alerts?aircraft=OO-ABC&engine={engine}']").click()
        visit.page.locator("main table a[href^='/alerts/']").first.click()
        visit.page.get_by_label("Why").fill("looked at <the> mounting & found it loose")
        visit.page.get_by_role("button", name=button, exact=True).click()
        said = visit.page.locator("ol.history li").first
        said.wait_for()
        assert "looked at <the> mounting & found it loose" in said.inner_text()
    assert selected(dataset) == {"1": "false_alarm", "2": "confirmed"}
    visit.open("/alerts")
    assert visit.page.locator("main table a[href^='/alerts/']").count() == 0
