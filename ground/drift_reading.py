"""Reading what agents say of drift: sketches out of their messages, and sketches of many messages added up."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from edge_agent.drift import SCHEMA
from edge_agent.sketch import N_BIN, N_RATIO_BIN, Sketch
from ground.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_FEATURES = 65_536
"""More than any feature spec gives; a message that claims more is not one of ours."""
_BYTES_PER_FEATURE = N_BIN * 4 + 2 * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftMessage:
    """One message of drift; the fields are those of docs/reference/payload.md.

    Attributes:
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        phase: Flight phase; empty for all beyond the first eight of the period.
        from_ns: Source time of the period's first sample.
        to_ns: Source time just after its last one.
        cause: Why the period ended.
        agent: Name of the agent.
        run: Names one run of it.
        bundle_id: Detector and version.
        bundle_digest: sha256 of the bundle, whose scaler the features went through.
        sketch: What the windows were like.
    """

    aircraft: str
    engine: str
    flight: str
    phase: str
    from_ns: int
    to_ns: int
    cause: str
    agent: str
    run: str
    bundle_id: str
    bundle_digest: str
    sketch: Sketch


def read_drift(payload: bytes) -> DriftMessage:
    """Read a message.

    Raises:
        DataError: Not a message of this schema.
    """
    try:
        return _message(msgpack.unpackb(payload))
    except (ValueError, TypeError, KeyError, AttributeError, zlib.error, msgpack.exceptions.UnpackException) as error:
        raise DataError(f"drift: expected a message of schema {SCHEMA}, got {error!r:.200}; see the format") from error


def _message(document: dict[str, Any]) -> DriftMessage:
    if document.pop("schema") != SCHEMA:
        raise ValueError("another schema")
    sketch = _sketch(document)
    wrong = [name for name, value in document.items() if not isinstance(value, int if name.endswith("_ns") else str)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: another type")
    return DriftMessage(sketch=sketch, **document)


def add_up(messages: Iterable[DriftMessage], key: Callable[[DriftMessage], Hashable]) -> dict[Hashable, Sketch]:
    """Add up the sketches of messages that share a key, such as a flight, an engine and phase, or a fleet.

    A message that was delivered twice counts once. Messages of different bundles must not share a key: other bundles
    have other scalers.

    Raises:
        DataError: Two bundles under one key.
    """
    sums: dict[Hashable, Sketch] = {}
    bundles: dict[Hashable, str] = {}
    for message in _without_repeats(messages):
        name = key(message)
        if bundles.setdefault(name, message.bundle_digest) != message.bundle_digest:
            raise DataError(
                f"drift: {name!r}: expected messages of one bundle, got {bundles[name]:.16} and "
                f"{message.bundle_digest:.16}; put bundle_digest into the key"
            )
        sums[name] = sums[name] + message.sketch if name in sums else message.sketch
    return sums


def _without_repeats(messages: Iterable[DriftMessage]) -> Iterable[DriftMessage]:
    # MQTT delivers at least once. A run tells of each stretch of a phase of a flight once.
    known: dict[Hashable, DriftMessage] = {}
    for each in messages:
        stretch = (each.flight, each.phase, each.from_ns, each.to_ns)
        known.setdefault((each.run, each.aircraft, each.engine, stretch), each)
    return known.values()


def _sketch(document: dict[str, Any]) -> Sketch:
    """Take the fields of the sketch out of a message."""
    n_feature, n = document.pop("n_feature"), document.pop("n")
    if not 0 < n_feature <= _MOST_FEATURES:
        raise ValueError(f"{n_feature} features")
    data = _inflate(document.pop("arrays"), n_feature * _BYTES_PER_FEATURE + N_RATIO_BIN * 4)
    counts_end = n_feature * N_BIN * 4
    sums_end = counts_end + n_feature * 8
    squares_end = sums_end + n_feature * 8
    not_assessed, shed = document.pop("not_assessed"), document.pop("shed")
    wrong = [value for value in (shed, n, *not_assessed.values()) if type(value) is not int or value < 0]
    if wrong:
        raise ValueError(f"{wrong[0]!r:.50} for a count")
    sketch = Sketch(
        counts=np.frombuffer(data[:counts_end], dtype="<u4").reshape(n_feature, N_BIN),
        sums=np.frombuffer(data[counts_end:sums_end], dtype="<i8"),
        squares=np.frombuffer(data[sums_end:squares_end], dtype="<i8"),
        ratios=np.frombuffer(data[squares_end:], dtype="<u4"),
        not_assessed=Counter(not_assessed),
        shed=shed,
    )
    if not (sketch.counts.sum(axis=1) == n).all() or sketch.n != n:
        raise ValueError(f"counts that do not add up to {n}")
    return sketch


def _inflate(data: bytes, n_byte: int) -> bytes:
    # Not all at once: a few bytes of zlib can hold gigabytes.
    inflater = zlib.decompressobj()
    inflated = inflater.decompress(data, n_byte + 1)
    if len(inflated) != n_byte:
        raise ValueError(f"arrays of {len(inflated)} bytes, expected {n_byte}")
    return inflated
