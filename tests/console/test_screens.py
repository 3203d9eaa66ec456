"""Every page over a fleet that really flew: looked at by axe on every screen, printed, and photographed for the docs.

Whoever works on pages keeps a stage: ``STAGE`` names the folder in which ``make_stage`` and ``put_on`` made one.
It takes minutes, so it runs with ``CONSOLE=full`` alone (``make test-console``). Pictures go where ``SCREENS`` says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ground.batch import ModelSource
from ground.batch_record import batch_command
from ground.bulk.run import run_batch
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from ground.engine import LocalEngine
from ground.fleet.registry.plan import Promotion
from ground.fleet.registry.registry import open_registry
from ground.fleet.registry.states import State
from ground.progress import silent
from ground.report.command import report
from tests.console.stage import Stage, make_stage
from tests.console.web import NARROW, WIDE, Visit, chromium, needs_chromium, served, visiting
from tests.ground.report.batch_records import write_record

pytestmark = [
    needs_chromium,
    pytest.mark.skipif(os.environ.get("CONSOLE") != "full", reason="takes minutes: make test-console"),
    pytest.mark.timeout(1_200),
]
SCREENS = Path(os.environ.get("SCREENS", "docs/img/console"))
PAGES = (
    "login", "fleet", "alerts", "alert", "engine", "flight", "bundles", "bundle", "shadow", "batches", "batch",
)  # fmt: skip
"""Each is photographed, and shown in docs/reference/console-pages.md."""
PERSON = {"approver": "A. Person", "reason": "first detector of this fleet"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A workspace with batch results and a registry, and six engines with eight flights each."""
    if "STAGE" in os.environ:
        return Stage.at(Path(os.environ["STAGE"]))
    made = make_stage(tmp_path_factory.mktemp("stage"))
    put_on(made)
    return made


def put_on(made: Stage) -> None:
    """Bundles in a registry, results of a batch."""
    registry = open_registry(made.workspace.root / "registry", make=True)
    for path, states in (
        (made.active, (State.VALIDATION, State.ACTIVE)),
        (made.shadow, (State.VALIDATION, State.SHADOW)),
    ):
        version = registry.register(path, keys=[made.key], by="ground retrain")
        for state in states:
            asked = Promotion(to=state, **PERSON, first=state is State.ACTIVE)
            registry.promote(version.subject.name, asked)
    results = made.workspace.root / "results.parquet"
    source = ModelSource(made.active, (made.key,))
    report = run_batch(source, str(made.workspace.raw), str(results), progress=silent, engine=LocalEngine(2))
    w = Path("w")
    model, key = w / "models" / "engine_vibration_detector" / "1.0.0", w / "keys" / "public.pem"
    command = batch_command(model, w / "data" / "raw", w / results.name, (key,), None)
    when = {"began": "2026-11-23T20:00:00+00:00", "ended": "2026-11-23T20:01:10+00:00"}
    write_record(results, command=command, **when, recordings=report.recordings, left_out=())


