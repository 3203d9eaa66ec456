"""A strict reader of the protobuf wire format: known fields only, singular ones at most once.

protobuf parsers skip unknown fields, merge repeated singular messages, and cut integers to their width, so two parsers
can see two models in one file. Here such a file is refused. Source: protobuf encoding specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_agent.errors import ModelRejected

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_VARINT_BYTES = 10
_FIELDS_CAP = 65_536
_SIGN_BIT = 1 << 63


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message type: its name, wire types that encode it, and whether it may occur more than once."""

    name: str
    wires: tuple[int, ...]
    repeated: bool = False


MessageType = Mapping[int, Field]
Value = int | memoryview


@dataclass(frozen=True, slots=True)
class Message:
    """The fields of one message; nested messages stay bytes until they are asked for."""

    values: Mapping[str, list[Value]]

    def has(self, name: str) -> bool:
        """Whether the field occurs."""
        return name in self.values

    def number(self, name: str) -> int:
        """A singular integer; 0 when it does not occur."""
        return _integer(self.values[name][0]) if name in self.values else 0

    def numbers(self, name: str) -> list[int]:
        """A repeated integer field, packed or not."""
        numbers: list[int] = []
        for value in self.values.get(name, []):
            numbers += [_integer(value)] if isinstance(value, int) else _unpack(value)
        return numbers

    def text(self, name: str) -> str:
        """A singular string; empty when it does not occur."""
        return self.texts(name)[0] if name in self.values else ""

    def texts(self, name: str) -> list[str]:
        """A repeated string field."""
        try:
            return [value.decode("utf-8") for value in map(bytes, self.blobs(name))]
        except UnicodeDecodeError as error:
            raise malformed(f"text in field {name}, got {error}") from error

    def blobs(self, name: str) -> list[memoryview]:
        """A field of bytes, strings or messages, as it stands in the file."""
        return [value for value in self.values.get(name, []) if isinstance(value, memoryview)]

    def messages(self, name: str, kind: MessageType) -> list[Message]:
        """A field of nested messages."""
        return [decode(blob, kind) for blob in self.blobs(name)]


def decode(data: memoryview, kind: MessageType) -> Message:
    """Read one message.

    Args:
        data: Its bytes, without a length in front.
        kind: Its type.

    Raises:
        ModelRejected: ``onnx_malformed``, ``onnx_unknown_field`` or ``onnx_duplicate_field``.
    """
    values: dict[str, list[Value]] = {}
    offset = 0
    count = 0
    while offset < len(data):
        field, wire, offset = _read_tag(data, offset, kind)
        value, offset = _read_value(data, offset, wire)
        seen = values.setdefault(field.name, [])
        seen.append(value)
        count += 1
        if len(seen) > 1 and not field.repeated:
            raise ModelRejected(
                "onnx_duplicate_field", f"model.onnx: expected field {field.name} once, got it again; export it anew"
            )
        if count > _FIELDS_CAP:
            raise ModelRejected(
                "onnx_malformed", f"model.onnx: expected at most {_FIELDS_CAP} fields a message, got more; shrink it"
            )
    return Message(values)


def malformed(expected: str) -> ModelRejected:
    """The error for bytes that are not protobuf."""
    return ModelRejected("onnx_malformed", f"model.onnx: expected {expected}; export the model again")


def _read_tag(data: memoryview, offset: int, kind: MessageType) -> tuple[Field, int, int]:
    tag, offset = _read_varint(data, offset)
    number, wire = tag >> 3, tag & 7
    if number not in kind or wire not in kind[number].wires:
        raise ModelRejected(
            "onnx_unknown_field",
            f"model.onnx: expected only fields this agent knows, got field {number} ({wire}); export it again",
        )
    return kind[number], wire, offset


def _read_value(data: memoryview, offset: int, wire: int) -> tuple[Value, int]:
    if wire == VARINT:
        return _read_varint(data, offset)
    size = _FIXED_SIZES.get(wire, 0)
    if wire == BYTES:
        size, offset = _read_varint(data, offset)
    if size > len(data) - offset:
        raise malformed(f"{size} more bytes, got {len(data) - offset}")
    return data[offset : offset + size], offset + size


def _read_varint(data: memoryview, offset: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[offset : offset + _VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            if value >> 64:
                break
            return value, offset + index + 1
    raise malformed("an integer of at most 64 bits, got a longer or a cut one")


def _integer(value: Value) -> int:
    if not isinstance(value, int):
        raise malformed("an integer, got bytes")
    return value - ((value & _SIGN_BIT) << 1)


def _unpack(data: memoryview) -> list[int]:
    numbers: list[int] = []
    offset = 0
    while offset < len(data):
        value, offset = _read_varint(data, offset)
        numbers.append(_integer(value))
    return numbers
