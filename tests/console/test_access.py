"""Who gets in, and what a stranger's page can do: nothing."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from html.parser import HTMLParser
from http import HTTPStatus
from types import SimpleNamespace

import pytest
from starlette.routing import Route

from ground.console import app as app_module
from ground.console import problems
from ground.console.accounts import IDLE_S, LONGEST_S
from ground.console.login_limit import AT_ONCE, ATTEMPTS, FROM_ADDRESS, OF_NAME, SPAN_S, LoginLimit, Wait
from ground.console.pages import events
from ground.console.role import Role
from ground.console.security import HEADERS
from ground.console.settings import ConsoleSettings
from tests.console.conftest import PASSWORD, alert_ids, browser_of, close_app, csrf_of, log_in, open_app

ROUTES = [route for page in app_module.PAGES for route in page.ROUTES]
PAGES = [route.path for route in ROUTES if "GET" in (route.methods or ()) and route.path != "/login"]
ACTIONS = [route.path for route in ROUTES if "POST" in (route.methods or ()) and route.path != "/login"]
OPEN = "/alerts/{alert_id}/verdict"


def path_of(template: str) -> str:
    """A path of a route, with something in its places."""
    return re.sub(r"\{[^}]+\}", "abc", template)


def test_there_are_pages_and_actions():
    """The tables below are not empty."""
    assert len(PAGES) >= 7
    assert OPEN in ACTIONS


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_for_those_who_are_logged_in(shared_app, path):
    """Others are sent to the login, and back afterwards."""
    answer = browser_of(shared_app).get(path_of(path))
    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["location"].startswith("/login?next=")


def test_actions_take_forms_of_our_own_pages_alone(shared_app):
    """A page elsewhere can make a browser send a form, not read the token that ours carry."""
    client = browser_of(shared_app, Role.APPROVER)
    own = csrf_of(client.get("/").text)
    other = csrf_of(browser_of(shared_app, Role.APPROVER).get("/").text)
    forged = (
        ("", {}), ("guess", {}), (other, {}), (own, {"sec-fetch-site": "cross-site"}),
        (own, {"sec-fetch-site": "same-site"}), (own, {"origin": "https://evil.example"}), (own, {"origin": "null"}),
    )  # fmt: skip
    for path in ACTIONS:
        for token, headers in forged:
            answer = client.post(path_of(path), data={"csrf": token, "verdict": "confirmed"}, headers=headers)
            assert answer.status_code == HTTPStatus.FORBIDDEN, (path, token, headers)
    assert client.get("/").status_code == HTTPStatus.OK


@pytest.mark.parametrize("path", ACTIONS)
def test_actions_are_for_those_who_are_logged_in(shared_app, path):
    """With or without a token."""
    answer = browser_of(shared_app).post(path_of(path), data={"csrf": "x"})
    assert answer.status_code == HTTPStatus.SEE_OTHER


def test_a_viewer_changes_nothing(app, browser):
    """The form is not there, and sending it all the same does not help."""
    client = browser(Role.VIEWER)
    (alert, *_) = alert_ids(client)
    page = client.get(f"/alerts/{alert}").text
    assert 'name="verdict"' not in page
    answer = client.post(f"/alerts/{alert}/verdict", data={"csrf": csrf_of(page), "verdict": "confirmed"})
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "engineer" in answer.text
    assert not app.state.services.index.verdicts.latest()
    deed = list(app.state.services.audit.deeds())[-1]
    assert (deed.user, deed.action) == ("viewer", "refused")
    assert deed.detail.startswith(f"/alerts/{alert}/verdict: This takes the role engineer")


@pytest.mark.parametrize(
    ("name", "password"), [("viewer", "wrong"), ("nobody", PASSWORD), ("", ""), ("viewer\x00", "")]
)
def test_a_wrong_login_is_refused_in_the_same_words(bare, name, password):
    """Whether the name exists is nobody's business."""
    answer = log_in(browser_of(bare), name, password)
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert "Name or password is wrong." in answer.text
    assert "enginear_session" not in answer.headers.get("set-cookie", "")


