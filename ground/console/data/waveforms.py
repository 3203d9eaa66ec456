"""The waveforms that agents have shipped, found in the dataset by the id that an alert names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgpack

from ground.console.data.evidence_frames import frames_in, recording_of
from ground.console.data.fleet_index import FleetIndex
from ground.console.data.kept import Kept
from ground.errors import DataError
from ground.fleet.collect.dataset import read_file, schema_of
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.parts import path_name
from ground.received_evidence import join_received
from ground.recording import Recording

_MOST_KEPT: Final = 4
"""Waveforms in memory: a page asks for its own several times."""


class Waveforms:
    """Finds waveforms; safe to ask from any thread.

    Args:
        index: Knows the files.
    """

    def __init__(self, index: FleetIndex) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._names: dict[str, frozenset[str]] = {}
        self._kept: Kept[str, Recording] = Kept(_MOST_KEPT)

    def find(self, evidence_id: str, agent: str) -> Recording:
        """The waveform of an id.

        Args:
            evidence_id: Names it.
            agent: Who shipped it.

        Raises:
            DataError: It has not come, or not whole.
        """
        return self._kept.of(evidence_id, lambda: self._read(evidence_id, agent))

    def _read(self, evidence_id: str, agent: str) -> Recording:
        files = self._index.files(Kind.EVIDENCE_DATA, folder=f"agent={path_name(agent)}")
        with self._lock:
            self._names = {path: names for path, names in self._names.items() if Path(path).exists()}
        payloads = [
            payload
            for path in files
            if evidence_id in self._names_in(path)
            for name, payload in _chunks(path)
            if name == evidence_id
        ]
        if not payloads:
            raise DataError("The waveform has not come to the ground; ask the agent for it.")
        content = join_received(payloads).content
        return recording_of(frames_in(content, evidence_id), evidence_id)

    def _names_in(self, path: str) -> frozenset[str]:
        found = self._names.get(path)
        if found is None:
            found = frozenset(name for name, _ in _chunks(path))
            with self._lock:
                self._names[path] = found
        return found


def _chunks(path: str) -> Iterator[tuple[str, bytes]]:
    """The payloads of a file with the id that each names; what is no chunk, or cannot be read, is passed over."""
    try:
        table = read_file(Path(path), schema_of(Kind.EVIDENCE_DATA)[0], ["payload"])
    except (DataError, FileNotFoundError):
        return
    for payload in table["payload"].to_pylist():
        try:
            name = msgpack.unpackb(payload)["evidence"]["id"]
        except (ValueError, TypeError, KeyError, msgpack.exceptions.UnpackException):
            continue
        if isinstance(name, str):
            yield name, payload
