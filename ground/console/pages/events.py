"""``/events``: tells open pages that there is something new, as long as their session lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ground.console.routing import page
from ground.console.services import Services, services_of, session_of


def _events(request: Request) -> Response:
    services = services_of(request)
    if services.bell.is_full:
        # With 204 a browser does not ask again by itself.
        return Response(status_code=HTTPStatus.NO_CONTENT)
    news = _news(services, session_of(request).token)
    return StreamingResponse(news, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _news(services: Services, token: str) -> AsyncIterator[str]:
    """What the bell says; a user who was removed, or is logged out, hears no more of it."""
    async with aclosing(services.bell.listen()) as heard:
        async for line in heard:
            if await run_in_threadpool(services.accounts.session, token, is_use=False) is None:
                return
            yield line


ROUTES = (page("/events", _events, name="events", is_use=False),)
