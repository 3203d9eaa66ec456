"""``ground console``."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ground.commands.options import JsonOption
from ground.console.role import MEANINGS, Role
from ground.console.settings import DAYS, LOOPBACK, PORT
from ground.errors import ConfigError
from ground.extras import installing
from ground.password import NO_FILE
from ground.terminal import say_json

if TYPE_CHECKING:
    from ground.console.accounts import Accounts
    from ground.console.audit import AuditLog
    from ground.console.settings import ConsoleSettings

console = Console(highlight=False, soft_wrap=True, markup=False)
console_app = typer.Typer(
    invoke_without_command=True,
    subcommand_metavar="[user|audit]",
    help="Look at a fleet, and judge its alerts, in a browser.",
)
user_app = typer.Typer(no_args_is_help=True, help="Who may log in.")
console_app.add_typer(user_app, name="user")

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", help="Holds models and recordings; the console keeps its users in it.")
]
NameArgument = Annotated[str, typer.Argument(help="Name for the login.")]
_GRACE_S = 1
_LOCAL = "local"


@console_app.callback()
def run(
    context: typer.Context,
    workspace: WorkspaceOption = Path(),
    *,
    dataset: Annotated[Path, typer.Option("--dataset", help="Folder that `ground collect run` writes.")] = Path(
        "fleet"
    ),
    registry: Annotated[str, typer.Option("--registry", help="URL of the registry; default: the workspace's.")] = "",
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = LOOPBACK,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port to listen at; 0 takes a free one.")
    ] = PORT,
    public_name: Annotated[
        str, typer.Option("--public-name", help="Name under which a proxy that speaks TLS offers the console.")
    ] = "",
    proxy: Annotated[
        str, typer.Option("--proxy", help="Address or network of that proxy, where it is on another machine.")
    ] = "",
    days: Annotated[int, typer.Option("--days", min=1, help="Days of data to look at, back from the newest.")] = DAYS,
) -> None:
    """Serve the console until Ctrl-C or SIGTERM.

    It listens at this machine alone. For others, put a proxy that speaks TLS in front and name it with --public-name.
    """
    if context.invoked_subcommand is not None:
        return
    from ground.console.settings import ConsoleSettings

    settings = ConsoleSettings(
        workspace=workspace, dataset=dataset, registry=registry, host=host, port=port, public_name=public_name,
        proxy=proxy, days=days,
    )  # fmt: skip
    _serve(settings)


@user_app.command("add")
def user_add(
    name: NameArgument,
    *,
    role: Annotated[Role, typer.Option("--role", help="What they may do.")] = Role.VIEWER,
    workspace: WorkspaceOption = Path(),
    password_file: Annotated[
        Path, typer.Option("--password-file", help="File with the password; else a prompt.", show_default=False)
    ] = NO_FILE,
) -> None:
    """Add a user, or give one another role and password, which logs them out.

    A viewer looks, an engineer also judges alerts, an approver also promotes bundles.
    """
    from ground.console.accounts import check_name
    from ground.password import PasswordSource

    accounts, audit = _opened(workspace)
    check_name(name)
    password = PasswordSource(password_file).choose(f"the console's user {name}")
    action = "user changed" if name in {user.name for user in accounts.users()} else "user added"
    with audit.noting(user=_user(), address=_LOCAL, action=action, subject=name, detail=role.value):
        accounts.add(name, role, password)
    console.print(f"{name}: {role.value}, {MEANINGS[role]}")


@user_app.command("list")
def user_list(workspace: WorkspaceOption = Path(), *, as_json: JsonOption = False) -> None:
    """List the users."""
    users = _opened(workspace)[0].users()
    if as_json:
        say_json({"users": [asdict(user) for user in users]})
        return
    for user in users:
        console.print(f"{user.name}  {user.role.value}  since {datetime.fromtimestamp(user.added_s, UTC):%Y-%m-%d}")
    if not users:
        console.print(f"nobody yet: ground console user add NAME --role approver --workspace {workspace}")


@user_app.command("remove")
def user_remove(name: NameArgument, workspace: WorkspaceOption = Path()) -> None:
    """Remove a user, and log them out."""
    accounts, audit = _opened(workspace)
    accounts.find(name)
    with audit.noting(user=_user(), address=_LOCAL, action="user removed", subject=name):
        accounts.remove(name)
    console.print(f"{name}: removed")


@console_app.command("audit")
def audit(workspace: WorkspaceOption = Path(), *, as_json: JsonOption = False) -> None:
    """Show what people did, and check that no line was changed or taken out."""
    log = _opened(workspace)[1]
    if as_json:
        # A log that was changed gives no document, so that nobody takes its beginning for all of it.
        say_json({"deeds": [asdict(deed) for deed in log.deeds()]})
        return
    n = 0
    for deed in log.deeds():
        console.print(" ".join(part for part in (deed.utc, deed.user, deed.address, deed.action, deed.detail) if part))
        n += 1
    console.print(f"{n} lines, each follows the one before")


def _opened(workspace: Path) -> tuple[Accounts, AuditLog]:
    from ground.console.accounts import Accounts
    from ground.console.audit import AuditLog
    from ground.console.settings import FOLDER

    if not workspace.is_dir():
        raise ConfigError(
            f"--workspace: expected a folder, got {workspace}; `ground pipeline` and `ground demo` make one"
        )
    folder = workspace / FOLDER
    return Accounts(folder), AuditLog(folder)


def _serve(settings: ConsoleSettings) -> None:
    try:
        import uvicorn

        from edge_agent.logs import configure_logs
        from ground.console.app import make_app
    except ModuleNotFoundError as error:
        raise ConfigError(f"console: expected its libraries, got no {error.name}; {installing('console')}") from error
    console.print(f"looking at {settings.dataset}")
    app = make_app(settings)
    if not app.state.services.accounts.users():
        raise ConfigError(
            f"--workspace: expected a user who may log in, got none in {settings.folder}; "
            f"ground console user add NAME --role approver --workspace {settings.workspace}"
        )
    configure_logs("info")
    # uvicorn ends, and then raises the signal once more, which is to find nobody.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with _listening(settings) as listener, suppress(KeyboardInterrupt):
        console.print(f"console of {settings.dataset} at {_url(listener)}; Ctrl-C ends it")
        if settings.is_secure:
            console.print(f"offer it through TLS alone, as https://{settings.public_name}")
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, proxy_headers=settings.is_secure,
            forwarded_allow_ips=settings.believed, timeout_graceful_shutdown=_GRACE_S,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listener])


def _listening(settings: ConsoleSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"--port: expected one of {settings.host} that is free, got {settings.port}: {error.strerror}; choose "
            "another, or 0 for any"
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
