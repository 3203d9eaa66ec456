"""Make what is made from code: docs/reference/cli.md and config.md, and completion of `edge-agent` for bash."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

ROOT = Path(__file__).resolve().parents[1]

_CLI = """\
# Command lines

<!-- not run: each is parsed by tests/ground/test_command_line.py or tests/edge/test_cli_examples.py -->

`ground` runs on the ground, `edge-agent` on board. This page is made from what they understand (`make reference`).

- Results go to standard output, everything else to standard error. `--json` prints the result as one JSON document, and
  nothing else comes there; where an error comes instead of a result, nothing does. Names are those of the reports and
  records on disk.
- Every command of `ground` has `--json` that ends by itself and tells more than that it is done: a figure, a list, a
  path or an id. Those without one run until they are ended (`console`, `collect run`, `bridge sparkplug`), or only do
  what they were told (`console user add` and `remove`, `repo discard`, `pyfunc`). A stage tells `stage`, whether it
  `ran`, its `notes` and, by file, the sha256 of its `outputs`.
- Work that takes longer than a moment shows bars. Colours are for terminals alone, and `NO_COLOR=1` turns them off.
- An error says where, what was expected, what came, and what to do. No command prints a traceback.
- Passwords come from `--password-file`, else from `$GROUND_KEY_PASSWORD`, else a person at the terminal is asked.
- `ground --install-completion` teaches bash, zsh, fish or PowerShell to complete commands and options;
  `ground --show-completion` prints what it would add. For `edge-agent`, the Debian package brings completion for bash.

## Exit codes

Of `ground`:

| exit code | name | meaning |
| --- | --- | --- |
{ground_codes}

