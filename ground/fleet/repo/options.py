"""Options that commands of ``ground repo`` share, and how they end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ground.password import PasswordSource
from ground.terminal import say_json

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

    from ground.fleet.repo.online import OnlineKeys
    from ground.fleet.repo.publication import Publication
    from ground.fleet.repo.repository import Repository

RepoOption = Annotated[Path, typer.Option("--repo", envvar="GROUND_REPO", help="Folder of the repository.")]
KeyOption = Annotated[
    Path | None, typer.Option("--key", help="Private key (.pem) to sign with at once; without it, sign later.")
]
PasswordOption = Annotated[
    Path, typer.Option("--password-file", help="File with the key's password; else GROUND_KEY_PASSWORD, else asked.")
]
OnlineOption = Annotated[
    Path | None,
    typer.Option(
        "--online", envvar="GROUND_REPO_ONLINE", help="Folder with the keys of snapshot and timestamp: publish at once."
    ),
]
OnlinePasswordOption = Annotated[
    Path,
    typer.Option(
        "--online-password-file",
        envvar="GROUND_REPO_ONLINE_PASSWORD",
        help="File with the password of the online keys.",
    ),
]
FleetOption = Annotated[str, typer.Option("--fleet", help="Name of the fleet.")]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that a command was given, read.

    Attributes:
        signer: Of a holder of the role; none: signed later.
        online: Of snapshot and timestamp; none: published later.
    """

    signer: CryptoSigner | None
    online: OnlineKeys | None


def read_keys(repo: Path, *, key: Path | None, password: Path, online: Path | None, online_password: Path) -> Keys:
    """Read keys, which may wait for a person at a prompt: before the repository is locked, for a halt is not to wait.

    Raises:
        RepositoryError: No repository, or a damaged one.
        SigningError: A key cannot be read, or its password is wrong.
    """
    from ground.fleet.repo.key_files import load_signer

    signer = None if key is None else load_signer(key, PasswordSource(password))
    return Keys(signer, None if online is None else read_online(repo, online, online_password))


def read_online(repo: Path, online: Path, password: Path) -> OnlineKeys:
    """The same of the keys of snapshot and timestamp."""
    from ground.fleet.repo.online import OnlineKeys
    from ground.fleet.repo.repository import Repository
    from ground.fleet.repo.roles import ONLINE, ROOT

    found = Repository(repo)
    roots = [state[ROOT].signed for state in (found.published, found.staged) if ROOT in state]
    keyids = [keyid for root in roots for role in ONLINE for keyid in root.roles[role].keyids]
    return OnlineKeys(online, PasswordSource(password)).load(keyids)


def say(lines: Iterable[str]) -> None:
    """Print lines as they are: paths hold no markup, and are not wrapped."""
    console = Console(stderr=True)
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def tell_staged(repo: Repository, roles: Iterable[str]) -> None:
    """Say what waits of some roles, and for whose signatures."""
    for role in roles:
        tell_changes(repo, role)
        tell_standing(repo, role)


def tell_changes(repo: Repository, role: str) -> None:
    """Say what staged metadata changes."""
    from ground.fleet.repo.changes import changes

    say([f"{role}:", *(f"  {line}" for line in changes(repo, role))])


def tell_standing(repo: Repository, role: str) -> None:
    """Say how far staged metadata is signed, and what comes next."""
    from ground.fleet.repo.signing import quorums

    standing = quorums(repo, role)
    say(f"  {each}" for each in standing)
    done = all(each.met for each in standing)
    say([f"  next: `ground repo {'commit' if done else f'sign --role {role}'}`"])


def tell_published(publication: Publication) -> None:
    """Say what was published, and what was not."""
    say(["published: " + ", ".join(f"{role} {version}" for role, version in publication.versions.items())])
    say(f"not published: {role}: {why}" for role, why in publication.held.items())
    say(publication.notes)


def sign_and_publish(repo: Repository, role: str, keys: Keys) -> Publication | None:
    """Sign a role where a key is given, and publish where the online keys are given; what was published then."""
    from ground.fleet.repo.signing import add_signature

    tell_changes(repo, role)
    if keys.signer is not None:
        add_signature(repo, role, keys.signer)
    tell_standing(repo, role)
    return None if keys.online is None else publish_staged(repo, keys.online)


def publish_staged(repo: Repository, online: OnlineKeys) -> Publication:
    """Publish what is signed enough."""
    from ground.fleet.repo.publication import commit

    publication = commit(repo, online)
    tell_published(publication)
    return publication


def say_outcome(folder: Path, roles: Iterable[str], published: Publication | None = None, **more: Any) -> None:
    """Print as JSON what a command did to a repository, and what waits now.

    Args:
        folder: The repository; read anew, for a publication changes what staged roles are compared with.
        roles: The roles that the command was about.
        published: What it published; nothing where it only staged.
        more: What else it has to say.
    """
    from ground.fleet.repo.repository import Repository
    from ground.fleet.repo.state_report import staged_documents

    publication = None if published is None else asdict(published)
    say_json({"roles": list(roles), **more, "staged": staged_documents(Repository(folder)), "published": publication})
