"""How far a workspace is on the way from recordings to a signed bundle, and the command that comes next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from edge_agent.finding import Finding, fail, fine, warn
from edge_agent.layout import METRICS, SIGNATURE
from edge_agent.semver import Version
from ground.errors import ConfigError
from ground.workspace import Workspace

if TYPE_CHECKING:
    from ground.config import Config


def check_way(root: Path, config_path: Path | None) -> Iterator[Finding]:
    """One finding a step that is done, and the first that is not, with its command."""
    from ground.config import load_config
    from ground.recording_index import INDEX_NAME

    workspace = Workspace(root)
    if config_path is None:
        yield warn("next", f"{root} has no config.yaml", f"ground init --data FOLDER --out {quote(str(root))}")
        return
    try:
        config = load_config(config_path)
    except ConfigError as error:
        yield fail("config", str(error), "correct the file; docs/reference/config.md explains every key")
        return
    yield fine("config", f"{config_path}: detector {config.detector}")
    if not (workspace.raw / INDEX_NAME).is_file():
        command = f"ground import --data FOLDER --workspace {quote(str(root))}"
        yield warn("next", f"{workspace.raw} holds no recordings", command)
        return
    yield from _stages(workspace, config, f"--config {quote(str(config_path))} --workspace {quote(str(root))}")


def _stages(workspace: Workspace, config: Config, where: str) -> Iterator[Finding]:
    from ground.pipeline import STAGES
    from ground.stage import is_current

    for stage in STAGES:
        if not is_current(stage, workspace, config):
            text = f"{stage.name} has not run on this data, config and these libraries"
            yield warn(
                "next", text, f"ground {stage.name} {where}, or all at once: ground pipeline {where} --version 0.1.0"
            )
            return
        yield fine("stage", f"{stage.name}: done")
    yield _gates(workspace)
    yield _release(workspace, config, where)


def _gates(workspace: Workspace) -> Finding:
    from ground.gates import FAIL, PASS

    verdict = json.loads((workspace.evaluation / METRICS).read_bytes())["verdict"]
    reasons = "; ".join(verdict["reasons"])
    if verdict["verdict"] == FAIL:
        return warn(
            "gates", reasons, "no bundle is made of it; see docs/reference/evaluation.md for what each gate asks"
        )
    if verdict["verdict"] == PASS:
        return fine("gates", "passed")
    return warn("gates", reasons, "a development bundle is what this gives; more recordings decide")


def _release(workspace: Workspace, config: Config, where: str) -> Finding:
    newest = newest_release(workspace, config.detector)
    if newest is None:
        return warn("next", "no version is exported", f"ground export {where} --version 0.1.0")
    if not (newest / SIGNATURE).exists():
        return warn("next", f"{newest} is not signed", f"ground sign {quote(str(newest))} --key private.pem")
    return fine(
        "next", f"{newest} is signed: assess recordings with `ground batch`, offer it with `ground repo publish`"
    )


def newest_release(workspace: Workspace, detector: str) -> Path | None:
    """The folder of the highest version of a detector, where there is one."""
    versions = {}
    for folder in workspace.release(detector, "").glob("*"):
        try:
            versions[Version.parse(folder.name)] = folder
        except ValueError:
            continue  # candidate/, adapted/ and what else is no version
    return versions[max(versions)] if versions else None
