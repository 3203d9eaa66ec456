"""Make the man pages: words from packaging/man/*.in, commands, keys and exit codes from the code and its reference."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

ROOT = Path(__file__).resolve().parents[1]
MAN = ROOT / "packaging" / "man"
REFERENCE = ROOT / "docs" / "reference" / "agent.md"
PAGES = ("edge-agent.8", "agent.toml.5")

_EXIT_CODE = re.compile(r"^\| (\d+) \| ([A-Z_]+) \| (.+) \|$", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^(\w+): (.+)$")
_CODE = re.compile(r"`+([^`]+)`+")
_WIDTH = 100


def make_pages() -> dict[str, str]:
    """The text of each page, by file name."""
    from edge_agent.cli_parser import parser as command_line
    from edge_agent.config import AgentConfig
    from edge_agent.version import AGENT_VERSION

    parts = {
        "VERSION": AGENT_VERSION,
        "SYNOPSIS": "\n.br\n".join(_synopsis(parser) for parser in commands_of(command_line())),
        "COMMANDS": "\n".join(_command(parser) for parser in commands_of(command_line())),
        "EXIT_STATUS": "\n".join(_exit_code(*row) for row in exit_codes()),
        "TABLES": "\n".join(_table(name, kind) for name, kind in get_type_hints(AgentConfig).items()),
    }
    return {page: _fill((MAN / f"{page}.in").read_text(encoding="utf-8"), parts) for page in PAGES}


def commands_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of all commands, in order, those of commands within commands after their own."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - same
            for command in action.choices.values():
                inner = list(commands_of(command))
                yield from inner or [command]


def exit_codes() -> list[tuple[str, str, str]]:
    """Number, name and meaning of each exit code, from the reference."""
    return _EXIT_CODE.findall(REFERENCE.read_text(encoding="utf-8"))


def attributes_of(kind: type) -> dict[str, str]:
    """What the docstring of a dataclass says of each of its attributes."""
    found: dict[str, str] = {}
    lines = (kind.__doc__ or "").partition("Attributes:")[2].splitlines()
    name = ""
    for line in lines:
        match = _ATTRIBUTE.match(line.strip()) if len(line) - len(line.lstrip()) == 8 else None  # noqa: PLR2004
        if match:
            name = match.group(1)
            found[name] = match.group(2)
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return found


def _synopsis(parser: argparse.ArgumentParser) -> str:
    words = [f".B {_escape(parser.prog)}"]
    words += [_usage(action) for action in _arguments(parser)]
    return "\n".join(words)


def _usage(action: argparse.Action) -> str:
    name = f"\\fB{_escape(action.option_strings[0])}\\fR " if action.option_strings else ""
    metavar = f"\\fI{_escape(_metavar(action))}\\fR" if action.nargs != 0 else ""
    text = f"{name}{metavar}".strip()
    return text if action.required else f"[{text}]"


def _metavar(action: argparse.Action) -> str:
    if action.choices:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def _command(parser: argparse.ArgumentParser) -> str:
    rows = [f".SS {_escape(parser.prog.partition(' ')[2])}", _prose(_sentence(_help_of(parser)))]
    for action in _arguments(parser):
        rows += [".TP", _usage(action).strip("[]"), _prose(_sentence(action.help or ""))]
    return "\n".join(rows)


def _sentence(text: str) -> str:
    is_name = "." in text.partition(" ")[0]
    return f"{text if is_name else text[:1].upper() + text[1:]}."


def _help_of(parser: argparse.ArgumentParser) -> str:
    """The line of help that its own parser does not keep."""
    from edge_agent.cli_parser import parser as command_line

    return next(_helps(command_line(), parser.prog), "")


def _helps(parser: argparse.ArgumentParser, prog: str) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - same
            for choice in action._choices_actions:  # noqa: SLF001 - same
                command = action.choices[choice.dest]
                if command.prog == prog:
                    yield choice.help or ""
                yield from _helps(command, prog)


def _arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]  # noqa: SLF001 - same


def _exit_code(number: str, name: str, meaning: str) -> str:
    return f".TP\n.B {number}\n{_prose(f'{name}: {meaning}.')}"


def _table(name: str, kind: Any) -> str:
    title = (kind.__doc__ or "").splitlines()[0].partition(": ")[2]
    meanings = attributes_of(kind)
    rows = [f".SH [{name}]", _prose(title[:1].upper() + title[1:])]
    for field in dataclasses.fields(kind):
        rows += [".TP", f".B {_escape(field.name)}", _prose(f"{meanings[field.name]} {_bounds(field)}")]
    return "\n".join(rows)


def _bounds(field: dataclasses.Field[Any]) -> str:
    limits = f"From {field.metadata['low']} to {field.metadata['high']}. " if "low" in field.metadata else ""
    if field.default is dataclasses.MISSING:
        return f"{limits}Required."
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    shown = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else value
    return f"{limits}Default: {shown if shown != '' else 'empty'}."


def _fill(template: str, parts: dict[str, str]) -> str:
    for name, text in parts.items():
        template = template.replace(f"@{name}@", text)
    return template


def _prose(text: str) -> str:
    """Text as roff: escaped, code in bold, a line a sentence where that is easy."""
    escaped = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    pieces = _CODE.split(escaped)
    marked = "".join(
        _escape(piece) if index % 2 == 0 else f"\\fB{_escape(piece)}\\fR" for index, piece in enumerate(pieces)
    )
    return "\n".join(line if line[:1] not in {".", "'"} else f"\\&{line}" for line in _wrap(marked))


def _wrap(text: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


def _escape(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


if __name__ == "__main__":
    for page, text in make_pages().items():
        (MAN / page).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{MAN / page}\n")
