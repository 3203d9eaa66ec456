"""JSON as the bundle writes it: one reading only.

Two readers that disagree on a text are an opening: one checks a value, the other uses another one. So repeated keys,
numbers that are not finite or not exact, and text that is not Unicode are refused rather than interpreted.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, NoReturn

from edge_agent.errors import BundleFormatError

LARGEST_EXACT_INTEGER = 2**53 - 1
"""Beyond it, readers that keep numbers as float64 see another value (RFC 8259, section 6)."""


def parse_json(data: bytes, *, where: str) -> Any:
    """Parse ``data``, refusing what two readers could read differently.

    Args:
        data: UTF-8 text without a byte order mark.
        where: The file named in errors.

    Returns:
        Objects as dict, arrays as list, and str, int, float, bool, None.

    Raises:
        BundleFormatError: ``json_syntax``, ``json_duplicate_key``, ``json_number`` or ``json_text``.
    """
    try:
        text = data.decode("utf-8")
        document = json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(pairs, where),
            parse_float=lambda literal: _finite(literal, where),
            parse_int=lambda literal: _exact(literal, where),
            parse_constant=lambda literal: _refuse_number(literal, where),
        )
        canonical_json(document)
    except UnicodeError as error:
        raise BundleFormatError("json_text", f"{where}: expected UTF-8 text, got {error}; export it again") from error
    except (ValueError, RecursionError) as error:
        raise BundleFormatError("json_syntax", f"{where}: expected JSON, got {error}; export it again") from error
    return document


def is_schema(value: Any, *schemas: int) -> bool:
    """Whether ``value`` names such a version: an integer, not ``true`` or ``1.0``, which equal 1 as well."""
    return type(value) is int and value in schemas


def canonical_json(document: Any) -> bytes:
    """The one form of ``document``: sorted keys, no spaces, UTF-8, no escapes that UTF-8 does not need.

    Raises:
        ValueError: A number that is not finite, or text with a lone surrogate.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8")


def _unique(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        repeated = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise BundleFormatError(
            "json_duplicate_key", f"{where}: expected each key once, got {repeated[:64]!r} again; export it again"
        )
    return document


def _finite(literal: str, where: str) -> float:
    value = float(literal)
    return value if math.isfinite(value) else _refuse_number(literal, where)


def _exact(literal: str, where: str) -> int:
    # The digits are counted first: Python refuses to turn thousands of them into an int, with an error of its own.
    if len(literal) > len(str(-LARGEST_EXACT_INTEGER)) or abs(int(literal)) > LARGEST_EXACT_INTEGER:
        _refuse_number(literal, where)
    return int(literal)


def _refuse_number(literal: str, where: str) -> NoReturn:
    raise BundleFormatError(
        "json_number",
        f"{where}: expected finite numbers up to 2^53, got {literal[:32]}; export it again",
    )
