"""The bridge as a process between two real brokers: born, asked again, killed, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest
import yaml
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.wire import decode_frame
from ground.bridge.client import Arrived, BridgeClient, BridgeError
from ground.bridge.config import BrokerConfig, load_bridge
from ground.bridge.node import REBIRTH, Message, rebirth_command
from ground.bridge.payload import decode_payload
from ground.bridge.service import AGENTS, Bridge
from ground.bridge.topic import parse_topic
from tests.conftest import ROOT, WAIT_S, stopped_broker_in, wait_until
from tests.faults.certificates import Authority
from tests.ground.bridge.conftest import result

GROUND = Path(sys.executable).parent / "ground"
RESULT = "aircraft/OO-ABC/engine/1/result"
PEER = os.environ.get("SPARKPLUG_PEER", "")


class RunningBridge:
    """``ground bridge sparkplug`` between the brokers of agents and plant."""

    def __init__(self, folder, agents, plant):
        self.config = folder / "bridge.yaml"
        source = {
            "node": "gateway", "device": "pump", "aircraft": "plant", "engine": "p1", "rate_hz": 1000, "unit": "g",
            "channels": {"acc_1": "vibration/x"},
        }  # fmt: skip
        document = {
            "group": "plant",
            "agents": {"host": "127.0.0.1", "port": agents.port},
            "plant": {"host": "127.0.0.1", "port": plant.port},
            "inputs": [source],
        }
        self.config.write_text(yaml.safe_dump(document))
        self.process = None

    def start(self):
        """Start it."""
        self.process = subprocess.Popen(
            [GROUND, "bridge", "sparkplug", "--config", self.config], env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def end(self, number):
        """Send a signal; exit code, and what it said."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, said


