"""``ground export`` and ``ground pipeline``: what ends with a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ground.commands.options import (
    ConfigOption,
    ForceOption,
    KeyOption,
    VersionOption,
    WorkspaceOption,
    signing_key,
)
from ground.keys_command import PasswordFileOption
from ground.password import NO_FILE
from ground.terminal import say, shown
from ground.workspace import Workspace

if TYPE_CHECKING:
    from ground.export import ExportReport


def export(
    config: ConfigOption,
    version: VersionOption,
    workspace: WorkspaceOption = Path(),
    key: KeyOption = None,
    password_file: PasswordFileOption = NO_FILE,
) -> None:
    """Make the signed bundle and the artefacts of a version; without a key, for `ground sign` to finish."""
    from ground.config import load_config
    from ground.export import export as export_stage

    signs_with = signing_key(key, workspace, password_file)
    _say_made(export_stage(load_config(config), Workspace(workspace), version=version, key=signs_with))


def pipeline(
    config: ConfigOption,
    version: VersionOption,
    workspace: WorkspaceOption = Path(),
    key: KeyOption = None,
    password_file: PasswordFileOption = NO_FILE,
    *,
    force: ForceOption = False,
) -> None:
    """Run every stage, from raw recordings to the signed bundle."""
    from ground.config import load_config
    from ground.export import check_version
    from ground.pipeline import run_pipeline

    check_version(version)
    signs_with = signing_key(key, workspace, password_file)
    with shown() as progress:
        report = run_pipeline(
            load_config(config),
            Workspace(workspace),
            version=version,
            key=signs_with,
            progress=progress,
            force=force,
        )
    for note in report.notes:
        say(note)
    for reason in report.export.reasons:
        say(f"not a release: {reason}")
    _say_made(report.export)


def _say_made(report: ExportReport) -> None:
    unsigned = f", not signed, for there is no key: ground sign {report.folder}"
    say(f"{report.release_class}{f' bundle: {report.bundle}' if report.is_signed else unsigned}")
