"""The work of one recording: what ends the recording only, and what ends the worker."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from ground.bulk import work as work_module
from ground.bulk.listing import Failure, list_recordings
from ground.bulk.model_files import ModelFiles
from ground.bulk.run import run_batch
from ground.bulk.store import Store
from ground.bulk.work import AssessWork, Made
from ground.engine import LocalEngine
from ground.errors import DataError
from ground.worker_platform import vector_units
from tests.conftest import small_spec
from tests.ground.bulk.conftest import raw


@pytest.fixture
def work(source, data):
    """Work on the flights of ``data``."""
    return AssessWork(
        model=ModelFiles.read(source), store=Store.of(str(data)), landmark="recordings.csv", vector_units=vector_units()
    )


@pytest.fixture
def first(work):
    """The first recording."""
    return list_recordings(work.store, small_spec()).sources[0]


ODD = [
    OverflowError("too large"),
    UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"),
    MemoryError(),
    KeyError("x"),
    OSError(28, "full"),
]


@pytest.mark.parametrize("error", ODD, ids=lambda each: type(each).__name__)
def test_whatever_is_raised_ends_one_recording(work, first, monkeypatch, error):
    """Decoders and file systems have classes of their own; only what the machine did is told apart."""

    def raise_it(*_, **__):
        raise error

    assert isinstance(work(first, ""), Made)
    monkeypatch.setattr(work_module, "stream_recording", raise_it)
    answer = work(first, "")
    assert isinstance(answer, Failure)
    assert answer.text.startswith(f"{work.store}/one.parquet: expected to ")
    assert answer.is_unreached == isinstance(error, OSError)


def test_a_time_beyond_all_clocks_is_one_bad_recording(source, tmp_path, no_progress):
    """The frames after the first have stamps that fit nowhere."""
    for flight, start in (("F1", "9223372036854775807"), ("F2", "0")):
        folder = tmp_path / "data" / "aircraft=A" / "engine=1" / f"flight={flight}" / f"start_ns={start}"
        folder.mkdir(parents=True)
        pq.write_table(raw(4.0), folder / "a.parquet")
    out = tmp_path / "r.parquet"
    report = run_batch(source, str(tmp_path / "data"), str(out), progress=no_progress, engine=LocalEngine(1))
    assert [failure.recording_id for failure in report.failures] == ["A.1.F1"]
    assert (
        "F1/start_ns=9223372036854775807/a.parquet: expected to assess it, got OverflowError" in report.failures[0].text
    )
    assert report.recordings == 1


def test_a_worker_that_does_not_see_the_store_ends_the_run(work, first):
    """It would leave out one recording after the other, faster than the others work."""
    with pytest.raises(DataError, match=r"worker .*: expected .*/elsewhere.csv, got no such file"):
        replace(work, landmark="elsewhere.csv")(first, "")


def test_another_kind_of_processor_ends_the_run(work, first):
    """Kernels are chosen by it, and scores have other last bits."""
    with pytest.raises(DataError, match="expected a processor with ABACUS, got"):
        replace(work, vector_units="ABACUS")(first, "")


def test_a_model_that_is_refused_there_is_told(work, first):
    """As an error that can travel: a refusal of the agent's own has a constructor that pickle does not know."""
    other = replace(work.model, digest="0" * 64, keys=())
    with pytest.raises(DataError, match="expected to load the model, got"):
        replace(work, model=other)(first, "")
