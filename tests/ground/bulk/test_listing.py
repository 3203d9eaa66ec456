"""Datasets without an index: which recordings they hold, and what is left out of them."""

from __future__ import annotations

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge_agent.assessment import encode_assessment
from edge_agent.detector import Detector
from edge_agent.frame import Frame
from ground.batch import load_signed
from ground.bulk.listing import list_recordings
from ground.bulk.run import run_batch
from ground.bulk.store import Store
from ground.engine import LocalEngine
from ground.interim import interim_bytes
from ground.recording import Recording
from ground.recording_index import read_index
from tests.conftest import small_spec
from tests.ground.bulk.conftest import RATE_HZ, flight, raw, write_dataset


@pytest.fixture
def dataset(tmp_path):
    """Three flights of two engines."""
    return write_dataset(tmp_path / "dataset")


def run(source, folder, out, no_progress):
    """The report and the rows of a batch run."""
    report = run_batch(source, str(folder), str(out), progress=no_progress, engine=LocalEngine(1))
    return report, pq.read_table(out).to_pylist()


def test_folders_say_whose_the_files_are(dataset):
    """One recording a flight, across other folders; values are read as in a URL; notes of programs are none."""
    listing = list_recordings(Store.of(str(dataset)), small_spec())
    found = [(source.info.recording_id, source.info.flight, len(source.files)) for source in listing.sources]
    assert found[:2] == [("OO-ABC.1.F1", "F1", 1), ("OO-ABC.1.F2", "F2", 2)]
    assert found[2][1:] == ("F:1", 1)
    assert found[2][0].startswith("OO-ABC.2.F-1-")
    assert [source.info.start_ns for source in listing.sources] == [0, 1_700_000_000_000_000_000, 0]
    assert {source.info.signal_units for source in listing.sources} == {("g",)}
    assert (listing.failures, listing.unread) == ((), ())


def test_files_of_a_flight_are_one_signal(source, dataset, tmp_path, no_progress):
    """The windows go across the border of the files, as they did on board."""
    _, rows = run(source, dataset, tmp_path / "out.parquet", no_progress)
    samples = np.concatenate([raw(3.25, 2)["acc_1"], raw(5.5, 3)["acc_1"]]).reshape(-1, 1)
    detector = Detector(load_signed(source))
    frames = [
        Frame(
            aircraft="OO-ABC", engine="1", flight="F2", phase="steady", t_ns=1_700_000_000_000_000_000 + index * 10**9,
            seq=index, rate_hz=1000.0, unit="g", channels=("acc_1",), samples=part,
        )
        for index, part in enumerate(np.split(samples, range(RATE_HZ, len(samples), RATE_HZ)))
    ]  # fmt: skip
    expected = [encode_assessment(item) for frame in frames for item in detector.push(frame)]
    assert [row["assessment"] for row in rows if row["flight"] == "F2"] == expected
    assert len(expected) == 7


def broken(name):
    """A recording that breaks in one way: what is written, and what is said of it."""
    return {
        "another column": (lambda path: pq.write_table(pa.table({"acc_2": [0.5]}), path), "missing: acc_1: float"),
        "another type": (lambda path: pq.write_table(pa.table({"acc_1": ["x"]}), path), "more: acc_1: string"),
        "cut short": (lambda path: path.write_bytes(path.read_bytes()[:100]), "expected a complete Parquet file"),
        "empty": (lambda path: path.write_bytes(b""), "expected a complete Parquet file"),
        "no Parquet": (lambda path: path.write_bytes(b"acc_1\n1.0\n"), "expected a complete Parquet file"),
        "another kind": (lambda path: path.rename(path.with_suffix(".csv")), "expected a .parquet file"),
        "interim": (interim, "expected raw samples where a recording has several files"),
    }[name]  # fmt: skip


def interim(path):
    """A preprocessed file, which has stretches of its own."""
    index = path.parent / "recordings.csv"
    index.write_text(
        "recording_id,file,unit_id,sampling_rate_hz,channels,signal_units,label\na,a.parquet,u,1000,acc_1,g,mixed\n"
    )
    (info,) = read_index(path.parent)
    index.unlink()
    path.write_bytes(interim_bytes(Recording(info, (), (flight(np.random.default_rng(0), 3.0, 0),))))