def test_a_login_needs_the_token_of_its_page(bare):
    """Else a stranger's page could log somebody in as the stranger."""
    client = browser_of(bare)
    for token in ("", "guess"):
        answer = client.post("/login", data={"csrf": token, "name": "viewer", "password": PASSWORD})
        assert answer.status_code == HTTPStatus.FORBIDDEN


def test_logins_that_fail_too_often_wait(bare):
    """The right password does not help then; another name from elsewhere is not held up."""
    client = browser_of(bare)
    for _ in range(ATTEMPTS):
        assert log_in(client, "viewer", "wrong").status_code == HTTPStatus.UNAUTHORIZED
    for _ in range(3):
        assert log_in(client, "viewer").status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert log_in(client, "engineer").status_code == HTTPStatus.SEE_OTHER
    said = [deed.action for deed in bare.state.services.audit.deeds()]
    assert said == [*["login failed"] * ATTEMPTS, "login refused", "login"]


def test_the_limit_ends_and_has_a_limit_of_its_own():
    """After the span attempts count anew; a stranger shuts nobody out; names without number cost bounded memory."""
    now = [0.0]
    limit = LoginLimit(lambda: now[0])
    for _ in range(ATTEMPTS):
        assert limit.enter("a", "1").seconds == 0.0
    assert limit.enter("a", "1") == Wait(SPAN_S, is_news=True)
    assert limit.enter("a", "1") == Wait(SPAN_S, is_news=False)
    assert limit.enter("a", "2").seconds == limit.enter("b", "1").seconds == 0.0
    now[0] = SPAN_S / 2
    assert limit.enter("a", "1").seconds == SPAN_S / 2
    now[0] = SPAN_S
    for _ in range(ATTEMPTS):
        assert limit.enter("a", "1").seconds == 0.0
    assert limit.enter("a", "1").is_news
    now[0] = 2 * SPAN_S
    for number in range(OF_NAME):
        assert limit.enter("a", f"address {number}").seconds == 0.0
    assert limit.enter("a", "elsewhere").seconds == SPAN_S
    for number in range(5_000):
        limit.enter(f"name {number}", f"from {number}")
    assert len(limit._counts) <= 10_000
    for number in range(FROM_ADDRESS):
        assert limit.enter(f"name {number}", "9").seconds == 0.0
    assert limit.enter("anybody", "9").seconds == SPAN_S


def test_who_logs_in_is_no_failure():
    """However often, from one address: all people behind one proxy, or a script."""
    limit = LoginLimit(lambda: 0.0)
    for number in range(2 * OF_NAME):
        assert limit.enter("a", "1").seconds == limit.enter(f"b{number % 2}", "1").seconds == 0.0
        limit.succeeded("a", "1")
        limit.succeeded(f"b{number % 2}", "1")


def test_guesses_that_are_made_at_once_are_counted(bare):
    """Before the first one has its answer: 40 threads are not 40 guesses."""
    accounts, guesses = bare.state.services.accounts, []
    inside = accounts.log_in

    def more(name, password):
        guesses.append(name)
        if len(guesses) < 3 * ATTEMPTS:
            log_in(browser_of(bare), "viewer", "wrong")
        return inside(name, password)

    accounts.log_in = more
    log_in(browser_of(bare), "viewer", "wrong")
    assert len(guesses) == ATTEMPTS


def test_logins_beyond_a_few_at_once_are_sent_away(bare):
    """They would hold the threads that pages need."""
    client, limit = browser_of(bare), bare.state.services.limit
    with ExitStack() as taken:
        assert all(taken.enter_context(limit.place()) for _ in range(AT_ONCE))
        assert log_in(client, "viewer").status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert log_in(client, "viewer").status_code == HTTPStatus.SEE_OTHER


