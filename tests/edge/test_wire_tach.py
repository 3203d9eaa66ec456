"""Tachometer pulses in payloads: positions to the bit, and every way in which they may be wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.errors import WireError
from edge_agent.frame import Frame
from edge_agent.frame_file import read_blocks, write_blocks
from edge_agent.wire import decode_frame, encode_frame

N = 4
FRAME = Frame(
    aircraft="A", engine="2", flight="F", phase="climb", t_ns=5, seq=0, rate_hz=1000.0, unit="g",
    channels=("x",), samples=np.zeros((N, 1), dtype=np.float32),
)  # fmt: skip


def packed(*positions: float) -> bytes:
    """Positions as they go over the wire."""
    return np.array(positions, dtype="<f8").tobytes()


def payload(tach: Any) -> bytes:
    """A good frame of four samples with that tach."""
    return bytes(msgpack.packb({**msgpack.unpackb(encode_frame(FRAME)), "tach": tach}))


def json_payload(tach: str) -> bytes:
    """The same as JSON; ``tach`` is JSON text, since Python's own writer may refuse what a sender may send."""
    document = {**msgpack.unpackb(encode_frame(FRAME)), "samples": [[0.0]] * N}
    return json.dumps(document)[:-1].encode() + b', "tach": ' + tach.encode() + b"}"


BAD_TACHS: dict[str, tuple[Any, str]] = {
    "nothing": (None, "tach"),
    "no map": ([1.0], "tach"),
    "bytes without a shaft": (packed(1.0), "tach"),
    "another shaft": ({"n3": packed(1.0)}, "tach"),
    "a shaft in bytes": ({b"n1": packed(1.0)}, "tach"),
    "half a number": ({"n1": packed(1.0)[:-1]}, "tach.n1"),
    "one number": ({"n1": 1.0}, "tach.n1"),
    "a text": ({"n1": "AAAAAAAA8D8="}, "tach.n1"),
    "a map": ({"n1": {}}, "tach.n1"),
    "a good shaft and a bad one": ({"n1": packed(1.0), "n2": packed(9.0)}, "tach.n2"),
    "before the frame": ({"n1": packed(-0.5, 1.0)}, "tach.n1"),
    "after the last sample": ({"n1": packed(1.0, 4.0)}, "tach.n1"),
    "twice at one place": ({"n1": packed(1.0, 1.0)}, "tach.n1"),
    "going back": ({"n1": packed(2.0, 1.0)}, "tach.n1"),
    "NaN alone": ({"n1": packed(np.nan)}, "tach.n1"),
    "NaN first": ({"n1": packed(np.nan, 1.0)}, "tach.n1"),
    "NaN inside": ({"n1": packed(0.0, np.nan, 2.0)}, "tach.n1"),
    "NaN last": ({"n1": packed(1.0, np.nan)}, "tach.n1"),
    "infinite": ({"n1": packed(1.0, np.inf)}, "tach.n1"),
    "infinite below": ({"n1": packed(-np.inf, 1.0)}, "tach.n1"),
    "more pulses than samples": ({"n1": packed(0.1, 0.2, 0.3, 0.4, 0.5)}, "tach.n1"),
    "a list with a text": ({"n1": [1.0, "2"]}, "tach.n1"),
    "a list with a truth value": ({"n1": [True]}, "tach.n1"),
    "a list with nothing": ({"n1": [None]}, "tach.n1"),
    "a list of lists": ({"n1": [[1.0]]}, "tach.n1"),
    "a list going back": ({"n1": [2.0, 1.0]}, "tach.n1"),
    "a list up to the end": ({"n1": [1.0, 4]}, "tach.n1"),
}

BAD_JSON = {
    "NaN": '{"n1": [NaN]}',
    "infinity": '{"n1": [1.0, Infinity]}',
    "longer than any float": '{"n1": [1.0, 1' + "0" * 400 + "]}",
    "more pulses than samples": '{"n1": [0.1, 0.2, 0.3, 0.4, 0.5]}',
    "base64": '{"n1": "AAAAAAAA8D8="}',
}


def refusal(data: bytes) -> WireError:
    """The error with which a payload is refused."""
    with pytest.raises(WireError) as caught:
        decode_frame(data)
    return caught.value


@pytest.mark.parametrize(("tach", "field"), BAD_TACHS.values(), ids=BAD_TACHS.keys())
def test_bad_tach(tach: Any, field: str) -> None:
    """A wrong tach is refused, and the text names the shaft."""
    error = refusal(payload(tach))
    assert error.reason == "bad_tach"
    assert str(error).startswith(f"{field}: expected")


@pytest.mark.parametrize("tach", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_bad_tach_in_json(tach: str) -> None:
    """JSON can say numbers that msgpack cannot; they are refused alike."""
    error = refusal(json_payload(tach))
    assert (error.reason, str(error)[:8]) == ("bad_tach", "tach.n1:")


def test_a_frame_without_tach_has_none() -> None:
    """No tachometer is not the same as one without a pulse."""
    assert decode_frame(encode_frame(FRAME)).tach == {}
    silent = decode_frame(encode_frame(replace(FRAME, tach={"n1": np.zeros(0)})))
    assert {shaft: pulses.size for shaft, pulses in silent.tach.items()} == {"n1": 0}


def test_json_equals_msgpack() -> None:
    """A list of numbers, whole ones among them, gives what binary gives."""
    from_list = decode_frame(json_payload('{"n1": [0, 1.25, 3.999], "n2": []}')).tach
    from_bytes = decode_frame(payload({"n1": packed(0.0, 1.25, 3.999), "n2": b""})).tach
    assert {name: pulses.tobytes() for name, pulses in from_list.items()} == {
        name: pulses.tobytes() for name, pulses in from_bytes.items()
    }
    assert {pulses.dtype for pulses in (*from_list.values(), *from_bytes.values())} == {np.dtype(np.float64)}


def test_an_old_payload_keeps_its_bytes() -> None:
    """A sender without a tachometer sends what it always sent."""
    assert b"tach" not in encode_frame(FRAME)


positions = st.lists(st.floats(0.0, 1000.0, exclude_max=True), unique=True, max_size=40).map(sorted)


@settings(max_examples=60, deadline=None)
@given(n1=positions, n2=positions)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, n1: list[float], n2: list[float]) -> None:
    """Any pulses come back to the bit, through a file of frames as well."""
    samples = np.zeros((1000, 1), dtype=np.float32)
    frame = replace(FRAME, samples=samples, tach={"n1": np.array(n1), "n2": np.array(n2, dtype=np.float64)})
    path = tmp_path_factory.mktemp("frames") / "one.frames"
    write_blocks(path, [encode_frame(frame)])
    (block,) = read_blocks(path)
    again = decode_frame(block).tach
    assert {name: pulses.tobytes() for name, pulses in again.items()} == {
        name: pulses.tobytes() for name, pulses in frame.tach.items()
    }


@settings(max_examples=200, deadline=None)
@given(data=st.lists(st.floats(), max_size=6))
def test_any_numbers_are_good_or_refused(data: list[float]) -> None:
    """What passes is strictly ascending within the frame; everything else is a WireError."""
    good = all(0.0 <= value < N for value in data) and len(set(data)) == len(data) <= N and sorted(data) == data
    if good:
        assert decode_frame(payload({"n1": packed(*data)})).tach["n1"].tolist() == data
    else:
        assert refusal(payload({"n1": packed(*data)})).reason == "bad_tach"
