"""The agent's own detector over recordings, to the bytes that the agent publishes."""

from __future__ import annotations

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
from ground.errors import DataError
from ground.frames import frames_for
from ground.recording import Recording, RecordingStream
from shared_features.makers import Makers


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
    model: LoadedModel,
    recording: Recording | RecordingStream,
    units: Units | None = None,
    makers: Makers | None = None,
) -> Iterator[Assessment]:
    """Everything the agent would say of one recording, from what it knew of the unit.

    Args:
        model: The bundle.
        recording: Gone through once.
        units: What was known of the units; nothing where none are given.
        makers: Of the model's spec, shared with other recordings of this thread; its own where none are given.
    """
    info = recording.info
    unit = (units or FixedUnits()).state_of(f"{info.aircraft}/{info.engine}")
    detector = Detector(model, makers, unit)
    for frame in frames_for(model.spec, recording):
        yield from detector.push(frame)
