"""The detection benchmark end to end: every kind of label, hostile folders, and what it writes."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.detection import __main__ as command
from benchmarks.detection import examination, run
from benchmarks.detection.contender import ContenderAbsent
from benchmarks.detection.copies import copies_of, doubts_of
from benchmarks.detection.levels import baselines
from benchmarks.detection.ours import ours
from benchmarks.detection.protocols import FAULT_TYPE, LATER_TIME, LEFT_OUT_UNIT, RUN_TO_FAILURE
from benchmarks.detection.pyod_peers import PyodPeer
from benchmarks.detection.rig import read_rig
from ground.engine import DIED, Done, Lost
from ground.window_table import WindowTable

RATE_HZ = 2000
COLUMNS = (
    "recording_id", "file", "dataset", "unit_id", "sampling_rate_hz", "channels", "signal_units", "label", "speed_rpm",
    "fault_type", "severity", "segment_s", "segment_period_s", "healthy_segments", "faulty_segments",
)  # fmt: skip


class Folder:
    """A recordings folder in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[dict[str, object]] = []
        self._rng = np.random.default_rng(7)

    def noise(self, n: int, *, level: float = 1.0, tone_hz: float = 0.0) -> np.ndarray:
        """Vibration: noise, and a tone where asked for."""
        tone = np.sin(2 * np.pi * tone_hz / RATE_HZ * np.arange(n)) if tone_hz else 0.0
        return level * (self._rng.normal(size=n) + tone)

    def add(self, dataset: str, name: str, columns: dict[str, np.ndarray], **index: object) -> None:
        """A recording and its row."""
        file = f"{dataset}_{name}.parquet"
        frame = pd.DataFrame(columns)
        frame[[each for each in frame if frame[each].dtype == np.float64]] = frame.select_dtypes("float64").astype(
            np.float32
        )
        frame.to_parquet(self.path / file)
        given = {
            "recording_id": f"{dataset}_{name}", "file": file, "dataset": dataset, "unit_id": name,
            "sampling_rate_hz": RATE_HZ, "channels": "acc", "signal_units": "g", "label": "healthy",
        }  # fmt: skip
        self._rows.append({**given, **index})

    def state(self, row: dict[str, object]) -> None:
        """A row of the index without a file."""
        self._rows.append(row)

    def close(self) -> Path:
        """Write the index."""
        with (self.path / "recordings.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(self._rows)
        return self.path


def add_bench(folder: Folder) -> None:
    """Healthy and faulty recordings at three speeds, healthy ones of two units."""
    n = 24 * RATE_HZ
    for rpm in (600, 900, 1200):
        for unit in ("u1", "u2"):
            samples = folder.noise(n, tone_hz=rpm / 60 * 10)
            folder.add("bench", f"h{rpm}{unit}", {"acc": samples}, unit_id=unit, speed_rpm=rpm)
        samples = folder.noise(n, level=3.0, tone_hz=400.0)
        about = {"label": "faulty", "fault_type": "ball", "severity": "deep", "unit_id": "u3", "speed_rpm": rpm}
        folder.add("bench", f"f{rpm}", {"acc": samples}, **about)


def add_life(folder: Folder) -> None:
    """Two lives of 300 snapshots, the last ones loud."""
    segment = np.repeat(np.arange(300), 400)
    for name in ("l1", "l2"):
        level = np.where(segment < 250, 1.0, 5.0)
        columns = {"acc": folder.noise(len(segment)) * level, "segment": segment}
        about = {
            "label": "run_to_failure", "segment_s": 0.2, "segment_period_s": 10, "healthy_segments": "5:240",
            "faulty_segments": "260:300",
        }  # fmt: skip
        folder.add("life", name, columns, **about)


def add_process(folder: Folder) -> None:
    """Process values once a second, with a fault in the middle."""
    for name in ("p1", "p2", "p3"):
        n = 6000
        anomaly = np.zeros(n, dtype=np.int8)
        anomaly[4500:4800] = 1 if name != "p1" else 0
        columns = {
            "pressure": 3.0 + 0.1 * folder.noise(n) + 2.0 * anomaly,
            "current": 1.0 + 0.05 * folder.noise(n),
            "anomaly": anomaly,
        }
        about = {"label": "mixed", "sampling_rate_hz": 1, "channels": "pressure;current", "signal_units": "bar;A"}
        folder.add("process", name, columns, **about)


def add_hostile(folder: Folder) -> None:
    """Rigs that cannot be measured, each in its own way."""
    folder.add("nothing_healthy", "f1", {"acc": folder.noise(4000)}, label="faulty")
    folder.add("tiny", "h1", {"acc": folder.noise(30)})
    folder.add("wrong_channel", "h1", {"other": folder.noise(4000)})
    folder.add("wrong_label", "h1", {"acc": folder.noise(4000)}, label="fine")
    folder.add("all_nan", "h1", {"acc": np.full(8000, np.nan)})
    folder.add("flat", "h1", {"acc": np.zeros(8000)})
    damaged = {"dataset": "damaged", "recording_id": "damaged_h1", "file": "damaged.parquet", "unit_id": "u1"}
    about = {"sampling_rate_hz": RATE_HZ, "channels": "acc", "signal_units": "g", "label": "healthy"}
    (folder.path / "damaged.parquet").write_bytes(b"PAR1 and no more")
    folder.state({**damaged, **about})
    folder.state({**damaged, **about, "dataset": "missing", "recording_id": "missing_h1", "file": "missing.parquet"})


HOSTILE = ("all_nan", "damaged", "missing", "nothing_healthy", "wrong_channel", "wrong_label")
SCANTY = ("flat", "tiny")
"""They can be read, but next to nothing can be learned from them."""


class Refuses:
    """A contender who cannot take part."""

    name, kind = "absentee", "peer"

    def fit(self, *_: object) -> None:
        """Refuse."""
        raise ContenderAbsent("absentee: not installed; install it")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few contenders, quick ones, in this process."""

    def chosen(_effort: object) -> tuple[object, ...]:
        return (ours()[0], PyodPeer("KNN", 200), Refuses(), *baselines())

    monkeypatch.setattr(run, "contenders", chosen)
    monkeypatch.setattr(examination, "contenders", chosen)


def measured(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Run the command and read what it wrote."""
    given = ["detection", "--data", str(data), "--out", str(out), "--quick", "--workers", "1"]
    monkeypatch.setattr(sys, "argv", given)
    assert command.main() == 0
    return json.loads(out.read_text())


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_every_kind_of_label(tmp_path, monkeypatch, capsys):
    """Three rigs in one folder, four kinds of label: every protocol that applies has its rows, and faults are found."""
    folder = Folder(tmp_path)
    for add in (add_bench, add_life, add_process):
        add(folder)
    found = measured(folder.close(), tmp_path / "out.json", monkeypatch)
    assert [(rig["rig"], rig["status"], rig["reason"]) for rig in found["rigs"]] == [
        ("bench", "ok", ""), ("life", "ok", ""), ("process", "ok", ""),
    ]  # fmt: skip
    levels = [row for row in found["results"] if row["contender"] == "rms"]
    there = {(row["rig"], row["protocol"]) for row in levels}
    assert there == {
        ("bench", LATER_TIME), ("bench", "left_out_speed"), ("bench", LEFT_OUT_UNIT), ("bench", FAULT_TYPE),
        ("life", LATER_TIME), ("life", LEFT_OUT_UNIT), ("life", RUN_TO_FAILURE), ("life", FAULT_TYPE),
        ("process", LATER_TIME), ("process", LEFT_OUT_UNIT), ("process", FAULT_TYPE),
    }  # fmt: skip
    later = {row["rig"]: row for row in levels if row["protocol"] == LATER_TIME}
    assert {rig: (row["events_found"], row["events"]) for rig, row in later.items()} == {
        "bench": (3, 3), "life": (2, 2), "process": (2, 2),
    }  # fmt: skip
    assert all(row["auc"] > 0.99 for row in later.values())
    lives = next(row for row in levels if row["protocol"] == RUN_TO_FAILURE and row["case"] == "all")
    assert (lives["lives"], lives["cases"], lives["lives_kept"]) == (2, 2, 2)
    told = {(target["rig"], target["target"]) for target in found["targets"]}
    assert {rig for rig, _ in told} == {"bench", "life", "process"}
    absent = [row for row in found["results"] if row["contender"] == "absentee"]
    assert {(row["status"], row["reason"]) for row in absent} == {("absent", "absentee: not installed; install it")}
    shown = capsys.readouterr().out
    assert "absentee: not installed" in shown
    assert "absentee: absentee:" not in shown


@pytest.mark.usefixtures("few")
def test_hostile_folder(tmp_path, monkeypatch, capsys):
    """What cannot be read or split is a row with the reason, and the rig beside it is measured."""
    folder = Folder(tmp_path)
    add_hostile(folder)
    add_life(folder)
    found = measured(folder.close(), tmp_path / "out.json", monkeypatch)
    reasons = {rig["rig"]: rig["reason"] for rig in found["rigs"] if rig["status"] == "error"}
    assert sorted(reasons) == sorted(HOSTILE)
    assert all("expected" in reason for reason in reasons.values())
    ours_ = [row for row in found["results"] if row["contender"] == "default"]
    assert {row["status"] for row in ours_ if row["rig"] == "life"} == {"ok"}
    assert {row["rig"] for row in found["results"]} >= set(SCANTY)
    undecided = {target["rig"] for target in found["targets"] if target["note"].startswith("not measured")}
    assert set(HOSTILE) <= undecided <= {*HOSTILE, *SCANTY}
    page, shown = (tmp_path / "out.html").read_text(), capsys.readouterr().out
    assert not [name for name in HOSTILE if name not in page or name not in shown]


class DyingEngine:
    """Loses the process of every task of the default."""

    def __init__(self, workers: int) -> None:
        del workers

    def each(self, work, items, **_: object):
        """As an engine."""
        for index, item in enumerate(items):
            yield Done(index, Lost(DIED) if item[0].contender == "default" else work(*item))


@pytest.mark.usefixtures("few")
def test_what_dies_is_told(tmp_path, monkeypatch):
    """A process that the kernel kills, a disk that is full, a contender that trips: rows, and targets that stay."""

    def full(rig: object, folder: Path) -> None:
        if rig.name == "process":
            raise OSError(28, "No space left on device")
        examination.store_rig(rig, folder)

    def trips(*_: object) -> None:
        raise KeyError("column")

    monkeypatch.setattr(run, "store_rig", full)
    monkeypatch.setattr(run, "LocalEngine", DyingEngine)
    monkeypatch.setattr(PyodPeer, "fit", trips)
    folder = Folder(tmp_path)
    for add in (add_life, add_process):
        add(folder)
    found = measured(folder.close(), tmp_path / "out.json", monkeypatch)
    assert {rig["rig"]: rig["reason"] for rig in found["rigs"]} == {
        "life": "", "process": "OSError: [Errno 28] No space left on device",
    }  # fmt: skip
    told = {(row["contender"], row["status"], row["reason"]) for row in found["results"] if row["status"] == "error"}
    assert ("default", "error", f"default: {DIED}") in told
    assert ("pyod:KNN", "error", "pyod:KNN: KeyError: 'column'") in told
    targets = {target["target"]: target for target in found["targets"] if target["rig"] == "life"}
    assert targets["later time"]["note"] == f"not measured: default: {DIED}"


def test_faults_that_no_window_holds_are_named(tmp_path):
    """Shorter than a window, they make no event; healthy recordings and those of a faulty sensor have none to make."""
    folder = Folder(tmp_path)
    folder.add("bench", "h1", {"acc": folder.noise(24 * RATE_HZ)})
    folder.add("bench", "f1", {"acc": folder.noise(24 * RATE_HZ, level=3.0)}, label="faulty", unit_id="h1")
    n = 10
    folder.add("bench", "short", {"acc": folder.noise(n)}, label="faulty", unit_id="h1")
    folder.add("bench", "sensor", {"acc": folder.noise(n)}, label="faulty", fault_type="sensor_stuck", unit_id="h1")
    folder.add("bench", "fine", {"acc": folder.noise(n)}, unit_id="h1")
    for name, fault in (("mixed", 1), ("mixed_fine", 0)):
        anomaly = np.where(np.arange(n) < n // 2, 0, fault).astype(np.int8)
        folder.add("bench", name, {"acc": folder.noise(n), "anomaly": anomaly}, label="mixed", unit_id="h1")
    found = read_rig(folder.close(), "bench", workers=1)
    assert found.unheard == ("bench_short", "bench_mixed")
    assert found.doubts[-1] == (
        "recordings whose faults no window holds, so no number counts them: bench_short, bench_mixed"
    )


def test_copies_are_left_out(tmp_path):
    """A recording under two names would be trained on and examined; recordings that stand still are no copies."""
    folder = Folder(tmp_path)
    samples = folder.noise(24 * RATE_HZ)
    folder.add("bench", "a", {"acc": samples}, unit_id="u1")
    folder.add("bench", "b", {"acc": samples}, unit_id="u2")
    folder.add("bench", "c", {"acc": folder.noise(24 * RATE_HZ)}, unit_id="u3")
    for name in ("p1", "p2"):
        still = {"pressure": np.full(6000, 3.0), "current": np.full(6000, 1.0)}
        moving = {key: values + folder.noise(6000, level=0.1) for key, values in still.items()}
        about = {"sampling_rate_hz": 1, "channels": "pressure;current", "signal_units": "bar;A"}
        folder.add("process", name, moving, **about)
        folder.add("process", f"{name}_still", still, **about)
    folder.close()
    bench, process = (read_rig(folder.path, name, workers=1) for name in ("bench", "process"))
    assert sorted(set(bench.table.rows["recording_id"])) == ["bench_a", "bench_c"]
    assert len(bench.table.rows) == len(bench.table.values)
    assert bench.recordings == 2
    assert bench.doubts[-1] == "bench_b holds the samples of bench_a: left out; remove one from recordings.csv"
    assert process.recordings == 4
    assert not bench.unheard


def test_snapshots_at_rest_are_no_copies():
    """Recordings of one window each: two idle ones are equal, and none of them is left out."""
    names = ["a", "b", "c", "c", "d", "d"]
    rows = pd.DataFrame({"recording_id": names, "start_ns": [0, 0, 0, 1, 0, 1], "reason": ""})
    values = np.array([[1.0], [1.0], [2.0], [3.0], [2.0], [3.0]], dtype=np.float32)
    assert copies_of(WindowTable(rows, values)) == {"d": "c"}


def test_of_many_copies_five_are_named():
    """Of the rest, how many."""
    told = doubts_of({f"copy{number}": "original" for number in range(200)})
    assert len(told) == 6
    assert told[-1] == "195 more recordings hold the samples of others: left out"


@pytest.mark.usefixtures("few")
def test_the_same_folder_gives_the_same_document(tmp_path, monkeypatch):
    """And the page needs nothing from elsewhere."""
    folder = Folder(tmp_path)
    add_life(folder)
    data = folder.close()
    first = measured(data, tmp_path / "a.json", monkeypatch)
    second = measured(data, tmp_path / "b.json", monkeypatch)
    assert first == second
    assert {"schema", "declared", "rigs", "results", "targets"} <= set(first)
    assert len({tuple(row) for row in first["results"]}) == 1, "every row has every field"
    page = (tmp_path / "a.html").read_text()
    assert page == (tmp_path / "b.html").read_text()
    assert "<svg" in page
    assert page.count("<td ") == page.count("data-label=") > 0, "on a phone every cell says what it is"
    assert not re.findall(r"- to -|>\w+_\w+:", page)
    assert page.count("<figure>") == page.count("<figcaption>") > 0
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)|url\((?!#)|@import""", page)


def test_an_index_is_needed(tmp_path, monkeypatch):
    """Without one nothing can be told of any rig."""
    monkeypatch.setattr(sys, "argv", ["detection", "--data", str(tmp_path), "--out", str(tmp_path / "o.json")])
    assert command.run_command(command.main) == 2
    assert not (tmp_path / "o.json").exists()


def test_out_is_a_json_file(tmp_path, monkeypatch):
    """Anything else is refused before anything is measured."""
    monkeypatch.setattr(sys, "argv", ["detection", "--data", str(tmp_path), "--out", str(tmp_path / "folder")])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