@pytest.mark.parametrize(
    "name", ["another column", "another type", "cut short", "empty", "no Parquet", "another kind", "interim"]
)
def test_one_bad_file_is_told_and_not_fatal(source, dataset, tmp_path, no_progress, name):
    """The flight is left out whole, the others are as they were."""
    _, before = run(source, dataset, tmp_path / "before.parquet", no_progress)
    change, text = broken(name)
    path = next(dataset.glob("date=2026-11-28/**/b.parquet"))
    change(path)
    report, rows = run(source, dataset, tmp_path / "out.parquet", no_progress)
    assert [failure.recording_id for failure in report.failures] == ["OO-ABC.1.F2"]
    assert text in report.failures[0].text
    assert f"{dataset}/date=2026-11-28" in report.failures[0].text
    assert rows == [row for row in before if row["flight"] != "F2"]


def test_what_is_no_recording_is_told(source, dataset, tmp_path, no_progress):
    """Files outside the folders are left out with a reason, files of other kinds are counted."""
    pq.write_table(raw(3.0), dataset / "aircraft=OO-ABC" / "lost.parquet")
    (dataset / "README.md").write_text("hello")
    slash = dataset / "aircraft=OO%2FABC" / "engine=1" / "flight=F1"
    slash.mkdir(parents=True)
    pq.write_table(raw(3.0), slash / "a.parquet")
    report, _ = run(source, dataset, tmp_path / "out.parquet", no_progress)
    assert report.unread == ("README.md",)
    assert report.failures[0].recording_id == "aircraft=OO-ABC/lost.parquet"
    assert "expected it in folders aircraft=.../engine=.../flight=..." in report.failures[0].text
    assert "expected 1 to" in report.failures[1].text
    assert report.recordings == 3


def test_an_index_may_name_a_folder_of_files(source, data, tmp_path, no_progress):
    """As programs write large tables: the same as one file."""
    for name, table in (("one", raw(9.0, 5)), ("two", raw(6.0, 6))):
        (data / f"{name}.parquet").unlink()
        pq.write_table(table, data / f"{name}.parquet")
    index = data / "recordings.csv"
    index.write_text(index.read_text().replace("mixed", "healthy"))
    _, one_file = run(source, data, tmp_path / "file.parquet", no_progress)
    (data / "one.parquet").unlink()
    (data / "one.parquet").mkdir()
    (data / "one.parquet" / "_SUCCESS").write_bytes(b"")
    for index, first in enumerate(range(0, 9000, 2500)):
        pq.write_table(raw(9.0, 5).slice(first, 2500), data / "one.parquet" / f"part-{index}.parquet")
    report, folder = run(source, data, tmp_path / "folder.parquet", no_progress)
    assert folder == one_file
    assert report.failures == ()


KEYS = {
    "start_ns=1700000000000000000": "start_ns=1700000003250000000",
    "speed_rpm=1200": "speed_rpm=1300",
    "label=healthy": "label=faulty",
    "sampling_rate_hz=1000": "nothing=0",
}


@pytest.mark.parametrize("key", KEYS)
def test_files_of_a_flight_whose_folders_disagree_are_left_out(tmp_path, key):
    """What the first one says would hold for all: a later hour would follow the first one without a gap."""
    for name, folder in (("a", key), ("b", KEYS[key])):
        path = tmp_path / f"date={name}" / "aircraft=A" / "engine=1" / "flight=F" / folder / f"{name}.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(raw(1.0), path)
    listing = list_recordings(Store.of(str(tmp_path)), small_spec())
    assert listing.sources == ()
    assert f"b.parquet: {key.partition('=')[0]}: expected {key.partition('=')[2]}" in listing.failures[0].text


def write_files(folder, names, **stamps):
    """A flight in files of 2 s, and another flight in one."""
    for name in (*(f"flight=F/{name}" for name in names), "flight=G/a"):
        path = folder / "aircraft=A" / "engine=1" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(raw(2.0, **{key: values(name) for key, values in stamps.items()}), path)
    return folder


