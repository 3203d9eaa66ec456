"""A signed model as bytes that travel: to other processes, and to machines that do not see its folder."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ground.batch import ModelSource
from ground.errors import DataError

_MODEL, _KEYS, _UNITS = "model", "keys", "units"

Files = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A signed model, the keys it must be signed with, and what an agent knew of the units.

    Attributes:
        model: Its members by their path; of a ``.bundle`` one, by an empty path.
        keys: Public keys, numbered.
        units: Files of an agent's folder ``units``.
        knows_units: Whether there is such a folder.
        digest: Of all of these that shapes results.
    """

    model: Files
    keys: Files
    units: Files
    knows_units: bool
    digest: str

    @classmethod
    def read(cls, source: ModelSource) -> ModelFiles:
        """Read what ``load_signed`` and ``known_units`` would.

        Raises:
            DataError: A file cannot be read.
        """
        keys = [_read(path, str(number)) for number, path in enumerate(source.keys)]
        units = _folder(source.units) if source.units else ()
        model = _folder(source.path) if source.path.is_dir() else (_read(source.path, ""),)
        knows_units = source.units is not None
        return cls(model, tuple(keys), units, knows_units, _digest(model, units, knows_units=knows_units))

    @contextmanager
    def unpacked(self) -> Iterator[ModelSource]:
        """The same as files of this machine, while the block runs."""
        with tempfile.TemporaryDirectory(prefix="enginear-model-") as name:
            folder = Path(name)
            _write(self.model, folder / _MODEL)
            _write(self.keys, folder / _KEYS)
            _write(self.units, folder / _UNITS)
            keys = tuple(folder / _KEYS / number for number, _ in self.keys)
            yield ModelSource(folder / _MODEL, keys, folder / _UNITS if self.knows_units else None)


def _digest(model: Files, units: Files, *, knows_units: bool) -> str:
    told = [[(name, hashlib.sha256(data).hexdigest()) for name, data in files] for files in (model, units)]
    return hashlib.sha256(repr((told, knows_units)).encode()).hexdigest()


def _folder(folder: Path) -> Files:
    return tuple(
        _read(path, path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*")) if path.is_file()
    )


def _read(path: Path, name: str) -> tuple[str, bytes]:
    try:
        return name, path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, got {error.strerror}; check the path") from error


def _write(files: Files, folder: Path) -> None:
    for name, data in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
