"""Logs: one JSON object a line, and never a reason to stop."""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

import pytest
import structlog

from edge_agent.log_writer import LogWriter
from edge_agent.logs import configure_logs


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line on standard error is one object with level, time and fields; less severe ones are left out."""
    configure_logs("warning")
    log = structlog.get_logger()
    log.info("not this")
    log.warning("frame refused", topic='a\n"b"', n=3)
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    document: dict[str, Any] = json.loads(line)
    assert captured.out == ""
    assert document.pop("timestamp").endswith("Z")
    assert document == {"event": "frame refused", "level": "warning", "topic": 'a\n"b"', "n": 3}


def test_exception_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback is a field, so that a line stays a line."""
    configure_logs("info")
    try:
        int("no number")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log whose reader is gone is lost, and nothing else happens."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        configure_logs("info")
        structlog.get_logger().info("lost")
        # What could not be written would be tried again, and raise, when the file is closed.
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def test_a_line_that_cannot_be_made_is_lost_and_the_next_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that writes goes on: nobody would miss it but in the log."""
    reader, writer = os.pipe()
    write, faults = os.write, [MemoryError()]

    def fail_once(descriptor: int, data: bytes) -> int:
        if descriptor == writer and faults:
            raise faults.pop()
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", fail_once)
    log = LogWriter(writer)
    log.write("lost\n")
    log.write("kept\n")
    log.close()
    os.close(writer)
    with os.fdopen(reader) as stream:
        assert stream.read() == "kept\n"


def test_warnings_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning of a library is a line like any other."""
    configure_logs("info")
    warnings.simplefilter("always")
    warnings.warn("overflow", RuntimeWarning, stacklevel=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert (json.loads(line)["event"], json.loads(line)["text"]) == ("warning of a library", "overflow")