Those of `edge-agent` stand [with its commands](agent.md#commands).

## ground
{ground}

## edge-agent

Its [page](agent.md) tells what each command is for.
{edge}
"""

_CONFIG = """\
# The config of a detector

One YAML file says how a detector is made: `ground init` [writes one](init.md) for your recordings, `ground/configs/`
holds those of the demos. A key that is not known, a value out of its range and a contradiction are refused, with file
and key. What has a default may be left out. The settings of the agent are [another file](agent.md).

This page is made from the classes that read the file (`make reference`).
{sections}
"""


def make_pages() -> dict[str, str]:
    """The text of each file, by its path in the source tree."""
    return {
        "docs/reference/cli.md": cli_page(),
        "docs/reference/config.md": config_page(),
        "packaging/completion/edge-agent": completion(),
    }


def completion() -> str:
    """What bash completes after ``edge-agent``; a box needs nothing but the file for it."""
    import shtab

    from edge_agent.cli_parser import parser

    made = parser()
    for command in (made, *_commands_of(made)):
        for action in command._actions:  # noqa: SLF001 - argparse has no other way to ask
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(made, shell="bash")  # noqa: S604 - the kind of script, no shell is started


def _commands_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - same
            for command in action.choices.values():
                yield command
                yield from _commands_of(command)


def cli_page() -> str:
    """Every command of both programs."""
    import typer

    from edge_agent.cli_parser import parser
    from ground.cli import app
    from ground.exit_code import MEANINGS

    codes = "\n".join(f"| {code.value} | {code.name} | {meaning} |" for code, meaning in MEANINGS.items())
    ground = "\n".join(_ground_commands(typer.main.get_command(app), "ground"))
    return _CLI.format(ground_codes=codes, ground=ground, edge="\n".join(_edge_commands(parser())))


def config_page() -> str:
    """Every key of the config."""
    from ground.config import Config

    return _CONFIG.format(sections="\n".join(_sections(Config, "")))


def _ground_commands(command: Any, path: str) -> Iterator[str]:
    for name, each in command.commands.items():
        is_group = hasattr(each, "commands")
        if not is_group or each.invoke_without_command:
            context = each.make_context(name, [], resilient_parsing=True)
            records = [_record(param, context) for param in each.params if param.name != "help"]
            examples = (each.epilog or "").splitlines()[2:]
            yield from _section(f"{path} {name}", each.help, records, examples)
        if is_group:
            yield from _ground_commands(each, f"{path} {name}")


def _record(param: Any, context: Any) -> tuple[str, str]:
    shown = param.get_help_record(context)
    if shown is None:
        raise SystemExit(f"{context.info_name}: expected a help text for {param.name}, got none; write one")
    return shown


def _edge_commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    from edge_agent.cli_examples import EXAMPLES

    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - same
            for command in action.choices.values():
                inner = list(_edge_commands(command))
                yield from inner
                if not inner:
                    examples = EXAMPLES.get(command.prog.partition(" ")[2], ())
                    yield from _section(command.prog, command.description, _edge_records(command), examples)


def _edge_records(command: argparse.ArgumentParser) -> list[tuple[str, str]]:
    return [
        (_edge_name(action), f"{action.help}{_edge_default(action)}")
        for action in command._actions  # noqa: SLF001 - argparse has no other way to ask
        if not isinstance(action, argparse._HelpAction)  # noqa: SLF001 - same
    ]


def _edge_name(action: argparse.Action) -> str:
    value = "|".join(map(str, action.choices)) if action.choices else action.metavar or action.dest.upper()
    shown = "" if action.nargs == 0 else f" {value}"
    return f"{', '.join(action.option_strings)}{shown}".strip()


def _edge_default(action: argparse.Action) -> str:
    if action.required:
        return "  [required]"
    has_default = action.nargs != 0 and action.default not in {None, ""}
    return f"  [default: {action.default}]" if has_default else ""


def _section(
    title: str, purpose: str | None, records: Iterable[tuple[str, str]], examples: Iterable[str]
) -> Iterator[str]:
    yield f"\n### {title}\n"
    yield " ".join((purpose or "").split())
    rows = list(records)
    if rows:
        yield "\n| | |\n| --- | --- |"
        yield from (f"| `{_cell(name)}` | {_text(text)} |" for name, text in rows)
    lines = [line.strip() for line in examples]
    if lines:
        yield "\n```sh"
        yield from lines
        yield "```"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("list[Path]", "path")


def _text(text: str) -> str:
    """Of a cell, outside its code, where angle brackets are HTML."""
    pieces = _cell(text).split("`")
    return "`".join(piece.replace("<", "&lt;") if index % 2 == 0 else piece for index, piece in enumerate(pieces))


def _sections(kind: type, path: str) -> Iterator[str]:
    """A table of the plain keys of a section, then those of the sections in it."""
    documented = attributes_of(kind)
    yield f"\n## {path or 'Top level'}\n"
    yield _first_line(kind)
    yield "\n| key | type | default | meaning |\n| --- | --- | --- | --- |"
    inner = []
    for name, field in kind.model_fields.items():  # type: ignore[attr-defined]
        key = field.alias or name
        if name not in documented:
            raise SystemExit(f"{kind.__name__}.{name}: expected a line of its docstring, got none; write one")
        section, is_list = _section_of(field.annotation)
        cells = (f"`{key}`", _type(field.annotation, field.metadata), _default(field), _markdown(documented[name]))
        yield f"| {' | '.join(cells)} |"
        if section is not None:
            inner.append((section, f"{path}.{key}".lstrip(".") + ("[]" if is_list else "")))
    for section, place in inner:
        yield from _sections(section, place)


def attributes_of(kind: type) -> dict[str, str]:
    """What the docstring of a class says of its attributes, and before that of the class that it refers to."""
    text = inspect.getdoc(kind) or ""
    found: dict[str, str] = {}
    for name in re.findall(r"see ``([\w.]+\.[A-Z]\w+)``", text):
        module, _, referred = name.rpartition(".")
        found |= attributes_of(getattr(importlib.import_module(module), referred))
    last = ""
    for line in text.partition("Attributes:\n")[2].splitlines():
        match = re.match(r"    (\w+): (.+)$", line)
        if match:
            last = match[1]
            found[last] = match[2]
        elif last and line.startswith("        "):
            found[last] += f" {line.strip()}"
        else:
            last = ""
    return found


def _first_line(kind: type) -> str:
    text = (inspect.getdoc(kind) or "").partition("Attributes:")[0]
    return _markdown(" ".join(re.sub(r"; see ``[\w.]+``", "", text).split()))


def _section_of(annotation: Any) -> tuple[type | None, bool]:
    from ground.features_config import Section

    parts = get_args(annotation) if get_origin(annotation) is tuple else (annotation,)
    kind = next((each for each in parts if inspect.isclass(each) and issubclass(each, Section)), None)
    return kind, get_origin(annotation) is tuple


def _type(annotation: Any, limits: Iterable[Any] = ()) -> str:
    shown = _plain_type(annotation)
    bounds = [_bound(limit) for limit in limits]
    return "".join([shown, *(f", {bound}" for bound in bounds if bound)])


def _plain_type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " \\| ".join(f"`{each}`" for each in parts)
    if origin in {Union, types.UnionType}:
        return " \\| ".join(_type(each) for each in parts if each is not types.NoneType)
    if origin is typing.Annotated:
        return _type(parts[0], parts[1].metadata)
    if origin is tuple and parts[-1] is Ellipsis:
        return f"list of {_type(parts[0])}"
    if origin is tuple:
        return f"[{', '.join(_type(each) for each in parts)}]"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return names.get(annotation, "section" if _section_of(annotation)[0] else annotation.__name__)


def _bound(limit: Any) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    for name, sign in signs.items():
        if (value := getattr(limit, name, None)) is not None:
            return f"{sign} {value}"
    if (pattern := getattr(limit, "pattern", None)) is not None:
        return f"`{pattern}`"
    length = getattr(limit, "min_length", None)
    return "" if length is None else f"{length} or more"


def _default(field: Any) -> str:
    from ground.features_config import Section

    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, Section):
        return ""
    if value is None or (isinstance(value, str | tuple | dict) and not value):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`[{', '.join(map(str, value))}]`" if isinstance(value, tuple) else f"`{value}`"


def _markdown(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    for path, text in make_pages().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
