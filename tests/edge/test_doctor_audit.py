"""The doctor's look at the audit log."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.audit import AuditLog
from edge_agent.audit_check import check_log
from edge_agent.audit_feed import SENT_FILE
from edge_agent.audit_files import AUDIT_FILE
from edge_agent.config import AgentConfig
from edge_agent.doctor_audit import check_audit
from edge_agent.finding import FAIL, FINE
from edge_agent.trust_event import REFUSED, TrustEvent


def test_audit_log(make_config: Callable[..., AgentConfig]) -> None:
    """Whole, written anew since it was sent, edited; nothing to say where there is no state folder yet."""
    config = make_config()
    assert list(check_audit(config)) == []
    folder = config.agent.state_dir
    for _ in range(3):
        AuditLog(folder).note(TrustEvent(kind=REFUSED))
    (folder / SENT_FILE).write_text(f"{check_log(folder).head}\n")
    assert [each.level for each in check_audit(config)] == [FINE]
    good = (folder / AUDIT_FILE).read_bytes()
    for content, reason in (
        (b"".join(good.splitlines(keepends=True)[:2]), "head_missing"),
        (good.replace(b"refused", b"allowed", 1), "chain"),
    ):
        (folder / AUDIT_FILE).write_bytes(content)
        [finding] = check_audit(config)
        assert (finding.level, reason in finding.text) == (FAIL, True)
