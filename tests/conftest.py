"""Fixtures for all tests: a real broker, a client to speak to it, a small signed bundle, folders."""

from __future__ import annotations

import dataclasses
import getpass
import queue
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.frame import NS_PER_S, Frame
from edge_agent.golden_vectors import GoldenVectors
from edge_agent.io_schema import INPUT, RECONSTRUCTION, SCORE, IoSchema
from edge_agent.layout import FEATURE_SPEC, IO_SCHEMA, MANIFEST, METRICS, MODEL, MODEL_CARD, SCALER, THRESHOLDS
from edge_agent.manifest import Manifest
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from edge_agent.thresholds import Thresholds
from ground.pack import pack_bundle
from shared_features.extract import extract_windows
from shared_features.feature import LINEAR
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

ROOT = Path(__file__).resolve().parent.parent
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or ""
WAIT_S = 30.0
"""Longest wait for a condition; only a failing test waits that long."""


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for ``condition`` to be true and return its value."""
    deadline_s = time.monotonic() + WAIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"waited {WAIT_S} s for: {what}"
        time.sleep(0.01)
    return value


class Broker:
    """A real mosquitto on a loopback port of its own, which it keeps through stops and starts."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *settings: str) -> None:
        """Start, with further lines of configuration, and wait until it takes connections."""
        lines = (
            f"user {getpass.getuser()}", f"listener {self.port} 127.0.0.1", "allow_anonymous true",
            "persistence false", "set_tcp_nodelay true", "log_dest none", "max_queued_messages 10000", *settings,
        )  # fmt: skip
        self._config.write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)])
        wait_until(self._answers, "mosquitto to listen")

    def kill(self) -> None:
        """End it without a goodbye; its port is free afterwards."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def signal(self, number: int) -> None:
        """Send it a signal, such as SIGSTOP to freeze it."""
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "mosquitto ended at once"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Peer:
    """A client of the broker for tests: publishes, and collects what it has subscribed to."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._messages: queue.SimpleQueue[MQTTMessage] = queue.SimpleQueue()
        self._subscribed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self._messages.put(message)
        self._client.on_subscribe = lambda _client, _data, number, _reasons, _properties: self._subscribed.put(number)
        self._client.on_socket_open = lambda _client, _data, opened: opened.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        self._client.connect(host, port)
        self._client.loop_start()

    def subscribe(self, topic: str) -> None:
        """Subscribe and wait until the broker has agreed."""
        self._client.subscribe(topic, qos=1)
        self._subscribed.get(timeout=WAIT_S)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int = 0) -> None:
        """Publish and wait until the broker has it."""
        properties = Properties(PacketTypes.PUBLISH)
        if expiry_s:
            properties.MessageExpiryInterval = expiry_s
        self._client.publish(topic, payload, qos=1, retain=retain, properties=properties).wait_for_publish(WAIT_S)

    def flood(self, topic: str, payloads: list[bytes], *, qos: int = 1) -> None:
        """Publish without waiting for anything."""
        for payload in payloads:
            self._client.publish(topic, payload, qos=qos)

    def next(self) -> MQTTMessage:
        """The next message."""
        return self._messages.get(timeout=WAIT_S)

    def next_where(self, wanted: Callable[[MQTTMessage], bool]) -> MQTTMessage:
        """The next message that is wanted; others are dropped."""
        while not wanted(message := self.next()):
            pass
        return message

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@dataclasses.dataclass(frozen=True)
class SignedBundle:
    """A small detector in a signed bundle: the mean squared z-score of time and band features."""

    path: Path
    key: Path
    fleet: str
    spec: FeatureSpec

    def frames(
        self, duration_s: float, *, engine: str = "1", flight: str = "F1", faulty_from_s: float = np.inf, seed: int = 0
    ) -> list[Frame]:
        """Frames of 0.1 s of noise; from ``faulty_from_s`` on it is five times as strong."""
        rng = np.random.default_rng(seed)
        frame_n = round(self.spec.sampling_rate_hz / 10)
        samples = noise(rng, round(duration_s * self.spec.sampling_rate_hz))
        if faulty_from_s < duration_s:
            samples[round(faulty_from_s * self.spec.sampling_rate_hz) :] *= np.float32(5.0)
        return [
            Frame(
                aircraft="OO-ABC",
                engine=engine,
                flight=flight,
                phase="cruise",
                t_ns=NS_PER_S * 1_700_000_000 + seq * NS_PER_S // 10,
                seq=seq,
                rate_hz=self.spec.sampling_rate_hz,
                unit="g",
                channels=("acc_1",),
                samples=samples[seq * frame_n : (seq + 1) * frame_n],
            )
            for seq in range(len(samples) // frame_n)
        ]


def noise(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """(n, 1) healthy vibration: white noise of 1 g."""
    return rng.standard_normal((n, 1), dtype=np.float32)


def z_score_model(mean: NDArray[np.float32], std: NDArray[np.float32]) -> bytes:
    """A model whose reconstruction is ``mean`` and whose score is the mean of the squared z-scores."""
    inputs = [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", len(mean)])]
    outputs = [
        helper.make_tensor_value_info(RECONSTRUCTION, TensorProto.FLOAT, ["batch", len(mean)]),
        helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, ["batch"]),
    ]
    nodes = [
        helper.make_node("Sub", [INPUT, "mean"], ["residual"]),
        helper.make_node("Div", ["residual", "std"], ["z"]),
        helper.make_node("Mul", ["z", "z"], ["squared"]),
        helper.make_node("ReduceMean", ["squared", "axes"], [SCORE], keepdims=0),
        helper.make_node("Sub", [INPUT, "residual"], [RECONSTRUCTION]),
    ]
    constants = [numpy_helper.from_array(mean, "mean"), numpy_helper.from_array(std, "std")]
    constants.append(helper.make_tensor("axes", TensorProto.INT64, [1], [1]))
    graph = helper.make_graph(nodes, "z_score", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def small_spec() -> FeatureSpec:
    """One channel at 1,000 Hz, windows of 2 s every second."""
    return FeatureSpec(
        sampling_rate_hz=1000.0,
        record_s=1.0,
        window_s=2.0,
        hop_s=1.0,
        channels=(ChannelSpec("acc_1", "g"),),
        spectrum=SpectrumGroup(segment_n=250, overlap_n=125, bands_hz=((8.0, 128.0), (128.0, 500.0))),
    )


def small_members(spec: FeatureSpec, **manifest: Any) -> dict[str, bytes]:
    """Members of a bundle that any agent of fleet ``test`` accepts, unsigned."""
    windows = extract_windows(spec, noise(np.random.default_rng(1), round(100 * spec.sampling_rate_hz)), np.zeros(0))
    features = np.stack([window.values for window in windows])
    mean, std = features.mean(axis=0), features.std(axis=0)
    model = z_score_model(mean, std)
    names = tuple(column.name for column in columns_of(spec))
    scaler = Scaler(names, (LINEAR,) * len(names), tuple(map(float, mean)), tuple(map(float, std)))
    thresholds = Thresholds(pooled=20.0, phases={}, k=2, n=3, release_ratio=0.9, false_alarm_rate=0.05, confidence=0.95)
    samples = noise(np.random.default_rng(2), 2 * spec.window_n).reshape(2, spec.window_n, 1)
    golden = np.stack([extract_windows(spec, each, np.zeros(0))[0].values for each in samples])
    facts: dict[str, Any] = {"version": "1.0.0", "sequence": 1, "release_class": "release", "ecr": "ECR-1", **manifest}
    return {
        MANIFEST: Manifest(
            detector="small", fleet="test", spec_digest=spec.digest, min_agent_version="0.1.0", **facts,
        ).to_json(),
        MODEL: model,
        FEATURE_SPEC: spec.to_json(),
        SCALER: scaler.to_json(),
        THRESHOLDS: thresholds.to_json(),
        IO_SCHEMA: IoSchema.of(len(names)).to_json(),
        METRICS: b"{}",
        MODEL_CARD: b"# Small\n",
        **GoldenVectors(
            samples=samples,
            speeds=np.zeros((2, 0)),
            pulses=np.zeros((2, 0, 0)),
            features=golden,
            scores=Scorer(model, len(names)).score_many(golden),
        ).to_members(),
    }  # fmt: skip


def busy_spec() -> FeatureSpec:
    """Ten times the rate and a window every other frame, none overlapping: much to do for each frame."""
    return dataclasses.replace(small_spec(), sampling_rate_hz=10_000.0, record_s=0.1, window_s=0.2, hop_s=0.2)


def make_small_bundle(folder: Path, spec: FeatureSpec, **manifest: Any) -> SignedBundle:
    """Sign a small bundle into ``folder``; ``manifest`` changes fields of its manifest."""
    key = ec.derive_private_key(20261123, ec.SECP256R1())
    public = folder / "public.pem"
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    path = folder / "small.bundle"
    path.write_bytes(pack_bundle(small_members(spec, **manifest), key))
    return SignedBundle(path, public, "test", spec)


@pytest.fixture(autouse=True)
def _default_logs() -> Iterator[None]:
    """The agent's own configuration caches loggers, out of reach of the tests that come after."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker."""
    broker = stopped_broker_in(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def stopped_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that is not running yet; its port is known."""
    broker = stopped_broker_in(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.kill()


def stopped_broker_in(folder: Path) -> Broker:
    """A broker with its configuration in ``folder``; skips where mosquitto is not installed."""
    if not MOSQUITTO:
        pytest.skip("mosquitto is not installed")
    return Broker(folder)


@pytest.fixture
def peer(broker: Broker) -> Iterator[Peer]:
    """A client of the running broker."""
    peer = Peer(broker.port)
    yield peer
    peer.close()


@pytest.fixture
def peer_of() -> Iterator[Callable[[Broker], Peer]]:
    """Makes clients of a broker, also of one that was restarted."""
    made: list[Peer] = []

    def make(broker: Broker) -> Peer:
        made.append(Peer(broker.port))
        return made[-1]

    yield make
    for peer in made:
        peer.close()


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> SignedBundle:
    """A small signed bundle, its public key and frames that fit it."""
    return make_small_bundle(tmp_path_factory.mktemp("bundle"), small_spec())


@pytest.fixture(scope="session")
def busy_bundle(tmp_path_factory: pytest.TempPathFactory) -> SignedBundle:
    """A bundle that gives the agent more to do."""
    return make_small_bundle(tmp_path_factory.mktemp("bundle"), busy_spec())


@pytest.fixture(scope="session")
def development_bundle(tmp_path_factory: pytest.TempPathFactory) -> SignedBundle:
    """The same, of release class ``development``."""
    return make_small_bundle(tmp_path_factory.mktemp("bundle"), small_spec(), release_class="development")


@pytest.fixture(scope="session")
def later_epoch(tmp_path_factory: pytest.TempPathFactory) -> SignedBundle:
    """The first bundle of epoch 1, of sequence 0, by the key of ``releases``."""
    return make_small_bundle(tmp_path_factory.mktemp("bundle"), small_spec(), version="4.0.0", sequence=0, epoch=1)


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[SignedBundle, ...]:
    """Three bundles of one detector, of sequence 1, 2 and 3, signed with one key."""
    return tuple(
        make_small_bundle(tmp_path_factory.mktemp("bundle"), small_spec(), version=f"{number}.0.0", sequence=number)
        for number in (1, 2, 3)
    )


@pytest.fixture
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is also the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real recordings beside this project; skips where they are absent."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "recordings.csv").is_file():
        pytest.skip(f"{folder} holds no recordings.csv")
    return folder
