"""Frozen dataclasses out of parsed JSON: every field named, typed and present; nothing unknown."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from shared_features.errors import SpecError

T = TypeVar("T")


def from_mapping(cls: type[T], document: Any, *, where: str) -> T:
    """Build ``cls`` from a parsed JSON object.

    Args:
        cls: A dataclass whose fields are numbers, strings, booleans, tuples of those, or such dataclasses.
        document: The parsed object; lists stand for tuples.
        where: The place named in errors.

    Raises:
        SpecError: An unknown field, a missing one, or a value of another type.
    """
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if not isinstance(document, dict):
        raise SpecError(f"{where}: expected an object, got {type(document).__name__}; correct the file")
    unknown = sorted(set(document) - set(fields))
    if unknown:
        raise SpecError(
            f"{where}: expected only {', '.join(fields)}, got {', '.join(unknown)}; remove the unknown ones"
        )
    missing = [name for name in fields if name not in document]
    if missing:
        raise SpecError(f"{where}: expected {', '.join(missing)}, got nothing; add what is missing")
    return cls(**{name: _value(hints[name], document[name], f"{where}.{name}") for name in fields})


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_mapping(kind, value, where=where)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise SpecError(f"{where}: expected {kind.__name__}, got {value!r}; correct the type")
    return value


def _tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise SpecError(f"{where}: expected a list, got {value!r}; correct the type")
    if kinds[-1] is Ellipsis:
        return tuple(_value(kinds[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if len(value) != len(kinds):
        raise SpecError(f"{where}: expected {len(kinds)} values, got {len(value)}; correct the list")
    return tuple(
        _value(kind, item, f"{where}[{index}]") for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )
