"""The blocks of code of the pages, and what is said about each: who runs it, or why nobody does.

A comment right before a block speaks of that block, one right after the page's title of all its blocks:

    <!-- run by PATH -->          that file runs it (a test, or a script of CI), and names the page
    <!-- not run: WHY -->         nobody does
    <!-- file: PATH -->           the reader is to write it there
    <!-- part of PATH -->         it stands in that file, word for word

Without a comment a block of ``sh`` or ``python`` is run by tests/docs/test_pages_run.py, in its page's order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

RUN_BY, NOT_RUN, FILE, PART_OF = "run by", "not run:", "file:", "part of"
MARKS = (RUN_BY, NOT_RUN, FILE, PART_OF)
COMMANDS = frozenset({"sh", "python"})
"""Languages of what a reader types."""
LANGUAGES = COMMANDS | {"text", "toml", "yaml", "json", "conf", "diff"}
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^( *)```(\w*)\s*$")
_HOLDS = re.compile(r"[-*+] |\d+\. |!!! |\?\?\? ")
_COMMENT = re.compile(r"^<!-- (.*) -->$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        page: Where it stands.
        line: Number of its first line.
        language: What follows the fence; empty where nothing does.
        text: Its lines, without the indentation of the fence.
        mark: What is said about it: one of ``MARKS``, or empty.
        about: What follows the mark: a path or a reason.
    """

    page: Path
    line: int
    language: str
    text: str
    mark: str = ""
    about: str = ""

    @property
    def place(self) -> str:
        """For people, and as the name of a test."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page, in their order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    whole, said, after_title = "", "", False
    number = 0
    while number < len(lines):
        line = lines[number]
        comment, fence = _COMMENT.match(line.strip()), _FENCE.match(line)
        if fence:
            end = next(at for at in range(number + 1, len(lines)) if lines[at].strip() == "```")
            text = "".join(f"{each.removeprefix(fence[1])}\n" for each in lines[number + 1 : end])
            mark, about = _parts(said or whole)
            yield Block(page, number + 2, fence[2], text, mark, about)
            number = end
            said = ""
        elif comment and after_title:
            whole = comment[1]
        elif comment:
            said = comment[1]
        elif line.strip():
            said, after_title = "", line.startswith("# ")
        number += 1


def lines_of(page: Path, *programs: str) -> list[str]:
    """The commands of some programs in the blocks of ``sh`` of a page, in their order."""
    typed = "".join(block.text for block in blocks_of(page) if block.language == "sh").replace("\\\n", " ")
    return [line for line in typed.splitlines() if line.startswith(tuple(f"{each} " for each in programs))]


def indented_in(page: Path) -> Iterator[int]:
    """Numbers of the lines that are code by their indentation alone, outside of lists and of notes."""
    is_fenced, owner, before = False, "", ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        elif not is_fenced and line.strip():
            is_code = line.startswith("    ") and (not before.strip() or before.startswith("    "))
            if is_code and not _HOLDS.match(owner):
                yield number
            owner = owner if line.startswith(" ") else line
        before = line


def _parts(said: str) -> tuple[str, str]:
    mark = next((each for each in MARKS if said.startswith(each)), "")
    return mark, said.removeprefix(mark).strip() if mark else ""


ALL = [block for page in PAGES for block in blocks_of(page)]
