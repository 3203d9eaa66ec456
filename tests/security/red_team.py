"""The red-team table: every attack by number and name, and the files of tests that carries it out.

A test carries out a row when it is named after it (``test_46_rollback``, ``test_row_62_killed``), or when its docstring
begins with the row's number and a colon ("35: ..."), or with several of them ("61, 67: ...").
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[1]
BUNDLES: Final = ("security/test_red_team.py",)
UPDATES: Final = ("security/test_tuf_*.py",)
CRASHES: Final = ("faults/test_*.py", "edge/test_slots*.py")

_AUTHENTICITY = (
    "unsigned", "unknown key", "byte flip in each file", "body changed, signature kept", "wrong payloadType",
    "legacy predicate", "two signatures", "no hint", "duplicate JSON key", "NaN or Infinity as threshold",
    "signed ignore_paths", "low-order key", "revoked key", "signature of another bundle",
)  # fmt: skip
_FILES = (
    "extra file", "missing file", "../ entry", "absolute name", "symlink", "hardlink", "device or FIFO",
    "duplicate entry", "case-fold clash", "too many entries", "oversize or compressed archive", "setuid",
    "huge .npy header", ".npz bomb", "pickled array", "file swapped between verify and load",
)  # fmt: skip
_MODELS = (
    "external data", "external data by hardlink", "sparse external data", "custom operator domain", "memory bomb",
    "endless loop", "I/O schema mismatch", "golden mismatch or NaN output",
)  # fmt: skip
_POLICY = (
    "lower or equal sequence", "wrong feature spec", "wrong fleet", "agent too old", "expired", "sequence 2^63",
    "a failed digest offered again",
)  # fmt: skip
_UPDATES = (
    "rollback", "freeze", "mix-and-match", "endless data", "truncation", "slow drip", "under threshold",
    "delegate outside its path", "root under-signed", "root version gap", "stolen timestamp key rotated",
    "wiped cache and old repository", "clock 1970", "clock 2040", "USB pulled mid-copy",
)  # fmt: skip
_CRASHES = (
    "power cut at every step", "kill -9 at every step", "disk full", "one state copy corrupt", "both corrupt",
    "crash loop", "cut during rollback", "rot in the active slot", "fsync error",
)  # fmt: skip

_PLACES = (
    (_AUTHENTICITY + _FILES + _MODELS + _POLICY, BUNDLES),
    (_UPDATES, UPDATES),
    (_CRASHES, CRASHES),
)
NAMES: Final = tuple(name for names, _ in _PLACES for name in names)
"""Names of the rows; row 1 comes first."""

_NAMED = re.compile(r"test_(?:row_)?([0-9]{2})_")
_NUMBERED = re.compile(r"([0-9]{1,2}(?:(?:, | and |-)[0-9]{1,2})*): ")


def files_of(number: int) -> list[Path]:
    """The files of tests among which a row is carried out."""
    patterns = [patterns for names, patterns in _PLACES for _ in names][number - 1]
    return sorted(file for pattern in patterns for file in TESTS.glob(pattern))


def numbers_in(*files: Path) -> frozenset[int]:
    """Rows that the tests of some files say they carry out."""
    return frozenset(number for file in files for test in _tests(file) for number in _numbers_of(test))


def _tests(file: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def _numbers_of(test: ast.FunctionDef) -> set[int]:
    named = {int(match[1]) for match in [_NAMED.match(test.name)] if match}
    match = _NUMBERED.match(ast.get_docstring(test) or "")
    if match is None:
        return named
    spans = [part.split("-") for part in re.split(r", | and ", match[1])]
    return named | {number for span in spans for number in range(int(span[0]), int(span[-1]) + 1)}
