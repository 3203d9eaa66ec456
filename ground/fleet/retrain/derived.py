"""The config with which a detector is trained anew: the given one, less the flights that are left."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from edge_agent.errors import AgentError
from edge_agent.layout import MANIFEST
from edge_agent.manifest import Manifest
from ground.config import Config, load_config
from ground.errors import ConfigError
from ground.fleet.retrain.ledger import CONFIG
from ground.fleet.retrain.selection import Selection
from ground.workspace import Workspace, write_atomic

_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
FIRST_VERSION: Final = "1.0.0"


def next_version(versions: Iterable[str]) -> str:
    """The version after the highest one, whose second number counts on; ``FIRST_VERSION`` where there is none."""
    known = [tuple(map(int, match.groups())) for match in map(_VERSION.fullmatch, versions) if match]
    if not known:
        return FIRST_VERSION
    major, minor, _ = max(known)
    return f"{major}.{minor + 1}.0"


def released(workspace: Workspace, detector: str) -> dict[str, int]:
    """The sequence of each version of a detector that the workspace has made.

    Raises:
        ConfigError: A release whose manifest cannot be read.
    """
    found: dict[str, int] = {}
    folder = workspace.release(detector, FIRST_VERSION).parent
    for path in sorted(folder.glob(f"*.*.*/{MANIFEST}")):
        if _VERSION.fullmatch(path.parent.name):
            try:
                found[path.parent.name] = Manifest.from_json(path.read_bytes()).sequence
            except (OSError, AgentError) as error:
                raise ConfigError(f"{path}: expected the manifest of a release, got {error}; move it away") from error
    return found


def write_config(config: Config, folder: Path, selection: Selection, *, sequence: int) -> Config:
    """Write the config of a run, its contract beside it, and read it again.

    Args:
        config: The given one.
        folder: The folder of the run.
        selection: Which recordings are left.
        sequence: Of the bundle.

    Raises:
        ConfigError: The contract cannot be read.
        OSError: The disk refuses.
    """
    document: dict[str, Any] = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    document["preprocess"] = {
        **document.get("preprocess", {}),
        # Names that no recording has stay, so that preprocessing tells of them.
        "leave_out": list(dict.fromkeys((*config.preprocess.leave_out, *selection.left_out))),
        "selection": selection.counts,
    }
    document["bundle"] = {**document.get("bundle", {}), "sequence": sequence}
    folder.mkdir(parents=True, exist_ok=True)
    if config.contract:
        document["contract"] = _copy_contract(config.folder / config.contract, folder)
    write_atomic(folder / CONFIG, yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode())
    return load_config(folder / CONFIG)


def _copy_contract(path: Path, folder: Path) -> str:
    try:
        shutil.copyfile(path, folder / path.name)
    except OSError as error:
        raise ConfigError(f"contract: expected a readable file, got {path}: {error.strerror}; correct it") from error
    return path.name
