"""The check-up: reads the process, the engines and the counters, and comes to a verdict; used by the main thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from edge_agent.clock import clock_quality
from edge_agent.probe import REFUSED
from edge_agent.process_gauges import read_process
from edge_agent.verdict import OK, Signs, Verdict, advice_on, growth, judge

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.health import Health
    from edge_agent.heard import Heard


_log = structlog.get_logger(__name__)


class Checkup:
    """Keeps what a verdict needs to remember between two reports.

    Args:
        config: The agent's config.
        health: Takes what is found.
        heard: When engines were heard.
        turn_age_s: Seconds since the worker's last turn.
        now_s: The monotonic clock.
    """

    def __init__(
        self,
        config: AgentConfig,
        health: Health,
        heard: Heard,
        turn_age_s: Callable[[], float],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._health = health
        self._heard = heard
        self._turn_age_s = turn_age_s
        self._now_s = now_s
        self._link_up_s = self._last_s = now_s()
        self._before: Mapping[str, int] = {}
        self._last: Mapping[str, int] = {}

    def reconfigure(self, config: AgentConfig) -> None:
        """Go on by another config."""
        self._config = config
        self._heard.expect(config.agent.engines)

    def refresh(self, gauges: Mapping[str, int]) -> None:
        """Bring the figures and the verdict of the health up to now; ``gauges`` as in ``Health.document``."""
        now_s, health = self._now_s(), self._health
        counts = {**health.counters.snapshot(), **gauges}
        # The link's changes call for reports between the regular ones: growth is over one interval to two.
        if now_s - self._last_s >= self._config.agent.status_interval_s:
            self._before, self._last, self._last_s = self._last, counts, now_s
        if health.link.connected:
            self._link_up_s = now_s
        health.process = read_process(self._config.agent.state_dir)
        health.heard_s = self._heard.ages_s()
        verdict = judge(
            Signs(
                link_down_s=now_s - self._link_up_s,
                subscription_refused=health.link.connected and bool(health.link.error),
                probe_refused=health.link.probe == REFUSED,
                turn_age_s=self._turn_age_s(),
                clock=clock_quality(),
                free_bytes=health.process.state_dir_free_bytes,
                config_rejected=bool(health.config.error),
                trust=health.trust,
                silent_engines=len(self._heard.silent()),
                counts=counts,
                grown=growth(self._before, counts),
            )
        )
        _tell(health.verdict, verdict)
        health.verdict = verdict


def _tell(before: Verdict, now: Verdict) -> None:
    """Log what is newly wrong, and when all is well again."""
    for reason in now.reasons:
        if reason not in before.reasons:
            _log.warning("health", health=now.health, reason=reason, todo=advice_on(reason))
    if now.health == OK != before.health:
        _log.info("health", health=now.health)
