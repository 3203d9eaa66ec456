"""Programs that a benchmark starts, and that never outlive it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError

_STOP_TIMEOUT_S = 10.0
_LOG_TAIL = 2_000


@dataclass(frozen=True, slots=True)
class Program:
    """A running program.

    Attributes:
        name: What errors call it.
        process: The process.
        log: Where its output goes.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check_alive(self) -> None:
        """Raise BenchmarkError, with the end of its output, when it has ended."""
        if self.process.poll() is not None:
            raise self.failed(f"to run, got exit code {self.process.returncode}")

    def failed(self, expectation: str) -> BenchmarkError:
        """An error that ends with the last words of the program."""
        tail = self.log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:].strip()
        return BenchmarkError(f"{self.name}: expected it {expectation}; its last words:\n{tail or '(none)'}")


@contextmanager
def running(name: str, command: Sequence[str], folder: Path) -> Iterator[Program]:
    """Start a program and stop it in the end, whatever happens in between.

    Args:
        name: What errors and its log are called.
        command: The program and its arguments.
        folder: Receives its output.
    """
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Program(name, process, log)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
