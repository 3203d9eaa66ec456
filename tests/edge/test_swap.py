"""Swaps of the bundle without a process: what becomes of windows, of observers, and of what cannot be loaded."""

from __future__ import annotations

import dataclasses
import hashlib
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent import archive, swap
from edge_agent.archive import archive_digest, read_archive, write_archive
from edge_agent.assessment import Assessment, encode_assessment
from edge_agent.audit import AuditLog
from edge_agent.command_audit import log_documents
from edge_agent.config import AgentConfig
from edge_agent.detector import Detector, LoadedModel
from edge_agent.errors import BundleError, ConfigError, GoldenMismatch, PolicyRejected
from edge_agent.handover import MOST_LOOKS_UNHEARD
from edge_agent.load import load_beside, load_model
from edge_agent.onlookers import Onlookers
from edge_agent.policy import Policy
from edge_agent.probation import MOST_FAULTS, Probation
from edge_agent.scorer import Scorer
from edge_agent.sealed_file import sealed
from edge_agent.slots_state import PROBATION, ROLLED_BACK, mark_good, roll_back
from edge_agent.startup import LoadedShadow
from edge_agent.stream import GAP
from edge_agent.streams import Streams
from edge_agent.swap import Swapper
from edge_agent.trust import TrustedKeys, key_hint
from edge_agent.version import AGENT_VERSION
from edge_agent.waveform_recorder import WaveformRecorder
from shared_features.makers import Makers
from tests.conftest import make_small_bundle, small_spec, wait_until
from tests.edge.test_slots_boot import Rig

S_NS = 10**9
SHAPES = [(4.0, 2.0), (4.0, 1.0), (1.0, 1.0), (3.0, 3.0), (8.0, 4.0)]
"""Window and hop of another bundle, s; the small one has 2 s and 1 s."""


@pytest.fixture
def other_model(tmp_path: Path) -> Callable[[float, float], LoadedModel]:
    """Makes a loaded bundle of other windows."""

    def make(window_s: float, hop_s: float) -> LoadedModel:
        spec = dataclasses.replace(small_spec(), window_s=window_s, hop_s=hop_s)
        bundle = make_small_bundle(tmp_path, spec, version="2.0.0", sequence=2)
        policy = Policy(fleet="test", agent_version=AGENT_VERSION)
        return load_model(bundle.path, keys=TrustedKeys.from_files([bundle.key]), policy=policy)

    return make


def renamed(model: LoadedModel, name: str = "small/2.0.0") -> LoadedModel:
    """The same detector in another bundle, with a session of its own."""
    return dataclasses.replace(model, bundle_id=name, bundle_digest=name.encode().hex().ljust(64, "0"))


def push(detector: Detector, frames: Sequence[Any]) -> list[Assessment]:
    """What is said of frames."""
    return [each for frame in frames for each in detector.push(frame)]


def test_windows_under_way_go_on(small_model: LoadedModel, small_bundle: Any) -> None:
    """Of the same spec: the windows of an agent that was never swapped, counted on; only who decides changes."""
    frames, new = small_bundle.frames(12.0), renamed(small_model)
    for cut in (0, 15, 64):
        detector, alone = Detector(small_model), Detector(small_model)
        found = push(detector, frames[:cut])
        detector.swap(new, Makers(new.spec))
        assert detector.is_settled
        found += push(detector, frames[cut:])
        expected = push(alone, frames)
        digests = [each.bundle_digest for each in found]
        changed = sum(each.end_ns <= frames[cut].t_ns for each in found)
        assert digests == [small_model.bundle_digest] * changed + [new.bundle_digest] * (len(found) - changed)
        told = [dataclasses.replace(each, bundle_id="", bundle_digest="") for each in found]
        assert told == [dataclasses.replace(each, bundle_id="", bundle_digest="") for each in expected]


