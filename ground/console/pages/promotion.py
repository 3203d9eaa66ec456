"""A bundle goes on: an approver says so, and why; the registry asks for the evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge_agent.errors import AgentError
from ground.console.data.shadow_comparison import report_bytes
from ground.console.data.shelf import ShelfLine
from ground.console.pages.bundle import ADDRESS, line_of, show_bundle
from ground.console.role import Role
from ground.console.routing import action
from ground.console.services import Services, noting, services_of, session_of
from ground.console.wording import bundle_url
from ground.errors import GroundError

_LONGEST = 500
_SHORT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What the form asks for.

    Attributes:
        to: The state, as it was sent.
        reason: Why.
        is_first: There is no active version to compare with.
        is_replacement: A shadow that is there may be retired for it.
        by: Who asks.
    """

    to: str
    reason: str
    is_first: bool
    is_replacement: bool
    by: str


def _promote(request: Request, form: FormData) -> Response:
    services = services_of(request)
    line = line_of(request, services, services.registry.standing())
    wanted = _Wanted(
        to=_text(form, "to"), reason=_text(form, "reason"), is_first=bool(_text(form, "first")),
        is_replacement=bool(_text(form, "replace")), by=session_of(request).name,
    )  # fmt: skip
    what = f"promote to {wanted.to[:_SHORT]}"
    return _done(request, line, what, wanted.reason, lambda services: _decide(services, line, wanted))


def _retire(request: Request, form: FormData) -> Response:
    services = services_of(request)
    line = line_of(request, services, services.registry.standing())
    reason, by = _text(form, "reason"), session_of(request).name
    return _done(
        request,
        line,
        "retire",
        reason,
        lambda services: services.registry.open().retire(line.name, approver=by, reason=reason),
    )


def _done(request: Request, line: ShelfLine, what: str, reason: str, decide: Callable[[Services], object]) -> Response:
    """Note what is asked for, then do it; what the registry refuses is noted, too, and shown with its reason."""
    services = services_of(request)
    try:
        with noting(request, what, line.name, reason):
            decide(services)
    except (GroundError, AgentError, ValueError) as error:
        return show_bundle(request, said=str(error), status=HTTPStatus.CONFLICT)
    finally:
        services.registry.forget()
    return RedirectResponse(bundle_url(line.detector, line.version), HTTPStatus.SEE_OTHER)


def _decide(services: Services, line: ShelfLine, wanted: _Wanted) -> None:
    from ground.fleet.registry.plan import NO_REPORT, Promotion
    from ground.fleet.registry.states import State, check_transition

    to = State(wanted.to)
    if line.state:
        # What the registry would refuse anyway needs no report, which takes long to make.
        check_transition(line.name, State(line.state), to)
    report = NO_REPORT
    if to is State.ACTIVE and not wanted.is_first:
        report = report_bytes(services.comparisons.report(line.digest))
    asked = Promotion(
        to=to, approver=wanted.by, reason=wanted.reason, report=report, first=wanted.is_first,
        replace=wanted.is_replacement,
    )  # fmt: skip
    services.registry.open().promote(line.name, asked)


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, ""))[:_LONGEST]


ROUTES = (
    action(f"{ADDRESS}/promote", _promote, name="promote", role=Role.APPROVER),
    action(f"{ADDRESS}/retire", _retire, name="retire", role=Role.APPROVER),
)
