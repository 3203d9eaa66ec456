"""From a config to a model that may decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from edge_agent.bundle import open_path
from edge_agent.clock import SYNCHRONISED, clock_quality
from edge_agent.load import prove_model
from edge_agent.policy import CLOCK_UNKNOWN, Policy
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import LoadedModel


def load_configured(config: AgentConfig, on_step: Callable[[str], object] = str) -> LoadedModel:
    """Load and prove the bundle of a config.

    Args:
        config: The agent's config.
        on_step: Told of each step that begins; on a slow machine they take their time.

    Raises:
        ConfigError: A key file is missing or wrong.
        BundleError: The bundle is refused.
    """
    policy = Policy(
        fleet=config.agent.fleet,
        agent_version=AGENT_VERSION,
        allow_development=config.bundle.allow_development,
        today=today(),
    )
    on_step(f"verifying {config.bundle.path}")
    bundle = open_path(config.bundle.path, keys=TrustedKeys.from_files(config.bundle.keys), policy=policy)
    on_step(f"proving {bundle.manifest.bundle_id} on this machine")
    return prove_model(bundle)


def today() -> date:
    """Today in UTC, or ``CLOCK_UNKNOWN`` while no time daemon vouches for the clock."""
    return datetime.now(UTC).date() if clock_quality() == SYNCHRONISED else CLOCK_UNKNOWN
