"""``/events``: tells open pages that there is something new."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ground.console.routing import page
from ground.console.services import services_of


def _events(request: Request) -> Response:
    bell = services_of(request).bell
    if bell.is_full:
        # With 204 a browser does not ask again.
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return StreamingResponse(bell.listen(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


ROUTES = (page("/events", _events, name="events"),)
