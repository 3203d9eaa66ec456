"""Packing: members into one signed ``.bundle`` file, and back into a folder for people and public tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.archive import read_archive, write_archive
from edge_agent.bundle import open_bundle
from edge_agent.errors import BundleError
from edge_agent.layout import MANIFEST, METRICS, SIGNATURE
from edge_agent.manifest import DEVELOPMENT, RELEASE, Manifest
from edge_agent.policy import Policy
from edge_agent.strict_json import parse_json
from edge_agent.trust import TrustedKeys
from ground.errors import SigningError
from ground.gates import PASS
from ground.sign import sign_members
from ground.signer import SigningKey
from ground.workspace import write_atomic


def pack_bundle(members: Mapping[str, bytes], key: SigningKey) -> bytes:
    """Sign the members and write the bundle, then open it as an agent would.

    Args:
        members: Content by member name, without ``bundle.sig``.
        key: What signs; see ``sign_members``.

    Returns:
        The ``.bundle`` file; the same members and private key give the same bytes.

    Raises:
        SigningError: No agent would accept the result, the text says why; or it was not signed.
    """
    try:
        manifest = Manifest.from_json(members.get(MANIFEST, b""))
        signature = sign_members(manifest.bundle_id, members, key)
        bundle = write_archive({**members, SIGNATURE: signature})
        open_bundle(bundle, keys=TrustedKeys.of([key.public_key()]), policy=_addressee(manifest))
    except BundleError as error:
        raise SigningError(f"bundle: expected members that an agent accepts, got {error.reason}: {error}") from error
    return bundle


def check_members(members: Mapping[str, bytes]) -> None:
    """Refuse members of which no bundle could be made that an agent accepts, before anybody signs them.

    Args:
        members: Content by member name, without ``bundle.sig``.

    Raises:
        SigningError: As ``pack_bundle``.
    """
    # A key that nobody pins and nobody keeps: what it signs is worth nothing, and is thrown away.
    pack_bundle(members, ec.generate_private_key(ec.SECP256R1()))


def check_release(members: Mapping[str, bytes]) -> None:
    """Refuse members that call themselves a release without an evaluation that passed.

    Args:
        members: Content by member name.

    Raises:
        SigningError: The manifest says ``release``, and the verdict in ``metrics.json`` is not ``PASS`` or no change
            request is named.
        BundleError: A member is no strict JSON.
    """
    manifest = Manifest.from_json(members.get(MANIFEST, b""))
    if manifest.release_class != RELEASE:
        return
    metrics = parse_json(members.get(METRICS, b""), where=METRICS)
    verdict = metrics.get("verdict", {}).get("verdict", "none") if isinstance(metrics, dict) else "none"
    if verdict != PASS or not manifest.ecr:
        raise SigningError(
            f"{MANIFEST}.release_class: expected {DEVELOPMENT} for a verdict of {verdict} and change request "
            f"{manifest.ecr or 'none'}, got {RELEASE}; only evidence that passed is released"
        )


def unpack_bundle(bundle: bytes, folder: Path) -> None:
    """Write the members of a bundle into a folder; verifies nothing.

    Args:
        bundle: A ``.bundle`` file.
        folder: New or empty, so that the folder holds the members and nothing else.

    Raises:
        SigningError: The folder is not empty.
        BundleFormatError: Not the archive of a bundle.
    """
    members = read_archive(bundle)
    if folder.is_dir() and any(folder.iterdir()):
        raise SigningError(f"{folder}: expected a new or empty folder, got files in it; choose another one")
    for name, content in members.items():
        write_atomic(folder / name, content)


def _addressee(manifest: Manifest) -> Policy:
    return Policy(fleet=manifest.fleet, agent_version=manifest.min_agent_version, allow_development=True)