def test_the_session_cookie_is_out_of_reach(bare):
    """Of scripts, and of other sites."""
    cookie = log_in(browser_of(bare), "viewer").headers["set-cookie"]
    assert re.search(r"enginear_session=[\w-]{40,}; HttpOnly; Path=/; SameSite=strict", cookie)


def test_logging_out_ends_the_session_at_the_server(bare):
    """A cookie that somebody has copied is worth nothing afterwards."""
    client = browser_of(bare, Role.VIEWER)
    stolen = client.cookies["enginear_session"]
    client.post("/logout", data={"csrf": csrf_of(client.get("/").text)})
    thief = browser_of(bare)
    thief.cookies.set("enginear_session", stolen)
    assert thief.get("/").status_code == HTTPStatus.SEE_OTHER


def test_removed_and_changed_users_are_out_at_once(bare):
    """And another role counts from the next request on, by a new login."""
    client, other = browser_of(bare, Role.VIEWER), browser_of(bare, Role.ENGINEER)
    bare.state.services.accounts.remove("viewer")
    bare.state.services.accounts.add("engineer", Role.VIEWER, b"another password")
    assert client.get("/").status_code == HTTPStatus.SEE_OTHER
    assert other.get("/").status_code == HTTPStatus.SEE_OTHER


@pytest.fixture
def clock(bare, monkeypatch) -> list[float]:
    """The wall time of the bare application's accounts, s: the test sets it."""
    now = [1_790_000_000.0]
    monkeypatch.setattr(bare.state.services.accounts, "_now_s", lambda: now[0])
    return now


@pytest.mark.parametrize(("later_s", "status"), [(IDLE_S - 1, 200), (IDLE_S, 303)])
def test_sessions_end_when_nobody_uses_them(bare, clock, later_s, status):
    """Two hours after the last request."""
    client = browser_of(bare, Role.VIEWER)
    clock[0] += later_s
    assert client.get("/").status_code == status


def test_pages_that_update_themselves_do_not_keep_a_session(bare, clock):
    """Else a screen that nobody looks at stays open for half a day."""
    client = browser_of(bare, Role.VIEWER)
    clock[0] += IDLE_S / 2
    for path in ("/fleet/part", "/alerts/part"):
        assert client.get(path).status_code == HTTPStatus.OK
    clock[0] += IDLE_S / 2
    assert client.get("/fleet/part", headers={"hx-request": "true"}).headers["hx-redirect"] == "/login"
    assert client.get("/").status_code == HTTPStatus.SEE_OTHER


def test_news_end_with_the_session(bare):
    """Whoever was removed hears no more of them."""
    services = bare.state.services
    session = services.accounts.log_in("viewer", PASSWORD.encode())

    async def heard():
        news = events._news(services, session.token)
        assert (await anext(news)).startswith("retry")
        services.bell.ring()
        assert (await anext(news)).startswith("event: changed")
        services.accounts.remove("viewer")
        services.bell.ring()
        return [line async for line in news]

    assert asyncio.run(heard()) == []
    assert not services.bell._listeners


