"""``ground repo``: what is published, as python-tuf's own client sees it over HTTP and from a folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tuf.api.exceptions import RepositoryError as ClientRefusal
from tuf.api.metadata import Metadata

from edge_agent.offer import Rollout
from ground.errors import RepositoryError
from ground.fleet.repo import repository
from ground.fleet.repo.publication import refresh
from tests.conftest import SignedBundle
from tests.ground.repo_ceremony import FLEET, Ceremony, Client, served, show


@pytest.fixture(params=["http", "folder"])
def client(request: pytest.FixtureRequest, ceremony: Ceremony, tmp_path: Path) -> Iterator[Client]:
    """A client that knows the first root."""
    bootstrap = (ceremony.public / "metadata" / "1.root.json").read_bytes()
    if request.param == "folder":
        yield Client(str(ceremony.public), tmp_path / "cache", bootstrap)
        return
    with served(ceremony.public) as url:
        yield Client(url, tmp_path / "cache", bootstrap)


def digest_of(bundle: SignedBundle) -> str:
    """Hex sha256 of a bundle."""
    return hashlib.sha256(bundle.path.read_bytes()).hexdigest()


def publish(ceremony: Ceremony, bundle: SignedBundle, *options: str) -> str:
    """Offer a bundle as gina; its digest."""
    assert ceremony.run("publish", bundle.path, *options, *ceremony.sign_as("gina")) == 0
    return digest_of(bundle)


def test_first_publication(client: Client, small_bundle: SignedBundle) -> None:
    """No offer, the bundle key, epoch 0."""
    assert client.offers() == {}
    (path,) = client.keys()
    assert client.download(path) == small_bundle.key.read_bytes()
    assert path == f"keys/{hashlib.sha256(small_bundle.key.read_bytes()).hexdigest()}.pem"
    assert client.epoch() == 0


def test_offer_in_waves(ceremony: Ceremony, client: Client, small_bundle: SignedBundle) -> None:
    """Published, widened, halted, resumed, withdrawn: the client sees each at its next update."""
    digest = publish(ceremony, small_bundle, "--wave", "1", "--percent", "10")
    path = f"bundles/{FLEET}/{digest}.bundle"
    (offer,) = client.offers().values()
    assert (offer.fleets, offer.role, offer.bundle_id, offer.sequence) == ((FLEET,), "active", "small/1.0.0", 1)
    assert offer.rollout == Rollout(wave=1, percent=10.0)
    assert client.download(path) == small_bundle.path.read_bytes()

    steps = (
        (("--percent", "50"), Rollout(wave=1, percent=50.0)),
        (("--halt",), Rollout(wave=1, percent=50.0, halted=True)),
        (("--resume", "--wave", "2", "--percent", "0"), Rollout(wave=2, percent=0.0)),
    )
    for options, expected in steps:
        command = ("rollout", digest[:8], "--fleet", FLEET, *options)
        assert ceremony.run(*command, *ceremony.sign_as("hans")) == 0
        assert client.offers()[path].rollout == expected

    assert ceremony.run("withdraw", digest, "--fleet", FLEET, *ceremony.sign_as("gina")) == 0
    assert client.offers() == {}


def test_halt_is_seen_at_once(ceremony: Ceremony, client: Client, small_bundle: SignedBundle) -> None:
    """Nobody is reached any more after one command, not even whoever was in a wave that is through."""
    digest = publish(ceremony, small_bundle)
    (offer,) = client.offers().values()
    assert offer.rollout.reaches("edge-1", 1, digest)
    assert ceremony.run("rollout", digest[:8], "--fleet", FLEET, "--halt", *ceremony.sign_as("gina")) == 0
    (offer,) = client.offers().values()
    assert not any(offer.rollout.reaches(f"edge-{n}", wave, digest) for n in range(20) for wave in range(1, 10))


def test_halt_does_not_wait_for_others(ceremony: Ceremony, client: Client, small_bundle: SignedBundle) -> None:
    """What is staged and not signed holds up nothing."""
    digest = publish(ceremony, small_bundle)
    assert ceremony.run("renew", "targets") == 0
    assert ceremony.run("renew", "root") == 0
    assert ceremony.run("rollout", digest[:8], "--fleet", FLEET, "--halt", *ceremony.sign_as("gina")) == 0
    assert client.offers()[f"bundles/{FLEET}/{digest}.bundle"].rollout.halted
    assert (client.version("root"), client.version("targets")) == (1, 1)
    assert set(ceremony.repo.staged) == {"root", "targets"}


def test_halt_publishes_nothing_that_others_have_staged(
    ceremony: Ceremony, client: Client, releases: tuple[SignedBundle, ...]
) -> None:
    """Another engineer's offer that waits for a signature does not get that of whoever halts."""
    digest = publish(ceremony, releases[0])
    assert ceremony.run("publish", releases[1].path) == 0
    assert ceremony.run("rollout", digest[:8], "--fleet", FLEET, "--halt", *ceremony.sign_as("gina")) == 0
    assert list(client.offers()) == [f"bundles/{FLEET}/{digest}.bundle"]
    assert client.offers()[f"bundles/{FLEET}/{digest}.bundle"].rollout.halted
    publish(ceremony, releases[1])
    assert len(client.offers()) == 2


