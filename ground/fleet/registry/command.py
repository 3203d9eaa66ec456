"""The command ``ground registry``."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ground.commands.options import JsonOption
from ground.fleet.registry.states import State

if TYPE_CHECKING:
    from ground.fleet.registry.registry import Registry

DEFAULT = "registry"

registry_app = typer.Typer(
    no_args_is_help=True, help="The registry: which version of a detector is tried, which flies, and who decided so."
)

RegistryOption = Annotated[
    str, typer.Option("--registry", envvar="GROUND_REGISTRY", help="Folder, or URL of an MLflow server.")
]
NameArgument = Annotated[str, typer.Argument(help="DETECTOR/VERSION.")]
ApproverOption = Annotated[str, typer.Option("--approver", envvar="GROUND_APPROVER", help="Who decides; recorded.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; recorded.")]


@registry_app.command()
def register(
    bundle: Annotated[Path, typer.Option("--bundle", help="models/DETECTOR/VERSION, or a .bundle file.")],
    *,
    registry: RegistryOption = DEFAULT,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Public key(s); default: keys/public.pem of the bundle's workspace."),
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who registers; default: the account.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Register a signed bundle, in state development; the registry keeps a copy."""
    from ground.fleet.registry.intake import read_signed
    from ground.fleet.registry.output import show_version
    from ground.fleet.registry.registry import open_registry
    from ground.keys import default_public_key

    signed = read_signed(bundle, key or [default_public_key(bundle)])
    opened = open_registry(registry, make=True)
    show_version(opened.register_signed(signed, by=by or _account()), as_json=as_json)


@registry_app.command("list")
def list_(
    detector: Annotated[str, typer.Option("--detector", help="This one alone.")] = "",
    *,
    registry: RegistryOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """List the registered versions and their states."""
    from ground.fleet.registry.output import show_versions

    opened = _opened(registry)
    detectors = (detector,) if detector else opened.detectors()
    show_versions([version for each in detectors for version in opened.versions(each)], as_json=as_json)


@registry_app.command()
def show(name: NameArgument, *, registry: RegistryOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Show a version, every decision about it, and whether its bundle is whole."""
    from ground.fleet.registry.output import show_history

    opened = _opened(registry)
    version = opened.version(name)
    show_history(version, opened.history(version.subject.detector), as_json=as_json)
    # Last: who decided what is told, whatever became of the file.
    opened.bundle(name)


@registry_app.command()
def promote(
    name: NameArgument,
    to: Annotated[State, typer.Option("--to", help="validation, shadow or active.")],
    approver: ApproverOption,
    reason: ReasonOption,
    *,
    registry: RegistryOption = DEFAULT,
    shadow_report: Annotated[
        Path | None, typer.Option("--shadow-report", help="For active: what `ground shadow report --out` wrote.")
    ] = None,
    first: Annotated[
        bool, typer.Option("--first", help="For active: the first one in its fleet, with nothing to compare with.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="For shadow: retire the shadow that has the place.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a version its next state, on evidence: passed gates, then validation, then a shadow report."""
    from ground.fleet.registry.output import show_version
    from ground.fleet.registry.plan import NO_REPORT, Promotion
    from ground.fleet.registry.report_check import read_report_file

    report = NO_REPORT if shadow_report is None else read_report_file(shadow_report)
    asked = Promotion(to=to, approver=approver, reason=reason, report=report, first=first, replace=replace)
    show_version(_opened(registry).promote(name, asked), as_json=as_json)


@registry_app.command()
def retire(
    name: NameArgument,
    approver: ApproverOption,
    reason: ReasonOption,
    *,
    registry: RegistryOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Retire a version, for ever; agents that run it keep it (`ground repo withdraw` takes it off offer)."""
    from ground.fleet.registry.output import show_version

    show_version(_opened(registry).retire(name, approver=approver, reason=reason), as_json=as_json)


@registry_app.command()
def compare(
    before: Annotated[str, typer.Argument(help="DETECTOR/VERSION.")],
    after: Annotated[str, typer.Argument(help="DETECTOR/VERSION.")],
    *,
    registry: RegistryOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Compare what was measured of two versions, and what they were made from."""
    from ground.fleet.registry.output import show_comparison

    show_comparison(_opened(registry).compare(before, after), as_json=as_json)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _opened(location: str) -> Registry:
    from ground.fleet.registry.registry import open_registry

    return open_registry(location)
