"""``[topics]`` of agent.toml: where frames come from, and where everything goes that the agent says."""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.errors import ConfigError
from edge_agent.topics import TopicTemplate, check_template

AIRCRAFT = "aircraft"
ENGINE = "engine"
AGENT = "agent"

_OWN_TOPICS = {
    **dict.fromkeys(
        ("result", "alert", "unit", "state", "shadow", "agreement", "drift", "flight", "evidence"), (AIRCRAFT, ENGINE)
    ),
    **dict.fromkeys(("status", "probe", "evidence_get", "evidence_data", "trust"), (AGENT,)),
}
"""What each topic that is no input must name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsSection:
    """``[topics]``: where frames come from and results go.

    Attributes:
        input: Topics of frames; ``{aircraft}`` and ``{engine}`` are held against the frame, ``+`` is not.
        result: Topic of results.
        alert: Topic of alerts.
        unit: Topic of what is learned of a unit.
        state: Topic of the retained state of an engine in JSON; only with ``interop.home_assistant``.
        status: Topic of the retained status.
        shadow: Topic of the shadow's results.
        agreement: Topic of how far the shadow agrees.
        drift: Topic of the sketches that drift is read from.
        probe: Topic of the link's messages to itself.
        thin_edge_health: Topic of the retained health that thin-edge.io knows; empty for none.
        flight: Topic of the summaries of flights.
        evidence: Topic on which snapshots of the waveform are announced.
        evidence_get: Topic of requests for them.
        evidence_data: Topic on which they are shipped.
        trust: Topic of the decisions of trust.
    """

    input: tuple[str, ...] = ("aircraft/+/engine/vibration", "aircraft/{aircraft}/engine/{engine}/vibration")
    result: str = "aircraft/{aircraft}/engine/{engine}/result"
    alert: str = "aircraft/{aircraft}/engine/{engine}/alert"
    unit: str = "aircraft/{aircraft}/engine/{engine}/unit"
    state: str = "aircraft/{aircraft}/engine/{engine}/state"
    status: str = "enginear/{agent}/status"
    shadow: str = "aircraft/{aircraft}/engine/{engine}/shadow"
    agreement: str = "aircraft/{aircraft}/engine/{engine}/shadow/agreement"
    drift: str = "aircraft/{aircraft}/engine/{engine}/drift"
    probe: str = "enginear/{agent}/probe"
    thin_edge_health: str = ""
    flight: str = "aircraft/{aircraft}/engine/{engine}/flight"
    evidence: str = "aircraft/{aircraft}/engine/{engine}/evidence"
    evidence_get: str = "enginear/{agent}/evidence/get"
    evidence_data: str = "enginear/{agent}/evidence/data"
    trust: str = "enginear/{agent}/trust"

    def __post_init__(self) -> None:
        if not self.input:
            raise ConfigError("topics.input: expected at least one topic, got an empty list; add one")
        for index, text in enumerate(self.input):
            check_template(text, where=f"topics.input[{index}]", places=(AIRCRAFT, ENGINE), wildcards=True)
        for key, places in _OWN_TOPICS.items():
            check_template(getattr(self, key), where=f"topics.{key}", places=places, wildcards=False)
            self._check_no_loop(key)
            if key != "probe" and getattr(self, key) == self.probe:
                raise ConfigError(f"topics.probe: expected a topic of its own, got that of topics.{key}; change it")
        if self.thin_edge_health:
            check_template(self.thin_edge_health, where="topics.thin_edge_health", places=(), wildcards=False)
            self._check_no_loop("thin_edge_health")

    def _check_no_loop(self, key: str) -> None:
        sample = TopicTemplate(getattr(self, key)).fill(aircraft="a", engine="e", agent="x")
        read = (*self.input, *([] if key == "evidence_get" else [self.evidence_get]))
        if any(TopicTemplate(text).matches(sample) for text in read):
            raise ConfigError(
                f"topics.{key}: expected a topic outside topics.input and evidence_get, got {getattr(self, key)!r}; "
                "the agent would read what it writes"
            )

    @property
    def inputs(self) -> tuple[TopicTemplate, ...]:
        """The input templates."""
        return tuple(map(TopicTemplate, self.input))
