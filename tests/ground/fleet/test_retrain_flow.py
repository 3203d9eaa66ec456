"""From a cause to the shadow's place and an offer: real registry and repository; the pipeline is played, for speed.

``make test-loop`` has the same with a real pipeline, and agents.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from edge_agent.offer import ACTIVE, SHADOW
from edge_agent.publication import Publication
from edge_agent.topics_section import TopicsSection
from ground.cli import main
from ground.config import load_config
from ground.errors import GateError
from ground.fleet.collect.parts import write_parts
from ground.fleet.registry.registry import open_registry
from ground.fleet.registry.states import State
from ground.fleet.repo.offers import offers_of
from ground.fleet.retrain import flow
from ground.fleet.retrain.ledger import Ledger
from ground.fleet.retrain.ledger import State as Progress
from ground.pack import unpack_bundle
from ground.workspace import Workspace
from tests.conftest import ROOT
from tests.ground.collect.conftest import message  # noqa: F401 - a fixture
from tests.ground.registry_rig import PERSON, Made, Rig, metrics
from tests.ground.repo_ceremony import Ceremony, begin_public

DIGEST = "ab" * 32


class Killed(BaseException):
    """Nothing catches it."""


def dies(*_, **__):
    """A kill."""
    raise Killed


@dataclass
class World:
    """A workspace with one recording, a registry, and what the played pipeline does."""

    root: Path
    rig: Rig
    active: Made
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    message: Callable[..., Publication]
    reasons: tuple[str, ...] = ()
    signs: bool = True
    trained: int = 0

    def __post_init__(self):
        self.workspace = self.root / "w"
        raw = self.workspace / "data" / "raw"
        raw.mkdir(parents=True)
        header = "recording_id,file,unit_id,sampling_rate_hz,channels,signal_units,label"
        (raw / "recordings.csv").write_text(f"{header}\nF1,F1.parquet,u1,10240,acc_1,g,healthy\n")
        document = yaml.safe_load((ROOT / "ground" / "configs" / "engine_vibration.yaml").read_text())
        document |= {"detector": "small", "bundle": {"fleet": "test"}}
        self.config = self.root / "config.yaml"
        self.config.write_text(yaml.safe_dump(document))
        write_parts([self.message(0)], self.root / "dataset", name="c", date="2026-01-02", topics=TopicsSection())
        self.monkeypatch.setattr(flow, "run_pipeline", self.pipeline)

    @property
    def registry(self):
        """What the command uses."""
        return open_registry(self.root / "registry")

    def pipeline(self, config, workspace, *, version, **_):
        """Leaves what the real one leaves: a release's manifest, and its bundle where there is a key."""
        self.trained += 1
        release_class = "development" if self.reasons else "release"
        evidence = json.dumps({**json.loads(metrics()), "config_digest": config.digest}).encode()
        made = self.rig.bundle(
            version, evidence, sequence=config.bundle.sequence, release_class=release_class, fleet=config.bundle.fleet
        )
        folder = workspace.release("small", version)
        unpack_bundle(made.path.read_bytes(), folder)
        if self.signs:
            shutil.copy(made.path, folder / f"small-{version}.bundle")
        return SimpleNamespace(export=SimpleNamespace(reasons=self.reasons))

    def is_of(self, fleet):
        """Make the config another fleet's."""
        self.config.write_text(yaml.safe_dump(yaml.safe_load(self.config.read_text()) | {"bundle": {"fleet": fleet}}))

    def sign(self, version):
        """As ``ground sign`` does, with the key of the rig."""
        folder = self.workspace / "models" / "small" / version
        made = self.rig.bundle(version, sequence=2)
        shutil.copy(made.path, folder / f"small-{version}.bundle")

    def event(self, name="event.json", **changes):
        """An event about the active one."""
        document = {
            "schema": 1, "event": "drift", "outcome": "drift", "bundle_id": self.active.name,
            "bundle_digest": self.active.digest, "flown": [{"engine": "OO-ABC/1", "flight": "F1"}], **changes,
        }  # fmt: skip
        path = self.root / name
        path.write_text(json.dumps(document))
        return path

    def retrain(self, reason, *options):
        """With the dataset."""
        return self.ask(reason, "--data", self.root / "dataset", *options)

    def ask(self, reason, *options):
        """``ground retrain``; code, output and errors."""
        words = [
            "ground", "retrain", "--reason", reason, "--config", self.config, "--workspace", self.workspace,
            "--registry", self.root / "registry", "--public-key", self.rig.key, *options,
        ]  # fmt: skip
        self.monkeypatch.setattr(sys, "argv", list(map(str, words)))
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *self.capsys.readouterr())

    def drift(self, event, *options):
        """For drift."""
        return self.retrain("drift", "--event", event, *options)

    def state(self, version):
        """Of a version in the registry."""
        return self.registry.version(f"small/{version}").state