def test_persistence_begins_anew(small_model: LoadedModel, small_bundle: Any) -> None:
    """A standing alarm is dropped without `cleared`; the new bundle raises its own, after its own k windows."""
    frames, new = small_bundle.frames(20.0, faulty_from_s=5.0), renamed(small_model)
    detector = Detector(small_model)
    before = push(detector, frames[:100])
    assert before[-1].state == "alarm"
    detector.swap(new, Makers(new.spec))
    after = push(detector, frames[100:])
    assert [(each.state, each.event) for each in after[:3]] == [("warning", ""), ("alarm", "raised"), ("alarm", "")]
    assert after[0].seq == before[-1].seq + 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_back", [False, True])
def test_no_span_goes_unjudged(
    small_model: LoadedModel, small_bundle: Any, other_model: Any, shape: tuple[float, float], *, is_back: bool
) -> None:
    """Of another spec: whatever the windows and wherever the swap, the spans join, and one bundle follows the other."""
    models = (small_model, other_model(*shape))
    old, new = models[::-1] if is_back else models
    frames = small_bundle.frames(30.0)
    for cut in (7, 105):
        detector = Detector(old)
        found = push(detector, frames[:cut])
        detector.swap(new, Makers(new.spec))
        found += push(detector, frames[cut:])
        assert [each.seq for each in found] == list(range(len(found)))
        digests = [each.bundle_digest for each in found]
        first = digests.index(new.bundle_digest)
        assert digests == [old.bundle_digest] * first + [new.bundle_digest] * (len(found) - first)
        assert {each.reason for each in found} == {""}
        assert len({each.end_ns for each in found}) == len(found)
        covered_ns = frames[0].t_ns
        for each in found:
            assert each.start_ns <= covered_ns
            covered_ns = max(covered_ns, each.end_ns)
        assert covered_ns > frames[-1].end_ns - round(new.spec.hop_s * S_NS)
        assert detector.is_settled


def test_another_flight_is_the_new_ones(small_model: LoadedModel, small_bundle: Any, other_model: Any) -> None:
    """A flight that begins while the new one warms up has its windows alone: those of an agent that started with it."""
    new = other_model(4.0, 2.0)
    flights = [small_bundle.frames(9.0), small_bundle.frames(9.0, flight="F2", seed=1)]
    detector = Detector(small_model)
    push(detector, flights[0][:80])
    detector.swap(new, Makers(new.spec))
    push(detector, flights[0][80:])
    assert not detector.is_settled
    found = push(detector, flights[1])
    assert list(map(encode_assessment, found)) == list(map(encode_assessment, push(Detector(new), flights[1])))


def test_a_gap_is_told_once(small_model: LoadedModel, small_bundle: Any, other_model: Any) -> None:
    """Frames that are lost while the new one warms up are reported by the old one."""
    new, frames = other_model(4.0, 2.0), small_bundle.frames(30.0)
    detector = Detector(small_model)
    push(detector, frames[:55])
    detector.swap(new, Makers(new.spec))
    found = push(detector, frames[55:78] + frames[90:])
    assert [(each.reason, each.bundle_digest) for each in found if each.reason] == [(GAP, small_model.bundle_digest)]
    assert found[-1].bundle_digest == new.bundle_digest


def test_late_frames_do_not_begin_the_new_stream(small_model: LoadedModel, small_bundle: Any, other_model: Any) -> None:
    """Redelivered right after the swap, or later, they are late to both, and counted once."""
    new, frames = other_model(4.0, 2.0), small_bundle.frames(30.0)
    detector = Detector(small_model)
    found = push(detector, frames[:50])
    detector.swap(new, Makers(new.spec))
    found += push(detector, frames[45:65] + frames[57:60] + frames[65:])
    assert {each.reason for each in found} == {""}
    assert detector.late_frames == 8


