"""Stages: run when inputs, config or versions changed, skipped otherwise; each leaves a manifest of what it did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from ground.config import Config
from ground.progress import Progress
from ground.workspace import Workspace, write_atomic

_PACKAGES = ("enginear-ground", "numpy", "torch", "onnx", "onnxruntime", "pandas", "pyarrow", "scipy", "scikit-learn")
_CHUNK_BYTES = 1 << 20


class Work(Protocol):
    """What a stage does; it writes its outputs atomically and raises a ``GroundError`` for bad input."""

    def __call__(self, config: Config, workspace: Workspace, *, progress: Progress) -> Iterable[str]:
        """Do it, and say what a person should know of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageManifest:
    """What one run of a stage read and wrote.

    Attributes:
        stage: Name of the stage.
        config_digest: sha256 of the sections of the config that the stage reads.
        seed: The seed of the run.
        versions: Versions of the libraries that shape results.
        inputs: sha256 of each file read, by path in the workspace.
        outputs: sha256 of each file written.
    """

    stage: str
    config_digest: str
    seed: int
    versions: dict[str, str]
    inputs: dict[str, str]
    outputs: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutcome:
    """What became of a stage.

    Attributes:
        ran: Whether it ran; where nothing it depends on has changed, it did not.
        notes: What a person should know of the run.
        outputs: As in the manifest.
    """

    ran: bool
    notes: tuple[str, ...] = ()
    outputs: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step from recordings to a bundle.

    Attributes:
        name: The command.
        sections: The sections of the config it reads.
        inputs: From the workspace and config to the files and folders it reads.
        outputs: The same for what it writes.
        work: Does it.
    """

    name: str
    sections: tuple[str, ...]
    inputs: Callable[[Workspace, Config], tuple[Path, ...]]
    outputs: Callable[[Workspace, Config], tuple[Path, ...]]
    work: Work


def run_stage(stage: Stage, workspace: Workspace, config: Config, *, progress: Progress, force: bool) -> StageOutcome:
    """Run a stage unless nothing it depends on has changed.

    Args:
        stage: What to do.
        workspace: Where.
        config: The config.
        progress: Told by the work.
        force: Run in any case.

    Returns:
        Whether it ran, and what there is to tell.
    """
    path = _manifest_path(workspace, stage)
    before = _describe(stage, workspace, config)
    if not force and _same(path, before):
        return StageOutcome(ran=False, outputs=before.outputs)
    path.unlink(missing_ok=True)
    notes = stage.work(config, workspace, progress=progress)
    outputs = hash_files(workspace.root, stage.outputs(workspace, config))
    document = {**asdict(before), "outputs": outputs}
    write_atomic(path, json.dumps(document, indent=1, sort_keys=True).encode())
    return StageOutcome(ran=True, notes=tuple(notes), outputs=outputs)


def is_current(stage: Stage, workspace: Workspace, config: Config) -> bool:
    """Whether a stage would be skipped: it ran, and nothing it depends on has changed since."""
    return _same(_manifest_path(workspace, stage), _describe(stage, workspace, config))


def hash_files(root: Path, paths: tuple[Path, ...]) -> dict[str, str]:
    """sha256 of every visible file in ``paths`` (folders: all below), by path in ``root``, by name outside it."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    visible = [file for file in files if file.is_file() and not file.name.startswith(".")]
    return {_name(root, file): _hash(file) for file in visible}


def _name(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def _manifest_path(workspace: Workspace, stage: Stage) -> Path:
    return workspace.root / "stages" / f"{stage.name}.json"


def _describe(stage: Stage, workspace: Workspace, config: Config) -> StageManifest:
    return StageManifest(
        stage=stage.name,
        config_digest=_section_digest(config, stage.sections),
        seed=config.seed,
        versions={name: version(name) for name in _PACKAGES},
        inputs=hash_files(workspace.root, stage.inputs(workspace, config)),
        outputs=hash_files(workspace.root, stage.outputs(workspace, config)),
    )


def _same(path: Path, now: StageManifest) -> bool:
    try:
        return bool(json.loads(path.read_bytes()) == asdict(now))
    except (FileNotFoundError, ValueError):
        return False


def _section_digest(config: Config, sections: tuple[str, ...]) -> str:
    values: dict[str, Any] = config.model_dump(mode="json", by_alias=True)
    chosen = {name: values[name] for name in sections}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
