"""agent.toml: what an agent is, where its bundle and its broker are, and how much it may take in.

Every key is described in docs/reference/agent.md; packaging/agent.toml is an example that holds the defaults.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from edge_agent.errors import ConfigError
from edge_agent.settings import from_table, number
from edge_agent.topics import TopicTemplate, check_template
from edge_agent.wire import MAX_PAYLOAD_BYTES

KIB = 1024
MIB = 1024 * KIB
LOG_LEVELS = ("debug", "info", "warning", "error")
NO_PASSWORD_FILE = Path("/dev/null")
NO_SHADOW = Path("/dev/null")

AIRCRAFT = "aircraft"
ENGINE = "engine"
AGENT = "agent"

_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ENGINE = re.compile(r"[^/]+/[^/]+")


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
    """

    id: str
    fleet: str
    engines: tuple[str, ...] = ()
    deadline_ms: float = number(50.0, low=0.1, high=60_000.0)
    state_dir: Path = Path("/var/lib/edge-agent")
    status_interval_s: float = number(10.0, low=0.1, high=3_600.0)
    log_level: str = "info"

    def __post_init__(self) -> None:
        for key in ("id", "fleet"):
            if not _IDENTITY.fullmatch(getattr(self, key)):
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
        path: A ``.bundle`` file, or a folder of its unpacked members.
        keys: Public keys in PEM; a bundle must be signed by one of them.
        allow_development: Whether bundles whose gates are not all decided may run.
    """

    path: Path
    keys: tuple[Path, ...]
    allow_development: bool = False

    def __post_init__(self) -> None:
        if not self.keys:
            raise ConfigError("bundle.keys: expected at least one public key file, got an empty list; add the signer's")


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
class BrokerSection:
    """``[broker]``: the MQTT broker.

    Attributes:
        host: Name or address.
        port: TCP port.
        keepalive_s: Seconds of silence after which the two sides probe each other.
        client_id: MQTT client id; empty for ``edge-agent-<agent.id>``.
        username: MQTT user; empty for none.
        password_file: Holds the password; read at every connection, a final line break is left out.
        session_expiry_s: How long the broker keeps our session, and the frames for it, while the link is down.
        message_expiry_s: How long the broker keeps a result for a subscriber that is away.
    """

    host: str = "localhost"
    port: int = number(1883, low=1, high=65_535)
    keepalive_s: int = number(15, low=2, high=3_600)
    client_id: str = ""
    username: str = ""
    password_file: Path = NO_PASSWORD_FILE
    session_expiry_s: int = number(60, low=0, high=86_400)
    message_expiry_s: int = number(86_400, low=1, high=2**31)

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable():
            raise ConfigError(f"broker.host: expected a name or address, got {self.host!r}; correct it")
        if self.password_file != NO_PASSWORD_FILE and not self.username:
            raise ConfigError("broker.username: expected a name beside password_file, got nothing; add the key")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsSection:
    """``[topics]``: where frames come from and results go.

    Attributes:
        input: Topics of frames; ``{aircraft}`` and ``{engine}`` are held against the frame, ``+`` is not.
        result: Topic of results.
        alert: Topic of alerts.
        status: Topic of the retained status.
        shadow: Topic of the shadow's results.
        agreement: Topic of how far the shadow agrees.
        drift: Topic of the sketches that drift is read from.
    """

    input: tuple[str, ...] = ("aircraft/+/engine/vibration", "aircraft/{aircraft}/engine/{engine}/vibration")
    result: str = "aircraft/{aircraft}/engine/{engine}/result"
    alert: str = "aircraft/{aircraft}/engine/{engine}/alert"
    status: str = "enginear/{agent}/status"
    shadow: str = "aircraft/{aircraft}/engine/{engine}/shadow"
    agreement: str = "aircraft/{aircraft}/engine/{engine}/shadow/agreement"
    drift: str = "aircraft/{aircraft}/engine/{engine}/drift"

    def __post_init__(self) -> None:
        if not self.input:
            raise ConfigError("topics.input: expected at least one topic, got an empty list; add one")
        for index, text in enumerate(self.input):
            check_template(text, where=f"topics.input[{index}]", places=(AIRCRAFT, ENGINE), wildcards=True)
        for key in ("result", "alert", "status", "shadow", "agreement", "drift"):
            places = (AGENT,) if key == "status" else (AIRCRAFT, ENGINE)
            check_template(getattr(self, key), where=f"topics.{key}", places=places, wildcards=False)
            self._check_no_loop(key)

    def _check_no_loop(self, key: str) -> None:
        sample = TopicTemplate(getattr(self, key)).fill(aircraft="a", engine="e", agent="x")
        if any(TopicTemplate(text).matches(sample) for text in self.input):
            raise ConfigError(
                f"topics.{key}: expected a topic outside topics.input, got {getattr(self, key)!r}; "
                "the agent would read what it writes"
            )

    @property
    def inputs(self) -> tuple[TopicTemplate, ...]:
        """The input templates."""
        return tuple(map(TopicTemplate, self.input))


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
    inbox_frames: int = number(256, low=1, high=65_536)
    inbox_bytes: int = number(16 * MIB, low=KIB, high=1024 * MIB)
    outbox_messages: int = number(1_000, low=1, high=1_000_000)
    max_streams: int = number(64, low=1, high=4_096)


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """The whole file, one attribute a table."""

    agent: AgentSection
    bundle: BundleSection
    shadow: ShadowSection = field(default_factory=ShadowSection)
    broker: BrokerSection = field(default_factory=BrokerSection)
    topics: TopicsSection = field(default_factory=TopicsSection)
    limits: LimitsSection = field(default_factory=LimitsSection)

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


_SECTIONS = {
    "agent": AgentSection,
    "bundle": BundleSection,
    "shadow": ShadowSection,
    "broker": BrokerSection,
    "topics": TopicsSection,
    "limits": LimitsSection,
}
_REQUIRED = ("agent", "bundle")


def load_config(path: Path) -> AgentConfig:
    """Read ``agent.toml``; paths in it start at its folder.

    Raises:
        ConfigError: The file is unreadable or wrong; the text names file, table and key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable file, got {error.strerror}; check the path") from error
    except ValueError as error:
        raise ConfigError(f"{path}: expected TOML, got {error}; correct the line") from error
    try:
        return parse_config(document, folder=path.absolute().parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_config(document: dict[str, Any], *, folder: Path) -> AgentConfig:
    """Build a config from parsed TOML; see ``load_config``."""
    known = [section.name for section in fields(AgentConfig)]
    for name in document:
        if name not in known:
            raise ConfigError(
                f"{name}: expected only the tables {', '.join(known)}, got {name!r}; remove it, or move the key"
            )
    for name in _REQUIRED:
        if name not in document:
            raise ConfigError(f"{name}: expected a table [{name}], got nothing; see packaging/agent.toml")
    sections: dict[str, Any] = {
        name: from_table(_SECTIONS[name], table, where=name, folder=folder) for name, table in document.items()
    }
    return AgentConfig(**sections)
