"""A disk that loses power: what is left of recorded calls, where only an fsync is a promise.

Stricter than ext4, and as POSIX has it: the content of a file outlives a cut after an fsync of the file, a name after
an fsync of its folder, and nothing else does for sure. A failed fsync promises nothing, nor does one after it: the
kernel may call clean what it has dropped.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

ROOT = 0
"""The number of the folder that everything lies in; it outlives everything."""

Tree = dict[str, bytes]
"""Files by their path; a folder is a path that ends in a slash, with no content."""


class Data(Enum):
    """What became of bytes that were written and not synced."""

    WHOLE = auto()
    LOST = auto()
    ZEROS = auto()
    TORN = auto()


@dataclass(frozen=True, slots=True)
class Name:
    """A name appears in a folder: a new file or folder, or a further place of one that is renamed."""

    folder: int
    name: str
    node: int
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Rename:
    """A name is moved within a folder, over what was there; old or new, never both, never none."""

    folder: int
    old: str
    name: str
    node: int


@dataclass(frozen=True, slots=True)
class Unlink:
    """A name disappears."""

    folder: int
    name: str


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes are written into a file."""

    node: int
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Sync:
    """An fsync of a file or a folder, with success or without."""

    node: int
    is_done: bool = True


@dataclass(frozen=True, slots=True)
class Mark:
    """No call: something begins, or is acknowledged."""

    label: str


Call = Name | Rename | Unlink | Write | Sync | Mark
Change = (Name, Rename, Unlink, Write)


@dataclass(frozen=True, slots=True)
class Crash:
    """A cut of the power.

    Attributes:
        at: So many calls were done before it.
        applied: Numbers of those that are on disk, and what became of their bytes.
    """

    at: int
    applied: Mapping[int, Data]


def node_of(call: Call) -> int:
    """What has to be synced for a change to be on disk: the file for its bytes, the folder for a name."""
    if isinstance(call, (Write, Sync)):
        return call.node
    assert not isinstance(call, Mark)
    return call.folder


def split(calls: Sequence[Call], at: int) -> tuple[list[int], list[int]]:
    """The changes before a cut that are on disk for sure, and those that may be."""
    sure, open_ = [], []
    synced: set[int] = set()
    for number in range(at - 1, -1, -1):
        call = calls[number]
        if isinstance(call, Sync):
            # From the back: after a sync that failed, a later one promises nothing of what came before.
            (synced.add if call.is_done else synced.discard)(call.node)
        elif isinstance(call, Change):
            (sure if node_of(call) in synced else open_).append(number)
    return sure[::-1], open_[::-1]


def ordered_crashes(calls: Sequence[Call], at: int) -> Iterator[Crash]:
    """Names change in the order of the calls, as a journal has it; bytes come when they come."""
    sure, open_ = split(calls, at)
    names = [number for number in open_ if not isinstance(calls[number], Write)]
    last_sure = max((number for number in sure if not isinstance(calls[number], Write)), default=-1)
    before = [number for number in names if number < last_sure]
    after = names[len(before) :]
    writes = [number for number in open_ if isinstance(calls[number], Write)]
    for n in range(len(after) + 1):
        for data in Data if writes else (Data.WHOLE,):
            whole = dict.fromkeys([*sure, *before, *after[:n]], Data.WHOLE)
            yield Crash(at, {**whole, **dict.fromkeys(writes, data)})


def reordered_crashes(calls: Sequence[Call], at: int, *, samples: int, seed: int) -> Iterator[Crash]:
    """Any of the unsynced changes are there or not: all, none, each one alone missing or alone there, and samples."""
    sure, open_ = split(calls, at)
    rng = random.Random(f"{seed}/{at}")
    subsets = [open_, []]
    subsets += [[number for number in open_ if number != one] for one in open_] + [[one] for one in open_]
    subsets += [[number for number in open_ if rng.random() < rng.choice((0.2, 0.5, 0.8))] for _ in range(samples)]
    for subset in subsets:
        torn = {number: rng.choice(list(Data)) for number in subset if isinstance(calls[number], Write)}
        for data in (dict.fromkeys(torn, Data.WHOLE), dict.fromkeys(torn, Data.ZEROS), torn):
            yield Crash(at, {**dict.fromkeys([*sure, *subset], Data.WHOLE), **data})


class Disk:
    """Names and bytes."""

    def __init__(self) -> None:
        self._folders: dict[int, dict[str, int]] = {ROOT: {}}
        self._files: dict[int, bytearray] = {}

    def apply(self, call: Call, data: Data = Data.WHOLE) -> None:
        """Let a change reach the disk; bytes as ``data`` says."""
        if isinstance(call, Name):
            self._names(call.folder)[call.name] = call.node
            if call.is_folder:
                self._names(call.node)
        elif isinstance(call, Rename):
            self._names(call.folder).pop(call.old, None)
            self._names(call.folder)[call.name] = call.node
        elif isinstance(call, Unlink):
            self._names(call.folder).pop(call.name, None)
        elif isinstance(call, Write):
            self._write(call, data)

    def tree(self) -> Tree:
        """What can be reached from the root."""
        return dict(self._below(ROOT, ""))

    def _names(self, folder: int) -> dict[str, int]:
        return self._folders.setdefault(folder, {})

    def _write(self, call: Write, data: Data) -> None:
        content = {
            Data.WHOLE: call.content,
            Data.LOST: b"",
            Data.ZEROS: bytes(len(call.content)),
            Data.TORN: call.content[: len(call.content) // 2],
        }[data]
        file = self._files.setdefault(call.node, bytearray())
        file.extend(bytes(max(0, call.offset - len(file)))) if content else None
        file[call.offset : call.offset + len(content)] = content

    def _below(self, folder: int, prefix: str) -> Iterator[tuple[str, bytes]]:
        for name, node in sorted(self._folders[folder].items()):
            if node in self._folders:
                yield f"{prefix}{name}/", b""
                yield from self._below(node, f"{prefix}{name}/")
            else:
                yield f"{prefix}{name}", bytes(self._files.get(node, b""))


def tree_after(calls: Sequence[Call], crash: Crash) -> Tree:
    """What a boot finds."""
    disk = Disk()
    for number, data in sorted(crash.applied.items()):
        disk.apply(calls[number], data)
    return disk.tree()
