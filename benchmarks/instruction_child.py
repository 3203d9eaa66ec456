"""What runs under callgrind: every measured call is made and warm, and one of them runs some more times.

``python -m benchmarks.instruction_child NAME CALLS``: less a run with no calls it is what the calls cost; start-up, the
making of signals and first calls cancel out.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from benchmarks.cal import make_cal
from benchmarks.feature_cases import always, batch, streaming, windows_of
from benchmarks.specs import complete_spec, usual_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.feature_cases import Prepare

CAL = "cal"
STREAMING = "streaming"
COMPLETE_STREAMING = "streaming, every group"
BATCH = "batch"
COMPLETE_BATCH = "batch, every group"
BATCH_S = 42.0
"""33 windows: 32 that are computed one after the other and one alone, as in any long recording."""

PER_CALL = {BATCH: windows_of(usual_spec(), BATCH_S), COMPLETE_BATCH: windows_of(usual_spec(), BATCH_S)}
"""What one call is divided by; one call of the others is one channel-second, or one ``cal``."""


def prepares() -> Mapping[str, Callable[[], Prepare]]:
    """By name, what makes each measured call."""
    return {
        CAL: lambda: always(make_cal()),
        STREAMING: lambda: streaming(usual_spec()),
        COMPLETE_STREAMING: lambda: streaming(complete_spec()),
        BATCH: lambda: batch(usual_spec(), BATCH_S),
        COMPLETE_BATCH: lambda: batch(complete_spec(), BATCH_S),
    }


def run(name: str, calls: int) -> None:
    """Make every call, which runs it once to see that it is right, and run ``name`` another ``calls`` times."""
    gc.disable()
    made = {each: prepare()() for each, prepare in prepares().items()}
    made[CAL]()
    for _ in range(calls):
        made[name]()


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
