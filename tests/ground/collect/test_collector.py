"""Real collectors at a real broker: what was acknowledged is in the dataset, once, whatever ends them."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

from edge_agent.folder_lock import FolderLock
from ground.cli import main
from ground.fleet.collect.collector import Collector
from ground.fleet.collect.dataset import read_dataset
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.lenient_client import LenientClient
from ground.fleet.collect.spool import Spool
from tests.conftest import MOSQUITTO, Broker, Peer, wait_until

ROOT = Path(__file__).resolve().parents[3]
GROUND = (sys.executable, "-c", "import sys; from ground.cli import main; sys.exit(main())")
SETTINGS = ("max_queued_messages 0", "max_inflight_messages 0")
"""As docs/how-to/collect.md asks for: the broker keeps all that comes for a collector that is away."""

pytestmark = pytest.mark.skipif(not MOSQUITTO, reason="mosquitto is not installed")


@pytest.fixture
def broker(tmp_path):
    """A broker that keeps everything for those who are away."""
    made = Broker(tmp_path)
    made.start(*SETTINGS)
    yield made
    made.kill()


@pytest.fixture
def peer(broker):
    """An agent's end of the link."""
    made = Peer(broker.port)
    yield made
    made.close()


@pytest.fixture
def refusal(monkeypatch, capsys):
    """What a run says that is refused, with code 2."""

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["ground", "collect", "run", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        return capsys.readouterr().err

    return run


class Collecting:
    """A ``ground collect run`` process."""

    def __init__(self, out, broker, name, *, every=1.0):
        self.command = [
            *GROUND, "collect", "run", "--out", str(out), "--broker", f"127.0.0.1:{broker.port}",
            "--name", name, "--every", str(every),
        ]  # fmt: skip
        self.log = out.parent / f"{name}.log"
        self.start()

    def start(self):
        """Start it, and wait until the broker has subscribed it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )
        wait_until(lambda: "collecting" in self.log.read_text(), "the collector to be subscribed")

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        self.log.write_text("")

    def stop(self):
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30.0)


def collected(out, kind=Kind.RESULT):
    """Numbers of the windows in the dataset, as they lie in the files."""
    rows = []
    for path in (out / kind.value).rglob("*.parquet"):
        rows += pq.ParquetFile(path).read(columns=["seq"])["seq"].to_pylist()
    return sorted(rows)


def test_what_is_published_is_collected_by_kind(tmp_path, broker, peer, message):
    """Results and alerts, until SIGTERM ends it in order."""
    out = tmp_path / "data"
    collector = Collecting(out, broker, "c1")
    for seq in range(50):
        peer.publish(message(seq).topic, message(seq).payload)
    peer.publish(message(0).topic.replace("result", "alert"), message(7).payload)
    peer.publish(message(0).topic, b"nonsense")
    wait_until(lambda: len(collected(out)) == 50, "all to be in the dataset")
    assert collector.stop() == 0
    assert collected(out) == list(range(50))
    assert collected(out, Kind.ALERT) == [7]
    assert len(read_dataset(out, Kind.REFUSED).table) == 1
    assert "1 not a window of this schema" in collector.log.read_text()


def test_kills_lose_and_double_nothing(tmp_path, broker, peer, message):
    """SIGKILL at random points; what came meanwhile waits at the broker, what was half done is done again."""
    rng = random.Random(20261128)
    out = tmp_path / "data"
    collector = Collecting(out, broker, "c1")
    n = 0
    for _ in range(40 if os.environ.get("FAULTS") == "full" else 3):
        count = rng.randrange(200, 900)
        peer.flood(message(0).topic, [message(n + each).payload for each in range(count)])
        n += count
        time.sleep(rng.uniform(0.0, 1.3))  # a moment of the run, not a wait for something
        collector.kill()
        peer.publish(message(0).topic, message(n).payload)
        n += 1
        collector.start()
    wait_until(lambda: len(set(collected(out))) == n, "all to be in the dataset")
    assert collector.stop() == 0
    assert collected(out) == list(range(n))


def test_two_collectors_share_what_comes(tmp_path, broker, peer, message):
    """Each takes a part, none is lost, none comes to both; one that is killed is taken over from."""
    out = tmp_path / "data"
    first, second = Collecting(out, broker, "c1"), Collecting(out, broker, "c2")
    for seq in range(400):
        peer.publish(message(seq).topic, message(seq).payload)
    wait_until(lambda: len(collected(out)) == 400, "all to be in the dataset")
    names = {path.name.split("-")[0] for path in (out / "result").rglob("*.parquet")}
    assert names == {"c1", "c2"}
    assert first.stop() == second.stop() == 0
    assert collected(out) == list(range(400))


def test_a_broker_that_restarts_is_waited_for(tmp_path, broker, peer, message):
    """The collector goes on."""
    out = tmp_path / "data"
    collector = Collecting(out, broker, "c1")
    peer.publish(message(0).topic, message(0).payload)
    wait_until(lambda: collected(out) == [0], "the first")
    broker.kill()
    broker.start(*SETTINGS)
    again = Peer(broker.port)
    wait_until(lambda: collector.log.read_text().count("collecting") == 2, "it to be back")
    again.publish(message(1).topic, message(1).payload)
    wait_until(lambda: collected(out) == [0, 1], "the second")
    again.close()
    assert collector.stop() == 0
    assert (
        f"127.0.0.1:{broker.port}: expected the connection to stand, got The connection was lost; it is tried again\n"
        in (collector.log.read_text())
    )


def test_messages_that_await_no_acknowledgement(tmp_path, broker, peer, message):
    """QoS 0 is collected as well, and costs no connection."""
    out = tmp_path / "data"
    collector = Collecting(out, broker, "c1")
    for seq in range(3):
        peer.flood(message(seq).topic, [message(seq).payload], qos=0)
        wait_until(lambda upto=seq: collected(out) == list(range(upto + 1)), "it to be in the dataset")
    peer.publish(message(3).topic, message(3).payload)
    wait_until(lambda: collected(out) == [0, 1, 2, 3], "the one that is acknowledged")
    assert collector.log.read_text().count("collecting") == 1
    assert collector.stop() == 0


def test_properties_that_paho_does_not_read(tmp_path, broker, peer, message):
    """U+FEFF in one of them: the message is collected, and so is what comes behind it, on one connection."""
    out = tmp_path / "data"
    collector = Collecting(out, broker, "c1")
    in_user, in_type = Properties(PacketTypes.PUBLISH), Properties(PacketTypes.PUBLISH)
    in_user.UserProperty = [("k", "v"), ("note", "\ufeff")]
    in_type.ContentType = "application/\ufeffmsgpack"
    for number, properties in enumerate((in_user, in_type)):
        peer._client.publish(message(0).topic, message(number).payload, qos=number, properties=properties)
    peer._client.publish("aircraft/OO-ABC/engine/1/flight", b"summary", qos=1, properties=in_type)
    peer.publish(message(2).topic, message(2).payload)
    wait_until(lambda: collected(out) == [0, 1, 2], "all to be in the dataset")
    assert collector.stop() == 0
    assert collector.log.read_text().count("collecting") == 1
    (row,) = read_dataset(out, Kind.FLIGHT).table.to_pylist()
    assert (row["content_type"], row["payload"]) == ("", b"summary")


@pytest.mark.parametrize(
    "properties",
    [
        b"\x03\x00\x01\xff", b"\x26\x00\x01k\x00\x03\xef\xbb\xbf", b"\x7f\x01", b"\x03\x00\x00\x03\x00\x00",
        b"\x03\x00\x09short", b"\x01\x00" * 200,
    ],
    ids=lambda value: value[:9].hex(),
)  # fmt: skip
@pytest.mark.parametrize("qos", [0, 1])
def test_no_property_costs_the_connection(qos, properties):
    """Whatever a broker passes on: the message comes with its number and its payload."""
    taken = []
    client = LenientClient(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
    client.on_message = lambda _client, _data, message: taken.append(message)
    number = b"\x12\x34" if qos else b""
    length = VariableByteIntegers.encode(len(properties))
    client._in_packet["command"] = 0x30 | qos << 1
    client._in_packet["packet"] = bytearray(b"\x00\x03a/b" + number + length + properties + b"payload")
    assert client._packet_handle() is MQTTErrorCode.MQTT_ERR_SUCCESS
    (message,) = taken
    assert (message.topic, message.mid, bytes(message.payload)) == ("a/b", 0x1234 if qos else 0, b"payload")
    assert message.properties.ContentType == ""


def test_one_collector_a_name(tmp_path, refusal):
    """Two of one name would write to one spool: the second is told so."""
    (tmp_path / ".spool" / "c1").mkdir(parents=True)
    lock = FolderLock(tmp_path / ".spool" / "c1")
    said = refusal("--out", str(tmp_path), "--name", "c1")
    assert "--name: expected a folder of its own" in said
    assert "which another one uses; give each collector its own" in said
    lock.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--broker", "127.0.0.1:1"], "127.0.0.1:1: expected a broker, got"),
        (["--broker", "127.0.0.1:99999"], "--broker: expected HOST or HOST:PORT, got '127.0.0.1:99999'"),
        (["--name", "../c1"], "--name: expected letters, digits"),
        (["--group", "a/#"], "--group: expected letters, digits"),
        (["--password-file", "none.txt"], "--password-file: expected a readable text, got none.txt"),
        (["--certificate", "own.pem"], "--ca: expected what vouches for the broker beside --certificate, got nothing"),
        (["--key", "own.key", "--ca", "ca.pem"], "--certificate: expected a certificate beside --key, got nothing"),
        (["--ca", "none.pem", "--broker", "127.0.0.1:1"], "127.0.0.1:1: expected a broker, got"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_options_are_named(tmp_path, refusal, options, said):
    """With what was expected and what to do; no traceback."""
    assert said in refusal("--out", str(tmp_path / "data"), *options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--broker", "192.0.2.1"], True),
        (["--broker", "broker.example:1883"], True),
        (["--broker", "127.0.0.1"], False),
        (["--broker", "[::1]:1883"], False),
        ([], False),
        (["--broker", "192.0.2.1", "--ca", "ca.pem"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_password_in_the_clear_is_told_of(tmp_path, refusal, monkeypatch, options, told):
    """Where it leaves the machine."""

    def end(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Collector, "run", end)
    (tmp_path / "password").write_text("secret")
    credentials = ["--username", "c", "--password-file", str(tmp_path / "password")]
    said = refusal("--out", str(tmp_path / "data"), *credentials, *options)
    assert ("a password that anybody on it can read; give --ca" in said) is told
    assert "secret" not in said


def test_a_full_disk_is_named(tmp_path, refusal, monkeypatch):
    """A write that fails names no file: then the dataset is named."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Collector, "run", full)
    assert f"{tmp_path / 'data'}: expected to read and write it, got No space" in refusal(
        "--out", str(tmp_path / "data")
    )


def test_what_an_earlier_run_left_is_adopted(tmp_path, message):
    """Its messages are in the same batch, numbered on; a batch that was done is only removed."""
    spool = Spool(tmp_path)
    spool.append([message(0), message(1)])
    spool.close()
    (tmp_path / "00000000000000000001.done").mkdir()
    again = Spool(tmp_path)
    batch = again.batch
    again.append([message(2)])
    assert [each.payload for each in again.messages()] == [message(seq).payload for seq in range(3)]
    assert (again.n, len(list(tmp_path.iterdir()))) == (3, 1)
    again.end_batch()
    assert (again.n, list(again.messages())) == (0, [])
    assert again.batch != batch
