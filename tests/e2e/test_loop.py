"""The whole loop by the commands that people and timers give: a fleet drifts, and flies what it was trained on anew.

Real broker, real registry, real update repository over HTTP, real agents as processes. ``make test-loop`` runs it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ground.config import load_config
from ground.fleet.alerts import read_alerts
from ground.fleet.collect.kinds import Kind
from ground.fleet.verdicts import VERDICTS_FILE, Verdict, open_verdicts
from ground.keys import new_key_pair
from tests.conftest import MOSQUITTO, ROOT, Broker, Peer
from tests.e2e.airflow_rig import AIRFLOW, airflow_environment
from tests.e2e.loop_fleet import FLIGHTS_EACH, ILL_FLIGHT, IN_SERVICE, short_flights, simulate, whole_flights
from tests.e2e.loop_rig import GROUND, WAIT_S, Agent, Process, ground, rows, stream, wait_for
from tests.ground.repo_ceremony import FLEET, Ceremony, served

pytestmark = [
    pytest.mark.skipif(os.environ.get("LOOP") != "full", reason="takes minutes: run `make test-loop`"),
    pytest.mark.skipif(not MOSQUITTO, reason="mosquitto is not installed"),
    pytest.mark.timeout(3600),
]

DETECTOR = "engine_vibration_detector"
FIRST, SECOND = f"{DETECTOR}/1.0.0", f"{DETECTOR}/1.1.0"
EXAMPLE = ROOT / "ground" / "configs" / "engine_vibration.yaml"
PERSON = ("--approver", "A. Person", "--reason", "as the loop asks")
SKIPPED, DRIFTED = 5, 3
DRIFT = ("--reference", FLIGHTS_EACH * IN_SERVICE, "--block", FLIGHTS_EACH * IN_SERVICE)


class Clock:
    """Tells how long each part took: what a person reads of the loop."""

    def __init__(self) -> None:
        self._begun_s = self._last_s = time.monotonic()

    def tell(self, what: str) -> None:
        """A part is over."""
        now_s = time.monotonic()
        print(f"{now_s - self._begun_s:6.0f} s  {now_s - self._last_s:5.0f} s  {what}", flush=True)  # noqa: T201
        self._last_s = now_s


def write_config(path: Path) -> Path:
    """The example with short spans for short flights, and gates that so few flights can decide."""
    document = yaml.safe_load(EXAMPLE.read_text())
    document["features"] = {
        "record_s": 0.5, "window_s": 1.0, "hop_s": 0.5,
        "spectrum": {"segment_n": 5120, "overlap_n": 2560, "n_bands": 40},
    }  # fmt: skip
    document["signal"] = {name: document["signal"][name] for name in ("sampling_rate_hz", "channels")}
    document["model"] = {"family": "mahalanobis", "baselines": ["mahalanobis"]}
    document["decision"] |= {"false_alarm_rate": 0.15, "confidence": 0.8}
    document["gates"] |= {
        "auc_min": 0.6, "precision_min": 0.5, "recall_min": 0.5, "false_alarm_rate_max": 0.4, "prevalence": 0.5,
        "confidence": 0.8, "latency_p99_max_ms": 5000.0,
    }  # fmt: skip
    document["bundle"]["fleet"] = FLEET
    path.write_text(yaml.safe_dump(document))
    return path


class World:
    """A workspace, a registry, a repository, a broker and a dataset; and what is done with them."""

    def __init__(self, root: Path, broker: Broker, ceremony: Ceremony) -> None:
        self.root = root
        self.broker = broker
        self.ceremony = ceremony
        self.flights = simulate(root / "flights")
        self.workspace = root / "w"
        self.config = write_config(root / "config.yaml")
        self.data = root / "dataset"
        self.registry = ("--registry", root / "registry")
        self.event = root / "drift.json"
        self.report = root / "shadow.json"
        self.spec = load_config(self.config).feature_spec()
        self.collector = Process(
            [*GROUND, "collect", "run", "--out", self.data, "--broker", f"127.0.0.1:{broker.port}",
             "--name", "c1", "--every", "1"],
            root / "collector.log",
        )  # fmt: skip
        self.agents: list[Agent] = []

    @property
    def publishing(self) -> tuple[object, ...]:
        """Options that sign and publish an offer as an engineer of the fleet."""
        return ("--repo", self.ceremony.folder, *self.ceremony.sign_as("gina"))

    def bundle(self, name: str) -> Path:
        """The signed file of a version."""
        version = name.partition("/")[2]
        return self.workspace / "models" / DETECTOR / version / f"{DETECTOR}-{version}.bundle"

    def import_(self, name: str) -> None:
        """Bring a folder of recordings into the workspace."""
        ground("import", "--data", self.flights[name], "--workspace", self.workspace)

    def first_release(self) -> None:
        """Train, register and promote the first version; nothing flies that it could be compared with."""
        self.import_("begin")
        ground("keys", "new", "--out", self.workspace / "keys", "--unencrypted")
        ground("pipeline", "--config", self.config, "--workspace", self.workspace, "--version", "1.0.0")
        ground("registry", "register", "--bundle", self.bundle(FIRST), *self.registry)
        ground("registry", "promote", FIRST, "--to", "validation", *PERSON, *self.registry)
        ground("registry", "promote", FIRST, "--to", "active", "--first", *PERSON, *self.registry)

    def found(self) -> None:
        """Hold the ceremony; the key that signs bundles comes to the agents with the repository alone."""
        self.ceremony.found()
        assert self.ceremony.run("trust-key", self.workspace / "keys" / "public.pem") == 0
        self.ceremony.sign("root", "alice", "bob")
        self.ceremony.sign("targets", "dora", "emil")
        self.ceremony.sign("bundles-test", "gina")
        self.ceremony.commit()

    def publish(self, name: str, role: str) -> None:
        """Offer a registered version."""
        ground("repo", "publish", name, *self.registry, "--role", role, *self.publishing)

    def take_off(self, url: str) -> None:
        """Two agents with an aircraft's engines each, and a collector."""
        self.collector.start()
        key = new_key_pair(self.root / "another").public
        root = self.ceremony.public / "metadata" / "1.root.json"
        for number in range(2):
            aircraft = [f"sim-a{each:04d}" for each in range(IN_SERVICE // 2) if each % 2 == number]
            agent = Agent(
                self.root / f"agent{number}", f"a{number}", aircraft, broker=self.broker, url=url, root=root, key=key
            )
            self.agents.append(agent)
            agent.update()
            agent.start()

    def fly(self, flights: Any) -> int:
        """Send flights to the agents, end them so that each tells of its last flight, and start them again."""
        peer = Peer(self.broker.port)
        count = stream(peer, self.agents, flights)
        peer.close()
        for agent in self.agents:
            agent.stop()
            agent.start()
        return count

    def deciders(self) -> Counter[str]:
        """Results in the dataset by the bundle that decided."""
        return Counter(row["bundle_id"] for row in rows(self.data, Kind.RESULT, "bundle_id"))

    def flown(self, kind: Kind, bundle: str) -> set[str]:
        """Flights of which the dataset has windows."""
        found = rows(self.data, kind, "flight", "bundle_id")
        return {row["flight"] for row in found if row["bundle_id"] == bundle}

    def states(self) -> dict[str, str]:
        """States of the registered versions."""
        said = ground("registry", "list", "--json", *self.registry)
        return {each["name"]: each["state"] for each in json.loads(said)}

    def retrain(self, *options: object, expected: int = 0) -> str:
        """``ground retrain --reason drift``, with the keys that make an offer public."""
        return ground(*self.retraining(*options), expected=expected)

    def retraining(self, *options: object) -> tuple[object, ...]:
        """Its words."""
        return (
            "retrain", "--reason", "drift", "--config", self.config, "--workspace", self.workspace, "--data", self.data,
            *self.registry, "--repo", self.ceremony.folder, "--repo-key", self.ceremony.keys / "gina.pem",
            "--repo-password-file", self.ceremony.keys / "password", *self.ceremony.publish_options,
            *(options or ("--event", self.event)),
        )  # fmt: skip

    @property
    def drift(self) -> tuple[object, ...]:
        """``drift`` with its options."""
        return ("drift", "--data", self.data, "--model", self.bundle(FIRST).parent, *DRIFT)

    def end(self) -> None:
        """No process stays."""
        for process in (*self.agents, self.collector):
            process.end()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """See ``World``."""
    broker = Broker(tmp_path)
    broker.start("max_queued_messages 0", "max_inflight_messages 0")
    (tmp_path / "ceremony").mkdir()
    made = World(tmp_path, broker, Ceremony.begin(tmp_path / "ceremony"))
    yield made
    made.end()
    broker.kill()


def test_a_fleet_that_drifts_flies_what_was_learned_from_it(world: World) -> None:
    """From the drift to the detector that was trained on it, and runs on board."""
    clock = Clock()
    clock.tell("simulated")
    world.first_release()
    world.found()
    world.publish(FIRST, "active")
    clock.tell("first release trained, registered, published")
    with served(world.ceremony.public) as url:
        world.take_off(url)
        _drift(world, clock)
        _judge_alarms(world)
        for name in ("usual", "drifted"):
            world.import_(name)
        if AIRFLOW:
            _by_airflow(world, clock)
        else:
            _retrain(world, clock)
            _try_as_shadow(world, clock)
            said = ground("shadow", "report", "--data", world.data, "--bundle", SECOND, "--out", world.report)
            assert "verdict: ready" in said
        _promote(world, clock)
    _drift_of_what_is_retired(world)


def _drift(world: World, clock: Clock) -> None:
    """Flights as ever say nothing; louder ones are drift."""
    world.fly(whole_flights(world.flights["usual"], world.spec))
    wait_for(lambda: len(world.flown(Kind.RESULT, FIRST)) == FLIGHTS_EACH * IN_SERVICE, "usual flights in the dataset")
    assert "ask again later" in ground(*world.drift, "--out", world.event)
    clock.tell("flown as ever")
    world.fly(whole_flights(world.flights["drifted"], world.spec))
    both = 2 * FLIGHTS_EACH * IN_SERVICE
    wait_for(lambda: len(world.flown(Kind.RESULT, FIRST)) == both, "drifted flights in the dataset")
    said = wait_for(lambda: _told(*world.drift, "--out", world.event), "drift to be noticed")
    assert "drift" in said
    clock.tell("flown louder, drift noticed")


def _told(*drift: object) -> str:
    """What ``ground drift`` says once all sketches have landed."""
    done = subprocess.run(
        [*GROUND, *map(str, drift)], check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode in (0, DRIFTED), done.stderr
    return done.stdout if done.returncode == DRIFTED else ""


def _judge_alarms(world: World) -> None:
    """A person looks at every alarm: one engine is ill, the others are louder and well."""
    listed = ground("verdict", "list", "--data", world.data)
    (ill,) = re.findall(rf"^([0-9a-f]{{12}})  \S+ flight {ILL_FLIGHT} ", listed, re.MULTILINE)[:1]
    ground("verdict", "set", ill, "confirmed", "--by", "A. Person", "--data", world.data)
    alerts = read_alerts(world.data).alerts
    others = [alert.key for alert in alerts if alert.key.flight != ILL_FLIGHT]
    for key in others:
        open_verdicts(world.data / VERDICTS_FILE).record(key, Verdict.FALSE_ALARM, by="A. Person", note="loud mounts")
    print(f"{len(alerts)} alarms judged")  # noqa: T201


def _retrain(world: World, clock: Clock) -> None:
    """Killed once, gone on with, done once; the ill flight is left."""
    with subprocess.Popen(
        [*GROUND, *map(str, world.retraining())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as first:  # fmt: skip
        wait_for(lambda: list(world.workspace.glob("retraining/*/run.json")), "the retraining to begin")
        time.sleep(2.0)
        first.kill()
    said = world.retrain()
    assert f"candidate: {SECOND}" in said
    assert world.states() == {FIRST: "active", SECOND: "shadow"}
    (record,) = world.workspace.glob("retraining/*/selection.json")
    chosen = json.loads(record.read_bytes())
    assert chosen["counts"]["confirmed"] == 1
    assert chosen["counts"]["alarmed"] == 0
    left = [each["recording_id"] for each in chosen["recordings"] if not each["taken"]]
    assert left == [ILL_FLIGHT]
    metrics = json.loads((world.bundle(SECOND).parent / "metrics.json").read_bytes())
    assert metrics["selection"] == chosen["counts"]
    assert "done already" in world.retrain()
    clock.tell(f"trained anew: {chosen['counts']}")


def _try_as_shadow(world: World, clock: Clock) -> None:
    """The agents take it as a shadow; it sees what they see until the report is sure."""
    for agent in world.agents:
        assert SECOND in agent.update()
        agent.stop()
        agent.start()
        wait_for(lambda agent=agent: agent.status().get("shadow", {}).get("bundle_id") == SECOND, "the shadow")
    count = world.fly(short_flights(world.flights["later"], world.spec))
    wait_for(lambda: len(world.flown(Kind.SHADOW, SECOND)) == count, f"{count} flights of the shadow in the dataset")
    clock.tell(f"{count} flights beside the shadow")


def _by_airflow(world: World, clock: Clock) -> None:
    """The packaged DAG gives the same commands, and waits for the shadow that flies meanwhile."""
    folder = world.root / "airflow"
    folder.mkdir()
    command = folder / "ground"
    command.write_text(f"#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c '{GROUND[2]}' \"$@\"\n")
    command.chmod(0o755)
    words = [str(word) for word in world.retraining()]
    begin = words.index("--config")
    environment = {
        **airflow_environment(folder), "GROUND": str(command), "DRIFT_OPTIONS": " ".join(map(str, world.drift[1:])),
        "RETRAIN_EVENT": str(world.event), "RETRAIN_OPTIONS": " ".join(words[begin : words.index("--event")]),
        "SHADOW_OPTIONS": f"--data {world.data}", "SHADOW_REPORT": str(world.report), "SHADOW_POKE_S": "5",
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        subprocess.run([AIRFLOW, "db", "migrate"], check=True, env=environment, stdout=log, stderr=log)
        dag = subprocess.Popen(
            [AIRFLOW, "dags", "test", "enginear_retraining"], env=environment, stdout=log, stderr=log
        )
        try:
            wait_for(lambda: world.states().get(SECOND) == "shadow", "Airflow to have trained")
            clock.tell("trained anew by Airflow")
            _try_as_shadow(world, clock)
            assert dag.wait(WAIT_S) == 0, (folder / "log").read_text()[-4000:]
        finally:
            dag.kill()
            dag.wait()
    assert json.loads(world.report.read_bytes())["verdict"] == "ready"
    clock.tell("Airflow's run has ended with a shadow that is ready")


def _promote(world: World, clock: Clock) -> None:
    """A person promotes; the running agents go over to it."""
    ground("registry", "promote", SECOND, "--to", "active", "--shadow-report", world.report, *PERSON, *world.registry)
    assert world.states() == {FIRST: "retired", SECOND: "active"}
    world.publish(SECOND, "active")
    for agent in world.agents:
        agent.update()
        wait_for(lambda agent=agent: agent.status().get("bundle_id") == SECOND, f"{agent.log} to decide by it")
    before = world.deciders()
    world.fly(list(short_flights(world.flights["later"], world.spec))[:40])
    wait_for(lambda: world.deciders()[SECOND] > 0, "results of the new one in the dataset")
    assert world.deciders()[FIRST] == before[FIRST]
    clock.tell("promoted, published, taken, decides")


def _drift_of_what_is_retired(world: World) -> None:
    """An event about the old one is told, counted, and not followed."""
    event = json.loads(world.event.read_bytes())
    late = world.root / "late.json"
    late.write_text(json.dumps(event | {"p": event["p"] / 2}))
    said = world.retrain("--event", late, expected=SKIPPED)
    assert f"not followed: {FIRST} is retired" in said
    assert "1 not followed so far" in said
