"""The pages: what they show, what they do, and what they make of names that are no names."""

from __future__ import annotations

import html
import json
import re
import time
from dataclasses import replace
from http import HTTPStatus

import pytest

from edge_agent.assessment import Contribution
from edge_agent.result import decode_result, encode_result
from edge_agent.topics_section import TopicsSection
from ground.console import rendering
from ground.console.data.drift_event import drift_event
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from ground.fleet.collect.parts import write_parts
from ground.fleet.verdicts import Verdict
from tests.console.conftest import alert_ids, browser_of, close_app, csrf_of, open_app
from tests.console.fleet_data import BUNDLE, DATE, Plan, messages, status, write_fleet

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}",
    "'; DROP TABLE alert; --",
    "\u202egnp.exe",
    "A" * 300,
    "motor 7 \u2708 \u092e\u094b\u091f\u0930 \u0645\u062d\u0631\u0643",
    "..",
    "%2e%2e%5c",
    " ",
    "a\x00b",
)
HOSTILE_FEATURES = (*HOSTILE[:4], "x.band_._._hz", "x.band_1e999_2_hz", "x.band_2_1_hz", "x.band_0_1_hz", ".", "")


def test_the_fleet_is_shown(viewer):
    """Every engine, with what it said last."""
    page = viewer.get("/").text
    for aircraft in Plan().aircraft:
        for engine in Plan().engines:
            assert f"/engine?aircraft={aircraft}&amp;engine={engine}" in page
    assert "6 engines" in page


@pytest.mark.parametrize(("text", "n"), [("oo-abc", 2), ("/2", 3), ("OO-XYZ/1", 1), ("nothing", 0), ("%", 0), ("'", 0)])
def test_the_fleet_can_be_filtered(viewer, text, n):
    """By any part of aircraft/engine, whatever the case."""
    page = viewer.get("/", params={"text": text}).text
    assert page.count('<tr id="engine-') == n
    assert ("No engine of that name" in page) == (n == 0)


@pytest.mark.parametrize("page", ["0", "-1", "x", "1e9", "", "\u0661", "999999999999", f"00001{5_000 * '1'}"])
def test_nonsense_pages_are_the_first_one(viewer, page):
    """Or the last one there can be; never a fault."""
    assert viewer.get("/", params={"page": page}).status_code in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
    assert viewer.get("/alerts", params={"page": page}).status_code in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A viewer of 201 engines with an alert each: more than fit on a page."""
    root = tmp_path_factory.mktemp("many")
    engines = tuple(map(str, range(201)))
    write_fleet(root, Plan(aircraft=("OO-ABC",), engines=engines, flights=1, windows=8, alerts=1))
    app = open_app(ConsoleSettings(workspace=root, dataset=root))
    yield browser_of(app, Role.VIEWER)
    close_app(app)


@pytest.mark.parametrize("path", ["/", "/alerts"])
def test_parts_lead_to_pages(many, path):
    """What loads anew has the pages' addresses in its pager, not its own; beyond the last page stands the last one."""
    part = f"{path if path != '/' else '/fleet'}/part"
    (after,) = re.findall(r'href="([^"]+)" rel="next"', many.get(part, params={"text": "oo"}).text)
    assert after == f"{path}?text=oo&amp;page=2"
    assert '<nav aria-label="Pages">' in many.get(after.replace("&amp;", "&")).text
    beyond = many.get(part, params={"page": "99"}).text
    assert "201 to 201 shown" in beyond
    assert 'rel="next"' not in beyond


def test_rows_have_the_id_of_their_engine(viewer):
    """Wherever they stand: whoever has the focus on one keeps it when the order changes."""
    rows = r'<tr id="(engine-\w+)">\s*<th[^>]*><a href="([^"]+)"'
    shown = dict(re.findall(rows, viewer.get("/").text))
    assert len(shown) == 6
    filtered = dict(re.findall(rows, viewer.get("/", params={"text": "xyz"}).text))
    assert len(filtered) == 2
    assert filtered.items() <= shown.items()