@pytest.fixture(scope="module")
def base(stage: Stage) -> Iterator[str]:
    """Its console."""
    with served(ConsoleSettings(workspace=stage.workspace.root, dataset=stage.dataset)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(browser: Any, base: str) -> dict[str, str]:
    """Every page, by name: found by following links, as a person would."""
    with visiting(browser, base, viewport=WIDE) as visit:
        visit.log_in(Role.VIEWER)
        found = {"fleet": "/", "alerts": "/alerts?verdict=all", "bundles": "/bundles", "batches": "/batches"}
        links = {
            "alert": (found["alerts"], "main table a[href^='/alerts/']"),
            "engine": ("/", "main table a[href^='/engine']"),
            "bundle": ("/bundles", "main table a[href^='/bundles/']:not([href$='1.1.0'])"),
            "shadow": ("/bundles", "main table a[href$='1.1.0']"),
            "batch": ("/batches", "main table a[href^='/batches/of']"),
        }
        for name, (path, selector) in links.items():
            visit.open(path)
            found[name] = visit.page.locator(selector).first.get_attribute("href")
        visit.open(found["engine"])
        found["flight"] = visit.page.locator("main table.stack a[href^='/flight']").first.get_attribute("href")
        assert {"login", *found} == set(PAGES)
        return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_on_every_screen(
    browser: Any, base: str, pages: dict[str, str], width: dict[str, int], scheme: str
) -> None:
    """Nothing is logged, axe finds nothing, nothing is wider than the screen."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    found: list[str] = []
    with visiting(browser, base, viewport=width, scheme=scheme) as visit:
        visit.open("/login")
        found += _looked_at(visit, f"login-{scheme}-{width['width']}")
        visit.log_in(Role.APPROVER)
        for name, path in pages.items():
            visit.open(path)
            found += _looked_at(visit, f"{name}-{scheme}-{width['width']}")
        assert [*found, *visit.complaints] == []


def _looked_at(visit: Visit, name: str) -> list[str]:
    visit.page.screenshot(path=str(SCREENS / f"{name}.png"), full_page=True)
    wide = [f"{name}: {visit.overflow_px()} px wider than the screen"] if visit.overflow_px() > 0 else []
    return [*visit.violations(), *wide]


def test_every_page_prints(browser: Any, base: str, pages: dict[str, str], tmp_path: Path) -> None:
    """From a dark screen onto white paper, with figures."""
    with visiting(browser, base, viewport=WIDE, scheme="dark") as visit:
        visit.log_in(Role.VIEWER)
        for name, path in pages.items():
            visit.open(path)
            visit.page.emulate_media(media="print")
            assert visit.page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            printed = visit.page.pdf(path=str(tmp_path / f"{name}.pdf"), format="A4", tagged=True)
            assert printed.startswith(b"%PDF-")
            visit.page.emulate_media(media="screen")


def test_pages_can_be_used_by_keyboard(browser: Any, base: str, pages: dict[str, str]) -> None:
    """The first stop skips to the content; the focus is seen; every control is reached."""
    with visiting(browser, base, viewport=WIDE) as visit:
        visit.log_in(Role.ENGINEER)
        visit.open(pages["alert"])
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("() => document.activeElement.className") == "skip"
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate("() => document.activeElement.id") == "main"
        reached = set()
        for _ in range(40):
            visit.page.keyboard.press("Tab")
            reached.add(visit.page.evaluate("() => document.activeElement.value || document.activeElement.id"))
        assert {"note", "confirmed", "false_alarm", "needs_review"} <= reached


@pytest.fixture
def hidden(stage: Stage) -> Iterator[None]:
    """The registry is away."""
    folder = stage.workspace.root / "registry"
    away = folder.rename(folder.with_name("away"))
    folder.mkdir()
    yield
    folder.rmdir()
    away.rename(folder)


def test_registry_that_is_down_costs_a_banner(browser: Any, stage: Stage, pages: dict[str, str], hidden: None) -> None:  # noqa: ARG001
    """And no page."""
    settings = replace(ConsoleSettings(workspace=stage.workspace.root, dataset=stage.dataset))
    with served(settings) as base, visiting(browser, base, viewport=WIDE) as visit:
        visit.log_in(Role.VIEWER)
        for name in ("bundles", "bundle"):
            visit.open(pages[name])
            assert "The registry does not answer" in visit.page.locator(".banner").inner_text()


def test_reports_keep_nobody_out(browser: Any, stage: Stage, tmp_path: Path) -> None:
    """The pages of `ground report`, light and dark, wide and narrow: axe finds nothing, nothing is too wide."""
    config = stage.config_file(tmp_path)
    pages = {"evaluation": tmp_path / "evaluation.html", "results": tmp_path / "results.html"}
    report(stage.workspace.root, config=config, out=pages["evaluation"], pdf=True)
    report(stage.workspace.root / "results.parquet", out=pages["results"], pdf=True)
    found: list[str] = []
    for scheme in ("light", "dark"):
        for width in (WIDE, NARROW):
            with visiting(browser, "", viewport=width, scheme=scheme) as visit:
                for name, path in pages.items():
                    visit.page.goto(path.as_uri())
                    found += _looked_at(visit, f"report-{name}-{scheme}-{width['width']}")
                found += visit.complaints
    assert found == []
    assert all(path.with_suffix(".pdf").read_bytes().startswith(b"%PDF-") for path in pages.values())
