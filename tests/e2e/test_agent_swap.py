"""Hot swaps in a real agent: frames go on, and a ledger of windows at the receiver says what became of each of them."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import AgentConfig, load_config
from edge_agent.result import Result, decode_result
from edge_agent.slots import SlotStore
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import PROBATION, ROLLED_BACK, SlotsState, loaded, mark_good, roll_back
from edge_agent.startup import slots_of_config
from edge_agent.trust import TrustedKeys
from edge_agent.wire import encode_frame
from ground.pack import pack_bundle
from tests.conftest import make_small_bundle, small_members, small_spec, wait_until

ENGINE = "aircraft/OO-ABC/engine/1"
PACE_S = 0.005
FRAMES_A_HOP = 10


class Rig:
    """An agent with slots, of which the first release is active and good, and a sensor that never stops."""

    def __init__(self, agent: Any, peer: Any, bundle: Any) -> None:
        self.agent, self.peer, self.bundle = agent, peer, bundle
        text = agent.config.read_text().replace(f"path = '{bundle.path}'", "slots = true")
        agent.config.write_text(text.replace("[broker]", "probation_windows = 1000\n[broker]"))
        config: AgentConfig = load_config(agent.config)
        self.ledger = SlotLedger(config.agent.state_dir)
        self.store: SlotStore = slots_of_config(config, TrustedKeys.from_files(config.bundle.keys))
        self.first = self.activate(bundle)
        self.ledger.change(lambda state: mark_good(loaded(state, self.first), self.first))
        self._frames = iter(bundle.frames(900.0))
        self.sent = 0
        self.results: list[Result] = []

    def activate(self, bundle: Any) -> str:
        """Install and activate, as the command does; gives the digest."""
        digest = self.store.install(bundle.path).digest
        self.store.activate(digest, boots=3)
        return digest

    def reload(self) -> None:
        """As `systemctl reload`: the agent looks at once."""
        self.agent.process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Start the agent, and listen to it."""
        self.agent.start()
        self.agent.notified(b"READY=1")
        self.peer.subscribe(f"{ENGINE}/result")
        wait_until(lambda: self.agent.status()["link"]["connected"], "the agent to be connected")

    def send(self, n: int = 1) -> None:
        """Send frames, one every ``PACE_S``."""
        for _ in range(n):
            self.peer.publish(f"{ENGINE}/vibration", encode_frame(next(self._frames)))
            self.sent += 1
            time.sleep(PACE_S)

    def send_until(self, condition: Callable[[], bool], what: str) -> None:
        """Send frames until something is so."""

        def sent() -> bool:
            self.send()
            return condition()

        wait_until(sent, what)

    def runs(self, digest: str) -> bool:
        """Whether the status says that the agent runs that bundle."""
        return bool(self.agent.status()["bundle_digest"] == digest)

    def send_until_decides(self, digest: str) -> None:
        """Send frames until a result is of that bundle."""

        def is_of() -> bool:
            self.collect()
            return bool(self.results) and self.results[-1].assessment.bundle_digest == digest

        self.send_until(is_of, f"a result of {digest[:8]}")

    def collect(self) -> None:
        """Take the results that have come."""
        while not self.peer._messages.empty():
            self.results.append(decode_result(bytes(self.peer.next().payload)))

    def finish(self) -> None:
        """Send up to the end of a window, wait for its result, and end the agent."""
        self.send(-self.sent % FRAMES_A_HOP)
        wait_until(lambda: self.agent.status()["counters"]["frames_received"] == self.sent, "all frames")
        assert self.agent.stop() == 0
        self.collect()

    def state(self) -> SlotsState:
        """The slots' state on disk."""
        return self.ledger.state()

    def bundles(self) -> list[str]:
        """The bundles that decided, in the order in which they did; each named once in a row."""
        order: list[str] = []
        for result in self.results:
            if order[-1:] != [result.assessment.bundle_digest]:
                order.append(result.assessment.bundle_digest)
        return order

    def check_nothing_lost(self) -> None:
        """Every window once, without a hole, counted on; all of them assessed."""
        assessments = [each.assessment for each in self.results]
        assert [each.seq for each in assessments] == list(range(len(assessments)))
        assert all(each.reason == "" for each in assessments), {each.reason for each in assessments}
        ends_ns = [each.end_ns for each in assessments]
        assert len(set(ends_ns)) == len(ends_ns)
        covered_ns = assessments[0].end_ns
        for each in assessments[1:]:
            assert each.start_ns <= covered_ns < each.end_ns
            covered_ns = each.end_ns
        assert not any(line["level"] == "error" for line in self.agent.log_lines())


