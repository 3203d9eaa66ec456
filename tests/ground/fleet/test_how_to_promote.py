"""docs/how-to/promote.md: its commands, run as they stand, bring a version from the pipeline into the fleet."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass

from edge_agent.frame import NS_PER_S
from edge_agent.publication import Publication
from edge_agent.topics_section import TopicsSection
from ground.fleet.collect.parts import write_parts
from ground.fleet.registry.registry import open_registry
from ground.fleet.registry.states import State
from ground.fleet.repo.offers import offers_of
from tests.conftest import ROOT
from tests.docs.blocks import lines_of
from tests.ground.collect.conftest import message  # noqa: F401 - a fixture
from tests.ground.repo_ceremony import begin_public, run_ground

PAGE = ROOT / "docs" / "how-to" / "promote.md"
LINES = [shlex.split(line)[1:] for line in lines_of(PAGE, "ground")]
HOUR_NS = 3_600 * NS_PER_S
FLIGHTS = 160
"""One an hour: those of the last day are still under way."""


@dataclass(frozen=True)
class Trusted:
    """What a ceremony asks of a bundle: its key."""

    key: object


def collected(folder, message, active, shadow) -> None:  # noqa: F811 - the fixture
    """What a collector has of flights in which nothing happened."""
    batch = []
    for number in range(FLIGHTS):
        window = {"flight": f"F{number}", "end_ns": 1_700_000_000 * NS_PER_S + number * HOUR_NS}
        result, other = (message(bundle_id=made.name, bundle_digest=made.digest, **window) for made in (active, shadow))
        batch += [result, Publication(topic=other.topic.replace("result", "shadow"), payload=other.payload)]
    write_parts(batch, folder, name="west", date="2026-01-02", topics=TopicsSection())


def test_page(tmp_path, monkeypatch, rig, message):  # noqa: F811 - the fixture
    """The way of 1.1.0, beside a first version that is there already."""
    (tmp_path / "ceremony").mkdir()
    ceremony = begin_public(tmp_path / "ceremony", Trusted(rig.key))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROUND_REPO", str(ceremony.folder))
    one, two = rig.bundle("1.0.0"), rig.bundle("1.1.0", sequence=2)
    rig.register(rig.registry(tmp_path / "registry"), one, State.VALIDATION)
    (tmp_path / "models/small/1.1.0").mkdir(parents=True)
    shutil.copy(two.path, tmp_path / "models/small/1.1.0")
    (tmp_path / "keys").mkdir()
    shutil.copy(rig.key, tmp_path / "keys/public.pem")
    collected(tmp_path / "fleet", message, one, two)
    (first,) = [line for line in LINES if "--first" in line]
    roles = []
    for line in [first, *(each for each in LINES if each is not first)]:
        assert run_ground(*line) == 0, line
        if line[:2] == ["repo", "publish"]:
            (offer,) = offers_of(ceremony.repo.signed("bundles-test")).values()
            roles.append(offer.role)
    assert roles == ["shadow", "active"]
    versions = open_registry(tmp_path / "registry").versions("small")
    assert [(each.subject.version, each.state) for each in versions] == [
        ("1.0.0", State.RETIRED), ("1.1.0", State.RETIRED),
    ]  # fmt: skip
    assert len(LINES) > 10


def test_every_command_is_on_the_page():
    """And what they need."""
    assert {line[1] for line in LINES if line[0] == "registry"} == {
        "register", "promote", "retire", "list", "show", "compare",
    }  # fmt: skip
