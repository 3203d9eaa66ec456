"""The settings of an agent: what an agent is, where its bundle and its broker are, and how much it may take in.

Every key is described in docs/reference/agent.md; packaging/agent.toml is an example that holds the defaults.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from edge_agent.broker_section import BrokerSection
from edge_agent.config_layers import Layer, Merged, find_text, merge, read_layers
from edge_agent.errors import ConfigError
from edge_agent.interop_section import InteropSection
from edge_agent.journal_config import JournalSection
from edge_agent.metrics_config import MetricsSection
from edge_agent.settings import from_values, number
from edge_agent.topics import TopicTemplate
from edge_agent.topics_section import TopicsSection
from edge_agent.update_section import UpdateSection
from edge_agent.wire import MAX_PAYLOAD_BYTES

KIB = 1024
MIB = 1024 * KIB
LOG_LEVELS = ("debug", "info", "warning", "error")
NO_SHADOW = Path("/dev/null")
NO_BUNDLE = Path("/dev/null")


USUAL_STATE_DIR: Final = Path("/var/lib/edge-agent")

_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ENGINE = re.compile(r"[^/]+/[^/]+")
_HINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSection:
    """``[agent]``: identity and behaviour.

    Attributes:
        id: Name of this agent; part of its status topic and of its MQTT client id.
        fleet: The fleet whose bundles it accepts.
        engines: The engines it listens to, as ``aircraft/engine``; empty for any, up to ``limits.max_streams``.
        deadline_ms: A result later than this after its frame arrived is marked and counted.
        state_dir: The one folder it writes to.
        status_interval_s: Seconds between two status documents.
        log_level: Least severe messages that are logged.
        flight_end_s: Seconds without a frame after which a flight counts as ended.
    """

    id: str
    fleet: str
    engines: tuple[str, ...] = ()
    deadline_ms: float = number(50.0, low=0.1, high=60_000.0)
    state_dir: Path = USUAL_STATE_DIR
    status_interval_s: float = number(10.0, low=0.1, high=3_600.0)
    log_level: str = "info"
    flight_end_s: float = number(600.0, low=1.0, high=86_400.0)

    def __post_init__(self) -> None:
        for key in ("id", "fleet"):
            if not is_identity(getattr(self, key)):
                raise ConfigError(
                    f"agent.{key}: expected 1 to 64 letters, digits and . _ -, got {getattr(self, key)!r}; rename it"
                )
        for index, engine in enumerate(self.engines):
            if not _ENGINE.fullmatch(engine):
                raise ConfigError(
                    f"agent.engines[{index}]: expected aircraft/engine, got {engine!r}; write for example 'OO-ABC/1'"
                )
        if self.log_level not in LOG_LEVELS:
            raise ConfigError(
                f"agent.log_level: expected one of {', '.join(LOG_LEVELS)}, got {self.log_level!r}; correct it"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSection:
    """``[bundle]``: the detector and who may have signed it.

    Attributes:
        keys: Public keys in PEM; a bundle must be signed by one of them.
        revoked_keys: Names of keys, as `ground keys show` prints them, that no bundle may be signed by, pinned or not.
        path: A ``.bundle`` file, or a folder of its unpacked members; not with ``slots``.
        slots: Whether to run the active one of the bundles that ``edge-agent bundle`` installed.
        allow_development: Whether bundles whose gates are not all decided may run.
        trial_boots: Starts that a newly activated bundle gets to pass its probation in.
        probation_windows: Windows that it must have assessed before it counts as good.
        probation_minutes: Minutes that it must have run, too, without a fault of the program.
    """

    keys: tuple[Path, ...]
    revoked_keys: tuple[str, ...] = ()
    path: Path = NO_BUNDLE
    slots: bool = False
    allow_development: bool = False
    trial_boots: int = number(3, low=1, high=100)
    probation_windows: int = number(100, low=1, high=1_000_000)
    probation_minutes: float = number(10.0, low=0.0, high=100_000.0)

    def __post_init__(self) -> None:
        if self.slots == (self.path != NO_BUNDLE):
            raise ConfigError(
                f"bundle.path: expected a path, or slots = true, got {'both' if self.slots else 'neither'}; keep one"
            )
        if not self.keys:
            raise ConfigError("bundle.keys: expected at least one public key file, got an empty list; add the signer's")
        for index, hint in enumerate(self.revoked_keys):
            if not _HINT.fullmatch(hint):
                raise ConfigError(
                    f"bundle.revoked_keys[{index}]: expected 64 hexadecimal digits in lower case, got {hint!r}; take "
                    "the name that `ground keys show` prints"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSection:
    """``[shadow]``: a second detector that scores the same windows and never alerts.

    Attributes:
        path: A ``.bundle`` file, or a folder of its unpacked members.
        keys: Public keys in PEM; empty for those of ``[bundle]``.
        allow_development: Whether bundles whose gates are not all decided may be the shadow.
    """

    path: Path = NO_SHADOW
    keys: tuple[Path, ...] = ()
    allow_development: bool = False

    @property
    def wanted(self) -> bool:
        """Whether there is to be a shadow."""
        return self.path != NO_SHADOW


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSection:
    """``[limits]``: how much the agent may take in; beyond, the oldest is dropped and counted.

    Attributes:
        max_payload_bytes: Longest frame.
        inbox_frames: Frames waiting for the worker.
        inbox_bytes: Bytes of the frames waiting for the worker.
        outbox_messages: Results waiting for the broker.
        max_streams: Engines followed at once; beyond, the one heard longest ago is evicted.
    """

    max_payload_bytes: int = number(MAX_PAYLOAD_BYTES, low=KIB, high=64 * MIB)
    inbox_frames: int = number(256, low=1, high=16_384)
    inbox_bytes: int = number(16 * MIB, low=KIB, high=1024 * MIB)
    outbox_messages: int = number(1_000, low=1, high=10_000)
    max_streams: int = number(64, low=1, high=4_096)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSection:
    """``[evidence]``: the waveform around alerts.

    Attributes:
        before_s: Seconds kept before the end of an alert's window; more where the decision remembers longer.
        after_s: Seconds kept after it.
        memory_mib: Most memory for the last seconds of all engines, and as much again while snapshots are written.
        max_mib: Most disk.
        max_files: Most snapshots on disk; beyond either, the oldest goes.
        ship_kib_s: Most KiB a second that are sent to whoever asks for a snapshot.
    """

    before_s: float = number(20.0, low=0.0, high=3_600.0)
    after_s: float = number(10.0, low=0.0, high=3_600.0)
    memory_mib: int = number(6, low=1, high=4_096)
    max_mib: int = number(64, low=1, high=1024 * 1024)
    max_files: int = number(64, low=1, high=100_000)
    ship_kib_s: int = number(64, low=1, high=1024 * 1024)


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """The whole file, one attribute a table."""

    agent: AgentSection
    bundle: BundleSection
    shadow: ShadowSection = field(default_factory=ShadowSection)
    broker: BrokerSection = field(default_factory=BrokerSection)
    topics: TopicsSection = field(default_factory=TopicsSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    journal: JournalSection = field(default_factory=JournalSection)
    metrics: MetricsSection = field(default_factory=MetricsSection)
    evidence: EvidenceSection = field(default_factory=EvidenceSection)
    update: UpdateSection = field(default_factory=UpdateSection)
    interop: InteropSection = field(default_factory=InteropSection)

    def __post_init__(self) -> None:
        if len(self.agent.engines) > self.limits.max_streams:
            raise ConfigError(
                f"limits.max_streams: expected at least the {len(self.agent.engines)} of agent.engines, got "
                f"{self.limits.max_streams}; raise it, or they push each other out"
            )

    @cached_property
    def client_id(self) -> str:
        """The MQTT client id, as written or made from the agent's name."""
        return self.broker.client_id or f"edge-agent-{self.agent.id}"

    @cached_property
    def status_topic(self) -> str:
        """The topic of this agent's status."""
        return TopicTemplate(self.topics.status).fill(agent=self.agent.id)

    @cached_property
    def probe_topic(self) -> str:
        """The topic on which this agent's link hears itself."""
        return TopicTemplate(self.topics.probe).fill(agent=self.agent.id)

    @cached_property
    def evidence_request_topic(self) -> str:
        """The topic on which this agent is asked for evidence."""
        return TopicTemplate(self.topics.evidence_get).fill(agent=self.agent.id)

    @cached_property
    def evidence_data_topic(self) -> str:
        """The topic on which this agent ships evidence."""
        return TopicTemplate(self.topics.evidence_data).fill(agent=self.agent.id)

    @cached_property
    def subscriptions(self) -> tuple[str, ...]:
        """The topic filters to subscribe to."""
        return (*(template.filter for template in self.topics.inputs), self.evidence_request_topic)


