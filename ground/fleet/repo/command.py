"""The command ``ground repo``: the update repository, and what signs and publishes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ground.commands.options import JsonOption
from ground.errors import RepositoryError
from ground.fleet.repo.command_offers import publish, rollout, withdraw
from ground.fleet.repo.command_trust import add, distrust_key, epoch_app, init, new_key, renew, rotate_key, trust_key
from ground.fleet.repo.options import (
    OnlinePasswordOption,
    PasswordOption,
    RepoOption,
    publish_staged,
    read_online,
    say,
    say_outcome,
    tell_changes,
    tell_published,
    tell_staged,
    tell_standing,
)
from ground.password import NO_FILE, PasswordSource
from ground.terminal import say_json

repo_app = typer.Typer(no_args_is_help=True, help="The update repository: bundles on their way to the fleet.")
for each in (new_key, init, add, publish, rollout, withdraw, trust_key, distrust_key, rotate_key, renew):
    repo_app.command()(each)
repo_app.add_typer(epoch_app, name="epoch")

RoleOption = Annotated[str, typer.Option("--role", help="root, targets, or bundles-<fleet>.")]
OnlineFolder = Annotated[
    Path, typer.Option("--online", envvar="GROUND_REPO_ONLINE", help="Folder with the keys of snapshot and timestamp.")
]
_WIDE_COLUMNS = 200
"""Into a file or a pipe a row stays a line, so that it can be searched."""


@repo_app.command()
def sign(
    role: RoleOption,
    key: Annotated[Path, typer.Option("--key", help="Private key (.pem) of one of the role's holders.")],
    repo: RepoOption = Path(),
    password_file: PasswordOption = NO_FILE,
    *,
    as_json: JsonOption = False,
) -> None:
    """Add one signature to what is staged, after saying what it changes; works on a copy of the repository."""
    from ground.fleet.repo.key_files import load_signer
    from ground.fleet.repo.repository import Repository
    from ground.fleet.repo.signing import add_signature, staged

    seen = Repository(repo)
    told = staged(seen, role).signed_bytes
    tell_changes(seen, role)
    # A person reads and types a password meanwhile: nobody else is to wait for that.
    signer = load_signer(key, PasswordSource(password_file))
    with Repository.opened(repo) as opened:
        if staged(opened, role).signed_bytes != told:
            raise RepositoryError(f"{role}: expected what was staged a moment ago, got another; read and sign it again")
        add_signature(opened, role, signer)
        tell_standing(opened, role)
        if as_json:
            say_outcome(repo, [role])


@repo_app.command()
def collect(
    files: Annotated[list[Path], typer.Argument(help="Signed copies of files of staged/.")],
    repo: RepoOption = Path(),
    *,
    as_json: JsonOption = False,
) -> None:
    """Take over signatures that others have made on a copy."""
    from ground.fleet.repo.repository import Repository
    from ground.fleet.repo.signing import collect as collect_signatures

    taken: dict[str, list[str]] = {}
    with Repository.opened(repo) as opened:
        for path in files:
            role, names = collect_signatures(opened, path)
            taken.setdefault(role, []).extend(names)
            say([f"{role}: signature of {', '.join(names)}"])
            tell_staged(opened, [role])
        if as_json:
            say_outcome(repo, taken, signatures_taken=taken)


@repo_app.command()
def commit(
    online: OnlineFolder,
    repo: RepoOption = Path(),
    online_password_file: OnlinePasswordOption = NO_FILE,
    *,
    as_json: JsonOption = False,
) -> None:
    """Publish what is staged and signed enough, in one step."""
    from ground.fleet.repo.repository import Repository

    keys = read_online(repo, online, online_password_file)
    with Repository.opened(repo) as opened:
        publication = publish_staged(opened, keys)
        if as_json:
            say_outcome(repo, publication.fresh, publication)


@repo_app.command()
def refresh(
    online: OnlineFolder,
    repo: RepoOption = Path(),
    online_password_file: OnlinePasswordOption = NO_FILE,
    *,
    as_json: JsonOption = False,
) -> None:
    """Sign snapshot and timestamp anew, and publish nothing else: for cron."""
    from ground.fleet.repo.publication import refresh as refresh_online
    from ground.fleet.repo.repository import Repository

    keys = read_online(repo, online, online_password_file)
    with Repository.opened(repo) as opened:
        publication = refresh_online(opened, keys)
        tell_published(publication)
        if as_json:
            say_outcome(repo, publication.fresh, publication)


@repo_app.command()
def discard(role: RoleOption, repo: RepoOption = Path()) -> None:
    """Give up what is staged of a role."""
    from ground.fleet.repo.repository import Repository
    from ground.fleet.repo.signing import staged

    with Repository.opened(repo) as opened:
        staged(opened, role)
        opened.discard(role)
    say([f"{role}: discarded what was staged"])


@repo_app.command()
def show(
    repo: RepoOption = Path(),
    *,
    as_json: JsonOption = False,
) -> None:
    """Show roles, keys, expiries, offers, and what waits for signatures."""
    from ground.fleet.repo.repository import Repository
    from ground.fleet.repo.state_report import state_document, state_tables

    document = state_document(Repository(repo))
    if as_json:
        say_json(document)
        return
    console = Console()
    (console if console.is_terminal else Console(width=_WIDE_COLUMNS)).print(state_tables(document))
