"""The page says what the command understands, and what the tests' broker is set to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from ground.cli import app
from tests.ground.collect.test_collector import SETTINGS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "collect.md").read_text()
LINES = re.findall(r"^    (ground collect .*)$", PAGE, re.MULTILINE)


def test_the_broker_is_set_as_the_page_says():
    """Else the tests would prove it of another broker."""
    assert set(SETTINGS) <= {line.strip() for line in PAGE.splitlines()}


@pytest.mark.parametrize("line", LINES)
def test_options_of_the_page_are_the_commands(line):
    """A page of options that are gone helps nobody."""
    command = typer.main.get_command(app)
    for name in line.split()[1:3]:
        command = command.commands[name]
    known = {option for each in command.params for option in each.opts}
    assert set(re.findall(r"--[a-z-]+", line)) <= known


def test_the_page_has_commands():
    """They are found."""
    assert len(LINES) == 2
