"""The steps of a batch run over one flight, each to be timed on its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Case
from edge_agent.detector import Detector
from edge_agent.stream import WindowStream
from ground.batch import ModelSource, load_signed
from ground.batch_table import ResultsWriter, make_part
from ground.bulk.store import Store
from ground.frames import frames_for
from ground.recording_index import read_index
from ground.recordings import stream_recording


def step_cases(source: ModelSource, data: Path, folder: Path) -> list[Case]:
    """Reading, features, features with scoring and deciding, writing: in this order.

    Args:
        source: The model.
        data: A folder of one recording.
        folder: For what is written.
    """
    model = load_signed(source)
    (info,) = read_index(data)
    store = Store.of(str(data))
    frames = list(frames_for(model.spec, stream_recording(data, info, conditions=(), piece_n=model.spec.record_n)))
    detector = Detector(model)
    answers = [answer for frame in frames for answer in detector.push(frame)]

    def read() -> None:
        store.stamp([info.file])
        recording = stream_recording(data, info, conditions=(), piece_n=model.spec.record_n)
        deque(frames_for(model.spec, recording), maxlen=0)

    def extract() -> None:
        stream = WindowStream(model.spec)
        deque((window for frame in frames for window in stream.push(frame)), maxlen=0)

    def assess() -> None:
        fresh = Detector(model)
        deque((answer for frame in frames for answer in fresh.push(frame)), maxlen=0)

    def write() -> None:
        part = folder / "part.parquet"
        part.write_bytes(make_part(info.recording_id, answers).data)
        with ResultsWriter(folder / "joined.parquet") as writer:
            writer.add(part)

    steps: dict[str, Callable[[], None]] = {
        "reading": read, "features": extract, "features, scoring and deciding": assess, "writing": write,
    }  # fmt: skip
    return [_case(name, step) for name, step in steps.items()]


def _case(name: str, step: Callable[[], None]) -> Case:
    return Case(name, lambda: step, 1)
