"""Pages for what went wrong: what happened and what to do, never a traceback."""

from __future__ import annotations

import secrets
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ground.console.rendering import render
from ground.console.security import HEADERS
from ground.errors import GroundError

_ADVICE = {
    HTTPStatus.NOT_FOUND: "There is no such page, or what it showed is gone from the dataset.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This page is not asked for in this way; go back and load it again.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "That was too long; shorten the text.",
    HTTPStatus.BAD_REQUEST: "The request could not be read; go back and load the page again.",
}
_log = structlog.get_logger(__name__)


def on_refusal(request: Request, error: Exception) -> Response:
    """The page of an ``HTTPException``."""
    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST
    said = error.detail if isinstance(error, HTTPException) else ""
    text = said if said and said != status.phrase else _ADVICE.get(status, status.description)
    return render(request, "problem.html", status=status, title=status.phrase, text=text)


def on_ground_error(request: Request, error: Exception) -> Response:
    """The page of bad data: the text of our own errors says what to do."""
    if not isinstance(error, GroundError):
        return on_fault(request, error)
    _log.warning("page not shown", path=request.url.path, error=str(error))
    return render(
        request, "problem.html", status=HTTPStatus.UNPROCESSABLE_ENTITY, title="This cannot be shown", text=str(error)
    )


def on_fault(request: Request, error: Exception) -> Response:
    """The page of a fault of our own; the log has the rest."""
    number = secrets.token_hex(4)
    _log.error("page failed", number=number, path=request.url.path, exc_info=error)
    text = f"The console made a mistake, number {number}. Load the page again; if it stays, the log has more by number."
    response = render(
        request, "problem.html", status=HTTPStatus.INTERNAL_SERVER_ERROR, title="Something failed", text=text
    )
    # This answer does not pass through what adds them to the others.
    response.headers.update(HEADERS)
    return response
