"""Policy: whether a genuine bundle is one for this agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from edge_agent.errors import ConfigError, PolicyRejected
from edge_agent.manifest import DEVELOPMENT, Manifest
from edge_agent.semver import Version

CLOCK_UNKNOWN = date.min
"""``Policy.today`` while the clock may be unset: nothing counts as expired then.

An agent boots without a clock and must not refuse its bundle for that. An attacker who holds the clock back gains an
expired bundle of this fleet with a sequence that is still allowed, no more: ``minimum_sequence`` needs no clock.
"""

ANY_FLEET = ""
"""``Policy.fleet`` of someone who looks at a bundle and does not fly it."""

ANY_SPEC = ""
"""``Policy.spec_digest`` of an agent that takes the feature spec from the bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What this agent accepts.

    Attributes:
        fleet: The agent's fleet, or ``ANY_FLEET``.
        agent_version: The agent's version (Semantic Versioning).
        allow_development: Whether bundles whose gates are not all decided may run here.
        minimum_sequence: Lowest sequence accepted in ``minimum_epoch``; later epochs count anew.
        minimum_epoch: Lowest epoch accepted.
        today: Today, UTC, or ``CLOCK_UNKNOWN``.
        spec_digest: The only feature spec accepted, as hex sha256, or ``ANY_SPEC``.

    Raises:
        ConfigError: ``agent_version`` is not a version.
    """

    fleet: str
    agent_version: str
    allow_development: bool = False
    minimum_sequence: int = 0
    minimum_epoch: int = 0
    today: date = CLOCK_UNKNOWN
    spec_digest: str = ANY_SPEC

    def __post_init__(self) -> None:
        try:
            Version.parse(self.agent_version)
        except ValueError as error:
            raise ConfigError(f"agent_version: {error}") from error

    def check(self, manifest: Manifest) -> None:
        """Refuse a bundle that is not for this agent.

        Raises:
            PolicyRejected: ``wrong_fleet``, ``wrong_spec``, ``agent_too_old``, ``expired``, ``old_sequence`` or
                ``development_not_allowed``.
        """
        self._check_address(manifest)
        self._check_age(manifest)
        if manifest.release_class == DEVELOPMENT and not self.allow_development:
            raise PolicyRejected(
                "development_not_allowed",
                f"{manifest.bundle_id}: expected a release bundle, got a development one (not all of its gates are "
                "decided); set allow_development = true in the agent's config to run it on a test bench",
            )

    def _check_address(self, manifest: Manifest) -> None:
        if self.fleet not in (ANY_FLEET, manifest.fleet):
            raise PolicyRejected(
                "wrong_fleet",
                f"{manifest.bundle_id}: expected fleet {self.fleet!r}, got {manifest.fleet!r}; "
                "take the bundle of this fleet, or correct fleet in the agent's config",
            )
        if self.spec_digest not in (ANY_SPEC, manifest.spec_digest):
            raise PolicyRejected(
                "wrong_spec",
                f"{manifest.bundle_id}: expected feature spec {self.spec_digest[:16]}, got "
                f"{manifest.spec_digest[:16]}; export a bundle for the spec of this agent",
            )

    def _check_age(self, manifest: Manifest) -> None:
        if Version.parse(self.agent_version) < Version.parse(manifest.min_agent_version):
            raise PolicyRejected(
                "agent_too_old",
                f"{manifest.bundle_id}: expected agent {manifest.min_agent_version} or later, got "
                f"{self.agent_version}; update the agent",
            )
        if self.today > manifest.last_day:
            raise PolicyRejected(
                "expired",
                f"{manifest.bundle_id}: expected use until {manifest.expires}, got {self.today.isoformat()}; "
                "install a newer bundle, or check the clock",
            )
        if (manifest.epoch, manifest.sequence) < (self.minimum_epoch, self.minimum_sequence):
            raise PolicyRejected(
                "old_sequence",
                f"{manifest.bundle_id}: expected epoch {self.minimum_epoch}, sequence {self.minimum_sequence} or "
                f"higher, got {manifest.epoch}, {manifest.sequence}; an older bundle is not installed over a newer one",
            )
