"""Logging: one JSON object a line, to standard error, where journald takes it."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from edge_agent.log_writer import LogWriter


class _CalmStream:
    """A stream that never fails: a log that nobody reads must not stop the agent."""

    def __init__(self, stream: TextIO | LogWriter) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class _Threshold:
    """Drops what is less severe than a level that may change: loggers are cached, their classes stay."""

    level = logging.INFO

    def __call__(self, _logger: object, method: str, event: EventDict) -> EventDict:
        if logging.getLevelNamesMapping()[method.upper()] < self.level:
            raise structlog.DropEvent
        return event


_threshold = _Threshold()


def set_level(level: str) -> None:
    """Log ``level`` (``debug``, ``info``, ``warning`` or ``error``) and above from now on."""
    _threshold.level = logging.getLevelNamesMapping()[level.upper()]


def configure_logs(level: str, stream: TextIO | LogWriter | None = None) -> None:
    """Send all logs of ``level`` and above to ``stream``, standard error by default; see ``set_level``."""
    set_level(level)
    structlog.configure(
        processors=[
            _threshold,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.WriteLoggerFactory(file=_CalmStream(stream or sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    warnings.showwarning = _log_warning  # type: ignore[assignment]


def mute_logs() -> None:
    """Log next to nothing: for commands whose output says it all."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _log_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
    structlog.get_logger(__name__).warning(
        "warning of a library", text=str(message), kind=category.__name__, place=f"{filename}:{lineno}"
    )
