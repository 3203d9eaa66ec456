"""``/``: the engines of the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from ground.console.data.drift_event import drift_event
from ground.console.data.fleet import MOST, fleet
from ground.console.data.totals import Totals, totals
from ground.console.paging import paged
from ground.console.rendering import render
from ground.console.routing import page
from ground.console.services import services_of
from ground.console.wording import ago

ADDRESS = "/"
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
    place = paged(request, MOST, path=ADDRESS)
    services = services_of(request)
    with services.index.cursor() as cursor:
        found = fleet(cursor, text=text, skip=place.skip)
        if place.skip and not found.engines:
            # The page was there before its last engine left the days that are looked at.
            place = place.last(fleet(cursor, text=text, most=1).total)
            found = fleet(cursor, text=text, skip=place.skip)
        known = totals(cursor)
    return render(
        request,
        template,
        text=text,
        query=urlencode({"text": text, "page": place.number}),
        engines=found.engines,
        drift=drift_event(services.settings.workspace),
        total=found.total,
        first=place.skip + 1,
        tiles=_tiles(known),
        nothing=_nothing(text),
        links=place.links(found.total),
    )


def _tiles(known: Totals) -> tuple[_Tile, ...]:
    return (
        _Tile(f"{known.engines:,}", "engines"),
        _Tile(f"{known.in_alarm:,}", "in alarm"),
        _Tile(f"{known.open_alerts:,}", "open alerts"),
        _Tile(f"{known.flights:,}", "flights summed up"),
        _Tile(ago(known.newest_ns), "newest window"),
    )


def _nothing(text: str) -> str:
    if text:
        return "No engine of that name; the filter looks in aircraft/engine."
    return "No results yet: agents publish them, and `ground collect run` writes them into the dataset."


ROUTES = (page(ADDRESS, _show, name="fleet"), page("/fleet/part", _part, name="fleet_part", is_use=False))