@pytest.fixture(scope="module")
def begun(tmp_path_factory, rig):
    """A registry with an active version, to copy; and that version."""
    folder = tmp_path_factory.mktemp("begun") / "registry"
    active = rig.bundle("1.0.0")
    rig.register(rig.registry(folder), active, State.VALIDATION, State.ACTIVE)
    return folder, active


@pytest.fixture
def world(tmp_path, rig, begun, monkeypatch, capsys, message):  # noqa: F811, PLR0917 - fixtures
    """See ``World``."""
    folder, active = begun
    shutil.copytree(folder, tmp_path / "registry")
    return World(tmp_path, rig, active, monkeypatch, capsys, message)


def test_an_event_trains_once(world):
    """The next version and sequence, validated, in the shadow's place, with its reason; and then nothing."""
    code, said, _ = world.drift(world.event())
    assert code == 0
    assert said.splitlines()[-1] == "candidate: small/1.1.0"
    version = world.registry.version("small/1.1.0")
    assert (version.state, version.subject.sequence) == (State.SHADOW, 2)
    decision = world.registry.history("small").decisions[-1]
    assert decision.by == "ground retrain"
    assert decision.reason.endswith("recordings 1 not_flown")
    (path,) = world.workspace.glob("retraining/*/config.yaml")
    config = load_config(path)
    assert (config.preprocess.selection["not_flown"], config.bundle.sequence) == (1, 2)
    code, said, _ = world.drift(world.event("again.json"))
    assert (code, said.splitlines()[-1], world.trained) == (0, "candidate: small/1.1.0", 1)


@pytest.mark.parametrize("step", ["promote", "offer"])
def test_a_run_that_dies_is_gone_on_with(world, step):
    """At whichever step; the version is not counted up, and nothing is done twice."""
    write = Ledger.write

    def dies_when_done(self, run, progress):
        return dies() if progress is Progress.DONE else write(self, run, progress)

    targets = {
        "promote": (type(world.registry), "promote", dies),
        "offer": (Ledger, "write", dies_when_done),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*targets[step])
        with pytest.raises(Killed):
            world.drift(world.event())
    code, said, _ = world.drift(world.event())
    assert (code, said.splitlines()[-1], world.trained) == (0, "candidate: small/1.1.0", 1)
    assert [each.subject.version for each in world.registry.versions("small")] == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize("sequence", [1, 7])
