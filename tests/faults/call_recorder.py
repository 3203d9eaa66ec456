"""Records the calls by which code changes a folder; the code runs as it is, on a real disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.disk_simulator import ROOT, Call, Disk, Mark, Name, Rename, Sync, Tree, Unlink, Write


class CallRecorder:
    """Calls of ``os`` on what lies in a folder, in their order.

    Args:
        root: The folder; empty at the beginning.
        is_left_out: Whether the fsync of that path is not recorded: as if the code had left it out.

    Attributes:
        calls: What was done.
        failing_sync: Number of the fsync, counted from 0, that fails; -1 for none.
        failed_path: Of what that fsync was.
        killing_call: Number of the call before which the process is killed; -1 for none.
    """

    def __init__(self, root: Path, is_left_out: Callable[[str], bool] = lambda _: False) -> None:
        self.root = root
        self.calls: list[Call] = []
        self.failing_sync = self.killing_call = -1
        self.n_sync = self.n_call = 0
        self.failed_path = ""
        self._is_left_out = is_left_out
        self._nodes: dict[str, int] = {"": ROOT}
        self._open: dict[int, str] = {}
        self._n_node = ROOT

    def mark(self, label: str) -> None:
        """Note a moment."""
        self.calls.append(Mark(label))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what is called meanwhile."""
        with pytest.MonkeyPatch.context() as patch:
            for name, stand_in in (
                ("open", self._on_open), ("close", self._on_close), ("write", self._on_write),
                ("fsync", self._on_sync), ("fdatasync", self._on_sync), ("mkdir", self._on_mkdir),
                ("replace", self._on_rename), ("rename", self._on_rename), ("unlink", self._on_unlink),
                ("remove", self._on_unlink), ("rmdir", self._on_unlink),
            ):  # fmt: skip
                patch.setattr(os, name, _instead(getattr(os, name), stand_in))
            yield

    def check_complete(self) -> None:
        """Nothing was changed in a way that is not recorded: all calls together make the folder as it is."""
        disk = Disk()
        for call in self.calls:
            disk.apply(call)
        assert disk.tree() == tree_in(self.root)

    def _inside(self, path: Any) -> str | None:
        """A path relative to the root, if it lies in there."""
        text = os.path.relpath(os.fspath(path), self.root) if not isinstance(path, int) else ".."
        return None if text.split("/")[0] == ".." else "" if text == "." else text

    def _change(self) -> None:
        """A call that changes something is about to be done."""
        self.n_call += 1
        if self.n_call - 1 == self.killing_call:
            raise KilledError

    def _on_open(self, plain: Any, path: Any, flags: int, *rest: Any, **options: Any) -> Any:
        inside = self._inside(path)
        is_new = inside is not None and bool(flags & os.O_CREAT) and not os.path.lexists(path)
        if is_new:
            self._change()
        descriptor = plain(path, flags, *rest, **options)
        if inside is not None:
            self._open[descriptor] = inside
            if is_new:
                self._make(inside, is_folder=False)
        return descriptor

    def _on_close(self, plain: Any, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        plain(descriptor)

    def _on_write(self, plain: Any, descriptor: int, content: Any) -> Any:
        if descriptor not in self._open:
            return plain(descriptor, content)
        self._change()
        n = plain(descriptor, content)
        offset = os.lseek(descriptor, 0, os.SEEK_CUR) - n
        self.calls.append(Write(self._nodes[self._open[descriptor]], offset, bytes(content[:n])))
        return n

    def _on_sync(self, plain: Any, descriptor: int) -> None:
        if descriptor not in self._open:
            plain(descriptor)
            return
        self._change()
        path = self._open[descriptor]
        if self._is_left_out(path):
            return
        self.n_sync += 1
        is_done = self.n_sync - 1 != self.failing_sync
        self.calls.append(Sync(self._nodes[path], is_done))
        if not is_done:
            self.failed_path = path
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _on_mkdir(self, plain: Any, path: Any, *rest: Any, **options: Any) -> None:
        inside = self._inside(path)
        if inside is not None:
            self._change()
        plain(path, *rest, **options)
        if inside is not None:
            self._make(inside, is_folder=True)

    def _on_rename(self, plain: Any, source: Any, target: Any) -> None:
        old, new = self._inside(source), self._inside(target)
        if old is None or new is None:
            plain(source, target)
            return
        self._change()
        plain(source, target)
        (folder_before, name_before), (folder, name) = os.path.split(old), os.path.split(new)
        assert folder == folder_before, "renames from folder to folder are not modelled"
        self._nodes[new] = self._nodes.pop(old)
        self.calls.append(Rename(self._nodes[folder], name_before, name, self._nodes[new]))

    def _on_unlink(self, plain: Any, path: Any) -> None:
        inside = self._inside(path)
        if inside is None or not os.path.lexists(path):
            plain(path)
            return
        self._change()
        plain(path)
        folder, name = os.path.split(inside)
        del self._nodes[inside]
        self.calls.append(Unlink(self._nodes[folder], name))

    def _make(self, inside: str, *, is_folder: bool) -> None:
        self._n_node += 1
        self._nodes[inside] = self._n_node
        folder, name = os.path.split(inside)
        self.calls.append(Name(self._nodes[folder], name, self._n_node, is_folder))


class KilledError(BaseException):
    """The process is killed here: nothing that it would still have done is done."""


def _instead(plain: Any, stand_in: Any) -> Any:
    return lambda *arguments, **options: stand_in(plain, *arguments, **options)


def tree_in(root: Path) -> Tree:
    """What lies in a folder."""
    tree: Tree = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        tree |= {f"{name}/": b""} if path.is_dir() else {name: path.read_bytes()}
    return tree


def lay_out(tree: Tree, root: Path) -> None:
    """Make a folder as a tree says."""
    root.mkdir()
    for name, content in tree.items():
        if name.endswith("/"):
            (root / name).mkdir()
        else:
            (root / name).write_bytes(content)
