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
from ground.bulk.fetching import at_hand
from ground.bulk.listing import Source, files_of
from ground.bulk.parts import PartsFolder
from ground.bulk.store import Store
from ground.frames import frames_for
from ground.recording_index import read_index
from ground.recordings import stream_recording
from shared_features.makers import Makers


def step_cases(source: ModelSource, data: Path, parts: PartsFolder, table: Path) -> list[Case]:
    """Reading, features, features with scoring and deciding, writing: in this order.

    Args:
        source: The model.
        data: A folder of one recording.
        parts: Where its results are kept.
        table: Where they are joined.
    """
    model = load_signed(source)
    makers = Makers(model.spec)
    (info,) = read_index(data)
    store = Store.of(str(data))
    frames = list(frames_for(model.spec, stream_recording(data, info, conditions=(), piece_n=model.spec.record_n)))
    detector = Detector(model, makers)
    answers = [answer for frame in frames for answer in detector.push(frame)]

    def read() -> None:
        files = files_of(store, Source(info))
        store.stamp(files)
        with at_hand(store, info, files) as local:
            recording = stream_recording(local.folder, local.info, conditions=(), piece_n=model.spec.record_n)
            deque(frames_for(model.spec, recording), maxlen=0)

    def extract() -> None:
        stream = WindowStream(model.spec, makers)
        deque((window for frame in frames for window in stream.push(frame)), maxlen=0)

    def assess() -> None:
        fresh = Detector(model, makers)
        deque((answer for frame in frames for answer in fresh.push(frame)), maxlen=0)

    def write() -> None:
        kept = parts.keep(info, make_part(info.recording_id, answers), "")
        with ResultsWriter(table) as writer:
            writer.add(parts.path_of(kept.sha256))

    def fresh() -> Callable[[], None]:
        """In a run every part and every table is a new file; to replace one costs more than to write it."""
        table.unlink(missing_ok=True)
        for path in parts.path_of("").parent.glob("*.arrow"):
            path.unlink()
        return write

    return [
        Case("reading", lambda: read, 1),
        Case("features", lambda: extract, 1),
        Case("features, scoring and deciding", lambda: assess, 1),
        Case("writing", fresh, 1),
    ]
