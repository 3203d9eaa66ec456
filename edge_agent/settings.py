"""Frozen dataclasses out of TOML tables: every key known, typed and in range, with defaults where there are any."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from edge_agent.errors import ConfigError

T = TypeVar("T")

_LOW = "low"
_HIGH = "high"
_KIND_NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}


def number(default: Any = dataclasses.MISSING, *, low: float, high: float) -> Any:
    """A field that holds a number from ``low`` to ``high``."""
    metadata = {_LOW: low, _HIGH: high}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def from_table(cls: type[T], table: Any, *, where: str, folder: Path) -> T:
    """Build ``cls`` from one TOML table; see ``checked_values`` and ``from_values``."""
    return from_values(cls, checked_values(cls, table, where=where, folder=folder), where=where)


def checked_values(cls: type[Any], table: Any, *, where: str, folder: Path) -> dict[str, Any]:
    """The values of a TOML table that may hold only some of the keys of ``cls``.

    Args:
        cls: A dataclass of texts, booleans, numbers, paths and tuples of texts or paths.
        table: The parsed table.
        where: Name of the table in errors; its keys are named ``where.key``.
        folder: Paths that are not absolute start here.

    Raises:
        ConfigError: An unknown key, a value of another type or out of range.
    """
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: expected a table [{where}], got {table!r}; write its keys below [{where}]")
    for key in table:
        if key not in fields:
            raise ConfigError(f"{where}.{key}: expected one of {', '.join(fields)}, got {key!r}; remove or rename it")
    values = {key: _value(hints[key], value, f"{where}.{key}", folder) for key, value in table.items()}
    for key, value in values.items():
        _check_range(fields[key], value, f"{where}.{key}")
    return values


def from_values(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Build ``cls`` from checked values.

    Raises:
        ConfigError: A key without a default is missing, or the values do not go together.
    """
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name not in values and not has_default(field):
            kind = kind_name(hints[field.name])
            raise ConfigError(f"{where}.{field.name}: expected {kind}, got nothing; add the key")
    return cls(**values)


def has_default(field: dataclasses.Field[Any]) -> bool:
    """Whether a key may be left out."""
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _value(kind: Any, value: Any, where: str, folder: Path) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise _wrong_type(kind, value, where)
        return tuple(_value(get_args(kind)[0], item, f"{where}[{index}]", folder) for index, item in enumerate(value))
    if kind is Path:
        return folder / _value(str, value, where, folder)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise _wrong_type(kind, value, where)
    return value


def _check_range(field: dataclasses.Field[Any], value: Any, where: str) -> None:
    if _LOW not in field.metadata:
        return
    low, high = field.metadata[_LOW], field.metadata[_HIGH]
    if not low <= value <= high:
        raise ConfigError(f"{where}: expected {low} to {high}, got {value!r}; choose another value")


def _wrong_type(kind: Any, value: Any, where: str) -> ConfigError:
    return ConfigError(f"{where}: expected {kind_name(kind)}, got {value!r}; correct the type")


def kind_name(kind: Any) -> str:
    """What a value of a type is called in errors."""
    if get_origin(kind) is tuple:
        return f"a list, each item {_KIND_NAMES[get_args(kind)[0]]}"
    return _KIND_NAMES[kind]
