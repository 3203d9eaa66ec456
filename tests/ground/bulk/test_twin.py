"""Digital twin: what an agent answers to a replay, over a real broker or from a file, are the bytes of the batch."""

from __future__ import annotations

from collections import Counter

import pyarrow.parquet as pq
import pytest

from edge_agent.assessment import encode_assessment
from edge_agent.command_replay import ReplayOptions, replay
from edge_agent.frame_file import read_blocks
from edge_agent.policy import ANY_FLEET, Policy
from edge_agent.result import decode_result
from edge_agent.version import AGENT_VERSION
from edge_agent.wire import decode_frame
from ground.batch import load_signed
from ground.bulk.run import run_batch
from ground.bulk.twin import Twin
from ground.demo.agent import running_agent
from ground.demo.listener import listening
from ground.engine import LocalEngine
from ground.publish import Broker, PublishError
from tests.ground.bulk.conftest import RATE_HZ, write_dataset

SPEED = 200.0


@pytest.fixture
def twin_of(source):
    """Makes the twin of a folder."""
    return lambda folder: Twin.of(load_signed(source).spec, str(folder), ())


def batch_bytes(source, folder, out, no_progress):
    """The assessments of a batch run."""
    run_batch(source, str(folder), str(out), progress=no_progress, engine=LocalEngine(1))
    return pq.read_table(out)["assessment"].to_pylist()


def test_the_stream_is_the_batch(source, data, small_bundle, broker, twin_of, *, tmp_path, no_progress):
    """A real agent behind a real broker, at 200 times real time."""
    expected = batch_bytes(source, data, tmp_path / "r.parquet", no_progress)
    where = Broker("127.0.0.1", broker.port)
    with listening(where) as listener:
        agent = running_agent(
            tmp_path / "agent", bundle=small_bundle.path, key=small_bundle.key, fleet=small_bundle.fleet, broker=where,
            listener=listener,
        )  # fmt: skip
        with agent:
            report = twin_of(data).to_broker(where, speed=SPEED, progress=no_progress)
            listener.wait_for_results(len(expected))
    published = [encode_assessment(decode_result(payload).assessment) for payload in listener.results]
    assert Counter(published) == Counter(expected)
    assert report.signal_s == pytest.approx(31.5 + 12.0 + 25.25 + 1.5)
    assert 0.0 < report.speed <= SPEED


@pytest.mark.parametrize("layout", ["index", "dataset"])
def test_the_file_is_the_batch(source, data, twin_of, *, tmp_path, no_progress, layout):
    """``edge-agent replay`` of it gives the bytes, in their order."""
    folder = data if layout == "index" else write_dataset(tmp_path / "dataset")
    expected = batch_bytes(source, folder, tmp_path / "r.parquet", no_progress)
    frames, out = tmp_path / "frames.bin", tmp_path / "out.bin"
    n = twin_of(folder).to_file(frames, progress=no_progress)
    assert n == len(list(read_blocks(frames)))
    options = ReplayOptions(bundle=source.path, keys=source.keys, frames=frames, out=out)
    replay(options, Policy(fleet=ANY_FLEET, agent_version=AGENT_VERSION, allow_development=True))
    assert list(read_blocks(out)) == expected


def test_a_broker_that_lets_nobody_in_is_told(data, stopped_broker, twin_of, no_progress):
    """At once, with the broker's reason."""
    stopped_broker.start("allow_anonymous false")
    with pytest.raises(PublishError, match="expected to be let in, got Not authorized"):
        twin_of(data).to_broker(Broker("127.0.0.1", stopped_broker.port), speed=SPEED, progress=no_progress)


def test_a_recording_that_breaks_at_its_end_sends_nothing(data, twin_of, tmp_path, no_progress):
    """As a batch leaves it out whole: the agent has no answers that the batch does not have."""
    path = data / "two.parquet"
    table = pq.ParquetFile(path).read()
    pq.write_table(table.slice(0, 12 * RATE_HZ), path)
    twin = twin_of(data)
    twin.to_file(tmp_path / "frames.bin", progress=no_progress)
    assert [failure.recording_id for failure in twin.failures] == ["two"]
    flights = {decode_frame(payload).flight for payload in read_blocks(tmp_path / "frames.bin")}
    assert flights == {"one", "three"}


def test_a_twin_of_some_recordings_is_of_these_alone(source, tmp_path):
    """Once each, and what is wrong with others is not its matter."""
    dataset = write_dataset(tmp_path / "dataset")
    (dataset / "lost.csv").write_text("acc_1\n1.0\n")
    spec = load_signed(source).spec
    assert len(Twin.of(spec, str(dataset), ()).failures) == 1
    twin = Twin.of(spec, str(dataset), ["OO-ABC.1.F1", "OO-ABC.1.F1"])
    assert [each.info.recording_id for each in twin.sources] == ["OO-ABC.1.F1"]
    assert twin.failures == []
