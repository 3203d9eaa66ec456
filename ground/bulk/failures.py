"""What is said of a recording that is left out, whatever was raised over it."""

from __future__ import annotations

import socket

from ground.bulk.listing import Failure, Source
from ground.bulk.store import Store
from ground.bulk.urls import line_of
from ground.errors import GroundError, StoreError


def failure_of(store: Store, source: Source, error: Exception) -> Failure:
    """The failure of a recording over which an error was raised: ours, a decoder's, a store's or the machine's."""
    name = source.info.recording_id
    where = store.where(source.files[0] if source.files else source.info.file)
    if isinstance(error, GroundError):
        return Failure(name, str(error), is_unreached=isinstance(error, StoreError))
    if isinstance(error, MemoryError):
        return Failure(name, f"{where}: expected to fit into memory, got more; preprocess it first")
    if isinstance(error, OSError):
        text = f"{where}: expected to read it on {socket.gethostname()}, got {line_of(error)}; see to that machine"
        return Failure(name, text, is_unreached=True)
    got = f"{type(error).__name__}: {line_of(error, store.url)}"
    return Failure(name, f"{where}: expected to assess it, got {got}; export or copy it again")
