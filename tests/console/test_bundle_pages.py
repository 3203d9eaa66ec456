"""The pages about bundles: what they promise, who lets them decide, and a registry that does not answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from edge_agent.archive import read_archive
from edge_agent.layout import METRICS, MODEL_CARD
from ground.calibration_curve import CalibrationPoint
from ground.console.data import registry_desk
from ground.console.data import signed_members as signed_members_module
from ground.console.data.bundle_digest import digest_in
from ground.console.data.kept import Kept
from ground.console.figures.promises import promise_lines
from ground.console.role import Role
from ground.console.settings import ConsoleSettings
from ground.fleet.registry.states import State
from ground.intervals import Bounds
from tests.console.conftest import csrf_of
from tests.ground.registry_rig import Made, Rig, metrics

HOSTILE = "<script>alert(1)</script> & more"
PAGE = "/bundles/small/1.0.0"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Signed bundles, and an empty registry to copy."""
    return Rig(tmp_path_factory)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need longer than a person likes to wait for a first answer."""
    monkeypatch.setattr(registry_desk, "PATIENCE_S", 60.0)


@pytest.fixture
def made(rig: Rig, settings: ConsoleSettings) -> Made:
    """Version 1.0.0, unpacked in the workspace and registered."""
    bundle = rig.bundle("1.0.0")
    unpack(bundle, settings.workspace)
    rig.register(rig.registry(settings.workspace / "registry"), bundle)
    return bundle


def unpack(bundle: Made, workspace: Path) -> Path:
    """Lay the members of a bundle where `ground export` does."""
    folder = workspace / "models" / bundle.name
    for name, content in read_archive(bundle.path.read_bytes()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    shutil.copy(bundle.path, folder / "small.bundle")
    return folder


def promote(client: TestClient, path: str = PAGE, verb: str = "promote", **form: str):
    """Fill in a form of the page of a bundle."""
    return client.post(f"{path}/{verb}", data={"csrf": csrf_of(client.get(path).text), **form})


@pytest.mark.usefixtures("made")
def test_approver_promotes_step_by_step(browser: Callable[..., TestClient], app: Starlette) -> None:
    """Each step with a reason that stays; what lacks its evidence is refused with the registry's words, and noted."""
    client = browser(Role.APPROVER)
    assert "development" in client.get("/bundles").text
    refused = promote(client, to="active", reason="too early")
    assert refused.status_code == 409
    assert "expected one of what follows development" in refused.text
    assert promote(client, to="validation", reason=HOSTILE).status_code == 303
    unseen = promote(client, to="active", reason="no shadow")
    assert unseen.status_code == 409
    assert "No window of this bundle as a shadow" in unseen.text
    assert promote(client, to="active", reason="first of the fleet", first="1").status_code == 303
    text = client.get(PAGE).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text
    assert "<script>alert" not in text
    assert '<span class="badge pass">active</span>' in text
    assert promote(client, verb="retire", reason="worn out").status_code == 303
    assert "retired" in client.get("/bundles").text
    deeds = [
        (deed.user, deed.action) for deed in app.state.services.audit.deeds() if deed.action.startswith(("pro", "ret"))
    ]
    assert deeds == [
        ("approver", "promote to active"),
        ("approver", "promote to active refused"),
        ("approver", "promote to validation"),
        ("approver", "promote to active"),
        ("approver", "promote to active refused"),
        ("approver", "promote to active"),
        ("approver", "retire"),
    ]


BAD_FORMS = (
    {"to": "validation", "reason": " "},
    {"to": "", "reason": "x"},
    {"to": "<b>", "reason": "x"},
    {"to": "retired", "reason": "x"},
    {"to": "validation", "reason": "a\x00b"},
)


