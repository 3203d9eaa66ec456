"""Ways to damage bytes and JSON documents, as hypothesis draws them: what it finds, it makes smaller."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from hypothesis import strategies as st

DIGITS: Final = (
    b"0",
    b"1",
    b"9",
    b"-",
    b".",
    b"e",
    b"8" * 20,
    b"1e999",
    b"NaN",
    b"true",
    b"null",
    b"\\u0000",
    b"\\ud800",
)
SIGNS: Final = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b"\n",
    b"\x00",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\\",
    b"/../",
)
HEADS: Final = (b"\xff\xff\xff\xff\x0f", b"\x80" * 9 + b"\x01", b"\x08\x01", b"\x12\x00", b"[" * 600, b'{"a":' * 600)
TOKENS: Final = DIGITS + SIGNS + HEADS

ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 7, 63, 2**31, 2**53 - 1, -(2**53 - 1), 0.0, -0.0, 1.0, 0.5, -1.5, 1e308, -1e308,
    5e-324, 1e-300, "", " ", "x", "1.0.0", "\x00", "\x1b[2J", "\u202e", "é", "../x", "a" * 300, [], {}, [[]], [0],
    [1.0, 2.0], ["x"], {"": 0}, {"a": {}}, [None] * 3, [0] * 300,
)  # fmt: skip
"""Values of other types than a field has, or at the end of what its own can hold."""

Cut = Callable[[bytes, int, int, bytes], bytes]
CUTS: Final[tuple[Cut, ...]] = (
    lambda data, at, _, token: data[:at] + token + data[at:],
    lambda data, at, _, token: data[:at] + token + data[at + len(token) :],
    lambda data, at, n, _: data[:at] + data[at + n :],
    lambda data, at, n, _: data[: at + n] + data[at:],
    lambda data, at, n, _: data[:at] + bytes(n) + data[at + n :],
    lambda data, at, n, _: data[:at] + data[at : at + n][::-1] + data[at + n :],
    lambda data, at, _, __: data[:at],
)


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, damaged in one to four places; now and then nothing of it."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.integers(0, len(CUTS) + 1))
        if kind >= len(CUTS):
            data = _flip(data, at, draw(st.integers(0, 7)))
        else:
            data = CUTS[kind](data, at, draw(st.integers(1, 40)), draw(st.sampled_from(TOKENS)))
    return data


@st.composite
def changed_json(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A seed as JSON in which one to three values are odd, missing or twice; canonical half of the time."""
    document = json.loads(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        document = _change(draw, document)
    if draw(st.booleans()):
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    return json.dumps(document).encode("ascii")


def either(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """JSON documents, damaged as documents or as bytes."""
    return st.one_of(changed_json(seeds), damaged(seeds))


def _change(draw: st.DrawFn, document: Any) -> Any:
    """The document with one change, at a place that is drawn step by step."""
    document = copy.deepcopy(document)
    holder, key = {"": document}, ""
    while _children(holder[key]) and draw(st.integers(0, 4)):
        holder, key = holder[key], draw(st.sampled_from(_children(holder[key])))
    action = draw(st.integers(0, 9))
    if action == 0 and holder is not document and isinstance(holder, list):
        holder.append(holder[key])
    elif action == 1 and isinstance(holder[key], dict):
        holder[key][draw(st.sampled_from(("extra", "", "schema")))] = draw(st.sampled_from(ODD))
    elif action == 2 and len(holder) > 1:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    return holder[""] if key == "" and "" in holder and len(holder) == 1 else document


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return sorted(value)
    return list(range(min(len(value), 8))) if isinstance(value, list) else []


def _flip(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] if data else b"\x00"
