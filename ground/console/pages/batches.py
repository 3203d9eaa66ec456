"""``/batches``: results of batch runs, what made them, and what stands out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ground.console.data.batch_timeline import batch_timeline
from ground.console.data.batches import BatchFile, batches_in, find_batch, results_of
from ground.console.figures.chart import window_plot
from ground.console.plot import absent
from ground.console.rendering import render
from ground.console.routing import page
from ground.console.services import services_of
from ground.report.batch_page import alerts_section, by_strangeness, meaning, moment, silence_section, tiles
from ground.report.batch_results import RecordingSummary

ADDRESS = "/batches"
_LONGEST = 4_096
_LISTED = 100
_REPLAYED = ("--model", "--data", "--key")
"""Options of `ground batch` that `ground replay` has, too."""


def _list(request: Request) -> Response:
    found, more = batches_in(services_of(request).settings.workspace)
    lines = [
        (each, f"{ADDRESS}/of?{urlencode({'name': each.name})}", shlex.join(each.record.command)) for each in found
    ]
    return render(request, "batches.html", lines=lines, more=more)


def _show(request: Request) -> Response:
    batch = _batch_of(request)
    results = results_of(batch)
    ordered = by_strangeness(results.recordings)
    chosen = _chosen(request, ordered)
    return render(
        request,
        "batch.html",
        batch=batch,
        command=shlex.join(batch.record.command),
        results=results,
        first=moment(min(each.first_ns for each in ordered)),
        last=moment(max(each.last_ns for each in ordered)),
        meaning=meaning(results),
        tiles=tiles(results),
        lines=[(each, _address(batch, each.recording_id)) for each in ordered[:_LISTED]],
        more=len(ordered) - len(ordered[:_LISTED]),
        chosen=chosen,
        replay=_replay(batch.record.command, chosen),
        timeline=batch_timeline(batch, chosen),
        windows=f"{ADDRESS}/windows?{urlencode({'name': batch.name, 'recording': chosen})}",
        alerts=alerts_section(results),
        silence=silence_section(results),
    )


def _windows(request: Request) -> Response:
    batch, recording = _batch_of(request), request.query_params.get("recording", "")[:_LONGEST]
    if recording not in {each.recording_id for each in results_of(batch).recordings}:
        return JSONResponse(absent("No such recording is in these results."))
    return JSONResponse(window_plot(batch_timeline(batch, recording)))


def _chosen(request: Request, recordings: Sequence[RecordingSummary]) -> str:
    """The recording that is asked for; of others the first one is shown."""
    wanted = request.query_params.get("recording", "")[:_LONGEST]
    return wanted if wanted in {each.recording_id for each in recordings} else recordings[0].recording_id


def _replay(command: Sequence[str], recording: str) -> str:
    """The command that sends a recording again; empty where it is not known what made the results."""
    given = [word for pair in pairwise(command) if pair[0] in _REPLAYED for word in pair]
    return shlex.join(("ground", "replay", "--as-stream", *given, "--recording", recording)) if given else ""


def _batch_of(request: Request) -> BatchFile:
    return find_batch(services_of(request).settings.workspace, request.query_params.get("name", "")[:_LONGEST])


def _address(batch: BatchFile, recording: str) -> str:
    return f"{ADDRESS}/of?{urlencode({'name': batch.name, 'recording': recording})}#score"


ROUTES = (
    page(ADDRESS, _list, name="batches"),
    page(f"{ADDRESS}/of", _show, name="batch"),
    page(f"{ADDRESS}/windows", _windows, name="batch_windows"),
)