def test_pages_say_whether_they_update_themselves(viewer):
    """Only those that do have the place where scripts say so; the fleet says how old its news are."""
    (alert, *_) = alert_ids(viewer)
    for path in ("/", "/alerts"):
        assert 'id="live"' in viewer.get(path).text
    for path in (f"/alerts/{alert}", "/engine?aircraft=OO-ABC&engine=1", "/bundles", "/batches"):
        assert 'id="live"' not in viewer.get(path).text
        assert "This page does not update itself." in viewer.get(path).text
    assert re.search(r"<b>[^<]+</b><span>newest window</span>", viewer.get("/").text)


DRIFT = {
    "schema": 1, "event": "drift", "bundle_id": "d/1.0.0", "bundle_digest": "ab", "p": 0.0004, "outcome": "drift",
    "shifts": [{"name": "acc_1.rms", "phase": "cruise", "spreads": 2.5, "feature": 0, "statistic": 9.0}],
    "flown": [{"engine": "OO-ABC/1", "flight": "F1"}, {"engine": "OO-ABC/1", "flight": "F2"}],
}  # fmt: skip


def test_drift_that_was_found_is_shown(browser, settings):
    """In words, and beside its engines."""
    (settings.workspace / "drift.json").write_text(json.dumps(DRIFT))
    page = browser(Role.VIEWER).get("/").text
    assert "2 flights of 1 engine differ from the first ones of d/1.0.0" in page
    assert "RMS of acc_1 in cruise by 2.50" in page
    assert page.count('<span class="badge open">drift</span>') == 1


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"schema": 2}', json.dumps({**DRIFT, "flown": [3]}), "9" * 9_999]
)
def test_another_file_is_no_drift(settings, content):
    """Half written, of another version, or nonsense."""
    (settings.workspace / "drift.json").write_text(content)
    assert drift_event(settings.workspace) == ()


def test_alerts_are_listed_newest_first(viewer):
    """All of them open."""
    page = viewer.get("/alerts").text
    times = re.findall(r'href="/alerts/[0-9a-f]{12}">([^<]+)<', page)
    assert len(times) == 9
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("?verdict=confirmed", 0), ("?verdict=all", 9), ("?verdict=nonsense", 9), ("?aircraft=OO-ABC&engine=2", 2),
        ("?aircraft=OO-ABC", 3), ("?text=f004", 3), ("?text=nothing", 0), ("?aircraft=%27", 0),
    ],
)  # fmt: skip
def test_alerts_can_be_filtered(viewer, query, n):
    """By verdict, engine and text."""
    assert len(alert_ids(viewer, query)) == n


def test_an_alert_leads_on(viewer):
    """To its flight and its bundle; and it says what the last window of its engine was, which may have calmed down."""
    name = alert_ids(viewer, "?verdict=all&text=OO-ABC/1")[-1]
    text = viewer.get(f"/alerts/{name}").text
    flight = re.search(r'<dt>Flight</dt><dd><a href="([^"]+)"', text)[1]
    assert viewer.get(html.unescape(flight)).status_code == HTTPStatus.OK
    detector, _, version = BUNDLE.rpartition("/")
    assert f'<a href="/bundles/{detector}/{version}">{BUNDLE}</a>' in text
    now = re.search(r"<dt>Last window</dt><dd>(.*)</dd>", text)[1]
    badge = re.search(r'<span class="badge [^<]+</span>', now)[0]
    assert f"<dd>{badge}" in viewer.get("/engine?aircraft=OO-ABC&engine=1").text
    assert re.search(r"flight=F\d+", now)[0] == f"flight=F{Plan().flights:03}"
    listed = viewer.get("/alerts?verdict=all&text=OO-ABC/1").text
    assert f'data-label="Flight"><a href="{flight}"' in listed
    assert '<span class="badge open">open</span>' in viewer.get(html.unescape(flight)).text


