"""What the commands of the benchmarks share: options, exit codes, and an orderly end on SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from benchmarks.errors import BenchmarkError
from edge_agent.errors import AgentError
from ground.errors import GroundError

EXIT_OK = 0
EXIT_LIMIT = 1
"""A gated figure is over its limit."""
EXIT_ERROR = 2
"""Nothing was measured."""

_ENDINGS = (signal.SIGTERM, signal.SIGINT)
_OUT = Path(__file__).resolve().parent / "out"


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    options = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    options.add_argument("--quick", action="store_true", help="fewer rounds, as in CI; no 99.9th percentiles")
    options.add_argument("--out", type=_folder, default=_OUT, metavar="DIR", help="folder of the JSON report")
    return options


def positive(text: str) -> int:
    """An option's whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {value}")
    return value


def run_command(measure: Callable[[], int]) -> int:
    """Run ``measure`` and give its exit code; SIGTERM and Ctrl-C end it through its ``finally`` blocks."""
    for number in _ENDINGS:
        signal.signal(number, _leave)
    try:
        return measure()
    except (BenchmarkError, GroundError, AgentError) as error:
        print(error, file=sys.stderr)
        return EXIT_ERROR


def _folder(text: str) -> Path:
    """An option's folder, made where it is missing: better an error now than after all the measuring."""
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"expected a folder, got {folder}: {error.strerror}") from error
    return folder


def _leave(number: int, _frame: FrameType | None) -> None:
    # A second signal must not cut the ``finally`` blocks short.
    for ending in _ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise SystemExit(128 + number)
