"""The YAML config of a bridge to Sparkplug B."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from edge_agent.topics import check_template
from edge_agent.topics_section import AIRCRAFT, ENGINE, TopicsSection
from edge_agent.wire import MAX_TEXT
from ground.config import validated
from ground.features_config import Section
from shared_features.spec import UNITS

INPUT_TOPIC = "aircraft/{aircraft}/engine/{engine}/vibration"
_SEPARATORS = frozenset("/+#")


def _level(text: str) -> str:
    """One level of a topic, or an identity that becomes one."""
    if not 0 < len(text) <= MAX_TEXT or not text.isprintable() or _SEPARATORS.intersection(text):
        raise ValueError(f"expected 1 to {MAX_TEXT} characters without / + #, got {text!r:.80}; rename it")
    return text


Level = Annotated[str, AfterValidator(_level)]


class BrokerConfig(Section):
    """A broker.

    Attributes:
        host: Name or address.
        port: TCP port; 0 for the usual one: 1883, or 8883 with ``ca``.
        username: Empty for none.
        password_file: Holds the password.
        ca: Certificates in PEM that may vouch for the broker; TLS is spoken where it is given.
        certificate: Own certificate in PEM, where the broker asks for one.
        key: Its key.
    """

    host: str = "localhost"
    port: int = Field(default=0, ge=0, le=65_535)
    username: str = ""
    password_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.certificate and not self.ca:
            raise ValueError("ca: expected what vouches for the broker beside certificate, got nothing; add it")
        if self.key and not self.certificate:
            raise ValueError("certificate: expected a certificate beside key, got nothing; add it")
        return self


class InputConfig(Section):
    """A foreign device whose waveforms become frames for agents.

    Attributes:
        node: Its edge node, of the bridge's group.
        device: Its name; empty for metrics of the node itself.
        aircraft: What the frames say of it.
        engine: Likewise.
        rate_hz: Samples per second of the arrays.
        unit: Unit of the samples.
        channels: Metric by channel; arrays of Int16, Int32, Float or Double. All of them come in one message.
        speed_hz: Metric by shaft (``n1``, ``n2``), in Hz; the last value counts.
        phase: Flight phase of the frames, where ``phase_metric`` names none.
        phase_metric: Metric that holds the phase.
        flight_metric: Metric that names the flight; without it, each session of the node is one.
    """

    node: Level
    device: str = ""
    aircraft: Level
    engine: Level
    rate_hz: float = Field(gt=0.0)
    unit: str
    channels: dict[str, str] = Field(min_length=1)
    speed_hz: dict[Literal["n1", "n2"], str] = Field(default_factory=dict)
    phase: Level = "steady"
    phase_metric: str = ""
    flight_metric: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.unit not in UNITS:
            raise ValueError(f"unit: expected one of {', '.join(UNITS)}, got {self.unit!r}; correct it")
        if self.device:
            _level(self.device)
        return self


class BridgeConfig(Section):
    """Everything of a bridge.

    Attributes:
        group: Sparkplug's group.
        node: The bridge's own node in it.
        agents: Broker of the agents.
        plant: Broker of Sparkplug; may be the same.
        outward: Whether results and states of agents become devices of the node.
        silent_after_s: Seconds without a live result after which an engine's device dies; None: three statuses of its
            agent, or two windows where that is longer.
        session_file: Keeps the number of the last connection to the plant (``bdSeq``); without, each start begins at 0.
        inputs: What becomes frames.
        topics: Topics of the agents, where they are not the usual ones.
    """

    group: Level
    node: Level = "enginear"
    agents: BrokerConfig = Field(default_factory=BrokerConfig)
    plant: BrokerConfig = Field(default_factory=BrokerConfig)
    outward: bool = True
    silent_after_s: float | None = Field(default=None, gt=0.0)
    session_file: Path | None = None
    inputs: tuple[InputConfig, ...] = ()
    topics: dict[Literal["result", "status", "input"], str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.outward and not self.inputs:
            raise ValueError("outward: expected true, or inputs, got neither; there is nothing to bridge")
        if any(each.node == self.node for each in self.inputs):
            raise ValueError(f"node: expected another name than those of inputs, got {self.node!r}; rename it")
        if len({(each.node, each.device) for each in self.inputs}) != len(self.inputs):
            raise ValueError("inputs: expected each node and device once, got one twice; join their channels")
        return self

    @property
    def agent_topics(self) -> TopicsSection:
        """The topics of the agents."""
        usual = TopicsSection()
        named = {name: self.topics.get(name, getattr(usual, name)) for name in ("result", "status")}
        return replace(usual, result=named["result"], status=named["status"])

    @property
    def input_topic(self) -> str:
        """Where frames go."""
        return self.topics.get("input", INPUT_TOPIC)


def load_bridge(path: Path) -> BridgeConfig:
    """Read and check a config; paths in it start at its folder.

    Raises:
        ConfigError: Unreadable, not YAML, an unknown key or a wrong value; the text names file and field; that of
            ``edge_agent.errors`` for a topic that is none.
    """
    config = validated(path, BridgeConfig)
    _ = config.agent_topics
    check_template(config.input_topic, where="topics.input", places=(AIRCRAFT, ENGINE), wildcards=False)
    folder = path.absolute().parent
    brokers = {name: _below(folder, getattr(config, name)) for name in ("agents", "plant")}
    kept = {"session_file": folder / config.session_file} if config.session_file is not None else {}
    return config.model_copy(update={**brokers, **kept})


def _below(folder: Path, broker: BrokerConfig) -> BrokerConfig:
    paths = {name: getattr(broker, name) for name in ("password_file", "ca", "certificate", "key")}
    return broker.model_copy(update={name: folder / path for name, path in paths.items() if path is not None})
