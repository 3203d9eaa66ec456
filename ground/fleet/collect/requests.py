"""Waveforms that people ask agents for: notes in the dataset's folder, which a collector takes to the broker.

Whoever asks (the console) needs no way to the broker, and no password for it. Of several collectors the one that
removes a note publishes it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from edge_agent.evidence import ID_DIGITS
from edge_agent.evidence_request import SCHEMA
from edge_agent.publication import Publication
from edge_agent.topics import TopicTemplate
from edge_agent.topics_section import TopicsSection
from ground.errors import DataError
from ground.fleet.collect.reminder import Reminder
from ground.workspace import write_atomic
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

FOLDER: Final = ".requests"
_SUFFIX = ".json"
_ID = re.compile(rf"[0-9a-f]{{{ID_DIGITS}}}")
_NOT_IN_TOPICS = re.compile(r"[/+#]")
_LONGEST_AGENT = 128


@dataclass(frozen=True, slots=True)
class WaveformRequest:
    """One request.

    Attributes:
        agent: Whom to ask.
        id: The waveform's.
    """

    agent: str
    id: str

    def publication(self, topics: TopicsSection) -> Publication:
        """The message that the agent understands."""
        payload = json.dumps({"schema": SCHEMA, "id": self.id}).encode()
        return Publication(topic=TopicTemplate(topics.evidence_get).fill(agent=self.agent), payload=payload)


def ask_for(root: Path, request: WaveformRequest) -> None:
    """Leave a note for the collectors of a dataset.

    Raises:
        DataError: A name that no agent has, or no waveform.
        OSError: The folder cannot be written.
    """
    if not _is_one(request):
        raise DataError(f"waveform: expected the id of one and its agent's name, got {request!r:.200}; look them up")
    write_atomic(_path(root, request.id), f"{json.dumps(asdict(request))}\n".encode())


def is_asked_for(root: Path, waveform_id: str) -> bool:
    """Whether a note for a waveform still waits for a collector."""
    return _path(root, waveform_id).exists()


def take_requests(root: Path, faults: Reminder) -> Iterator[WaveformRequest]:
    """The notes that wait, each taken by one collector alone; what is no note is removed.

    Args:
        root: The dataset.
        faults: Told of the first note that cannot be read or removed; such ones are left, and the others taken.
    """
    folder = root / FOLDER
    if not folder.is_dir():
        return
    fault = ""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            content = _read(path)
            path.unlink()
        except FileNotFoundError:
            # Another collector was quicker.
            continue
        except OSError as error:
            fault = fault or (
                f"{path}: expected a note that can be read and removed, got {error.strerror}; "
                "let the user of the collectors write to its folder, or remove it"
            )
            continue
        with suppress(ValueError, RecursionError, SpecError):
            request = from_mapping(WaveformRequest, json.loads(content), where=path.name)
            if _is_one(request):
                yield request
    if fault:
        faults.tell(fault)
    else:
        faults.end()


def _read(path: Path) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: It cannot be read, or is a link, a FIFO, a device.
    """
    # O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Not given away: what cannot be opened as a stream, as a folder, would stay open.
        with open(descriptor, "rb", closefd=False) as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "no regular file")
            return stream.read()
    finally:
        os.close(descriptor)


def _path(root: Path, waveform_id: str) -> Path:
    return root / FOLDER / f"{waveform_id}{_SUFFIX}"


def _is_one(request: WaveformRequest) -> bool:
    plain = request.agent.isprintable() and 0 < len(request.agent) <= _LONGEST_AGENT
    return plain and not _NOT_IN_TOPICS.search(request.agent) and bool(_ID.fullmatch(request.id))
