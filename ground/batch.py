"""Batch: the agent's own detector over recordings, on all cores, to the bytes that the agent publishes."""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edge_agent.assessment import Assessment, encode_assessment
from edge_agent.detector import Detector, LoadedModel
from edge_agent.load import load_model
from edge_agent.policy import ANY_FLEET, Policy
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from ground.errors import DataError, GroundError
from ground.frames import frame_s_of, frames_of
from ground.progress import Progress
from ground.recording_index import RecordingInfo, read_index
from ground.recordings import Recording, load_recording
from ground.workspace import write_atomic

_TEXT_COLUMNS = ("aircraft", "engine", "flight", "phase", "state", "reason", "event")
_DIGEST_COLUMNS = ("bundle_id", "bundle_digest", "spec_digest")
SCHEMA = pa.schema(
    [
        ("recording_id", pa.string()),
        *[(name, pa.string()) for name in _TEXT_COLUMNS],
        *[(name, pa.int64()) for name in ("seq", "start_ns", "end_ns")],
        *[(name, pa.float64()) for name in ("score", "threshold")],
        ("contributions", pa.string()),
        *[(name, pa.string()) for name in _DIGEST_COLUMNS],
        ("assessment", pa.binary()),
    ]
)
"""Columns of a results table; ``assessment`` holds the msgpack bytes as they go over the wire."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a signed model lies and which keys it must be signed with."""

    path: Path
    keys: tuple[Path, ...]


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


def assess_recording(model: LoadedModel, recording: Recording) -> list[Assessment]:
    """Everything the agent would say of one recording."""
    detector = Detector(model)
    frames = frames_of(recording, frame_s=frame_s_of(model.spec))
    return [assessment for frame in frames for assessment in detector.push(frame)]


def run_batch(
    source: ModelSource, data: Path, output: Path, *, progress: Progress, workers: int = os.cpu_count() or 1
) -> BatchReport:
    """Assess every recording of a folder.

    Args:
        source: The signed model.
        data: A recordings folder with its index.
        output: Parquet file of the results, in the order of the index.
        progress: Told after each recording.
        workers: Processes; the result does not depend on their number.

    Raises:
        BundleError: The model is refused.
        DataError: No index, or no recording could be read.
    """
    load_signed(source)
    infos = read_index(data)
    tables: list[pa.Table] = []
    failures: list[Failure] = []
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_prepare, initargs=(source,)
    ) as pool:
        for done, outcome in enumerate(pool.map(_assess, [data] * len(infos), infos), start=1):
            if isinstance(outcome, Failure):
                failures.append(outcome)
            else:
                tables.append(outcome)
            progress("batch", done, len(infos))
    if not tables:
        raise DataError(
            f"{data}: expected a readable recording, got none; {failures[0].text if failures else 'add some'}"
        )
    results = pa.concat_tables(tables)
    sink = pa.BufferOutputStream()
    pq.write_table(results, sink, compression="zstd")
    write_atomic(output, sink.getvalue().to_pybytes())
    alarms = sum(event == "raised" for event in results["event"].to_pylist())
    return BatchReport(len(tables), results.num_rows, alarms, tuple(failures))


def results_table(recording_id: str, assessments: list[Assessment]) -> pa.Table:
    """Assessments as rows of a results table."""
    plain = {field.name for field in fields(Assessment)} & set(SCHEMA.names) - {"contributions"}
    columns: dict[str, list[object]] = {name: [getattr(item, name) for item in assessments] for name in plain}
    columns["recording_id"] = [recording_id] * len(assessments)
    columns["contributions"] = [
        json.dumps([[part.feature, part.share] for part in item.contributions]) for item in assessments
    ]
    columns["assessment"] = [encode_assessment(item) for item in assessments]
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


_MODEL: list[LoadedModel] = []
"""The model of a worker process; sessions cannot be sent between processes."""


def _prepare(source: ModelSource) -> None:
    _MODEL.append(load_signed(source))


def _assess(data: Path, info: RecordingInfo) -> pa.Table | Failure:
    model = _MODEL[0]
    try:
        recording = load_recording(data, info, conditions=model.spec.speeds)
        return results_table(info.recording_id, assess_recording(model, recording))
    except GroundError as error:
        return Failure(info.recording_id, str(error))
