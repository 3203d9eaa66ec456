"""``/engine``: one engine over its flights: scores, features beside their healthy band, band powers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ground.console.data.engine_flights import engine_flights
from ground.console.data.engine_now import engine_now
from ground.console.data.levels import read_levels
from ground.console.data.named_features import named_features
from ground.console.data.scales import scales_of
from ground.console.figures.chart import score_plot
from ground.console.figures.trends import HEIGHT, WIDTH, heat_tables, panels
from ground.console.paging import paged
from ground.console.rendering import render
from ground.console.routing import page
from ground.console.services import services_of
from ground.console.wording import flight_url
from ground.workspace import Workspace

ADDRESS = "/engine"
_SIZE = 25
_DRAWN = 400
LONGEST_NAME: Final = 1_024


@dataclass(frozen=True, slots=True)
class EngineName:
    """Which engine a request is about."""

    aircraft: str
    engine: str

    @property
    def query(self) -> str:
        """The same as the query of an address."""
        return urlencode({"aircraft": self.aircraft, "engine": self.engine})


def engine_of(request: Request) -> EngineName:
    """The engine that the query of a request names."""
    asked = request.query_params
    return EngineName(asked.get("aircraft", "")[:LONGEST_NAME], asked.get("engine", "")[:LONGEST_NAME])


def _show(request: Request) -> Response:
    services, about = services_of(request), engine_of(request)
    index, place = services.index, paged(request, _SIZE, path=ADDRESS)
    with index.cursor() as cursor:
        now = engine_now(cursor, about.aircraft, about.engine)
        flown = engine_flights(cursor, about.aircraft, about.engine, skip=place.skip, most=_SIZE)
        named = named_features(cursor, about.aircraft, about.engine)
    levels = read_levels(
        index.root, about.aircraft, about.engine, since=index.since, phase=request.query_params.get("phase", "")
    )
    scales = scales_of(Workspace(services.settings.workspace), levels.bundle_id, levels.bundle_digest)
    return render(
        request,
        "engine.html",
        about=about,
        now=now,
        flights=[(line, flight_url(about.aircraft, about.engine, line.flight)) for line in flown.flights],
        n_flights=flown.total,
        scores=f"{ADDRESS}/scores?{about.query}",
        levels=levels,
        panels=panels(levels, scales, named),
        heat=heat_tables(levels, scales),
        is_named=bool(scales.features),
        panel_width=WIDTH,
        panel_height=HEIGHT,
        links=place.links(flown.total),
    )


def _scores(request: Request) -> Response:
    about = engine_of(request)
    with services_of(request).index.cursor() as cursor:
        flown = engine_flights(cursor, about.aircraft, about.engine, most=_DRAWN)
    return JSONResponse(score_plot(flown.flights))


ROUTES = (page(ADDRESS, _show, name="engine"), page(f"{ADDRESS}/scores", _scores, name="engine_scores"))
