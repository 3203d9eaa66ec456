"""From the recordings of one rig to windows, by the way that ships: import, preprocess, windows of the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.detection.copies import copies_of, doubts_of, without
from benchmarks.detection.unheard import doubt_of, unheard_recordings
from ground.config import DecisionConfig, load_config
from ground.featurize import interim_windows
from ground.importer import import_recordings
from ground.initialise import propose
from ground.initialise.command import CONFIG_NAME, write
from ground.preprocess import preprocess
from ground.progress import silent
from ground.recording_index import INDEX_NAME, read_table
from ground.window_table import WindowTable
from ground.workspace import Workspace
from shared_features.spec import FeatureSpec

FROM_INDEX: Mapping[str, str] = {
    "dataset": "dataset", "kind": "label", "speed_rpm": "speed_rpm", "load": "load", "condition": "condition",
}  # fmt: skip
"""Columns that windows take from the row of their recording: name there, name in the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """One rig, ready to be split.

    Attributes:
        name: Its ``dataset``; may be empty.
        spec: The features.
        table: Its windows in physical units, with the columns of ``FROM_INDEX``, all text.
        recordings: How many there are.
        decision: Persistence that the config proposes.
        doubts: What ``ground init`` doubts about it, and what no number counts.
        unheard: Recordings whose faults no window holds.
    """

    name: str
    spec: FeatureSpec
    table: WindowTable
    recordings: int
    decision: DecisionConfig
    doubts: tuple[str, ...]
    unheard: tuple[str, ...] = ()


def rig_names(folder: Path) -> tuple[str, ...]:
    """The datasets of a recordings folder.

    Raises:
        DataError: There is no readable index.
    """
    table = read_table(folder / INDEX_NAME)
    return tuple(sorted({row.get("dataset", "") for row in table.rows}))


def as_proposed(spec: FeatureSpec) -> FeatureSpec:
    """The features that ``ground init`` proposes."""
    return spec


def read_rig(folder: Path, name: str, *, workers: int, of: Callable[[FeatureSpec], FeatureSpec] = as_proposed) -> Rig:
    """Propose a config, import, preprocess and featurize one rig, in a workspace that is gone afterwards.

    Args:
        folder: The recordings folder.
        name: The dataset.
        workers: Processes.
        of: Makes the features from those proposed.

    Raises:
        GroundError: The recordings cannot be read, break the contract, or give no window.
    """
    proposal = propose(folder, name)
    index = [row for row in read_table(folder / INDEX_NAME).rows if row.get("dataset", "") == name]
    with TemporaryDirectory(prefix="enginear-detection-") as temporary:
        workspace = Workspace(Path(temporary))
        write(proposal, workspace.root)
        config = load_config(workspace.root / CONFIG_NAME)
        leave_out = config.preprocess.leave_out
        import_recordings(folder, workspace.raw, dataset=name, progress=silent, leave_out=leave_out)
        preprocess(config, workspace, progress=silent, base=config.folder)
        spec = of(config.feature_spec())
        table = interim_windows(config, workspace, spec, progress=silent, workers=workers)
        unheard = unheard_recordings(table.rows, index, workspace.interim)
    copies = copies_of(table)
    table = without(table, copies)
    rows = _with_index(table.rows, index)
    return Rig(
        name=name,
        spec=spec,
        table=WindowTable(rows, table.values),
        recordings=int(rows["recording_id"].nunique()),
        decision=config.decision,
        doubts=(*proposal.doubts, *doubt_of(unheard), *doubts_of(copies)),
        unheard=unheard,
    )


def _with_index(rows: pd.DataFrame, index: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    by_name = {row["recording_id"]: row for row in index}
    columns = {
        added: pd.Series([by_name[recording].get(column, "") for recording in rows["recording_id"]], dtype="str")
        for added, column in FROM_INDEX.items()
    }
    return rows.assign(**columns)
