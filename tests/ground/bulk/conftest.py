"""Recordings for batch runs: preprocessed flights with an index, and a dataset of folders without one."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ground import cli
from ground.batch import ModelSource
from ground.interim import interim_bytes
from ground.recording import PhaseRun, Recording, Stretch
from ground.recording_index import INDEX_NAME, read_index, table_bytes

RATE_HZ = 1000
COLUMNS = ("recording_id", "file", "unit_id", "sampling_rate_hz", "channels", "signal_units", "label")
S = 10**9


def flight(rng, seconds, start_ns):
    """A stretch of noise that is five times as strong in its second half, with a change of phase."""
    n = round(seconds * RATE_HZ)
    samples = rng.standard_normal((n, 1), dtype=np.float32)
    samples[n // 2 :] *= np.float32(5.0)
    labels = (np.arange(n) >= n // 2).astype(np.int8)
    return Stretch(start_ns, samples, np.zeros((n, 0)), (PhaseRun(0, "climb"), PhaseRun(n // 3, "cruise")), labels)


def write_flights(folder, lengths_s, seed=11):
    """A folder of preprocessed flights, each of one stretch or more, and its index."""
    folder.mkdir()
    rows = [
        dict(zip(COLUMNS, (name, f"{name}.parquet", name, str(RATE_HZ), "acc_1", "g", "mixed"), strict=True))
        for name in lengths_s
    ]
    (folder / INDEX_NAME).write_bytes(table_bytes(COLUMNS, rows))
    rng = np.random.default_rng(seed)
    for info in read_index(folder):
        stretches = [flight(rng, each, 100 * S * index) for index, each in enumerate(lengths_s[info.recording_id])]
        (folder / info.file).write_bytes(interim_bytes(Recording(info, (), tuple(stretches))))
    return folder


@pytest.fixture
def data(tmp_path):
    """Three preprocessed flights, the second in two stretches, the third shorter than a window."""
    return write_flights(tmp_path / "data", {"one": [31.5], "two": [12.0, 25.25], "three": [1.5]})


@pytest.fixture
def source(small_bundle):
    """The small bundle and its key."""
    return ModelSource(small_bundle.path, (small_bundle.key,))


def raw(seconds, seed=0, **columns):
    """Raw samples of one channel."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ), dtype=np.float32)
    return pa.table({"acc_1": samples, **columns})


def write_dataset(folder):
    """A dataset without an index: a flight in one file, one in two, one of CSV; and what programs leave beside them."""
    files = {
        "aircraft=OO-ABC/engine=1/flight=F1/part-0.parquet": raw(7.0, 1),
        "date=2026-11-27/aircraft=OO-ABC/engine=1/flight=F2/start_ns=1700000000000000000/a.parquet": raw(3.25, 2),
        "date=2026-11-28/aircraft=OO-ABC/engine=1/flight=F2/start_ns=1700000000000000000/b.parquet": raw(5.5, 3),
    }
    for name, table in files.items():
        (folder / name).parent.mkdir(parents=True)
        pq.write_table(table, folder / name)
    csv = folder / "aircraft=OO-ABC/engine=2/flight=F%3A1/samples.csv"
    csv.parent.mkdir(parents=True)
    csv.write_text("\n".join(["acc_1", *map(repr, raw(4.0, 4)["acc_1"].to_pylist())]) + "\n")
    (folder / "_SUCCESS").write_bytes(b"")
    return folder


@pytest.fixture
def ground(monkeypatch, capsys):
    """Runs a command in this process; gives its exit code and what it said."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["ground", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out + shown.err

    return run
