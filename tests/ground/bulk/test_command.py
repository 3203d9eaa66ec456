"""``ground batch`` and ``replay`` as a stranger calls them: exit codes, and texts without a traceback."""

from __future__ import annotations

import json

import fsspec
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def asked(source, data, tmp_path):
    """The words of a good batch command, by option."""
    return {
        "--model": source.path, "--key": source.keys[0], "--data": data, "--output": tmp_path / "r.parquet",
        "--workers": 1,
    }  # fmt: skip


def words(asked, **changed):
    """A command line out of options."""
    options = asked | {f"--{name}": value for name, value in changed.items()}
    return ["batch", *(str(word) for pair in options.items() for word in pair)]


def test_a_run(ground, asked, tmp_path):
    """What it says, and where the results are."""
    code, said = ground(*words(asked))
    n = pq.read_metadata(tmp_path / "r.parquet").num_rows
    assert code == 0
    assert f"{n} windows, " in said
    assert "left out" not in said


def test_a_corrupt_recording_is_told_with_exit_code_4(ground, asked, data, tmp_path):
    """The others are done."""
    (data / "two.parquet").write_bytes(b"PAR1")
    code, said = ground(*words(asked))
    assert code == 4
    assert f"left out: {data}/two.parquet: expected a complete Parquet file" in said
    assert pq.read_metadata(tmp_path / "r.parquet").num_rows > 0


BAD = {
    "no such engine": ({"engine": "spark"}, "--engine: expected local or dask, got 'spark'"),
    "a scheduler for processes": ({"scheduler": "tcp://127.0.0.1:1"}, "--scheduler: expected it with --engine dask"),
    "no folder": ({"data": "/nowhere"}, "/nowhere: expected recordings.csv, or files in folders"),
    "an unknown store": ({"data": "unknown://x"}, "got unknown"),
    "no model": ({"model": "/nowhere.bundle"}, "/nowhere.bundle"),
    "no key": ({"key": "/nowhere.pem"}, "/nowhere.pem"),
    "no name": ({"output": "memory://bucket/"}, "--output: expected the name of a file"),
    "only a bucket": ({"output": "s3://fleet"}, "--output: expected the name of a file"),
    "a folder that is a file": ({"output": "/dev/null/r.parquet"}, "/dev/null"),
    "no workers": ({"workers": 0}, "greater than or equal to 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(ground, asked, name):
    """Exit code 2, and what to do."""
    changed, text = BAD[name]
    code, said = ground(*words(asked, **changed))
    assert code == 2
    assert text in said.replace("\n", "")
    assert "Traceback" not in said


def test_a_scheduler_that_is_not_there(ground, asked, monkeypatch):
    """It is not waited for long."""
    dask_engine = pytest.importorskip("ground.dask_engine")
    monkeypatch.setattr(dask_engine, "_CONNECT_S", 0.5)
    code, said = ground(*words(asked, engine="dask", scheduler="tcp://127.0.0.1:9"))
    assert code == 2
    assert "tcp://127.0.0.1:9: expected a scheduler with workers" in said
    assert "Traceback" not in said


REPLAYS = {
    "neither": ([], "replay: expected either --as-stream or --out FILE"),
    "both": (["--as-stream", "--out", "x"], "replay: expected either --as-stream or --out FILE"),
    "nobody listens": (["--as-stream", "--broker", "127.0.0.1:9"], "127.0.0.1:9: expected a broker"),
    "no address": (["--as-stream", "--broker", "a:99999"], "--broker: expected HOST or HOST:PORT"),
    "too fast": (["--as-stream", "--speed", "2000"], "less than or equal to 1000"),
    "no such recording": (["--out", "x", "--recording", "zero"], "expected recordings zero"),
    "no such folder": (["--out", "/nowhere/x"], "expected a file that can be written"),
}


@pytest.mark.parametrize("name", REPLAYS)
def test_bad_replays(ground, source, data, work_dir, name):
    """Exit code 2, and no file."""
    options, text = REPLAYS[name]
    code, said = ground("replay", "--model", source.path, "--key", source.keys[0], "--data", data, *options)
    assert code == 2
    assert text in said.replace("\n", "")
    assert list(work_dir.glob("x*")) == []


def test_a_replay_leaves_out_what_cannot_be_read(ground, source, data, work_dir):
    """The others are written."""
    (data / "one.parquet").write_bytes(b"")
    code, said = ground(
        "replay", "--model", source.path, "--key", source.keys[0], "--data", data, "--out", work_dir / "x"
    )
    assert code == 4
    assert "42 frames" in said
    assert f"left out: {data}/one.parquet" in said


def test_results_in_a_store_have_their_record(ground, asked, data, work_dir):
    """What was left out is kept beside them; a login is in neither, nor on the screen."""
    memory = fsspec.filesystem("memory")
    (data / "two.parquet").write_bytes(b"PAR1")
    code, said = ground(*words(asked, output="memory://key:secret@bucket/r.parquet"))
    assert code == 4
    assert "secret" not in said
    assert "shorter than a window, so without a row: 1 recordings (three)" in said
    (parts,) = work_dir.glob(".r.parquet-*.parts")
    assert f"the others are kept in {parts}" in said.replace("\n", "")
    stored = {path.rpartition("/")[2]: memory.cat(path) for path in memory.find("/")}
    memory.rm("/", recursive=True)
    record = json.loads(stored["r.parquet.run.json"])
    assert record["n_byte"] == len(stored["r.parquet"])
    assert record["empty"] == ["three"]
    assert "expected a complete Parquet file" in record["left_out"][0]
    assert "secret" not in stored["r.parquet.run.json"].decode()
