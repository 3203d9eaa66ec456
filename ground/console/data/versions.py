"""The versions of detectors that were made in a workspace, and what each says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge_agent.errors import AgentError
from edge_agent.layout import MANIFEST, METRICS, MODEL_CARD, THRESHOLDS
from edge_agent.manifest import Manifest
from edge_agent.semver import Version
from edge_agent.strict_json import parse_json
from edge_agent.thresholds import Thresholds
from ground.console.data.bundle_digest import UNSIGNED, bundle_in, digest_in
from ground.console.data.signed_members import signed_members
from ground.errors import DataError
from ground.evidence import Evidence
from ground.report.evidence_file import read_run, record_of
from ground.run_evidence import LatencyEvidence
from ground.workspace import Workspace

_NEEDED = (MANIFEST, METRICS, MODEL_CARD, THRESHOLDS)
_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFolder:
    """One version.

    Attributes:
        detector: Name of the detector.
        version: ``MAJOR.MINOR.PATCH``.
        folder: Where it lies.
        digest: sha256 of its bundle; ``UNSIGNED`` where there is none.
        fleet: The fleet it is made for; empty where the manifest cannot be read.
        release_class: ``release`` or ``development``; empty likewise.
        fault: What cannot be read of it; empty where all can.
    """

    detector: str
    version: str
    folder: Path
    digest: str
    fleet: str
    release_class: str
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStory:
    """What one version says of itself.

    Attributes:
        manifest: What it is and for whom.
        thresholds: When scores become an alarm.
        evidence: What was measured.
        latency: What was measured of the agent's path; nothing, or the one of this model.
        card: The model card, Markdown.
    """

    manifest: Manifest
    thresholds: Thresholds
    evidence: Evidence
    latency: tuple[LatencyEvidence, ...]
    card: str


def versions_in(workspace: Workspace) -> tuple[VersionFolder, ...]:
    """The versions of a workspace, newest first within each detector."""
    ordered = sorted(_folders(workspace), key=lambda path: Version.parse(path.name), reverse=True)
    return tuple(map(_version, sorted(ordered, key=lambda path: path.parent.name)))


def version_in(workspace: Workspace, name: str) -> tuple[VersionFolder, ...]:
    """The version of a name, ``<detector>/<version>``; nothing where the workspace has none."""
    return tuple(_version(path) for path in _folders(workspace) if f"{path.parent.name}/{path.name}" == name)


def members_in(folder: Path, digest: str) -> Mapping[str, bytes]:
    """What ``story_of`` needs out of the folder of a version: of a signed one what was signed, not what lies beside it.

    Args:
        folder: The folder.
        digest: Of its bundle; ``UNSIGNED`` where there is none.

    Raises:
        DataError: A member is missing, or the bundle is damaged.
    """
    try:
        if digest != UNSIGNED:
            return signed_members(digest, partial(_bundle, folder))
        return {name: (folder / name).read_bytes() for name in _NEEDED}
    except (OSError, IndexError, AgentError) as error:
        raise DataError(f"{folder}: expected a whole version, got {error}; export it again") from error


def _bundle(folder: Path) -> bytes:
    return bundle_in(folder)[0].read_bytes()


def story_of(members: Mapping[str, bytes], *, where: str, workspace: Workspace) -> VersionStory:
    """What a version says of itself.

    Args:
        members: Content of its manifest, thresholds, metrics and model card, by name.
        where: Names it in errors.
        workspace: Latencies lie in its evaluation, and in no bundle.

    Raises:
        DataError: A member is missing or damaged; the text names it.
    """
    try:
        evidence = record_of(Evidence, parse_json(members[METRICS], where=METRICS), where=f"{where}: {METRICS}")
        return VersionStory(
            manifest=Manifest.from_json(members[MANIFEST]),
            thresholds=Thresholds.from_document(parse_json(members[THRESHOLDS], where=THRESHOLDS)),
            evidence=evidence,
            latency=_latency(workspace, evidence.model_digest),
            card=members[MODEL_CARD].decode(),
        )
    except (KeyError, AgentError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: expected a whole version, got {error}; export it again") from error


def _latency(workspace: Workspace, model_digest: str) -> tuple[LatencyEvidence, ...]:
    try:
        run = read_run(workspace)
    except DataError:
        return ()  # the evaluation is gone, or of another version: the page says that nothing is known
    return (run.latency,) if run.latency.model_digest == model_digest else ()


def _folders(workspace: Workspace) -> list[Path]:
    return [path for path in (workspace.root / "models").glob("*/*") if _VERSION.fullmatch(path.name)]


def _version(folder: Path) -> VersionFolder:
    fleet = release_class = fault = ""
    digest = UNSIGNED
    try:
        digest = digest_in(folder)
        manifest = Manifest.from_json((folder / MANIFEST).read_bytes())
        fleet, release_class = manifest.fleet, manifest.release_class
    except (OSError, AgentError) as error:
        fault = f"{folder}: {error}"
    return VersionFolder(
        detector=folder.parent.name, version=folder.name, folder=folder, digest=digest, fleet=fleet,
        release_class=release_class, fault=fault,
    )  # fmt: skip
