"""Payloads: what a frame may look like, and every way in which it may not."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

import msgpack
import numpy as np
import pytest

from edge_agent.errors import WireError
from edge_agent.frame import Frame
from edge_agent.wire import MAX_JSON_BYTES, MAX_PAYLOAD_BYTES, decode_frame, encode_frame

GOOD: dict[str, Any] = {
    "schema": 1,
    "aircraft": "OO-ABC",
    "engine": "1",
    "flight": "F1",
    "phase": "cruise",
    "unit": "m/s2",
    "t_ns": 1_700_000_000_000_000_000,
    "seq": 7,
    "rate_hz": 25600.0,
    "channels": ["acc_1", "acc_2"],
    "encoding": "f4",
    "samples": np.arange(6, dtype="<f4").tobytes(),
}

BAD_FIELDS: list[tuple[str, Any, str]] = [
    ("schema", 2, "schema"),
    ("schema", True, "schema"),
    ("schema", "1", "schema"),
    ("schema", None, "schema"),
    ("aircraft", "", "bad_text"),
    ("aircraft", "OO/ABC", "bad_text"),
    ("aircraft", "+", "bad_text"),
    ("aircraft", "#", "bad_text"),
    ("aircraft", "A\n", "bad_text"),
    ("aircraft", "x" * 129, "bad_text"),
    ("engine", 1, "bad_text"),
    ("engine", b"1", "bad_text"),
    ("flight", None, "bad_text"),
    ("phase", ["cruise"], "bad_text"),
    ("unit", "", "bad_text"),
    ("t_ns", -1, "bad_number"),
    ("t_ns", 2**62 + 1, "bad_number"),
    ("t_ns", 1.5, "bad_number"),
    ("t_ns", True, "bad_number"),
    ("seq", "7", "bad_number"),
    ("seq", 2**63, "bad_number"),
    ("rate_hz", 0.0, "bad_number"),
    ("rate_hz", -1.0, "bad_number"),
    ("rate_hz", float("nan"), "bad_number"),
    ("rate_hz", float("inf"), "bad_number"),
    ("rate_hz", 1e-300, "bad_number"),
    ("rate_hz", "25600", "bad_number"),
    ("channels", [], "bad_channels"),
    ("channels", "acc_1", "bad_channels"),
    ("channels", ["acc_1", "acc_1"], "bad_channels"),
    ("channels", ["acc_1", 2], "bad_channels"),
    ("channels", [f"c{i}" for i in range(65)], "bad_channels"),
    ("encoding", "f8", "bad_encoding"),
    ("encoding", ["f4"], "bad_encoding"),
    ("encoding", None, "bad_encoding"),
    ("samples", b"", "bad_samples"),
    ("samples", b"\0" * 12, "bad_samples"),
    ("samples", 5, "bad_samples"),
    ("samples", "not base64!", "bad_samples"),
    ("samples", [], "bad_samples"),
    ("samples", [[1.0], [2.0]], "bad_samples"),
    ("samples", [[1.0, 2.0], [3.0]], "bad_samples"),
    ("samples", [["1", "2"]], "bad_samples"),
    ("samples", [[None, 1.0]], "bad_samples"),
    ("samples", [[True, False]], "bad_samples"),
    ("speed_hz", None, "bad_speed"),
    ("speed_hz", [50.0], "bad_speed"),
    ("speed_hz", {"n3": 50.0}, "bad_speed"),
    ("speed_hz", {"n1": -1.0}, "bad_speed"),
    ("speed_hz", {"n1": "50"}, "bad_speed"),
    ("speed_hz", {"n1": float("nan")}, "bad_speed"),
    ("speed_hz", {"n1": 1e308}, "bad_speed"),
    ("colour", "red", "unknown_field"),
]

BAD_BYTES: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "not_msgpack"),
    ("text", b"hello", "not_msgpack"),
    ("zeros", bytes(100), "not_msgpack"),
    ("cut short", msgpack.packb(GOOD)[:-1], "not_msgpack"),
    ("something after it", msgpack.packb(GOOD) + b"\0", "not_msgpack"),
    ("array that claims four billion items", b"\xdd\xff\xff\xff\xff", "not_msgpack"),
    ("bytes that claim four gigabytes", b"\xc6\xff\xff\xff\xff", "not_msgpack"),
    ("nested too deep", b"\x91" * 100_000, "not_msgpack"),
    ("JSON nested too deep", b'{"a":' * 100_000, "not_msgpack"),
    ("JSON cut short", json.dumps({"schema": 1}).encode()[:-1], "not_msgpack"),
    ("JSON that is not UTF-8", b'{"a": "\xff"}', "not_msgpack"),
    ("text that is not UTF-8", b"\x81\xa1\xff\x01", "not_msgpack"),
    ("an array", msgpack.packb([1, 2]), "not_a_map"),
    ("a number", msgpack.packb(7), "not_a_map"),
    ("a timestamp", msgpack.packb(msgpack.Timestamp(1)), "not_a_map"),
    ("a map by number", b"\x81\x01\x01", "not_msgpack"),
    ("longer than allowed", b"{" * (MAX_PAYLOAD_BYTES + 1), "too_large"),
]


def refusal(payload: bytes) -> WireError:
    """The error with which a payload is refused."""
    with pytest.raises(WireError) as caught:
        decode_frame(payload)
    return caught.value


@pytest.mark.parametrize(("field", "value", "reason"), BAD_FIELDS, ids=lambda value: repr(value)[:24])
def test_bad_field(field: str, value: Any, reason: str) -> None:
    """A wrong field is refused under its reason, and the text names it."""
    error = refusal(msgpack.packb({**GOOD, field: value}))
    assert error.reason == reason
    assert field in str(error)
    assert "expected" in str(error)


@pytest.mark.parametrize("field", sorted(GOOD))
def test_missing_field(field: str) -> None:
    """Each field but the optional ones must be there, and the text names the missing one."""
    error = refusal(msgpack.packb({name: value for name, value in GOOD.items() if name != field}))
    assert error.reason == ("schema" if field == "schema" else "missing_field")
    assert field in str(error)


@pytest.mark.parametrize(("payload", "reason"), [row[1:] for row in BAD_BYTES], ids=[row[0] for row in BAD_BYTES])
def test_bad_bytes(payload: bytes, reason: str) -> None:
    """Bytes that are no frame are refused under their reason."""
    assert refusal(payload).reason == reason


def test_good_payload() -> None:
    """The payload that the bad ones are made from is good."""
    frame = decode_frame(msgpack.packb(GOOD))
    assert (frame.aircraft, frame.seq, frame.channels) == ("OO-ABC", 7, ("acc_1", "acc_2"))
    assert frame.samples.dtype == np.float32
    assert frame.samples.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


def test_round_trip() -> None:
    """What is encoded is decoded to the bit, NaN included."""
    samples = np.array([[1.5, np.nan], [-np.inf, 1e-45]], dtype=np.float32)
    frame = Frame(
        aircraft="A", engine="2", flight="F", phase="climb", t_ns=5, seq=0, rate_hz=1000.0, unit="g",
        channels=("x", "y"), samples=samples, speed_hz={"n1": 50.0},
    )  # fmt: skip
    again = decode_frame(encode_frame(frame))
    assert again.samples.tobytes() == samples.tobytes()
    assert again.speed_hz == {"n1": 50.0}
    assert (again.t_ns, again.seq, again.rate_hz, again.phase) == (5, 0, 1000.0, "climb")


@pytest.mark.parametrize("samples", [[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], base64.b64encode(GOOD["samples"]).decode()])
def test_json_equals_msgpack(samples: Any) -> None:
    """JSON with rows or base64 gives the frame that msgpack gives."""
    frame = decode_frame(json.dumps({**GOOD, "samples": samples}).encode())
    assert frame.samples.tobytes() == GOOD["samples"]


def test_int16_is_scaled_with_one_rounding() -> None:
    """An int16 sample times the scale is the float32 nearest to the exact product."""
    raw = np.array([-32768, -1, 0, 1, 32767, 12345], dtype="<i2")
    scale = 9.80665 / 2048.0
    frame = decode_frame(msgpack.packb({**GOOD, "encoding": "i2", "samples": raw.tobytes(), "scale": scale}))
    assert frame.samples.ravel().tolist() == [float(np.float32(int(value) * scale)) for value in raw]


@pytest.mark.parametrize("scale", [0.0, -1.0, "1", None, float("inf"), 1e300])
def test_bad_scale(scale: Any) -> None:
    """An int16 payload needs a scale that gives finite float32 samples."""
    payload = msgpack.packb({**GOOD, "encoding": "i2", "samples": bytes(8), "scale": scale})
    assert refusal(payload).reason == "bad_number"


def test_missing_scale() -> None:
    """Int16 samples without a scale have no physical value."""
    assert refusal(msgpack.packb({**GOOD, "encoding": "i2", "samples": bytes(8)})).reason == "bad_number"


def test_integer_beyond_any_float() -> None:
    """JSON may hold an integer that no float can."""
    text = json.dumps({**GOOD, "samples": [[0.0, 0.0]], "rate_hz": 10**400})
    assert refusal(text.encode()).reason == "bad_number"


def test_sample_beyond_float32_becomes_infinite() -> None:
    """A number that float32 cannot hold is kept as infinite: its record is then not assessed."""
    frame = decode_frame(json.dumps({**GOOD, "samples": [[1e39, 0.0]]}).encode())
    assert frame.samples.tolist() == [[float("inf"), 0.0]]


def test_long_values_are_not_written_out() -> None:
    """The error text of a field that holds a long list stays short."""
    assert len(str(refusal(msgpack.packb({**GOOD, "flight": list(range(100_000))})))) < 300


def test_random_bytes_never_raise_anything_else() -> None:
    """Flipped bytes of a good payload give a frame or a WireError, nothing else."""
    rng = np.random.default_rng(20261123)
    payload = msgpack.packb({**GOOD, "speed_hz": {"n1": 50.0}})
    outcomes = set()
    for _ in range(3_000):
        data = bytearray(payload)
        for index in rng.integers(0, len(data), size=rng.integers(1, 4)):
            data[index] = rng.integers(0, 256)
        try:
            outcomes.add(type(decode_frame(bytes(data))))
        except WireError as error:
            outcomes.add(type(error))
    assert outcomes == {Frame, WireError}


SWARMS = [
    ("maps in one list", b"\xdd\x00\x10\x00\x00" + b"\x80" * 0x100000),
    ("maps in nested lists", b"\xdc\x00\x40" * 3 + b"\x80" * 64**3),
    ("lists in a map", b"\x82\xa1a" + b"\xdc\x00\x40" + b"\x90" * 64 + b"\xa1b\x00"),
]


@pytest.mark.parametrize("payload", [row[1] for row in SWARMS], ids=[row[0] for row in SWARMS])
def test_swarms_of_tiny_containers_stop_early(payload: bytes) -> None:
    """A byte can be a map, and a map takes a hundred bytes: reading ends long before memory does."""
    tracemalloc.start()
    try:
        assert refusal(payload).reason == "not_msgpack"
        assert tracemalloc.get_traced_memory()[1] < 4 * len(payload) + 100_000
    finally:
        tracemalloc.stop()


LONG = "x" * 100_000
ROWS_OF_TEXT: list[tuple[str, list[Any]]] = [
    ("texts", [LONG, *[""] * 120]),
    ("texts in rows", [[LONG, 1.0], *[["", 1.0]] * 20]),
    ("bytes", [LONG.encode(), *[b""] * 120]),
    ("bytes in rows", [[LONG.encode(), 1.0], *[[b"", 1.0]] * 20]),
]


@pytest.mark.parametrize("rows", [row[1] for row in ROWS_OF_TEXT], ids=[row[0] for row in ROWS_OF_TEXT])
def test_texts_for_samples_take_no_more_than_was_sent(rows: list[Any]) -> None:
    """In an array of texts each takes as much as the longest: 100 kB of them would be half a gigabyte."""
    payload = msgpack.packb({**GOOD, "samples": rows})
    tracemalloc.start()
    try:
        assert refusal(payload).reason == "bad_samples"
        assert tracemalloc.get_traced_memory()[1] < 4 * len(payload) + 100_000
    finally:
        tracemalloc.stop()


def test_json_is_for_small_frames() -> None:
    """JSON of lists grows in memory to many times its size: it has a cap of its own."""
    assert refusal(b"{" + b" " * MAX_JSON_BYTES).reason == "too_large"
