"""Exit codes of ``ground``: stable, for scripts and for timers."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """How a command ended; documented in docs/reference/cli.md."""

    OK = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    REFUSED = 3
    PARTLY_FAILED = 4
    NOT_FOLLOWED = 5
    UNSIGNED = 6
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.OK: "done",
    ExitCode.UNEXPECTED: "a fault of ours; report it",
    ExitCode.BAD_INPUT: "bad input: the command line, the config, a file, a key; the text says what to do",
    ExitCode.REFUSED: "the answer is no: a gate failed, a shadow is not ready, there is drift, the doctor warns",
    ExitCode.PARTLY_FAILED: "some recordings could not be read; the others are done",
    ExitCode.NOT_FOLLOWED: "not followed (`ground retrain`): nothing decides by that version, or another one waits",
    ExitCode.UNSIGNED: "done, but for a signature that is waited for",
    ExitCode.INTERRUPTED: "interrupted from the keyboard",
}