def test_swapped_again_before_it_took_over(small_model: LoadedModel, small_bundle: Any, other_model: Any) -> None:
    """Back to the first: its windows go on as if nothing had been."""
    new, frames = other_model(8.0, 4.0), small_bundle.frames(20.0)
    detector = Detector(small_model)
    found = push(detector, frames[:60])
    detector.swap(new, Makers(new.spec))
    found += push(detector, frames[60:100])
    detector.swap(small_model, Makers(small_model.spec))
    assert detector.is_settled
    found += push(detector, frames[100:])
    assert list(map(encode_assessment, found)) == list(map(encode_assessment, push(Detector(small_model), frames)))


def test_silent_engines_let_the_old_bundle_go(small_model: LoadedModel, small_bundle: Any, other_model: Any) -> None:
    """One that is heard goes over by its frames, one that is not by looks; then nothing holds the old session."""
    scorer = Scorer(small_bundle_model(small_bundle), len(small_model.scaler.names))
    old = dataclasses.replace(renamed(small_model, "small/0.9.0"), scorer=scorer)
    gone, new = weakref.ref(scorer), other_model(4.0, 2.0)
    streams = Streams(old, engines=(), limit=8, on_evict=print)
    heard, silent = small_bundle.frames(20.0), small_bundle.frames(2.0, engine="2")
    for frame in (*heard[:30], *silent):
        streams.detector_of(frame).judge(frame)
    streams.swap(new, Makers(new.spec))
    del old, scorer
    assert streams.settle() == 2
    for frame in heard[30:]:
        streams.detector_of(frame).judge(frame)
    for _ in range(MOST_LOOKS_UNHEARD - 2):
        assert streams.settle() == 1
    assert gone() is not None
    assert streams.settle() == 0
    assert gone() is None


def small_bundle_model(bundle: Any) -> bytes:
    """The model in a bundle."""
    return read_archive(bundle.path.read_bytes())["model.onnx"]


def test_onlookers_tell_bundles_apart(
    make_config: Callable[..., AgentConfig],
    make_health: Any,
    small_model: LoadedModel,
    small_bundle: Any,
    other_model: Any,
) -> None:
    """Drift and agreement end their period where the bundle changes; no window is sketched by another one's scaler."""
    config, new = make_config(), other_model(4.0, 2.0)
    new = dataclasses.replace(
        new, scaler=dataclasses.replace(new.scaler, mean=tuple(each + 9.0 for each in new.scaler.mean))
    )
    shadow = LoadedShadow("running", models=(renamed(small_model, "shadow/1.0.0"),))
    onlookers, alone = (Onlookers(config, small_model, shadow, make_health(config)) for _ in range(2))
    detector, told = Detector(small_model), []
    for index, frame in enumerate(small_bundle.frames(30.0)):
        judgements = detector.judge(frame)
        if index == 100:
            # As in the agent: observers know of the swap before they see the last windows of the bundle before.
            onlookers.swap(new)
            detector.swap(new, Makers(new.spec))
        told += [each for observer in onlookers.observers for each in observer.observe(frame, judgements)]
        olds = [each for each in judgements if each.assessment.bundle_digest == small_model.bundle_digest]
        assert alone.observers[0].observe(frame, olds) == []
    told += onlookers.close()
    drift = [msgpack.unpackb(each.payload) for each in told if each.topic.endswith("/drift")]
    agreements = [msgpack.unpackb(each.payload) for each in told if each.topic.endswith("/agreement")]
    for documents in (drift, agreements):
        assert [each["bundle_digest"] for each in documents] == [small_model.bundle_digest, new.bundle_digest]
        assert [each["cause"] for each in documents] == ["bundle", "stop"]
    expected = msgpack.unpackb(alone.observers[0].close()[0].payload)
    assert {**drift[0], "cause": "stop"} == expected
    assert drift[1]["n"] == 8