def test_a_version_that_a_person_made_meanwhile_is_not_its_own(world, sequence):
    """The run was killed before it had one: it takes the next number, and the evidence is of its own flights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "run_pipeline", dies)
        with pytest.raises(Killed):
            world.drift(world.event())
    by_hand = load_config(world.config)
    bundle = by_hand.bundle.model_copy(update={"sequence": sequence})
    world.pipeline(by_hand.model_copy(update={"bundle": bundle}), Workspace(world.workspace), version="1.1.0")
    code, said, _ = world.drift(world.event())
    assert (code, said.splitlines()[-1], world.trained) == (0, "candidate: small/1.2.0", 2)
    assert world.registry.version("small/1.2.0").subject.sequence == max(2, sequence + 1)


def test_events_that_are_not_followed(world):
    """Told, counted by event, with a code of their own; nothing is trained."""
    unknown = world.event(bundle_digest=DIGEST)
    code, said, _ = world.drift(unknown)
    assert code == 5
    assert f"not followed: small/1.0.0 ({DIGEST[:16]}) is not registered" in said
    assert "1 not followed so far" in said
    assert "1 not followed so far" in world.drift(unknown)[1]
    world.registry.retire("small/1.0.0", **PERSON)
    code, said, _ = world.drift(world.event("other.json"))
    assert code == 5
    assert "small/1.0.0 is retired, not active" in said
    assert "2 not followed so far" in said
    assert world.trained == 0


def test_while_a_shadow_waits_only_a_person_trains(world):
    """Further events and quarters tell of the same change; a person may replace the shadow."""
    world.drift(world.event())
    code, said, _ = world.drift(world.event("next.json", p=0.5))
    assert code == 5
    assert "small/1.1.0 waits for a person's decision" in said
    assert world.retrain("schedule")[0] == 5
    code, said, _ = world.retrain("manual")
    assert (code, said.splitlines()[-1]) == (0, "candidate: small/1.2.0")
    assert (world.state("1.1.0"), world.state("1.2.0")) == (State.RETIRED, State.SHADOW)


def test_another_fleet_holds_nothing_back(world):
    """Each has its shadow and its quarter; the numbers of versions are those of both."""
    other = world.rig.bundle("5.0.0", fleet="other")
    world.rig.register(world.registry, other, State.VALIDATION, State.SHADOW)
    code, said, _ = world.retrain("schedule")
    assert (code, said.splitlines()[-1]) == (0, "candidate: small/5.1.0")
    world.registry.retire("small/5.0.0", **PERSON)
    world.is_of("other")
    code, said, _ = world.retrain("schedule")
    assert (code, said.splitlines()[-1], world.trained) == (0, "candidate: small/5.2.0", 2)


def test_a_release_that_waits_in_another_fleet_is_not_gone_on_with(world):
    """It is that fleet's."""
    world.signs = False
    world.retrain("schedule")
    world.is_of("other")
    code, said, _ = world.retrain("schedule")
    assert (code, world.trained) == (6, 2)
    assert "schedule-small-other-" in said


def test_an_event_of_another_fleet(world):
    """The config would make a detector that its fleet cannot take."""
    world.is_of("other")
    code, _, errors = world.drift(world.event())
    assert (code, world.trained) == (2, 0)
    assert "--event: expected one about fleet other, as --config says, got one about test" in errors


def test_a_quarter_trains_once(world):
    """Whoever starts it, and how often."""
    assert [world.retrain("schedule")[0] for _ in range(2)] == [0, 0]
    assert world.trained == 1


def test_what_is_undecided_is_no_shadow(world):
    """Exit code 3 and the reasons; tried again only when something has changed."""
    world.reasons = ("auc: expected >= 0.9, got 0.8 from n=4",)
    code, _, errors = world.drift(world.event())
    assert code == 3
    assert "auc: expected >= 0.9, got 0.8" in errors
    assert "got a development bundle, which stays here" in errors
    code, _, errors = world.drift(world.event())
    assert (code, world.trained) == (3, 1)
    assert "expected other flights, verdicts or another config" in errors
    index = world.workspace / "data" / "raw" / "recordings.csv"
    index.write_text(f"{index.read_text()}F2,F2.parquet,u2,10240,acc_1,g,healthy\n")
    shutil.rmtree(world.workspace / "models")
    world.reasons = ()
    assert world.drift(world.event())[0] == 0


def events(world):
    """Four of one drift, as ``ground drift`` writes them from one day to the next."""
    return [world.event(f"e{number}.json", p=0.001 * number) for number in range(1, 5)]


def test_further_events_train_nothing_while_a_release_waits_for_its_signature(world):
    """Code 6 each time; whichever event comes after the signature goes on with it, and so does a quarter."""
    world.signs = False
    assert [world.drift(event)[0] for event in events(world)] == [6, 6, 6, 6]
    code, said, _ = world.retrain("schedule")
    assert (code, world.trained) == (6, 1)
    assert "small/1.1.0" in said
    world.sign("1.1.0")
    code, said, _ = world.drift(world.event("fifth.json", p=0.5))
    assert (code, said.splitlines()[-1], world.trained) == (0, "candidate: small/1.1.0", 1)
    assert world.state("1.1.0") is State.SHADOW


