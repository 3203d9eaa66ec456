"""Where an update puts the shadow: the file that ``[shadow] path`` names, if it lies in the state folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.archive import read_archive, write_archive
from edge_agent.bundle import Bundle, open_bundle, open_members
from edge_agent.bundle_files import read_bundle_file
from edge_agent.errors import AgentError, UpdateError
from edge_agent.prove_child import prove_in_child
from edge_agent.signers import accepted_of
from edge_agent.slots_disk import write_durably
from edge_agent.startup import policy_of_config

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.policy import Policy
    from edge_agent.update_choice import Offered
    from edge_agent.update_state import UpdateState


class ShadowPlace:
    """The place of the second bundle; without one, no shadow is ever newer.

    Args:
        config: The agent's.
        state: What the updater knows: the keys.
    """

    def __init__(self, config: AgentConfig, state: UpdateState) -> None:
        self._path: Path = config.shadow.path
        self._is_ours = self._path.parent == config.agent.state_dir
        self._keys = accepted_of(config.shadow.keys or config.bundle.keys, state, config.bundle.revoked_keys)
        self._policy: Policy = replace(policy_of_config(config), allow_development=config.shadow.allow_development)

    def is_newer(self, offered: Offered) -> bool:
        """Whether a bundle is newer than what is there; one that cannot be read is older than any."""
        if not self._is_ours:
            return False
        try:
            bundle = self._present()
        except AgentError:
            return True
        return offered.offer.rank > (bundle.manifest.epoch, bundle.manifest.sequence)

    def install(self, source: Path) -> None:
        """Verify a bundle, prove it in a limited child, and put the bytes that were verified in place.

        Raises:
            BundleError: Refused; ``reason`` names the check.
            UpdateError: ``disk_error``.
        """
        members = read_archive(read_bundle_file(source))
        open_members(members, keys=self._keys, policy=self._policy)
        prove_in_child(members)
        try:
            write_durably(self._path, write_archive(members))
        except OSError as error:
            raise UpdateError(
                "disk_error", f"{self._path}: expected a disk that takes it, got {error.strerror}; make room"
            ) from error

    def _present(self) -> Bundle:
        return open_bundle(read_bundle_file(self._path), keys=self._keys, policy=self._policy)
