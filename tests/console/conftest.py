"""A console over a small fleet, and browsers that are logged in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ground.console.app import make_app
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from tests.console.fleet_data import Plan, write_fleet

PASSWORD = "correct horse"  # noqa: S105 - of the tests
BASE = "http://127.0.0.1"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet of three aircraft; nobody writes into it."""
    root = tmp_path_factory.mktemp("fleet")
    write_fleet(root, Plan())
    return root


@pytest.fixture
def settings(tmp_path: Path, dataset: Path) -> ConsoleSettings:
    """A console of its own over that fleet."""
    return ConsoleSettings(workspace=tmp_path, dataset=dataset)


@pytest.fixture
def app(settings: ConsoleSettings) -> Iterator[Starlette]:
    """The application, with a user of each role."""
    made = make_app(settings)
    for role in Role:
        made.state.services.accounts.add(role.value, role, PASSWORD.encode())
    yield made
    made.state.services.index.close()
    made.state.services.accounts.close()


@pytest.fixture
def browser(app: Starlette) -> Callable[..., TestClient]:
    """Makes a browser: logged in with a role, or not."""

    def make(role: Role | None = None) -> TestClient:
        client = TestClient(app, base_url=BASE, follow_redirects=False)
        if role is not None:
            assert log_in(client, role.value).status_code == 303
        return client

    return make


def csrf_of(text: str) -> str:
    """The token of the first form of a page."""
    found = _CSRF.search(text)
    assert found, text
    return found[1]


def log_in(client: TestClient, name: str, password: str = PASSWORD, **fields: str):
    """Fill in the login form."""
    token = csrf_of(client.get("/login").text)
    return client.post("/login", data={"csrf": token, "name": name, "password": password, **fields})
