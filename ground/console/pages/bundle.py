"""``/bundles/<detector>/<version>``: what a bundle promises, what was measured, and who lets it decide."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edge_agent.errors import AgentError
from ground.console.data.registry_desk import Standing
from ground.console.data.shelf import ShelfLine, shelf
from ground.console.data.signed_members import signed_members
from ground.console.data.versions import VersionStory, members_in, story_of, version_in
from ground.console.figures.card import card_html
from ground.console.figures.promises import promise_lines
from ground.console.rendering import render
from ground.console.routing import page
from ground.console.services import Services, services_of
from ground.errors import DataError, GroundError
from ground.report import words
from ground.report.headline import gate_lines, gates_sentence, meaning, release_class, tiles
from ground.report.view import Tile
from ground.run_evidence import RunEvidence
from ground.workspace import Workspace

ADDRESS = "/bundles/{detector}/{version}"


@dataclass(frozen=True, slots=True)
class _Headline:
    """What stands above everything else.

    Attributes:
        release_class: Of the bundle.
        meaning: The verdict in words; empty where its latency is not known.
        tiles: The numbers that matter most.
    """

    release_class: str
    meaning: str
    tiles: tuple[Tile, ...]


def show_bundle(request: Request, *, said: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    """The page of a bundle.

    Args:
        request: Its path names the bundle.
        said: Why what was asked for has not happened; empty: nothing was.
        status: Of the answer.
    """
    services = services_of(request)
    standing = services.registry.standing()
    line = line_of(request, services, standing)
    try:
        told, missing = _told(_story(services, line, standing)), ""
    except (GroundError, AgentError, OSError) as error:
        told, missing = {}, str(error)
    history = standing.histories.get(line.detector)
    decisions = (
        [each for each in history.decisions if line.version in (each.subject.version, each.replaces)] if history else []
    )
    return render(
        request,
        "bundle.html",
        status=status,
        line=line,
        **told,
        missing=missing,
        standing=standing,
        decisions=decisions[::-1],
        next_states=_next_states(line.state),
        said=said,
    )


def _told(story: VersionStory) -> dict[str, object]:
    """What the page says where the bundle is known, by the names that its template has for it."""
    return {
        "story": story,
        "verdict": _verdict(story),
        "headline": _headline(story),
        "gates": gate_lines((*story.evidence.gates, *(each.gate for each in story.latency))),
        "gates_note": gates_sentence(story.evidence),
        "promises": promise_lines(story.evidence.calibration_curve),
        "card": card_html(story.card),
    }


def _shadow(request: Request) -> Response:
    services = services_of(request)
    line = line_of(request, services, services.registry.standing())
    try:
        found = services.comparisons.report(line.digest)
    except DataError as error:
        return render(request, "shadow_part.html", absent=str(error), report=None)
    return render(request, "shadow_part.html", absent="", report=found)


def line_of(request: Request, services: Services, standing: Standing) -> ShelfLine:
    """The bundle that the path of a request names.

    Raises:
        HTTPException: Nobody knows it.
    """
    name = f"{request.path_params['detector']}/{request.path_params['version']}"
    folders = version_in(Workspace(services.settings.workspace), name)
    with services.index.cursor() as cursor:
        found = [each for each in shelf(folders, standing, cursor) if each.name == name]
    if not found:
        raise HTTPException(HTTPStatus.NOT_FOUND, "Neither this workspace nor its registry holds such a bundle.")
    return found[0]


def _story(services: Services, line: ShelfLine, standing: Standing) -> VersionStory:
    workspace = Workspace(services.settings.workspace)
    if line.is_here:
        members = members_in(workspace.release(line.detector, line.version), line.digest)
    else:
        members = signed_members(line.digest, lambda: _fetched(services, line, standing))
    return story_of(members, where=line.name, workspace=workspace)


def _fetched(services: Services, line: ShelfLine, standing: Standing) -> bytes:
    if standing.trouble:
        raise DataError(
            "Only the registry holds this bundle, so what it promises cannot be shown; load the page again."
        )
    return services.registry.open().bundle(line.name)


def _verdict(story: VersionStory) -> str:
    run = [RunEvidence(story.evidence, each) for each in story.latency]
    return run[0].verdict.verdict if run else story.evidence.verdict.verdict


def _headline(story: VersionStory) -> _Headline:
    """The verdict in words, and the numbers that matter most."""
    if story.latency:
        run = RunEvidence(story.evidence, story.latency[0])
        numbers = story.latency[0].numbers
        tile = Tile(f"{words.number(numbers.p99_ms)} ms", "latency in process, p99", f"of {numbers.n:,} windows")
        return _Headline(release_class(run), meaning(run), tiles(story.evidence, tile))
    tile = Tile(words.NOTHING, "latency", "it is no part of a bundle, and this workspace's is of another model")
    return _Headline(story.manifest.release_class, "", tiles(story.evidence, tile))


def _next_states(state: str) -> tuple[str, ...]:
    """States that a person may ask for next."""
    from ground.fleet.registry.states import NEXT, State

    return tuple(each.value for each in NEXT[State(state)] if each is not State.RETIRED) if state else ()


ROUTES = (
    page(ADDRESS, show_bundle, name="bundle"),
    page(f"{ADDRESS}/shadow", _shadow, name="bundle_shadow"),
)
