"""The console in a real Chromium: the pages work with their scripts and their content policy, and keep nobody out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ground.console.data.timeline import timeline_of
from ground.console.figures.chart import window_plot
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from ground.fleet.retrain.flown import read_flown
from ground.fleet.retrain.selection import select
from ground.fleet.verdicts import VERDICTS_FILE, open_verdicts
from ground.recording_index import parse_row
from tests.console.fleet_data import Plan, write_fleet
from tests.console.test_engine_data import window
from tests.console.web import NARROW, WIDE, Visit, chromium, needs_chromium, served, visiting

pytestmark = needs_chromium
ENGINE = "/engine?aircraft=OO-ABC&engine=1"
_ASK = "() => document.body.dispatchEvent(new CustomEvent('changed'))"


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


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A dataset of more alerts than fit on a page, and the address of its console."""
    engines = tuple(map(str, range(60)))
    write_fleet(tmp_path, Plan(aircraft=("OO-OLD",), engines=engines, flights=1, windows=8, alerts=1))
    with served(ConsoleSettings(workspace=tmp_path, dataset=tmp_path)) as address:
        yield tmp_path, address


def test_news_reach_an_open_page(browser: Any, growing: tuple[Path, str]) -> None:
    """A collector writes, the list has it, and what leads on from there are whole pages; a fault costs no list."""
    dataset, base = growing
    with visiting(browser, base, viewport=WIDE) as visit:
        visit.log_in(Role.VIEWER)
        visit.open("/alerts?verdict=all")
        page = visit.page
        page.get_by_text("Updates itself.").wait_for()
        page.route("**/alerts/part**", lambda route: route.fulfill(status=500, body="<main><h1>Failed</h1></main>"))
        page.evaluate(_ASK)
        page.get_by_text("Could not be updated; trying again.").wait_for()
        assert page.locator("#alerts tr[id^=alert-]").count() == 50
        page.unroute("**/alerts/part**")
        write_fleet(dataset, Plan(aircraft=("OO-NEW",), engines=("1",), flights=2, windows=8, alerts=1), name="test-2")
        page.locator("#alerts tr[id^=alert-]").first.get_by_text("OO-NEW / 1").wait_for()
        page.get_by_text("Updates itself.").wait_for()
        page.get_by_role("link", name="Next").click()
        page.wait_for_url(re.compile(r"/alerts\?.*page=2$"))
        assert page.get_by_role("navigation", name="Pages").is_visible()
        assert page.locator("h1").inner_text() == "Alerts"
        page.route("**/figures", lambda route: route.fulfill(status=500, body="<h1>Failed</h1>"))
        page.locator("#alerts th a").first.click()
        page.get_by_text("This could not be loaded; load the page again.").wait_for()
        assert page.get_by_role("link", name="Show what the samples say").is_visible()


_SEEN = """(state) => {
  Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_COUNT_SOURCES = """
window.sources = [];
window.EventSource = class extends EventSource {
  constructor(...given) { super(...given); window.sources.push(this); }
};
"""
_STATES = "() => window.sources.map((source) => source.readyState)"


def test_only_pages_that_are_seen_and_update_themselves_listen(visit: Visit) -> None:
    """A browser has six connections to a host: tabs in the background must not hold them."""
    page = visit.page
    page.add_init_script(_COUNT_SOURCES)
    visit.open(ENGINE)
    assert page.evaluate(_STATES) == []
    visit.open("/")
    page.get_by_text("Updates itself.").wait_for()
    assert page.evaluate(_STATES) == [1]
    page.evaluate(_SEEN, "hidden")
    assert page.evaluate(_STATES) == [2]
    with page.expect_response("**/fleet/part**"):
        page.evaluate(_SEEN, "visible")
    assert page.evaluate(_STATES) == [2, 1]


_COUNT_OBSERVERS = """
window.observing = 0;
window.ResizeObserver = class extends ResizeObserver {
  observe(...given) { super.observe(...given); window.observing += 1; }
  disconnect() { super.disconnect(); window.observing -= 1; }
};
"""


def test_figures_are_drawn_anew_in_other_colours(visit: Visit) -> None:
    """And what drew them before is gone."""
    visit.page.add_init_script(_COUNT_OBSERVERS)
    visit.open(ENGINE)
    for scheme in ("dark", "light"):
        visit.page.emulate_media(color_scheme=scheme)
        visit.page.wait_for_function("() => document.querySelectorAll('.plot canvas').length === 1")
        assert visit.page.evaluate("() => window.observing") == 1


def test_a_legend_tells_what_is_under_the_cursor(visit: Visit) -> None:
    """And nothing, not two dashes, where no cursor is."""
    visit.open(ENGINE)
    legend = visit.page.locator(".plot .u-legend")
    legend.wait_for()
    values = legend.locator(".u-value")
    assert set(values.all_inner_texts()) == {""}
    visit.page.locator(".plot .u-over").hover()
    assert all(re.fullmatch(r"\d[\d.:e -]*", text) for text in values.all_inner_texts() if text)
    assert any(values.all_inner_texts())


_DRAWN = """(styles) => {
  const canvas = document.querySelector(".plot canvas");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return styles.map((style) => {
    const named = getComputedStyle(document.documentElement).getPropertyValue(`--plot-${style}`).trim();
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(named.slice(at, at + 2), 16));
    return data.some((red, i) => i % 4 === 0 && red === r && data[i + 1] === g && data[i + 2] === b);
  });
}"""


def test_a_window_alone_between_two_that_were_not_assessed_is_seen(visit: Visit) -> None:
    """With its threshold, which no line goes through either."""
    rows = [window(0, "not_assessed"), window(1, score=0.2), window(2, "not_assessed")]
    document = window_plot(timeline_of(pa.Table.from_pylist(rows)))
    visit.page.route("**/flight/windows**", lambda route: route.fulfill(json=document))
    visit.open(f"{ENGINE}&flight=F004".replace("/engine", "/flight"))
    assert visit.page.evaluate(_DRAWN, ["healthy", "limit", "own"]) == [True, True, False]
