"""Stores: the same files give the same results, on a disk and behind a URL; and what is wrong is told."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path
from typing import ClassVar

import fsspec
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from ground.bulk import patience
from ground.bulk import run as run_module
from ground.bulk import store as stores
from ground.bulk.run import run_batch
from ground.bulk.store import SETTLED_NS, Store
from ground.bulk.target import Target
from ground.engine import LocalEngine
from ground.errors import DataError, StoreError
from tests.ground.bulk.conftest import write_dataset
from tests.ground.bulk.s3_stand_in import running_s3


@pytest.fixture
def memory():
    """A file system of fsspec that lives in this process."""
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/bucket", recursive=True)


def upload(memory, folder):
    """Put a folder into the store ``memory://bucket/data``."""
    memory.put(str(folder), "/bucket/data", recursive=True)
    return "memory://bucket/data"


@pytest.mark.parametrize("layout", ["index", "dataset"])
def test_a_store_gives_what_a_folder_gives(source, data, tmp_path, *, memory, monkeypatch, no_progress, layout):
    """Byte for byte, also where the results go back into the store; nothing is left in the working folder."""
    folder = data if layout == "index" else write_dataset(tmp_path / "dataset")
    local = tmp_path / "local.parquet"
    run_batch(source, str(folder), str(local), progress=no_progress, engine=LocalEngine(1))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    url = upload(memory, folder)
    run_batch(source, url, "memory://bucket/out/r.parquet", progress=no_progress, engine=LocalEngine(1))
    assert memory.cat("/bucket/out/r.parquet") == local.read_bytes()
    assert pq.read_metadata(local).num_rows > 0
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.fixture
def s3(monkeypatch):
    """A bucket ``b`` behind the protocol of S3; gives what makes a URL of a path in it, and its objects."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with running_s3() as (options, objects):
        yield lambda path: f"s3://key:secret@b/{path}{options}", objects


def test_an_object_store(source, data, tmp_path, s3, *, monkeypatch, no_progress):
    """Over the protocol of S3, there and back; a run goes on without reading what is done."""
    url, objects = s3
    monkeypatch.chdir(tmp_path)
    for path in data.iterdir():
        objects.put(f"data/{path.name}", path.read_bytes(), 1_700_000_000)

    def end(what, done, total):
        del total
        if what == "batch" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(source, url("data"), url("out/r.parquet"), progress=end, engine=LocalEngine(1))
    parts = Target.of(url("out/r.parquet")).parts
    assert parts.is_dir()
    objects.read.clear()
    report = run_batch(source, url("data"), url("out/r.parquet"), progress=no_progress, engine=LocalEngine(1))
    assert report.resumed == 1
    assert "data/one.parquet" not in objects.read
    assert "data/two.parquet" in objects.read
    local = tmp_path / "local.parquet"
    run_batch(source, str(data), str(local), progress=no_progress, engine=LocalEngine(1))
    assert objects.held["out/r.parquet"][0] == local.read_bytes()
    # pyarrow marks a folder from which it takes an object; here that is the upload under its first name.
    assert set(objects.held) == {*(f"data/{path.name}" for path in data.iterdir()), "out", "out/r.parquet"}
    assert not parts.exists()


def test_objects_that_were_written_again_have_another_stamp(s3):
    """Of the same size: the store tells when."""
    url, objects = s3
    store = Store.of(url("data"))
    objects.put("data/x", b"one", 1_700_000_000)
    before = store.stamp(["x"])
    assert store.stamp(["x"]) == before
    objects.put("data/x", b"two", 1_700_000_001)
    assert store.stamp(["x"]) != before
    assert objects.read == []


def test_what_an_object_store_refuses_is_told(s3, tmp_path):
    """Without the password in its URL."""
    url, _ = s3
    store = Store.of(url("data"))
    with pytest.raises(DataError, match=r"s3://b/data/x: expected to read it") as caught:
        store.fetch("x", tmp_path / "x")
    assert "secret" not in str(caught.value)


def test_names_and_bytes(tmp_path, memory):
    """A listing is sorted, whatever the store's order."""
    folder = write_dataset(tmp_path / "dataset")
    here, there = Store.of(str(folder)), Store.of(upload(memory, folder))
    names = [file.name for file in here.files()]
    assert names == sorted(names)
    assert names == [file.name for file in there.files()]
    assert [file.name for file in there.files("date=2026-11-28")] == [name for name in names if "11-28" in name]
    assert there.files("nothing") == here.files("nothing") == ()
    assert here.stamp(names, there.stamp(names)) == there.stamp(names)
    there.fetch(names[0], tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == (folder / names[0]).read_bytes()


def test_a_stamp_tells_changes(tmp_path):
    """Of a file just written: also bytes that change while size and time stay, and a border that moves between two."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"ab")
    two.write_bytes(b"c")
    store = Store.of(str(tmp_path))
    before, status = store.stamp(["one", "two"]), one.stat()
    one.write_bytes(b"aB")
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.stamp(["one", "two"]) != before
    one.write_bytes(b"a")
    two.write_bytes(b"bc")
    assert store.stamp(["one", "two"]) != before
    assert store.stamp(["two", "one"]) != store.stamp(["one", "two"])


def later(monkeypatch, by_ns):
    """Let the clock of the machine show another time than its files have."""
    now_ns = time.time_ns() + by_ns
    monkeypatch.setattr(stores.time, "time_ns", lambda: now_ns)


def test_a_file_that_has_lain_a_while_is_not_read(tmp_path, monkeypatch):
    """Its size and times tell: they do where its own time is set back, and after a digest a digest is asked for."""
    path = tmp_path / "one"
    path.write_bytes(b"ab")
    store = Store.of(str(tmp_path))
    later(monkeypatch, SETTLED_NS // 2)
    fresh = store.stamp(["one"])
    assert fresh.startswith("sha256:")
    later(monkeypatch, 2 * SETTLED_NS)
    assert store.stamp(["one"], fresh) == fresh
    before, status = store.stamp(["one"]), path.stat()
    assert before.startswith("told:")
    assert store.stamp(["one"], before) == before
    path.write_bytes(b"aB")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    later(monkeypatch, 3 * SETTLED_NS)
    assert store.stamp(["one"], before).startswith("told:")
    assert store.stamp(["one"], before) != before
    assert store.stamp(["one"], fresh) != fresh


class Tagged(MemoryFileSystem):
    """Objects without times, but with a tag of their content, as stores behind HTTP have them; never read here."""

    protocol = "tagged"
    tags: ClassVar[dict[str, str]] = {}

    def info(self, path, **_):
        """Of one object."""
        return {"name": path, "size": 3, "type": "file", "ETag": self.tags[path.rpartition("/")[2]]}

    def _open(self, *_, **__):
        raise AssertionError


def test_a_tag_tells_changes():
    """Where a store tells no times, its word on the content is taken, and nothing is fetched to be compared."""
    fsspec.register_implementation("tagged", Tagged, clobber=True)
    store = Store.of("tagged://bucket")
    Tagged.tags = {"x": "one"}
    before = store.stamp(["x"])
    assert store.stamp(["x"], before) == before
    Tagged.tags = {"x": "two"}
    assert store.stamp(["x"], before) != before


BAD = {
    "s3://": "expected a URL such as s3://bucket/folder",
    "unknown://x": "or a URL of a store that pyarrow or fsspec knows, got unknown",
    "memory://bucket/nothing": "expected recordings.csv, or files in folders",
    "/nowhere/at/all": "expected recordings.csv, or files in folders",
}


@pytest.mark.parametrize("url", BAD)
def test_what_cannot_be_opened_is_told(source, tmp_path, no_progress, url):
    """Nothing is left behind."""
    with pytest.raises(DataError, match=BAD[url]):
        run_batch(source, url, str(tmp_path / "out.parquet"), progress=no_progress, engine=LocalEngine(1))
    assert list(tmp_path.iterdir()) == []


def test_secrets_of_a_url_are_not_told():
    """What follows the question mark may be a key."""
    store = pickle.loads(pickle.dumps(Store.of("unknown://bucket/x?secret=1234")))  # noqa: S301 - made on this line
    assert "1234" not in str(store)
    with pytest.raises(DataError) as caught:
        store.files()
    assert "1234" not in str(caught.value)


def test_a_file_url_takes_the_results(source, data, tmp_path, no_progress):
    """They were removed with the parts, and said to be written."""
    out = tmp_path / "out" / "r.parquet"
    report = run_batch(source, str(data), f"file://{out}", progress=no_progress, engine=LocalEngine(1))
    assert pq.read_metadata(out).num_rows == report.assessments > 0
    assert list(out.parent.iterdir()) == [out]


def test_an_output_that_nobody_can_write_is_told_first(source, data):
    """Before hours of work, and without its secret."""

    def begun(*_):
        raise AssertionError("work began")

    with pytest.raises(DataError, match="expected a path, or a URL of a store") as caught:
        run_batch(source, str(data), "unknown://k:s/e@b/r.parquet", progress=begun, engine=LocalEngine(1))
    assert "s/e" not in str(caught.value)


def test_a_store_is_asked_again(data, tmp_path, *, memory, monkeypatch):
    """What its library raises need be no error of Python's own; then the other recordings go on."""
    monkeypatch.setattr(patience, "PAUSES_S", (0.0, 0.0))
    store, asked = Store.of(upload(memory, data)), []

    class OddError(Exception):
        """As of a client of HTTP."""

    def refuse(self, path, *_, **__):
        del self
        asked.append(path)
        raise OddError("503")

    monkeypatch.setattr(type(memory), "_open", refuse)
    with pytest.raises(StoreError, match=r"memory://bucket/data/one.parquet: expected the store to give it, got 503"):
        patience.patiently(lambda: store.fetch("one.parquet", tmp_path / "one"))
    assert len(asked) == 3


def test_a_store_that_fails_again_and_again_ends_the_run(source, data, tmp_path, *, memory, monkeypatch, no_progress):
    """The table of an earlier run is not replaced by a poor one; what was done is kept."""
    monkeypatch.setattr(patience, "PAUSES_S", ())
    monkeypatch.setattr(run_module, "_MOST_UNREACHED", 1)
    url, out = upload(memory, data), tmp_path / "r.parquet"
    out.write_bytes(b"older")
    opened = type(memory)._open

    def some(self, path, *words, **options):
        if path.endswith(("two.parquet", "three.parquet")):
            raise TimeoutError("no answer")
        return opened(self, path, *words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "_open", some)
        with pytest.raises(DataError, match=r"expected to fetch the recordings, got 2 that could not be.*three"):
            run_batch(source, url, str(out), progress=no_progress, engine=LocalEngine(1))
    assert out.read_bytes() == b"older"
    report = run_batch(source, url, str(out), progress=no_progress, engine=LocalEngine(1))
    assert (report.recordings, report.resumed, report.failures) == (3, 1, ())


def test_a_disk_that_takes_no_more_is_no_fault_of_the_recording(data, memory):
    """The device that is always full stands for a full TMPDIR."""
    store = Store.of(upload(memory, data))
    with pytest.raises(StoreError, match=r"/dev/full: expected to keep memory://bucket/data/one.parquet there"):
        store.fetch("one.parquet", Path("/dev/full"))
