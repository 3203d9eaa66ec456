"""The journal against sqlite: bytes written to the disk, latency of a commit, loss after SIGKILL, cost of a flip.

An outage of results at 20 a second, in batches of half a second, then a backlog that is sent at 50 a second. Both do
the same, in turns, in one run; docs/adr/0018-segments-for-the-journal.md holds what was found.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import EXIT_OK, parser, run_command
from benchmarks.journal_damage import flip_bytes, lost_to_kills, payload
from benchmarks.journal_rivals import RIVALS, Rival
from benchmarks.loop_disk import counted_disk
from benchmarks.measure import summarise
from ground.workspace import write_atomic

_BATCH = 10
_ARRIVED_BATCH = 25
_NS_PER_MS = 1e6


def main() -> int:
    """Measure, print, write ``journal.json``."""
    options = parser("journal", __doc__ or "").parse_args()
    return run_command(lambda: _measure(options.out, quick=options.quick))


def _measure(out: Path, *, quick: bool) -> int:
    batches, flips, kills = (100, 200, 10) if quick else (1_000, 2_000, 100)
    document: dict[str, Any] = {"batches": batches, "sqlite_version": sqlite3.sqlite_version}
    with tempfile.TemporaryDirectory() as name:
        for rival in RIVALS:
            folder = Path(name) / rival
            folder.mkdir()
            with counted_disk(folder) as (disk, written):
                document[rival] = _wear(rival, disk / "wear", written, batches)
        folder = Path(name)
        for rival, times in _latencies(folder, batches).items():
            document[rival] |= times
        for rival in RIVALS:
            document[rival] |= {
                "lost after SIGKILL": lost_to_kills(rival, folder, kills),
                "flip, as killed": asdict(flip_bytes(rival, folder / f"{rival}-k", flips, closed=False)),
                "flip, closed": asdict(flip_bytes(rival, folder / f"{rival}-c", flips, closed=True)),
            }
    _print(document, kills)
    write_atomic(out / "journal.json", f"{json.dumps(document, indent=1)}\n".encode("ascii"))
    return EXIT_OK


def _wear(name: str, folder: Path, written: Callable[[], int], batches: int) -> dict[str, float]:
    """Bytes on disk per byte of payload, for keeping and for noting arrivals."""
    store = RIVALS[name](folder)
    begin = written()
    keys = [key for batch in range(batches) for key in store.write(_batch(batch))]
    kept = written()
    for start in range(0, len(keys), _ARRIVED_BATCH):
        store.acknowledge(keys[start : start + _ARRIVED_BATCH])
    store.close()
    n_bytes = len(keys) * len(payload(0))
    return {"bytes kept, / payload": (kept - begin) / n_bytes, "bytes sent, / payload": (written() - kept) / n_bytes}


def _latencies(folder: Path, batches: int) -> dict[str, dict[str, float]]:
    stores: dict[str, Rival] = {name: RIVALS[name](folder / f"{name}-latency") for name in RIVALS}
    times: dict[str, list[int]] = {name: [] for name in RIVALS}
    for batch in range(batches):
        for name, store in stores.items():
            payloads = _batch(batch)
            begin = time.perf_counter_ns()
            store.write(payloads)
            times[name].append(time.perf_counter_ns() - begin)
    summaries = {name: summarise(np.array(values, dtype=np.float64) / _NS_PER_MS) for name, values in times.items()}
    return {name: {"commit median, ms": each.median, "commit p99, ms": each.p99} for name, each in summaries.items()}


def _batch(batch: int) -> list[bytes]:
    return [payload(batch * _BATCH + number) for number in range(_BATCH)]


def _print(document: dict[str, Any], kills: int) -> None:
    where = "ext4 of its own, counted by the device" if os.geteuid() == 0 else "bytes charged to the process alone"
    print(f"journal: {document['batches']} batches of {_BATCH} results of {len(payload(0))} bytes; {where}")
    names = list(RIVALS)
    print(f"{'':28}{names[0]:>12}{names[1]:>12}{'ratio':>8}")
    first, second = (document[name] for name in names)
    for what, value in first.items():
        if isinstance(value, dict):
            for part in value:
                print(f"{what + ': ' + part:28}{value[part]:12.4g}{second[what][part]:12.4g}")
        else:
            ratio = f"{second[what] / value:8.2f}" if value else ""
            print(f"{what:28}{value:12.4g}{second[what]:12.4g}{ratio}")
    print(f"{kills} kills each; sqlite {document['sqlite_version']}, WAL, synchronous=FULL")


if __name__ == "__main__":
    raise SystemExit(main())
