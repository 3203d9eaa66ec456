"""From a config to a model that may decide."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from edge_agent.clock import SYNCHRONISED, clock_quality
from edge_agent.load import load_model
from edge_agent.policy import CLOCK_UNKNOWN, Policy
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import LoadedModel


def load_configured(config: AgentConfig) -> LoadedModel:
    """Load and prove the bundle of a config.

    Raises:
        ConfigError: A key file is missing or wrong.
        BundleError: The bundle is refused.
    """
    keys = TrustedKeys.from_files(config.bundle.keys)
    return load_model(config.bundle.path, keys=keys, policy=policy_of_config(config))


def policy_of_config(config: AgentConfig) -> Policy:
    """What an agent of this config accepts, today."""
    return Policy(
        fleet=config.agent.fleet,
        agent_version=AGENT_VERSION,
        allow_development=config.bundle.allow_development,
        today=today(),
    )


def today() -> date:
    """Today in UTC, or ``CLOCK_UNKNOWN`` while no time daemon vouches for the clock."""
    return datetime.now(UTC).date() if clock_quality() == SYNCHRONISED else CLOCK_UNKNOWN
