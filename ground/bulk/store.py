"""Where recordings lie: a folder of this machine, or of an object store that pyarrow or fsspec can read."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from ground.bulk.urls import HELP, SCHEME, line_of, local_path, plain
from ground.errors import DataError, GroundError, StoreError

_CHUNK_BYTES = 4 << 20
_MOST_COPIED_BYTES = 5 << 30
"""S3 copies no larger object in one piece."""
_DIGEST = "sha256:"
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "Content-MD5")
SETTLED_NS = 2_000_000_000
"""Clocks of file systems tick at least every two seconds."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a store.

    Attributes:
        name: Its path in the store.
        size: Bytes.
        changed_ns: When it was written; 0 where the store does not tell.
    """

    name: str
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of files; it can be pickled, and opens its connection where it is used.

    Attributes:
        url: A URL, or an absolute path of this machine.
    """

    url: str

    @classmethod
    def of(cls, text: str) -> Store:
        """The store that a user names by path or URL.

        Raises:
            DataError: A URL without a bucket or a host.
        """
        path = local_path(text)
        if path is not None:
            return cls(str(path))
        url = text.rstrip("/")
        if SCHEME not in url:
            raise DataError(f"{plain(text)}: expected a URL such as s3://bucket/folder, got no bucket; add it")
        return cls(url)

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return SCHEME not in self.url

    def __str__(self) -> str:
        return plain(self.url)

    def where(self, name: str) -> str:
        """A file's place, for people."""
        return f"{str(self).rstrip('/')}/{name}"

    def path_of(self, name: str) -> Path:
        """A file's path, in a local store."""
        return Path(self.url) / name

    def has(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            DataError: The store cannot be read.
        """
        with self._read(name):
            system, root = _opened(self.url)
            return bool(system.get_file_info(f"{root}/{name}").is_file)

    def files(self, folder: str = "") -> tuple[StoredFile, ...]:
        """All files in a folder and below, by name; none where there is no such folder.

        Raises:
            DataError: The store cannot be read.
        """
        with self._read(folder):
            system, root = _opened(self.url)
            base = f"{root}/{folder}".rstrip("/")
            found = system.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
        begin = len(base.strip("/")) + 1
        files = (
            StoredFile(f"{folder}/{info.path.strip('/')[begin:]}".lstrip("/"), info.size or 0, info.mtime_ns or 0)
            for info in found
            if info.is_file
        )
        return tuple(sorted(files, key=lambda file: file.name))

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to this machine.

        Raises:
            DataError: It is missing, or cannot be read.
            StoreError: The store does not answer, or the disk of this machine takes no more.
        """
        try:
            with target.open("wb") as sink:
                for chunk in self._chunks(name):
                    sink.write(chunk)
        except OSError as error:
            raise StoreError(
                f"{target}: expected to keep {self.where(name)} there while it is read, got {line_of(error)}; "
                "make room, or set TMPDIR"
            ) from error

    def check(self) -> None:
        """Whether there is such a kind of store, before hours of work.

        Raises:
            DataError: Neither pyarrow nor fsspec knows it.
        """
        _opened(self.url)

    def put(self, source: Path, name: str) -> None:
        """Copy a file of this machine into the store; it takes its place when it is there as a whole.

        An object above 5 GiB is written to its place on S3, which renames none so large: what was there is lost where
        that is interrupted, and half a one is removed.

        Raises:
            DataError: The store does not take it.
        """
        try:
            system, root = _opened(self.url)
            if self.is_local:
                Path(root).mkdir(parents=True, exist_ok=True)
            place = f"{root}/{name}"
            is_copied = system.type_name != "s3" or source.stat().st_size <= _MOST_COPIED_BYTES
            new = f"{root}/.{secrets.token_hex(8)}.new" if is_copied else place
            with _removed_on_error(system, new):
                _upload(system, source, new)
                if is_copied:
                    _move(system, new, place)
            _check_size(system, source, place)
        except GroundError:
            raise
        except Exception as error:  # file systems of fsspec raise classes of their own
            got = line_of(error, self.url)
            raise DataError(f"{self.where(name)}: expected to write it, got {got}; {HELP}") from error

    def stamp(self, names: Sequence[str], before: str = "") -> str:
        """What tells whether files have changed: what disk or store say of each without reading it, else their digest.

        A file that was written just now can be written again within one tick of the clock that stamps it: of such, and
        where nobody keeps times or tags, only the bytes themselves tell.

        Args:
            names: The files.
            before: An earlier stamp of theirs, to be compared with: one that is a digest is answered by a digest.

        Raises:
            DataError: One cannot be read.
        """
        return (not before.startswith(_DIGEST) and self._told(names)) or self._digest(names)

    def _told(self, names: Sequence[str]) -> str:
        with self._read(names[0]):
            look = _looked_up if self.is_local else _asked
            marks = look(self.url, names)
        told = [(name, *mark) for name, mark in zip(names, marks, strict=True)]
        return f"told:{hashlib.sha256(repr(told).encode()).hexdigest()}" if all(marks) else ""

    def _digest(self, names: Sequence[str]) -> str:
        digest = hashlib.sha256()
        for name in names:
            content = hashlib.sha256()
            for chunk in self._chunks(name):
                content.update(chunk)
            digest.update(repr((name, content.hexdigest())).encode())
        return f"{_DIGEST}{digest.hexdigest()}"

    def _chunks(self, name: str) -> Iterator[bytes]:
        with self._read(name):
            system, root = _opened(self.url)
            with system.open_input_stream(f"{root}/{name}", compression=None) as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    yield chunk

    @contextmanager
    def _read(self, name: str) -> Iterator[None]:
        try:
            yield
        except GroundError:
            raise
        except Exception as error:  # file systems of fsspec raise classes of their own
            is_its_own = self.is_local or isinstance(error, FileNotFoundError | PermissionError)
            got = line_of(error, self.url)
            if is_its_own:
                raise DataError(f"{self.where(name)}: expected to read it, got {got}; check the path") from error
            raise StoreError(
                f"{self.where(name)}: expected the store to give it, got {got or type(error).__name__}; check the store"
            ) from error


def _upload(system: Any, source: Path, place: str) -> None:
    with source.open("rb") as stream, system.open_output_stream(place, compression=None) as sink:
        shutil.copyfileobj(stream, sink, _CHUNK_BYTES)
    _check_size(system, source, place)


@contextmanager
def _removed_on_error(system: Any, place: str) -> Iterator[None]:
    # To close a stream commits what was written: after an error that is half an object.
    try:
        yield
    except BaseException:
        with suppress(Exception):
            system.delete_file(place)
        raise


def _check_size(system: Any, source: Path, place: str) -> None:
    expected, found = source.stat().st_size, system.get_file_info(place).size
    if found != expected:
        raise OSError(f"{found} of {expected} bytes")


def _move(system: Any, place: str, target: str) -> None:
    try:
        system.move(place, target)
    except NotImplementedError:
        system.copy_file(place, target)
        system.delete_file(place)


@lru_cache(maxsize=8)
def _opened(url: str) -> tuple[Any, str]:
    if SCHEME not in url:
        return fs.LocalFileSystem(), url
    try:
        return _system_of(url)
    except (pa.ArrowException, ImportError, ValueError, OSError) as error:
        scheme = url.partition(SCHEME)[0]
        raise DataError(
            f"{plain(url)}: expected a path, or a URL of a store that pyarrow or fsspec knows, "
            f"got {scheme}: {line_of(error, url)}; {HELP}"
        ) from error


def _system_of(url: str) -> tuple[Any, str]:
    try:
        system, root = fs.FileSystem.from_uri(url)
    except pa.ArrowInvalid as error:
        if "Unrecognized filesystem" not in str(error):
            raise
        system, root = fs.FileSystem.from_uri(f"fsspec+{url}")
    return system, root.rstrip("/")


def _looked_up(url: str, names: Sequence[str]) -> list[tuple[object, ...]]:
    """Size and times of each file on a disk; nothing of one that was written just now.

    The second time is that of its entry: no program sets it, so that it tells of a file whose own time was set back.
    """
    found = [Path(url, name).stat() for name in names]
    times = [(each.st_mtime_ns, each.st_ctime_ns) for each in found]
    return [(each.st_size, *when) if _is_settled(when) else () for each, when in zip(found, times, strict=True)]


def _asked(url: str, names: Sequence[str]) -> list[tuple[object, ...]]:
    """Size and time of each object of a store, or a tag of its content; nothing where it tells neither."""
    system, root = _opened(url)
    found = system.get_file_info([f"{root}/{name}" for name in names])
    marks = [(_tags(system, info.path) or _time(info)) if info.is_file else () for info in found]
    return [(info.size, *mark) if mark else () for info, mark in zip(found, marks, strict=True)]


def _tags(system: Any, path: str) -> tuple[str, ...]:
    """What a file system of fsspec says of an object's content, in words of its own."""
    if not (isinstance(system, fs.PyFileSystem) and isinstance(system.handler, fs.FSSpecHandler)):
        return ()
    info = system.handler.fs.info(path)
    return tuple(f"{key}={info[key]}" for key in _TAGS if info.get(key))


def _time(info: fs.FileInfo) -> tuple[int, ...]:
    return (info.mtime_ns,) if info.mtime_ns and _is_settled((info.mtime_ns,)) else ()


def _is_settled(times_ns: Sequence[int]) -> bool:
    """Whether a file was last written before the present tick of any clock."""
    return max(times_ns) < time.time_ns() - SETTLED_NS
