"""Where the settings of an agent come from: agent.toml, drop-ins beside it, and the environment, in this order."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from edge_agent.errors import ConfigError
from edge_agent.settings import checked_values

DROP_INS = "conf.d"
"""Folder beside agent.toml; its ``*.toml`` are read in the order of their names."""
PREFIX = "EDGE_AGENT_"
"""``EDGE_AGENT_BROKER__HOST`` is ``broker.host``."""
DEFAULT = "default"

_SEPARATOR = "__"
_COMMENT_LINE = re.compile(r"^[ \t]*#.*", re.MULTILINE)
"""No other comment: a ``#`` behind something may stand in a string, as in a topic."""
_ESCAPE = re.compile(r"\\[uU]")

Sections = Mapping[str, type[Any]]


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings.

    Attributes:
        name: The file or the environment variable, as errors name it.
        document: Its tables.
    """

    name: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Merged:
    """Settings of all layers; a later one overrides an earlier one key by key, lists as a whole.

    Attributes:
        values: Checked values by section and key; sections that no layer names are missing.
        origins: Name of the layer that each ``section.key`` comes from.
        layers: Names of all layers, first to last.
    """

    values: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()

    def origin(self, key: str) -> str:
        """The layer that ``section.key`` comes from, or ``default``."""
        return self.origins.get(key, DEFAULT)


def read_layers(path: Path, environment: Mapping[str, str], sections: Sections) -> tuple[Layer, ...]:
    """Read all layers of an agent's config.

    Args:
        path: The main file; it must exist.
        environment: Variables; those that begin with ``EDGE_AGENT_`` count.
        sections: The dataclass of each table.

    Raises:
        ConfigError: A file is unreadable or no TOML, or a variable names no key.
    """
    files = [path, *_drop_ins(path.parent / DROP_INS)]
    return (*map(_read_file, files), *_variables(environment, sections))


def find_text(path: Path, environment: Mapping[str, str], section: str, key: str) -> str:
    """The last text that a config gives to a key, although it is wrong elsewhere; empty where there is none."""
    texts = [value for value in find_values(path, environment, section, key) if isinstance(value, str) and value]
    return texts[-1] if texts else ""


def find_values(path: Path, environment: Mapping[str, str], section: str, key: str, *, presumed: str = "") -> list[Any]:
    """What the layers of a config that is wrong elsewhere give to a key, unchecked, first to last.

    Args:
        path: As ``read_layers``.
        environment: As ``read_layers``.
        section: Name of the table.
        key: Name of the key.
        presumed: A text that a file which is no TOML gives to the key, too, where its lines say so.
    """
    values: list[Any] = []
    for file in (path, *sorted((path.parent / DROP_INS).glob("[!.]*.toml"))):
        try:
            table = _read_file(file).document.get(section)
        except ConfigError:
            if presumed and _says(file, key, presumed):
                values.append(presumed)
            continue
        if isinstance(table, dict) and key in table:
            values.append(table[key])
    variable = f"{PREFIX}{section}{_SEPARATOR}{key}".upper()
    return [*values, environment[variable]] if variable in environment else values


@dataclass(frozen=True, slots=True)
class Readable:
    """What can be read of a config that is wrong somewhere.

    Attributes:
        layers: Its layers, first to last.
        broken: Files that are no TOML.
    """

    layers: tuple[Layer, ...]
    broken: tuple[str, ...]


def read_tables(path: Path, environment: Mapping[str, str], sections: Sections) -> Readable:
    """Read some tables of a config that is wrong elsewhere.

    Args:
        path: As ``read_layers``.
        environment: As ``read_layers``.
        sections: The dataclass of each table that is wanted.

    Raises:
        ConfigError: A file is unreadable, or no TOML and names one of these tables; or as ``read_layers``.
    """
    layers: list[Layer] = []
    broken: list[str] = []
    for file in (path, *_drop_ins(path.parent / DROP_INS)):
        try:
            document = _read_file(file).document
        except ConfigError:
            if not _is_silent_on(sections, file):
                raise
            broken.append(str(file))
        else:
            layers.append(Layer(str(file), {name: table for name, table in document.items() if name in sections}))
    prefixes = tuple(f"{PREFIX}{name}{_SEPARATOR}".upper() for name in sections)
    wanted = {name: value for name, value in environment.items() if name.upper().startswith(prefixes)}
    return Readable((*layers, *_variables(wanted, sections)), tuple(broken))


def _says(file: Path, key: str, value: str) -> bool:
    """Whether a file that is no TOML has this text behind this key, however they are joined."""
    said = re.compile(rf"(?<![\w-]){key}\W+{re.escape(value)}(?![\w.-])")
    return bool(said.search(_uncommented(file) or ""))


def _is_silent_on(sections: Sections, file: Path) -> bool:
    """Whether none of these tables is named where a table or a key begins; what is spelled by escapes may be any."""
    text = _uncommented(file)
    if text is None:
        return False
    heads = re.compile(rf"(?:^|\[)\W*(?:{'|'.join(sections)})\b", re.MULTILINE)
    return not (heads.search(text) or _ESCAPE.search(text))


def _uncommented(file: Path) -> str | None:
    """The text of a file without its lines of comment; None where it is no text."""
    try:
        return _COMMENT_LINE.sub("", file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError):
        return None


def merge(layers: tuple[Layer, ...], sections: Sections, folder: Path) -> Merged:
    """Check each layer and lay them over each other.

    Args:
        layers: First to last.
        sections: The dataclass of each table.
        folder: Paths that are not absolute start here.

    Raises:
        ConfigError: A layer holds an unknown table or key, or a value of another type or out of range.
    """
    values: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        for section, found in _checked(layer, sections, folder):
            values.setdefault(section, {}).update(found)
            origins.update({f"{section}.{key}": layer.name for key in found})
    return Merged(values, origins, tuple(layer.name for layer in layers))


def _checked(layer: Layer, sections: Sections, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for section, table in layer.document.items():
        try:
            kind = _section(section, sections)
            yield section, checked_values(kind, table, where=section, folder=folder)
        except ConfigError as error:
            raise ConfigError(f"{layer.name}: {error}") from error


def _section(name: str, sections: Sections) -> type[Any]:
    if name not in sections:
        raise ConfigError(
            f"{name}: expected only the tables {', '.join(sections)}, got {name!r}; remove it, or move the key"
        )
    return sections[name]


def _drop_ins(folder: Path) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{folder}: expected a readable folder, got {error.strerror}; check it") from error
    # Hidden files are what editors and package managers leave while they write.
    return [each for each in files if each.suffix == ".toml" and not each.name.startswith(".")]


def _read_file(path: Path) -> Layer:
    try:
        return Layer(str(path), tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable file, got {error.strerror}; check the path") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: expected TOML, got {error}; correct the line") from error


def _variables(environment: Mapping[str, str], sections: Sections) -> Iterator[Layer]:
    for variable in sorted(name for name in environment if name.startswith(PREFIX)):
        section, separator, key = variable.removeprefix(PREFIX).lower().partition(_SEPARATOR)
        if section not in sections or not separator:
            known = ", ".join(f"{PREFIX}{name.upper()}{_SEPARATOR}KEY" for name in sections)
            raise ConfigError(f"{variable}: expected one of {known}, got another name; unset or rename it")
        value = _value(environment[variable], get_type_hints(sections[section]).get(key, str), variable)
        yield Layer(variable, {section: {key: value}})


def _value(text: str, kind: Any, variable: str) -> Any:
    """A text or path as it is; anything else as TOML writes it: ``1883``, ``true``, ``["OO-ABC/1"]``."""
    if kind in (str, Path):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError as error:
        raise ConfigError(
            f"{variable}: expected a TOML value, got {text!r}; write 1883, true or ['OO-ABC/1']"
        ) from error
