"""What it takes until `--help` is there, beside a Python that does nothing: CPU time of the whole process.

In turns, so that what else the machine does is in all of them. Targets: 0.3 s for `ground`, 0.2 s for `edge-agent`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage
from typing import Final

from benchmarks.command import EXIT_OK, parser, run_command
from benchmarks.report import KEPT, MISSED
from ground.workspace import write_atomic

_NOTHING: Final = "python -c pass"
_COMMANDS: Final = {
    _NOTHING: ("-c", "pass"),
    "ground --help": ("-c", "from ground.cli import main; main()", "--help"),
    "edge-agent --help": ("-m", "edge_agent", "--help"),
}
_TARGETS_S: Final = {"ground --help": 0.3, "edge-agent --help": 0.2}
_ROUNDS, _QUICK_ROUNDS = 40, 10


def main() -> int:
    """Measure, print, write ``start_up.json``."""
    options = parser("start_up", __doc__ or "").parse_args()

    def measure() -> int:
        medians_s = _medians_s(_QUICK_ROUNDS if options.quick else _ROUNDS)
        _print(medians_s)
        write_atomic(options.out / "start_up.json", f"{json.dumps(medians_s, indent=1)}\n".encode("ascii"))
        return EXIT_OK

    return run_command(measure)


def _medians_s(rounds: int) -> dict[str, float]:
    times_s: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    for _ in range(rounds):
        for name, arguments in _COMMANDS.items():
            times_s[name].append(_cpu_s([sys.executable, *arguments]))
    return {name: statistics.median(values[1:]) for name, values in times_s.items()}


def _cpu_s(command: list[str]) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _print(medians_s: dict[str, float]) -> None:
    for name, median_s in medians_s.items():
        target_s = _TARGETS_S.get(name)
        verdict = "" if target_s is None else f"  <= {target_s} s: {KEPT if median_s <= target_s else MISSED}"
        print(f"{name:20} {median_s:.3f} s CPU  {median_s / medians_s[_NOTHING]:5.1f} x {_NOTHING}{verdict}")


if __name__ == "__main__":
    sys.exit(main())
