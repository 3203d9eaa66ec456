"""docs/how-to/console.md says what the command understands, and what the console says."""

from __future__ import annotations

import re

from ground.console.accounts import IDLE_S, LONGEST_S
from ground.console.data.derived import FEW
from ground.console.login_limit import ATTEMPTS, SPAN_S
from ground.console.role import Role
from ground.console.settings import DAYS, PORT
from tests.conftest import ROOT
from tests.docs.blocks import lines_of

PATH = ROOT / "docs" / "how-to" / "console.md"
PAGE = PATH.read_text(encoding="utf-8")


def test_the_page_has_commands():
    """They are found."""
    assert len(lines_of(PATH, "ground")) == 8


def test_numbers_of_the_page_are_those_of_the_code():
    """Whoever changes one changes the other."""
    assert (IDLE_S, LONGEST_S, ATTEMPTS, SPAN_S, DAYS, FEW) == (2 * 3_600, 12 * 3_600, 5, 300.0, 90, 5)
    assert f"http://127.0.0.1:{PORT}" in PAGE
    assert {role.value for role in Role} <= set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
