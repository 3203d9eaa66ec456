"""A campaign against one target, in a process of its own: what hangs or eats memory ends it, and is told of.

python -m tests.security.fuzz.campaign TARGET (--examples N | --seconds S)
"""

from __future__ import annotations

import argparse
import faulthandler
import resource
import secrets
import subprocess
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


def main() -> int:
    """Attack the targets that are named, each for so many inputs or seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+", choices=[*TARGETS, "all"])
    parser.add_argument("--examples", type=int, default=ROUND, help="inputs of a round")
    parser.add_argument("--seconds", type=float, default=0.0, help="rounds go on for so long")
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    options = parser.parse_args()
    names = list(TARGETS) if options.targets == ["all"] else options.targets
    if options.seconds and len(names) > 1:
        return max([_in_child(name, options.seconds) for name in names])
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for name in names:
        began_s, number, outcomes = time.monotonic(), options.seed, attack(name, options.examples, options.seed)
        while time.monotonic() - began_s < options.seconds:
            number += 1
            outcomes += attack(name, options.examples, number)
        sys.stdout.write(f"{name:14} {outcomes['refused']:9} refused {outcomes['taken']:9} taken\n")
        sys.stdout.flush()
    return 0


def _in_child(name: str, seconds: float) -> int:
    """One target in a process of its own, from other inputs every night; the seed is told where it fails."""
    first = str(secrets.randbits(32))
    command = [sys.executable, "-m", "tests.security.fuzz.campaign", name, "--seconds", str(seconds), "--seed", first]
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.stdout.write(f"{name:14} FAILED, seed {first}\n")
    return abs(code)


if __name__ == "__main__":
    sys.exit(main())
