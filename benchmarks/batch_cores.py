"""What a second core of this machine is worth: some are half of one core, and two on one chip share its memory."""

from __future__ import annotations

import time

from benchmarks.cal import make_cal
from ground.pool import process_pool

_CALLS = 2_000
_ROUNDS = 5


def second_core() -> float:
    """How many times the work of one process two do at once, of arithmetic that needs neither memory nor files."""
    with process_pool(2) as pool:
        list(pool.map(_spin, [1, 1]))
        ratios = []
        for _ in range(_ROUNDS):
            (alone,) = pool.map(_spin, [_CALLS])
            ratios.append(2.0 * alone / max(pool.map(_spin, [_CALLS, _CALLS])))
    return sorted(ratios)[_ROUNDS // 2]


def _spin(calls: int) -> float:
    """Seconds on the wall for so many rounds of ``cal``."""
    work = make_cal()
    begin_s = time.monotonic()
    for _ in range(calls):
        work()
    return time.monotonic() - begin_s