def test_evidence_does_not_promise_what_another_bundle_knew(
    make_config: Callable[..., AgentConfig], small_model: LoadedModel, small_bundle: Any
) -> None:
    """An alert whose memory of scores reaches back to the swap is not said to be reproducible; a later one is."""
    for calm_s, reproduces in ((1.0, False), (8.0, True)):
        frames = small_bundle.frames(60.0, faulty_from_s=10.0 + calm_s)
        snapshots: list[Any] = []
        counters: Any = SimpleNamespace(add=print)
        recorder = WaveformRecorder(make_config(), small_model, counters, snapshots.append)
        detector, new = Detector(small_model), renamed(small_model)
        for frame in frames[:100]:
            recorder.observe(frame, detector.judge(frame))
        recorder.swap(new)
        detector.swap(new, Makers(new.spec))
        for frame in frames[100:]:
            recorder.observe(frame, detector.judge(frame))
        recorder.finish()
        assert [(each.alert.bundle_digest, each.reproduces) for each in snapshots] == [(new.bundle_digest, reproduces)]


def test_faults_in_a_row_end_a_probation(rig: Rig) -> None:
    """A bundle that only fails gives way in the running agent, and is not blamed; one that also works does not."""
    rig.start()
    counters: Any = SimpleNamespace(snapshot=lambda: {"internal_errors": faults})
    faults = 0
    frame: Any = None
    probation = Probation(rig.config, rig.new, counters)
    window: Any = SimpleNamespace(assessment=SimpleNamespace(state="normal", bundle_digest=rig.new))
    for _ in range(MOST_FAULTS):
        faults += MOST_FAULTS - 1
        probation.observe(frame, [window])
        probation.tick()
    assert rig.stage == PROBATION
    for _ in range(2):
        probation.observe(frame, [window])
        probation.tick()
        faults += MOST_FAULTS - 1
        probation.tick()
        assert rig.stage == PROBATION
    faults += 1
    probation.tick()
    state = rig.ledger.state()
    assert (state.stage, state.reason, state.active.digest, state.rejected) == (ROLLED_BACK, "faults", rig.old, ())


