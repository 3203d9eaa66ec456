"""What goes wrong when windows are scored from Python."""

from __future__ import annotations

from ground.errors import DataError


class WindowsError(DataError, ValueError):
    """The windows are not what the detector's feature spec asks for; a ``ValueError``, as callers of numpy expect."""