def test_further_events_do_not_try_again_what_no_release_came_of(world):
    """Code 5, told and counted; with another recording they do."""
    world.reasons = ("auc: expected >= 0.9, got 0.8 from n=4",)
    first, *others = events(world)
    assert [world.drift(event)[0] for event in (first, *others)] == [3, 5, 5, 5]
    assert world.retrain("schedule")[0] == 5
    code, said, _ = world.drift(others[0])
    assert (code, world.trained) == (5, 1)
    assert "not followed: no release came of the same flights and config in drift-" in said
    assert "4 not followed so far" in said
    index = world.workspace / "data" / "raw" / "recordings.csv"
    index.write_text(f"{index.read_text()}F2,F2.parquet,u2,10240,acc_1,g,healthy\n")
    assert (world.drift(others[0])[0], world.trained) == (3, 2)


def test_a_person_trains_whatever_waits(world):
    """The release that waited is overtaken by that, and no event goes on with it."""
    world.signs = False
    world.drift(world.event())
    world.signs = True
    code, said, _ = world.retrain("manual")
    assert (code, said.splitlines()[-1], world.trained) == (0, "candidate: small/1.2.0", 2)
    world.registry.retire("small/1.2.0", **PERSON)
    code, said, _ = world.drift(world.event("next.json", p=0.5))
    assert (code, said.splitlines()[-1], world.trained) == (0, "candidate: small/1.3.0", 3)


def test_what_a_person_retired_after_a_kill_holds_nothing_back(world):
    """Its run never ended, but its version was decided about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.registry), "promote", dies)
        with pytest.raises(Killed):
            world.drift(world.event())
    world.registry.retire("small/1.1.0", **PERSON)
    code, said, _ = world.drift(world.event("next.json", p=0.5))
    assert (code, said.splitlines()[-1], world.trained) == (0, "candidate: small/1.2.0", 2)


def test_a_retired_detector_flew_too(world):
    """Its alarms have to be known, unless a person says that none are."""
    world.registry.retire("small/1.0.0", **PERSON)
    assert world.ask("manual")[0] == 2
    assert (world.ask("manual", "--nothing-flies")[0], world.trained) == (0, 1)


def test_before_anything_flew_no_dataset_is_needed(world):
    """Nor is one in a fleet of which none ever was active."""
    world.is_of("other")
    assert (world.ask("manual")[0], world.trained) == (0, 1)


def test_flights_that_have_no_recording_are_told(world):
    """Where none has one, names may differ, and alarms would leave nothing out."""
    assert "no flight of the dataset has a recording" in world.drift(world.event())[2]
    index = world.workspace / "data" / "raw" / "recordings.csv"
    header, row = index.read_text().splitlines()
    index.write_text(f"{header},aircraft,engine,flight\n{row},OO-ABC,1,F1\n")
    more = [world.message(0, flight="F2")]
    write_parts(more, world.root / "dataset", name="d", date="2026-01-02", topics=TopicsSection())
    _, said, errors = world.retrain("manual")
    assert "recordings: 1 quiet" in said
    assert "1 flights of the dataset have no recording" in errors


def test_a_failed_gate(world, monkeypatch):
    """The same."""

    def fails(*_, **__):
        raise GateError("recall: expected >= 0.85, got 0.2")

    monkeypatch.setattr(flow, "run_pipeline", fails)
    assert world.drift(world.event())[0] == 3
    (path,) = world.workspace.glob("retraining/*/run.json")
    assert json.loads(path.read_bytes())["state"] == "not_released"


def test_a_release_that_waits_for_its_signature(world):
    """Code 6; with the signature the same command goes on, whatever has changed meanwhile."""
    world.signs = False
    code, said, _ = world.drift(world.event())
    assert code == 6
    assert "ground sign" in said
    index = world.workspace / "data" / "raw" / "recordings.csv"
    index.write_text(f"{index.read_text()}F2,F2.parquet,u2,10240,acc_1,g,healthy\n")
    world.sign("1.1.0")
    code, said, _ = world.drift(world.event())
    assert (code, said.splitlines()[-1], world.trained) == (0, "candidate: small/1.1.0", 1)


def test_a_program_is_told_the_same(world):
    """One document at each end of a run, by the names of its record; with an error, none."""
    world.signs = False
    event = world.event()
    code, said, _ = world.drift(event, "--json")
    waiting = json.loads(said)
    (record,) = world.workspace.glob("retraining/*/run.json")
    assert (code, waiting["is_signed"], waiting["bundle_id"]) == (6, False, "small/1.1.0")
    assert {"schema": 1, **waiting["run"]} == json.loads(record.read_bytes())
    assert waiting["counts"]["not_flown"] == 1
    world.sign("1.1.0")
    code, said, _ = world.drift(event, "--json")
    done = json.loads(said)
    assert (code, done["is_signed"], done["state"], done["run"]["state"]) == (0, True, "shadow", "done")
    assert json.loads(world.drift(event, "--json")[1])["run"] == done["run"]
    code, said, _ = world.retrain("schedule", "--json")
    skipped = json.loads(said)
    assert (code, skipped["so_far"]) == (5, 1)
    assert "small/1.1.0 waits for a person's decision" in skipped["why"]
    assert world.retrain("drift", "--json")[:2] == (2, "")


def test_a_shadow_of_a_person_stays(world):
    """One that got the place while the flights were trained on; the run waits for the place."""
    world.signs = False
    world.drift(world.event())
    world.rig.register(world.registry, world.rig.bundle("3.0.0"), State.VALIDATION, State.SHADOW)
    world.sign("1.1.0")
    code, _, errors = world.drift(world.event())
    assert code == 2
    assert "small/1.1.0: expected no shadow in fleet test, got 3.0.0" in errors
    assert (world.state("3.0.0"), world.state("1.1.0")) == (State.SHADOW, State.VALIDATION)
    world.registry.retire("small/3.0.0", **PERSON)
    assert world.drift(world.event())[0] == 0
    assert world.state("1.1.0") is State.SHADOW


@pytest.fixture(scope="module")
def founded(tmp_path_factory, rig):
    """A public repository that trusts the rig's key."""
    return begin_public(tmp_path_factory.mktemp("ceremony"), SimpleNamespace(key=rig.key))