@pytest.mark.usefixtures("made")
def test_who_may_not_and_what_is_no_form_change_nothing(browser: Callable[..., TestClient]) -> None:
    """Others have no form, and a forged one is refused; an approver's needs its token, a state and a reason."""
    for role in (Role.VIEWER, Role.ENGINEER):
        client = browser(role)
        page = client.get(PAGE)
        assert "takes the role approver" in page.text
        token = csrf_of(page.text)
        assert (
            client.post(f"{PAGE}/promote", data={"csrf": token, "to": "validation", "reason": "x"}).status_code == 403
        )
        assert client.post(f"{PAGE}/retire", data={"csrf": token, "reason": "x"}).status_code == 403
    client = browser(Role.APPROVER)
    assert client.post(f"{PAGE}/promote", data={"to": "validation", "reason": "x"}).status_code == 403
    for form in BAD_FORMS:
        answer = promote(client, **form)
        assert answer.status_code == 409, form
        assert 'role="alert"' in answer.text
        assert "<b>'" not in answer.text
    assert "No window of this bundle as a shadow" in client.get(f"{PAGE}/shadow").text
    assert "development" in client.get("/bundles").text


def test_forms_lead_to_their_bundle(browser: Callable[..., TestClient], rig: Rig, settings: ConsoleSettings) -> None:
    """Whatever its detector is called, and after a refusal, too."""
    bundle = rig.bundle("1.0.0", detector="promoted_x")
    rig.register(rig.registry(settings.workspace / "registry"), bundle)
    client = browser(Role.APPROVER)
    client.app.state.services.registry.forget()  # the console was there before the registry
    path = "/bundles/promoted_x/1.0.0"
    for answer in (client.get(path), promote(client, path, to="active", reason="too early")):
        assert f'action="{path}/promote"' in answer.text
        assert f'action="{path}/retire"' in answer.text


def test_registry_that_does_not_answer_is_a_banner(
    browser: Callable[..., TestClient], rig: Rig, settings: ConsoleSettings
) -> None:
    """The pages stay; an empty folder is no registry, none at all has not been begun."""
    unpack(rig.bundle("1.0.0"), settings.workspace)
    client = browser(Role.APPROVER)
    assert "There is no registry yet" in client.get("/bundles").text
    (settings.workspace / "registry").mkdir()
    client.app.state.services.registry.forget()
    for path in ("/bundles", PAGE):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "The registry does not answer" in answer.text
    assert "not registered" in client.get("/bundles").text


def test_what_only_the_registry_holds_is_shown(
    browser: Callable[..., TestClient], rig: Rig, made: Made, settings: ConsoleSettings
) -> None:
    """And a folder that holds another bundle of that name is told of: a version is for ever one bundle."""
    folder = settings.workspace / "models" / made.name
    shutil.rmtree(folder)
    client = browser(Role.VIEWER)
    client.app.state.services.registry.forget()  # the console was there before the registry
    text = client.get(PAGE).text
    assert made.digest in text
    assert 'data-label="Limit"' in text
    unpack(rig.bundle("1.0.0", part_number="another"), settings.workspace)
    told = f"The registry holds another bundle of this name, {made.digest[:12]}"
    assert told in client.get("/bundles").text