def test_open_alerts_of_an_engine_catch_the_eye(viewer):
    """Its state is that of the last window, which often cannot be assessed."""
    assert viewer.get("/").text.count('<a class="badge open" href="/alerts?aircraft=') == 6


@pytest.mark.parametrize("bundle_id", ["", "no version", "/1.0.0", "detector/"])
def test_a_bundle_without_a_version_has_no_page(bundle_id):
    """Its name comes from the wire."""
    parts = rendering._TEMPLATES.get_template("parts.html").module
    assert str(parts.bundle_link(bundle_id)) == bundle_id


def test_parts_of_pages_are_the_parts(viewer):
    """What htmx loads anew is what the page holds."""
    for path, part in (("/", "/fleet/part"), ("/alerts", "/alerts/part")):
        assert re.sub(r"\s+", "", viewer.get(part).text) in re.sub(r"\s+", "", viewer.get(path).text)


def test_a_verdict_is_kept_shown_and_noted(app, browser):
    """In the store that retraining reads, on the page, and in the audit log."""
    client, note = browser(Role.ENGINEER), "bearing changed <b>\r\n2 \u00b5m play"
    for alert, verdict in zip(alert_ids(client), Verdict, strict=False):
        sent = {"csrf": csrf_of(client.get(f"/alerts/{alert}").text), "verdict": verdict.value, "note": note}
        answer = client.post(f"/alerts/{alert}/verdict", data=sent)
        assert (answer.status_code, answer.headers["location"]) == (HTTPStatus.SEE_OTHER, f"/alerts/{alert}")
        (key, entry) = list(app.state.services.index.verdicts.latest().items())[-1]
        assert (key.alert_id, entry.verdict, entry.by) == (alert, verdict, "engineer")
        assert entry.note == note.replace("\r\n", "\n")
        assert "bearing changed &lt;b&gt;" in client.get(f"/alerts/{alert}").text
        assert (alert in alert_ids(client)) == (verdict is Verdict.NEEDS_REVIEW)
        assert alert_ids(client, f"?verdict={verdict.value}") == [alert]
        deed = list(app.state.services.audit.deeds())[-1]
        assert (deed.user, deed.action) == ("engineer", f"verdict {verdict.value}")
        assert alert in deed.detail


UNFIT = (
    ({"verdict": "guilty"}, "Choose one of the three verdicts."),
    ({}, "Choose one of the three verdicts."),
    ({"verdict": "confirmed", "note": "x" * 2_001}, "at most 2000 characters"),
    ({"verdict": "confirmed", "note": "a\x1b[2J"}, "printable"),
)


def test_a_verdict_that_cannot_be_kept_says_why(app, browser):
    """And what was written is still in the form."""
    client = browser(Role.ENGINEER)
    (alert, *_) = alert_ids(client)
    for fields, said in UNFIT:
        answer = client.post(f"/alerts/{alert}/verdict", data={"csrf": csrf_of(client.get("/").text), **fields})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert said in answer.text
        assert fields.get("note", "")[:50] in answer.text
    assert not app.state.services.index.verdicts.latest()
    said = [deed.action for deed in app.state.services.audit.deeds() if deed.action.startswith("verdict")]
    assert said == ["verdict confirmed", "verdict confirmed refused"] * 2


def test_a_verdict_that_cannot_be_noted_is_not_kept(app, browser):
    """The audit log comes first."""
    client = browser(Role.ENGINEER)
    (alert, *_) = alert_ids(client)
    log = app.state.services.settings.folder / "audit.log"
    log.write_bytes(log.read_bytes() + b"not a line\n")
    answer = client.post(
        f"/alerts/{alert}/verdict", data={"csrf": csrf_of(client.get("/").text), "verdict": "confirmed"}
    )
    assert answer.status_code >= HTTPStatus.BAD_REQUEST
    assert "audit log" in answer.text
    assert not app.state.services.index.verdicts.latest()


