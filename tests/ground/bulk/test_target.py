"""Targets: where results go is one decision, by path or URL, and what is delivered is there as a whole."""

from __future__ import annotations

import shutil

import fsspec
import pytest

from ground.bulk import store as store_module
from ground.bulk.store import Store
from ground.bulk.target import Target
from ground.bulk.urls import plain
from ground.errors import DataError


def test_a_file_url_is_a_path(tmp_path):
    """The table is built and delivered beside it, as for the path."""
    by_url, by_path = Target.of(f"file://{tmp_path}/r.parquet"), Target.of(f"{tmp_path}/r.parquet")
    assert by_url == by_path
    assert by_url.is_local
    assert by_url.parts == tmp_path / ".r.parquet.parts"
    by_url.parts.mkdir()
    (by_url.parts / "built").write_bytes(b"table")
    by_url.deliver(by_url.parts / "built")
    assert (tmp_path / "r.parquet").read_bytes() == b"table"
    assert (tmp_path / "r.parquet").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "output", ["s3://fleet", "memory://x", "gs://", "s3:///x", "memory://bucket/", "file:///", "/", ".", "s3://k:s@c"]
)
def test_what_names_no_file_is_refused(output):
    """A bucket is no file: hours of work went to a folder `s3:` that was removed."""
    with pytest.raises(DataError, match="--output: expected the name of a file") as caught:
        Target.of(output)
    assert "k:s" not in str(caught.value)


def test_tables_of_one_name_in_two_folders_have_parts_of_their_own(work_dir):
    """Two months at once do not get into each other's way; a new password finds the parts again."""
    october, november = (Target.of(f"s3://key:old@b/{month}/r.parquet") for month in (10, 11))
    assert october.parts.parent == november.parts.parent == work_dir
    assert october.parts != november.parts
    assert Target.of("s3://key:new@b/10/r.parquet").parts == october.parts


@pytest.fixture
def memory():
    """The store ``memory://bucket``, which takes the place of what was there at the first byte; its file system."""
    system = fsspec.filesystem("memory")
    system.pipe("/bucket/r.parquet", b"last month's")
    yield system
    system.rm("/bucket", recursive=True)


ENDS = [KeyboardInterrupt, OSError]


@pytest.mark.parametrize("error", ENDS)
def test_an_upload_that_ends_early_changes_nothing(tmp_path, memory, monkeypatch, error):
    """Neither Ctrl-C nor a disk that cannot be read leaves half a table, or a file of its own."""
    (tmp_path / "r").write_bytes(b"this month's")

    def half(source, sink, length):
        del length
        sink.write(source.read(4))
        raise error

    monkeypatch.setattr(shutil, "copyfileobj", half)
    with pytest.raises((KeyboardInterrupt, DataError)):
        Store.of("memory://bucket").put(tmp_path / "r", "r.parquet")
    assert memory.cat("/bucket/r.parquet") == b"last month's"
    assert memory.ls("/bucket", detail=False) == ["/bucket/r.parquet"]


def test_an_upload_takes_the_place_of_what_was_there(tmp_path, memory):
    """And leaves nothing else; a name that ends with .gz is no wish for compression."""
    (tmp_path / "r").write_bytes(b"this month's")
    for name in ("r.parquet", "r.parquet.gz"):
        Store.of("memory://bucket").put(tmp_path / "r", name)
        assert memory.cat(f"/bucket/{name}") == b"this month's"
    assert len(memory.ls("/bucket")) == 2


def test_a_store_that_kept_less_is_told(tmp_path, memory, monkeypatch):
    """The size is compared before the old table goes."""
    (tmp_path / "r").write_bytes(b"this month's")
    monkeypatch.setattr(shutil, "copyfileobj", lambda source, sink, _: sink.write(source.read(4)))
    with pytest.raises(DataError, match=r"memory://bucket/r.parquet: expected to write it, got 4 of 12 bytes"):
        Store.of("memory://bucket").put(tmp_path / "r", "r.parquet")
    assert memory.cat("/bucket/r.parquet") == b"last month's"


SECRETS = {
    "s3://AKIA:ab/cd@bucket/x": "s3://bucket/x",
    "s3://AKIA:abcd@bucket/x?k=v": "s3://bucket/x",
    "sftp://user@host/x": "sftp://host/x",
    "s3://bucket/of@home/x": "s3://bucket/of@home/x",
    "https://host:8080/x": "https://host:8080/x",
}


@pytest.mark.parametrize("url", SECRETS)
def test_a_login_is_not_shown(url):
    """Also one with a slash, which a URL should spell otherwise; a sign in a path is no login."""
    assert plain(url) == SECRETS[url]


def test_errors_of_the_store_do_not_tell_a_secret():
    """Neither by our own text nor by the library's, which repeats the URL."""
    with pytest.raises(DataError) as caught:
        Store.of("s3://AKIA:ab/cd@bucket/x?secret=1234").files()
    assert not {"AKIA", "ab/cd", "1234"} & set(str(caught.value).replace(":", " ").replace("@", " ").split())
    assert "ab/cd" not in str(caught.value)


def test_large_objects_of_s3_are_written_in_place(tmp_path, monkeypatch):
    """It renames none above 5 GiB."""
    from tests.ground.bulk.s3_stand_in import running_s3

    monkeypatch.setattr(store_module, "_MOST_COPIED_BYTES", 4)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "r").write_bytes(b"table")
    with running_s3() as (options, objects):
        Store.of(f"s3://key:secret@b/out{options}").put(tmp_path / "r", "r.parquet")
        assert {name: data for name, (data, _) in objects.held.items()} == {"out/r.parquet": b"table"}
