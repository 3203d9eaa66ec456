"""docs/how-to/console.md says what the command understands, and what the console says."""

from __future__ import annotations

import re

import pytest
import typer

from ground.cli import app
from ground.console.accounts import IDLE_S, LONGEST_S
from ground.console.data.derived import FEW
from ground.console.login_limit import ATTEMPTS, SPAN_S
from ground.console.role import Role
from ground.console.settings import DAYS, PORT
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "how-to" / "console.md").read_text(encoding="utf-8")
LINES = re.findall(r"^    (ground console.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", LINES)
def test_commands_of_the_page_are_there(line):
    """With their options."""
    command, words = typer.main.get_command(app), line.split()[1:]
    while words[0] in getattr(command, "commands", ()):
        command, words = command.commands[words[0]], words[1:]
    known = {option for each in command.params for option in each.opts}
    assert set(re.findall(r"--[a-z-]+", line)) <= known


def test_the_page_has_commands():
    """They are found."""
    assert len(LINES) == 8


def test_numbers_of_the_page_are_those_of_the_code():
    """Whoever changes one changes the other."""
    assert (IDLE_S, LONGEST_S, ATTEMPTS, SPAN_S, DAYS, FEW) == (2 * 3_600, 12 * 3_600, 5, 300.0, 90, 5)
    assert f"http://127.0.0.1:{PORT}" in PAGE
    assert {role.value for role in Role} <= set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
