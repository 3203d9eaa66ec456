"""Routes that know who may take them: each page and each action names a role, and there is no other way in."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ground.console.cookies import SESSION, cookie_of
from ground.console.csrf import FIELD, is_same_origin, same_token
from ground.console.role import Role
from ground.console.services import address_of, services_of, session_of

MOST_BODY_BYTES: Final = 64 * 1024
MOST_FIELDS: Final = 50

Page = Callable[[Request], Response]
Action = Callable[[Request, FormData], Response]


def page(path: str, show: Page, *, name: str, role: Role = Role.VIEWER, is_use: bool = True) -> Route:
    """A page, shown to whoever has the role; others are sent to the login.

    Args:
        path: Its address.
        show: Makes the answer.
        name: Of the route.
        role: Whoever may see it.
        is_use: Whether somebody asks for it: what pages ask for by themselves does not keep a session from ending.
    """

    def guarded(request: Request) -> Response:
        refusal = _refusal(request, role, is_use=is_use)
        return refusal or show(request)

    return Route(path, guarded, name=name)


def action(path: str, act: Action, *, name: str, role: Role) -> Route:
    """Something that a form does: the role is checked, and that the form is one of ours."""

    async def guarded(request: Request) -> Response:
        try:
            refusal = await run_in_threadpool(_refusal, request, role, is_use=True)
            if refusal:
                return refusal
            form = await form_of(request)
            if not same_token(str(form.get(FIELD, "")), session_of(request).csrf):
                raise forged()
        except HTTPException as error:
            if error.status_code == HTTPStatus.FORBIDDEN:
                await run_in_threadpool(_note, request, error)
            raise
        return await run_in_threadpool(act, request, form)

    return Route(path, guarded, name=name, methods=["POST"], max_body_size=MOST_BODY_BYTES)


async def form_of(request: Request) -> FormData:
    """The form of a request of our own pages.

    Raises:
        HTTPException: Another site's page has sent it.
    """
    if not is_same_origin(request):
        raise forged()
    return await request.form(max_files=0, max_fields=MOST_FIELDS)


def forged() -> HTTPException:
    """Says that a form is none of ours."""
    return HTTPException(HTTPStatus.FORBIDDEN, "This form is too old, or not one of this console; load the page again.")


def _refusal(request: Request, role: Role, *, is_use: bool) -> Response | None:
    """Why a request may not go on; sets ``request.state.session`` where it may."""
    services = services_of(request)
    token = cookie_of(request, SESSION)
    session = services.accounts.session(token, is_use=is_use) if token else None
    if session is None:
        return to_login(request)
    request.state.session = session
    if not session.role.may(role):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, f"This takes the role {role.value}; you are logged in as {session.role.value}."
        )
    return None


def _note(request: Request, error: HTTPException) -> None:
    """Note that somebody was kept from doing something."""
    services_of(request).audit.note(
        user=session_of(request).name, address=address_of(request), action="refused",
        detail=f"{request.url.path}: {error.detail}",
    )  # fmt: skip


def to_login(request: Request) -> Response:
    """Send somebody who is not logged in to the login, and back afterwards."""
    wanted = request.url.path if request.method == "GET" else "/"
    if request.method == "GET" and request.url.query:
        wanted += f"?{request.url.query}"
    target = f"/login?{urlencode({'next': wanted})}"
    if request.headers.get("hx-request"):
        # Else the login would appear in the place of a part of the page.
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": "/login"})
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)
