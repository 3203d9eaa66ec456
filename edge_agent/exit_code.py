"""Exit codes of ``edge-agent``: stable, for scripts and for systemd."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; documented in docs/reference/agent.md."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    BUNDLE_REFUSED = 3
    NOT_RUNNING = 4
    STALE = 5
    BAD_INPUT = 6
    SELFTEST_FAILED = 7
    JOURNAL_DAMAGED = 8
    DOCTOR_FAILED = 9
    FAILING = 10
    AUDIT_BROKEN = 11
    UPDATE_REFUSED = 12
    UPDATE_UNREACHABLE = 13
