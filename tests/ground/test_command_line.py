"""What all commands of `ground` have in common: examples, JSON, colours, ends."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from ground import cli
from ground.cli import app
from ground.commands.examples import EXAMPLES
from ground.errors import GateError, GroundError
from ground.exit_code import MEANINGS, ExitCode
from tests.conftest import ROOT


def leaves(command: TyperGroup, above: str = "") -> Iterator[tuple[str, object]]:
    """Every command that does something, by its words."""
    for name, each in command.commands.items():
        if not isinstance(each, TyperGroup) or each.invoke_without_command:
            yield f"{above}{name}", each
        if isinstance(each, TyperGroup):
            yield from leaves(each, f"{above}{name} ")


LEAVES = dict(leaves(typer.main.get_command(app)))


def test_every_command_has_an_example() -> None:
    """Add a line to ground/commands/examples.py for each that is missing."""
    assert sorted(EXAMPLES) == sorted(LEAVES)


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_an_example_is_understood(line: str) -> None:
    """By the parser that the command has; and its help shows it."""
    program, *words = shlex.split(line)
    assert program == "ground"
    name = max((name for name in LEAVES if words[: len(name.split())] == name.split()), key=len)
    command = LEAVES[name]
    command.make_context(name, words[len(name.split()) :])
    assert f"  {line}" in command.epilog


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_every_command_says_what_it_is_for(name: str) -> None:
    """And what each of its options is for."""
    command = LEAVES[name]
    assert command.help
    silent = [each.name for each in command.params if not getattr(each, "help", "")]
    assert silent == []


def test_version() -> None:
    """As `edge-agent --version`, by `python -m ground` as well."""
    done = subprocess.run(
        [sys.executable, "-m", "ground", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"ground {version('enginear-ground')}\n"


def test_every_exit_code_has_a_meaning() -> None:
    """In the page of the command line."""
    assert list(MEANINGS) == list(ExitCode)


ENDS = [
    (GateError("gates: expected none to fail"), ExitCode.REFUSED, "error: gates: expected none to fail\n"),
    (GroundError("x: expected [bold]1[/bold]"), ExitCode.BAD_INPUT, "error: x: expected [bold]1[/bold]\n"),
    (FileNotFoundError(2, "No such file or directory", "w/x"), ExitCode.BAD_INPUT, "error: w/x: expected to read"),
    (KeyboardInterrupt(), ExitCode.INTERRUPTED, ""),
    (
        ZeroDivisionError("a\x1b[31mb"),
        ExitCode.UNEXPECTED,
        r"error: internal error: ZeroDivisionError: a\x1b[31mb (test_",
    ),
]


@pytest.mark.parametrize(("error", "code", "said"), ENDS, ids=[type(error).__name__ for error, _, _ in ENDS])
def test_no_traceback_reaches_a_person(monkeypatch, capsys, error, code, said) -> None:
    """Whatever a command raises ends with a line and a code."""

    def broken() -> None:
        raise error

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith(said)


SAY = (sys.executable, "-c", "from ground.terminal import say; say('error: [x]', style='red')")


def on_a_terminal(**environment: str) -> bytes:
    """What is said where the streams are a terminal."""
    ours, theirs = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    variables |= {"TERM": "xterm-256color", **environment}
    with subprocess.Popen(SAY, cwd=ROOT, stdout=theirs, stderr=theirs, env=variables) as process:
        os.close(theirs)
        shown = bytearray()
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # the other end is closed
            pass
        process.wait()
    os.close(ours)
    return bytes(shown)


def test_colours_are_for_terminals_alone() -> None:
    """And NO_COLOR (https://no-color.org) turns them off there."""
    assert b"\x1b[31m" in on_a_terminal()
    assert b"\x1b[" not in on_a_terminal(NO_COLOR="1")
    piped = subprocess.run(SAY, cwd=ROOT, capture_output=True, check=True)
    assert piped.stderr == b"error: [x]\n"


def test_completion_is_there() -> None:
    """As the page of the command line says; the script asks the command itself."""
    program = "import sys; sys.argv[0] = 'ground'; from ground.cli import main; main()"
    environment = {**os.environ, "_GROUND_COMPLETE": "source_bash"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    )
    assert "_GROUND_COMPLETE" in done.stdout


@pytest.mark.parametrize("arguments", [["flights-needed", "--json"], ["keys", "show", "KEYS", "--json"]])
def test_json_is_json(tmp_path: Path, arguments: list[str]) -> None:
    """And nothing else comes on standard output."""
    keys = str(tmp_path / "keys")
    run = CliRunner()
    assert run.invoke(app, ["keys", "new", "--out", keys, "--unencrypted"]).exit_code == 0
    done = run.invoke(app, [keys if word == "KEYS" else word for word in arguments])
    assert done.exit_code == 0
    assert json.loads(done.stdout)
