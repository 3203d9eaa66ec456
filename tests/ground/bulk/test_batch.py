"""Batch: the agent's assessments of whole recordings, written piece by piece to one table."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import ground
from edge_agent.assessment import encode_assessment
from edge_agent.commissioning_policy import CommissioningPolicy, ExpectedLevels
from edge_agent.detector import Detector
from edge_agent.layout import COMMISSIONING_POLICY, SCALER
from edge_agent.unit_files import write_unit
from edge_agent.unit_state import KNOWN, new_unit
from ground import batch_table
from ground.batch import ModelSource, load_signed
from ground.batch_table import SCHEMA, ResultsWriter
from ground.bulk.run import run_batch
from ground.engine import LocalEngine
from ground.errors import DataError
from ground.frames import frames_of
from ground.pack import pack_bundle
from ground.recording_index import read_index
from ground.recordings import load_recording
from shared_features import extract
from shared_features.makers import Makers
from tests.conftest import small_members, small_spec
from tests.ground.bulk.conftest import RATE_HZ


def direct(source, data, name):
    """What the detector says of a recording that is loaded as a whole, as it goes over the wire."""
    model = load_signed(source)
    info = next(info for info in read_index(data) if info.recording_id == name)
    detector = Detector(model)
    frames = frames_of(load_recording(data, info, conditions=()), frame_s=0.1)
    return [encode_assessment(item) for frame in frames for item in detector.push(frame)]


def group_sizes(path):
    """Rows of each row group of a file."""
    metadata = pq.read_metadata(path)
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


@pytest.mark.parametrize("rows_at_once", [3, 10, 4096])
def test_rows_are_the_assessments(source, data, no_progress, monkeypatch, rows_at_once):
    """Byte for byte those of the whole recordings, in the order of the index, in row groups of one size."""
    monkeypatch.setattr(batch_table, "ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr(batch_table, "GROUP_N", rows_at_once)
    out = data.parent / "results" / "out.parquet"
    report = run_batch(source, str(data), str(out), progress=no_progress, engine=LocalEngine(1))
    table = pq.read_table(out)
    assert table.schema.equals(SCHEMA)
    for name in ("one", "two", "three"):
        chosen = [row["assessment"] for row in table.to_pylist() if row["recording_id"] == name]
        assert chosen == direct(source, data, name)
    assert list(dict.fromkeys(table["recording_id"].to_pylist())) == ["one", "two"]
    assert (report.recordings, report.assessments, report.empty) == (3, table.num_rows, ("three",))
    assert report.alarms == table["event"].to_pylist().count("raised") > 0
    groups = group_sizes(out)
    assert set(groups[:-1]) <= {rows_at_once}
    assert list(out.parent.iterdir()) == [out]


UNITS = {
    "no folder": (lambda _: None, "expected the states of units, got none"),
    "no state": (lambda folder: folder.mkdir(), "expected the states of units, got none"),
    "a broken state": (
        lambda folder: (folder.mkdir(), (folder / "x.json").write_bytes(b"{}")),
        "expected the state of a unit",
    ),
}


@pytest.mark.parametrize("name", UNITS)
def test_units_that_cannot_be_read_are_told_first(source, data, tmp_path, no_progress, name):
    """Before any recording is read: without them, results would be of another unit."""
    make, text = UNITS[name]
    make(tmp_path / "units")
    knowing = replace(source, units=tmp_path / "units")
    with pytest.raises(DataError, match=text):
        run_batch(knowing, str(data), str(tmp_path / "out.parquet"), progress=no_progress, engine=LocalEngine(1))


def test_a_known_unit_is_assessed_as_it_was_on_board(data, small_bundle, tmp_path, no_progress):
    """With the agent's state the shift is taken away; the table names it."""
    n_feature = len(json.loads(small_members(small_spec())[SCALER])["names"])
    policy = CommissioningPolicy(
        flights=2, windows=3, spans=(), limits=(3.0,) * n_feature, pooled=1.0, phases=(), confidence=0.9, units=20,
        expected=ExpectedLevels(offset=(0.0,) * n_feature, columns=(), low=(), width=(), steps=()), known=(),
    )  # fmt: skip
    key = ec.derive_private_key(20261123, ec.SECP256R1())
    path = tmp_path / "with.bundle"
    path.write_bytes(pack_bundle({**small_members(small_spec()), COMMISSIONING_POLICY: policy.to_json()}, key))
    source = ModelSource(path, (small_bundle.key,), tmp_path / "units")
    info = read_index(data)[0]
    state = new_unit(f"{info.aircraft}/{info.engine}", load_signed(source).bundle_digest, KNOWN)
    (tmp_path / "units").mkdir()
    write_unit(tmp_path / "units", replace(state, shift=(0.5,) * n_feature))
    run_batch(source, str(data), str(tmp_path / "out.parquet"), progress=no_progress, engine=LocalEngine(1))
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    said = {row["recording_id"]: (row["unit"], bool(row["unit_shift"])) for row in rows}
    assert said == {"one": ("known", True), "two": ("commissioning", False)}
    assert {row["threshold"] for row in rows if row["recording_id"] == "one" and not row["reason"]} == {1.0}
    in_python = ground.Detector.from_bundle(path, key=small_bundle.key, units=source.units).score(data)
    assert in_python["unit_shift"].tolist() == [row["unit_shift"] for row in rows]
    assert in_python["score"].fillna(0.0).tolist() == [row["score"] for row in rows]


