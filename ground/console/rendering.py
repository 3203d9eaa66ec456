"""Templates to pages."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from ground.console import wording
from ground.console.accounts import Session
from ground.console.cookies import SESSION, cookie_of
from ground.console.csrf import FIELD
from ground.console.services import services_of
from ground.report import words

HERE: Final = Path(__file__).parent
NAVIGATION: Final = (("/", "Fleet"), ("/alerts", "Alerts"), ("/bundles", "Bundles"), ("/batches", "Batches"))
"""Path and name of the pages that the header names."""


def render(request: Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **context: object) -> Response:
    """Fill a template of ``templates/``; every value is escaped.

    Args:
        request: Knows who looks, and where they are.
        template: Name of the file.
        status: Of the answer.
        context: What the template shows.
    """
    # Of a page that nobody has asked for there is no session yet.
    session = getattr(request.state, "session", None) or _session(request)
    known: dict[str, Any] = {
        "session": session,
        "csrf_field": FIELD,
        "here": request.url.path,
        "banners": services_of(request).index.banners if session else (),
        "status": status,
        "pages": NAVIGATION,
    }
    return _TEMPLATES.TemplateResponse(request, template, {**known, **context}, status_code=status)


def _session(request: Request) -> Session | None:
    token = cookie_of(request, SESSION)
    return services_of(request).accounts.session(token) if token else None


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ago=wording.ago, moment=wording.moment, shortened=wording.shortened, spaced=words.spaced, number=words.number,
        share=words.share, feature=words.feature_name, reason=words.reason_name, digest=words.digest,
        count=words.count, duration=words.duration, badge=wording.badge, bundle=wording.bundle,
    )  # fmt: skip
    environment.globals.update(
        engine_url=wording.engine_url, alerts_url=wording.alerts_url, flight_url=wording.flight_url,
        bundle_url=wording.bundle_url, row_id=wording.row_id,
    )  # fmt: skip
    return environment


_TEMPLATES: Final = Jinja2Templates(env=_environment())
