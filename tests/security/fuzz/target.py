"""What is fuzzed: where its inputs come from, and what must hold of every one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy

from edge_agent.errors import AgentError, BundleError


@dataclass(frozen=True)
class Target:
    """A reader of what an attacker may write.

    Attributes:
        inputs: Draws the inputs.
        check: Reads one; an AgentError of ``refusals`` is a refusal, anything else that it raises is a finding.
        refusals: The errors with which it may refuse.
    """

    inputs: SearchStrategy[Any]
    check: Callable[[Any], None]
    refusals: tuple[type[AgentError], ...]

    def run(self, given: Any) -> bool:
        """Whether the input was taken; raises what is a finding."""
        try:
            self.check(given)
        except self.refusals:
            return False
        return True


def refuses(act: Callable[[], Any], *errors: type[Exception]) -> bool:
    """Whether it raises one of ``errors``."""
    try:
        act()
    except errors:
        return True
    return False


def reason_of(act: Callable[[], Any]) -> str:
    """Why it refuses; empty where it does not."""
    try:
        act()
    except BundleError as error:
        return error.reason or "no reason"
    return ""
