"""The console in a real Chromium: the pages work with their scripts and their content policy, and keep nobody out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ground.console.role import Role
from ground.console.settings import ConsoleSettings
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
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A console over a small fleet."""
    folder = tmp_path_factory.mktemp("served")
    dataset = folder / "fleet"
    dataset.mkdir()
    write_fleet(dataset, Plan(aircraft=("OO-ABC",), flights=4))
    with served(ConsoleSettings(workspace=folder, dataset=dataset)) as address:
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