def test_sessions_end_after_half_a_day(bare, clock):
    """However busy they are."""
    client, begun_s = browser_of(bare, Role.VIEWER), clock[0]
    for later_s in range(0, LONGEST_S, IDLE_S // 2):
        clock[0] = begun_s + later_s
        assert client.get("/").status_code == HTTPStatus.OK
    clock[0] = begun_s + LONGEST_S
    assert client.get("/").status_code == HTTPStatus.SEE_OTHER


def test_the_login_leads_to_pages_of_ours_alone(bare):
    """Whatever the link to it says."""
    elsewhere = (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "evil",
        "javascript:alert(1)",
        "/\n/evil",
        "/\t/evil",
        "",
    )
    for wanted in elsewhere:
        assert log_in(browser_of(bare), "viewer", next=wanted).headers["location"] == "/", wanted


def test_the_login_leads_back(bare):
    """To the page that was asked for."""
    assert log_in(browser_of(bare), "viewer", next="/alerts?verdict=all").headers["location"] == "/alerts?verdict=all"


@pytest.mark.parametrize("path", ["/", "/login", "/nix", "/static/console.css", "/static/nix", "/alerts/nix"])
def test_every_answer_has_the_headers(viewer, path):
    """Also those that say no."""
    answer = viewer.get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_fault_of_ours_is_a_page_with_a_number(bare, monkeypatch):
    """No traceback, and the headers are there; the log has the rest under that number."""
    client, logged = browser_of(bare, Role.VIEWER), []
    monkeypatch.setattr(problems, "_log", SimpleNamespace(error=lambda _, **more: logged.append(more)))
    monkeypatch.setattr(bare.state.services.index, "cursor", lambda: 1 / 0)
    answer = client.get("/")
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    (entry,) = logged
    assert f"number {entry['number']}" in answer.text
    assert isinstance(entry["exc_info"], ZeroDivisionError)
    assert "Traceback" not in answer.text
    assert "division" not in answer.text
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


class Inline(HTMLParser):
    """Finds what a strict policy would not run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        """Scripts without a file, styles, handlers, and addresses of scripts."""
        given = dict(attrs)
        bad = [name for name in given if name.startswith("on") or name == "style"]
        bad += [name for name in ("href", "src", "action") if (given.get(name) or "").lower().startswith("javascript:")]
        if bad or tag == "style" or (tag == "script" and "src" not in given):
            self.found.append(f"{tag} {bad}")


def test_pages_hold_nothing_inline(viewer):
    """The policy forbids it, so it would not work."""
    (alert, *_) = alert_ids(viewer)
    for path in ("/", "/login", "/alerts", f"/alerts/{alert}", f"/alerts/{alert}/figures"):
        parser = Inline()
        parser.feed(viewer.get(path).text)
        assert not parser.found, path


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost:99999:1"])
def test_other_names_of_this_machine_are_refused(shared_app, host):
    """A page elsewhere can let its own name point to this machine."""
    assert browser_of(shared_app).get("/login", headers={"host": host}).status_code == HTTPStatus.BAD_REQUEST


def test_long_and_odd_forms_are_refused(browser):
    """They end with a page that says so."""
    client = browser(Role.ENGINEER)
    (alert, *_) = alert_ids(client)
    token = csrf_of(client.get("/").text)
    path = f"/alerts/{alert}/verdict"
    long = client.post(path, data={"csrf": token, "verdict": "confirmed", "note": "x" * 100_000})
    assert long.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    many = client.post(path, data={"csrf": token, **{f"field{number}": "" for number in range(1_000)}})
    assert many.status_code == HTTPStatus.BAD_REQUEST
    file = client.post(path, data={"csrf": token}, files={"file": b"x"})
    assert file.status_code == HTTPStatus.BAD_REQUEST
    assert all("Traceback" not in each.text for each in (long, many, file))


def test_behind_tls_cookies_keep_to_it(tmp_path, dataset):
    """A public name means a proxy that speaks TLS: cookies of this host alone, and never without it."""
    app = open_app(ConsoleSettings(workspace=tmp_path, dataset=dataset, public_name="console.example"))
    try:
        client = browser_of(app, base="https://console.example")
        answer = log_in(client, "viewer")
        assert re.search(
            r"__Host-enginear_session=\S+; HttpOnly; Path=/; SameSite=strict; Secure", answer.headers["set-cookie"]
        )
        assert "strict-transport-security" in answer.headers
        assert client.get("/").status_code == HTTPStatus.OK
    finally:
        close_app(app)


def test_the_page_of_routes_is_complete(shared_app):
    """Nothing answers but the pages of the list and the static files."""
    known = {route.path for route in ROUTES}
    assert {route.path for route in shared_app.routes if isinstance(route, Route)} == known
