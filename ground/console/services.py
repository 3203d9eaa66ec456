"""What the pages share: opened once, handed to each request."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from ground.console.accounts import Accounts, Session
from ground.console.alert_story import AlertStories
from ground.console.audit import AuditLog
from ground.console.data.fleet_index import FleetIndex
from ground.console.data.registry_desk import RegistryDesk
from ground.console.data.shadow_comparison import ShadowComparisons
from ground.console.live import Bell
from ground.console.login_limit import LoginLimit
from ground.console.settings import ConsoleSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of one console.

    Attributes:
        settings: What it shows.
        accounts: Users and sessions.
        audit: What people did.
        limit: Logins that failed.
        index: The dataset.
        stories: What the samples say of an alert.
        comparisons: What a shadow would have changed.
        bell: Rings when there is something new.
        registry: Which bundle is tried, and which flies.
    """

    settings: ConsoleSettings
    accounts: Accounts
    audit: AuditLog
    limit: LoginLimit
    index: FleetIndex
    stories: AlertStories
    comparisons: ShadowComparisons
    bell: Bell
    registry: RegistryDesk


def services_of(request: Request) -> Services:
    """The services of the console that a request came to."""
    return cast("Services", request.app.state.services)


def session_of(request: Request) -> Session:
    """Who asks; only behind ``ground.console.routing``, which lets nobody else through."""
    return cast("Session", request.state.session)


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"


def noting(request: Request, action: str, subject: str, detail: str = "") -> AbstractContextManager[None]:
    """The audit log's ``noting`` of what whoever asks does; only behind ``ground.console.routing``."""
    return services_of(request).audit.noting(
        user=session_of(request).name, address=address_of(request), action=action, subject=subject, detail=detail
    )
