"""``ground retrain``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from edge_agent.output import printable
from ground.commands.options import JsonOption, signing_key
from ground.errors import ConfigError, DataError
from ground.exit_code import ExitCode
from ground.fleet.repo.options import OnlineOption, OnlinePasswordOption
from ground.fleet.retrain.cause import Cause
from ground.fleet.retrain.telling import telling
from ground.fleet.verdicts import VERDICTS_FILE
from ground.password import NO_FILE
from ground.terminal import say

if TYPE_CHECKING:
    from ground.fleet.registry.registry import Registry
    from ground.fleet.retrain.ledger import Ledger, Run
    from ground.fleet.retrain.offer import Desk
    from ground.fleet.retrain.request import Request
    from ground.fleet.retrain.telling import Telling
    from ground.signer import SigningKey

_HIGHEST_WAVE = 9

CauseOption = Annotated[Cause, typer.Option("--reason", help="Why.")]
ConfigOption = Annotated[Path, typer.Option("--config", help="YAML config of the detector.")]
RegistryOption = Annotated[
    str, typer.Option("--registry", envvar="GROUND_REGISTRY", help="Folder of the registry, or URL of its server.")
]
WorkspaceOption = Annotated[Path, typer.Option("--workspace", help="Folder that holds data/ and models/.")]
EventOption = Annotated[Path | None, typer.Option("--event", help="For drift: the file of `ground drift --out`.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Dataset of `ground collect`: which flights alarmed.")]
NothingFliesOption = Annotated[
    bool, typer.Option("--nothing-flies", help="Without --data, though a version was active: no flight is known.")
]
VerdictsOption = Annotated[
    Path | None, typer.Option("--verdicts", help=f"Verdicts on alarms; default: {VERDICTS_FILE} in the dataset.")
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", help="Signing key; default: keys/private.pem in the workspace, if it is there.")
]
PasswordFileOption = Annotated[Path, typer.Option("--password-file", help="File with its password.")]
PublicKeyOption = Annotated[
    list[Path] | None,
    typer.Option("--public-key", help="What vouches for the bundle; default: keys/public.pem in the workspace."),
]
RepoOption = Annotated[
    Path | None, typer.Option("--repo", envvar="GROUND_REPO", help="Update repository, to offer it in as a shadow.")
]
RepoKeyOption = Annotated[
    Path | None, typer.Option("--repo-key", help="Key of the fleet's bundles role; without it the offer is staged.")
]
RepoPasswordFileOption = Annotated[Path, typer.Option("--repo-password-file", help="File with its password.")]
WaveOption = Annotated[int, typer.Option("--wave", min=1, max=_HIGHEST_WAVE, help="Agents up to this wave take it.")]


def retrain(
    cause: CauseOption,
    config: ConfigOption,
    registry: RegistryOption,
    workspace: WorkspaceOption = Path(),
    *,
    event: EventOption = None,
    data: DataOption = None,
    verdicts: VerdictsOption = None,
    nothing_flies: NothingFliesOption = False,
    key: KeyOption = None,
    password_file: PasswordFileOption = NO_FILE,
    public_key: PublicKeyOption = None,
    repo: RepoOption = None,
    repo_key: RepoKeyOption = None,
    repo_password_file: RepoPasswordFileOption = NO_FILE,
    online: OnlineOption = None,
    online_password_file: OnlinePasswordOption = NO_FILE,
    wave: WaveOption = _HIGHEST_WAVE,
    as_json: JsonOption = False,
) -> None:
    """Train a detector anew on healthy flights, register it, and offer it to its fleet as a shadow.

    There it stops: a person promotes. The same event, or the same quarter, trains once; a killed run goes on. Exit
    codes: 0 done, 2 bad input, 3 no release came of it, 5 not followed, 6 waits for a signature.
    """
    from edge_agent.trust import TrustedKeys
    from ground.fleet.registry.registry import open_registry
    from ground.fleet.retrain.ledger import Ledger, State
    from ground.fleet.retrain.offer import offer_shadow
    from ground.keys import PUBLIC_KEY

    request = _request(cause, config, workspace, event=event, data=data, verdicts=verdicts, nothing_flies=nothing_flies)
    fleet = request.config.bundle.fleet
    vouching = public_key or [workspace / "keys" / PUBLIC_KEY]
    TrustedKeys.from_files(vouching)
    desks = [
        _desk(
            each, fleet, wave=wave, key=repo_key, password=repo_password_file, online=online,
            online_password=online_password_file,
        )
        for each in ([repo] if repo else [])
    ]  # fmt: skip
    ledger = Ledger(request.workspace)
    with ledger.locked(), telling(as_json=as_json) as told:
        opened = open_registry(registry)
        run = _begun(request, ledger, opened, told)
        bundle = _released(run, request, ledger, signing_key(key, workspace, password_file), told)
        is_shadow = _registered(run, bundle, ledger, opened, told, keys=vouching)
        # A person may have promoted or retired it since a kill.
        for desk in desks if is_shadow else []:
            _tell_offer(fleet, told, is_public=offer_shadow(desk, bundle, fleet))
        run = ledger.write(run, State.DONE)
        told.say(f"candidate: {run.bundle_id}", run=asdict(run))


def _desk(
    repo: Path, fleet: str, *, wave: int, key: Path | None, password: Path, online: Path | None, online_password: Path
) -> Desk:
    """Where the candidate is offered, looked at before anything is trained."""
    from edge_agent.offer import Rollout
    from ground.fleet.retrain.offer import Desk, check_desk

    rollout = Rollout(wave=wave)
    desk = Desk(repo=repo, rollout=rollout, key=key, password=password, online=online, online_password=online_password)
    check_desk(desk, fleet)
    return desk


def _request(
    cause: Cause, config: Path, workspace: Path, *, event: Path | None, data: Path | None, verdicts: Path | None,
    nothing_flies: bool,
) -> Request:  # fmt: skip
    from ground.config import load_config
    from ground.fleet.retrain.event import read_event
    from ground.fleet.retrain.request import Request
    from ground.workspace import Workspace

    if (cause is Cause.DRIFT) != (event is not None):
        raise ConfigError(
            "--event: expected the event with --reason drift, and none otherwise; see `ground drift --out`"
        )
    if data is None and (event or verdicts):
        raise ConfigError("--data: expected the dataset that the event or the verdicts are about, got none; name it")
    if data is not None and nothing_flies:
        raise ConfigError("--data, --nothing-flies: expected one of them, got both; leave one out")
    for option, path in (("--verdicts", verdicts), ("--data", data)):
        if path is not None and not path.exists():
            raise ConfigError(f"{option}: expected something that is there, got {path}; correct the path")
    place = Workspace(workspace)
    if not place.raw.is_dir():
        raise ConfigError(f"--workspace: expected a folder with recordings in data/raw, got {workspace}; correct it")
    loaded = load_config(config)
    drifted = read_event(event) if event else None
    if drifted is not None and drifted.detector != loaded.detector:
        raise ConfigError(
            f"--event: expected one about {loaded.detector}, as --config says, got one about "
            f"{printable(drifted.detector)!r:.80}; give the config of that detector"
        )
    return Request(
        cause=cause, event=drifted, config=loaded, workspace=place, data=data,
        verdicts=verdicts or (data and data / VERDICTS_FILE), nothing_flies=nothing_flies,
    )  # fmt: skip


def _begun(request: Request, ledger: Ledger, registry: Registry, told: Telling) -> Run:
    """The run to go on with; leaves the command where there is none."""
    from ground.fleet.retrain.flow import Skipped, begin
    from ground.fleet.retrain.ledger import SELECTION, SKIPPED, State

    run = begin(request, ledger, registry)
    if isinstance(run, Skipped):
        told.say(printable(f"not followed: {run.why}"), **asdict(run))
        told.say(f"{run.so_far} not followed so far: {ledger.folder / SKIPPED}", skipped=ledger.folder / SKIPPED)
        raise typer.Exit(ExitCode.NOT_FOLLOWED)
    if run.state == State.DONE.value:
        told.say(f"{run.name}: done already\ncandidate: {run.bundle_id}", bundle_id=run.bundle_id, run=asdict(run))
        raise typer.Exit
    selection = ledger.path(run.name) / SELECTION
    counts = _counts(selection)
    shown = ", ".join(f"{n} {reason}" for reason, n in counts.items() if n)
    told.say(
        f"{run.name}: {run.bundle_id} of recordings: {shown} ({selection})",
        bundle_id=run.bundle_id, run=asdict(run), selection=selection, counts=counts,
    )  # fmt: skip
    _tell_unrecorded(selection, has_data=request.data is not None)
    return run


def _released(run: Run, request: Request, ledger: Ledger, key: SigningKey | None, told: Telling) -> Path:
    """The signed bundle; leaves the command where it has to be signed first."""
    from ground.fleet.retrain.flow import train
    from ground.progress_bar import shown_progress

    with shown_progress(Console(stderr=True)) as progress:
        release = train(run, request, ledger, key=key, progress=progress)
    is_signed = release.bundle.exists()
    told.document.update(folder=release.folder, bundle=release.bundle, is_signed=is_signed)
    if not is_signed:
        told.say(f"not signed, for there is no key: `ground sign {release.folder}`, then the same command again")
        raise typer.Exit(ExitCode.UNSIGNED)
    return release.bundle


def _registered(run: Run, bundle: Path, ledger: Ledger, registry: Registry, told: Telling, *, keys: list[Path]) -> bool:
    """Whether it has the shadow's place."""
    from ground.fleet.registry.states import State
    from ground.fleet.retrain.flow import reason_of, register
    from ground.fleet.retrain.ledger import SELECTION

    reason = reason_of(run, _counts(ledger.path(run.name) / SELECTION))
    version = register(run, bundle, registry, keys=keys, reason=reason)
    told.say(f"registered: {run.bundle_id} is {version.state.value}", state=version.state)
    return version.state is State.SHADOW


def _tell_offer(fleet: str, told: Telling, *, is_public: bool) -> None:
    from ground.fleet.repo.roles import role_of

    if is_public:
        line = f"offered to fleet {fleet} as a shadow; promote it when `ground shadow report` says ready"
    else:
        line = f"offer staged: `ground repo sign --role {role_of(fleet)}`, then `ground repo commit`"
    told.say(line, fleet=fleet, is_public=is_public)


def _tell_unrecorded(selection: Path, *, has_data: bool) -> None:
    document = json.loads(selection.read_bytes())
    recorded, others = (document.get(f"flights_{which}_recording") for which in ("with", "without"))
    if has_data and recorded == 0:
        say("no flight of the dataset has a recording: its alarms leave none out; compare the names of both")
    elif others:
        say(f"{others} flights of the dataset have no recording")


def _counts(selection: Path) -> dict[str, int]:
    try:
        return {str(reason): int(n) for reason, n in json.loads(selection.read_bytes())["counts"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{selection}: expected the record of a choice, got {error!r:.100}; restore it") from error