def test_nobody_signs_for_others(
    ceremony: Ceremony, releases: tuple[SignedBundle, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """What somebody staged and nobody signed: another one's key goes nowhere near it, whatever the command."""
    first, second = map(digest_of, releases[:2])
    publish(ceremony, releases[0])
    assert ceremony.run("publish", releases[1].path) == 0
    mine = ceremony.sign_as("hans")
    asked = [
        ("publish", releases[0].path, "--role", "shadow"),
        ("rollout", first, "--fleet", FLEET, "--percent", "50"),
        ("withdraw", first, "--fleet", FLEET),
        ("rollout", second, "--fleet", FLEET, "--halt"),
    ]
    for words in asked:
        capsys.readouterr()
        assert ceremony.run(*words, *mine) == 2
        assert "bundles-test: expected nothing staged that nobody signed, got bundles/test/" in capsys.readouterr().err
    assert len(ceremony.repo.published["bundles-test"].signed.targets) == 1
    ceremony.sign("bundles-test", "gina")
    assert ceremony.run("withdraw", first, "--fleet", FLEET, *mine) == 0
    (path,) = ceremony.repo.published["bundles-test"].signed.targets
    assert second in path


def test_several_offers(ceremony: Ceremony, client: Client, releases: tuple[SignedBundle, ...]) -> None:
    """A shadow beside the active one; a lower sequence is offered with a note."""
    second = publish(ceremony, releases[1])
    first = publish(ceremony, releases[0], "--role", "shadow")
    offers = client.offers()
    assert {path.split("/")[2][:8]: offer.role for path, offer in offers.items()} == {
        second[:8]: "active",
        first[:8]: "shadow",
    }
    assert client.download(f"bundles/{FLEET}/{first}.bundle") == releases[0].path.read_bytes()


def test_epoch(ceremony: Ceremony, client: Client) -> None:
    """Raised by a threshold of root keys; raising it twice before it is public raises it once."""
    assert ceremony.run("epoch", "raise") == 0
    assert ceremony.run("epoch", "raise") == 0
    ceremony.sign("root", "alice")
    with pytest.raises(RepositoryError, match="1 of 2 signatures") as refused:
        # One signature is not enough: only what is published already could be published again.
        _refuse_held(ceremony)
    assert "carol" in str(refused.value)
    assert client.epoch() == 0
    ceremony.sign("root", "carol")
    ceremony.commit()
    assert client.epoch() == 1


def _refuse_held(ceremony: Ceremony) -> None:
    held = ceremony.commit().held
    if held:
        raise RepositoryError("; ".join(held.values()))


def test_refresh(ceremony: Ceremony, client: Client, small_bundle: SignedBundle) -> None:
    """Newer snapshot and timestamp, and nothing of what is staged, signed or not."""
    digest = publish(ceremony, small_bundle)
    client.update()
    before = client.version("timestamp")
    ceremony.run("rollout", digest[:8], "--fleet", FLEET, "--halt")
    ceremony.sign("bundles-test", "hans")
    assert ceremony.run("refresh", *ceremony.publish_options) == 0
    (offer,) = client.offers().values()
    assert not offer.rollout.halted
    assert client.version("timestamp") == before + 1
    assert set(ceremony.repo.staged) == {"bundles-test"}


def test_expired(ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no agent would take is not published; a fleet that has expired does not stop the others."""
    lifetimes = ceremony.repo.lifetimes
    later = repository.now() + lifetimes.of("targets")
    for module in ("repository", "publication"):
        monkeypatch.setattr(f"ground.fleet.repo.{module}.now", lambda: later)
    with pytest.raises(RepositoryError, match=r"targets: expired on .*; `ground repo renew targets`"):
        refresh(ceremony.repo, ceremony.online)


def test_expired_root(ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody kept the repository for three years: clients refuse it, and take the renewed root."""
    past = repository.now().replace(year=2023)
    with monkeypatch.context() as then:
        then.setattr("ground.fleet.repo.repository.now", lambda: past)
        then.setattr("ground.fleet.repo.publication.now", lambda: past)
        then.setattr("ground.fleet.repo.publication.rehearse", lambda *_, **__: None)
        old = Ceremony(ceremony.keys, tmp_path / "old")
        old.found()
        old.sign("root", "alice", "bob")
        old.sign("targets", "dora", "emil")
        old.sign("bundles-test", "gina")
        old.commit()
    late = Client(str(old.public), tmp_path / "late", (old.public / "metadata" / "1.root.json").read_bytes())
    with pytest.raises(ClientRefusal, match="expired"):
        late.update()
    with pytest.raises(RepositoryError, match=r"root: expired on .*; `ground repo renew root`, sign"):
        refresh(old.repo, old.online)
    for role, names in (("root", ("alice", "carol")), ("targets", ("dora", "fred")), ("bundles-test", ("hans",))):
        assert old.run("renew", role) == 0
        old.sign(role, *names)
    assert old.commit().held == {}
    late.update()
    assert late.version("root") == 2


def test_development(ceremony: Ceremony, client: Client, development_bundle: SignedBundle) -> None:
    """A development bundle is offered only by who says so."""
    assert ceremony.run("publish", development_bundle.path, *ceremony.sign_as("gina")) == 2
    publish(ceremony, development_bundle, "--allow-development")
    assert len(client.offers()) == 1


def test_expired_fleet(ceremony: Ceremony) -> None:
    """The rest is refreshed, and a note says what to do."""
    metadata = ceremony.repo.draft("bundles-test")
    metadata.signed.expires = repository.now().replace(year=2020)
    ceremony.repo.stage("bundles-test", metadata)
    ceremony.sign("bundles-test", "gina")
    assert ceremony.commit().notes == (
        "bundles-test has expired: its fleet gets nothing before `ground repo renew bundles-test`",
    )


def test_second_fleet(ceremony: Ceremony, client: Client) -> None:
    """Another delegation, with engineers and paths of its own; the first one's offers stay."""
    keys = [option for name in ("zoe", "yann") for option in ("--key", ceremony.keys / f"{name}.pub")]
    assert ceremony.run("add", "other", *keys) == 0
    ceremony.sign("targets", "dora", "fred")
    held = ceremony.commit().held
    assert "0 of 1 signatures" in held["bundles-other"]
    assert held["targets"] == "waits for another role that is staged"
    ceremony.sign("bundles-other", "zoe")
    assert ceremony.commit().held == {}
    client.update()
    role = ceremony.repo.targets.delegations.roles["bundles-other"]
    assert (role.paths, role.threshold, role.terminating) == (["bundles/other/*"], 1, True)
    assert client.offers() == {}


def test_stick(ceremony: Ceremony, tmp_path: Path, small_bundle: SignedBundle) -> None:
    """A copy without links, such as FAT holds, is a repository, too."""
    digest = publish(ceremony, small_bundle)
    stick = tmp_path / "stick"
    shutil.copytree(ceremony.public, stick)
    assert not any(path.is_symlink() for path in stick.rglob("*"))
    client = Client(str(stick), tmp_path / "cache", (stick / "metadata" / "1.root.json").read_bytes())
    assert client.download(f"bundles/{FLEET}/{digest}.bundle") == small_bundle.path.read_bytes()


def test_copy_publishes_nothing(ceremony: Ceremony, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copies are there to be signed: a fork of the repository would be refused by agents that saw the other one."""
    shutil.copytree(ceremony.folder, tmp_path / "copy")
    copy = Ceremony(ceremony.keys, tmp_path / "copy")
    assert copy.run("renew", "root") == 0
    copy.sign("root", "bob")
    assert copy.run("refresh", *copy.publish_options) == 2
    assert "expected a link, got a folder: a copy, made to sign" in capsys.readouterr().err


def test_files(ceremony: Ceremony, small_bundle: SignedBundle) -> None:
    """Names of consistent snapshots, readable for a web server; nothing of what came before but the roots."""
    digest = publish(ceremony, small_bundle)
    for _ in range(3):
        refresh(ceremony.repo, ceremony.online)
    files = {str(path.relative_to(ceremony.public)) for path in ceremony.public.rglob("*") if path.is_file()}
    hint = hashlib.sha256(small_bundle.key.read_bytes()).hexdigest()
    assert files == {
        "metadata/1.root.json",
        "metadata/1.targets.json",
        "metadata/2.bundles-test.json",
        "metadata/4.snapshot.json",
        "metadata/5.snapshot.json",
        "metadata/timestamp.json",
        f"targets/bundles/{FLEET}/{digest}.{digest}.bundle",
        f"targets/keys/{hint}.{hint}.pem",
    }
    assert {path.stat().st_mode & 0o777 for path in ceremony.public.rglob("*") if path.is_file()} == {0o644}
    assert len(list((ceremony.folder / "trees").iterdir())) == 2
    assert not (ceremony.folder / "staged" / "targets").exists()


def test_show(ceremony: Ceremony, small_bundle: SignedBundle, capsys: pytest.CaptureFixture[str]) -> None:
    """Roles with thresholds and expiries, keys, offers, and what waits."""
    digest = publish(ceremony, small_bundle, "--percent", "25")
    ceremony.run("renew", "root")
    document = show(ceremony, capsys)
    roles = {role["role"]: role for role in document["roles"]}
    thresholds = {"root": (2, 3), "targets": (2, 3), "snapshot": (1, 1), "timestamp": (1, 1), "bundles-test": (1, 2)}
    assert {name: (role["threshold"], len(role["keys"])) for name, role in roles.items()} == thresholds
    assert roles["root"]["keys"][0].startswith("alice ")
    assert roles["timestamp"]["days_left"] in {89, 90}
    (offer,) = document["offers"]
    assert (offer["digest"], offer["rollout"]["percent"]) == (digest, 25.0)
    (waiting,) = document["staged"]
    assert (waiting["role"], waiting["ready"]) == ("root", False)
    assert ceremony.run("show") == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("alice", "small/1.0.0", "wave 9, 25 %", "0 of 2 signatures"))


def test_damaged_tree_is_not_published(ceremony: Ceremony, small_bundle: SignedBundle) -> None:
    """Metadata that a client would refuse never becomes public, whoever has broken it."""
    publish(ceremony, small_bundle)
    before = ceremony.public.resolve()
    (path,) = ceremony.public.glob("metadata/1.targets.json")
    document = json.loads(path.read_bytes())
    document["signed"]["targets"] = {}
    path.write_text(json.dumps(document))
    with pytest.raises(RepositoryError):
        refresh(ceremony.repo, ceremony.online)
    assert ceremony.public.resolve() == before


def test_metadata_is_small(ceremony: Ceremony) -> None:
    """A timestamp fits the client's cap, and the state of a client is some kilobytes."""
    sizes = {path.name: path.stat().st_size for path in (ceremony.public / "metadata").iterdir()}
    assert sizes["timestamp.json"] < 1024
    assert sum(sizes.values()) < 16 * 1024


def test_root_is_canonical(ceremony: Ceremony) -> None:
    """The epoch is an integer of the signed part of the root."""
    root = Metadata.from_file(str(ceremony.public / "metadata" / "1.root.json"))
    assert root.signed.unrecognized_fields == {"x-enginear-epoch": 0}
    assert root.signed.consistent_snapshot
