"""Import: whole or not at all, one dataset, and the source untouched."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pyarrow as pa
import pytest

from ground.errors import DataError
from ground.importer import import_recordings
from ground.left_out import read_left_out
from ground.recording_index import read_table
from ground.recordings import load_recording, read_index

NAMES = ("flight", "bench", "onset", "life")


@pytest.fixture
def bring(tiny_recordings, tiny_workspace, no_progress):
    """Import the tiny recordings into the workspace."""

    def call(dataset=None, source=tiny_recordings.folder, **options):
        return import_recordings(source, tiny_workspace.raw, dataset=dataset, progress=no_progress, **options)

    return call


def files(folder):
    """All files of a folder with their bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_import_copies_the_folder(bring, tiny_recordings, tiny_workspace):
    """The workspace holds the same files and the same recordings."""
    report = bring()
    assert (report.dataset, report.added, report.unchanged) == ("tiny", NAMES, ())
    assert report.recordings == 4
    assert files(tiny_workspace.raw) == files(tiny_recordings.folder)
    assert read_index(tiny_workspace.raw) == read_index(tiny_recordings.folder)


def test_import_again_changes_nothing(bring, tiny_workspace):
    """A second import finds everything there."""
    bring()
    before = files(tiny_workspace.raw)
    assert bring().unchanged == NAMES
    assert files(tiny_workspace.raw) == before


def test_import_does_not_tie_workspace_and_source(bring, tiny_recordings, tiny_workspace):
    """Whatever is done to a file of the workspace in place, the source keeps its own."""
    bring()
    before = files(tiny_recordings.folder)
    with (tiny_workspace.raw / "tiny" / "flight.parquet").open("r+b") as stream:
        stream.truncate(10)
    assert files(tiny_recordings.folder) == before


def test_import_takes_one_dataset(bring, tiny_recordings, tiny_workspace):
    """Only the chosen dataset comes."""
    tiny_recordings.restate("bench", dataset="other")
    assert bring("other").added == ("bench",)
    assert [info.recording_id for info in read_index(tiny_workspace.raw)] == ["bench"]
    assert not (tiny_workspace.raw / "tiny" / "flight.parquet").exists()


@pytest.mark.parametrize(("dataset", "got"), [(None, "none chosen"), ("femto", "'femto'")])
def test_import_names_the_datasets(bring, tiny_recordings, dataset, got):
    """Where there are several, or none of that name, the error lists them."""
    tiny_recordings.restate("bench", dataset="other")
    with pytest.raises(DataError, match=f"dataset: expected one of other, tiny, got {got}; choose one"):
        bring(dataset)


def test_import_skips_what_is_left_out(bring, tiny_recordings, tiny_workspace):
    """A recording that the config leaves out is neither read nor copied, be it named as in the source's index."""
    tiny_recordings.path("life").unlink()
    tiny_recordings.restate("bench", recording_id="Normal 0")
    assert bring(leave_out=("life", "Normal 0")).added == ("flight", "onset")
    assert [info.recording_id for info in read_index(tiny_workspace.raw)] == ["flight", "onset"]


def test_imports_add_up_under_one_list_of_what_is_left_out(bring, tiny_recordings):
    """The list of a config names bad recordings of the month before, too, which are not in this month's folder."""
    tiny_recordings.restate("bench", dataset="before")
    assert bring("before", leave_out=("old-1",)).added == ("bench",)
    tiny_recordings.truncate("life")
    assert bring("tiny", leave_out=("old-1", "bench", "life")).added == ("flight", "onset")


def test_import_tells_names_to_leave_out_that_are_none(bring, tiny_recordings, tiny_workspace):
    """Only it knows what the folder holds: of what it left out nothing is said, then or later, and all of a slip."""
    tiny_recordings.restate("bench", dataset="before", recording_id="Normal 0")
    report = bring("tiny", leave_out=("life", "Normal 0", "fligth"))
    assert report.unknown_left_out == ("fligth",)
    assert report.notes == (
        "preprocess.leave_out: no recording is named fligth; correct the config, unless another import brings them",
    )
    assert read_left_out(tiny_workspace.raw) == {"life", "Normal 0"}
    tiny_recordings.restate("life", recording_id="other")
    assert bring("tiny", leave_out=("life", "Normal 0", "other")).notes == ()
    assert read_left_out(tiny_workspace.raw) == {"life", "Normal 0", "other"}