def test_files_need_one_order(source, tmp_path, no_progress):
    """`part-10` before `part-2` is the order of letters, and scrambles a signal."""
    folder = write_files(tmp_path / "data", ["part-10", "part-2"])
    report, _ = run(source, folder, tmp_path / "r.parquet", no_progress)
    (failure,) = report.failures
    assert failure.recording_id == "A.1.F"
    assert "part-10.parquet: expected names that have one order, got part-2.parquet before it by number" in failure.text


def test_numbers_with_zeros_have_one_order(source, tmp_path, no_progress):
    """However many there are."""
    folder = write_files(tmp_path / "data", ["part-02", "part-10"])
    assert run(source, folder, tmp_path / "r.parquet", no_progress)[0].recordings == 2


def test_stamps_tell_the_order(source, tmp_path, no_progress):
    """Whatever the names are: what is wrong there is seen."""
    folder = write_files(
        tmp_path / "data", ["part-10", "part-2"], time_s=lambda name: np.arange(2000) / 1000 + 2.0 * ("-2" in name)
    )
    assert run(source, folder, tmp_path / "r.parquet", no_progress)[0].recordings == 2


def test_files_of_two_rates_are_no_signal(source, dataset, tmp_path, no_progress):
    """Where they state their rate, it is one of the things in which they are alike."""
    for path, rate in zip(sorted(dataset.glob("date=*/**/*.parquet")), ("1000", "2000"), strict=True):
        pq.write_table(pq.read_table(path).replace_schema_metadata({"sampling_rate_hz": rate}), path)
    report, _ = run(source, dataset, tmp_path / "r.parquet", no_progress)
    assert "more: metadata: 2000 Hz" in report.failures[0].text


def test_a_file_that_is_only_a_header_takes_no_row(source, tmp_path, no_progress):
    """Also where its line does not end."""
    folder = tmp_path / "data" / "aircraft=A" / "engine=1" / "flight=F"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"acc_1")
    (folder / "b.csv").write_text("\n".join(["acc_1", *map(repr, raw(2.0)["acc_1"].to_pylist())]))
    joined, alone = tmp_path / "joined.parquet", tmp_path / "alone.parquet"
    _, rows = run(source, tmp_path / "data", joined, no_progress)
    (folder / "a.csv").unlink()
    assert rows == run(source, tmp_path / "data", alone, no_progress)[1] != []


def test_results_in_the_dataset_are_no_recording(source, dataset, no_progress):
    """Of a run before this one, into the folder that it reads."""
    for _ in range(2):
        report, _ = run(source, dataset, dataset / "results.parquet", no_progress)
        (dataset / "results.parquet.run.json").write_text("{}")
        assert (report.failures, report.unread) == ((), ())


def test_errors_of_a_row_name_the_url(tmp_path):
    """With both of its slashes."""
    memory = fsspec.filesystem("memory")
    pq.write_table(raw(1.0), tmp_path / "a.parquet")
    memory.put(str(tmp_path / "a.parquet"), "/bucket/aircraft=A/engine=1/flight=F/start_ns=x/a.parquet")
    listing = list_recordings(Store.of("memory://bucket"), small_spec())
    memory.rm("/bucket", recursive=True)
    assert listing.failures[0].text.startswith("memory://bucket: A.1.F: start_ns: expected a whole number")


def test_labels_are_not_asked_for(source, data, tmp_path, no_progress):
    """Neither those of samples nor those of segments: a detector needs none."""
    pq.write_table(raw(9.0, 5), data / "one.parquet")
    index = data / "recordings.csv"
    pq.write_table(raw(6.0, 6), data / "two.parquet")
    index.write_text(
        index.read_text().replace(
            "two,two.parquet,two,1000,acc_1,g,mixed", "two,two.parquet,two,1000,acc_1,g,run_to_failure"
        )
    )
    report, _ = run(source, data, tmp_path / "r.parquet", no_progress)
    assert (report.recordings, report.failures) == (3, ())
