"""Thresholds, people who are apart, and keys that are replaced: nothing goes out with too few signatures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tuf.api.exceptions import RepositoryError as ClientRefusal

from ground.errors import GroundError, RepositoryError, SigningError
from ground.fleet.repo.publication import refresh
from ground.fleet.repo.rotation import renew, rotate_key
from ground.fleet.repo.selection import select
from tests.ground.repo_ceremony import Ceremony, Client


@pytest.fixture
def client(ceremony: Ceremony, tmp_path: Path) -> Client:
    """A client that has seen the first publication."""
    bootstrap = (ceremony.public / "metadata" / "1.root.json").read_bytes()
    client = Client(str(ceremony.public), tmp_path / "cache", bootstrap)
    client.update()
    return client


def replace_key(ceremony: Ceremony, role: str, old: str, new: str) -> list[str]:
    """Stage a rotation; the roles to sign."""
    return rotate_key(ceremony.repo, role, old=old, new=ceremony.public_key(new))


UNDER_THRESHOLD = {
    "no signature": {},
    "one root key": {"root": ("alice",)},
    "root twice by one": {"root": ("alice", "alice")},
    "no targets": {"root": ("alice", "bob"), "bundles-test": ("gina",)},
    "one targets key": {"root": ("alice", "bob"), "targets": ("dora",), "bundles-test": ("gina",)},
    "no engineer": {"root": ("alice", "bob"), "targets": ("dora", "emil")},
}


@pytest.mark.parametrize("signatures", UNDER_THRESHOLD.values(), ids=UNDER_THRESHOLD)
def test_first_publication_needs_all(founded: Ceremony, tmp_path: Path, signatures: dict[str, tuple[str, ...]]) -> None:
    """A repository begins whole or not at all."""
    new = Ceremony(founded.keys, tmp_path / "repo")
    new.found()
    for role, names in signatures.items():
        new.sign(role, *names)
    with pytest.raises(RepositoryError, match=r"expected root, targets and fleets that are signed enough, got .* of "):
        new.commit()
    assert not new.public.exists()


WRONG_SIGNERS = {
    "targets key for root": ("root", "dora"),
    "engineer for targets": ("targets", "gina"),
    "root key for offers": ("bundles-test", "alice"),
    "online key for root": ("root", "timestamp"),
}


@pytest.mark.parametrize(("role", "name"), WRONG_SIGNERS.values(), ids=WRONG_SIGNERS)
def test_wrong_signer(ceremony: Ceremony, role: str, name: str) -> None:
    """A key signs for its role only; the text names those that may."""
    renew(ceremony.repo, role)
    with pytest.raises(SigningError, match=f"{role}: expected a key among .*; sign with one of those"):
        ceremony.sign(role, name)


def test_signatures_of_two_copies(ceremony: Ceremony, client: Client, tmp_path: Path) -> None:
    """Each signs a copy of his own at home; both signatures come together here."""
    renew(ceremony.repo, "root")
    for name in ("bob", "carol"):
        copy = ceremony.copy(tmp_path / name)
        copy.sign("root", name)
        assert ceremony.run("collect", copy.folder / "staged" / "root.json") == 0
    assert ceremony.commit().fresh == ("root",)
    client.update()
    assert client.version("root") == 2


def test_collected_twice_or_other(ceremony: Ceremony, tmp_path: Path) -> None:
    """A copy without a new signature, or of another content, is refused."""
    renew(ceremony.repo, "root")
    copy = ceremony.copy(tmp_path / "copy")
    assert ceremony.run("collect", copy.folder / "staged" / "root.json") == 2
    copy.sign("root", "bob")
    document = json.loads((copy.folder / "staged" / "root.json").read_bytes())
    document["signed"]["x-enginear-epoch"] = 7
    (copy.folder / "staged" / "root.json").write_text(json.dumps(document))
    assert ceremony.run("collect", copy.folder / "staged" / "root.json") == 2
    assert not ceremony.repo.staged["root"].signatures


def test_forged_signature_does_not_count(ceremony: Ceremony) -> None:
    """A signature that does not verify is neither collected nor counted."""
    renew(ceremony.repo, "root")
    ceremony.sign("root", "alice", "bob")
    path = ceremony.folder / "staged" / "root.json"
    document = json.loads(path.read_bytes())
    document["signed"]["x-enginear-epoch"] = 1
    path.write_text(json.dumps(document))
    assert "root" in ceremony.commit().held
    assert ceremony.repo.published["root"].signed.version == 1


ROTATIONS = {
    "root": ("alice", {"root": ("bob", "zoe")}, ("root",)),
    "targets": ("dora", {"root": ("alice", "bob"), "targets": ("emil", "zoe")}, ("root", "targets")),
    "bundles-test": ("gina", {"targets": ("emil", "dora"), "bundles-test": ("zoe",)}, ("bundles-test", "targets")),
    "snapshot": ("snapshot", {"root": ("alice", "carol")}, ("root",)),
    "timestamp": ("timestamp", {"root": ("alice", "carol")}, ("root",)),
}


@pytest.mark.parametrize("role", ROTATIONS)
def test_rotation(ceremony: Ceremony, client: Client, role: str) -> None:
    """Each role gets another key; a client that knew the old one follows; the old one opens nothing more."""
    old, signatures, fresh = ROTATIONS[role]
    new = f"{role}2" if role in {"snapshot", "timestamp"} else "zoe"
    replace_key(ceremony, role, old, new)
    for signed, names in signatures.items():
        # The key that goes may sign the root that takes it away, among the old ones; root is the one case.
        ceremony.sign(signed, *names)
    if role == "root":
        assert ceremony.commit().held["root"].startswith("1 of 2 signatures by the keys of root version 1")
        ceremony.sign("root", "carol")
    publication = ceremony.commit()
    assert (publication.fresh, publication.held) == (fresh, {})
    client.update()
    refresh(ceremony.repo, ceremony.online)
    client.update()
    if role not in {"snapshot", "timestamp"}:
        renew(ceremony.repo, role)
        with pytest.raises(SigningError):
            ceremony.sign(role, old)
        ceremony.sign(role, "zoe")


def test_root_needs_old_and_new(ceremony: Ceremony) -> None:
    """Two old keys that are gone from the new root cannot bring it in alone, nor can two new ones."""
    replace_key(ceremony, "root", "alice", "zoe")
    replace_key(ceremony, "root", "bob", "yann")
    ceremony.sign("root", "zoe", "yann")
    assert ceremony.commit().held["root"].startswith("0 of 2 signatures by the keys of root version 1")
    ceremony.sign("root", "alice", "bob")
    assert ceremony.commit().fresh == ("root",)


def test_rotated_targets_wait_for_both(ceremony: Ceremony) -> None:
    """A root that would leave targets without enough signatures waits for them."""
    replace_key(ceremony, "targets", "dora", "zoe")
    ceremony.sign("root", "alice", "bob")
    held = ceremony.commit().held
    assert held["root"] == "waits for another role that is staged"
    assert held["targets"].startswith("0 of 2 signatures by the keys of root version 1")


def test_lost_online_key(ceremony: Ceremony, tmp_path: Path) -> None:
    """Without the private key nothing is published, and the text says which one is missing."""
    keys = tmp_path / "keys"
    shutil.copytree(ceremony.keys, keys)
    (keys / "timestamp.pem").unlink()
    before = ceremony.public.resolve()
    assert ceremony.run("refresh", "--online", keys, "--online-password-file", keys / "password") == 2
    assert ceremony.public.resolve() == before


def test_stolen_timestamp_key(ceremony: Ceremony, client: Client, tmp_path: Path) -> None:
    """The thief drives the version up and freezes the fleet; a new key brings every client back."""
    thief = ceremony.copy(tmp_path / "thief")
    timestamp = thief.repo.published["timestamp"]
    timestamp.signed.version = 2**53 - 1
    timestamp.sign(thief.online.signer("timestamp", thief.repo.root.roles["timestamp"].keyids))
    (thief.public / "metadata" / "timestamp.json").unlink()
    timestamp.to_file(str(thief.public / "metadata" / "timestamp.json"))
    victim = Client(str(thief.public), tmp_path / "cache", (ceremony.public / "metadata" / "1.root.json").read_bytes())
    victim.update()
    refresh(ceremony.repo, ceremony.online)
    with pytest.raises(ClientRefusal, match="version"):
        client.update()
    replace_key(ceremony, "timestamp", "timestamp", "timestamp2")
    ceremony.sign("root", "bob", "carol")
    ceremony.commit()
    client.update()
    assert client.version("timestamp") == 3


def test_selection_prefers_what_is_staged(ceremony: Ceremony) -> None:
    """What is ready goes, what is not stays, each by itself."""
    renew(ceremony.repo, "root")
    renew(ceremony.repo, "targets")
    ceremony.sign("targets", "emil", "fred")
    selection = select(ceremony.repo)
    assert selection.fresh == {"targets"}
    assert set(selection.held) == {"root"}


def test_changed_after_signing(ceremony: Ceremony) -> None:
    """A change takes the signatures away: people have not signed what it says now."""
    renew(ceremony.repo, "root")
    ceremony.sign("root", "alice", "bob")
    assert ceremony.run("epoch", "raise") == 0
    assert not ceremony.repo.staged["root"].signatures


def test_key_in_two_roles(ceremony: Ceremony) -> None:
    """One stolen key must open one door."""
    for new in ("dora", "gina", "timestamp", "bob"):
        with pytest.raises(GroundError, match="expected a key of its own for each role, got one of"):
            replace_key(ceremony, "root", "alice", new)
