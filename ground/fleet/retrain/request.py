"""What a retraining is asked to do, and the flights that it takes: read here, chosen in ``selection``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge_agent.strict_json import canonical_json
from ground.config import Config
from ground.errors import DataError
from ground.fleet.retrain.cause import Cause
from ground.fleet.retrain.event import DriftEvent
from ground.fleet.retrain.selection import Choice, Selection, flight_of, select
from ground.fleet.verdicts import open_verdicts
from ground.left_out import is_left_out
from ground.recording_index import INDEX_NAME, read_index, read_table
from ground.workspace import Workspace

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        cause: Why.
        event: What drifted; none unless that is the cause.
        config: The given config.
        workspace: Holds the recordings.
        data: The collector's dataset; none where nothing flies yet.
        verdicts: File of the verdicts; none where nothing flies yet.
        nothing_flies: Whether a person says that no dataset has anything of the fleet's flights.
    """

    cause: Cause
    event: DriftEvent | None
    config: Config
    workspace: Workspace
    data: Path | None
    verdicts: Path | None
    nothing_flies: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The flights of a request.

    Attributes:
        selection: What became of each recording.
        document: The record of it, as JSON types.
        basis: Digest of all that the training depends on: the config, the index, and which recordings are left.
    """

    selection: Selection
    document: dict[str, Any]
    basis: str


def choose(request: Request) -> Chosen:
    """Choose the flights.

    Raises:
        DataError: No index of recordings, none of a healthy flight left, files of the dataset that cannot be read, or a
            dataset that is not that of the fleet.
    """
    from ground.fleet.retrain.flown import FlownReading, read_flown

    if request.data is not None:
        _check_dataset(request.data, request.event)
    infos = read_index(request.workspace.raw)
    aircraft = {info.aircraft for info in infos}
    reading = read_flown(request.data, aircraft) if request.data else FlownReading({}, ())
    if reading.skipped:
        faults = "\n".join(reading.skipped)
        raise DataError(
            f"{faults}\n--data: expected files that can be read, got {len(reading.skipped)} that cannot, whose alarms "
            "are not known; move them out of the dataset to do without"
        )
    flights = {flight_of(info) for info in infos}
    verdicts = open_verdicts(request.verdicts).for_flights(flights) if request.verdicts else {}
    selection = select(infos, reading.flights, verdicts, left_out=_left_out(request))
    if not selection.healthy:
        raise DataError(
            f"{request.workspace.raw / INDEX_NAME}: expected healthy flights to train on, got none "
            f"({_told(selection)}); give verdicts on alarms (`ground verdict list`), or import more recordings"
        )
    document = _document(
        request, selection, recorded=len(reading.flights.keys() & flights),
        without_recording=len(reading.flights.keys() - flights),
    )  # fmt: skip
    return Chosen(selection, document, _basis(request, selection))


def _left_out(request: Request) -> frozenset[str]:
    names = frozenset(request.config.preprocess.leave_out)
    rows = read_table(request.workspace.raw / INDEX_NAME).rows
    return frozenset(row["recording_id"] for row in rows if is_left_out(row, names))


def _check_dataset(data: Path, event: DriftEvent | None) -> None:
    """A dataset that says nothing would make each alarmed flight one that never flew, and so a healthy one."""
    from ground.fleet.retrain.flown import has_result_of, has_results

    if not has_results(data):
        raise DataError(
            f"--data: expected a dataset with results, got none in {data}; mount it, correct the path, or give "
            "--nothing-flies in its place"
        )
    if event is not None and not has_result_of(data, event.flown):
        raise DataError(
            f"--data: expected results of the {len(event.flown)} flights of --event, got none of them in {data}; give "
            "the dataset that `ground drift` read"
        )


def _document(request: Request, selection: Selection, *, recorded: int, without_recording: int) -> dict[str, Any]:
    event = request.event
    return {
        "schema": SCHEMA,
        "reason": request.cause.value,
        "event": event.digest if event else "",
        "bundle_id": event.bundle_id if event else "",
        "bundle_digest": event.bundle_digest if event else "",
        "counts": selection.counts,
        "healthy_taken": selection.healthy,
        "flights_with_recording": recorded,
        "flights_without_recording": without_recording,
        "recordings": [_choice(each) for each in selection.choices],
    }


def _choice(choice: Choice) -> dict[str, Any]:
    flight = choice.flight
    return {
        "recording_id": choice.recording_id, "aircraft": flight.aircraft, "engine": flight.engine,
        "flight": flight.flight, "label": choice.label, "taken": choice.reason.is_taken, "reason": choice.reason.value,
    }  # fmt: skip


def _basis(request: Request, selection: Selection) -> str:
    index = hashlib.sha256((request.workspace.raw / INDEX_NAME).read_bytes()).hexdigest()
    parts = {"config": request.config.digest, "index": index, "left_out": list(selection.left_out)}
    return hashlib.sha256(canonical_json(parts)).hexdigest()


def _told(selection: Selection) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in selection.counts.items() if n) or "no recording"
