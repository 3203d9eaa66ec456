"""``edge-agent spool``: looks into the journal, while the agent runs or not. Never writes to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack

from edge_agent.config import AgentConfig, load_config
from edge_agent.errors import ConfigError
from edge_agent.exit_code import ExitCode
from edge_agent.frame_file import write_blocks, write_lines
from edge_agent.journal import JOURNAL_FOLDER
from edge_agent.journal_segment import Segment
from edge_agent.output import say, say_json
from edge_agent.publication import JSON, MSGPACK, Grade, Publication
from edge_agent.result import as_historical

BLOCKS = "blocks"


def check(config_path: Path, *, as_json: bool) -> ExitCode:
    """Read every record and tell of damage.

    Raises:
        ConfigError: The config is wrong, or the journal may not be read.
    """
    segments = _segments_of(load_config(config_path))
    document = {
        "segments": [_described(segment) for segment in segments],
        "waiting": sum(segment.waiting for segment in segments),
        "damaged": sum(segment.damaged for segment in segments),
        "torn": sum(segment.torn_bytes > 0 for segment in segments),
    }
    if as_json:
        say_json(document)
    else:
        for segment in segments:
            torn = f", {segment.torn_bytes} torn bytes at the end" if segment.torn_bytes else ""
            say(f"{segment.path.name}  {segment.waiting} waiting, {segment.damaged} damaged{torn}")
        say(f"{len(segments)} segments, {document['waiting']} waiting, {document['damaged']} damaged")
    return ExitCode.JOURNAL_DAMAGED if document["damaged"] else ExitCode.OK


def stats(config_path: Path, *, as_json: bool) -> ExitCode:
    """Tell how much waits.

    Raises:
        ConfigError: The config is wrong, or the journal may not be read.
    """
    config = load_config(config_path)
    segments = _segments_of(config)
    document: dict[str, Any] = {
        "enabled": config.journal.enabled,
        "max_mib": config.journal.max_mib,
        "bytes": sum(segment.size_bytes for segment in segments),
        "waiting": {grade.name.lower(): sum(s.waiting for s in segments if s.grade == grade) for grade in Grade},
    }
    if as_json:
        say_json(document)
    else:
        say(f"{document['bytes']} bytes of {config.journal.max_mib} MiB")
        for name, count in document["waiting"].items():
            say(f"  {name:12} {count} waiting")
    return ExitCode.OK


def export(config_path: Path, *, out: Path, form: str, as_json: bool) -> ExitCode:
    """Write what waits to a file, the best grade first and the oldest first, as it would be sent.

    Raises:
        ConfigError: The config is wrong, or the journal may not be read.
        FrameFileError: The file cannot be written.
    """
    segments = sorted(_segments_of(load_config(config_path)), key=lambda segment: (-segment.grade, segment.first))
    waiting = (each for segment in segments for each in _waiting_in(segment))
    if form == BLOCKS:
        n = write_blocks(out, (as_historical(publication.payload) for _, publication in waiting))
    else:
        n = write_lines(out, (json.dumps(_line(*each)) for each in waiting))
    if as_json:
        say_json({"records": n, "file": str(out)})
    else:
        say(f"{n} records written to {out}")
    return ExitCode.OK


def _segments_of(config: AgentConfig) -> list[Segment]:
    folder = config.agent.state_dir / JOURNAL_FOLDER
    try:
        segments = Segment.find(folder)
        for segment in list(segments):
            try:
                segment.load()
            except FileNotFoundError:
                # Sent and deleted by the running agent since we looked.
                segments.remove(segment)
    except OSError as error:
        raise ConfigError(
            f"agent.state_dir: expected a journal that can be read, got {folder}: {error.strerror}; "
            "ask as the agent's user or as root"
        ) from error
    return segments


def _waiting_in(segment: Segment) -> Iterator[tuple[int, Publication]]:
    with suppress(FileNotFoundError):
        yield from segment.read()
    segment.unload()


def _described(segment: Segment) -> dict[str, Any]:
    return {
        "file": segment.path.name,
        "grade": segment.grade.name.lower(),
        "first": segment.first,
        "last": segment.last,
        "waiting": segment.waiting,
        "damaged": segment.damaged,
        "torn_bytes": segment.torn_bytes,
        "bytes": segment.size_bytes,
    }


def _line(number: int, publication: Publication) -> dict[str, Any]:
    payload = as_historical(publication.payload)
    line: dict[str, Any] = {
        "grade": publication.grade.name.lower(),
        "number": number,
        "topic": publication.topic,
        "content_type": publication.content_type,
        "payload": base64.b64encode(payload).decode(),
    }
    with suppress(ValueError, TypeError, KeyError, msgpack.UnpackException):
        line["document"] = _document(publication.content_type, payload)
    return line


def _document(content_type: str, payload: bytes) -> Any:
    """The payload as JSON types; ``json.dumps`` is tried on it, as msgpack holds more kinds than JSON."""
    readers = {MSGPACK: msgpack.unpackb, JSON: json.loads}
    document = readers[content_type](payload)
    json.dumps(document)
    return document
