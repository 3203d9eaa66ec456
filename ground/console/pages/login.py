"""``/login`` and ``/logout``."""

from __future__ import annotations

import math
import secrets
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ground.console.cookies import LOGIN, SESSION, cookie_of, remove_cookie, set_cookie
from ground.console.csrf import FIELD, same_token
from ground.console.rendering import render
from ground.console.role import Role
from ground.console.routing import MOST_BODY_BYTES, action, forged, form_of
from ground.console.services import address_of, services_of, session_of

_LONGEST = 1_024


def _show(request: Request) -> Response:
    return _form(request, wanted=request.query_params.get("next", "/"))


async def _log_in(request: Request) -> Response:
    form = await form_of(request)
    # There is no session yet whose token it could carry: cookie and form hold the same one.
    if not same_token(str(form.get(FIELD, "")), cookie_of(request, LOGIN)):
        raise forged()
    return await run_in_threadpool(_checked, request, form)


def _checked(request: Request, form: FormData) -> Response:
    wanted = str(form.get("next", "/"))
    with services_of(request).limit.place() as is_free:
        if is_free:
            return _judged(request, form, wanted)
    said = "Too many people log in at this moment. Try again in a few seconds."
    return _form(request, wanted=wanted, said=said, status=HTTPStatus.SERVICE_UNAVAILABLE)


def _judged(request: Request, form: FormData, wanted: str) -> Response:
    services, address = services_of(request), address_of(request)
    name, password = str(form.get("name", ""))[:_LONGEST], str(form.get("password", ""))[:_LONGEST]
    wait = services.limit.enter(name, address)
    if wait.seconds:
        if wait.is_news:
            # Once: whoever goes on guessing is not to fill the disk.
            services.audit.note(user=name, address=address, action="login refused", detail="too many failures")
        said = f"Too many logins have failed. Try again in {math.ceil(wait.seconds / 60.0)} min."
        return _form(request, wanted=wanted, said=said, status=HTTPStatus.TOO_MANY_REQUESTS)
    session = services.accounts.log_in(name, password.encode("utf-8", "surrogatepass"))
    if session is None:
        services.audit.note(user=name, address=address, action="login failed")
        said = "Name or password is wrong."
        return _form(request, wanted=wanted, said=said, status=HTTPStatus.UNAUTHORIZED)
    services.limit.succeeded(name, address)
    services.audit.note(user=name, address=address, action="login")
    response = RedirectResponse(_own(wanted), HTTPStatus.SEE_OTHER)
    set_cookie(request, response, SESSION, session.token)
    remove_cookie(request, response, LOGIN)
    return response


def _log_out(request: Request, _form: FormData) -> Response:
    services, session = services_of(request), session_of(request)
    services.accounts.log_out(session.token)
    services.audit.note(user=session.name, address=address_of(request), action="logout")
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    remove_cookie(request, response, SESSION)
    return response


def _form(request: Request, *, wanted: str, said: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    token = cookie_of(request, LOGIN) or secrets.token_urlsafe()
    response = render(request, "login.html", status=status, token=token, wanted=_own(wanted), said=said)
    set_cookie(request, response, LOGIN, token)
    return response


def _own(wanted: str) -> str:
    """A path of this console; whatever could lead elsewhere is the first page."""
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_path and len(wanted) <= _LONGEST else "/"


ROUTES = (
    Route("/login", _show, name="login"),
    Route("/login", _log_in, methods=["POST"], max_body_size=MOST_BODY_BYTES),
    action("/logout", _log_out, name="logout", role=Role.VIEWER),
)
