"""``/bundles``: the versions of detectors, their states, and which engines they decide for."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ground.console.data.shelf import shelf
from ground.console.data.versions import versions_in
from ground.console.rendering import render
from ground.console.routing import page
from ground.console.services import services_of
from ground.workspace import Workspace

ADDRESS = "/bundles"


def _show(request: Request) -> Response:
    services = services_of(request)
    standing = services.registry.standing()
    folders = versions_in(Workspace(services.settings.workspace))
    with services.index.cursor() as cursor:
        lines = shelf(folders, standing, cursor)
    return render(request, "bundles.html", lines=lines, standing=standing)


ROUTES = (page(ADDRESS, _show, name="bundles"),)
