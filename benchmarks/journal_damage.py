"""What a flipped byte and a SIGKILL cost a store: counted on copies, and on processes that are killed."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.journal_rivals import RIVALS, Rival

_RECORDS = 200
_BATCH = 10
_BYTES = 700


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What flipped bytes cost, each on a copy of its own.

    Attributes:
        flips: Bytes that were flipped, spread over all files.
        refused: Times the store could not be opened or read to its end.
        silent: Records that came back with other bytes than were written, without a word.
        mean_lost: Records lost at one flip, on average.
        most_lost: Most records lost at one flip.
    """

    flips: int
    refused: int
    silent: int
    mean_lost: float
    most_lost: int


def payload(number: int) -> bytes:
    """A payload of the length of a result that begins with its number."""
    return number.to_bytes(8, "big") + random.Random(number).randbytes(_BYTES - 8)


def flip_bytes(name: str, folder: Path, flips: int, *, closed: bool) -> Damage:
    """Flip a byte at random places; of a store that was closed, or as a SIGKILL leaves its files."""
    original, copy = folder / f"{name}-whole", folder / f"{name}-copy"
    store = RIVALS[name](original)
    for start in range(0, _RECORDS, _BATCH):
        store.write([payload(number) for number in range(start, start + _BATCH)])
    if closed:
        store.close()
    written = Counter(payload(number) for number in range(_RECORDS))
    rng = random.Random(0)
    outcomes = []
    for _ in range(flips):
        shutil.copytree(original, copy)
        _flip(copy, rng)
        outcomes.append(_lost(name, copy, written))
        shutil.rmtree(copy)
    store.close()
    lost = [n for n, _, _ in outcomes]
    return Damage(
        flips=flips,
        refused=sum(refused for _, _, refused in outcomes),
        silent=sum(silent for _, silent, _ in outcomes),
        mean_lost=sum(lost) / flips,
        most_lost=max(lost),
    )


def lost_to_kills(name: str, folder: Path, kills: int) -> int:
    """Records that a store had promised to hold, and does not, after SIGKILLs in the middle of writing."""
    lost = 0
    rng = random.Random(0)
    context = multiprocessing.get_context("fork")
    for kill in range(kills):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_write_for_ever, args=(name, folder / f"{name}-{kill}", theirs))
        child.start()
        theirs.close()
        promised = ours.recv()
        time.sleep(rng.uniform(0.0, 0.05))
        child.kill()
        child.join()
        while ours.poll():
            try:
                promised = ours.recv()
            except EOFError:
                break
        store = RIVALS[name](folder / f"{name}-{kill}")
        lost += max(0, promised - len(store.read()))
        store.close()
    return lost


def _write_for_ever(name: str, folder: Path, promised: Connection) -> None:
    store: Rival = RIVALS[name](folder)
    n = 0
    while True:
        store.write([payload(n + each) for each in range(_BATCH)])
        n += _BATCH
        promised.send(n)


def _flip(folder: Path, rng: random.Random) -> None:
    # The shared-memory index of sqlite is rebuilt at each start and holds nothing of value.
    files = [path for path in sorted(folder.iterdir()) if path.suffix != ".db-shm"]
    sizes = [path.stat().st_size for path in files]
    (path,) = rng.choices(files, sizes)
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _lost(name: str, folder: Path, written: Counter[bytes]) -> tuple[int, int, bool]:
    """Records lost, records that are not those written, and whether the store refused."""
    try:
        store = RIVALS[name](folder)
        found = Counter(store.read())
        store.close()
    except sqlite3.DatabaseError:
        return written.total(), 0, True
    return (written - found).total(), (found - written).total(), False
