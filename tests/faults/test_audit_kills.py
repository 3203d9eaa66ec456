"""Kills between the state of the slots and the audit log, and of writers in the middle of a line."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from edge_agent.audit import AuditLog
from edge_agent.audit_check import check_log
from edge_agent.audit_files import parts
from edge_agent.audit_record import AuditLine
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import Slot, activate, mark_good
from edge_agent.trust_event import LOG_TORN, LOG_TRIMMED, REFUSED, TrustEvent

KILLS = 15
SLOT = Slot("a" * 64, "small/1.0.0", 1)

DIES_BEFORE_IT_NOTES = """\
import os, signal, sys
from pathlib import Path
from edge_agent.audit import AuditLog
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import loaded
AuditLog.note_slots = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
SlotLedger(Path(sys.argv[1])).change(lambda state: loaded(state, state.active.digest))
"""

FORKS_WRITERS_AND_KILLS_THEM = """\
import os, random, signal, sys, time
from pathlib import Path
from edge_agent import audit_files
from edge_agent.audit import AuditLog
from edge_agent.audit_check import check_log
from edge_agent.trust_event import TrustEvent

audit_files.PART_BYTES = 4_000
folder, ledger = Path(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
rng = random.Random(20261128)

def write(name):
    pid = os.fork()
    n = 0
    while not pid:
        AuditLog(folder).note(TrustEvent(kind="refused", reason=name, detail=str(n)))
        os.write(ledger, f"{name} {n}\\n".encode())
        n += 1
    return pid

for kill in range(int(sys.argv[3])):
    pids = [write(f"{kill}{each}") for each in "ab"]
    time.sleep(rng.uniform(0.0, 0.15))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    check = check_log(folder)
    assert check.is_whole, check.faults
"""


def lines(folder: Path) -> list[AuditLine]:
    """All whole lines of a log."""
    return [AuditLine.from_bytes(data) for path in parts(folder) for data in path.read_bytes().split(b"\n")[:-1]]


def test_kill_between_state_and_log(tmp_path: Path) -> None:
    """The state stands, its line is missing; the next process that changes something says so, once."""
    ledger = SlotLedger(tmp_path)
    ledger.change(lambda state: activate(state, SLOT, boots=3))
    process = subprocess.run([sys.executable, "-c", DIES_BEFORE_IT_NOTES, str(tmp_path)], check=False)
    assert process.returncode == -signal.SIGKILL
    assert ledger.state().stage == "probation"
    assert [line.event.kind for line in lines(tmp_path)] == ["activated"]
    ledger.change(lambda state: mark_good(state, SLOT.digest))
    ledger.change(lambda state: state)
    kinds = [(line.event.kind, line.event.detail.partition(":")[0]) for line in lines(tmp_path)]
    assert kinds[1:] == [
        ("probation_began", "noted late"),
        ("marked_good", "the mark was none and is 1 of epoch 0"),
    ]


def test_killed_writers(tmp_path: Path) -> None:
    """Two at a time, killed at any moment: what was acknowledged is there, in order, and the chain is whole."""
    ledger, folder = tmp_path / "ledger", tmp_path / "state"
    command = [sys.executable, "-c", FORKS_WRITERS_AND_KILLS_THEM, str(folder), str(ledger), str(KILLS)]
    folder.mkdir()
    assert subprocess.run(command, check=False).returncode == 0
    AuditLog(folder).note(TrustEvent(kind=REFUSED, reason="last"))
    found = lines(folder)
    assert check_log(folder).is_whole
    assert {line.event.kind for line in found} <= {REFUSED, LOG_TORN, LOG_TRIMMED}
    acknowledged = dict(line.split() for line in ledger.read_text().splitlines())
    assert len(acknowledged) > KILLS // 2
    for name, last in acknowledged.items():
        mine = [int(line.event.detail) for line in found if line.event.reason == name]
        assert mine == list(range(mine[0], mine[-1] + 1)) if mine else found[0].seq > 0
        assert not mine or mine[-1] >= int(last)
