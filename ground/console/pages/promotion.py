"""A bundle goes on: an approver says so, and why; the registry asks for the evidence."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge_agent.errors import AgentError
from ground.console.data.shadow_comparison import report_bytes
from ground.console.data.shelf import ShelfLine
from ground.console.pages.bundle import ADDRESS, line_of, show_bundle
from ground.console.role import Role
from ground.console.routing import action
from ground.console.services import Services, address_of, services_of, session_of
from ground.errors import GroundError

_LONGEST = 500
_SHORT = 20


def _promote(request: Request, form: FormData) -> Response:
    services = services_of(request)
    line = line_of(request, services, services.registry.standing())
    wanted = {name: str(form.get(name, ""))[:_LONGEST] for name in ("to", "reason", "first", "replace")}
    by = session_of(request).name
    return _done(
        request,
        line,
        f"promote to {wanted['to'][:_SHORT]}",
        wanted["reason"],
        lambda services: _decide(services, line, by=by, wanted=wanted),
    )


def _retire(request: Request, form: FormData) -> Response:
    services = services_of(request)
    line = line_of(request, services, services.registry.standing())
    reason, by = str(form.get("reason", ""))[:_LONGEST], session_of(request).name
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
    _note(request, what, f"{line.name}: {reason}")
    try:
        decide(services)
    except (GroundError, AgentError, ValueError) as error:
        _note(request, f"{what} refused", f"{line.name}: {error}")
        return show_bundle(request, said=str(error), status=HTTPStatus.CONFLICT)
    finally:
        services.registry.forget()
    return RedirectResponse(f"/bundles/{quote(line.detector)}/{quote(line.version)}", HTTPStatus.SEE_OTHER)


def _decide(services: Services, line: ShelfLine, *, by: str, wanted: dict[str, str]) -> None:
    from ground.fleet.registry.plan import NO_REPORT, Promotion
    from ground.fleet.registry.states import State, check_transition

    to, is_first = State(wanted["to"]), bool(wanted["first"])
    if line.state:
        # What the registry would refuse anyway needs no report, which takes long to make.
        check_transition(line.name, State(line.state), to)
    report = NO_REPORT
    if to is State.ACTIVE and not is_first:
        report = report_bytes(services.comparisons.report(line.digest))
    asked = Promotion(
        to=to, approver=by, reason=wanted["reason"], report=report, first=is_first, replace=bool(wanted["replace"])
    )
    services.registry.open().promote(line.name, asked)


def _note(request: Request, what: str, detail: str) -> None:
    services = services_of(request)
    services.audit.note(
        user=session_of(request).name, address=address_of(request), action=what, detail=detail[:_LONGEST]
    )


ROUTES = (
    action(f"{ADDRESS}/promote", _promote, name="promote", role=Role.APPROVER),
    action(f"{ADDRESS}/retire", _retire, name="retire", role=Role.APPROVER),
)