def offers(ceremony: Ceremony, *, public: bool):
    """Roles on offer by bundle."""
    repo = ceremony.repo
    signed = (repo.published if public else repo.latest)["bundles-test"].signed
    return {offer.bundle_id: offer.role for offer in offers_of(signed).values()}


def with_keys(ceremony: Ceremony):
    """Options with which an offer is published."""
    password = ceremony.keys / "password"
    keys = ("--repo-key", ceremony.keys / "gina.pem", "--repo-password-file", password)
    return ("--repo", ceremony.folder, *keys, *ceremony.publish_options)


def test_as_far_as_keys_allow(world, founded, tmp_path):
    """Staged without a key, published with all."""
    ceremony = founded.copy(tmp_path / "repo")
    code, said, _ = world.drift(world.event(), "--repo", ceremony.folder)
    assert code == 0
    assert "offer staged: `ground repo sign --role bundles-test`, then `ground repo commit`" in said
    assert (offers(ceremony, public=False), offers(ceremony, public=True)) == ({"small/1.1.0": SHADOW}, {})
    ceremony.sign("bundles-test", "gina")
    ceremony.commit()
    code, said, _ = world.retrain("manual", *with_keys(ceremony))
    assert code == 0
    assert "offered to fleet test as a shadow" in said
    assert offers(ceremony, public=True) == {"small/1.1.0": SHADOW, "small/1.2.0": SHADOW}


def test_an_offer_that_was_staged_before_a_kill_is_published(world, founded, tmp_path):
    """It is the command's own."""
    ceremony = founded.copy(tmp_path / "repo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ground.fleet.retrain.offer.sign_and_publish", dies)
        with pytest.raises(Killed):
            world.drift(world.event(), *with_keys(ceremony))
    assert offers(ceremony, public=False) == {"small/1.1.0": SHADOW}
    assert world.drift(world.event(), *with_keys(ceremony))[0] == 0
    assert offers(ceremony, public=True) == {"small/1.1.0": SHADOW}


def test_what_others_have_staged_is_not_signed(world, founded, tmp_path):
    """A person staged an active offer to be looked at: it becomes public by no timer, and it is not lost."""
    ceremony = founded.copy(tmp_path / "repo")
    assert ceremony.run("publish", world.rig.bundle("9.0.0", sequence=9).path) == 0
    code, said, errors = world.drift(world.event(), *with_keys(ceremony))
    assert code == 0
    assert "bundles-test: staged, not signed: others have staged what nobody signed: bundles/test/" in errors
    assert "offer staged: `ground repo sign --role bundles-test`" in said
    assert offers(ceremony, public=True) == {}
    assert offers(ceremony, public=False) == {"small/9.0.0": ACTIVE, "small/1.1.0": SHADOW}


