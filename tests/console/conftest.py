"""A console over a small fleet, and browsers that are logged in."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ground.console import secret
from ground.console.app import make_app
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from tests.console.fleet_data import Plan, write_fleet

PASSWORD = "correct horse"  # noqa: S105 - of the tests
BASE = "http://127.0.0.1"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
Browsers = Callable[..., TestClient]


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Passwords are dear on purpose; tests would do little else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret, "COST", (2**4, 8, 1))
        yield


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet of three aircraft; nobody writes into it."""
    root = tmp_path_factory.mktemp("fleet")
    write_fleet(root, Plan())
    return root


def open_app(settings: ConsoleSettings) -> Starlette:
    """The application, with a user of each role."""
    made = make_app(settings)
    for role in Role:
        made.state.services.accounts.add(role.value, role, PASSWORD.encode())
    return made


def close_app(app: Starlette) -> None:
    """What the server does at its end."""
    app.state.services.stories.close()
    app.state.services.index.close()
    app.state.services.accounts.close()


@pytest.fixture(scope="session")
def shared_app(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlette]:
    """For tests that only look."""
    app = open_app(ConsoleSettings(workspace=tmp_path_factory.mktemp("workspace"), dataset=dataset))
    yield app
    close_app(app)


@pytest.fixture
def settings(tmp_path: Path, dataset: Path) -> ConsoleSettings:
    """A console of its own over a copy of that fleet."""
    shutil.copytree(dataset, tmp_path / "fleet")
    return ConsoleSettings(workspace=tmp_path, dataset=tmp_path / "fleet")


@pytest.fixture
def app(settings: ConsoleSettings) -> Iterator[Starlette]:
    """For tests that change something."""
    made = open_app(settings)
    yield made
    close_app(made)


def browser_of(app: Starlette, role: Role | None = None, base: str = BASE) -> TestClient:
    """A browser: logged in with a role, or not."""
    client = TestClient(app, base_url=base, follow_redirects=False, raise_server_exceptions=False)
    if role is not None:
        assert log_in(client, role.value).status_code == 303
    return client


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Starlette]:
    """For tests of who gets in: no data, quickly made."""
    (tmp_path / "nothing").mkdir()
    made = open_app(ConsoleSettings(workspace=tmp_path, dataset=tmp_path / "nothing"))
    yield made
    close_app(made)


@pytest.fixture
def browser(app: Starlette) -> Browsers:
    """Makes browsers on an application of the test's own."""
    return lambda role=None: browser_of(app, role)


@pytest.fixture(scope="session")
def viewer(shared_app: Starlette) -> TestClient:
    """Looks at the shared application."""
    return browser_of(shared_app, Role.VIEWER)


def csrf_of(text: str) -> str:
    """The token of the first form of a page."""
    found = _CSRF.search(text)
    assert found, text
    return found[1]


def log_in(client: TestClient, name: str, password: str = PASSWORD, **fields: str):
    """Fill in the login form."""
    token = csrf_of(client.get("/login").text)
    return client.post("/login", data={"csrf": token, "name": name, "password": password, **fields})


def alert_ids(client: TestClient, query: str = "") -> list[str]:
    """Ids of the alerts that a page lists, in its order."""
    return re.findall(r'<tr id="alert-([0-9a-f]{12})"', client.get(f"/alerts{query}").text)
