"""The man pages: up to date, whole, and good roff."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import get_type_hints

import pytest

from edge_agent.cli_parser import parser as command_line
from edge_agent.config import AgentConfig
from edge_agent.exit_code import ExitCode

# By path: the folder has the name of a library.
_SPEC = importlib.util.spec_from_file_location(
    "make_man", Path(__file__).resolve().parents[2] / "packaging" / "make_man.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
make_man = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(make_man)
MAN, PAGES = make_man.MAN, make_man.PAGES


@pytest.mark.parametrize("page", PAGES)
def test_up_to_date(page: str) -> None:
    """What is committed is what `make man` makes now."""
    assert (MAN / page).read_text() == make_man.make_pages()[page], "run `make man`"


def test_every_command_and_option() -> None:
    """Each command, and each of its options, is in the page; the code is the source."""
    text = (MAN / "edge-agent.8").read_text().replace("\\-", "-")
    parsers = list(make_man.commands_of(command_line()))
    assert len(parsers) >= 7
    for parser in parsers:
        assert f".SS {parser.prog.partition(' ')[2]}\n" in text
        for action in parser._actions:
            for option in action.option_strings:
                assert option in {"-h", "--help"} or f"\\fB{option}\\fR" in text


def test_every_key() -> None:
    """Each table and each key is in the page, and says something."""
    text = (MAN / "agent.toml.5").read_text()
    for name, kind in get_type_hints(AgentConfig).items():
        _, _, part = text.partition(f".SH [{name}]\n")
        for key in kind.__dataclass_fields__:
            assert f"\n.TP\n.B {key}\n" in part, f"{name}.{key}"


def test_every_exit_code_is_documented() -> None:
    """The table of the reference is the enumeration, number by number."""
    documented = [(int(number), name) for number, name, _ in make_man.exit_codes()]
    assert documented == [(code.value, code.name) for code in ExitCode]


LINTERS = {
    "mandoc": ("mandoc", "-T", "lint", "-W", "warning"),
    "groff": ("groff", "-man", "-Tutf8", "-ww", "-z"),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("linter", LINTERS)
def test_good_roff(page: str, linter: str) -> None:
    """Mandoc and groff have nothing to say."""
    if shutil.which(linter) is None:
        pytest.skip(f"{linter} is not installed")
    verdict = subprocess.run([*LINTERS[linter], str(Path(MAN) / page)], check=False, capture_output=True, text=True)
    assert (verdict.stdout + verdict.stderr, verdict.returncode) == ("", 0)
