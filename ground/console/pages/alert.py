"""``/alerts/{alert_id}``: one alert, what it looks like, and what people say of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ground.console.alert_story import Missing
from ground.console.data.alert import AlertDetail, announced, find_alert, similar_alerts
from ground.console.data.engine_now import last_window
from ground.console.figures.waveform import Told
from ground.console.plot import absent
from ground.console.rendering import render
from ground.console.role import Role
from ground.console.routing import action, page
from ground.console.services import noting, services_of, session_of
from ground.errors import DataError
from ground.fleet.collect.requests import WaveformRequest, ask_for, is_asked_for
from ground.fleet.verdicts import MOST_NOTE, Verdict

VERDICTS: Final = (
    (Verdict.CONFIRMED, "Confirm", "something was wrong with the engine"),
    (Verdict.FALSE_ALARM, "False alarm", "nothing was: retraining may learn from this flight"),
    (Verdict.NEEDS_REVIEW, "Needs review", "nobody knows yet"),
)


def _show(request: Request) -> Response:
    return _rendered(request, _found(request))


def _rendered(
    request: Request, alert: AlertDetail, *, said: str = "", note: str = "", status: HTTPStatus = HTTPStatus.OK
) -> Response:
    services = services_of(request)
    with services.index.cursor() as cursor:
        similar = similar_alerts(cursor, alert)
        waveform = announced(cursor, alert.evidence_id)
        now = last_window(cursor, alert.key.aircraft, alert.key.engine)
    try:
        history = services.index.verdicts.history(alert.key)
    except DataError as error:
        history, said = (), said or str(error)
    return render(
        request,
        "alert.html",
        status=status,
        alert=alert,
        similar=similar,
        now=now,
        waveform=waveform,
        history=history[::-1],
        may_judge=session_of(request).role.may(Role.ENGINEER),
        verdicts=VERDICTS,
        most_note=MOST_NOTE,
        said=said,
        note=note,
    )


def _figures(request: Request) -> Response:
    is_part = request.headers.get("hx-request")
    return _samples(request, _found(request), "alert_figures.html" if is_part else "alert_figures_page.html")


def _healthy(request: Request) -> Response:
    """What a page asks for that was there before the healthy ranges; it asks again while there is nothing."""
    alert = _found(request)
    if services_of(request).stories.is_being_made(alert):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return _samples(request, alert, "alert_healthy.html")


def _samples(request: Request, alert: AlertDetail, template: str) -> Response:
    services = services_of(request)
    # Before the figures: should it be there by then, the page asks once more, and else it would wait for good.
    is_being_made = services.stories.is_being_made(alert)
    with services.index.cursor() as cursor:
        waveform = announced(cursor, alert.evidence_id)
    figures = [(name, title, getattr(services.stories, name)(alert)) for name, title in FIGURES]
    return render(
        request,
        template,
        alert=alert,
        figures=[(name, title, figure) for name, title, figure in figures if isinstance(figure, Told)],
        missing=[(title, figure.text) for _, title, figure in figures if isinstance(figure, Missing)],
        parts=services.stories.parts(alert),
        is_being_made=is_being_made,
        range_note=services.stories.range_note(alert),
        band_note=services.stories.band_note(alert),
        waveform=waveform,
        is_asked_for=is_asked_for(services.index.root, alert.evidence_id),
        may_ask=session_of(request).role.may(Role.ENGINEER),
    )


def _figure(request: Request) -> Response:
    name = request.path_params["figure"]
    if name not in dict(FIGURES):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    figure = getattr(services_of(request).stories, name)(_found(request))
    return JSONResponse(figure.plot.document() if isinstance(figure, Told) else absent(figure.text))


def _judge(request: Request, form: FormData) -> Response:
    alert = _found(request)
    services, session = services_of(request), session_of(request)
    note = str(form.get("note", "")).replace("\r\n", "\n")
    try:
        verdict = Verdict(str(form.get("verdict", "")))
    except ValueError:
        said = "Choose one of the three verdicts."
        return _rendered(request, alert, said=said, note=note, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        with noting(request, f"verdict {verdict.value}", f"alert {alert.alert_id}", note):
            services.index.verdicts.record(alert.key, verdict, by=session.name, note=note)
    except DataError as error:
        return _rendered(request, alert, said=str(error), note=note, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    services.index.refresh_verdicts()
    services.bell.ring()
    return RedirectResponse(f"/alerts/{alert.alert_id}", HTTPStatus.SEE_OTHER)


def _ask(request: Request, _form: FormData) -> Response:
    alert = _found(request)
    try:
        with noting(request, "waveform asked for", f"alert {alert.alert_id}", f"agent {alert.agent}"):
            ask_for(services_of(request).index.root, WaveformRequest(alert.agent, alert.evidence_id))
    except DataError as error:
        return _rendered(request, alert, said=str(error), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except OSError as error:
        said = f"The request could not be kept: {error.strerror}. Look at the disks of dataset and workspace."
        return _rendered(request, alert, said=said, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return RedirectResponse(f"/alerts/{alert.alert_id}", HTTPStatus.SEE_OTHER)


def _found(request: Request) -> AlertDetail:
    with services_of(request).index.cursor() as cursor:
        alert = find_alert(cursor, request.path_params["alert_id"])
    if alert is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such alert, or its file has left the dataset.")
    return alert


FIGURES: Final = (
    ("waveform", "Waveform before and after"),
    ("spectrum", "Spectrum against healthy windows"),
    ("envelope", "Envelope spectrum"),
)
ROUTES = (
    page("/alerts/{alert_id}", _show, name="alert"),
    page("/alerts/{alert_id}/figures", _figures, name="alert_figures"),
    page("/alerts/{alert_id}/healthy", _healthy, name="alert_healthy", is_use=False),
    page("/alerts/{alert_id}/figures/{figure}", _figure, name="alert_figure"),
    action("/alerts/{alert_id}/verdict", _judge, name="alert_verdict", role=Role.ENGINEER),
    action("/alerts/{alert_id}/waveform", _ask, name="alert_waveform", role=Role.ENGINEER),
)
