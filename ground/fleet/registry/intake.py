"""A bundle on its way into the registry: found, verified as an agent does, and named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.bundle import open_bundle
from edge_agent.bundle_files import BUNDLE_SUFFIX, read_bundle_file
from edge_agent.policy import ANY_FLEET, Policy
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from ground.errors import RegistryError
from ground.fleet.registry.decision import Subject


@dataclass(frozen=True, slots=True)
class SignedBundle:
    """A bundle whose signature and members were verified.

    Attributes:
        subject: What it is.
        content: The file.
    """

    subject: Subject
    content: bytes


def read_signed(path: Path, keys: Iterable[Path]) -> SignedBundle:
    """Read and verify a bundle; it may be a development one, and for any fleet.

    Args:
        path: A ``.bundle`` file, or the folder of a release with one.
        keys: Public keys, of which one must have signed it.

    Returns:
        The bundle.

    Raises:
        BundleError: No agent would take it.
        ConfigError: A key is missing or none.
        RegistryError: There is no signed bundle, or more than one, in the folder.
    """
    content = read_bundle_file(_bundle_of(path))
    policy = Policy(fleet=ANY_FLEET, agent_version=AGENT_VERSION, allow_development=True)
    manifest = open_bundle(content, keys=TrustedKeys.from_files(keys), policy=policy).manifest
    subject = Subject(
        detector=manifest.detector, version=manifest.version, fleet=manifest.fleet, sequence=manifest.sequence,
        epoch=manifest.epoch, release_class=manifest.release_class, spec_digest=manifest.spec_digest,
        digest=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    return SignedBundle(subject, content)


def _bundle_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob(f"*{BUNDLE_SUFFIX}"))
    if len(found) != 1:
        raise RegistryError(
            f"{path}: expected one signed bundle in it, got {len(found)}; `ground sign {path}`, or name the file"
        )
    return found[0]
