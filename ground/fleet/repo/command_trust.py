"""``ground repo new-key | init | add | trust-key | distrust-key | rotate-key | renew | epoch``: who is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ground.commands.options import JsonOption
from ground.fleet.repo.options import PasswordOption, RepoOption, say, say_outcome, tell_staged
from ground.password import NO_FILE, PasswordSource
from ground.terminal import say_json

epoch_app = typer.Typer(no_args_is_help=True, help="The epoch: agents count sequences anew in each.")

RoleArgument = Annotated[str, typer.Argument(help="root, targets, snapshot, timestamp, or bundles-<fleet>.")]
DaysOption = Annotated[int | None, typer.Option(help="Days it stays valid, once signed.")]


def new_key(
    private: Annotated[Path, typer.Argument(help="File to write, such as alice.pem; alice.pub comes beside it.")],
    password_file: PasswordOption = NO_FILE,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make a key pair for a role of the repository (ed25519); the private key is encrypted."""
    from ground.fleet.repo.key_files import PUBLIC_SUFFIX, name_of, new_role_key

    key = new_role_key(private, PasswordSource(password_file))
    public = private.with_suffix(PUBLIC_SUFFIX)
    if as_json:
        say_json({"key": name_of(key), "private": private, "public": public})
    else:
        say([f"{name_of(key)}: keep {private}, give {public} to who keeps the repository"])


def init(
    *,
    root_key: Annotated[list[Path], typer.Option("--root-key", help="Public key (.pub) of a root holder; three.")],
    targets_key: Annotated[list[Path], typer.Option("--targets-key", help="The same for targets; three others.")],
    snapshot_key: Annotated[Path, typer.Option("--snapshot-key", help="Public key of snapshot (online).")],
    timestamp_key: Annotated[Path, typer.Option("--timestamp-key", help="Public key of timestamp (online).")],
    repo: RepoOption = Path(),
    root_days: DaysOption = None,
    targets_days: DaysOption = None,
    bundles_days: DaysOption = None,
    snapshot_days: DaysOption = None,
    timestamp_days: DaysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a repository; its root and targets wait for two signatures each."""
    from ground.fleet.repo.founding import Holders, found
    from ground.fleet.repo.key_files import load_public_key
    from ground.fleet.repo.settings import Lifetimes

    days = {
        "root": root_days,
        "targets": targets_days,
        "bundles": bundles_days,
        "snapshot": snapshot_days,
        "timestamp": timestamp_days,
    }
    holders = Holders(
        root=[load_public_key(path) for path in root_key],
        targets=[load_public_key(path) for path in targets_key],
        snapshot=load_public_key(snapshot_key),
        timestamp=load_public_key(timestamp_key),
    )
    lifetimes = Lifetimes(**{role: given for role, given in days.items() if given is not None})
    roles = ["root", "targets"]
    tell_staged(found(repo, holders, lifetimes), roles)
    if as_json:
        say_outcome(repo, roles)


def add(
    fleet: Annotated[str, typer.Argument(help="Name of the fleet.")],
    key: Annotated[list[Path], typer.Option("--key", help="Public key (.pub) of an engineer; two, each signs alone.")],
    repo: RepoOption = Path(),
    *,
    as_json: JsonOption = False,
) -> None:
    """Let engineers offer bundles to a fleet; targets and the new role wait for signatures."""
    from ground.fleet.repo.founding import add_fleet
    from ground.fleet.repo.key_files import load_public_key
    from ground.fleet.repo.repository import Repository

    with Repository.opened(repo) as opened:
        role = add_fleet(opened, fleet, [load_public_key(path) for path in key])
        tell_staged(opened, ["targets", role])
        if as_json:
            say_outcome(repo, ["targets", role])


def trust_key(
    public: Annotated[Path, typer.Argument(help="public.pem of a key that signs bundles.")],
    repo: RepoOption = Path(),
    *,
    as_json: JsonOption = False,
) -> None:
    """Let agents take bundles signed by a key; the targets wait for signatures."""
    from ground.fleet.repo.bundle_keys import trust_key as trust
    from ground.fleet.repo.repository import Repository

    with Repository.opened(repo) as opened:
        trust(opened, public)
        tell_staged(opened, ["targets"])
        if as_json:
            say_outcome(repo, ["targets"])


def distrust_key(
    key: Annotated[str, typer.Argument(help="Hint of a listed key, its first 8 digits or more, or a public.pem.")],
    repo: RepoOption = Path(),
    *,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key that signs bundles, also where agents pin it; the targets wait for signatures."""
    from ground.fleet.repo.bundle_keys import distrust_key as distrust
    from ground.fleet.repo.repository import Repository

    with Repository.opened(repo) as opened:
        hint, lost = distrust(opened, key)
        tell_staged(opened, ["targets"])
        say(f"{path}: signed by this key; withdraw it, and sign the bundle again with another" for path in lost)
        if as_json:
            say_outcome(repo, ["targets"], hint=hint, lost=lost)


def rotate_key(
    role: RoleArgument,
    old: Annotated[str, typer.Option("--old", help="Name or id of the key that goes.")],
    new: Annotated[Path, typer.Option("--new", help="Public key (.pub) that comes.")],
    repo: RepoOption = Path(),
    *,
    as_json: JsonOption = False,
) -> None:
    """Replace a key of a role; a root is signed by a threshold of its old keys and of its new ones."""
    from ground.fleet.repo.key_files import load_public_key
    from ground.fleet.repo.repository import Repository
    from ground.fleet.repo.rotation import rotate_key as rotate

    with Repository.opened(repo) as opened:
        roles = list(rotate(opened, role, old=old, new=load_public_key(new)))
        tell_staged(opened, roles)
        if as_json:
            say_outcome(repo, roles)


def renew(role: RoleArgument, repo: RepoOption = Path(), *, as_json: JsonOption = False) -> None:
    """Stage a role as it is, with a new expiry."""
    from ground.fleet.repo.repository import Repository
    from ground.fleet.repo.rotation import renew as renew_role

    with Repository.opened(repo) as opened:
        renew_role(opened, role)
        tell_staged(opened, [role])
        if as_json:
            say_outcome(repo, [role])


@epoch_app.command("raise")
def raise_(repo: RepoOption = Path(), *, as_json: JsonOption = False) -> None:
    """Begin another epoch; the root waits for signatures."""
    from ground.fleet.repo.repository import Repository
    from ground.fleet.repo.rotation import raise_epoch

    with Repository.opened(repo) as opened:
        epoch = raise_epoch(opened)
        tell_staged(opened, ["root"])
        say([f"release the next bundle with epoch {epoch}; its sequence may begin anew"])
        if as_json:
            say_outcome(repo, ["root"], epoch=epoch)


@epoch_app.callback()
def epoch() -> None:
    """Hold the subcommands of ``epoch``."""
