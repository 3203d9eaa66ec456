"""A journal full of results that an outage has left, for an agent to send while it is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.config import MIB
from edge_agent.journal import JOURNAL_FOLDER
from edge_agent.journal_config import JournalSection
from edge_agent.journal_store import JournalStore
from edge_agent.publication import Grade, Publication

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "bench/backlog"

_PAYLOAD = bytes(700)
"""As long as a result."""
_BATCH = 100


def leave_backlog(state_dir: Path, n: int) -> None:
    """Fill the journal of an agent that does not run yet.

    Args:
        state_dir: Its state folder.
        n: Messages, to the next hundred.
    """
    store = JournalStore(state_dir / JOURNAL_FOLDER, JournalSection().max_mib * MIB)
    store.open()
    for _ in range(0, n, _BATCH):
        store.write(Grade.RESULT, [Publication(topic=TOPIC, payload=_PAYLOAD)] * _BATCH)
