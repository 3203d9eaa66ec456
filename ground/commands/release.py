"""``ground export`` and ``ground pipeline``: what ends with a bundle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ground.commands.options import (
    ConfigOption,
    ForceOption,
    JsonOption,
    KeyOption,
    VersionOption,
    WorkspaceOption,
    signing_key,
)
from ground.keys_command import PasswordFileOption
from ground.password import NO_FILE
from ground.terminal import say, say_json, shown
from ground.workspace import Workspace

if TYPE_CHECKING:
    from ground.export import ExportReport


def export(
    config: ConfigOption,
    version: VersionOption,
    workspace: WorkspaceOption = Path(),
    key: KeyOption = None,
    password_file: PasswordFileOption = NO_FILE,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make the signed bundle and the artefacts of a version; without a key, for `ground sign` to finish."""
    from ground.config import load_config
    from ground.export import export as export_stage

    signs_with = signing_key(key, workspace, password_file)
    report = export_stage(load_config(config), Workspace(workspace), version=version, key=signs_with)
    _say_made(report, as_json=as_json)


def pipeline(
    config: ConfigOption,
    version: VersionOption,
    workspace: WorkspaceOption = Path(),
    key: KeyOption = None,
    password_file: PasswordFileOption = NO_FILE,
    *,
    force: ForceOption = False,
    as_json: JsonOption = False,
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
    _say_made(report.export, as_json=as_json)


def _say_made(report: ExportReport, *, as_json: bool) -> None:
    for reason in report.reasons:
        say(f"not a release: {reason}")
    if as_json:
        say_json(asdict(report))
        return
    unsigned = f", not signed, for there is no key: ground sign {report.folder}"
    say(f"{report.release_class}{f' bundle: {report.bundle}' if report.is_signed else unsigned}")
