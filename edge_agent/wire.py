"""Bytes <-> Frame. Checks everything a payload can get wrong; whatever passes is safe to compute with.

The format is described in docs/reference/payload.md.
"""

from __future__ import annotations

import base64
import binascii
import json
import reprlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import WireError
from edge_agent.frame import Frame
from shared_features.groups import SHAFTS

SCHEMA = 1
FLOAT32 = "f4"
INT16 = "i2"
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
MAX_JSON_BYTES = 512 * 1024
"""JSON lists become objects of many times their size; senders in real time use msgpack."""
MAX_CHANNELS = 64
MAX_TEXT = 128
MAX_UNIT_TEXT = 1024
"""``unit`` may name one for each channel."""

_TEXTS = ("aircraft", "engine", "flight", "phase", "unit")
_REQUIRED = ("schema", *_TEXTS, "t_ns", "seq", "rate_hz", "channels", "encoding", "samples")
_OPTIONAL = ("scale", "speed_hz", "tach")
_NEEDED = frozenset(_REQUIRED)
_KNOWN = _NEEDED.union(_OPTIONAL)
_MAX_CONTAINERS = 32
_MAX_EXT_BYTES = 12
_SEPARATORS = frozenset("/+#\x00")
_SHAFTS = frozenset(SHAFTS)
_MAX_SEQ = 2**63 - 1
_MAX_T_NS = 2**62
"""In the year 2116; the end of the longest frame still fits 64 bits."""
_RATES_HZ = (1e-3, 1e9)
_SCALES = (1e-30, 1e30)
_MAX_SPEED_HZ = 1e6
_PULSE = np.dtype("<f8")
_TEXTS_KEPT = 1_024
"""Texts that are known to be plain: a source says the same in every frame."""
_NUMBERS = frozenset({int, float})
"""Types of numbers; texts, truth values and nothing are others."""
_NUMERIC = frozenset("iuf")
"""numpy's kinds of whole and real numbers; integers above 64 bits are another."""


def encode_frame(frame: Frame) -> bytes:
    """A frame as a msgpack payload with float32 samples."""
    document = {
        "schema": SCHEMA,
        **{name: getattr(frame, name) for name in _TEXTS},
        "t_ns": frame.t_ns,
        "seq": frame.seq,
        "rate_hz": frame.rate_hz,
        "channels": list(frame.channels),
        "encoding": FLOAT32,
        "samples": np.ascontiguousarray(frame.samples, dtype="<f4").tobytes(),
        "speed_hz": dict(frame.speed_hz),
    }
    if frame.tach:
        document["tach"] = {shaft: np.asarray(pulses, dtype=_PULSE).tobytes() for shaft, pulses in frame.tach.items()}
    return bytes(msgpack.packb(document))


def decode_frame(payload: bytes, *, max_bytes: int = MAX_PAYLOAD_BYTES) -> Frame:
    """Read and check one payload.

    Args:
        payload: msgpack, or JSON with the same fields (it then begins with ``{``; samples as base64 or as rows).
        max_bytes: Longer payloads are refused unread.

    Raises:
        WireError: Not a frame; ``reason`` is a counter label, the text names the field.
    """
    if len(payload) > max_bytes:
        raise WireError(
            "too_large", f"payload: expected at most {max_bytes} bytes, got {len(payload)}; send less at once"
        )
    document = _parse(payload)
    _check_fields(document)
    channels = _channels(document["channels"])
    samples = _samples(document, len(channels))
    return Frame(
        **{name: _text(document, name) for name in _TEXTS},
        t_ns=_whole(document, "t_ns", high=_MAX_T_NS),
        seq=_whole(document, "seq", high=_MAX_SEQ),
        rate_hz=_number(document["rate_hz"], "rate_hz", *_RATES_HZ, reason="bad_number"),
        channels=channels,
        samples=samples,
        speed_hz=_speeds(document.get("speed_hz", {})),
        tach=_tach(document.get("tach", {}), len(samples)),
    )


