"""``ground repo`` while it waits for a person or a model: nobody else has to, and what was read is signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.slots_disk import locked
from ground.fleet.repo import offers
from tests.conftest import SignedBundle
from tests.ground.repo_ceremony import FLEET, Ceremony

DIGITS = 8


@pytest.fixture
def at_prompt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[str]]:
    """Does something at each prompt; gives the prompts that there were."""
    monkeypatch.setattr("edge_agent.slots_disk.LOCK_TIMEOUT_S", 0.0)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def prepare(meanwhile: Callable[[], object]) -> list[str]:
        asked: list[str] = []

        def answer(prompt: str) -> str:
            asked.append(prompt)
            meanwhile()
            return "correct horse"

        monkeypatch.setattr("getpass.getpass", answer)
        return asked

    return prepare


def halts(ceremony: Ceremony) -> Callable[[], None]:
    """Somebody else changes the repository."""

    def change() -> None:
        with locked(ceremony.folder):
            pass

    return change


@pytest.mark.parametrize("command", ["publish", "rollout", "withdraw", "sign", "commit", "refresh"])
def test_nobody_waits_for_a_prompt(
    ceremony: Ceremony,
    releases: tuple[SignedBundle, ...],
    at_prompt: Callable[[Callable[[], object]], list[str]],
    command: str,
) -> None:
    """Not even where it is left open over lunch; and the password of each key is asked for once."""
    assert ceremony.run("publish", releases[0].path, *ceremony.sign_as("gina")) == 0
    ((path, _),) = ceremony.repo.published["bundles-test"].signed.targets.items()
    if command == "sign":
        assert ceremony.run("publish", releases[1].path) == 0
    if command == "commit":
        assert ceremony.run("renew", "bundles-test") == 0
        ceremony.sign("bundles-test", "gina")
    key, online = ("--key", ceremony.keys / "hans.pem"), ("--online", ceremony.keys)
    digest = (Path(path).stem[:DIGITS], "--fleet", FLEET)
    words: dict[str, tuple[str | Path, ...]] = {
        "publish": (releases[1].path, *key, *online),
        "rollout": (*digest, "--halt", *key, *online),
        "withdraw": (*digest, *key, *online),
        "sign": ("--role", "bundles-test", *key),
        "commit": online,
        "refresh": online,
    }
    asked = at_prompt(halts(ceremony))
    assert ceremony.run(command, *words[command]) == 0
    names = {"sign": ["hans"], "commit": ["snapshot", "timestamp"], "refresh": ["snapshot", "timestamp"]}
    expected = names.get(command, ["hans", "snapshot", "timestamp"])
    assert asked == [f"Password of {ceremony.keys / name}.pem: " for name in expected]


def test_nobody_waits_for_a_bundle_to_be_tried(
    ceremony: Ceremony, small_bundle: SignedBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its golden vectors take seconds."""
    monkeypatch.setattr("edge_agent.slots_disk.LOCK_TIMEOUT_S", 0.0)
    tried: list[object] = []

    def proves(bundle: object) -> None:
        halts(ceremony)()
        tried.append(bundle)

    monkeypatch.setattr(offers, "prove_model", proves)
    assert ceremony.run("publish", small_bundle.path) == 0
    assert len(tried) == 1


def test_what_changed_at_the_prompt_is_not_signed(
    ceremony: Ceremony,
    releases: tuple[SignedBundle, ...],
    at_prompt: Callable[[Callable[[], object]], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A person has read something else."""
    assert ceremony.run("publish", releases[0].path) == 0
    at_prompt(lambda: ceremony.run("publish", releases[1].path))
    assert ceremony.run("sign", "--role", "bundles-test", "--key", ceremony.keys / "hans.pem") == 2
    assert "bundles-test: expected what was staged a moment ago, got another" in capsys.readouterr().err
    assert not ceremony.repo.staged["bundles-test"].signatures


def test_a_key_that_was_revoked_at_the_prompt_publishes_nothing(
    ceremony: Ceremony, small_bundle: SignedBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle is looked at again."""

    def revokes(_: object) -> None:
        assert ceremony.run("distrust-key", small_bundle.key) == 0

    monkeypatch.setattr(offers, "prove_model", revokes)
    assert ceremony.run("publish", small_bundle.path) == 2
    assert "bundles-test" not in ceremony.repo.staged
