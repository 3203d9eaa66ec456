"""No block of the pages is unaccounted for, and no page names a command, an option or a target that is not there."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from edge_agent.cli_parser import parser
from ground.cli import app
from tests.conftest import ROOT
from tests.docs.blocks import (
    ALL,
    COMMANDS,
    FILE,
    LANGUAGES,
    NOT_RUN,
    PAGES,
    PART_OF,
    RUN_BY,
    Block,
    blocks_of,
    indented_in,
)
from tests.edge.test_cli_examples import COMMANDS as EDGE_COMMANDS

PROGRAMS = ("ground", "edge-agent")
ENDS = {"|", "||", "&&", ";", "&", ">", ">>", "2>", "<", "#"}
"""Words after which another command or no argument comes."""
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
SYNOPSIS = re.compile(r"\\?\||\[|\]|<|>")


COMMAND = typer.main.get_command(app)


def named(blocks: list[Block]) -> list[object]:
    """Blocks as parameters of a test."""
    return [pytest.param(block, id=block.place) for block in blocks]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_its_language(page: Path) -> None:
    """`sh` and `python` are what a reader types, `text` is what a program prints."""
    wrong = [f"{block.place}: {block.language!r}" for block in blocks_of(page) if block.language not in LANGUAGES]
    assert wrong == [], f"expected one of {', '.join(sorted(LANGUAGES))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_is_fenced(page: Path) -> None:
    """Code by indentation has no language and no mark, so nobody could say who runs it."""
    wrong = [f"{page.relative_to(ROOT)}:{number}" for number in indented_in(page)]
    assert wrong == [], "expected code between fences (```), with its language"


def test_code_by_indentation_is_seen(tmp_path: Path) -> None:
    """But for what belongs to a list, to a note, or to a fence."""
    page = tmp_path / "page.md"
    held = "- a\n\n    of a\n\n!!! note\n\n    n\n\n```sh\nif\n\n    x\n```\n\nText\n    goes on\n"
    page.write_text(f"# P\n\n    ls\n    pwd\n\n{held}")
    assert list(indented_in(page)) == [3, 4]


@pytest.mark.parametrize("block", named([block for block in ALL if block.mark == RUN_BY]))
def test_who_is_said_to_run_it_is_there(block: Block) -> None:
    """And knows the page, by its name."""
    runner = ROOT / block.about
    assert runner.is_file(), f"{block.place}: expected a file that runs it, got {block.about}"
    assert block.page.name in runner.read_text(encoding="utf-8"), (
        f"{block.place}: expected {block.about} to name {block.page.name}"
    )


@pytest.mark.parametrize("block", named([block for block in ALL if block.mark in {NOT_RUN, FILE, PART_OF}]))
def test_what_is_said_of_it_holds(block: Block) -> None:
    """A reason is a reason; a part of a file is one, word for word."""
    assert block.about
    for path in re.findall(r"\b(?:tests|docs)/[\w/.-]*\w", block.about):
        assert (ROOT / path).exists(), f"{block.place}: expected a file, got {path}"
    if block.mark == PART_OF:
        assert block.text in (ROOT / block.about).read_text(encoding="utf-8")


PARSERS = {"python": ast.parse, "json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}


@pytest.mark.parametrize("block", named([block for block in ALL if block.language in PARSERS]))
def test_it_is_well_formed(block: Block) -> None:
    """Whoever copies it must not meet a syntax error."""
    PARSERS[block.language](block.text)


def command_lines(page: Path) -> set[str]:
    """Each command of ours on a page: in blocks, and in code within the text."""
    lines = page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    inline = {each for line in lines for each in re.findall(r"`((?:ground|edge-agent) [^`]+)`", line)}
    return inline | {line.strip() for line in lines if re.match(r"\s*(?:ground|edge-agent) [a-z-]+", line)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_their_options_are_there(page: Path) -> None:
    """A page of options that are gone helps nobody."""
    for line in sorted(command_lines(page)):
        program, words = words_of(line)
        known = options_of(program, words)
        asked = {re.split(r"[=,;:.)]", word)[0] for word in words if word.startswith("--")}
        assert asked <= known | {"--help"}, f"{program} {' '.join(words)}: expected its options, got {asked - known}"


def words_of(line: str) -> tuple[str, list[str]]:
    """The program and its words, up to a pipe or a comment; a synopsis without its brackets."""
    plain = SYNOPSIS.sub(" ", line) if "[" in line else line
    try:
        words = shlex.split(plain, comments=True)
    except ValueError:
        words = plain.split()
    end = next((at for at, word in enumerate(words) if word in ENDS), len(words))
    return words[0], words[1:end]


def options_of(program: str, words: list[str]) -> set[str]:
    """The options of the command, or of all commands of the group that the words lead to."""
    if program == "edge-agent":
        name = next((name for name in EDGE_COMMANDS if words[: len(name.split())] == name.split()), "")
        group = [command for each, command in EDGE_COMMANDS.items() if each.split()[0] == words[0].split("|")[0]]
        chosen = [EDGE_COMMANDS[name]] if name else group
        assert chosen or words[0].startswith("-"), f"edge-agent {words[0]}: expected a command"
        return {option for each in (*chosen, parser()) for action in each._actions for option in action.option_strings}
    command, rest = COMMAND, words
    known = {option for each in command.params for option in each.opts}
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest[0].strip(",.;:")
        if name not in command.commands:
            names = set(re.split(r"[|,/]", name))
            assert names <= set(command.commands), f"ground {' '.join(words)}: expected a command, got {name}"
            return known | {option for each in names for one in command.commands[each].params for option in one.opts}
        command, rest = command.commands[name], rest[1:]
        known |= {option for each in command.params for option in each.opts}
    return known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_knows_what_it_is_asked_for(page: Path) -> None:
    """In blocks and in the text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks_of(page) if block.language in COMMANDS for line in block.text.splitlines()]
    lines += re.findall(r"`(make [^`]+)`", text.replace("\n", " "))
    asked = {
        word
        for line in lines
        if line.startswith("make ")
        for word in line.partition("#")[0].split()[1:]
        if re.fullmatch(r"[a-z][a-z0-9-]*", word)
    }
    assert asked <= TARGETS