def test_import_carries_odd_names_along(bring, tiny_recordings, tiny_workspace):
    """The workspace has the safe name and, beside it, the one of the source."""
    tiny_recordings.restate("bench", recording_id="Normal 0")
    name = bring().added[1]
    row = read_table(tiny_workspace.raw / "recordings.csv").rows[1]
    assert (row["recording_id"], row["original_recording_id"]) == (name, "Normal 0")
    assert bring().unchanged[1] == name


def test_import_adds_to_what_is_there(bring, tiny_recordings, tiny_workspace):
    """Recordings of an earlier import stay, with their rows; columns are joined."""
    tiny_recordings.restate("bench", dataset="other")
    bring("other")
    tiny_recordings.restate("flight", condition="wet")
    bring("tiny")
    infos = read_index(tiny_workspace.raw)
    assert [info.recording_id for info in infos] == ["bench", "flight", "onset", "life"]
    assert infos[1].condition == "wet"


def test_import_brings_corrected_labels(bring, tiny_recordings, tiny_workspace):
    """The same samples under another label replace the row, not the file."""
    bring()
    tiny_recordings.restate("bench", label="faulty")
    assert bring().unchanged == NAMES
    assert {info.recording_id: info.label for info in read_index(tiny_workspace.raw)}["bench"] == "faulty"


def test_import_refuses_other_samples_under_a_known_name(bring, tiny_recordings, tiny_workspace):
    """A recording in the workspace never changes under its name."""
    bring()
    before = files(tiny_workspace.raw)
    tiny_recordings.change("bench", lambda frame: frame * 2)
    with pytest.raises(DataError, match="expected the samples of bench that are there already, got others; rename"):
        bring()
    assert files(tiny_workspace.raw) == before


def test_import_refuses_a_file_of_another_recording(bring, tiny_recordings):
    """Two recordings of two imports never share a file."""
    bring()
    tiny_recordings.restate("bench", recording_id="bench2")
    with pytest.raises(DataError, match="expected a file of bench2, got one of bench that is there already"):
        bring()


def test_import_mends_a_lost_copy(bring, tiny_workspace):
    """A file that is in the index and not on the disk comes again."""
    bring()
    (tiny_workspace.raw / "tiny" / "life.parquet").unlink()
    assert bring().added == ("life",)


def test_import_accepts_a_stated_checksum(bring, tiny_recordings):
    """A right checksum, of any number of digits, passes."""
    tiny_recordings.restate("bench", data_sha256=checksum(tiny_recordings, "bench")[:16])
    assert bring().recordings == 4


def checksum(tiny, name):
    """The sha256 over the float32 channels."""
    return hashlib.sha256(tiny.frame(name)["acc_1"].to_numpy(np.float32).tobytes()).hexdigest()


def test_import_reads_some_rows_at_a_time(bring, tiny_recordings):
    """A recording may be larger than memory; its checksum, over one channel after the other, is held all the same."""
    samples = np.random.default_rng(1).normal(size=(2, 1 << 21)).astype(np.float32)
    table = pa.table({"acc_1": samples[0], "acc_2": samples[1]})
    tiny_recordings.write_parquet(tiny_recordings.path("flight"), table)
    stated = {"channels": "acc_1;acc_2", "n_samples": str(samples.shape[1])}
    tiny_recordings.restate("flight", data_sha256=hashlib.sha256(samples[::-1].tobytes()).hexdigest(), **stated)
    with pytest.raises(DataError, match=r"flight\.parquet: expected samples with data_sha256"):
        bring()
    tiny_recordings.restate("flight", data_sha256=hashlib.sha256(samples.tobytes()).hexdigest())
    usual = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counted)
    try:
        assert bring().recordings == 4
    finally:
        pa.set_memory_pool(usual)
    assert 0 < counted.max_memory() < samples.nbytes / 2