class Parts:
    """Stands for what follows the bundle in an agent."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.counts: list[str] = []
        self.health = SimpleNamespace(counters=SimpleNamespace(add=self.counts.append))
        self.pipeline = SimpleNamespace(streams=SimpleNamespace(settle=lambda: 0))
        self.error: Exception | None = None
        self.watched: list[str] = []
        self.probation = SimpleNamespace(swap=self.watched.append)

    def swap(self, model: LoadedModel, makers: Makers) -> None:
        """Go over, or fail."""
        del makers
        if self.error is not None:
            raise self.error
        self.digest = model.bundle_digest


@pytest.fixture
def rig(tmp_path: Path, releases: Any) -> Rig:
    """The slots of an agent that runs the first release, of which the second one was just activated."""
    return Rig(tmp_path, releases)


def swapper_of(rig: Rig) -> tuple[Swapper, Parts]:
    """A swapper whose worker does at once what it is asked, and whose looks are made by the test."""
    parts: Any = Parts(rig.old)
    return Swapper(rig.config, parts, lambda task: task(), on_swap=lambda: parts.counts.append("told")), parts


@pytest.mark.usefixtures("proved_here")
def test_swap_follows_the_slots(rig: Rig) -> None:
    """The trial is counted, its probation begins, the agent is told; then nothing until the slots change again."""
    swapper, parts = swapper_of(rig)
    for _ in range(3):
        swapper._look()
    assert (parts.digest, parts.counts) == (rig.new, ["swaps", "told"])
    assert (rig.stage, rig.ledger.state().boots_left) == (PROBATION, 1)
    rig.ledger.change(roll_back)
    swapper._look()
    assert parts.digest == rig.old


@pytest.mark.usefixtures("proved_here")
def test_left_and_activated_again_between_two_looks(rig: Rig) -> None:
    """What was good before is on probation anew, in this run, too: else it would stay so until a restart."""
    swapper, parts = swapper_of(rig)
    swapper._look()
    rig.ledger.change(lambda state: mark_good(state, rig.new))
    swapper._look()
    rig.ledger.change(roll_back)
    rig.store.activate(rig.new, boots=2)
    swapper._look()
    assert (parts.digest, rig.stage, parts.watched) == (rig.new, PROBATION, [rig.new])
    swapper._look()
    assert parts.watched == [rig.new]


REFUSALS: list[tuple[Exception, str, bool]] = [
    (GoldenMismatch("golden_scores", "x"), "golden_scores", True),
    (PolicyRejected("expired", "x"), "expired", False),
    (ConfigError("bundle.keys: x"), "config", False),
    (MemoryError(), "internal_error", False),
]


@pytest.mark.parametrize("where", ["prepare", "worker"])
@pytest.mark.parametrize(("error", "reason", "is_blamed"), REFUSALS)
@pytest.mark.usefixtures("proved_here")
def test_what_fails_leaves_the_old_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception, reason: str, *, is_blamed: bool
) -> None:
    """The old bundle decides, the slots return to it, the reason is told; it is tried once."""
    swapper, parts = swapper_of(rig)
    if where == "worker":
        parts.error = error
    else:
        monkeypatch.setattr(swap, "load_beside", raiser(error))
    for _ in range(3):
        swapper._guarded(swapper._look)
    state = rig.ledger.state()
    assert parts.digest == rig.old
    assert (state.stage, state.active.digest, state.reason) == (ROLLED_BACK, rig.old, reason)
    assert [each.digest for each in state.rejected] == [rig.new] * is_blamed
    assert parts.counts.count(f"swaps_refused.{reason}") == 1
    assert "told" not in parts.counts


def raiser(error: Exception) -> Callable[..., Any]:
    """Fails so."""

    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.usefixtures("proved_here")
def test_nothing_to_return_to(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one decides on, the state stays, and the bundle is not tried again at every look, but on request."""
    rig.ledger.change(lambda state: dataclasses.replace(state, previous=type(state.previous)("", "", -1)))
    swapper, parts = swapper_of(rig)
    monkeypatch.setattr(swap, "load_beside", raiser(GoldenMismatch("golden_scores", "x")))
    for _ in range(5):
        swapper._look()
    assert (parts.digest, parts.counts) == (rig.old, ["swaps_refused.golden_scores"])
    swapper.look()
    swapper._look()
    assert parts.counts == ["swaps_refused.golden_scores"] * 2


