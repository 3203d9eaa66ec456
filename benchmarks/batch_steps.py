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
    steps = _Steps(source, data, parts, table)
    return [
        Case("reading", lambda: steps.read, 1),
        Case("features", lambda: steps.extract, 1),
        Case("features, scoring and deciding", lambda: steps.assess, 1),
        Case("writing", steps.fresh, 1),
    ]


class _Steps:
    """The steps, and what each of them needs of those before it."""

    def __init__(self, source: ModelSource, data: Path, parts: PartsFolder, table: Path) -> None:
        self._model = load_signed(source)
        self._spec = self._model.spec
        self._makers = Makers(self._spec)
        (self._info,) = read_index(data)
        self._store = Store.of(str(data))
        self._parts, self._table = parts, table
        recording = stream_recording(data, self._info, conditions=(), piece_n=self._spec.record_n)
        self._frames = list(frames_for(self._spec, recording))
        detector = Detector(self._model, self._makers)
        self._answers = [answer for frame in self._frames for answer in detector.push(frame)]

    def read(self) -> None:
        """From the store to frames."""
        files = files_of(self._store, Source(self._info))
        self._store.stamp(files)
        with at_hand(self._store, self._info, files) as local:
            recording = stream_recording(local.folder, local.info, conditions=(), piece_n=self._spec.record_n)
            deque(frames_for(self._spec, recording), maxlen=0)

    def extract(self) -> None:
        """From frames to windows."""
        stream = WindowStream(self._spec, self._makers)
        deque((window for frame in self._frames for window in stream.push(frame)), maxlen=0)

    def assess(self) -> None:
        """From frames to answers."""
        detector = Detector(self._model, self._makers)
        deque((answer for frame in self._frames for answer in detector.push(frame)), maxlen=0)

    def fresh(self) -> Callable[[], None]:
        """In a run every part and every table is a new file; to replace one costs more than to write it."""
        self._table.unlink(missing_ok=True)
        for path in self._parts.path_of("").parent.glob("*.arrow"):
            path.unlink()
        return self.write

    def write(self) -> None:
        """From answers to the table."""
        kept = self._parts.keep(self._info, make_part(self._info.recording_id, self._answers), "")
        with ResultsWriter(self._table) as writer:
            writer.add(self._parts.path_of(kept.sha256))
