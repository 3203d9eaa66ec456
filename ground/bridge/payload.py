"""Bytes <-> Sparkplug B payloads, as plain values."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ground.bridge.schema import payload_class
from ground.errors import DataError

MAX_BYTES: Final = 16 * 1024 * 1024
NO_ALIAS: Final = -1
NO_SEQ: Final = -1

Value = bool | int | float | str | bytes | None


class Datatype(IntEnum):
    """Datatypes of metrics that a bridge sends or reads (Sparkplug 3.0, section 6.4.16)."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    TEXT = 14
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31


_FIELDS: Final = {
    Datatype.INT64: "long_value",
    Datatype.DOUBLE: "double_value",
    Datatype.BOOLEAN: "boolean_value",
    Datatype.STRING: "string_value",
    Datatype.FLOAT_ARRAY: "bytes_value",
}
"""Which field holds the value, of the datatypes that are sent."""
_SIGNED_BITS: Final = {Datatype.INT8: 8, Datatype.INT16: 16, Datatype.INT32: 32, Datatype.INT64: 64}
"""Negative numbers travel as their two's complement in an unsigned field."""
_ARRAYS: Final = {
    Datatype.INT16_ARRAY: "<i2",
    Datatype.INT32_ARRAY: "<i4",
    Datatype.FLOAT_ARRAY: "<f4",
    Datatype.DOUBLE_ARRAY: "<f8",
}


class SparkplugError(DataError):
    """A message is no Sparkplug B."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of a device or node.

    Attributes:
        name: Its name; empty where only an alias is given.
        datatype: One of ``Datatype``, or another number.
        value: None for null.
        timestamp_ms: When it was so; 0 where not stated.
        alias: Number that stands for the name after the birth; ``NO_ALIAS`` for none.
        is_historical: Whether it is no current value.
    """

    name: str
    datatype: int
    value: Value
    timestamp_ms: int = 0
    alias: int = NO_ALIAS
    is_historical: bool = False

    @property
    def samples(self) -> NDArray[np.float32]:
        """(n,) the numbers of an array.

        Raises:
            SparkplugError: It is no array of numbers, or cut short.
        """
        kind = _ARRAYS.get(Datatype(self.datatype)) if self.datatype in set(Datatype) else None
        if kind is None or not isinstance(self.value, bytes) or len(self.value) % np.dtype(kind).itemsize:
            raise SparkplugError(
                f"{self.name or self.alias}: expected an array of Int16, Int32, Float or Double, got datatype "
                f"{self.datatype}; correct the channel in the bridge's config"
            )
        with np.errstate(over="ignore"):
            return np.frombuffer(self.value, dtype=kind).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What a message carries.

    Attributes:
        timestamp_ms: When it was sent.
        seq: Counts the messages of a node, 0 to 255; ``NO_SEQ`` in a death or a command.
        metrics: In their order.
    """

    timestamp_ms: int
    seq: int
    metrics: tuple[Metric, ...]


def encode_payload(payload: Payload) -> bytes:
    """The bytes of a payload; each metric has its datatype."""
    message = payload_class()(timestamp=payload.timestamp_ms)
    if payload.seq != NO_SEQ:
        message.seq = payload.seq
    for metric in payload.metrics:
        added = message.metrics.add(name=metric.name, datatype=int(metric.datatype))
        if metric.timestamp_ms:
            added.timestamp = metric.timestamp_ms
        if metric.is_historical:
            added.is_historical = True
        if metric.value is None:
            added.is_null = True
        else:
            setattr(added, _FIELDS[Datatype(metric.datatype)], metric.value)
    return bytes(message.SerializeToString())


def decode_payload(data: bytes) -> Payload:
    """Read a payload.

    Raises:
        SparkplugError: Not protobuf of this schema, or too long.
    """
    if len(data) > MAX_BYTES:
        raise SparkplugError(f"payload: expected at most {MAX_BYTES} bytes, got {len(data)}; send less at once")
    try:
        message = payload_class().FromString(data)
    except (DecodeError, struct.error) as error:
        raise SparkplugError(f"payload: expected Sparkplug B, got {error}; check the sender") from error
    return Payload(
        timestamp_ms=message.timestamp,
        seq=message.seq if message.HasField("seq") else NO_SEQ,
        metrics=tuple(_metrics(message.metrics)),
    )


def _metrics(messages: Iterable[Any]) -> Iterable[Metric]:
    for each in messages:
        # Of a text that is no UTF-8, protobuf gives the bytes.
        if not isinstance(each.name, str) or not isinstance(each.string_value, str):
            raise SparkplugError("payload: expected texts in UTF-8, got other bytes; correct the sender")
        yield Metric(
            name=each.name,
            datatype=each.datatype,
            value=_value(each),
            timestamp_ms=each.timestamp,
            alias=each.alias if each.HasField("alias") else NO_ALIAS,
            is_historical=each.is_historical,
        )


def _value(metric: Any) -> Value:
    field = metric.WhichOneof("value")
    if field is None or metric.is_null:
        return None
    value: Value = getattr(metric, field)
    bits = _SIGNED_BITS.get(metric.datatype)
    if bits and isinstance(value, int) and value >= 1 << (bits - 1):
        value -= 1 << (64 if field == "long_value" else 32 if value >= 1 << 31 else bits)
    return value
