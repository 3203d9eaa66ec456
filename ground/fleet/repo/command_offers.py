"""``ground repo publish | rollout | withdraw``: offers of bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edge_agent.offer import ACTIVE, LAST_WAVE, WHOLE
from ground.commands.options import JsonOption
from ground.errors import RepositoryError
from ground.fleet.repo.options import (
    FleetOption,
    KeyOption,
    OnlineOption,
    OnlinePasswordOption,
    PasswordOption,
    RepoOption,
    read_keys,
    say,
    say_outcome,
    sign_and_publish,
)
from ground.password import NO_FILE

DigestArgument = Annotated[str, typer.Argument(help="Digest of the bundle, or its first 8 digits or more.")]


def publish(
    bundle: Annotated[
        str, typer.Argument(help="A .bundle file, or DETECTOR/VERSION of --registry; verified first as an agent does.")
    ],
    *,
    registry: Annotated[
        str, typer.Option("--registry", help="Take the bundle from it, if its state there is the role.")
    ] = "",
    repo: RepoOption = Path(),
    fleet: FleetOption = "",
    role: Annotated[str, typer.Option("--role", help="active or shadow.")] = ACTIVE,
    wave: Annotated[int, typer.Option("--wave", help="Agents up to this wave take it.")] = LAST_WAVE,
    percent: Annotated[int, typer.Option("--percent", help="Share of that last wave, 0 to 100.")] = int(WHOLE),
    key: KeyOption = None,
    password_file: PasswordOption = NO_FILE,
    online: OnlineOption = None,
    online_password_file: OnlinePasswordOption = NO_FILE,
    allow_development: Annotated[
        bool, typer.Option("--allow-development", help="Offer a development bundle, for test benches.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Offer a bundle to its fleet."""
    from edge_agent.bundle_files import read_bundle_file
    from edge_agent.offer import Rollout
    from ground.fleet.repo.offers import Proposal, propose_content, prove
    from ground.fleet.repo.repository import Repository

    proposal = Proposal(
        bundle=Path(bundle),
        fleet=fleet,
        role=role,
        rollout=Rollout(wave=wave, percent=float(percent)),
        allow_development=allow_development,
    )
    content = _registered(registry, bundle, role) if registry else read_bundle_file(proposal.bundle)
    keys = read_keys(repo, key=key, password=password_file, online=online, online_password=online_password_file)
    prove(Repository(repo), proposal, content)
    with Repository.opened(repo) as opened:
        signing_role, doubts = propose_content(opened, proposal, content, signs=key is not None)
        say(doubts)
        published = sign_and_publish(opened, signing_role, keys)
        if as_json:
            say_outcome(repo, [signing_role], published, doubts=doubts)


def rollout(
    digest: DigestArgument,
    *,
    fleet: FleetOption,
    repo: RepoOption = Path(),
    wave: Annotated[int | None, typer.Option("--wave", help="Agents up to this wave take it.")] = None,
    percent: Annotated[int | None, typer.Option("--percent", help="Share of that last wave, 0 to 100.")] = None,
    key: KeyOption = None,
    password_file: PasswordOption = NO_FILE,
    online: OnlineOption = None,
    online_password_file: OnlinePasswordOption = NO_FILE,
    halt: Annotated[bool, typer.Option("--halt", help="Nobody else takes it.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it was halted.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Widen the rollout of a bundle, halt it, or go on."""
    from ground.fleet.repo.offers import change_rollout
    from ground.fleet.repo.repository import Repository

    if halt and resume:
        raise RepositoryError("--halt, --resume: expected one of them, got both; leave one out")
    share = None if percent is None else float(percent)
    given: dict[str, Any] = {"wave": wave, "percent": share, "halted": halt if halt or resume else None}
    changed = {name: value for name, value in given.items() if value is not None}
    keys = read_keys(repo, key=key, password=password_file, online=online, online_password=online_password_file)
    with Repository.opened(repo) as opened:
        role, _ = change_rollout(opened, fleet, digest, signs=key is not None, **changed)
        published = sign_and_publish(opened, role, keys)
        if as_json:
            say_outcome(repo, [role], published)


def withdraw(
    digest: DigestArgument,
    *,
    fleet: FleetOption,
    repo: RepoOption = Path(),
    key: KeyOption = None,
    password_file: PasswordOption = NO_FILE,
    online: OnlineOption = None,
    online_password_file: OnlinePasswordOption = NO_FILE,
    as_json: JsonOption = False,
) -> None:
    """Take a bundle off offer; agents that run it keep it."""
    from ground.fleet.repo.offers import withdraw as withdraw_offer
    from ground.fleet.repo.repository import Repository

    keys = read_keys(repo, key=key, password=password_file, online=online, online_password=online_password_file)
    with Repository.opened(repo) as opened:
        role = withdraw_offer(opened, fleet, digest, signs=key is not None)
        published = sign_and_publish(opened, role, keys)
        if as_json:
            say_outcome(repo, [role], published)


def _registered(location: str, name: str, role: str) -> bytes:
    from ground.fleet.registry.publishable import publishable
    from ground.fleet.registry.registry import open_registry

    return publishable(open_registry(location), name, role)