def test_damaged_version_costs_only_its_own_page(
    browser: Callable[..., TestClient], rig: Rig, made: Made, settings: ConsoleSettings
) -> None:
    """The list says what is wrong, its page says what to do; what was signed is shown whatever lies beside it."""
    other = unpack(rig.bundle("2.0.0"), settings.workspace)
    (other / "manifest.json").write_text("{")
    (settings.workspace / "models" / "small" / "candidate").mkdir()
    client = browser(Role.VIEWER)
    listed = client.get("/bundles").text
    assert made.digest[:12] in listed
    assert "manifest" in listed
    beside = client.get("/bundles/small/2.0.0").text
    assert "manifest.json" in beside
    assert 'data-label="Limit"' in beside
    (other / "small.bundle").write_bytes(b"no bundle")
    damaged = client.get("/bundles/small/2.0.0").text
    assert "What it promises cannot be shown" in damaged
    assert "export it again" in damaged
    for path in ("/bundles/small/9.9.9", "/bundles/none/1.0.0", "/bundles/small/candidate"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("alarmed", "lower", "upper", "verdict"),
    [(0, 0.0, 0.05, "kept"), (9, 0.06, 0.2, "broken"), (2, 0.01, 0.08, "cannot be told")],
)
def test_promises_are_judged_by_their_bounds(alarmed: int, lower: float, upper: float, verdict: str) -> None:
    """On the side of the declared rate where both lie."""
    point = CalibrationPoint(
        declared=0.05, confidence=0.9, insufficient_flights=True, flights=97, alarmed=alarmed, measured=alarmed / 97,
        bounds=Bounds(lower, upper),
    )  # fmt: skip
    (line,) = promise_lines([point])
    assert (line.verdict, line.flights) == (verdict, f"{alarmed} of 97")
    assert line.note.endswith("too few flights")
    assert all(0.0 <= value <= 100.0 for value in (line.bar.lower, line.bar.upper, line.bar.point, line.bar.limit))


def test_states_of_the_registry_have_badges() -> None:
    """A state that nobody gave a colour is plain."""
    from ground.console.wording import badge

    assert {state.value: badge(state.value) for state in State} == {
        "development": "plain", "validation": "open", "shadow": "open", "active": "pass", "retired": "plain",
    }  # fmt: skip


def test_what_lies_beside_a_bundle_is_not_what_was_signed(
    browser: Callable[..., TestClient], made: Made, settings: ConsoleSettings
) -> None:
    """Gates, thresholds and card come out of the bundle; where there is none, the page says so."""
    folder = settings.workspace / "models" / made.name
    (folder / METRICS).write_bytes(metrics(point=0.12345))
    (folder / MODEL_CARD).write_text("# Tampered with")
    client = browser(Role.VIEWER)
    text = client.get(PAGE).text
    assert "0.970" in text
    assert "0.123" not in text
    assert "Tampered" not in text
    assert "card that is signed with the bundle" in text
    (folder / "small.bundle").unlink()
    text = client.get(PAGE).text
    assert "0.123" in text
    assert "Nobody has signed it" in text
    assert "card that is signed" not in text


def test_bundle_of_a_registry_that_does_not_answer_leaves_a_page(
    browser: Callable[..., TestClient], made: Made, settings: ConsoleSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state and decisions as they were, and why the rest is not there; a bundle that was read once stays known."""
    monkeypatch.setattr(signed_members_module, "_kept", Kept(4))
    shutil.rmtree(settings.workspace / "models" / made.name)
    client = browser(Role.VIEWER)
    desk = client.app.state.services.registry
    desk.forget()
    assert made.digest[:12] in client.get("/bundles").text
    (settings.workspace / "registry").rename(settings.workspace / "away")
    (settings.workspace / "registry").mkdir()
    desk.forget()
    answer = client.get(PAGE)
    assert answer.status_code == 200
    for said in ("The registry does not answer", "What it promises cannot be shown", "development", made.digest):
        assert said in answer.text
    (settings.workspace / "registry").rmdir()
    (settings.workspace / "away").rename(settings.workspace / "registry")
    desk.forget()
    assert 'data-label="Limit"' in client.get(PAGE).text
    (settings.workspace / "registry").rename(settings.workspace / "away")
    (settings.workspace / "registry").mkdir()
    desk.forget()
    assert 'data-label="Limit"' in client.get(PAGE).text


def test_many_bundles_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are; one that changes is hashed again."""
    folders = [tmp_path / f"{number}" for number in range(100)]
    for folder in folders:
        folder.mkdir()
        (folder / "a.bundle").write_bytes(folder.name.encode())
    first = [digest_in(folder) for folder in folders]
    assert len(set(first)) == 100
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
        assert [digest_in(folder) for folder in folders] == first
    (folders[0] / "a.bundle").write_bytes(b"another")
    assert digest_in(folders[0]) != first[0]
