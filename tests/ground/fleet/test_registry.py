"""The registry on a real MLflow: its life, what MLflow shows, races, and what was changed behind its back."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.errors import BundleError, ConfigError
from ground.errors import PromotionError, RegistryError
from ground.fleet.registry import database
from ground.fleet.registry.artefacts import BUNDLE, ServerArtefacts
from ground.fleet.registry.database import DATABASE, database_uri, make_database
from ground.fleet.registry.decision import NOBODY
from ground.fleet.registry.plan import Promotion
from ground.fleet.registry.publishable import publishable
from ground.fleet.registry.registry import ARTEFACTS, open_registry
from ground.fleet.registry.states import State
from ground.keys import new_key_pair
from ground.mlflow_client import mlflow_client, without_noise
from tests.ground.registry_rig import PERSON, metrics, report

VALIDATED = (State.VALIDATION,)
SHADOWED = (State.VALIDATION, State.SHADOW)
FLYING = (State.VALIDATION, State.ACTIVE)


def ask(to: State, **options) -> Promotion:
    """By a person, for a reason."""
    return Promotion(to=to, **PERSON, **options)


def states(registry) -> dict[str, str]:
    """State by version."""
    return {each.subject.version: each.state.value for each in registry.versions("small")}


def seen(folder) -> tuple[dict[str, str], dict[str, str]]:
    """What people see in MLflow: version by alias, and state by version."""
    client = mlflow_client(f"sqlite:///{folder / DATABASE}")
    with without_noise():
        models = client.search_model_versions("name = 'small'")
        versions = {str(each.version): each.tags["enginear.version"] for each in models}
        aliases = client.get_registered_model("small").aliases
    return (
        {alias: versions[str(number)] for alias, number in aliases.items()},
        {each.tags["enginear.version"]: each.tags["enginear.state"] for each in models},
    )


def test_the_way_of_two_versions(rig, tmp_path):
    """From registration to retirement, with what MLflow shows and what may be published on the way."""
    registry = rig.registry(tmp_path / "r")
    one, two = rig.bundle("1.0.0"), rig.bundle("2.0.0")
    rig.register(registry, one, *FLYING)
    rig.register(registry, two, *SHADOWED)
    assert states(registry) == {"1.0.0": "active", "2.0.0": "shadow"}
    assert seen(tmp_path / "r") == (
        {"active-test": "1.0.0", "shadow-test": "2.0.0"}, {"1.0.0": "active", "2.0.0": "shadow"},
    )  # fmt: skip
    assert publishable(registry, two.name, "shadow") == two.path.read_bytes()
    with pytest.raises(RegistryError, match="is active in the registry, got one in shadow; --role shadow"):
        publishable(registry, two.name, "active")
    evidence = report(two, one)
    registry.promote(two.name, ask(State.ACTIVE, report=evidence))
    assert states(registry) == {"1.0.0": "retired", "2.0.0": "active"}
    assert seen(tmp_path / "r") == ({"active-test": "2.0.0"}, {"1.0.0": "retired", "2.0.0": "active"})
    last = registry.history("small").decisions[-1]
    assert (registry.report(last), last.replaces, last.by) == (evidence, "1.0.0", PERSON["approver"])
    registry.retire(two.name, **PERSON)
    assert seen(tmp_path / "r") == ({}, {"1.0.0": "retired", "2.0.0": "retired"})
    with pytest.raises(RegistryError, match="expected a version that is active in the registry, got one in retired"):
        publishable(registry, two.name, "active")


def test_asking_twice_decides_once(rig, tmp_path):
    """Registration, promotion and retirement; whoever runs a command again gets the same answer."""
    registry = rig.registry(tmp_path / "r")
    one = rig.bundle("1.0.0")
    for _ in range(2):
        rig.register(registry, one, State.VALIDATION)
    for _ in range(2):
        registry.retire(one.name, **PERSON)
    assert len(registry.history("small").decisions) == 3


def test_places_are_of_a_fleet(rig, tmp_path):
    """The fleet is what the bundle was signed for."""
    registry = rig.registry(tmp_path / "r")
    rig.register(registry, rig.bundle("1.0.0"), *FLYING)
    rig.register(registry, rig.bundle("2.0.0", fleet="other"), *FLYING)
    rig.register(registry, rig.bundle("3.0.0", detector="another"), *FLYING)
    assert states(registry) == {"1.0.0": "active", "2.0.0": "active"}
    assert registry.detectors() == ("another", "small")
    assert seen(tmp_path / "r")[0] == {"active-test": "1.0.0", "active-other": "2.0.0"}


def test_a_version_is_one_bundle(rig, tmp_path):
    """Another one under its name is refused, and so is one that nobody known has signed."""
    registry = rig.registry(tmp_path / "r")
    rig.register(registry, rig.bundle("1.0.0"))
    with pytest.raises(PromotionError, match="a version is for ever one bundle"):
        rig.register(registry, rig.bundle("1.0.0", metrics(digest="d2")))
    stranger = new_key_pair(tmp_path / "keys").public
    with pytest.raises(BundleError):
        registry.register(rig.bundle("2.0.0").path, keys=[stranger], by="test")
    with pytest.raises(ConfigError):
        registry.register(rig.bundle("2.0.0").path, keys=[tmp_path / "none.pem"], by="test")
    assert states(registry) == {"1.0.0": "development"}


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_bundle_that_is_not_what_was_registered(rig, tmp_path, damage):
    """It is noticed at each read, nothing is promoted by it, and registering the file again puts it back."""
    registry = rig.registry(tmp_path / "r")
    one = rig.bundle("1.0.0")
    rig.register(registry, one)
    (path,) = (tmp_path / "r" / ARTEFACTS).iterdir()
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:-1] + b"x")
    for read in (registry.bundle, lambda name: registry.promote(name, ask(State.VALIDATION))):
        with pytest.raises(RegistryError, match=r"expected (what was|the content that was) registered"):
            read(one.name)
    assert states(registry) == {"1.0.0": "development"}
    rig.register(registry, one, State.VALIDATION)
    assert states(registry) == {"1.0.0": "validation"}


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_what_a_server_has_lost_is_put_back(work_dir, damage):
    """Where it lay, for decisions name that place. Runs of a database, whose artefacts lie in the working folder."""
    make_database(work_dir / DATABASE)
    artefacts = ServerArtefacts(mlflow_client(database_uri(work_dir / DATABASE)))
    digest = hashlib.sha256(b"content").hexdigest()
    with without_noise():
        stored = artefacts.put(b"content", BUNDLE)
        (path,) = work_dir.rglob(f"{digest}{BUNDLE}")
        path.unlink() if damage == "gone" else path.write_bytes(b"another")
        with pytest.raises(RegistryError, match=r"expected (what was|the content that was) registered.* the same file"):
            artefacts.get(digest, BUNDLE)
        assert artefacts.put(b"content", BUNDLE) == stored
        assert artefacts.get(digest, BUNDLE) == path.read_bytes() == b"content"


def test_who_decides_second_decides_on_what_is_then(rig, tmp_path):
    """Two want the place of the shadow at once: the second one is told that it is taken."""
    registry, other = rig.registry(tmp_path / "r"), open_registry(tmp_path / "r")
    one, two = rig.bundle("1.0.0"), rig.bundle("2.0.0")
    rig.register(registry, one, *VALIDATED)
    rig.register(registry, two, *VALIDATED)
    append = registry._store.append

    def overtaken(decision, bundle):
        """Just before the first one writes, the other one decides."""
        if other.version(two.name).state is State.VALIDATION:
            other.promote(two.name, ask(State.SHADOW))
        append(decision, bundle)

    registry._store.append = overtaken
    with pytest.raises(PromotionError, match=r"expected no shadow in fleet test, got 2\.0\.0"):
        registry.promote(one.name, ask(State.SHADOW))
    assert states(registry) == {"1.0.0": "validation", "2.0.0": "shadow"}
    assert registry.history("small").overtaken == 1
    registry.promote(one.name, ask(State.SHADOW, replace=True))
    assert states(registry) == {"1.0.0": "shadow", "2.0.0": "retired"}
    assert seen(tmp_path / "r")[0] == {"shadow-test": "1.0.0"}


def test_what_somebody_moves_in_mlflow_decides_nothing(rig, tmp_path):
    """Aliases, tags and versions are shown there, not read; the next command puts them right."""
    registry = rig.registry(tmp_path / "r")
    one, two = rig.bundle("1.0.0"), rig.bundle("2.0.0")
    rig.register(registry, one, *FLYING)
    rig.register(registry, two, *VALIDATED)
    before = seen(tmp_path / "r")
    client = mlflow_client(f"sqlite:///{tmp_path / 'r' / DATABASE}")
    with without_noise():
        numbers = {
            each.tags["enginear.version"]: each.version for each in client.search_model_versions("name = 'small'")
        }
        client.set_registered_model_alias("small", "active-test", numbers["2.0.0"])
        client.set_registered_model_alias("small", "shadow-test", numbers["1.0.0"])
        client.set_model_version_tag("small", numbers["1.0.0"], "enginear.state", "retired")
        client.create_model_version("small", "elsewhere", tags={"enginear.digest": one.digest}, await_creation_for=0)
    assert states(registry) == {"1.0.0": "active", "2.0.0": "validation"}
    registry.promote(one.name, ask(State.ACTIVE, first=True))
    assert seen(tmp_path / "r") == before


def test_a_decision_that_somebody_changes_is_noticed(rig, tmp_path):
    """Nothing is answered or decided on top of it."""
    registry = rig.registry(tmp_path / "r")
    one = rig.bundle("1.0.0")
    rig.register(registry, one, *FLYING)
    with closing(sqlite3.connect(tmp_path / "r" / DATABASE)) as connection:
        connection.execute(
            "UPDATE model_version_tags SET value = replace(value, 'A. Person', 'Somebody') "
            "WHERE name = 'small.decisions' AND version = 2"
        )
        connection.commit()
    for read in (registry.versions, lambda _: registry.retire(one.name, **PERSON)):
        with pytest.raises(RegistryError, match=r"decision 3 of small: .* follows an unknown one"):
            read("small")


def test_databases_that_are_not_ours(rig, tmp_path):
    """None, another program's, an older MLflow's, a newer one's: each is named, and none is changed."""
    empty = tmp_path / "empty"
    empty.mkdir()
    older, newer, torn, other = (tmp_path / name for name in ("older", "newer", "torn", "other"))
    for folder, revision in ((older, "451aebb31d03"), (newer, "ffffffffffff")):
        rig.registry(folder)
        with closing(sqlite3.connect(folder / DATABASE)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
            connection.commit()
    torn.mkdir()
    (torn / DATABASE).write_bytes((older / DATABASE).read_bytes()[:5000])
    other.mkdir()
    (other / DATABASE).write_text("no database")
    expected = {
        empty: "expected a folder with registry.db", tmp_path / "none": "expected a folder with registry.db",
        older: "mlflow db upgrade", newer: "of a newer mlflow; update ground", torn: "expected the database",
        other: "expected the database", "ftp://host": "a URL with http or https", tmp_path / "a?b": "a path without",
    }  # fmt: skip
    for location, message in expected.items():
        with pytest.raises(RegistryError, match=message):
            open_registry(location)
    assert not (tmp_path / "none").exists()


def test_a_server_that_is_not_there():
    """It is named, at once."""
    registry = open_registry("http://127.0.0.1:9")
    with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:9: expected a registry that answers"):
        registry.detectors()


def test_two_that_begin_a_registry_at_once(tmp_path, monkeypatch):
    """The second one takes what the first has made."""
    made = tmp_path / "r" / DATABASE

    class Slow:
        """Makes a database; another command has made one meanwhile."""

        def __init__(self, uri):
            Path(uri.removeprefix("sqlite:///")).write_text("second")
            made.write_text("first")

        def search_registered_models(self, **_):
            """Nothing yet."""

    monkeypatch.setattr(database, "mlflow_client", Slow)
    for _ in range(2):
        make_database(made)
        assert made.read_text() == "first"
        assert list(made.parent.iterdir()) == [made]


def test_names_that_are_none(rig, tmp_path):
    """Quotes and slashes reach no query."""
    registry = rig.registry(tmp_path / "r")
    rig.register(registry, rig.bundle("1.0.0"))
    for name, message in {
        "small": "expected DETECTOR/VERSION", "small/": "expected DETECTOR/VERSION",
        "/1": "expected a name of the form", "x' OR '1'='1/1": "expected a name of the form",
        "small/9.9.9": r"expected a registered version \(1\.0\.0\)",
        "unknown/1.0.0": r"expected a registered detector \(small\)",
    }.items():  # fmt: skip
        with pytest.raises(RegistryError, match=message):
            registry.version(name)
    assert registry.version("small/1.0.0").decision.replaces == NOBODY
