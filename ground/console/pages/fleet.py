"""``/``: the engines of the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ground.console.data.drift_event import drift_event
from ground.console.data.fleet import MOST, fleet
from ground.console.data.totals import totals
from ground.console.paging import paged
from ground.console.rendering import render
from ground.console.routing import page
from ground.console.services import services_of

_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class _Tile:
    value: str
    name: str


def _show(request: Request) -> Response:
    return _rendered(request, "fleet.html")


def _part(request: Request) -> Response:
    return _rendered(request, "fleet_part.html")


def _rendered(request: Request, template: str) -> Response:
    text = request.query_params.get("text", "")[:_LONGEST_TEXT]
    place = paged(request, MOST)
    services = services_of(request)
    with services.index.cursor() as cursor:
        found = fleet(cursor, text=text, skip=place.skip)
        known = totals(cursor)
    if place.skip and not found.engines:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return render(
        request,
        template,
        text=text,
        query=urlencode({"text": text, "page": place.number}),
        engines=found.engines,
        drift=drift_event(services.settings.workspace),
        total=found.total,
        first=place.skip + 1,
        tiles=(
            _Tile(f"{known.engines:,}", "engines"),
            _Tile(f"{known.in_alarm:,}", "in alarm"),
            _Tile(f"{known.open_alerts:,}", "open alerts"),
            _Tile(f"{known.flights:,}", "flights summed up"),
        ),
        nothing=_nothing(text),
        links=place.links(found.total),
    )


def _nothing(text: str) -> str:
    if text:
        return "No engine of that name; the filter looks in aircraft/engine."
    return "No results yet: agents publish them, and `ground collect run` writes them into the dataset."


ROUTES = (page("/", _show, name="fleet"), page("/fleet/part", _part, name="fleet_part"))
