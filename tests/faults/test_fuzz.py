"""Ten thousand hostile payloads through a real broker into a real agent: it refuses them by reason, and goes on."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np

from edge_agent.errors import WireError
from edge_agent.wire import decode_frame, encode_frame
from tests.e2e.conftest import make_agent  # noqa: F401 - a fixture
from tests.e2e.test_agent_broker import INPUT, RESULT, counters_when, expected_of, without_runtime

N = 10_000
MOST_SHARE, LEAST_ACCEPTED = 0.6, 0.15
"""No reason has more than this share of all, and at least so many are taken: a fuzzer that only breaks the first byte
is easy to survive."""
HALF, RARELY = 0.5, 0.1
ANY_ENGINE = "aircraft/fuzz/engine/vibration"
"""Held against no identity: what is damaged there gets as far as it can."""

HEADERS = tuple(
    bytes.fromhex(head) for head in ("ddffffffff", "dfffffffff", "c6ffffffff", "dbffffffff", "c9ffffffff01")
)
"""msgpack: a list, a map, bytes, a text and an extension of 4 GiB each."""
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**63 - 1, 2**64 - 1, -(2**63), 0.0, -0.0, 1e308, -1e308, 5e-324, float("nan"),
    float("inf"), float("-inf"), "", "x", "/", "+", "#", "a\x00b", "\u202e", "é" * 128, "x" * 129, "f4", "i2", b"",
    b"\x00", bytes(7), bytes(4096), b"\xff" * 4000, [], {}, [[]], [{}], {"": 0}, {"n1": -1.0}, {"n1": float("nan")},
    {"n1": []}, {"n1": b"\x00" * 7}, {"n1": b"\xff" * 16}, {"n9": 1}, ["acc_1", "acc_1"], ["acc_1", 1], ["x"] * 65,
    [[1.0], [2.0]], [[1e39], [-1e39]], [[1.0], [1.0, 2.0]], [["a"]], [[None]], [[1]],
)  # fmt: skip
"""Values of other types than a field has, or at the end of what its own can hold."""


def flip(rng: random.Random, payload: bytes) -> bytes:
    """Some bits are flipped; half of the time among the names and numbers, not the samples."""
    damaged = bytearray(payload)
    reach = len(damaged) if rng.random() < HALF else min(len(damaged), 160)
    for _ in range(rng.randint(1, 8)):
        damaged[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def cut(rng: random.Random, payload: bytes) -> bytes:
    """The end is missing, or something follows it."""
    return payload[: rng.randrange(len(payload))] if rng.random() < HALF else payload + rng.randbytes(9)


def declare(rng: random.Random, payload: bytes) -> bytes:
    """Somewhere in it, 4 GiB are announced."""
    at = rng.randrange(len(payload))
    return payload[:at] + rng.choice(HEADERS) + payload[at:]


def nest(rng: random.Random, _payload: bytes) -> bytes:
    """Lists or maps within each other, up to a hundred thousand of them."""
    depth = rng.choice((10, 511, 513, 5_000, 100_000))
    opening = rng.choice((b"\x91", b"\x81\xa1a", b'{"a":', b'{"samples":' + b"["))
    return opening * (depth // len(opening))


def confuse(rng: random.Random, payload: bytes) -> bytes:
    """One to three fields hold what they should not, are missing, or are none of ours."""
    document = msgpack.unpackb(payload)
    for _ in range(rng.randint(1, 3)):
        name = rng.choice([*document, "scale", "tach", "x" * 300])
        document[name] = rng.choice(ODD)
        if rng.random() < RARELY:
            del document[name]
    return bytes(msgpack.packb(document))


def as_json(rng: random.Random, payload: bytes) -> bytes:
    """JSON of the same fields, one of them odd; with half-characters, NaN, and numbers of any length."""
    document = msgpack.unpackb(payload)
    document["samples"] = rng.choice(([[0.5], [1.5]], [[float("nan")]], [[10**400]], "AAAA", "????", [[]], {}))
    name = rng.choice([*document])
    odd = [each for each in ODD if not isinstance(each, bytes)]
    document[name] = rng.choice([*odd, "\ud800", 10**5_000 if rng.random() < RARELY else 10**30])
    try:
        text = json.dumps(document, default=repr)
    except ValueError:
        text = '{"seq":' + "9" * 5_000 + "}"
    return flip(rng, text.encode()) if rng.random() < HALF else text.encode()


def splice(rng: random.Random, payload: bytes) -> bytes:
    """A part of it is somewhere else."""
    first, second = sorted(rng.randrange(len(payload)) for _ in range(2))
    return payload[:first] + payload[second:] + payload[first:second]


def extreme(rng: random.Random, payload: bytes) -> bytes:
    """A frame that is none to refuse, with samples and speeds that no engine has."""
    document = msgpack.unpackb(payload)
    samples = np.frombuffer(document["samples"], dtype="<f4").copy()
    samples[:: rng.randint(1, 50)] = rng.choice((np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0.0))
    document["samples"] = samples.tobytes()[: 4 * rng.randint(1, len(samples))]
    document["t_ns"], document["seq"] = rng.choice((0, 2**62, document["t_ns"])), rng.choice((0, 2**63 - 1, 7))
    document["flight"], document["engine"] = f"X{rng.randrange(40)}", f"E{rng.randrange(100)}"
    document["speed_hz"] = {"n1": rng.choice((0.0, 1e6, 5e-324))}
    return bytes(msgpack.packb(document))


def junk(rng: random.Random, _payload: bytes) -> bytes:
    """Nothing of a frame, or nothing at all."""
    return rng.randbytes(rng.randrange(200))


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    flip, cut, declare, nest, confuse, confuse, as_json, as_json, splice, extreme, extreme, junk, flip,
)  # fmt: skip


def hostile(payloads: list[bytes], n: int) -> list[bytes]:
    """``n`` damaged payloads, always the same ones."""
    rng = random.Random(20_261_128)
    return [MUTATIONS[index % len(MUTATIONS)](rng, rng.choice(payloads)) for index in range(n)]


def refusals_of(payloads: list[bytes]) -> Counter[str]:
    """By reason, what the pure decoder refuses."""
    refused: Counter[str] = Counter()
    for payload in payloads:
        try:
            decode_frame(payload)
        except WireError as error:
            refused[f"frames_refused.{error.reason}"] += 1
    return refused


def test_ten_thousand_hostile_payloads(broker: Any, peer: Any, make_agent: Any, small_bundle: Any) -> None:  # noqa: F811
    """None fails in the agent, each refusal is counted by its reason, and the flight after them has the right bytes."""
    payloads = hostile([encode_frame(frame) for frame in small_bundle.frames(3.0)], N)
    refused = refusals_of(payloads)
    assert max(refused.values()) < MOST_SHARE * N
    assert N - refused.total() > LEAST_ACCEPTED * N
    agent = make_agent(broker.port)
    limits = agent.folder / "conf.d" / "limits.toml"
    limits.parent.mkdir()
    limits.write_text(f"[limits]\ninbox_frames = {N}\ninbox_bytes = 268435456\n")
    agent.start()
    agent.notified(b"READY=1")
    peer.subscribe(RESULT)
    counters_when(agent, "frames_received", 0)
    peer.flood(ANY_ENGINE, payloads)
    counters_when(agent, "frames_received", N)
    peer.publish(f"aircraft/{'x' * 60_000}/engine/vibration", payloads[0])
    counters = counters_when(agent, "frames_received", N + 1)
    refused["frames_refused.topic_too_long"] = 1
    assert {name: n for name, n in counters.items() if name.startswith("frames_refused")} == refused
    assert not [name for name in counters if "errors" in name and counters[name]]
    assert counters["inbox_dropped"] == 0
    good = small_bundle.frames(6.0, flight="good", faulty_from_s=3.0)
    expected = expected_of(small_bundle, good)
    for frame in good:
        peer.publish(INPUT, encode_frame(frame))
    found: list[bytes] = []
    while len(found) < len(expected):
        payload = without_runtime(peer.next_where(lambda message: message.topic == RESULT).payload)
        found += [payload] if msgpack.unpackb(payload)["flight"] == "good" else []
    assert found == expected
    assert agent.stop() == 0
    assert {line["level"] for line in agent.log_lines()} <= {"info", "warning"}