SECTIONS: Final[Mapping[str, type[Any]]] = {
    "agent": AgentSection,
    "bundle": BundleSection,
    "shadow": ShadowSection,
    "broker": BrokerSection,
    "topics": TopicsSection,
    "limits": LimitsSection,
    "journal": JournalSection,
    "metrics": MetricsSection,
    "evidence": EvidenceSection,
    "update": UpdateSection,
    "interop": InteropSection,
}
_REQUIRED = ("agent", "bundle")


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> AgentConfig:
    """Read ``agent.toml``, the drop-ins in ``conf.d`` beside it, and the environment; see ``read_config``."""
    return read_config(path, environment).config


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """A config and where it comes from."""

    config: AgentConfig
    merged: Merged


def read_config(path: Path, environment: Mapping[str, str] = os.environ) -> ReadConfig:
    """Read an agent's settings; relative paths in them start at the folder of ``path``.

    Args:
        path: ``agent.toml``.
        environment: Variables that may override keys, as ``EDGE_AGENT_BROKER__HOST``.

    Raises:
        ConfigError: A file is unreadable or wrong; the text names file or variable, table and key.
    """
    merged = merge(read_layers(path, environment, SECTIONS), SECTIONS, path.absolute().parent)
    try:
        return ReadConfig(build_config(merged), merged)
    except ConfigError as error:
        raise ConfigError(f"{', '.join(merged.layers)}: {error}") from error


def parse_config(document: dict[str, Any], *, folder: Path) -> AgentConfig:
    """Build a config from parsed TOML; see ``read_config``."""
    return build_config(merge((Layer("document", document),), SECTIONS, folder))


def build_config(merged: Merged) -> AgentConfig:
    """Build a config from checked values.

    Raises:
        ConfigError: One is missing, or they do not go together.
    """
    values = merged.values
    for name in _REQUIRED:
        if name not in values:
            raise ConfigError(f"{name}: expected a table [{name}], got nothing; see packaging/agent.toml")
    sections: dict[str, Any] = {name: from_values(SECTIONS[name], found, where=name) for name, found in values.items()}
    return AgentConfig(**sections)


def is_identity(text: str) -> bool:
    """Whether a text may be ``agent.id`` or ``agent.fleet``."""
    return bool(_IDENTITY.fullmatch(text))


def likely_state_dir(path: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """The state folder of a config that is wrong elsewhere: an agent may run on, by the config before."""
    named = find_text(path, environment, "agent", "state_dir")
    return path.absolute().parent / named if named else USUAL_STATE_DIR
