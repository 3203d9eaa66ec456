"""The folders of a workspace, and writing into them without ever leaving half a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LATENCY = "latency.json"
"""In ``evaluation``: what was measured of the agent's path on this machine; no part of a bundle."""
SCORES = "scores.parquet"
"""In ``evaluation``: the shipped detector's answers in the test flights."""
STREAM = "stream.parquet"
"""In ``evaluation``: what an agent published of them."""
THRESHOLDS_YAML = "thresholds.yaml"
"""Beside a model: its thresholds for people; an agent reads ``thresholds.json``."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where each stage reads and writes, below one root folder."""

    root: Path

    @property
    def raw(self) -> Path:
        """Recordings as they came, with their index ``recordings.csv``."""
        return self.root / "data" / "raw"

    @property
    def interim(self) -> Path:
        """Checked and time-synchronised recordings."""
        return self.root / "data" / "interim"

    @property
    def features(self) -> Path:
        """Window features in physical units, one table a recording."""
        return self.root / "data" / "features"

    @property
    def processed(self) -> Path:
        """Normalised features with labels and split roles: what training reads."""
        return self.root / "data" / "processed"

    @property
    def evaluation(self) -> Path:
        """Metrics, verdicts, plots and replay results."""
        return self.root / "evaluation"

    @property
    def tracking(self) -> Path:
        """The experiment tracker's database and artefacts."""
        return self.root / "tracking"

    def candidate(self, detector: str) -> Path:
        """The trained, not yet exported models of ``detector``."""
        return self.root / "models" / detector / "candidate"

    def release(self, detector: str, version: str) -> Path:
        """The exported artefacts of one version of ``detector``."""
        return self.root / "models" / detector / version


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader or a crash sees the old file or the new one, never a part.

    Args:
        path: The file; its folder is made when it is missing.
        data: The whole content.

    Raises:
        OSError: The disk refuses; no temporary file is left behind.
    """
    with replaced(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of ``path`` in one step when the block ends without an error.

    Args:
        path: The file; its folder is made when it is missing.

    Raises:
        OSError: The disk refuses; no temporary file is left behind, whatever the error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
