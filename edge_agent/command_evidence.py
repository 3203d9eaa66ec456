"""``edge-agent evidence``: the snapshots around alerts that lie in the state folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config import MIB, load_config
from edge_agent.errors import ConfigError, EvidenceError
from edge_agent.evidence_store import FOLDER, NEWEST, EvidenceStore
from edge_agent.exit_code import ExitCode
from edge_agent.frame_file import read_blocks, write_blocks
from edge_agent.output import say, say_json
from edge_agent.unit_files import units_folder

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.evidence_store import StoredEvidence


def list_evidence(config_path: Path, *, as_json: bool) -> ExitCode:
    """Print what there is, oldest first.

    Raises:
        ConfigError: The config is wrong, or the state folder cannot be read.
    """
    config = load_config(config_path)
    stored = _all(config)
    if as_json:
        say_json({"evidence": [each.evidence.to_document() for each in stored]})
        return ExitCode.OK
    for each in stored:
        evidence = each.evidence
        kept = "reproduces" if evidence.reproduces else "partial"
        where = f"{evidence.aircraft}/{evidence.engine} {evidence.flight} seq {evidence.seq}"
        say(f"{evidence.id}  {where}  {evidence.n_byte / MIB:.1f} MiB  {kept}")
    say(f"{len(stored)} snapshots in {config.agent.state_dir / FOLDER}")
    return ExitCode.OK


def export_evidence(config_path: Path, *, name: str, out: Path, as_json: bool) -> ExitCode:
    """Copy a snapshot to a file of frames, after a look whether it is what was written.

    Raises:
        ConfigError: The config is wrong, or the state folder cannot be read.
        EvidenceError: There is no such snapshot, or it was damaged.
        FrameFileError: The copy cannot be written.
    """
    config = load_config(config_path)
    found = [each for each in _all(config) if name in (NEWEST, each.evidence.id)]
    if not found:
        raise EvidenceError(f"{name}: expected an id of evidence list, or newest, got another one; choose one")
    evidence, path = found[-1].evidence, found[-1].path
    _check(path, evidence.sha256)
    write_blocks(out, read_blocks(path))
    if as_json:
        say_json(evidence.to_document())
    else:
        # What was learned on board is in no bundle.
        units = f" --units {units_folder(config.agent.state_dir)}" if evidence.unit_shift else ""
        say(f"{out}: {evidence.n_frame} frames; replay them with --first-seq {evidence.first_seq}{units}")
    return ExitCode.OK


def _check(path: Path, sha256: str) -> None:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise EvidenceError(
            f"{path}: expected a readable file, got {error.strerror}; it may just be removed"
        ) from error
    if digest != sha256:
        raise EvidenceError(f"{path}: expected sha256 {sha256}, got {digest}; the file is damaged, take another one")


def _store(config: AgentConfig) -> EvidenceStore:
    section = config.evidence
    folder = config.agent.state_dir / FOLDER
    return EvidenceStore(folder, max_bytes=section.max_mib * MIB, max_files=section.max_files)


def _all(config: AgentConfig) -> list[StoredEvidence]:
    try:
        return _store(config).all()
    except OSError as error:
        raise ConfigError(
            f"agent.state_dir: expected a folder that can be read, got {error.filename}: {error.strerror}; "
            "ask as the agent's user or as root"
        ) from error
