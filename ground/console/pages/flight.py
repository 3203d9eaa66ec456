"""``/flight``: the windows of one flight, as a chart and in words."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ground.console.data.engine_flights import FlightLine, one_flight
from ground.console.data.flight_alerts import flight_alerts
from ground.console.data.flight_windows import flight_windows
from ground.console.data.timeline import Timeline, timeline_of
from ground.console.figures.chart import window_plot
from ground.console.pages.engine import LONGEST_NAME, engine_of
from ground.console.rendering import render
from ground.console.routing import page
from ground.console.services import services_of

ADDRESS = "/flight"


def _show(request: Request) -> Response:
    about, flight = engine_of(request), _flight_of(request)
    line, timeline = _read(request)
    with services_of(request).index.cursor() as cursor:
        alerts = flight_alerts(cursor, about.aircraft, about.engine, flight)
    return render(
        request,
        "flight.html",
        about=about,
        flight=flight,
        line=line,
        timeline=timeline,
        alerts=alerts,
        windows=f"{ADDRESS}/windows?{request.url.query}",
    )


def _windows(request: Request) -> Response:
    return JSONResponse(window_plot(_read(request)[1]))


def _read(request: Request) -> tuple[FlightLine, Timeline]:
    about, flight = engine_of(request), _flight_of(request)
    index = services_of(request).index
    with index.cursor() as cursor:
        found = one_flight(cursor, about.aircraft, about.engine, flight)
    if not found:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No results of this flight are in the days that are looked at.")
    line = found[0]
    windows = flight_windows(
        index, aircraft=about.aircraft, engine=about.engine, flight=flight, first_ns=line.first_ns, last_ns=line.last_ns
    )
    return line, timeline_of(windows)


def _flight_of(request: Request) -> str:
    return request.query_params.get("flight", "")[:LONGEST_NAME]


ROUTES = (page(ADDRESS, _show, name="flight"), page(f"{ADDRESS}/windows", _windows, name="flight_windows"))
