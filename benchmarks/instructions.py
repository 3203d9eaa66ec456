"""The gate on cost: instructions counted by callgrind against a stored reference, as a busy machine cannot move them.

Run ``python -m benchmarks.instructions [--update]``; docs/reference/benchmarks.md explains it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.command import EXIT_LIMIT, EXIT_OK, run_command
from benchmarks.errors import BenchmarkError
from benchmarks.instruction_child import (
    BATCH,
    CAL,
    COMPLETE_BATCH,
    COMPLETE_STREAMING,
    PER_CALL,
    STREAMING,
)
from ground.workspace import write_atomic

MOST_MORE = 0.02
"""The share by which a cost may exceed its reference."""

REFERENCE = Path(__file__).resolve().parent / "reference" / "instructions.json"

# Some 200 million instructions each: start-up was once seen to vary by half a million.
_CALLS = {CAL: 100, STREAMING: 40, COMPLETE_STREAMING: 20, BATCH: 2, COMPLETE_BATCH: 1}
_COLLECTED = re.compile(r"Collected : (\d+)")
_TIMEOUT_S = 600.0
_ENVIRONMENT = {
    # Hashes, threads and kernels must be the same in every run; valgrind 3.19 hides AVX512, a later one may not.
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


@dataclass(frozen=True, slots=True)
class Count:
    """Instructions of one call, by name of the call, and where they were counted."""

    instructions: Mapping[str, float]
    environment: Mapping[str, str]

    def in_cal(self, name: str) -> float:
        """A cost as a multiple of the calibration loop's, which cancels most of what machines differ in."""
        return self.instructions[name] / self.instructions[CAL]


def main() -> int:
    """Count, print, and compare with the reference, or write it."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    options.add_argument("--update", action="store_true", help="write what was counted as the new reference")
    options.add_argument("--reference", type=Path, default=REFERENCE, metavar="FILE", help="the stored counts")
    chosen = options.parse_args()
    reference = None if chosen.update else read_reference(chosen.reference)
    counted = count()
    if reference is None:
        write_reference(chosen.reference, counted)
        reference = counted
    print("\n".join(told(counted, reference)))
    return EXIT_LIMIT if any(excess(counted, reference, name) > MOST_MORE for name in gated()) else EXIT_OK


def gated() -> tuple[str, ...]:
    """Names of the costs that are compared."""
    return tuple(name for name in _CALLS if name != CAL)


def excess(counted: Count, reference: Count, name: str) -> float:
    """By which share a cost, in ``cal``, exceeds its reference; negative where it is below."""
    return counted.in_cal(name) / reference.in_cal(name) - 1.0


def told(counted: Count, reference: Count) -> list[str]:
    """The comparison, a line each."""
    lines = [f"{'instructions':24}{'counted':>14}{'/ cal':>9}{'reference':>11}{'change':>9}  gate <= {MOST_MORE:+.0%}"]
    for name, instructions in counted.instructions.items():
        line = f"{name:24}{instructions:14,.0f}{counted.in_cal(name):9.4f}{reference.in_cal(name):11.4f}"
        if name != CAL:
            more = excess(counted, reference, name)
            line += f"{more:+9.2%}  {'missed' if more > MOST_MORE else 'kept'}"
        lines.append(line)
    if counted.environment != reference.environment:
        lines.append(f"the reference was counted elsewhere: {_words(reference)}; here: {_words(counted)}")
    if any(excess(counted, reference, name) < -MOST_MORE for name in gated()):
        lines.append("cheaper than the reference: keep the gain by `make bench-instructions UPDATE=1`")
    return lines


def count() -> Count:
    """Count the instructions of every call.

    Raises:
        BenchmarkError: valgrind is missing, or a run under it failed.
    """
    if shutil.which("valgrind") is None:
        raise BenchmarkError("instructions: expected valgrind on the path, got none; apt-get install valgrind")
    _child(CAL, 0, ())  # writes the bytecode, which would otherwise be compiled in one run and read in another
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        start_up, *totals = pool.map(_collected, [CAL, *_CALLS], [0, *_CALLS.values()])
    instructions = {
        name: (total - start_up) / calls / PER_CALL.get(name, 1)
        for (name, calls), total in zip(_CALLS.items(), totals, strict=True)
    }
    return Count(instructions, _environment())


def read_reference(path: Path) -> Count:
    """The stored counts.

    Raises:
        BenchmarkError: They are missing, or are not those of the calls that are counted now.
    """
    try:
        document = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(
            f"{path.name}: expected stored counts, got {error}; make them by `make bench-instructions UPDATE=1`"
        ) from error
    count = Count(document["instructions"], document["environment"])
    if set(count.instructions) != set(_CALLS):
        raise BenchmarkError(
            f"{path.name}: expected counts of {', '.join(_CALLS)}, got {', '.join(count.instructions)}; "
            "make them again by `make bench-instructions UPDATE=1`"
        )
    return count


def write_reference(path: Path, counted: Count) -> None:
    """Store counts for later runs."""
    document = {
        "environment": dict(counted.environment),
        "instructions": {name: round(value) for name, value in counted.instructions.items()},
    }
    write_atomic(path, f"{json.dumps(document, indent=1)}\n".encode("ascii"))


def _collected(name: str, calls: int) -> int:
    """Instructions of one run of the child, start-up included."""
    told = _child(name, calls, ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"))
    found = _COLLECTED.search(told)
    if found is None:
        raise BenchmarkError(f"instructions: expected a count from callgrind, got:\n{told.strip()}")
    return int(found[1])


def _child(name: str, calls: int, under: tuple[str, ...]) -> str:
    """Run the child, and give what it and the tool above it wrote to stderr."""
    done = subprocess.run(
        [*under, sys.executable, "-m", "benchmarks.instruction_child", name, str(calls)],
        cwd=Path(__file__).resolve().parents[1],
        env={**_kept_variables(), **_ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"instructions: expected {name!r} to run, got:\n{done.stderr.strip()}")
    return done.stderr


def _kept_variables() -> Mapping[str, str]:
    # Only what programs need: every further variable is copied at start-up.
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def _environment() -> Mapping[str, str]:
    """What instruction counts depend on beside the code."""
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True)
    return {
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "valgrind": valgrind.stdout.strip().removeprefix("valgrind-"),
    }


def _words(count: Count) -> str:
    return ", ".join(f"{name} {value}" for name, value in count.environment.items())


if __name__ == "__main__":
    sys.exit(run_command(main))
