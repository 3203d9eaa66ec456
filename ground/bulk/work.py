"""What a worker does with one recording: it looks whether that has changed, and assesses it."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from functools import partial

from edge_agent.detector import LoadedModel
from edge_agent.errors import AgentError
from edge_agent.unit_store import FixedUnits
from ground.batch import assess_recording, known_units, load_signed
from ground.batch_table import Part, make_part
from ground.bulk.failures import failure_of
from ground.bulk.fetching import at_hand
from ground.bulk.listing import Failure, Source, files_of
from ground.bulk.model_files import ModelFiles
from ground.bulk.patience import patiently
from ground.bulk.store import Store
from ground.errors import DataError
from ground.recordings import stream_recording
from ground.worker_platform import vector_units
from shared_features.makers import Makers


@dataclass(frozen=True, slots=True)
class Made:
    """The results of a recording, and the stamp of its files."""

    part: Part
    stamp: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The files of a recording have the stamp that was expected of them: its part stands."""


Answer = Made | Unchanged | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessWork:
    """Assesses recordings of a store with one model; goes to the workers.

    Attributes:
        model: The model.
        store: Where the recordings lie; every worker must see it under this name.
        landmark: A file of the store; who does not see it does not see the store.
        vector_units: Of the processor of the process that asks: by these onnxruntime chooses how it computes.
    """

    model: ModelFiles
    store: Store
    landmark: str
    vector_units: str

    def __call__(self, source: Source, stamp: str) -> Answer:
        """The results of a recording, unless its files have ``stamp``; whatever is wrong with it is told.

        Raises:
            DataError: This process can do no recording: another kind of processor than the asking one's, no sight of
                the store, or a model that it refuses.
        """
        desk = _desk_of(self)
        try:
            return patiently(partial(self._answer, desk, source, stamp))
        except Exception as error:  # noqa: BLE001 - whatever a decoder or a store raises, it ends one recording only
            return failure_of(self.store, source, error)

    def _answer(self, desk: _Desk, source: Source, stamp: str) -> Answer:
        info = source.info
        files = files_of(self.store, source)
        found = self.store.stamp(files, stamp)
        if found == stamp:
            return Unchanged()
        with _TURN, at_hand(self.store, info, files) as local:
            spec = desk.model.spec
            recording = stream_recording(local.folder, local.info, conditions=spec.speeds, piece_n=spec.record_n)
            answers = assess_recording(desk.model, recording, desk.units, desk.makers)
            return Made(make_part(info.recording_id, answers), found)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a process works with; sessions cannot be sent between processes."""

    model: LoadedModel
    units: FixedUnits
    makers: Makers


_DESKS: dict[str, _Desk] = {}
_SEEN: set[tuple[Store, str]] = set()
_TURN = threading.Lock()
"""A session and makers serve one thread; workers of a cluster may have several."""


def _desk_of(work: AssessWork) -> _Desk:
    digest = work.model.digest
    with _TURN:
        _check_worker(work)
        if digest not in _DESKS:
            # One model at a time: a cluster lives longer than a run.
            _DESKS.clear()
            _DESKS[digest] = _new_desk(work.model)
        return _DESKS[digest]


def _check_worker(work: AssessWork) -> None:
    if vector_units() != work.vector_units:
        raise DataError(
            f"worker {socket.gethostname()}: expected a processor with {work.vector_units}, got {vector_units()}; "
            "scores could differ in their last bits: use machines of one kind"
        )
    sight = (work.store, work.landmark)
    if sight not in _SEEN and not patiently(partial(work.store.has, work.landmark)):
        raise DataError(
            f"worker {socket.gethostname()}: expected {work.store.where(work.landmark)}, got no such file; "
            "let every worker see --data under the same path"
        )
    _SEEN.add(sight)


def _new_desk(model: ModelFiles) -> _Desk:
    with model.unpacked() as source:
        try:
            loaded = load_signed(source)
            return _Desk(loaded, known_units(source.units), Makers(loaded.spec))
        except AgentError as error:
            raise DataError(f"worker {socket.gethostname()}: expected to load the model, got {error}") from error