BAD_IMPORTS = {
    "truncated": (lambda tiny: tiny.truncate("flight"), ("flight.parquet", "expected a complete Parquet file")),
    "empty": (lambda tiny: tiny.write("bench", b""), ("bench.csv", "expected a complete CSV file")),
    "absent": (lambda tiny: tiny.path("life").unlink(), ("life.parquet", "No such file")),
    "no rows": (
        lambda tiny: [tiny.restate("life", n_samples=""), tiny.change("life", lambda frame: frame[:0])],
        ("life.parquet", "expected samples, got none"),
    ),
    "no channel": (
        lambda tiny: tiny.restate("flight", channels="acc_1;acc_2"),
        ("flight.parquet: acc_2: expected a column of numbers", "got columns acc_1, phase"),
    ),
    "cut short": (
        lambda tiny: tiny.change("bench", lambda frame: frame[:100]),
        ("bench.csv: expected 5120 samples, as n_samples of the index, got 100; copy the file again",),
    ),
    "another checksum": (
        lambda tiny: tiny.restate("bench", data_sha256="0123456789abcdef"),
        ("bench.csv: expected samples with data_sha256 0123456789abcdef", "copy the file again"),
    ),
    "outside the folder": (
        lambda tiny: tiny.restate("bench", file="../bench.csv"),
        ("bench: file: expected a relative path to a .parquet or .csv inside the folder, got '../bench.csv'",),
    ),
    "one file twice": (
        lambda tiny: tiny.restate("bench", file="tiny/flight.parquet"),
        ("file: expected different values, got tiny/flight.parquet twice",),
    ),
    "bad label": (lambda tiny: tiny.restate("bench", label="ok"), ("bench: label: expected one of healthy",)),
}


@pytest.mark.parametrize(("damage", "says"), BAD_IMPORTS.values(), ids=BAD_IMPORTS.keys())
def test_bad_import_copies_nothing(bring, tiny_recordings, tiny_workspace, damage, says):
    """One bad recording stops the import before the first copy, and the text says which and why."""
    damage(tiny_recordings)
    with pytest.raises(DataError) as refused:
        bring()
    for fragment in says:
        assert fragment in str(refused.value)
    assert not tiny_workspace.raw.exists()


def test_all_bad_recordings_are_named(bring, tiny_recordings):
    """The error speaks of each bad recording, not of the first."""
    tiny_recordings.truncate("flight")
    tiny_recordings.write("bench", b"")
    with pytest.raises(DataError) as refused:
        bring()
    assert len(str(refused.value).splitlines()) == 2


def test_import_of_an_empty_index(bring, tmp_path, tiny_recordings):
    """An index without rows is no dataset."""
    head = (tiny_recordings.folder / "recordings.csv").read_text().splitlines()[0]
    (tmp_path / "recordings.csv").write_text(head)
    with pytest.raises(DataError, match="expected recordings, got none"):
        bring(source=tmp_path)


def test_a_disk_that_refuses_is_named(tiny_recordings, tmp_path, no_progress):
    """A workspace that cannot be written to says so, without an index."""
    (tmp_path / "raw").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="expected a writable folder"):
        import_recordings(tiny_recordings.folder, tmp_path / "raw", dataset=None, progress=no_progress)


def test_progress_counts_reading_and_copying(tiny_recordings, tiny_workspace):
    """Both steps count up to the number of files."""
    seen = []
    import_recordings(
        tiny_recordings.folder, tiny_workspace.raw, dataset="tiny", progress=lambda *step: seen.append(step)
    )
    assert seen == [(f"import: {what}", done, 4) for what in ("read", "copy") for done in (1, 2, 3, 4)]


@pytest.mark.parametrize(("dataset", "count"), [("uestc", 16), ("femto", 5)])
def test_real_datasets_import(shared_data, tiny_workspace, no_progress, dataset, count):
    """The public datasets come through, checksums and counts included."""
    report = import_recordings(shared_data, tiny_workspace.raw, dataset=dataset, progress=no_progress)
    assert len(report.added) == count
    info = read_index(tiny_workspace.raw)[0]
    assert load_recording(tiny_workspace.raw, info, conditions=()).stretches
    shutil.rmtree(tiny_workspace.raw)


def test_real_folder_needs_a_choice(shared_data, tiny_workspace, no_progress):
    """The shared folder holds two rigs: import asks which."""
    with pytest.raises(DataError, match="dataset: expected one of femto, uestc, got none chosen"):
        import_recordings(shared_data, tiny_workspace.raw, dataset=None, progress=no_progress)