@pytest.fixture
def rig(broker: Any, peer: Any, make_agent: Any, releases: Any, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """See ``Rig``. What the test installs is not proven: the agent proves it, as if this machine had changed since."""
    monkeypatch.setattr("edge_agent.slots.prove_in_child", lambda _members: None)
    return Rig(make_agent(broker.port, bundle=releases[0]), peer, releases[0])


def release(folder: Path, number: int, spec: Any) -> Any:
    """A bundle of another spec, signed with the key of the releases."""
    folder.mkdir()
    return make_small_bundle(folder, spec, version=f"{number}.0.0", sequence=number)


def test_swaps_of_one_spec(rig: Rig, releases: Any) -> None:
    """Activation, another one, and a return by hand: each window has one result, of whoever decided then."""
    rig.start()
    rig.send(40)
    digests = [rig.first]
    for bundle in releases[1:]:
        digests.append(rig.activate(bundle))
        rig.reload()
        rig.send_until_decides(digests[-1])
        assert rig.state().stage == PROBATION
    rig.ledger.change(roll_back)
    rig.send_until_decides(rig.first)
    assert rig.runs(rig.first)
    counters = rig.agent.status()["counters"]
    rig.finish()
    rig.check_nothing_lost()
    assert len(rig.results) == rig.sent // FRAMES_A_HOP - 1
    assert rig.bundles() == [*digests, rig.first]
    assert counters["swaps"] == 3
    assert {each.runtime.run for each in rig.results} == {rig.agent.status()["run"]}


def test_swap_to_another_spec_and_back(rig: Rig, tmp_path: Path, broker: Any, peer_of: Any) -> None:
    """The new detector warms up beside the old one: nothing is left out or called a gap; silence is by its windows."""
    longer = dataclasses.replace(small_spec(), window_s=4.0, hop_s=2.0)
    with rig.agent.config.open("a") as config:
        config.write("[interop]\nhome_assistant = 'homeassistant'\n")
    home = peer_of(broker)
    home.subscribe("homeassistant/#")
    rig.start()
    rig.send(40)
    second = rig.activate(release(tmp_path / "longer", 2, longer))
    rig.send_until_decides(second)
    rig.send(50)
    rig.ledger.change(roll_back)
    rig.reload()
    rig.send_until_decides(rig.first)
    rig.finish()
    rig.check_nothing_lost()
    assert rig.bundles() == [rig.first, second, rig.first]
    specs = {each.assessment.bundle_digest: each.assessment.spec_digest for each in rig.results}
    assert specs == {rig.first: small_spec().digest, second: longer.digest}
    announced = [home.next_where(lambda message: "OO-ABC" in message.topic) for _ in range(3)]
    assert [json.loads(each.payload)["components"]["state"]["expire_after"] for each in announced] == [6, 12, 6]


def test_wrong_golden_vectors(rig: Rig, tmp_path: Path, releases: Any) -> None:
    """Refused in the child: the old one goes on, the slots return to it, and the digest is never taken again."""
    members = small_members(small_spec(), version="2.0.0", sequence=2)
    samples = bytearray(members["golden/samples.npy"])
    samples[-1] ^= 1
    path = tmp_path / "wrong.bundle"
    path.write_bytes(pack_bundle({**members, "golden/samples.npy": bytes(samples)}, signing_key()))
    rig.start()
    rig.send(30)
    wrong = rig.activate(dataclasses.replace(releases[0], path=path))
    rig.send_until(lambda: rig.state().stage == ROLLED_BACK, "the return")
    rig.send(20)
    assert [(each.digest, each.reason) for each in rig.state().rejected] == [(wrong, "golden_features")]
    assert rig.state().active.digest == rig.first
    good = rig.activate(releases[2])
    rig.reload()
    rig.send_until_decides(good)
    rig.finish()
    assert rig.bundles() == [rig.first, good]
    (error,) = [line for line in rig.agent.log_lines() if line["level"] == "error"]
    assert error["reason"] == "golden_features"
    assert rig.agent.status()["counters"]["swaps_refused.golden_features"] == 1


def signing_key() -> Any:
    """The key of the releases."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(20261123, ec.SECP256R1())


def test_activation_while_a_swap_is_under_way(rig: Rig, releases: Any) -> None:
    """The later one decides in the end, whatever became of the one on its way."""
    rig.start()
    rig.send(30)
    rig.activate(releases[1])
    rig.reload()
    rig.send_until(lambda: rig.state().boots_left < 3, "the count of the trial")
    third = rig.activate(releases[2])
    rig.send_until_decides(third)
    rig.finish()
    rig.check_nothing_lost()
    assert rig.bundles()[0] == rig.first
    assert rig.bundles()[-1] == third
    assert rig.state().active.digest == third


def test_killed_in_the_middle(rig: Rig, releases: Any) -> None:
    """Kill -9 while the child proves: the next start goes on with the trial, which has cost one start more."""
    rig.start()
    second = rig.activate(releases[1])
    wait_until(lambda: rig.state().boots_left == 2, "the count of the trial")
    os.kill(rig.agent.process.pid, signal.SIGKILL)
    rig.agent.process.wait()
    rig.start()
    assert rig.runs(second)
    assert (rig.state().stage, rig.state().boots_left) == (PROBATION, 1)
    assert rig.agent.stop() == 0
