"""Settings as TOML, with where each value comes from. The standard library reads TOML and does not write it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from edge_agent.settings import has_default, kind_name

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.config_layers import Merged, Sections

_COMMENT_COLUMN = 48


def config_toml(config: AgentConfig, merged: Merged) -> str:
    """The settings in force, each with its origin; reading it again gives the same config."""
    return "\n".join(_config_lines(config, merged)) + "\n"


def defaults_toml(sections: Sections) -> str:
    """Every key with its default; the keys that have none are commented out and say what is expected."""
    return "\n".join(_default_lines(sections)) + "\n"


def plain(value: Any) -> Any:
    """A setting as JSON has it."""
    if isinstance(value, tuple):
        return list(map(plain, value))
    return str(value) if isinstance(value, Path) else value


def _config_lines(config: AgentConfig, merged: Merged) -> Iterator[str]:
    for section in dataclasses.fields(config):
        yield f"[{section.name}]"
        for key, value in _items(getattr(config, section.name)):
            yield f"{f'{key} = {_text(value)}':{_COMMENT_COLUMN}}  # {merged.origin(f'{section.name}.{key}')}"
        yield ""


def _default_lines(sections: Sections) -> Iterator[str]:
    for name, section in sections.items():
        hints = get_type_hints(section)
        yield f"[{name}]"
        for each in dataclasses.fields(section):
            expected = f"# {each.name} = ...  # required: {kind_name(hints[each.name])}"
            yield f"{each.name} = {_text(each.default)}" if has_default(each) else expected
        yield ""


def _items(section: Any) -> Iterator[tuple[str, Any]]:
    for each in dataclasses.fields(section):
        yield each.name, getattr(section, each.name)


def _text(value: Any) -> str:
    # JSON writes texts, numbers, truth values and lists as TOML does, but for infinity, and that is no setting's value.
    return json.dumps(plain(value), ensure_ascii=False)
