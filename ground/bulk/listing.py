"""The recordings of a store: by its index ``recordings.csv``, or by folders ``aircraft=A/engine=E/flight=F``."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote

from ground.bulk.store import Store
from ground.errors import DataError, GroundError
from ground.index_cells import CSV, HEALTHY, PARQUET
from ground.recording_index import IDENTITY_COLUMNS, INDEX_NAME, RecordingInfo, parse_row, read_index
from shared_features.spec import FeatureSpec

LONGEST_ID = 120
_NO_NAME_SIGNS = re.compile(r"[^A-Za-z0-9._-]+")
_KEY = re.compile(r"([A-Za-z0-9_]+)=(.+)")
_NAME_DIGITS = 8
_FILLED_HERE: Final = {"recording_id", "file", "channels", "signal_units"}
_FILLED_BY_FOLDERS: Final = ({field.name for field in fields(RecordingInfo)} | {"speed_rpm"}) - _FILLED_HERE


@dataclass(frozen=True, slots=True)
class Source:
    """A recording that is to be read.

    Attributes:
        info: What is known of it.
        files: Its files in the store, read one after the other as one; empty where the index names one file, which may
            turn out to be a folder of them.
    """

    info: RecordingInfo
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that was left out, and why.

    Attributes:
        recording_id: Its name; the path of a file that has none.
        text: What was expected, what came, and what to do.
        is_unreached: Whether a store or a machine failed: nothing is known to be wrong with the recording.
    """

    recording_id: str
    text: str
    is_unreached: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What a store holds.

    Attributes:
        landmark: A file of the store: who does not see it does not see the store.
        sources: Its recordings, in the order of the index or of their identities.
        failures: Recordings that cannot be described.
        unread: Files that are no recordings.
    """

    landmark: str
    sources: tuple[Source, ...]
    failures: tuple[Failure, ...] = ()
    unread: tuple[str, ...] = ()


def list_recordings(store: Store, spec: FeatureSpec, *, besides: Collection[str] = ()) -> Listing:
    """The recordings of a store.

    Args:
        store: Holds ``recordings.csv``, or a dataset whose folders say whose the files are.
        spec: Tells rate, channels and units of the files of a dataset.
        besides: Files that are left alone.

    Raises:
        DataError: The store or its index cannot be read, or it has neither index nor dataset.
    """
    if store.has(INDEX_NAME):
        return Listing(INDEX_NAME, tuple(Source(info) for info in _index_of(store)))
    listing = _dataset(store, spec, besides)
    if not listing.sources and not listing.failures:
        raise DataError(
            f"{store}: expected {INDEX_NAME}, or files in folders aircraft=A/engine=E/flight=F, got "
            f"{len(listing.unread) or 'no'} other files; see docs/how-to/batch.md"
        )
    return listing


def files_of(store: Store, source: Source) -> tuple[str, ...]:
    """The files of a recording in their order; what the index names may be a folder of them.

    Raises:
        DataError: There is none.
    """
    name = source.info.file
    if source.files or store.has(name):
        return source.files or (name,)
    files = tuple(file.name for file in store.files(name) if _is_data(file.name))
    if not files:
        raise DataError(f"{store.where(name)}: expected a file, or a folder of files, got none; correct the index")
    return files


def _index_of(store: Store) -> tuple[RecordingInfo, ...]:
    if store.is_local:
        return read_index(Path(store.url))
    with tempfile.TemporaryDirectory() as folder:
        store.fetch(INDEX_NAME, Path(folder, INDEX_NAME))
        try:
            return read_index(Path(folder))
        except GroundError as error:
            raise DataError(str(error).replace(folder, str(store))) from error


def _dataset(store: Store, spec: FeatureSpec, besides: Collection[str]) -> Listing:
    groups: dict[tuple[str, ...], list[str]] = {}
    failures, unread = [], []
    files = [file for file in store.files() if file.name not in besides]
    for file in files:
        if not _is_data(file.name):
            unread += [] if _is_note(file.name) else [file.name]
        elif identity := _identity(_keys(file.name)):
            groups.setdefault(identity, []).append(file.name)
        else:
            failures.append(_nameless(store, file.name))
    sources = []
    for _, names in sorted(groups.items()):
        try:
            sources.append(_source(store, names, spec))
        except DataError as error:
            failures.append(Failure(_id_of(_keys(names[0])), str(error)))
    landmark = files[0].name if files else ""
    return Listing(landmark, tuple(sources), tuple(failures), tuple(unread))


def _nameless(store: Store, name: str) -> Failure:
    folders = "/".join(f"{key}=..." for key in IDENTITY_COLUMNS)
    return Failure(name, f"{store.where(name)}: expected it in folders {folders}, got others; move or describe it")


def _source(store: Store, names: Sequence[str], spec: FeatureSpec) -> Source:
    keys = _keys(names[0])
    for name in names[1:]:
        _check_alike(store, names[0], name)
    row = {
        "unit_id": "_".join(keys[name] for name in IDENTITY_COLUMNS[:2]),
        "sampling_rate_hz": repr(spec.sampling_rate_hz),
        "label": HEALTHY,
        **keys,
        "recording_id": _id_of(keys),
        "file": f"recording{PurePosixPath(names[0]).suffix.lower()}",
        "channels": "0",
        "signal_units": "",
    }
    info = parse_row(row, str(store))
    channels = tuple(channel.name for channel in spec.channels)
    units = tuple(channel.unit for channel in spec.channels)
    return Source(replace(info, channels=channels, signal_units=units), tuple(names))


def _check_alike(store: Store, first: str, name: str) -> None:
    """Files of one recording are one signal: what folders say of it holds for all of it."""
    expected, found = _keys(first), _keys(name)
    for key in sorted(_FILLED_BY_FOLDERS):
        if expected.get(key) != found.get(key):
            raise DataError(
                f"{store.where(name)}: {key}: expected {expected.get(key, 'none')}, as of {first}, for a file of the "
                f"same flight, got {found.get(key, 'none')}; correct it, or make it a flight of its own"
            )


def _keys(name: str) -> dict[str, str]:
    """What the folders of a file say: ``key=value``, the value as in a URL."""
    matches = [_KEY.fullmatch(part) for part in PurePosixPath(name).parts[:-1]]
    return {match[1]: unquote(match[2]) for match in matches if match}


def _identity(keys: dict[str, str]) -> tuple[str, ...]:
    return tuple(keys[name] for name in IDENTITY_COLUMNS) if all(name in keys for name in IDENTITY_COLUMNS) else ()


def _id_of(keys: dict[str, str]) -> str:
    """A name for files that no other identity gets."""
    identity = [keys[name] for name in IDENTITY_COLUMNS]
    plain = _NO_NAME_SIGNS.sub("-", ".".join(identity)).lstrip("._-")
    if plain == ".".join(identity) and "." not in "".join(identity) and len(plain) <= LONGEST_ID:
        return plain
    digits = hashlib.sha256(repr(identity).encode()).hexdigest()[:_NAME_DIGITS]
    return f"{plain[: LONGEST_ID - _NAME_DIGITS - 1]}-{digits}" if plain else digits


def _is_data(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in {PARQUET, CSV} and not _is_note(name)


def _is_note(name: str) -> bool:
    """By custom, what programs leave beside the data begins with a dot or an underscore."""
    return any(part[0] in "._" for part in PurePosixPath(name).parts)
