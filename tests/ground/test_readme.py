"""README.md: its commands, files and links are there, and the way to the fleet is the one of the how-to pages."""

from __future__ import annotations

import re

import pytest
import typer

from ground.cli import app
from tests.conftest import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```(?:sh|text)\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
GROUND = [line for line in LINES if line.startswith("ground ")]
FLEET = TEXT[TEXT.index("## From the ground to the fleet") : TEXT.index("## On board")]
TO_THE_FLEET = re.findall(r"```sh\n(.*?)```", FLEET, re.DOTALL)[0].splitlines()
LINKS = re.findall(r"\]\(([^)]+)\)", TEXT)


@pytest.mark.parametrize("line", GROUND)
def test_command_is_there(line: str) -> None:
    """With the options that are named."""
    command, words = typer.main.get_command(app), line.split()[1:]
    while words[0] in getattr(command, "commands", ()):
        command, words = command.commands[words[0]], words[1:]
    known = {option for each in command.params for option in each.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_way_to_the_fleet_is_that_of_the_pages() -> None:
    """Each of its commands stands on a page of docs/how-to, word for word."""
    pages = {line.strip() for page in (ROOT / "docs" / "how-to").glob("*.md") for line in page.read_text().splitlines()}
    assert len(TO_THE_FLEET) == 5
    assert [line for line in TO_THE_FLEET if line not in pages] == []


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_link_leads_somewhere(link: str) -> None:
    """The file is there, and so is the heading in it."""
    path, _, heading = link.partition("#")
    assert (ROOT / path).is_file()
    text = (ROOT / path).read_text(encoding="utf-8") if path.endswith(".md") else ""
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    anchors = set(re.findall(r"""(?:\{#|id=")([\w-]+)""", text))
    assert not heading or heading in headings | anchors


def test_make_knows_what_it_is_asked_for() -> None:
    """Every ``make something`` is a target."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {name for names in re.findall(r"`make ([a-z0-9 -]+)", TEXT.replace("\n", " ")) for name in names.split()}
    assert asked
    assert asked <= targets
