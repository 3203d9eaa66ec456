"""Kills processes that keep a journal, at random points, and holds what they had promised against what is left.

``python -m tests.faults.journal_kills FOLDER KILLS SEED``: each round forks a process with an outbox and a journal on
one folder, which adds, sends and acknowledges as fast as it can, and kills it. A third of them have a broker that
acknowledges nothing. What they did is in a ledger, a line each:

    D number name    on disk (the journal has told the outbox)
    A name           acknowledged by the broker
    N number         noted on disk that it arrived
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from edge_agent import journal as journal_module
from edge_agent.journal import JOURNAL_FOLDER, Journal
from edge_agent.journal_config import JournalSection
from edge_agent.journal_store import JournalStore, RecordId
from edge_agent.outbox import Outbox
from edge_agent.publication import Grade, Publication

PACE_S = 0.002
LONGEST_S = 0.1
WINDOW = 20
BURST = 5


class Ledger:
    """Lines that survive the process: each is appended by one system call."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, kind: str, lines: Iterable[str]) -> None:
        """Append lines."""
        os.write(self._descriptor, "".join(f"{kind} {line}\n" for line in lines).encode())


def live(folder: Path, ledger: Ledger, kill: int, seed: int) -> None:
    """One process's life: until it is killed."""
    journal_module.INTERVAL_S = journal_module.MIN_AGE_S = PACE_S
    outbox = Outbox(1_000)
    journal = Journal(JournalSection(max_mib=64), folder, outbox)
    watch(outbox, journal, ledger)
    journal.start()
    rng = random.Random(seed)
    ledger.note("B", [str(kill)])
    in_flight: dict[int, str] = {}
    share = rng.choice((0.0, 0.3, 1.0))
    n = packet = 0
    while True:
        publications = [message(f"{kill}.{n + each}", rng) for each in range(rng.randrange(BURST))]
        n += len(publications)
        outbox.add(*publications)
        for publication in outbox.take(WINDOW):
            packet += 1
            outbox.sent(packet, publication)
            in_flight[packet] = publication.topic
        for number in rng.sample(sorted(in_flight), round(share * len(in_flight))):
            ledger.note("A", [in_flight.pop(number)])
            outbox.acknowledge(number)
        if rng.random() < 0.02:
            outbox.rewind()
            in_flight.clear()
        time.sleep(rng.uniform(0.0, PACE_S))


def watch(outbox: Any, journal: Any, ledger: Ledger) -> None:
    """Note what the journal says of its disk, as soon as it says it."""
    kept, acknowledge = outbox.kept, journal._store.acknowledge

    def note_kept(entries: Sequence[Any], records: Sequence[RecordId]) -> None:
        named = zip(entries, records, strict=True)
        ledger.note("D", [f"{record.grade:d}-{record.number} {entry.publication.topic}" for entry, record in named])
        kept(entries, records)

    def note_arrived(records: Sequence[RecordId]) -> None:
        acknowledge(records)
        ledger.note("N", [f"{record.grade:d}-{record.number}" for record in records])

    outbox.kept, journal._store.acknowledge = note_kept, note_arrived


def message(name: str, rng: random.Random) -> Publication:
    """A publication of any grade and of a random length."""
    return Publication(topic=name, payload=rng.randbytes(rng.randrange(1, 2_000)), grade=rng.choice(tuple(Grade)))


def run(folder: Path, kills: int, seed: int) -> str:
    """Do all rounds, and say what was found; raises where a promise was broken."""
    rng = random.Random(seed)
    ledger_path = folder / "ledger"
    ledger = Ledger(ledger_path)
    for kill in range(kills):
        pid = os.fork()
        if pid == 0:
            live(folder, ledger, kill, rng.randrange(2**32))
        while f"B {kill}\n" not in ledger_path.read_text():
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, LONGEST_S))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return verdict(folder, ledger_path.read_text().splitlines(), kills)


def verdict(folder: Path, lines: Sequence[str], kills: int) -> str:
    """Hold the ledger against the journal that is left."""
    rows = [line.split() for line in lines]
    kept = [(row[1], row[2]) for row in rows if row[0] == "D"]
    acknowledged = {row[1] for row in rows if row[0] == "A"}
    noted = {row[1] for row in rows if row[0] == "N"}
    names = dict(kept)
    assert len(names) == len(kept), "a number was given twice"
    store = JournalStore(folder / JOURNAL_FOLDER, 64 * journal_module.MIB)
    store.open()
    left = {f"{record.grade:d}-{record.number}": each.topic for record, each in store.read(10**9, 10**12, ())}
    lost = {number for number, name in kept if name not in acknowledged} - set(left)
    again = set(left) & noted
    changed = [number for number, name in left.items() if names.get(number, name) != name]
    report = (
        f"{kills} kills: {len(kept)} kept, {len(acknowledged)} acknowledged, {len(noted)} noted, {len(left)} left, "
        f"{len(lost)} lost, {len(again)} to be sent again though noted, {len(changed)} changed, "
        f"{store.damaged} torn or damaged, {sum(store.dropped.values())} dropped"
    )
    assert not lost, report
    assert not again, report
    assert not changed, report
    assert sum(store.dropped.values()) == 0, report
    return report


if __name__ == "__main__":
    sys.stdout.write(f"{run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))}\n")
