"""Units on disk: kept by a thread of its own, told of on a topic, reset by an operator, replayed by the ground."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest

from edge_agent import unit_store
from edge_agent.cli import main
from edge_agent.commissioning import ANY_BUNDLE
from edge_agent.commissioning_policy import CommissioningPolicy, ExpectedLevels
from edge_agent.errors import ConfigError
from edge_agent.frame_file import read_blocks, write_blocks
from edge_agent.inbox import Arrival
from edge_agent.layout import COMMISSIONING_POLICY
from edge_agent.pipeline import Pipeline
from edge_agent.publication import Grade
from edge_agent.recent_scalers import RecentScalers
from edge_agent.topics import TopicTemplate
from edge_agent.unit_files import read_units, request_reset, reset_requests, units_folder, write_unit
from edge_agent.unit_state import COMMISSIONING, KNOWN, LearnedFlight, UnitState, new_unit
from edge_agent.unit_store import UnitStore
from edge_agent.unit_watch import UnitWatch
from edge_agent.wire import encode_frame
from ground.pack import pack_bundle
from tests.conftest import small_members, small_spec, wait_until
from tests.faults.small_disk import disk  # noqa: F401 - a fixture

ENGINE = "OO-ABC/1"
N_FEATURE = len(json.loads(small_members(small_spec())["scaler.json"])["names"])
POLICY = CommissioningPolicy(
    flights=2,
    windows=3,
    spans=(),
    limits=(3.0,) * N_FEATURE,
    expected=ExpectedLevels(offset=(0.0,) * N_FEATURE, columns=(), low=(), width=(), steps=()),
    pooled=15.0,
    phases=(),
    confidence=0.9,
    units=20,
    known=(),
)


@pytest.fixture
def store(tmp_path):
    """A store whose thread runs."""
    made = UnitStore(tmp_path / "units", limit=3)
    made.start()
    yield made
    made.stop(10.0)


def test_a_state_is_kept_and_read_again(store, tmp_path):
    """By a thread of its own; at hand at once."""
    state = replace(new_unit(ENGINE, "d1", KNOWN), shift=(0.5, -0.25))
    store.put(state)
    assert store.state_of(ENGINE) is state
    wait_until(lambda: read_units(tmp_path / "units")[0], "the state to be written")
    assert UnitStore(tmp_path / "units", limit=3).state_of(ENGINE) == state
    assert store.state_of("OO-XYZ/9").engine == ""


def test_no_more_units_than_the_limit_are_kept(store, tmp_path):
    """Engines are named by frames: invented ones must neither fill the disk nor keep the next new unit out of it."""
    learned = LearnedFlight(flight="F1", windows=9, level=(0.0,), low=(), high=())
    store.put(replace(new_unit("real/0", "d1", COMMISSIONING), flights=(learned,)))
    for number in range(4):
        store.put(new_unit(f"invented/{number}", "d1", COMMISSIONING))
        wait_until(lambda: not store._changed, "it to be written")
    store.put(new_unit("real/1", "d1", COMMISSIONING))
    store.put(replace(new_unit("real/0", "d1", COMMISSIONING), flights=(learned,), refused=1))
    store.stop(10.0)
    states, _ = read_units(tmp_path / "units")
    assert sorted(states) == ["invented/3", "real/0", "real/1"]
    assert states["real/0"].refused == 1


def test_units_that_were_learned_stay(store, tmp_path):
    """Where all that are kept have been learned of, no further one is."""
    for number in range(4):
        store.put(replace(new_unit(f"a/{number}", "d1", KNOWN), shift=(0.5,)))
    store.stop(10.0)
    assert sorted(read_units(tmp_path / "units")[0]) == ["a/0", "a/1", "a/2"]


def test_a_state_that_cannot_be_written_costs_no_other(store, tmp_path, log_lines):
    """JSON has no NaN; the thread goes on."""
    store.put(replace(new_unit("a/0", "d1", KNOWN), shift=(float("nan"),)))
    wait_until(lambda: log_lines, "the fault to be told")
    store.put(replace(new_unit("a/1", "d1", KNOWN), shift=(0.5,)))
    wait_until(lambda: read_units(tmp_path / "units")[0], "the other state to be written")
    assert [line["event"] for line in log_lines] == ["unit state not written"]


@pytest.mark.parametrize("step", ["write_unit", "remove_unit", "reset_requests"])
def test_a_fault_of_ours_does_not_end_the_keeping(store, tmp_path, monkeypatch, log_lines, step):
    """It is counted, and told once with its traceback; a moment later all is written."""
    store.put(new_unit(ENGINE, "d1", COMMISSIONING))
    wait_until(lambda: read_units(tmp_path / "units")[0], "the state to be written")
    monkeypatch.setattr(unit_store, "AGAIN_S", 0.0)

    def fail(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(unit_store, step, fail)
        for number in range(4):
            store.put(new_unit(f"a/{number}", "d1", COMMISSIONING))
        wait_until(lambda: store.write_errors > 2, "several rounds")
        assert store.is_alive
    wait_until(lambda: sorted(read_units(tmp_path / "units")[0]) == ["a/1", "a/2", "a/3"], "all to be written")
    assert [line["exc_info"] for line in log_lines if line["log_level"] == "error"] == [True]


def test_a_damaged_file_is_told_and_left(tmp_path, log_lines):
    """The unit is commissioned anew; others are not affected."""
    folder = tmp_path / "units"
    folder.mkdir()
    write_unit(folder, new_unit(ENGINE, "d1", COMMISSIONING))
    (folder / "broken.json").write_bytes(b"{")
    made = UnitStore(folder, limit=3)
    assert made.state_of(ENGINE).engine == ENGINE
    assert [line["event"] for line in log_lines] == ["unit state not read"]


def test_a_folder_that_is_none_is_refused(tmp_path):
    """When the agent starts, by the key of its config."""
    (tmp_path / "units").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"agent\.state_dir: expected a folder .*Not a directory"):
        UnitStore(tmp_path / "units", limit=3)


def test_a_reset_reaches_a_running_store(store, tmp_path):
    """Once: the request is gone, the state says that it counts for any bundle."""
    store.put(new_unit(ENGINE, "d1", COMMISSIONING))
    request_reset(tmp_path / "units", ENGINE)
    wait_until(lambda: ENGINE in store._resets, "the request to be seen")
    assert store.take_resets() == (ENGINE,)
    assert store.take_resets() == ()
    assert store.state_of(ENGINE).bundle_digest == ANY_BUNDLE
    assert reset_requests(tmp_path / "units") == {}


def test_a_request_under_any_name_is_done_once(store, tmp_path):
    """The file that asked goes, whatever it is called: nothing is reset again and again."""
    (tmp_path / "units").mkdir(exist_ok=True)
    (tmp_path / "units" / "by-hand.reset").write_text(ENGINE)
    wait_until(lambda: ENGINE in store._resets, "the request to be seen")
    wait_until(lambda: reset_requests(tmp_path / "units") == {}, "the request to be gone")
    assert store.take_resets() == (ENGINE,)


def test_a_disk_that_refuses_is_counted(tmp_path):
    """Each time, for the metrics and the verdict."""
    (tmp_path / "units").mkdir()
    store = UnitStore(tmp_path / "units", limit=3)
    (tmp_path / "units").rmdir()
    (tmp_path / "units").write_bytes(b"")
    store.start()
    store.put(new_unit(ENGINE, "d1", COMMISSIONING))
    wait_until(lambda: store.write_errors > 0, "the refusal")
    store.stop(10.0)


def test_what_a_full_disk_refused_is_written_later(disk, monkeypatch, log_lines):  # noqa: F811 - a fixture
    """A unit that has been learned does not change any more: nobody would put it a second time. It is told once."""
    monkeypatch.setattr(unit_store, "AGAIN_S", 0.0)
    store = UnitStore(disk.folder / "units", limit=3)
    disk.fill()
    store.start()
    known = replace(new_unit(ENGINE, "d1", KNOWN), shift=(0.5,) * 1000)
    store.put(known)
    wait_until(lambda: store.write_errors > 1, "it to be refused again")
    assert [line["event"] for line in log_lines] == ["unit state not written"]
    disk.make_room()
    wait_until(lambda: read_units(disk.folder / "units")[0], "the state to be written")
    disk.fill()
    refused_before = store.write_errors
    newer = replace(known, shift=(0.25,) * 1000)
    store.put(newer)
    wait_until(lambda: store.write_errors > refused_before, "the next one to be refused")
    disk.make_room()
    store.stop(10.0)
    assert read_units(disk.folder / "units")[0] == {ENGINE: newer}
    assert [line["event"] for line in log_lines] == ["unit state not written"] * 2


def test_a_disk_that_refuses_is_left_alone_for_a_while(disk, monkeypatch, log_lines):  # noqa: F811 - a fixture
    """Also where a request cannot be seen to."""
    monkeypatch.setattr(unit_store, "AGAIN_S", 3600.0)
    store = UnitStore(disk.folder / "units", limit=3)
    request_reset(disk.folder / "units", ENGINE)
    disk.remount("ro")
    store._take_requests()
    store.put(new_unit(ENGINE, "d1", COMMISSIONING))
    store.start()
    time.sleep(2.0)
    assert store.write_errors == 1
    disk.remount("rw")
    store.stop(10.0)
    assert read_units(disk.folder / "units")[0] != {}
    assert [line["event"] for line in log_lines] == ["unit not reset"]


def test_a_state_that_made_room_is_not_written_after_all(tmp_path):
    """What was refused and then left, for another unit, must not come back over the limit; its file goes later."""
    folder = tmp_path / "units"
    store = UnitStore(folder, limit=1)
    store.put(new_unit("a/0", "d1", COMMISSIONING))
    store._write()
    [file] = folder.iterdir()
    kept = file.read_bytes()
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    store.put(replace(new_unit("a/0", "d1", COMMISSIONING), refused=1))
    store._write()
    store.put(new_unit("a/1", "d1", COMMISSIONING))
    store._write()
    (file / "in the way").rmdir()
    file.rmdir()
    file.write_bytes(kept)
    store._write()
    assert sorted(read_units(folder)[0]) == ["a/1"]


def test_a_judgement_of_before_does_not_undo_a_reset(store, tmp_path):
    """Observers lag behind: what the unit was is told after it was reset, and the engine may not be heard again."""
    known = replace(new_unit(ENGINE, "d1", KNOWN), shift=(0.5,))
    store.put(known)
    request_reset(tmp_path / "units", ENGINE)
    wait_until(store.take_resets, "the request to be seen")
    store.put(replace(known))
    assert store.state_of(ENGINE).bundle_digest == ANY_BUNDLE
    again = new_unit(ENGINE, "d1", COMMISSIONING)
    store.put(again)
    learned = LearnedFlight(flight="F1", windows=9, level=(0.0,), low=(), high=())
    store.put(replace(again, flights=(learned,)))
    assert store.state_of(ENGINE).flights == (learned,)


def test_a_reset_waits_for_an_agent_that_does_not_run(tmp_path):
    """It is seen to when one starts."""
    request_reset(tmp_path / "units", ENGINE)
    assert UnitStore(tmp_path / "units", limit=3).state_of(ENGINE).bundle_digest == ANY_BUNDLE


def flights(bundle, n):
    """Frames of ``n`` flights of 8 s."""
    return [frame for number in range(n) for frame in bundle.frames(8.0, flight=f"F{number}", seed=number)]


def test_the_pipeline_keeps_and_tells_of_each_step(store, make_config, make_health, small_model, small_bundle):
    """Three events: commissioning begins, a flight is learned, the unit is known; of the lowest grade."""
    config = make_config()
    model = replace(small_model, commissioning=POLICY)
    watch = UnitWatch(store, TopicTemplate(config.topics.unit), RecentScalers(model), expiry_s=7)
    pipeline = Pipeline(config, model, make_health(config), observers=(watch,), units=store)
    told = []
    for frame in flights(small_bundle, 3):
        topic = f"aircraft/{frame.aircraft}/engine/{frame.engine}/vibration"
        pipeline.handle(Arrival(topic=topic, payload=encode_frame(frame), retained=False, received_ns=0))
        told += pipeline.follow_up()
    events = [json.loads(each.payload) for each in told]
    kinds = {(each.topic, each.grade, each.expiry_s) for each in told}
    assert kinds == {("aircraft/OO-ABC/engine/1/unit", Grade.TELEMETRY, 7)}
    assert [(event["stage"], len(event["flights"])) for event in events] == [
        (COMMISSIONING, 0), (COMMISSIONING, 1), (KNOWN, 2),
    ]  # fmt: skip
    assert set(events[-1]["shift_spreads"]) == set(model.scaler.names)
    assert store.state_of(ENGINE).shift_digest == events[-1]["shift_digest"]


@pytest.fixture
def commissioning_bundle(tmp_path, small_bundle):
    """The small bundle with a policy."""
    from cryptography.hazmat.primitives.asymmetric import ec

    members = {**small_members(small_spec()), COMMISSIONING_POLICY: POLICY.to_json()}
    path = tmp_path / "commissioning.bundle"
    path.write_bytes(pack_bundle(members, ec.derive_private_key(20261123, ec.SECP256R1())))
    return replace(small_bundle, path=path)


def test_a_replay_from_kept_states_gives_the_bytes_of_the_stream(tmp_path, commissioning_bundle):
    """The last flight alone, from the state before it, equals the same flight in the replay of all."""

    def replayed(frames, *more):
        write_blocks(tmp_path / "frames", map(encode_frame, frames))
        paths = ["--bundle", str(commissioning_bundle.path), "--key", str(commissioning_bundle.key)]
        out = ["--frames", str(tmp_path / "frames"), "--out", str(tmp_path / "out")]
        assert main(["replay", *paths, *out, *more]) == 0
        return list(read_blocks(tmp_path / "out"))

    from edge_agent.detector import Detector
    from edge_agent.load import load_model
    from edge_agent.policy import Policy
    from edge_agent.trust import TrustedKeys
    from edge_agent.version import AGENT_VERSION

    all_flights = flights(commissioning_bundle, 4)
    whole = replayed(all_flights)
    last = [frame for frame in all_flights if frame.flight == "F3"]
    model = load_model(
        commissioning_bundle.path,
        keys=TrustedKeys.from_files([commissioning_bundle.key]),
        policy=Policy(fleet="test", agent_version=AGENT_VERSION),
    )
    detector = Detector(model)
    kept = [each.unit for frame in all_flights[: -len(last)] for each in detector.judge(frame)][-1]
    (tmp_path / "units").mkdir()
    write_unit(tmp_path / "units", kept)
    alone = replayed(last, "--units", str(tmp_path / "units"))
    assert kept.stage == KNOWN
    assert alone == whole[-len(alone) :]
    assert replayed(last) != alone


@pytest.fixture
def config_file(tmp_path, small_bundle):
    """An agent.toml, and the state folder that it names."""
    path = tmp_path / "agent.toml"
    path.write_text(
        f'[agent]\nid = "a1"\nfleet = "test"\nstate_dir = "{tmp_path}/state"\n'
        f'[bundle]\npath = "{small_bundle.path}"\nkeys = ["{small_bundle.key}"]\n'
    )
    return path


def test_the_operator_sees_units_and_resets_one(config_file, tmp_path, capsys):
    """Text for people, JSON for programs; a reset is a request until an agent has seen to it."""
    folder = units_folder(tmp_path / "state")
    folder.mkdir(parents=True)
    arguments = ["--config", str(config_file)]
    assert main(["commission", "status", *arguments]) == 0
    assert "no unit is being commissioned" in capsys.readouterr().out
    write_unit(folder, replace(new_unit(ENGINE, "d1", KNOWN), shift=(0.5, -2.0), clipped=("b",)))
    write_unit(folder, new_unit("OO-ABC/2", "d1", COMMISSIONING))
    assert main(["commission", "status", *arguments]) == 0
    shown = capsys.readouterr().out
    assert (
        "OO-ABC/1: known, 0 flights learned from (0 windows), 0 refused; largest shift 2.00 spreads, limited in b"
        in shown
    )
    assert "OO-ABC/2: commissioning" in shown
    assert main(["commission", "reset", "--engine", ENGINE, "--json", *arguments]) == 0
    assert json.loads(capsys.readouterr().out) == {"engine": ENGINE, "reset": "requested"}
    assert main(["commission", "status", "--engine", ENGINE, "--json", *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [unit["engine"] for unit in document["units"]] == [ENGINE]
    assert document["resets_awaited"] == [ENGINE]
    UnitStore(folder, limit=3)
    assert main(["commission", "status", *arguments]) == 0
    assert "OO-ABC/1: reset; commissioned anew from its next flight on" in capsys.readouterr().out


WRONG = {
    "an engine that is not known": (["status", "--engine", "OO-XYZ/9"], "--engine: expected one of none yet"),
    "no aircraft": (["reset", "--engine", "1"], "--engine: expected aircraft/engine, got '1'"),
}


@pytest.mark.parametrize(("arguments", "text"), WRONG.values(), ids=WRONG)
def test_wrong_engines_are_told(config_file, capsys, arguments, text):
    """With the exit code of a wrong command line."""
    assert main(["commission", *arguments, "--config", str(config_file)]) == 2
    assert text in capsys.readouterr().err


def test_a_state_survives_its_file(tmp_path):
    """Every field, bit for bit."""
    rng = np.random.default_rng(3)
    state = replace(new_unit("ä/ö \u4e2d", "d1", KNOWN), shift=tuple(rng.standard_normal(5).tolist()))
    tmp_path.joinpath("units").mkdir()
    write_unit(tmp_path / "units", state)
    assert read_units(tmp_path / "units")[0] == {state.engine: state}
    assert UnitState.from_json(state.to_json(), where="x").shift_digest == state.shift_digest


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_roots_command_leaves_is_the_agents(tmp_path):
    """Root resets a unit before the agent ever kept one: a folder of root's would keep the agent from starting."""
    os.chown(tmp_path, 12_345, 23_456)
    request_reset(tmp_path / "units", ENGINE)
    owners = {path.name: path.stat().st_uid for path in [tmp_path / "units", *(tmp_path / "units").iterdir()]}
    assert len(owners) == 2
    assert set(owners.values()) == {12_345}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write to the file of another")
def test_root_writes_through_no_link(tmp_path):
    """Laid where the command of root writes before it renames."""
    secret = tmp_path / "secret"
    secret.write_text("root's")
    request_reset(tmp_path / "units", ENGINE)
    [asked] = (tmp_path / "units").iterdir()
    asked.with_name(f".{asked.name}.new").symlink_to(secret)
    request_reset(tmp_path / "units", ENGINE)
    assert secret.read_text() == "root's"
    assert reset_requests(tmp_path / "units") == {asked: ENGINE}
