"""Examples of `edge-agent`: one or more a command, each of them understood."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

import pytest

from edge_agent.cli_examples import EXAMPLES
from edge_agent.cli_parser import parser


def commands_of(command: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command that does something."""
    inner = [
        each
        for action in command._actions
        if isinstance(action, argparse._SubParsersAction)
        for each in action.choices.values()
    ]
    if not inner:
        yield command
    for each in inner:
        yield from commands_of(each)


COMMANDS = {command.prog.partition(" ")[2]: command for command in commands_of(parser())}


def test_every_command_has_an_example() -> None:
    """Add a line to edge_agent/cli_examples.py for each that is missing."""
    assert sorted(EXAMPLES) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_are_understood_and_shown(name: str) -> None:
    """As they stand, below the help."""
    shown = COMMANDS[name].format_help()
    for line in EXAMPLES[name]:
        program, *words = shlex.split(line)
        options = parser().parse_args(words)
        assert (program, name.split(maxsplit=1)[0]) == ("edge-agent", options.command)
        assert f"\n  {line}\n" in f"{shown}\n"
