"""A dask cluster whose workers are killed, and a run whose own process is: time is lost, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from ground.bulk.run import run_batch
from ground.demo.broker import free_port
from ground.engine import Done, LocalEngine, Lost
from ground.progress import silent
from tests.conftest import ROOT, wait_until
from tests.ground.bulk.conftest import source, write_flights
from tests.ground.bulk.test_resume import session_of

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(os.environ.get("FAULTS") != "full", reason="`make test-faults` runs it: half a minute")

__all__ = ["source"]
N = 24
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def flights(tmp_path):
    """Enough flights that a kill comes in the middle."""
    return write_flights(tmp_path / "flights", {f"f{number}": [20.0 + number] for number in range(N)})


@pytest.fixture
def whole(source, flights, tmp_path):
    """The bytes of an undisturbed run."""
    path = tmp_path / "whole.parquet"
    run_batch(source, str(flights), str(path), progress=silent, engine=LocalEngine(1))
    return path.read_bytes()


@contextmanager
def started(*words):
    """A program of dask, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", *words], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_worker_of_a_running_cluster_is_killed(source, flights, tmp_path, whole):
    """SIGKILL in mid-run, and no nanny: the other one does what is left, to the same bytes."""
    from ground.dask_engine import DaskEngine

    address = f"tcp://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    worker = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    with (
        started("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"),
        started(*worker) as first,
        started(*worker),
    ):
        out = tmp_path / "r.parquet"

        def kill(what, done, total):
            del total
            if what == "batch" and done == N // 3:
                first.kill()

        report = run_batch(
            source, str(flights), str(out), progress=kill, engine=DaskEngine(workers=2, scheduler=address)
        )
        assert first.wait() == -signal.SIGKILL
    assert (report.recordings, report.failures) == (N, ())
    assert out.read_bytes() == whole


class _Poison:
    """Work over one item of which every worker dies."""

    def __init__(self, poison):
        self.poison = poison

    def __call__(self, number):
        """The number, or a death."""
        if number == self.poison:
            os.kill(os.getpid(), signal.SIGKILL)
        return number


@pytest.mark.parametrize(("n", "poison"), [pytest.param(4, 1, id="alone"), pytest.param(60, 40, id="among others")])
def test_work_over_which_workers_die_is_told(n, poison):
    """The other items come back, also those that went to a worker together with it; the workers start again."""
    from ground.dask_engine import DaskEngine

    engine = DaskEngine(workers=2)
    items = [(number,) for number in range(n)]
    found = sorted(engine.each(_Poison(poison), items, where="x", progress=silent), key=lambda done: done.index)
    lost = found.pop(poison)
    assert found == [Done(number, number) for number in range(n) if number != poison]
    assert isinstance(lost.result, Lost)
    assert "several that died" in lost.result.text


CHILD = """
import sys, time
from pathlib import Path
from ground.batch import ModelSource
from ground.bulk.run import run_batch
from ground.dask_engine import DaskEngine

def progress(what, done, total):
    if what == "batch" and done == 4:
        print("four", flush=True)
        time.sleep(600)

if __name__ == "__main__":
    bundle, key, data, out = sys.argv[1:]
    run_batch(ModelSource(Path(bundle), (Path(key),)), data, out, progress=progress, engine=DaskEngine(workers=2))
"""


def test_the_run_itself_is_killed(source, flights, tmp_path, whole):
    """Its cluster ends with it, and another run goes on."""
    script, out = tmp_path / "child.py", tmp_path / "r.parquet"
    script.write_text(CHILD)
    command = [sys.executable, str(script), str(source.path), str(source.keys[0]), str(flights), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"four\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
        wait_until(lambda: not session_of(child.pid), "the cluster to end")
    report = run_batch(source, str(flights), str(out), progress=silent, engine=LocalEngine(1))
    assert report.resumed >= 4
    assert out.read_bytes() == whole
