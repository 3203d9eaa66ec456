"""A dask cluster of two workers on this machine: the bytes of the local engine, and errors that are told."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ground.bulk.run import run_batch
from ground.engine import LocalEngine, in_order
from ground.errors import DataError
from ground.recording_index import read_index
from ground.window_extraction import extract_windows_of
from tests.conftest import small_spec
from tests.ground.bulk.conftest import write_dataset

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    """Two workers, and an engine that is told their scheduler."""
    from distributed import LocalCluster

    from ground.dask_engine import DaskEngine

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster:
        yield DaskEngine(workers=2, scheduler=cluster.scheduler_address)


def test_batch_gives_the_same_bytes(source, data, tmp_path, cluster, no_progress):
    """As the local engine, a recording that cannot be read included."""
    (data / "three.parquet").write_bytes(b"PAR1")
    files = [tmp_path / "local.parquet", tmp_path / "dask.parquet"]
    reports = [
        run_batch(source, str(data), str(path), progress=no_progress, engine=engine)
        for path, engine in zip(files, (LocalEngine(1), cluster), strict=True)
    ]
    assert reports[0] == reports[1]
    assert [failure.recording_id for failure in reports[0].failures] == ["three"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_dataset_gives_the_same_bytes(source, tmp_path, cluster, no_progress):
    """Files that are joined, and CSV."""
    dataset = write_dataset(tmp_path / "dataset")
    files = [tmp_path / "local.parquet", tmp_path / "dask.parquet"]
    for path, engine in zip(files, (LocalEngine(1), cluster), strict=True):
        run_batch(source, str(dataset), str(path), progress=no_progress, engine=engine)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert pq.read_metadata(files[0]).num_rows > 0


def test_features_have_the_same_bits(data, cluster, no_progress):
    """The work of ``featurize``."""
    spec = small_spec()
    work = partial(extract_windows_of, data, spec=spec)
    items = [(info, ()) for info in read_index(data)]
    here, there = (
        [result.windows for result in in_order(engine.each(work, items, where="data", progress=no_progress))]
        for engine in (LocalEngine(1), cluster)
    )
    assert [part.values.tobytes() for part in here] == [part.values.tobytes() for part in there]
    assert sum(len(part.values) for part in here) > 0


def test_an_error_of_the_work_comes_back_as_it_is(cluster, no_progress):
    """It ends the run."""
    with pytest.raises(DataError, match="expected a readable CSV index"):
        list(cluster.each(read_index, [(Path("/nowhere"),)], where="data", progress=no_progress))


def test_another_platform_is_refused(source, data, cluster, *, tmp_path, no_progress, monkeypatch):
    """Workers with other libraries could give other bytes."""
    from ground.bulk import run
    from ground.worker_platform import Platform

    other = replace(Platform.here(), machine="pdp11")
    monkeypatch.setattr(run.Platform, "here", lambda: other)
    with pytest.raises(DataError, match=r"worker: expected .*pdp11, got"):
        run_batch(source, str(data), str(tmp_path / "r.parquet"), progress=no_progress, engine=cluster)


def slow(number):
    """The number, after a while."""
    time.sleep(0.2)
    return number


@pytest.fixture
def small_cluster():
    """A cluster inside this process, and its engine."""
    from distributed import LocalCluster

    from ground.dask_engine import DaskEngine

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster, DaskEngine(workers=1, scheduler=cluster.scheduler_address)


def task_of(number):
    """The task in which an item is done; from 60 on it takes longer than a task should."""
    from distributed import get_worker

    time.sleep(0.35 if number >= 60 else 0.0)
    return get_worker().get_current_task()


def test_long_items_after_short_ones_do_not_wait_for_each_other(small_cluster, no_progress):
    """Short ones are done many to a task; a worker gives back what comes after a long one."""
    items = [(number,) for number in range(72)]
    found = small_cluster[1].each(task_of, items, where="data", progress=no_progress)
    tasks = {done.index: done.result for done in found}
    assert sorted(tasks) == list(range(72))
    assert len({tasks[index] for index in range(60)}) < 30
    assert len({tasks[index] for index in range(60, 72)}) == 12


def test_workers_that_are_gone_end_the_run(small_cluster, no_progress, monkeypatch):
    """A cluster that was scaled to nothing is not waited for without a word."""
    from ground import dask_engine

    monkeypatch.setattr(dask_engine, "_LOOK_S", 0.1)
    monkeypatch.setattr(dask_engine, "_WORKERS_S", 0.5)
    cluster, engine = small_cluster
    found = engine.each(slow, [(number,) for number in range(20)], where="data", progress=no_progress)
    next(found)
    cluster.scale(0)
    with pytest.raises(DataError, match="data: expected the cluster to finish, got no workers any more"):
        list(found)


def test_workers_that_cannot_take_the_work_are_told(small_cluster, no_progress, monkeypatch):
    """As where our packages are not installed: dask hands on whatever a worker raised."""
    from distributed import Client

    def missed(*_):
        raise ModuleNotFoundError("No module named 'ground'")

    monkeypatch.setattr(Client, "register_plugin", missed)
    with pytest.raises(DataError, match=r"expected workers with the same packages as here, got .*No module named"):
        list(small_cluster[1].each(slow, [(1,)], where="data", progress=no_progress))
