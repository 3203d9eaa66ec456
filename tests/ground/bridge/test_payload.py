"""Payloads of Sparkplug B against bytes worked out by hand from the wire format of protobuf."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ground.bridge.payload import (
    MAX_BYTES,
    NO_SEQ,
    Datatype,
    Metric,
    Payload,
    SparkplugError,
    decode_payload,
    encode_payload,
)
from ground.bridge.schema import payload_class
from ground.bridge.topic import SparkplugTopic, device_of, parse_topic

# Field number * 8 + wire type, lengths, little-endian numbers: https://protobuf.dev/programming-guides/encoding/
BY_HAND = bytes.fromhex(
    "08 05"  # timestamp (1), varint 5
    "12 0c"  # metrics (2), 12 bytes
    "0a 02 6f 6b"  # name (1): "ok"
    "18 04"  # timestamp (3): 4
    "20 0b"  # datatype (4): Boolean = 11
    "28 01"  # is_historical (5)
    "70 01"  # boolean_value (14)
    "18 fa 01"  # seq (3): 250
)
PAYLOAD = Payload(
    timestamp_ms=5,
    seq=250,
    metrics=(Metric(name="ok", datatype=Datatype.BOOLEAN, value=True, timestamp_ms=4, is_historical=True),),
)


def test_bytes_worked_out_by_hand_are_read():
    """Those of the specification's field numbers."""
    assert decode_payload(BY_HAND) == PAYLOAD


def test_what_is_written_reads_back():
    """Of every datatype that a bridge sends."""
    metrics = (
        Metric(name="a", datatype=Datatype.STRING, value="ä"),
        Metric(name="b", datatype=Datatype.DOUBLE, value=0.1),
        Metric(name="c", datatype=Datatype.INT64, value=255),
        Metric(name="d", datatype=Datatype.BOOLEAN, value=False),
        Metric(name="e", datatype=Datatype.DOUBLE, value=None),
        Metric(name="f", datatype=Datatype.FLOAT_ARRAY, value=b"\0\0\x80\x3f"),
    )
    payload = Payload(timestamp_ms=1, seq=NO_SEQ, metrics=metrics)
    assert decode_payload(encode_payload(payload)) == payload


@pytest.mark.parametrize(
    ("datatype", "field", "sent", "value"),
    [
        (Datatype.INT8, "int_value", 0xFF, -1),
        (Datatype.INT8, "int_value", 0xFFFF_FFFF, -1),
        (Datatype.INT16, "int_value", 0x8000, -32768),
        (Datatype.INT32, "int_value", 0xFFFF_FFFE, -2),
        (Datatype.INT64, "long_value", 2**64 - 3, -3),
        (Datatype.UINT32, "int_value", 0xFFFF_FFFF, 2**32 - 1),
        (Datatype.INT32, "int_value", 7, 7),
    ],
)
def test_negative_numbers_travel_as_two_s_complement(datatype, field, sent, value):
    """Sparkplug 3.0, section 6.4.16; senders differ in the width of small ones."""
    message = payload_class()(timestamp=1)
    setattr(message.metrics.add(name="x", datatype=datatype), field, sent)
    assert decode_payload(message.SerializeToString()).metrics[0].value == value


@pytest.mark.parametrize(
    ("datatype", "kind"),
    [(Datatype.INT16_ARRAY, "<i2"), (Datatype.INT32_ARRAY, "<i4"), (Datatype.FLOAT_ARRAY, "<f4"),
     (Datatype.DOUBLE_ARRAY, "<f8")],
)  # fmt: skip
def test_arrays_are_little_endian(datatype, kind):
    """Sparkplug 3.0, section 6.4.16."""
    metric = Metric(name="x", datatype=datatype, value=np.array([1, -2, 3], dtype=kind).tobytes())
    assert metric.samples.tolist() == [1.0, -2.0, 3.0]


@pytest.mark.parametrize(
    "metric",
    [
        Metric(name="x", datatype=Datatype.FLOAT_ARRAY, value=b"\0\0\0"),
        Metric(name="x", datatype=Datatype.DOUBLE, value=1.0),
        Metric(name="x", datatype=Datatype.FLOAT_ARRAY, value=None),
        Metric(name="x", datatype=999, value=b"\0\0\0\0"),
    ],
)
def test_what_is_no_array_is_refused(metric):
    """With the metric's name."""
    with pytest.raises(SparkplugError, match="x: expected an array"):
        _ = metric.samples


def test_mutated_payloads_are_read_or_refused():
    """Nothing else comes of them, whatever a byte was turned into."""
    rng = random.Random(20261128)
    whole = encode_payload(
        Payload(
            timestamp_ms=5,
            seq=3,
            metrics=(
                Metric(name="mode", datatype=Datatype.STRING, value="idle", timestamp_ms=9),
                Metric(name="x", datatype=Datatype.FLOAT_ARRAY, value=b"12345678"),
            ),
        )
    )
    refused = 0
    for _ in range(2_000):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            assert all(isinstance(metric.name, str) for metric in decode_payload(bytes(data)).metrics)
        except SparkplugError:
            refused += 1
    assert 0 < refused < 2_000


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"\x12\x03\x0a\x01\xff",
        b"\x12\x04\x7a\x02\xff\xfe",
        b"hello there",
        b"\x12\x7f\x00",
        b"\0" * (MAX_BYTES + 1),
    ],
)
def test_other_bytes_are_refused(data):
    """Whoever may publish can send anything."""
    with pytest.raises(SparkplugError):
        decode_payload(data)


@pytest.mark.parametrize(
    "topic", [SparkplugTopic("g", "NBIRTH", "n"), SparkplugTopic("g", "DDATA", "n", "d"), SparkplugTopic("ä", "X", "n")]
)
def test_topics_read_back(topic):
    """With a device, and without."""
    assert parse_topic(str(topic)) == topic


@pytest.mark.parametrize(
    "text", ["spBv1.0/STATE/host", "spBv1.0/g/DDATA/n/d/e", "spAv1.0/g/NDATA/n", "spBv1.0/g//n", ""]
)
def test_other_topics_are_none(text):
    """A host's state, another namespace."""
    assert parse_topic(text) is None


def test_no_two_engines_share_a_device():
    """Names may hold the sign between them."""
    names = [("a:b", "c"), ("a", "b:c"), ("a%3Ab", "c"), ("a", "b%3Ac")]
    assert len({device_of(*each) for each in names}) == len(names)
    assert device_of("OO-ABC", "1") == "OO-ABC:1"
