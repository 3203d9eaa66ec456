"""Forms are ours: each carries the token of its session, and the browser says that it comes from our own pages."""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

FIELD: Final = "csrf"
_OWN: Final = ("same-origin", "none")


def same_token(given: str, expected: str) -> bool:
    """Whether a form's token is the session's; none is never enough."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def is_same_origin(request: Request) -> bool:
    """Whether the browser says that one of our own pages has sent this; browsers that say nothing pass."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in _OWN:
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
