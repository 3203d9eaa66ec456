"""``/alerts``: what agents have raised, for people to judge."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from ground.console.data.alert_list import ALL, MOST, OPEN, AlertFilter, alert_page
from ground.console.data.judged import judged_alerts
from ground.console.paging import paged
from ground.console.rendering import render
from ground.console.routing import page
from ground.console.services import services_of
from ground.fleet.verdicts import Verdict

ADDRESS = "/alerts"
CHOICES: Final = (
    (OPEN, "open"),
    (Verdict.NEEDS_REVIEW.value, "needs review"),
    (Verdict.CONFIRMED.value, "confirmed"),
    (Verdict.FALSE_ALARM.value, "false alarm"),
    (ALL, "all"),
)
_LONGEST_TEXT = 1_024


def _show(request: Request) -> Response:
    return _rendered(request, "alerts.html")


def _part(request: Request) -> Response:
    return _rendered(request, "alerts_part.html")


def _rendered(request: Request, template: str) -> Response:
    chosen = _filter(request)
    place = paged(request, MOST, path=ADDRESS)
    with services_of(request).index.cursor() as cursor:
        found = alert_page(cursor, chosen, skip=place.skip)
        if place.skip and not found.alerts:
            # The page was there before its last alert was judged.
            place = place.last(alert_page(cursor, chosen, most=1).total)
            found = alert_page(cursor, chosen, skip=place.skip)
        judged = judged_alerts(cursor)
    known = {name: getattr(chosen, name) for name in AlertFilter.__slots__}
    return render(
        request,
        template,
        chosen=chosen,
        choices=CHOICES,
        query=urlencode({**known, "page": place.number}),
        alerts=found.alerts,
        judged=judged,
        total=found.total,
        first=place.skip + 1,
        links=place.links(found.total),
    )


def _filter(request: Request) -> AlertFilter:
    given = request.query_params
    verdict = given.get("verdict", OPEN)
    texts = {name: given.get(name, "")[:_LONGEST_TEXT] for name in ("aircraft", "engine", "text")}
    return AlertFilter(verdict=verdict if verdict in dict(CHOICES) else OPEN, **texts)


ROUTES = (page(ADDRESS, _show, name="alerts"), page(f"{ADDRESS}/part", _part, name="alerts_part", is_use=False))