def test_scratch_memory_is_made_once(source, data, tmp_path, no_progress, monkeypatch):
    """Not for each recording again: it takes as long as some windows of a short one."""
    made = []

    def make(spec):
        made.append(spec)
        return Makers(spec)

    monkeypatch.setattr(extract, "Makers", make)
    run_batch(source, str(data), str(tmp_path / "one.parquet"), progress=no_progress, engine=LocalEngine(1))
    made.clear()
    load_signed(source)
    to_load = len(made)
    run_batch(source, str(data), str(tmp_path / "two.parquet"), progress=no_progress, engine=LocalEngine(1))
    assert len(made) == 2 * to_load


def test_the_footer_names_no_long_texts(source, data, tmp_path, no_progress):
    """Least and greatest values help who looks for a recording; of contributions and assessments they help nobody."""
    out = tmp_path / "out.parquet"
    run_batch(source, str(data), str(out), progress=no_progress, engine=LocalEngine(1))
    group = pq.read_metadata(out).row_group(0)
    ranked = {group.column(index).path_in_schema: group.column(index).is_stats_set for index in range(len(SCHEMA))}
    assert {name for name, known in ranked.items() if not known} == {"contributions", "assessment"}


def test_the_table_does_not_depend_on_the_processes(source, data, tmp_path, no_progress):
    """One or two: the same bytes."""
    files = [tmp_path / f"{workers}.parquet" for workers in (1, 2)]
    for workers, path in enumerate(files, start=1):
        run_batch(source, str(data), str(path), progress=no_progress, engine=LocalEngine(workers))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_bad_recording_is_left_out_whole(source, data, tmp_path, no_progress):
    """Its first stretch could be read: no row of it stays behind."""
    info = next(info for info in read_index(data) if info.recording_id == "two")
    table = pq.ParquetFile(data / info.file).read()
    pq.write_table(table.slice(0, 12 * RATE_HZ), data / info.file)
    report = run_batch(source, str(data), str(tmp_path / "out.parquet"), progress=no_progress, engine=LocalEngine(1))
    assert [failure.recording_id for failure in report.failures] == ["two"]
    assert "expected 2 stretches, got 1" in report.failures[0].text
    assert set(pq.read_table(tmp_path / "out.parquet")["recording_id"].to_pylist()) == {"one"}


def test_nothing_readable_writes_nothing(source, data, tmp_path, no_progress):
    """The first failure is told, an older table stays as it was, and no part is left."""
    for info in read_index(data):
        (data / info.file).write_bytes(b"")
    out = tmp_path / "results" / "out.parquet"
    out.parent.mkdir()
    out.write_bytes(b"older")
    with pytest.raises(DataError, match=r"expected a readable recording, got none; .*one\.parquet"):
        run_batch(source, str(data), str(out), progress=no_progress, engine=LocalEngine(1))
    assert out.read_bytes() == b"older"
    assert list(out.parent.iterdir()) == [out]


def test_parts_fill_row_groups(tmp_path, monkeypatch):
    """However long the parts are, every row group but the last is full."""
    monkeypatch.setattr(batch_table, "GROUP_N", 4)
    sizes = [0, 1, 3, 4, 9, 2, 0, 5]
    with ResultsWriter(tmp_path / "joined.parquet") as writer:
        for index, size in enumerate(sizes):
            part = tmp_path / f"{index}.arrow"
            columns = {name: [f"{index}"] * size if name == "recording_id" else [None] * size for name in SCHEMA.names}
            with pa.ipc.new_stream(part, SCHEMA) as stream:
                stream.write_table(pa.table(columns, schema=SCHEMA))
            writer.add(part)
    file = pq.ParquetFile(tmp_path / "joined.parquet")
    assert group_sizes(tmp_path / "joined.parquet") == [4] * 6
    joined = [str(index) for index, size in enumerate(sizes) for _ in range(size)]
    assert file.read()["recording_id"].to_pylist() == joined
