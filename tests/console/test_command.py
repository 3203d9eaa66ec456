"""``ground console``: what a stranger types, and a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys

import httpx2
import pytest
from typer.testing import CliRunner
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ground.cli import app
from ground.console.accounts import Accounts
from ground.console.audit import FILE, AuditLog
from ground.console.role import Role
from ground.console.settings import ConsoleSettings, is_loopback
from ground.errors import ConfigError
from tests.conftest import ROOT, WAIT_S

RUNNER = CliRunner()


def ground(*words: str, password: str = "correct horse"):  # noqa: S107 - of the tests
    """Run a command."""
    return RUNNER.invoke(app, words, env={"GROUND_KEY_PASSWORD": password})


def test_users_are_added_listed_and_removed(tmp_path):
    """And each of it is noted."""
    place = ("--workspace", str(tmp_path))
    assert "nobody yet" in ground("console", "user", "list", *place).stdout
    added = ground("console", "user", "add", "alice", "--role", "engineer", *place)
    assert added.stdout == "alice: engineer, also judges alerts\n"
    assert re.match(r"alice  engineer  since 20\d\d-", ground("console", "user", "list", *place).stdout)
    (user,) = json.loads(ground("console", "user", "list", *place, "--json").stdout)["users"]
    assert (user["name"], user["role"], set(user)) == ("alice", "engineer", {"name", "role", "added_s"})
    accounts = Accounts(tmp_path / "console")
    assert accounts.log_in("alice", b"correct horse").role is Role.ENGINEER
    accounts.close()
    assert ground("console", "user", "add", "alice", *place).exit_code == 0
    assert ground("console", "user", "remove", "alice", *place).exit_code == 0
    assert [deed.action for deed in AuditLog(tmp_path / "console").deeds()] == [
        "user added",
        "user changed",
        "user removed",
    ]
    shown = ground("console", "audit", *place)
    assert "user removed alice" in shown.stdout
    assert "3 lines, each follows the one before" in shown.stdout
    deeds = json.loads(ground("console", "audit", *place, "--json").stdout)["deeds"]
    assert [(deed["seq"], deed["action"]) for deed in deeds][-1] == (2, "user removed")
    log = tmp_path / "console" / FILE
    log.write_bytes(log.read_bytes().replace(b"user changed", b"user exalted"))
    tampered = ground("console", "audit", *place, "--json")
    assert tampered.stdout == ""
    assert "somebody has changed the log" in str(tampered.exception)


def test_users_that_cannot_be_noted_are_not_added(tmp_path):
    """Nor removed: an approver without a line is what the log is there for."""
    place = ("--workspace", str(tmp_path))
    ground("console", "user", "add", "alice", *place)
    (tmp_path / "console" / FILE).write_bytes(b"not a line\n")
    for words in (("add", "bob", "--role", "approver"), ("add", "alice", "--role", "approver"), ("remove", "alice")):
        assert "expected a line of the audit log" in str(ground("console", "user", *words, *place).exception)
    accounts = Accounts(tmp_path / "console")
    assert [(user.name, user.role) for user in accounts.users()] == [("alice", Role.VIEWER)]
    accounts.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("console", "--workspace", "nowhere"), "--workspace: expected a folder, got nowhere"),
        (("console", "--dataset", "nowhere"), "--dataset: expected a folder, got nowhere; `ground collect run --out`"),
        (("console", "--dataset", "."), "expected a user who may log in, got none"),
        (("console", "--dataset", ".", "--host", "0.0.0.0"), "passwords would cross the network in the clear"),  # noqa: S104 - refused
        (("console", "user", "add", "a b"), "user: expected letters"),
        (("console", "user", "remove", "bob"), "user: expected one of the console, got 'bob'"),
        (("console", "user", "add", "bob", "--workspace", "nowhere"), "--workspace: expected a folder, got nowhere"),
        (("console", "user", "add", "bob", "--password-file", "nowhere"), "nowhere: expected a file with a password"),
    ],
)
@pytest.mark.usefixtures("work_dir")
def test_bad_input_is_told_in_one_line(words, said):
    """With what to do."""
    answer = ground(*words)
    assert said in str(answer.exception)
    assert type(answer.exception).__module__ == "ground.errors"


def test_a_short_password_is_refused(tmp_path):
    """As for keys."""
    answer = ground("console", "user", "add", "bob", "--workspace", str(tmp_path), password="short")  # noqa: S106 - the same
    assert "8 characters or more" in str(answer.exception)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),  # noqa: S104 - asked about
     ("192.168.1.2", False), ("console.example", False), ("", False)],
)  # fmt: skip
def test_addresses_of_this_machine_are_known(host, expected):
    """Others need a name in front of which somebody has put TLS."""
    assert is_loopback(host) == expected


def test_another_address_needs_a_public_name(tmp_path):
    """Which then is one that requests may ask for."""
    with pytest.raises(ConfigError, match="--public-name"):
        ConsoleSettings(workspace=tmp_path, dataset=tmp_path, host="192.0.2.1")
    known = {"workspace": tmp_path, "dataset": tmp_path, "public_name": "console.example"}
    settings = ConsoleSettings(**known, host="192.0.2.1", proxy="192.0.2.7")
    assert "console.example" in settings.hosts
    assert settings.is_secure


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "192.0.2.1", "public_name": "console.example"}, "everybody would seem to come from one address"),
        ({"proxy": "192.0.2.7"}, "expected --public-name beside it"),
        ({"proxy": "proxy.example", "public_name": "console.example"}, "expected an IP address or a network"),
    ],
)
def test_a_proxy_elsewhere_is_named(tmp_path, given, said):
    """Else nobody is told from anybody."""
    with pytest.raises(ConfigError, match=said):
        ConsoleSettings(workspace=tmp_path, dataset=tmp_path, **given)


@pytest.mark.parametrize(
    ("proxy", "come_from", "client"),
    [
        ("", "127.0.0.1", "198.51.100.3"),
        ("192.0.2.7", "192.0.2.7", "198.51.100.3"),
        ("192.0.2.7/28", "192.0.2.9", "198.51.100.3"),
        ("192.0.2.7", "127.0.0.1", "127.0.0.1"),
        ("", "192.0.2.7", "192.0.2.7"),
    ],
)
def test_the_proxy_alone_is_believed(tmp_path, proxy, come_from, client):
    """When it says for whom it asks."""
    settings = ConsoleSettings(workspace=tmp_path, dataset=tmp_path, public_name="console.example", proxy=proxy)
    seen = []

    async def app(scope, _receive, _send):
        seen.append(scope["client"][0])

    scope = {"type": "http", "client": (come_from, 1), "headers": [(b"x-forwarded-for", b"198.51.100.3")]}
    asyncio.run(ProxyHeadersMiddleware(app, settings.believed)(scope, None, None))
    assert seen == [client]


def test_a_real_server_answers_and_ends(tmp_path, dataset):
    """It says where it is, sends strangers to the login, and ends on SIGTERM with pages that still listen."""
    accounts = Accounts(tmp_path / "console")
    accounts.add("alice", Role.VIEWER, b"correct horse")
    cookies = {"enginear_session": accounts.log_in("alice", b"correct horse").token}
    accounts.close()
    program = "import sys; from ground.cli import main; sys.exit(main())"
    command = ["console", "--workspace", str(tmp_path), "--dataset", str(dataset), "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    )
    try:
        process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline().decode())[0]
        with httpx2.Client(base_url=url, timeout=WAIT_S, trust_env=False) as stranger:
            assert stranger.get("/").headers["location"] == "/login?next=%2F"
        with httpx2.Client(base_url=url, timeout=WAIT_S, trust_env=False, cookies=cookies) as client:
            page = client.get("/")
            assert "6 engines" in page.text
            assert "server" not in page.headers
            with client.stream("GET", "/events") as events:
                assert next(events.iter_lines()) == "retry: 5000"
                process.send_signal(signal.SIGTERM)
                assert process.wait(WAIT_S) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
