"""The folder of a release: members unpacked, files for people beside them; once signed, signature and bundle."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edge_agent.archive import read_archive
from edge_agent.bundle_files import BUNDLE_SUFFIX, read_folder
from edge_agent.errors import BundleError
from edge_agent.layout import MANIFEST, SIGNATURE
from edge_agent.manifest import Manifest
from ground.errors import ConfigError, SigningError
from ground.pack import check_release, pack_bundle
from ground.signer import SigningKey
from ground.workspace import write_atomic


def bundle_name(manifest: Manifest) -> str:
    """The name of the bundle in its folder."""
    return f"{manifest.detector}-{manifest.version}{BUNDLE_SUFFIX}"


def publish_release(folder: Path, members: Mapping[str, bytes], bundle: bytes, beside: Mapping[str, bytes]) -> None:
    """Put the folder of a version in place whole; a version that exists is never replaced by another.

    Args:
        folder: ``models/<detector>/<version>``. One that holds the same members unsigned is signed.
        members: Content by member name, without ``bundle.sig``.
        bundle: The signed file; empty to leave the release unsigned.
        beside: Files for people.

    Raises:
        ConfigError: The version exists with other content.
        OSError: The disk refuses.
    """
    signed = _signed_files(bundle) if bundle else {}
    if folder.exists():
        if _read_members(folder) != members:
            raise ConfigError(f"{folder}: expected a new version, got one that exists; choose another --version")
        _add_signed(folder, signed)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name, content in {**members, **beside, **signed}.items():
            write_atomic(staging / name, content)
        staging.chmod(0o755)
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def sign_release(folder: Path, key: SigningKey, *, output: Path | None = None) -> Path:
    """Sign the members in a folder, and pack them.

    Args:
        folder: Holds the members, signed or not.
        key: What signs.
        output: The ``.bundle`` file to write; without it, signature and bundle are put into the folder.

    Returns:
        The ``.bundle`` file.

    Raises:
        SigningError: What would be written is there already and other; a release that has not passed; or nobody signed.
        BundleError: The folder holds no members of a bundle.
        OSError: The disk refuses.
    """
    members = {name: content for name, content in read_folder(folder).items() if name != SIGNATURE}
    check_release(members)
    path = output or folder / bundle_name(Manifest.from_json(members[MANIFEST]))
    bundle = pack_bundle(members, key)
    if output is None:
        _add_signed(folder, _signed_files(bundle))
    else:
        _refuse_other(output.parent, {output.name: bundle})
        write_atomic(output, bundle)
    return path


def _read_members(folder: Path) -> dict[str, bytes]:
    """The members but the signature; empty where it is no folder of a bundle."""
    try:
        return {name: content for name, content in read_folder(folder).items() if name != SIGNATURE}
    except BundleError:
        return {}


def _signed_files(bundle: bytes) -> dict[str, bytes]:
    members = read_archive(bundle)
    return {SIGNATURE: members[SIGNATURE], bundle_name(Manifest.from_json(members[MANIFEST])): bundle}


def _add_signed(folder: Path, files: Mapping[str, bytes]) -> None:
    _refuse_other(folder, files)
    for name, content in files.items():
        write_atomic(folder / name, content)


def _refuse_other(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        if path.exists() and path.read_bytes() != content:
            raise SigningError(
                f"{path}: expected no file, or the same one, got another one, by another key or by a token, whose "
                "signatures differ each time; keep it, or write elsewhere with --output"
            )
