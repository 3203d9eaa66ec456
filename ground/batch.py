"""Batch: the agent's own detector over recordings, on all cores, to the bytes that the agent publishes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_agent.assessment import Assessment
from edge_agent.detector import Detector, LoadedModel
from edge_agent.load import load_model
from edge_agent.policy import ANY_FLEET, Policy
from edge_agent.trust import TrustedKeys
from edge_agent.unit_files import read_units
from edge_agent.unit_store import FixedUnits, Units
from edge_agent.version import AGENT_VERSION
from ground.batch_table import Part, ResultsWriter, write_part
from ground.errors import DataError, GroundError
from ground.frames import frames_for
from ground.pool import in_order
from ground.progress import Progress
from ground.recording import Recording, RecordingStream
from ground.recording_index import RecordingInfo, read_index
from ground.recordings import stream_recording
from ground.workspace import replaced


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a signed model lies, which keys it must be signed with, and what an agent knew of the units.

    Attributes:
        path: A ``.bundle`` file or a folder of its members.
        keys: Public keys in PEM.
        units: Folder ``units`` of an agent's state folder; None where it knew nobody. Each flight is assessed from
            these states, so those after a unit became known come out as they were published.
    """

    path: Path
    keys: tuple[Path, ...]
    units: Path | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that could not be read, and why."""

    recording_id: str
    text: str


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a batch run did.

    Attributes:
        recordings: Recordings assessed.
        assessments: Windows answered.
        alarms: Alarms raised.
        failures: Recordings left out, with the reason.
    """

    recordings: int
    assessments: int
    alarms: int
    failures: tuple[Failure, ...]


def load_signed(source: ModelSource) -> LoadedModel:
    """Verify and load a model as an agent does; development bundles are welcome on the ground.

    Raises:
        BundleError: Refused; ``reason`` names the check.
    """
    policy = Policy(fleet=ANY_FLEET, agent_version=AGENT_VERSION, allow_development=True)
    return load_model(source.path, keys=TrustedKeys.from_files(source.keys), policy=policy)


def known_units(folder: Path | None) -> FixedUnits:
    """What an agent knew of the units.

    Raises:
        DataError: The folder or a state in it cannot be read.
    """
    if folder is None:
        return FixedUnits()
    try:
        states, faults = read_units(folder)
    except OSError as error:
        raise DataError(f"{folder}: expected the states of units, got {error.strerror}; check the path") from error
    if faults or not states:
        raise DataError(faults[0] if faults else f"{folder}: expected the states of units, got none; check the path")
    return FixedUnits(states)


def assess_recording(
    model: LoadedModel, recording: Recording | RecordingStream, units: Units | None = None
) -> Iterator[Assessment]:
    """Everything the agent would say of one recording, from what it knew of the unit."""
    info = recording.info
    detector = Detector(model, unit=(units or FixedUnits()).state_of(f"{info.aircraft}/{info.engine}"))
    for frame in frames_for(model.spec, recording):
        yield from detector.push(frame)


def run_batch(
    source: ModelSource, data: Path, output: Path, *, progress: Progress, workers: int = os.cpu_count() or 1
) -> BatchReport:
    """Assess every recording of a folder; an interim recording is never in memory as a whole.

    Args:
        source: The signed model.
        data: A recordings folder with its index.
        output: Parquet file of the results, in the order of the index.
        progress: Told after each recording.
        workers: Processes; the result does not depend on their number.

    Raises:
        BundleError: The model is refused.
        DataError: No index, states of units that cannot be read, no recording could be read, or a worker died.
    """
    load_signed(source)
    known_units(source.units)
    infos = read_index(data)
    output.parent.mkdir(parents=True, exist_ok=True)
    parts: list[Part] = []
    failures: list[Failure] = []
    with (
        tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder,
        replaced(output) as path,
        ResultsWriter(path) as writer,
    ):
        desk = (source, data, Path(folder))
        outcomes = in_order(_assess, infos, workers=workers, folder=data, prepare=_prepare, prepared=desk)
        for done, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, Failure):
                failures.append(outcome)
            else:
                writer.add(outcome.path)
                parts.append(outcome)
            progress("batch", done, len(infos))
        if not parts:
            raise DataError(
                f"{data}: expected a readable recording, got none; {failures[0].text if failures else 'add some'}"
            )
    assessments, alarms = (sum(getattr(part, name) for part in parts) for name in ("assessments", "alarms"))
    return BatchReport(len(parts), assessments, alarms, tuple(failures))


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a worker process works with; sessions cannot be sent between processes."""

    model: LoadedModel
    units: FixedUnits
    data: Path
    parts: Path


_DESK: list[_Desk] = []


def _prepare(source: ModelSource, data: Path, parts: Path) -> None:
    _DESK[:] = [_Desk(load_signed(source), known_units(source.units), data, parts)]


def _assess(info: RecordingInfo) -> Part | Failure:
    (desk,) = _DESK
    spec = desk.model.spec
    try:
        recording = stream_recording(desk.data, info, conditions=spec.speeds, piece_n=spec.record_n)
        return write_part(
            desk.parts / f"{info.recording_id}.parquet",
            info.recording_id,
            assess_recording(desk.model, recording, desk.units),
        )
    except GroundError as error:
        return Failure(info.recording_id, str(error))