@pytest.mark.usefixtures("proved_here")
def test_a_trial_that_cannot_be_counted_is_put_off(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: the old one decides, and the trial begins when there is room."""
    swapper, parts = swapper_of(rig)
    with monkeypatch.context() as patch:
        patch.setattr(swapper._ledger, "change", raiser(ConfigError("disk")))
        swapper._look()
    assert parts.digest == rig.old
    for _ in range(swap.AGAIN_LOOKS):
        swapper._look()
    assert parts.digest == rig.new


@pytest.mark.usefixtures("proved_here")
def test_an_end_in_the_middle_costs_no_start(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to end while a bundle is prepared, the agent gives its trial back; one that was swapped keeps its own."""
    swapper, parts = swapper_of(rig)

    def stopped(bundle: Any) -> LoadedModel:
        swapper.stop()
        return load_beside(bundle)

    with monkeypatch.context() as patch:
        patch.setattr(swap, "load_beside", stopped)
        swapper._look()
    assert (parts.digest, rig.ledger.state().boots_left) == (rig.old, 2)
    swapper, parts = swapper_of(rig)
    swapper._look()
    swapper.stop()
    assert (parts.digest, rig.ledger.state().boots_left) == (rig.new, 1)


@pytest.mark.usefixtures("proved_here")
def test_keys_are_noted_before_a_bundle_of_theirs_decides(rig: Rig) -> None:
    """Key files are read anew for each swap, and the log says so where they are others than at the start."""
    swapper, parts = swapper_of(rig)
    stranger = ec.derive_private_key(5, ec.SECP256R1()).public_key()
    AuditLog(rig.config.agent.state_dir).note_keys([key_hint(stranger)])
    swapper._look()
    assert parts.digest == rig.new
    kinds = [each["kind"] for each in log_documents(rig.config.agent.state_dir)]
    assert kinds[-3:] == ["keys_changed", "keys_changed", "probation_began"]


@pytest.mark.usefixtures("proved_here")
def test_an_end_before_the_worker_went_over(rig: Rig) -> None:
    """What the worker had still to do is not done any more: else the trial would be given back twice."""
    waiting: list[Callable[[], None]] = []
    parts: Any = Parts(rig.old)

    def ask(task: Callable[[], None]) -> None:
        waiting.append(task)
        swapper.stop()

    swapper = Swapper(rig.config, parts, ask, on_swap=lambda: parts.counts.append("told"))
    swapper._look()
    [task] = waiting
    task()
    assert (parts.digest, parts.counts, rig.ledger.state().boots_left) == (rig.old, [], 2)


@pytest.mark.usefixtures("proved_here")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_started_anew(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the main loop's next report, and counted; without slots there is no thread to miss."""
    swapper, parts = swapper_of(rig)
    with monkeypatch.context() as patch:
        patch.setattr(Swapper, "_guarded", raiser(MemoryError()))
        swapper.start()
        swapper._thread.join()
    swapper.tick()
    wait_until(lambda: parts.digest == rig.new, "the swap")
    swapper.tick()
    assert parts.counts.count("main_loop_errors.swap") == 1
    swapper.stop()
    swapper.tick()
    assert parts.counts.count("main_loop_errors.swap") == 1


@pytest.mark.usefixtures("proved_here")
def test_damaged_slot(rig: Rig) -> None:
    """What lies in the slot is verified anew."""
    path = rig.ledger.folder / f"{rig.new}.bundle"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    swapper, parts = swapper_of(rig)
    swapper._look()
    assert (parts.digest, rig.stage) == (rig.old, ROLLED_BACK)


def test_loaded_beside_scores_alike(rig: Rig) -> None:
    """A session from a sealed file gives the bits of one from bytes; golden scores that differ are refused."""
    bundle = rig.store.open(rig.new)
    model = load_beside(bundle)
    scorer = Scorer(bundle.onnx_model, len(bundle.scaler.names))
    for features in bundle.golden.features:
        mine, theirs = model.scorer.score(features), scorer.score(features)
        assert (mine.score, mine.reconstruction.tobytes()) == (theirs.score, theirs.reconstruction.tobytes())
    wrong = dataclasses.replace(bundle.golden, scores=bundle.golden.scores * np.float32(1.001))
    with pytest.raises(BundleError, match="golden window 0: expected score"):
        load_beside(dataclasses.replace(bundle, golden=wrong))


def test_sealed_file() -> None:
    """It holds what it was given, nobody writes to it, and it goes."""
    content = np.random.default_rng(0).bytes(300_000)
    with sealed(content) as path:
        assert Path(path).read_bytes() == content
        with Path(path).open("r+b", buffering=0) as file, pytest.raises(PermissionError):
            file.write(b"x")
    assert not Path(path).exists()


def test_large_members_are_copied_whole(monkeypatch: pytest.MonkeyPatch, small_bundle: Any) -> None:
    """By slices of any length; and the digest is that of the file."""
    data = small_bundle.path.read_bytes()
    expected = read_archive(data)
    for length in (1, 513, len(data)):
        monkeypatch.setattr(archive, "_SLICE_BYTES", length)
        assert read_archive(data) == expected
    assert archive_digest(expected) == archive_digest(read_archive(write_archive(expected)))
    assert archive_digest(expected) == hashlib.sha256(data).hexdigest()
