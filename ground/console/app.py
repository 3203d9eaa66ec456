"""The console as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ground.console.accounts import Accounts
from ground.console.alert_story import AlertStories
from ground.console.audit import AuditLog
from ground.console.data.fleet_index import FleetIndex
from ground.console.data.models import Models
from ground.console.data.registry_desk import desk_of
from ground.console.data.shadow_comparison import ShadowComparisons
from ground.console.data.waveforms import Waveforms
from ground.console.live import Bell, looking
from ground.console.login_limit import LoginLimit
from ground.console.lookout import Lookout
from ground.console.pages import (
    alert,
    alerts,
    batches,
    bundle,
    bundles,
    engine,
    events,
    fleet,
    flight,
    login,
    promotion,
)
from ground.console.problems import on_fault, on_ground_error, on_refusal
from ground.console.rendering import HERE
from ground.console.routing import MOST_BODY_BYTES
from ground.console.security import SecurityHeaders
from ground.console.services import Services
from ground.console.settings import ConsoleSettings
from ground.errors import GroundError
from ground.workspace import Workspace

PAGES: Final = (login, fleet, alerts, alert, events, engine, flight, bundles, bundle, promotion, batches)


def make_app(settings: ConsoleSettings) -> Starlette:
    """The application; it looks at the dataset once here, and again and again while it runs.

    Args:
        settings: What it shows.

    Raises:
        ConfigError: The file of users is none.
        OSError: The disk refuses.
    """
    index = FleetIndex(settings.dataset, days=settings.days)
    services = Services(
        settings=settings,
        accounts=Accounts(settings.folder),
        audit=AuditLog(settings.folder),
        limit=LoginLimit(),
        index=index,
        stories=AlertStories(Waveforms(index), Models(Workspace(settings.workspace))),
        comparisons=ShadowComparisons(index),
        bell=Bell(),
        registry=desk_of(settings),
    )
    services.registry.ask()
    index.refresh()
    routes = [route for each in PAGES for route in each.ROUTES]
    app = Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=HERE / "static"), name="static")],
        middleware=[
            Middleware(SecurityHeaders, is_secure=settings.is_secure),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(settings.hosts), www_redirect=False),
            Middleware(GZipMiddleware, minimum_size=2_000),
        ],
        exception_handlers={HTTPException: on_refusal, GroundError: on_ground_error, Exception: on_fault},
        lifespan=_lifespan,
        max_body_size=MOST_BODY_BYTES,
    )
    app.state.services = services
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    services: Services = app.state.services
    lookout = Lookout(services.index, services.stories)
    with looking(lookout.look, services.bell):
        yield
    services.stories.close()
    services.index.close()
    services.accounts.close()
