"""How long the console's server takes for a page: on a fleet like the demo's, and on one with 10,000 alerts.

Run ``python -m benchmarks.console``; docs/how-to/console.md names the targets. Requests come one after the other from
the same process, so that what is told is the server's time and some of the client's. Each fleet has one alert whose
waveform has come, and a workspace with the features and recordings that it is held against. The first view of its
phase, of which nothing is kept yet, has a row and a target of its own.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import numpy as np
from starlette.applications import Starlette
from starlette.testclient import TestClient

from benchmarks.cal import make_cal
from benchmarks.command import EXIT_LIMIT, EXIT_OK, parser, run_command
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Case, summarise, time_interleaved
from benchmarks.report import MISSED, Report, Row, at_most, publish
from edge_agent.frame import NS_PER_S
from edge_agent.topics_section import TopicsSection
from ground.config import load_config
from ground.console.alert_story import AlertStories
from ground.console.app import make_app
from ground.console.cookies import SESSION
from ground.console.data.alert_list import AlertFilter, alert_page
from ground.console.data.fleet_index import FleetIndex
from ground.console.data.models import Models
from ground.console.data.waveforms import Waveforms
from ground.console.role import Role
from ground.console.services import Services
from ground.console.settings import ConsoleSettings
from ground.feature_spec import frozen_spec
from ground.featurize import featurize
from ground.fleet.collect.parts import write_parts
from ground.preprocess import preprocess
from ground.progress import silent
from ground.simulate import FleetConfig, simulate_fleet
from ground.workspace import Workspace
from tests.console.fleet_data import BEGIN_NS, DATE, Plan, status, write_fleet
from tests.console.scene import AGENT, Scene, make_scene

DEMO: Final = Plan(
    aircraft=tuple(f"OO-{number:03}" for number in range(32)), engines=("1",), flights=1, windows=60, alerts=2
)
"""As many engines, windows and alerts as the demo streams."""
LARGE: Final = Plan(
    aircraft=tuple(f"OO-{number:03}" for number in range(250)),
    engines=("1", "2", "3", "4"),
    flights=10,
    windows=8,
    alerts=1,
)
"""1,000 engines, 10,000 flights, an alert in each of them."""
DEMO_MS: Final = 150.0
LARGE_MS: Final = 300.0
STATUSES: Final = 8_640
"""A day of them."""
_STATUS_S = 10
_COUNTERS = 60
"""With so many a status is as long as an agent's."""
_RECORDINGS = FleetConfig(
    seed=2025, n_healthy=24, n_faulty=2, flight_s=30.0, faults=("bearing_outer",), severity_floor=0.5
)
_ALL_DAYS = 36_500
"""Simulated recordings are of another year than the fleet's flights."""
_ROUNDS = 40
_QUICK_ROUNDS = 10
_FIRST_VIEWS = 10
"""Each takes a second or two, until what is healthy has been made."""
_CAL_ROUNDS = 300
_PATIENCE_S = 120.0
_ASK_S = 0.01
_PER_S = 1_000.0