def test_its_own_bundle_that_a_person_staged_as_active_is_not_signed(world, founded, tmp_path):
    """Between a kill and the same command again."""
    ceremony = founded.copy(tmp_path / "repo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ground.fleet.retrain.offer.offer_shadow", dies)
        with pytest.raises(Killed):
            world.drift(world.event(), *with_keys(ceremony))
    (bundle,) = world.workspace.glob("models/small/1.1.0/*.bundle")
    assert ceremony.run("publish", bundle) == 0
    assert world.drift(world.event(), *with_keys(ceremony))[0] == 0
    assert (offers(ceremony, public=True), offers(ceremony, public=False)) == ({}, {"small/1.1.0": ACTIVE})


def test_what_a_holder_signed_goes_along(world, founded, tmp_path):
    """It was decided: whoever commits publishes it."""
    ceremony = founded.copy(tmp_path / "repo")
    key, password = ceremony.keys / "hans.pem", ceremony.keys / "password"
    staged = ("--key", key, "--password-file", password)
    assert ceremony.run("publish", world.rig.bundle("9.0.0", sequence=9).path, *staged) == 0
    assert world.drift(world.event(), *with_keys(ceremony))[0] == 0
    assert offers(ceremony, public=True) == {"small/9.0.0": ACTIVE, "small/1.1.0": SHADOW}


def test_what_was_retired_meanwhile_is_not_offered(world, founded, tmp_path):
    """A person decided between a kill and the same command again."""
    ceremony = founded.copy(tmp_path / "repo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ground.fleet.retrain.offer.offer_shadow", dies)
        with pytest.raises(Killed):
            world.drift(world.event(), "--repo", ceremony.folder)
    world.registry.retire("small/1.1.0", **PERSON)
    code, said, _ = world.drift(world.event(), "--repo", ceremony.folder)
    assert code == 0
    assert "small/1.1.0 is retired" in said
    assert offers(ceremony, public=False) == {}


@pytest.mark.parametrize(
    ("reason", "options", "text"),
    [
        ("drift", (), "--event: expected the event with --reason drift"),
        ("manual", ("--event", "{event}"), "--event: expected the event with --reason drift, and none otherwise"),
        ("drift", ("--event", "{event}"), "--data: expected the dataset that the event or the verdicts are about"),
        ("drift", ("--event", "/no/such", "--data", "{data}"), "--event: expected a file of `ground drift --out`"),
        ("manual", ("--data", "/no/such"), "--data: expected something that is there, got /no/such"),
        ("manual", ("--data", "{data}", "--verdicts", "/no/v"), "--verdicts: expected something that is there"),
        ("drift", ("--event", "{other}", "--data", "{data}"), "expected one about small, as --config says, got one"),
        ("manual", (), "--data: expected the dataset of fleet test, in which small/1.0.0 was active, got none"),
        ("manual", ("--data", "{empty}"), "--data: expected a dataset with results, got none in"),
        ("manual", ("--data", "{data}", "--nothing-flies"), "--data, --nothing-flies: expected one of them, got both"),
        ("manual", ("--registry", "/no/such"), "--registry: expected a folder with"),
        ("manual", ("--repo", "/no/such"), "/no/such"),
        ("manual", ("--public-key", "/no/such.pem"), "/no/such.pem"),
        ("manual", ("--config", "/no/such.yaml"), "expected a readable YAML file"),
        ("manual", ("--workspace", "/no/such"), "--workspace: expected a folder with recordings in data/raw"),
    ],
)
def test_mistakes_are_explained(world, reason, options, text):
    """In a line, with code 2, before anything is trained."""
    places = {
        "event": world.event(), "data": world.root / "dataset", "other": world.event("o.json", bundle_id="big/1.0.0"),
        "empty": world.root / "empty",
    }  # fmt: skip
    places["empty"].mkdir()
    code, _, errors = world.ask(reason, *(str(word).format(**places) for word in options))
    assert code == 2
    assert text in errors
    assert world.trained == 0
