"""The cookies of the console: for this site alone, and out of reach of scripts."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ground.console.services import services_of

SESSION: Final = "enginear_session"
LOGIN: Final = "enginear_login"
_OWN_HOST: Final = "__Host-"
"""Browsers set a cookie of such a name only over TLS, for this host alone (RFC 6265bis, 4.1.3.2)."""


def cookie_of(request: Request, name: str) -> str:
    """What a cookie holds; empty where there is none."""
    return request.cookies.get(_full(request, name), "")


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Give the browser a cookie until it is closed."""
    secure = services_of(request).settings.is_secure
    response.set_cookie(_full(request, name), value, path="/", httponly=True, samesite="strict", secure=secure)


def remove_cookie(request: Request, response: Response, name: str) -> None:
    """Take a cookie back."""
    secure = services_of(request).settings.is_secure
    response.delete_cookie(_full(request, name), path="/", httponly=True, samesite="strict", secure=secure)


def _full(request: Request, name: str) -> str:
    return f"{_OWN_HOST}{name}" if services_of(request).settings.is_secure else name