@dataclass(frozen=True, slots=True)
class _Fleet:
    """A fleet, how many agents have said something for a whole day, and how long a page of it may take, ms."""

    name: str
    plan: Plan
    talkative: int
    limit_ms: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a page took, s: when it was asked for first, and (n,) times after that."""

    first_s: float
    times_s: np.ndarray


@dataclass(frozen=True, slots=True)
class _FirstViews:
    """What the first page of a phase took, s, (n,) each: until it came, and until the healthy ranges were there."""

    page_s: np.ndarray
    whole_s: np.ndarray


def main() -> int:
    """Measure, print and write ``console.json``."""
    chosen = parser("console", "Server time of the console's pages.").parse_args()
    return run_command(
        lambda: _measure(chosen.out, rounds=_QUICK_ROUNDS if chosen.quick else _ROUNDS, quick=chosen.quick)
    )


def _measure(out: Path, *, rounds: int, quick: bool) -> int:
    cal = summarise(time_interleaved([Case("cal", make_cal, _CAL_ROUNDS)], seed=0)["cal"])
    fleets = (_Fleet("demo's fleet", DEMO, 32, DEMO_MS), _Fleet("10,000 alerts", LARGE, 1, LARGE_MS))
    with tempfile.TemporaryDirectory() as name:
        scene = _scene(Path(name))
        rows = tuple(row for fleet in fleets for row in _rows(fleet, scene, rounds))
    publish(
        Report(benchmark="console", mode="quick" if quick else "full", unit="ms", cal=cal, rows=rows),
        out,
    )
    missed = any(target.verdict == MISSED for row in rows for target in row.targets)
    return EXIT_LIMIT if missed else EXIT_OK


def _scene(folder: Path) -> Scene:
    """An alert with its waveform, and the workspace of the detector that raised it."""
    config = load_config(Path(str(files("ground.configs") / "engine_vibration.yaml")))
    workspace = Workspace(folder / "workspace")
    simulate_fleet(_RECORDINGS, workspace.raw, progress=lambda _done, _total: None)
    preprocess(config, workspace, progress=silent)
    featurize(config, workspace, progress=silent)
    spec = frozen_spec(config, workspace)
    return make_scene(folder, workspace, spec, fault="bearing_outer", detector=config.detector)


def _rows(fleet: _Fleet, scene: Scene, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_fleet(root, fleet.plan)
        scene.write(root)
        for aircraft in fleet.plan.aircraft[: fleet.talkative]:
            _write_statuses(root, f"agent-{aircraft}")
        begun_s = time.perf_counter()
        app = make_app(ConsoleSettings(workspace=scene.workspace.root, dataset=root, days=_ALL_DAYS))
        first_look_s = time.perf_counter() - begun_s
        services: Services = app.state.services
        with closing(services.index), closing(services.accounts):
            client, told = _client(app), _told(services.index)
            first = _first_views(app, client, told, scene.workspace, min(rounds, _FIRST_VIEWS))
            asked = _times(_pages(services.index, told), client, rounds)
            looks = np.array([_timed(services.index.refresh) for _ in range(rounds)])
    rows = [
        Row(
            name=f"{fleet.name}: {page}",
            summary=summarise(each.times_s),
            targets=(at_most("median", float(np.median(each.times_s)) * _PER_S, fleet.limit_ms, "ms"),),
            figures={"first time, ms": each.first_s * _PER_S},
        )
        for page, each in asked.items()
    ]
    looked = summarise(looks)
    first_ms = float(np.median(first.page_s)) * _PER_S
    return [
        *rows,
        Row(
            name=f"{fleet.name}: alert, first view of its phase",
            summary=summarise(first.page_s),
            targets=(at_most("median", first_ms, fleet.limit_ms, "ms"),),
            figures={"healthy ranges there after, ms": float(np.median(first.whole_s)) * _PER_S},
        ),
        Row(name=f"{fleet.name}: a look without news", summary=looked, figures={"first look, s": first_look_s}),
    ]


def _write_statuses(root: Path, agent: str) -> None:
    """What an agent says of itself in a day, as compaction leaves it: in one file."""
    counters = {f"frames_refused.reason_{number}": number for number in range(_COUNTERS)}
    said = (
        status(agent, sent_ns=BEGIN_NS + number * _STATUS_S * NS_PER_S, counters=counters) for number in range(STATUSES)
    )
    write_parts(said, root, name="test-2", date=DATE, topics=TopicsSection())


def _told(index: FleetIndex) -> str:
    """The alert whose waveform has come."""
    with index.cursor() as cursor:
        (told,) = cursor.execute("SELECT alert_id FROM alerts WHERE agent = ?", [AGENT]).fetchone() or ("",)
    return str(told)


def _pages(index: FleetIndex, told: str) -> Mapping[str, str]:
    with index.cursor() as cursor:
        page = alert_page(cursor, AlertFilter())
    newest, last = page.alerts[0], max(1, page.total // len(page.alerts))
    engine = {"aircraft": newest.aircraft, "engine": newest.engine}
    return {
        "fleet": "/",
        "fleet, filtered": "/?text=oo-01",
        "alerts": "/alerts",
        "alerts, last page": f"/alerts?page={last}",
        "alerts, filtered": "/alerts?verdict=all&text=oo-02",
        "engine": f"/engine?{urlencode(engine)}",
        "flight": f"/flight?{urlencode({**engine, 'flight': newest.flight})}",
        "alert": f"/alerts/{newest.alert_id}",
        "alert, figures of a waveform": f"/alerts/{told}/figures",
        **{f"alert, {figure}": f"/alerts/{told}/figures/{figure}" for figure in ("waveform", "spectrum", "envelope")},
    }


def _client(app: Starlette) -> TestClient:
    services: Services = app.state.services
    services.accounts.add("bench", Role.ENGINEER, b"of the benchmark")
    session = services.accounts.log_in("bench", b"of the benchmark")
    if session is None:
        raise BenchmarkError("console: expected to log in, got no session; look at ground.console.accounts")
    return TestClient(app, base_url="http://127.0.0.1", cookies={SESSION: session.token})


def _first_views(app: Starlette, client: TestClient, told: str, workspace: Workspace, rounds: int) -> _FirstViews:
    """How long the figures of an alert take where nothing is kept; what the last round made stays."""
    services: Services = app.state.services
    page_s, whole_s = [], []
    for _ in range(rounds):
        app.state.services = replace(services, stories=AlertStories(Waveforms(services.index), Models(workspace)))
        begun_s = time.perf_counter()
        page_s.append(_timed(partial(_open, client, "first view", f"/alerts/{told}/figures")))
        while client.get(f"/alerts/{told}/healthy").status_code == HTTPStatus.NO_CONTENT:
            if time.perf_counter() - begun_s > _PATIENCE_S:
                raise BenchmarkError("console: expected healthy ranges in two minutes, got none; open the page by hand")
            time.sleep(_ASK_S)
        whole_s.append(time.perf_counter() - begun_s)
    return _FirstViews(np.array(page_s), np.array(whole_s))


def _times(pages: Mapping[str, str], client: TestClient, rounds: int) -> dict[str, _Asked]:
    """By page, how long it took; in one random order, so that a slow spell of the machine hits all of them alike."""
    order = [name for name in pages for _ in range(rounds)]
    random.Random(0).shuffle(order)
    times: dict[str, list[float]] = {name: [] for name in pages}
    first = {name: _timed(partial(_open, client, name, path)) for name, path in pages.items()}
    for name in order:
        times[name].append(_timed(partial(client.get, pages[name])))
    return {name: _Asked(first[name], np.array(values)) for name, values in times.items()}


def _open(client: TestClient, name: str, path: str) -> None:
    answer = client.get(path)
    if answer.status_code != HTTPStatus.OK or "What cannot be shown" in answer.text:
        raise BenchmarkError(f"console: expected the page {name}, got another answer; open it by hand")


def _timed(call: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    call()
    return time.perf_counter() - begun_s


if __name__ == "__main__":
    sys.exit(main())