@pytest.fixture
def plant(tmp_path_factory):
    """The plant's broker, a second one."""
    broker = stopped_broker_in(tmp_path_factory.mktemp("plant"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def bridge(tmp_path, broker, plant):
    """A bridge that is not running yet."""
    made = RunningBridge(tmp_path, broker, plant)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.communicate()


def next_of(peer, kind):
    """The payload of the next message of a kind."""
    found = peer.next_where(lambda message: (topic := parse_topic(message.topic)) is not None and topic.kind == kind)
    return decode_payload(found.payload)


def values(payload):
    """Values by name."""
    return {metric.name: metric.value for metric in payload.metrics}


def test_a_life(bridge, plant, peer, peer_of, foreign):
    """Birth, data, a birth on request, samples inwards, a kill, another birth, a stop: what hosts see of it."""
    host = peer_of(plant)
    host.subscribe("spBv1.0/plant/#")
    peer.subscribe("aircraft/plant/engine/p1/vibration")
    bridge.start()
    first = next_of(host, "NBIRTH")
    assert (first.seq, values(first)[REBIRTH]) == (0, False)

    peer.publish(RESULT, result())
    assert values(next_of(host, "DBIRTH"))["State"] == "normal"
    peer.publish(RESULT, result(seq=8, state="alarm", score=3.0))
    assert values(next_of(host, "DDATA")) == {"State": "alarm", "Alarm": True, "Score": 3.0}

    command = rebirth_command("plant", "enginear", 1)
    host.publish(command.topic, command.payload)
    assert next_of(host, "NBIRTH").seq == 0
    assert values(next_of(host, "DBIRTH"))["State"] == "alarm"

    host.publish("spBv1.0/plant/NBIRTH/gateway", foreign.birth())
    host.publish("spBv1.0/plant/DDATA/gateway/pump", foreign.samples([1.0, 2.0]))
    assert decode_frame(peer.next().payload).samples.tolist() == [[1.0], [2.0]]

    bridge.end(signal.SIGKILL)
    assert values(next_of(host, "NDEATH"))["bdSeq"] == values(first)["bdSeq"]
    bridge.start()
    second = next_of(host, "NBIRTH")
    code, said = bridge.end(signal.SIGTERM)
    assert code == 0, said
    assert values(next_of(host, "NDEATH"))["bdSeq"] == values(second)["bdSeq"]
    assert "left out: none" in said


def test_a_broker_that_comes_back_hears_another_birth(bridge, plant, peer_of):
    """With another number; other nodes may have been born anew meanwhile, and are asked."""
    host = peer_of(plant)
    host.subscribe("spBv1.0/plant/#")
    stopping = threading.Event()
    carrier = Bridge(load_bridge(bridge.config), lambda _line: None)
    thread = threading.Thread(target=carrier.run, args=(stopping,), daemon=True)
    thread.start()
    before = values(next_of(host, "NBIRTH"))["bdSeq"]
    plant.kill()
    plant.start()
    again = peer_of(plant)
    again.subscribe("spBv1.0/plant/#")
    assert values(next_of(again, "NBIRTH"))["bdSeq"] == before + 1
    asked = again.next_where(lambda message: parse_topic(message.topic).kind == "NCMD")
    assert parse_topic(asked.topic).node == "gateway"
    stopping.set()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_engines_die_when_the_agents_cannot_be_heard(bridge, broker, plant, peer, peer_of):
    """A plant that goes on showing normal would not notice; born again, the next result tells."""
    host = peer_of(plant)
    host.subscribe("spBv1.0/plant/#")
    bridge.start()
    next_of(host, "NBIRTH")
    peer.publish(RESULT, result())
    next_of(host, "DBIRTH")
    broker.kill()
    died = host.next_where(lambda message: parse_topic(message.topic).kind == "DDEATH")
    assert parse_topic(died.topic).device == "OO-ABC:1"


def test_an_engine_that_falls_silent_dies(bridge, plant, peer, peer_of):
    """Its gateway has stopped; nothing tells but the silence."""
    host = peer_of(plant)
    host.subscribe("spBv1.0/plant/#")
    document = yaml.safe_load(bridge.config.read_text())
    bridge.config.write_text(yaml.safe_dump({**document, "silent_after_s": 0.1}))
    bridge.start()
    next_of(host, "NBIRTH")
    peer.publish(RESULT, result())
    next_of(host, "DBIRTH")
    next_of(host, "DDEATH")


def test_an_attempt_that_sends_no_connect_takes_no_number(plant):
    """The number counts CONNECT packets; a broker that is down for a minute is tried many times."""
    plant.kill()
    asked = []
    client = BridgeClient(
        "plant", BrokerConfig(host="127.0.0.1", port=plant.port), client_id="c", filters=(), events=SimpleQueue()
    )
    with pytest.raises(BridgeError):
        client.open(lambda: asked.append(1))
    assert asked == []


def test_a_connection_that_is_lost_at_the_goodbye_is_no_fault(monkeypatch):
    """The will says what could not be said."""
    client = BridgeClient("plant", BrokerConfig(), client_id="c", filters=(), events=SimpleQueue())
    monkeypatch.setattr(client._client, "is_connected", lambda: True)
    client.close([Message("spBv1.0/plant/NDEATH/enginear", b"")])


def test_a_fault_of_our_own_costs_one_message(bridge, monkeypatch):
    """The plant would lose all engines; it is counted, and told once for its kind."""
    said = []
    made = Bridge(load_bridge(bridge.config), said.append)
    monkeypatch.setattr(made._outward, "take", lambda _topic, _payload: 1 // 0)
    for _ in range(2):
        made._events.put(Arrived(AGENTS, RESULT, result()))
        made._turn()
    assert made.left_out() == {"internal_errors": 2}
    assert len(said) == 1
    assert "ZeroDivisionError" in said[0]


def test_no_broker_is_an_error_that_says_where(bridge, plant):
    """With the section of the config."""
    plant.kill()
    with pytest.raises(BridgeError, match=f"plant: expected a broker at 127.0.0.1:{plant.port}"):
        Bridge(load_bridge(bridge.config), lambda _line: None).run(threading.Event())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library drops the socket unclosed
def test_tls_with_a_certificate_of_its_own(bridge, plant, tmp_path):
    """To a broker that asks for one; nothing is said to one that another authority vouches for."""
    ours, other = Authority(tmp_path), Authority(tmp_path, "other")
    server, own = ours.sign("localhost", addresses=("127.0.0.1",)), ours.sign("bridge")
    plant.kill()
    plant.start(
        f"cafile {ours.file}", f"certfile {server.certificate}", f"keyfile {server.key}", "require_certificate true"
    )
    config = load_bridge(bridge.config)
    secured = {"ca": ours.file, "certificate": own.certificate, "key": own.key}
    said, stopping = [], threading.Event()
    trusting = config.model_copy(update={"plant": config.plant.model_copy(update=secured)})
    thread = threading.Thread(target=Bridge(trusting, said.append).run, args=(stopping,))
    thread.start()
    wait_until(lambda: "plant: connected" in said, "the connection")
    stopping.set()
    thread.join(WAIT_S)
    misled = config.model_copy(update={"plant": config.plant.model_copy(update={**secured, "ca": other.file})})
    with pytest.raises(BridgeError, match="certificate verify failed"):
        Bridge(misled, said.append).run(threading.Event())


def test_a_subscription_that_is_refused_ends_the_bridge(bridge):
    """It would stand there and say nothing; mosquitto grants all, so the answer is given by hand."""
    made = Bridge(load_bridge(bridge.config), lambda _line: None)
    refusal = ReasonCode(PacketTypes.SUBACK, "Not authorized")
    made._plant._on_subscribe(made._plant._client, None, 1, [refusal], None)
    with pytest.raises(BridgeError, match=r"plant: expected to read spBv1\.0/plant/NCMD/enginear, got a refusal"):
        made._handle(made._events.get(timeout=1.0))


@pytest.mark.skipif(not PEER, reason="SPARKPLUG_PEER names no python with pysparkplug; `make test-interop` does")
def test_a_host_of_another_library_reads_us_and_is_read(bridge, plant, peer):
    """Both ways, by code that is not ours."""
    script = Path(__file__).with_name("foreign_host.py")
    host = subprocess.Popen([PEER, script, str(plant.port)], stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    try:
        assert host.stdout.readline().strip() == "listening"
        peer.subscribe("aircraft/plant/engine/p1/vibration")
        bridge.start()
        assert json.loads(host.stdout.readline())["kind"] == "NBIRTH"
        peer.publish(RESULT, result())
        born = json.loads(host.stdout.readline())
        assert (born["kind"], born["device"]) == ("DBIRTH", "OO-ABC:1")
        assert born["metrics"]["Score"] == 1.5
        peer.publish(RESULT, result(seq=8, state="not_assessed", reason="gap", score=0.0, threshold=0.0))
        told = json.loads(host.stdout.readline())
        assert (told["kind"], told["metrics"]["Score"], told["metrics"]["Reason"]) == ("DDATA", None, "gap")
        frame = decode_frame(peer.next().payload)
        assert frame.samples.tolist() == [[1.0], [2.0], [3.0]]
        assert bridge.end(signal.SIGTERM)[0] == 0
        assert json.loads(host.stdout.readline())["kind"] == "NDEATH"
    finally:
        host.kill()
        host.communicate()
