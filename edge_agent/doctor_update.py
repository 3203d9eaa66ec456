"""Check of updates: the pinned root, and what the last look at the repository came to. Without python-tuf."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from edge_agent.errors import UpdateError
from edge_agent.finding import Finding, fail, fine, warn
from edge_agent.update_disk import read_update_state
from edge_agent.update_report import UpdateReport, read_report

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig

_CHECK: Final = "update"
_SOON: Final = timedelta(days=7)


def check_update(config: AgentConfig) -> Iterator[Finding]:
    """Whether updates can come, and do; nothing where this agent takes none."""
    if not config.update.wanted:
        return
    if not config.update.root.is_file():
        yield fail(_CHECK, f"{config.update.root} is not there", "install the root.json of the repository")
        return
    try:
        state = read_update_state(config.agent.state_dir)
    except UpdateError as error:
        yield fail(_CHECK, f"{error.reason}: {error}", "remove the files that it names")
        return
    report = read_report(config.agent.state_dir)
    if not report.checked:
        yield warn(_CHECK, "never looked", "systemctl enable --now edge-agent-update.timer, or update by hand")
        return
    yield _last(report, f"root version {state.root_version}, last success {report.succeeded or 'never'}")


def _last(report: UpdateReport, text: str) -> Finding:
    if report.reason:
        advice = "journalctl -u edge-agent-update; docs/reference/update.md explains the reason"
        return warn(_CHECK, f"{text}; since then: {report.reason}", advice)
    if datetime.fromisoformat(report.expires) < datetime.now(UTC) + _SOON:
        return warn(_CHECK, f"{text}, valid until {report.expires}", "have the repository refreshed before that")
    return fine(_CHECK, f"{text}, valid until {report.expires}")