class _Containers:
    """Stops a payload of millions of tiny maps while it is read: in memory each takes a hundred times its bytes."""

    def __init__(self) -> None:
        self._n = 0

    def __call__(self, container: Any) -> Any:
        """Count one more."""
        self._n += 1
        if self._n > _MAX_CONTAINERS:
            raise ValueError(f"more than {_MAX_CONTAINERS} maps and lists")
        return container


def _parse_json(payload: bytes) -> Any:
    if len(payload) > MAX_JSON_BYTES:
        raise WireError(
            "too_large", f"payload: expected at most {MAX_JSON_BYTES} bytes of JSON, got {len(payload)}; send msgpack"
        )
    return json.loads(payload)


def _parse(payload: bytes) -> Any:
    try:
        if payload[:1] == b"{":
            return _parse_json(payload)
        count = _Containers()
        return msgpack.unpackb(
            payload,
            max_array_len=2 * MAX_CHANNELS,
            max_map_len=_MAX_CONTAINERS,
            max_ext_len=_MAX_EXT_BYTES,
            list_hook=count,
            object_hook=count,
        )
    except (ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise WireError(
            "not_msgpack", f"payload: expected a msgpack map or JSON, got {error}; see the format"
        ) from error


def _check_fields(document: Any) -> None:
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise WireError("not_a_map", f"payload: expected a map, got {type(document).__name__}; see the format")
    schema = document.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        raise WireError("schema", f"schema: expected {SCHEMA}, got {_shown(schema)}; update the sender")
    if not document.keys() >= _NEEDED:
        missing = [name for name in _REQUIRED if name not in document]
        raise WireError("missing_field", f"payload: expected {', '.join(missing)}, got nothing; add the fields")
    if not document.keys() <= _KNOWN:
        unknown = sorted(document.keys() - _KNOWN)
        raise WireError("unknown_field", f"payload: expected known fields, got {', '.join(unknown)[:80]}; remove them")


def _text(document: Mapping[str, Any], name: str) -> str:
    """A short identity; separators of topics are refused, because identities become parts of topics."""
    value = document[name]
    longest = MAX_UNIT_TEXT if name == "unit" else MAX_TEXT
    if not isinstance(value, str) or not 0 < len(value) <= longest or not _is_plain(value, name):
        raise WireError(
            "bad_text", f"{name}: expected 1 to {longest} characters without / + #, got {_shown(value)}; rename it"
        )
    return value


@lru_cache(maxsize=_TEXTS_KEPT)
def _is_plain(value: str, name: str) -> bool:
    return value.isprintable() and (name == "unit" or not _SEPARATORS.intersection(value))


def _whole(document: Mapping[str, Any], name: str, *, high: int) -> int:
    value = document[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= high:
        raise WireError(
            "bad_number", f"{name}: expected a whole number from 0 to {high}, got {_shown(value)}; correct it"
        )
    return value


def _number(value: Any, name: str, low: float, high: float, *, reason: str) -> float:
    # Compared before it becomes a float: an integer of msgpack or JSON may be longer than any float.
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise WireError(reason, f"{name}: expected a number from {low:g} to {high:g}, got {_shown(value)}; correct it")
    return float(value)


def _channels(value: Any) -> tuple[str, ...]:
    good = isinstance(value, list) and 0 < len(value) <= MAX_CHANNELS and all(isinstance(name, str) for name in value)
    if not good or len(set(value)) != len(value):
        raise WireError(
            "bad_channels", f"channels: expected 1 to {MAX_CHANNELS} different names, got {_shown(value)}; correct it"
        )
    return tuple(value)


def _samples(document: Mapping[str, Any], n_channel: int) -> NDArray[np.float32]:
    encoding = document["encoding"]
    # A tuple, not a set: what was sent need not be hashable.
    if encoding not in (FLOAT32, INT16):
        raise WireError("bad_encoding", f"encoding: expected {FLOAT32} or {INT16}, got {_shown(encoding)}; correct it")
    raw = document["samples"]
    if isinstance(raw, list):
        return _rows(raw, n_channel)
    data = _base64(raw) if isinstance(raw, str) else raw
    width = n_channel * int(encoding[1])
    if not isinstance(data, bytes) or not data or len(data) % width:
        got = len(data) if isinstance(data, bytes) else type(data).__name__
        raise WireError(
            "bad_samples", f"samples: expected a multiple of {width} bytes ({n_channel} channels), got {got}; check it"
        )
    values = np.frombuffer(data, dtype=f"<{encoding}").reshape(-1, n_channel)
    if encoding == FLOAT32:
        return values.astype(np.float32, copy=False)
    # The product is rounded once: in float64 it is exact up to that rounding.
    scale = _number(document.get("scale"), "scale", *_SCALES, reason="bad_number")
    return (values.astype(np.float64) * scale).astype(np.float32)


def _rows(rows: list[Any], n_channel: int) -> NDArray[np.float32]:
    # Looked at before numpy does: in an array of texts each takes as much as the longest, 100 kB became 600 MB.
    if not all(isinstance(row, list) and _NUMBERS.issuperset(map(type, row)) for row in rows):
        raise WireError("bad_samples", f"samples: expected rows of numbers, got {_shown(rows)}; correct it")
    try:
        values = np.array(rows)
    except (ValueError, TypeError, OverflowError) as error:
        raise WireError("bad_samples", f"samples: expected rows of numbers, got {error}; correct it") from error
    if values.ndim != 2 or values.shape[1] != n_channel or values.dtype.kind not in _NUMERIC:  # noqa: PLR2004 - a table
        raise WireError(
            "bad_samples", f"samples: expected rows of {n_channel} numbers, got shape {values.shape}; correct it"
        )
    # What float32 cannot hold becomes infinite, and the record is then not assessed.
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError("bad_samples", f"samples: expected base64, got {error}; correct it") from error


def _speeds(value: Any) -> dict[str, float]:
    shafts = _by_shaft(value, "speed_hz", reason="bad_speed")
    return {
        shaft: _number(speed, f"speed_hz.{shaft}", 0.0, _MAX_SPEED_HZ, reason="bad_speed")
        for shaft, speed in shafts.items()
    }


def _tach(value: Any, n: int) -> dict[str, NDArray[np.float64]]:
    shafts = _by_shaft(value, "tach", reason="bad_tach")
    return {shaft: _pulses(pulses, f"tach.{shaft}", n) for shaft, pulses in shafts.items()}


def _by_shaft(value: Any, name: str, *, reason: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not _SHAFTS.issuperset(value):
        raise WireError(reason, f"{name}: expected a map of {' and '.join(SHAFTS)}, got {_shown(value)}; correct it")
    return value


def _pulses(value: Any, name: str, n: int) -> NDArray[np.float64]:
    """(n_pulse,) float64 positions, strictly ascending from 0 to below ``n``."""
    positions = _positions(value, name, n)
    # Compared, not subtracted: NaN is in no order, and what ascends between finite ends is finite.
    ascends = bool((positions[1:] > positions[:-1]).all())
    if positions.size and not (ascends and positions.size <= n and positions[0] >= 0.0 and positions[-1] < n):
        raise WireError(
            "bad_tach",
            f"{name}: expected at most {n} positions that ascend from 0 to below {n}, got {positions.size}: "
            f"{_shown(positions.tolist())}; count samples from the frame's first one",
        )
    return positions


def _positions(value: Any, name: str, n: int) -> NDArray[np.float64]:
    if isinstance(value, list):
        return np.array([_number(item, name, 0.0, n, reason="bad_tach") for item in value], dtype=np.float64)
    if isinstance(value, bytes) and len(value) % _PULSE.itemsize == 0:
        return np.frombuffer(value, dtype=_PULSE).astype(np.float64, copy=False)
    got = f"{len(value)} bytes" if isinstance(value, bytes) else _shown(value)
    raise WireError("bad_tach", f"{name}: expected float64 in binary or a list of numbers, got {got}; correct it")


def _shown(value: Any) -> str:
    """``value`` for an error text: writing out a list of a million items would cost more than the frame."""
    return reprlib.repr(value)
