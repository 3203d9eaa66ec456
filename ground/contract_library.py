"""The rules that the Open Data Contract Standard defines: types, options, and quality metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from open_data_contract_standard.model import DataQuality, SchemaProperty

from ground.contract_file import stated_keys
from ground.contract_rule import Find, Rule, broken, known, numbers
from ground.errors import ContractError

_CORRECT = "correct the recordings, or the contract if they are right"
_PERCENT = "percent"
_UNITS = ("rows", _PERCENT)

Operator = Callable[[float, Any], bool]
_OPERATORS: Mapping[str, tuple[str, Operator]] = {
    "mustBe": ("exactly", lambda value, limit: value == limit),
    "mustNotBe": ("anything but", lambda value, limit: value != limit),
    "mustBeGreaterThan": ("more than", lambda value, limit: value > limit),
    "mustBeGreaterOrEqualTo": ("at least", lambda value, limit: value >= limit),
    "mustBeLessThan": ("less than", lambda value, limit: value < limit),
    "mustBeLessOrEqualTo": ("at most", lambda value, limit: value <= limit),
    "mustBeBetween": ("between", lambda value, limits: limits[0] <= value <= limits[1]),
    "mustNotBeBetween": ("not between", lambda value, limits: not limits[0] <= value <= limits[1]),
}
_LIMITS: Mapping[str, tuple[str, Callable[[NDArray[Any], float], NDArray[np.bool_]]]] = {
    "minimum": ("at least", np.less),
    "maximum": ("at most", np.greater),
    "exclusiveMinimum": ("more than", np.less_equal),
    "exclusiveMaximum": ("less than", np.greater_equal),
}
_FLAGS = ("required", "unique")
_UNCHECKED = frozenset({"enum", "relationships", "properties", "items", "map"})


def type_rule(part: SchemaProperty, where: str, *, of_text: bool) -> Rule:
    """The rule of a property's ``logicalType``.

    Args:
        part: The property.
        where: Its place in the contract, for errors.
        of_text: Whether the table comes as text, as an index does: then text that reads as a number is one.

    Raises:
        ContractError: A type that we do not check.
    """
    if part.logicalType is None or part.logicalType not in _TYPES:
        raise ContractError(
            f"{where}.logicalType: expected one of {', '.join(_TYPES)}, got {part.logicalType!r}; correct the contract"
        )
    expected, find, find_in_text = _TYPES[part.logicalType]
    return Rule("type", expected, "convert the column", find_in_text if of_text else find)


def property_rules(part: SchemaProperty, where: str) -> tuple[Rule, ...]:
    """The rules of a property's flags and ``logicalTypeOptions``.

    Raises:
        ContractError: An option that we do not check.
    """
    unchecked = sorted(set(stated_keys(part)) & _UNCHECKED)
    if unchecked:
        raise ContractError(
            f"{where}: expected no {', '.join(unchecked)}, got some, which would not be checked; "
            "state it as quality of type library"
        )
    rules = [_FLAG_RULES[flag] for flag in _FLAGS if getattr(part, flag)]
    options = part.logicalTypeOptions or {}
    known_options = ("pattern",) if part.logicalType == "string" else tuple(_LIMITS)
    unknown = sorted(set(options) - set(known_options))
    if unknown:
        raise ContractError(
            f"{where}.logicalTypeOptions: expected {', '.join(known_options)}, got {', '.join(unknown)}; "
            "it would not be checked: remove it"
        )
    return (
        *rules,
        *(_option_rule(name, value, f"{where}.logicalTypeOptions.{name}") for name, value in options.items()),
    )


def metric_rule(part: DataQuality, where: str) -> Rule:
    """The rule of one quality metric of the standard's library.

    Raises:
        ContractError: A metric, an operator or an argument that we do not check.
    """
    name, limit = _operator(part, where)
    if part.metric is None or part.metric not in _METRICS:
        raise ContractError(f"{where}.metric: expected one of {', '.join(_METRICS)}, got {part.metric!r}; correct it")
    if part.unit not in (None, *_UNITS):
        raise ContractError(f"{where}.unit: expected one of {', '.join(_UNITS)}, got {part.unit!r}; correct it")
    argument, what, measure = _METRICS[part.metric]
    arguments = part.arguments or {}
    if set(arguments) - {argument} or (argument == "validValues" and argument not in arguments):
        raise ContractError(f"{where}.arguments: expected {argument or 'none'}, got {arguments}; correct the contract")
    unit = part.unit or _UNITS[0]
    words, holds = _OPERATORS[name]
    expected = f"{words} {limit} {unit} {what}" + (f" {', '.join(map(str, arguments[argument]))}" if arguments else "")
    find = partial(_measure, measure, arguments.get(argument, ()), unit, partial(_holds, holds, limit))
    return Rule(part.name or part.metric, expected, part.description or _CORRECT, find)


def _operator(part: DataQuality, where: str) -> tuple[str, Any]:
    stated = [name for name in stated_keys(part) if name in _OPERATORS]
    if len(stated) != 1:
        raise ContractError(
            f"{where}: expected one of {', '.join(_OPERATORS)}, got {', '.join(stated) or 'none'}; correct the contract"
        )
    limit = getattr(part, stated[0])
    numbers_only = limit if isinstance(limit, list) else [limit]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers_only):
        raise ContractError(f"{where}.{stated[0]}: expected numbers, got {limit!r}; correct the contract")
    return stated[0], limit


def _holds(operator: Operator, limit: Any, value: float) -> bool:
    return operator(value, limit)


def _measure(
    measure: Callable[[Any, Any], NDArray[np.bool_]],
    argument: Any,
    unit: str,
    holds: Callable[[float], bool],
    data: Any,
) -> str:
    rows = measure(data, argument)
    count = int(np.count_nonzero(rows))
    value = 100.0 * count / max(1, len(rows)) if unit == _PERCENT else count
    if holds(value):
        return ""
    shown = data if isinstance(data, pd.Series) else data.index.to_series()
    detail = broken(shown, rows) if measure is not _all_rows else ""
    return f"{value:g} {unit}" + (f": {detail}" if detail else "")


def _all_rows(data: Any, argument: Any) -> NDArray[np.bool_]:
    del argument
    return np.ones(len(data), dtype=np.bool_)


def _missing_rows(data: pd.Series, argument: Any) -> NDArray[np.bool_]:
    del argument
    return ~known(data)


def _invalid_rows(data: pd.Series, valid: Any) -> NDArray[np.bool_]:
    values = data if data.dtype.kind not in "fiu" else pd.Series(numbers(data))
    return np.asarray(~values.isin(list(valid))) & known(data)


def _duplicate_rows(data: Any, columns: Any) -> NDArray[np.bool_]:
    if isinstance(data, pd.DataFrame):
        return np.asarray(data.reindex(columns=list(columns)).duplicated() if columns else data.duplicated())
    return np.asarray(data.duplicated()) & known(data)


_METRICS: Mapping[str, tuple[str, str, Callable[[Any, Any], NDArray[np.bool_]]]] = {
    "rowCount": ("", "in all", _all_rows),
    "nullValues": ("", "without a value", _missing_rows),
    "missingValues": ("", "without a value", _missing_rows),
    "invalidValues": ("validValues", "with a value other than", _invalid_rows),
    "duplicateValues": ("properties", "that repeat another in", _duplicate_rows),
}


def _option_rule(name: str, value: Any, where: str) -> Rule:
    if name == "pattern":
        try:
            pattern = re.compile(str(value))
        except re.error as error:
            raise ContractError(f"{where}: expected a regular expression, got {error}; correct it") from error
        return Rule("pattern", f"text like {value}", _CORRECT, partial(_find_unlike, pattern))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ContractError(f"{where}: expected a number, got {value!r}; correct the contract")
    words, outside = _LIMITS[name]
    return Rule(
        name, f"{words} {value}", "check unit and scale of the recording", partial(_find_outside, outside, value)
    )


def _find_outside(outside: Callable[[Any, float], NDArray[np.bool_]], limit: float, column: pd.Series) -> str:
    values = numbers(column)
    return broken(column, outside(values, limit) & np.isfinite(values))


def _find_unlike(pattern: re.Pattern[str], column: pd.Series) -> str:
    # Few different texts stand in millions of rows: match each once.
    unlike = [value for value in column.unique() if isinstance(value, str) and not pattern.fullmatch(value)]
    return broken(column, np.asarray(column.isin(unlike))) if unlike else ""


def _find_missing(column: pd.Series) -> str:
    return broken(column, ~known(column))


def _find_repeated(column: pd.Series) -> str:
    return broken(column, _duplicate_rows(column, ()))


def _find_no_number(column: pd.Series) -> str:
    return "" if column.dtype.kind in "fiu" else f"type {column.dtype}"


def _find_no_integer(column: pd.Series) -> str:
    return _find_no_number(column) or _find_fraction(column)


def _find_no_number_in_text(column: pd.Series) -> str:
    return broken(column, np.isnan(numbers(column)) & known(column))


def _find_no_integer_in_text(column: pd.Series) -> str:
    return _find_no_number_in_text(column) or _find_fraction(column)


def _find_fraction(column: pd.Series) -> str:
    values = numbers(column)
    return broken(column, (values != np.floor(values)) & known(column))


def _find_no_text(column: pd.Series) -> str:
    kind = column.cat.categories.dtype if isinstance(column.dtype, pd.CategoricalDtype) else column.dtype
    return "" if pd.api.types.is_string_dtype(kind) else f"type {kind}"


_TYPES: Mapping[str, tuple[str, Find, Find]] = {
    "string": ("text", _find_no_text, _find_no_text),
    "number": ("numbers", _find_no_number, _find_no_number_in_text),
    "integer": ("whole numbers", _find_no_integer, _find_no_integer_in_text),
}
_FLAG_RULES = {
    "required": Rule("required", "a value in each row", "fill it in", _find_missing),
    "unique": Rule("unique", "each value once", "rename or remove the repeated ones", _find_repeated),
}
