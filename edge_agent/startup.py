"""From a config to a model that may decide, and to its shadow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import structlog

from edge_agent.audit import AuditLog
from edge_agent.bundle import open_path
from edge_agent.clock import SYNCHRONISED, clock_quality
from edge_agent.errors import AgentError, BundleError, PolicyRejected
from edge_agent.load import load_model, prove_model
from edge_agent.policy import CLOCK_UNKNOWN, Policy
from edge_agent.prove_child import WALL_S
from edge_agent.signers import accepted_of, start_keys
from edge_agent.slots import SlotStore
from edge_agent.slots_boot import load_from_slots
from edge_agent.slots_ledger import SlotLedger
from edge_agent.trust import TrustedKeys
from edge_agent.trust_event import EXPIRED, refused
from edge_agent.update_disk import read_update_state
from edge_agent.version import AGENT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.bundle import Bundle
    from edge_agent.config import AgentConfig
    from edge_agent.detector import LoadedModel

NO_SHADOW: Final = "none"
SHADOW_RUNS: Final = "running"
SHADOW_REFUSED: Final = "refused"
UNREADABLE: Final = "unreadable"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedShadow:
    """What became of the second bundle.

    Attributes:
        state: ``none`` where none is asked for, ``running``, or ``refused``.
        reason: Which check refused it, as in ``BundleError.reason``; empty otherwise.
        models: The loaded bundle; empty where there is none.
    """

    state: str = NO_SHADOW
    reason: str = ""
    models: tuple[LoadedModel, ...] = ()

    def document(self) -> dict[str, str]:
        """The shadow as the status tells of it."""
        identity = [{"bundle_id": model.bundle_id, "bundle_digest": model.bundle_digest} for model in self.models]
        return {"state": self.state, "reason": self.reason, **(identity[0] if identity else {})}


def load_configured(config: AgentConfig) -> LoadedModel:
    """Load and prove the bundle of a config; with slots, the active one, and it is no trial boot.

    Raises:
        ConfigError: A key file is missing or wrong.
        BundleError: The bundle is refused.
    """
    return prove_model(open_configured(config, keys_of_config(config)))


def start_configured(config: AgentConfig, tell: Callable[[str], object] = lambda _: None) -> LoadedModel:
    """Load and prove the bundle of a config for a run: with slots, a trial boot is counted first.

    Args:
        config: The agent's config.
        tell: Told before each further proof, as in ``load_from_slots``.

    Raises:
        ConfigError: A key file is missing or wrong.
        BundleError: The bundle is refused, and so is the one before it.
    """
    ledger, keys = SlotLedger(config.agent.state_dir), noted_keys_of(config)
    if config.bundle.slots:
        return load_from_slots(ledger, slots_of_config(config, keys), tell)
    try:
        model = prove_model(open_configured(config, keys))
    except BundleError as error:
        ledger.audit.note_refused_start(refused(error))
        raise
    ledger.audit.note_running(model.bundle_digest, model.bundle_id)
    return model


def open_configured(config: AgentConfig, keys: TrustedKeys) -> Bundle:
    """Verify the bundle of a config, or the active one of its slots.

    A bundle that has proven itself here before its last day runs on after it, as in slots: a power cut must not silence
    a box that nobody can reach.

    Raises:
        BundleError: The bundle is refused.
    """
    policy = policy_of_config(config)
    if config.bundle.slots:
        return slots_of_config(config, keys).open_active()
    try:
        return open_path(config.bundle.path, keys=keys, policy=policy)
    except PolicyRejected as error:
        if error.reason != EXPIRED:
            raise
        bundle = open_path(config.bundle.path, keys=keys, policy=replace(policy, today=CLOCK_UNKNOWN))
        if bundle.digest != AuditLog(config.agent.state_dir).running():
            raise
        return bundle


def slots_of_config(config: AgentConfig, keys: TrustedKeys) -> SlotStore:
    """The slots of an agent of this config."""
    return SlotStore(SlotLedger(config.agent.state_dir), keys=keys, policy=policy_of_config(config))


def keys_of_config(config: AgentConfig) -> TrustedKeys:
    """Whose bundles an agent of this config starts; ``signers.accepted_keys`` are those that it takes anew.

    Raises:
        ConfigError: A key file is missing or wrong.
    """
    return start_keys(config)


def noted_keys_of(config: AgentConfig) -> TrustedKeys:
    """As ``keys_of_config``; the audit log is told where the config's own differ from what was last noted.

    Raises:
        ConfigError: As ``keys_of_config``.
    """
    keys, pinned = keys_of_config(config), TrustedKeys.from_files(config.bundle.keys)
    # Those of the repository are the updater's to note.
    SlotLedger(config.agent.state_dir).audit.note_keys(pinned.by_hint, revoked=config.bundle.revoked_keys)
    return keys


def policy_of_config(config: AgentConfig) -> Policy:
    """What an agent of this config accepts, today."""
    return Policy(
        fleet=config.agent.fleet,
        agent_version=AGENT_VERSION,
        allow_development=config.bundle.allow_development,
        today=today(),
    )


def load_shadow(config: AgentConfig, tell: Callable[[str, float], object] = lambda *_: None) -> LoadedShadow:
    """Load and prove the second bundle of a config, by the checks of the first; never raises.

    What only watches must not keep an engine from being watched: a shadow that is refused is logged, and goes without.

    Args:
        config: The agent's config.
        tell: Told before one is loaded, and how long that may take, s.
    """
    if not config.shadow.wanted:
        return LoadedShadow()
    # As long as its install may take: were the start ended for time, the active bundle would be held responsible.
    tell("loading the shadow", WALL_S)
    try:
        return LoadedShadow(SHADOW_RUNS, models=(load_second(config),))
    except AgentError as error:
        _log.error("shadow refused", error=str(error), path=str(config.shadow.path))
        return LoadedShadow(SHADOW_REFUSED, error.reason if isinstance(error, BundleError) else UNREADABLE)
    except Exception:  # noqa: BLE001 - a fault of ours, which must cost the shadow and no more
        _log.error("shadow failed to load", path=str(config.shadow.path), exc_info=True)
        return LoadedShadow(SHADOW_REFUSED, "internal_error")


def load_second(config: AgentConfig) -> LoadedModel:
    """Load and prove the bundle of ``[shadow]``; raises as ``load_configured``."""
    section = config.shadow
    policy = replace(policy_of_config(config), allow_development=section.allow_development)
    # What is revoked is so for the shadow, too, whose keys may be others.
    state = read_update_state(config.agent.state_dir)
    keys = accepted_of(section.keys or config.bundle.keys, state, config.bundle.revoked_keys)
    return load_model(section.path, keys=keys, policy=policy)


def today() -> date:
    """Today in UTC, or ``CLOCK_UNKNOWN`` while no time daemon vouches for the clock."""
    return datetime.now(UTC).date() if clock_quality() == SYNCHRONISED else CLOCK_UNKNOWN
