"""The folder of a demo: what another run of the same code has simulated and learned there is used again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from ground.config import Config
from ground.demo.fleet_dataset import FLEET as DATASET
from ground.demo.scenario import Scenario
from ground.worker_platform import Platform
from ground.workspace import STREAM, Workspace, write_atomic

AGENT: Final = "agent"
PAGE: Final = "report.html"
_MADE_BY: Final = "made_by.txt"


def is_reusable(root: Path, scenario: Scenario) -> bool:
    """Whether the recordings of the scenario are there, whole, by the code that runs now."""
    try:
        return scenario.is_simulated and (root / _MADE_BY).read_text(encoding="utf-8") == str(Platform.here())
    except (OSError, UnicodeDecodeError):
        return False


def cleared(root: Path, config: Config, version: str) -> Workspace:
    """A workspace without what a demo shows: release, stream, dataset, page. Recordings and stages stay."""
    workspace = Workspace(root)
    for folder in (workspace.release(config.detector, version), root / DATASET, root / AGENT):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (workspace.evaluation / STREAM, root / PAGE):
        file.unlink(missing_ok=True)
    return workspace


def emptied(root: Path) -> Workspace:
    """A workspace with nothing in it."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    return Workspace(root)


def note_recordings(root: Path) -> None:
    """Note that the recordings are whole, and which code made them."""
    write_atomic(root / _MADE_BY, str(Platform.here()).encode())
