"""A campaign against one target, in a process of its own: what hangs or eats memory ends it, and is told of.

python -m tests.security.fuzz.campaign TARGET (--examples N | --seconds S)
"""

from __future__ import annotations

import argparse
import faulthandler
import resource
import sys
import time
from collections import Counter
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.security.fuzz.targets_bundle import BUNDLE_TARGETS
from tests.security.fuzz.targets_state import STATE_TARGETS

TARGETS: Final = {**BUNDLE_TARGETS, **STATE_TARGETS}
DEADLINE_S: Final = 20
"""Longest time of one input: they take about a millisecond, and the machine may be busy."""
MEMORY: Final = 1 << 30
ROUND: Final = 2_000


def attack(name: str, examples: int, number: int) -> Counter[str]:
    """One round against a target; a failing input is made smaller and raised."""
    target, outcomes = TARGETS[name], Counter[str]()

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def once(given_input: Any) -> None:
        faulthandler.dump_traceback_later(DEADLINE_S, exit=True)
        outcomes["taken" if target.run(given_input) else "refused"] += 1

    once()
    faulthandler.cancel_dump_traceback_later()
    return outcomes


def main() -> None:
    """Attack the targets that are named, each for so many inputs or seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+", choices=[*TARGETS, "all"])
    parser.add_argument("--examples", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for name in TARGETS if options.targets == ["all"] else options.targets:
        began_s, number, outcomes = time.monotonic(), 0, Counter[str]()
        outcomes += attack(name, options.examples or ROUND, number)
        while time.monotonic() - began_s < options.seconds:
            number += 1
            outcomes += attack(name, ROUND, number)
        sys.stdout.write(f"{name:14} {outcomes['refused']:9} refused {outcomes['taken']:9} taken\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