@pytest.mark.parametrize(
    "path", ["/alerts/000000000000", "/alerts/%3Cscript%3E", "/alerts/..%2f..%2fetc", "/nix", "/fleet"]
)
def test_what_is_not_there_is_a_page(viewer, path):
    """With a way back, and nothing of the request in it."""
    answer = viewer.get(path)
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert 'href="/"' in answer.text
    assert "<script>" not in answer.text


def naming(payload: bytes, first: int) -> bytes:
    """A window that names hostile features as its cause, one of them first."""
    result = decode_result(payload)
    at = first % len(HOSTILE_FEATURES)
    parts = tuple(Contribution(name, 0.1) for name in (*HOSTILE_FEATURES[at:], *HOSTILE_FEATURES[:at]))
    return encode_result(replace(result, assessment=replace(result.assessment, contributions=parts)))


def test_hostile_names_are_shown_as_they_are(tmp_path):
    """Names come from the wire and from other people's datasets: they are texts, whatever they hold."""
    root, parts = tmp_path / "fleet", []
    for number, name in enumerate(HOSTILE):
        plan = Plan(aircraft=(name,), engines=(name,), flights=1, windows=8, alerts=1, seed=number)
        for message in messages(plan):
            # A broker would not carry such topics; what a window says of itself is what is shown.
            kind = message.topic.rsplit("/", 1)[1]
            if kind in {"alert", "result"}:
                topic = f"aircraft/x{number}/engine/1/{kind}"
                parts.append(replace(message, topic=topic, payload=naming(message.payload, number)))
            else:
                parts.append(message)
    write_parts(parts, root, name="c-1", date=DATE, topics=TopicsSection())
    app = open_app(ConsoleSettings(workspace=tmp_path, dataset=root))
    try:
        client = browser_of(app, Role.ENGINEER)
        ids = alert_ids(client)
        assert len(ids) == len(HOSTILE)
        pages = ["/", "/alerts", *(f"/alerts/{alert}{part}" for alert in ids for part in ("", "/figures"))]
        for path in pages:
            answer = client.get(path)
            assert answer.status_code == HTTPStatus.OK, path
            assert "<script>alert" not in answer.text
            assert "<img" not in answer.text
            assert "{{ 7" in answer.text or "49" not in re.findall(r">\s*(49)\s*<", answer.text)
        for target in re.findall(r'href="(/(?:engine|alerts)\?[^"]+)"', client.get("/").text)[:3]:
            assert client.get(target.replace("&amp;", "&")).status_code != HTTPStatus.INTERNAL_SERVER_ERROR
    finally:
        close_app(app)


def test_faults_of_the_data_are_told_of_on_every_page(settings):
    """So that nobody believes a part for the whole; open pages hear of it, too."""
    (path, *_) = (settings.dataset / "alert").glob("*/*/*.parquet")
    path.write_bytes(b"broken")
    app = open_app(settings)
    try:
        client = browser_of(app, Role.VIEWER)
        for page in ("/", "/alerts", "/bundles", "/nix", "/fleet/part", "/alerts/part"):
            assert client.get(page).text.count("1 file of the dataset is left out") == 1, page
        assert "left out" not in browser_of(app).get("/login").text
    finally:
        close_app(app)


def test_agents_that_fell_silent_are_not_called_well(settings):
    """The page says when they were heard last, not how they were then."""
    heard_ns = time.time_ns() - 3 * 3_600 * 10**9
    parts = [status("agent-OO-ABC", sent_ns=heard_ns, health="degraded")]
    write_parts(parts, settings.dataset, name="test-2", date=DATE, topics=TopicsSection())
    app = open_app(settings)
    try:
        page = browser_of(app, Role.VIEWER).get("/").text
        assert '<span class="badge open">silent</span>, last heard 3 h ago' in page
        assert "degraded" not in page
    finally:
        close_app(app)
