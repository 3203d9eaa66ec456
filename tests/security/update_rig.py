"""An agent that takes updates from a repository, and what must stay where one is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent import prove_child, shadow_place, slots
from edge_agent.audit import AuditLog
from edge_agent.command_update import look, take
from edge_agent.config import AgentConfig, parse_config
from edge_agent.errors import BundleError, UpdateError
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import SlotsState, loaded, mark_good
from edge_agent.trust_event import TrustEvent
from edge_agent.update_run import Found
from tests.security.tuf_repository import FLEET, NOW_S, Maker


@dataclasses.dataclass
class Rig:
    """An agent of fleet ``test`` and the repository that it knows.

    Attributes:
        maker: The repository.
        config: The agent's.
        events: What was noted, in order.
    """

    maker: Maker
    config: AgentConfig
    events: list[TrustEvent]

    @property
    def state_dir(self) -> Path:
        """The agent's state folder."""
        return self.config.agent.state_dir

    @property
    def slots(self) -> SlotsState:
        """State of the slots."""
        return SlotLedger(self.state_dir).state()

    def update(self, source: Path | str = "", *, now_s: float = NOW_S) -> Found:
        """Update, from the folder of the repository unless told otherwise."""
        return take(self.config, str(source or self.maker.folder), now_s=now_s)

    def look(self) -> Found:
        """What an update would do."""
        return look(self.config, str(self.maker.folder), now_s=NOW_S)

    def prove(self) -> None:
        """Let the active bundle pass its probation."""
        digest = self.slots.active.digest
        SlotLedger(self.state_dir).change(lambda state: mark_good(loaded(state, digest), digest))

    def kept(self, *patterns: str) -> dict[str, bytes]:
        """Files of the state folder, byte for byte."""
        files = [path for pattern in patterns for path in self.state_dir.glob(pattern)]
        return {str(path): path.read_bytes() for path in files}

    def refuses(self, reason: str, source: Path | str = "", *, now_s: float = NOW_S, seen: bool = False) -> str:
        """Update, and see it refused for a reason, noted, and without a trace; what was said.

        Slots, their state, floors and keys must stay. With ``seen``, metadata was good as far as it came, and the
        floors may rise.
        """
        patterns = ("bundles/*",) if seen else ("bundles/*", "update/state.*")
        before, noted = self.kept(*patterns), len(self.events)
        with pytest.raises((UpdateError, BundleError)) as refusal:
            self.update(source, now_s=now_s)
        assert refusal.value.reason == reason, str(refusal.value)
        assert self.kept(*patterns) == before
        (event,) = [each for each in self.events[noted:] if each.kind == "update_failed"]
        assert event.reason == reason
        assert f'"reason":"{reason}"' in "".join(path.read_text() for path in self.state_dir.glob("audit.log*"))
        report = json.loads((self.state_dir / "update" / "report.json").read_bytes())
        assert report["reason"] == reason
        assert not list(self.state_dir.glob("update/*.bundle"))
        return str(refusal.value)


def make_rig(folder: Path, key: Path, monkeypatch: pytest.MonkeyPatch, **tables: dict[str, Any]) -> Rig:
    """An agent with slots, and a repository that offers nothing yet."""
    maker = Maker(folder / "repository")
    (folder / "root.json").write_bytes(maker.pinned_root)
    document: dict[str, Any] = {
        "agent": {"id": "a1", "fleet": FLEET, "state_dir": "state"},
        "bundle": {"slots": True, "keys": [str(key)]},
        "update": {"root": "root.json"},
    }
    for name, table in tables.items():
        document[name] = {**document.get(name, {}), **table}
    events: list[TrustEvent] = []
    note = AuditLog.note

    def watched(log: AuditLog, *noted: TrustEvent) -> None:
        events.extend(noted)
        note(log, *noted)

    monkeypatch.setattr(AuditLog, "note", watched)
    # Golden vectors without a child, which costs a third of a second; test_prove_child.py has it as it is.
    for module in (slots, shadow_place):
        monkeypatch.setattr(module, "prove_in_child", lambda members, **_: prove_child._prove(members))
    return Rig(maker, parse_config(document, folder=folder), events)
