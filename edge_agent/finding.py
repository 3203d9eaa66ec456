"""Finding: what one check of ``edge-agent doctor`` came to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

FINE: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"
LEVELS: Final = (FINE, WARN, FAIL)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to.

    Attributes:
        check: Name of the check.
        level: ``ok``, ``warn`` (the agent runs, and something wants attention) or ``fail`` (it does not run, or not as
            it should).
        text: What was found.
        advice: What to do; empty where nothing is.
    """

    check: str
    level: str
    text: str
    advice: str = ""


def worst(findings: Iterable[Finding]) -> str:
    """The worst level among ``findings``."""
    return LEVELS[max((LEVELS.index(each.level) for each in findings), default=0)]


def fine(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, FINE, text)


def warn(check: str, text: str, advice: str) -> Finding:
    """Something wants attention."""
    return Finding(check, WARN, text, advice)


def fail(check: str, text: str, advice: str) -> Finding:
    """Something keeps the agent from running as it should."""
    return Finding(check, FAIL, text, advice)
