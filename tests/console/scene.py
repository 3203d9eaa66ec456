"""An alert with its waveform, as an agent ships them: a real window of a recording in a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_agent import evidence_request
from edge_agent.assessment import Assessment, Contribution
from edge_agent.evidence import Evidence
from edge_agent.evidence_store import EvidenceStore
from edge_agent.frame import NS_PER_S
from edge_agent.publication import Publication
from edge_agent.result import Latency, Result, Runtime, encode_result
from edge_agent.topics_section import TopicsSection
from edge_agent.waveform_ring import Snapshot
from edge_agent.wire import encode_frame
from ground.fleet.collect.parts import write_parts
from ground.frames import frames_for
from ground.recording import Recording
from ground.recording_index import read_index
from ground.recordings import load_recording
from ground.window_extraction import windows_of
from ground.workspace import Workspace
from shared_features.spec import FeatureSpec
from shared_features.vector import columns_of
from tests.console.fleet_data import DATE

RUN = "r1"
AGENT = "box 7"


@dataclass(frozen=True)
class Scene:
    """An alert, its waveform as messages, and what they were made of."""

    workspace: Workspace
    spec: FeatureSpec
    recording: Recording
    result: Result
    evidence: Evidence
    chunks: tuple[bytes, ...]

    def write(self, root: Path, *, announce: bool = True, chunks: tuple[bytes, ...] | None = None) -> None:
        """Write them as a collector does."""
        found = self.result.assessment
        topic = f"aircraft/{found.aircraft}/engine/{found.engine}"
        parts = [Publication(topic=f"{topic}/alert", payload=encode_result(self.result))]
        if announce:
            parts.append(Publication(topic=f"{topic}/evidence", payload=self.evidence.to_msgpack()))
        given = self.chunks if chunks is None else chunks
        parts += [Publication(topic=f"enginear/{AGENT}/evidence/data", payload=each) for each in given]
        write_parts(parts, root, name="c-1", date=DATE, topics=TopicsSection())


def make_scene(folder: Path, workspace: Workspace, spec: FeatureSpec, *, fault: str, detector: str) -> Scene:
    """A window late in a faulty flight, raised as an alert, with the samples from 4 s before it to 1 s after it.

    Args:
        folder: For the agent's files.
        workspace: Preprocessed and featurized.
        spec: What it was featurized with.
        fault: Fault type of the flight.
        detector: Who raises the alert.
    """
    (info, *_) = [info for info in read_index(workspace.interim) if info.fault_type == fault]
    recording = load_recording(workspace.interim, info, conditions=spec.speeds)
    window = [each for each in windows_of(recording, spec) if not each.reason][-4]
    named = (Contribution(columns_of(spec)[0].name, 0.7), Contribution("of another spec", 0.3))
    result = Result(
        Assessment(
            aircraft=info.aircraft, engine=info.engine, flight=info.flight, phase=window.phase, seq=9,
            start_ns=window.start_ns, end_ns=window.end_ns, state="alarm", reason="", event="raised", score=5.0,
            threshold=2.0, bundle_id=f"{detector}/1.0.0", bundle_digest="ab", spec_digest=spec.digest,
            contributions=named,
        ),
        Runtime(
            agent=AGENT, run=RUN, monotonic_ns=1, clock="unknown", latency_ms=Latency(0.1, 0.1, 0.1),
            deadline_missed=False,
        ),
    )  # fmt: skip
    from_ns, until_ns = window.start_ns - 4 * NS_PER_S, window.end_ns + NS_PER_S
    frames = tuple(frame for frame in frames_for(spec, recording) if from_ns <= frame.t_ns < until_ns)
    snapshot = Snapshot(alert=result.assessment, frames=frames, first_seq=0, reproduces=True)
    store = EvidenceStore(folder / "evidence", max_bytes=2**26, max_files=4)
    evidence = store.write(
        Evidence.of(snapshot, agent=AGENT, run=RUN), lambda: map(encode_frame, frames), n_byte=snapshot.n_byte
    )
    (stored,) = store.find(evidence.id)
    return Scene(workspace, spec, recording, result, evidence, tuple(evidence_request.chunks_of(stored)))
