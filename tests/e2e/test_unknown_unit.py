"""From raw recordings of which only some state a unit, by ``ground init`` and a bundle, to what an engine sends."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.assessment import encode_assessment
from edge_agent.wire import encode_frame
from ground.batch import ModelSource, assess_recording, load_signed
from ground.frames import frames_for
from ground.initialise import propose
from ground.recording_index import read_index
from ground.recordings import load_recording
from tests.conftest import make_small_bundle
from tests.e2e.test_agent_broker import STATUS, is_online, without_runtime
from tests.ground.initialise.conftest import Rig


@pytest.fixture
def folder(tmp_path: Any) -> Any:
    """Healthy recordings in g, and faulty ones whose unit nobody has put down."""
    rig = Rig(tmp_path / "rig")
    for index in range(9):
        label, unit = ("healthy", "g") if index < 5 else ("faulty", "")
        columns = {"a": rig.vibration(20_000, 2000)}
        rig.add(
            f"r{index}", columns, rate_hz=2000, label=label, signal_units=unit, dataset="bench", unit_id=f"u{index}"
        )
    return rig.write()


@pytest.fixture
def bundle(folder: Any, tmp_path: Any) -> Any:
    """A bundle of the spec that ``ground init`` chose, which knows no unit."""
    spec = propose(folder).config.feature_spec()
    assert [channel.unit for channel in spec.channels] == ["unknown"]
    return make_small_bundle(tmp_path, spec)


def test_every_recording_is_assessed(folder: Any, bundle: Any) -> None:
    """As `ground batch` and `ground replay` do, over the raw ones."""
    model = load_signed(ModelSource(bundle.path, (bundle.key,)))
    for info in read_index(folder):
        reasons = [each.reason for each in assess_recording(model, load_recording(folder, info, conditions=()))]
        assert reasons
        assert set(reasons) == {""}


def test_engines_are_assessed_on_board(folder: Any, bundle: Any, broker: Any, peer: Any, make_agent: Any) -> None:
    """One that states its unit, and one that states none: the results are those of the ground."""
    model = load_signed(ModelSource(bundle.path, (bundle.key,)))
    agent = make_agent(broker.port, bundle=bundle)
    agent.start()
    peer.subscribe(STATUS)
    peer.next_where(is_online)
    infos = read_index(folder)
    for info, unit in ((infos[0], "g"), (infos[-1], "unknown")):
        recording = load_recording(folder, info, conditions=())
        expected = list(assess_recording(model, recording))
        assert {each.reason for each in expected} == {""}
        topic = f"aircraft/{info.aircraft}/engine/{info.engine}"
        peer.subscribe(f"{topic}/result")
        for frame in frames_for(bundle.spec, recording):
            assert frame.unit == unit
            peer.publish(f"{topic}/vibration", encode_frame(frame))
        results = [peer.next_where(lambda message: message.topic != STATUS).payload for _ in expected]
        assert [without_runtime(payload) for payload in results] == [encode_assessment(each) for each in expected]
    assert agent.stop() == 0
