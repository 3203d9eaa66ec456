"""What a worker does with one recording: it looks whether that has changed, and assesses it."""

from __future__ import annotations

import platform
import threading
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from edge_agent.detector import LoadedModel
from edge_agent.unit_store import FixedUnits
from ground.batch import assess_recording, known_units, load_signed
from ground.batch_table import Part, make_part
from ground.bulk.fetching import at_hand
from ground.bulk.listing import Failure, Source, files_of
from ground.bulk.model_files import ModelFiles
from ground.bulk.store import Store
from ground.errors import DataError, GroundError
from ground.recordings import stream_recording
from shared_features.makers import Makers

_PACKAGES = ("enginear-ground", "numpy", "onnxruntime", "pyarrow")


@dataclass(frozen=True, slots=True)
class Made:
    """The results of a recording, and the stamp of its files."""

    part: Part
    stamp: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The files of a recording have the stamp that was expected of them: its part stands."""


Answer = Made | Unchanged | Failure


@dataclass(frozen=True, slots=True)
class Platform:
    """What results depend on beside model and recordings: the libraries, and the kind of machine."""

    versions: tuple[tuple[str, str], ...]
    machine: str

    @classmethod
    @cache
    def here(cls) -> Platform:
        """This process's."""
        return cls(tuple((name, version(name)) for name in _PACKAGES), platform.machine())

    def __str__(self) -> str:
        return ", ".join((*(f"{name} {number}" for name, number in self.versions), self.machine))


@dataclass(frozen=True, slots=True)
class AssessWork:
    """Assesses recordings of a store with one model; goes to the workers.

    Attributes:
        model: The model.
        store: Where the recordings lie; every worker must see it under this name.
        platform: That of the process that asks.
    """

    model: ModelFiles
    store: Store
    platform: Platform

    def __call__(self, source: Source, stamp: str) -> Answer:
        """The results of a recording, unless its files have ``stamp``.

        Raises:
            DataError: Another platform than the asking process's: results could differ from its.
        """
        desk = _desk_of(self)
        info = source.info
        try:
            files = files_of(self.store, source)
            found = self.store.stamp(files, stamp)
            if found == stamp:
                return Unchanged()
            with _TURN, at_hand(self.store, info, files) as local:
                spec = desk.model.spec
                recording = stream_recording(local.folder, local.info, conditions=spec.speeds, piece_n=spec.record_n)
                answers = assess_recording(desk.model, recording, desk.units, desk.makers)
                return Made(make_part(info.recording_id, answers), found)
        except GroundError as error:
            return Failure(info.recording_id, str(error))
        except MemoryError:
            where = self.store.where(info.file)
            return Failure(info.recording_id, f"{where}: expected to fit into memory, got more; preprocess it first")


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a process works with; sessions cannot be sent between processes."""

    model: LoadedModel
    units: FixedUnits
    makers: Makers


_DESKS: dict[str, _Desk] = {}
_TURN = threading.Lock()
"""A session and makers serve one thread; workers of a cluster may have several."""


def _desk_of(work: AssessWork) -> _Desk:
    digest, here = work.model.digest, Platform.here()
    if here != work.platform:
        raise DataError(f"worker: expected {work.platform}, got {here}; install the same on every machine")
    with _TURN:
        if digest not in _DESKS:
            with work.model.unpacked() as source:
                # One model at a time: a cluster lives longer than a run.
                _DESKS.clear()
                model = load_signed(source)
                _DESKS[digest] = _Desk(model, known_units(source.units), Makers(model.spec))
        return _DESKS[digest]
