"""How long the console's server takes for a page: on a fleet like the demo's, and on one with 10,000 alerts.

Run ``python -m benchmarks.console``; docs/how-to/console.md names the targets. Requests come one after the other from
the same process, so that what is told is the server's time and some of the client's.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from starlette.applications import Starlette
from starlette.testclient import TestClient

from benchmarks.cal import make_cal
from benchmarks.command import EXIT_LIMIT, EXIT_OK, parser, run_command
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Case, summarise, time_interleaved
from benchmarks.report import MISSED, Report, Row, at_most, publish
from ground.console.app import make_app
from ground.console.cookies import SESSION
from ground.console.data.alert_list import AlertFilter, alert_page
from ground.console.data.fleet_index import FleetIndex
from ground.console.role import Role
from ground.console.services import Services
from ground.console.settings import ConsoleSettings
from tests.console.fleet_data import Plan, write_fleet

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
_ROUNDS = 40
_QUICK_ROUNDS = 10
_CAL_ROUNDS = 300
_PER_S = 1_000.0


@dataclass(frozen=True, slots=True)
class _Fleet:
    """A fleet, and how long a page of it may take, ms."""

    name: str
    plan: Plan
    limit_ms: float


def main() -> int:
    """Measure, print and write ``console.json``."""
    chosen = parser("console", "Server time of the console's pages.").parse_args()
    return run_command(
        lambda: _measure(chosen.out, rounds=_QUICK_ROUNDS if chosen.quick else _ROUNDS, quick=chosen.quick)
    )


def _measure(out: Path, *, rounds: int, quick: bool) -> int:
    cal = summarise(time_interleaved([Case("cal", make_cal, _CAL_ROUNDS)], seed=0)["cal"])
    fleets = (_Fleet("demo's fleet", DEMO, DEMO_MS), _Fleet("10,000 alerts", LARGE, LARGE_MS))
    rows = tuple(row for fleet in fleets for row in _rows(fleet, rounds))
    publish(
        Report(benchmark="console", mode="quick" if quick else "full", unit="ms", cal=cal, rows=rows),
        out,
    )
    missed = any(target.verdict == MISSED for row in rows for target in row.targets)
    return EXIT_LIMIT if missed else EXIT_OK


def _rows(fleet: _Fleet, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_fleet(root / "fleet", fleet.plan)
        begun_s = time.perf_counter()
        app = make_app(ConsoleSettings(workspace=root, dataset=root / "fleet"))
        first_look_s = time.perf_counter() - begun_s
        services: Services = app.state.services
        with closing(services.index), closing(services.accounts):
            times = _times(_pages(services.index), _client(app), rounds)
            looks = np.array([_timed(services.index.refresh) for _ in range(rounds)])
    rows = [
        Row(
            name=f"{fleet.name}: {page}",
            summary=summarise(values),
            targets=(at_most("median", float(np.median(values)) * _PER_S, fleet.limit_ms, "ms"),),
        )
        for page, values in times.items()
    ]
    looked = summarise(looks)
    return [
        *rows,
        Row(name=f"{fleet.name}: a look without news", summary=looked, figures={"first look, s": first_look_s}),
    ]


def _pages(index: FleetIndex) -> Mapping[str, str]:
    with index.cursor() as cursor:
        alert = alert_page(cursor, AlertFilter()).alerts[0].alert_id
        last = max(1, alert_page(cursor, AlertFilter()).total // 50)
    return {
        "fleet": "/",
        "fleet, filtered": "/?text=oo-01",
        "alerts": "/alerts",
        "alerts, last page": f"/alerts?page={last}",
        "alerts, filtered": "/alerts?verdict=all&text=oo-02",
        "alert": f"/alerts/{alert}",
        "alert, figures": f"/alerts/{alert}/figures",
    }


def _client(app: Starlette) -> TestClient:
    services: Services = app.state.services
    services.accounts.add("bench", Role.ENGINEER, b"of the benchmark")
    session = services.accounts.log_in("bench", b"of the benchmark")
    if session is None:
        raise BenchmarkError("console: expected to log in, got no session; look at ground.console.accounts")
    return TestClient(app, base_url="http://127.0.0.1", cookies={SESSION: session.token})


def _times(pages: Mapping[str, str], client: TestClient, rounds: int) -> dict[str, np.ndarray]:
    """By page, (rounds,) seconds; in one random order, so that a slow spell of the machine hits all of them alike."""
    order = [name for name in pages for _ in range(rounds)]
    random.Random(0).shuffle(order)
    times: dict[str, list[float]] = {name: [] for name in pages}
    for name, path in pages.items():
        if client.get(path).status_code != 200:  # noqa: PLR2004 - HTTP's "OK"
            raise BenchmarkError(f"console: expected the page {name}, got another answer; open it by hand")
    for name in order:
        times[name].append(_timed(partial(client.get, pages[name])))
    return {name: np.array(values) for name, values in times.items()}


def _timed(call: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    call()
    return time.perf_counter() - begun_s


if __name__ == "__main__":
    sys.exit(main())
