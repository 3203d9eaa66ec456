"""A run that was ended goes on where it was: nothing is done twice, and the result is that of an uninterrupted one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ground.bulk.parts import MANIFEST, TABLE
from ground.bulk.run import run_batch
from ground.engine import LocalEngine
from ground.errors import ConfigError
from ground.recording_index import INDEX_NAME
from tests.conftest import ROOT, make_small_bundle, small_spec, wait_until
from tests.ground.bulk.conftest import write_flights

NAMES = ("a", "b", "c", "d", "e")
ENDED_AFTER = 3


class EndedError(Exception):
    """Ends a run in its middle."""


@pytest.fixture
def flights(tmp_path):
    """Five short flights."""
    return write_flights(tmp_path / "flights", {name: [8.0 + number] for number, name in enumerate(NAMES)})


def run(source, data, out, progress):
    """A run in this process."""
    return run_batch(source, str(data), str(out), progress=progress, engine=LocalEngine(1))


def end_early(what, done, total):
    """Progress that ends the run after some recordings."""
    del total
    if what == "batch" and done == ENDED_AFTER:
        raise EndedError


@pytest.fixture
def ended(source, flights, tmp_path):
    """A run that was ended: the output that is not there yet, and the folder of its parts."""
    out = tmp_path / "out" / "r.parquet"
    with pytest.raises(EndedError):
        run(source, flights, out, end_early)
    assert list(out.parent.iterdir()) == [out.parent / ".r.parquet.parts"]
    return out


def test_it_goes_on(source, flights, ended, tmp_path, no_progress):
    """What was done is not done again, and the bytes are the same."""
    report = run(source, flights, ended, no_progress)
    assert (report.recordings, report.resumed) == (len(NAMES), ENDED_AFTER)
    whole = run(source, flights, tmp_path / "whole.parquet", no_progress)
    assert whole.resumed == 0
    assert ended.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert replace(report, resumed=0) == whole
    assert list(ended.parent.iterdir()) == [ended]


def parts_of(out):
    """The folder of the parts of an output."""
    return out.parent / ".r.parquet.parts"


def other_samples(flights, _):
    """The first flight was recorded anew."""
    other = write_flights(flights.parent / "other", {"a": [8.0]}, seed=12)
    (flights / "a.parquet").write_bytes((other / "a.parquet").read_bytes())


def other_row(flights, _):
    """The index says otherwise of the first flight."""
    path = flights / INDEX_NAME
    path.write_text(path.read_text().replace("a,a.parquet,a,", "a,a.parquet,elsewhere,"))


def torn_line(_, out):
    """The kill came while a line was written."""
    path = parts_of(out) / MANIFEST
    path.write_bytes(path.read_bytes()[:-20])


def flipped_part(_, out):
    """A part on disk is not what was written."""
    path = max(parts_of(out).glob("*.arrow"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lost_part(_, out):
    """A part is gone."""
    max(parts_of(out).glob("*.arrow")).unlink()


def another_model(_, out):
    """The parts are of a model with another digest."""
    path = parts_of(out) / MANIFEST
    first, _, rest = path.read_text().partition("\n")
    path.write_text(json.dumps({**json.loads(first), "model": "0" * 64}, sort_keys=True) + "\n" + rest)


def rubbish(_, out):
    """The manifest is none."""
    (parts_of(out) / MANIFEST).write_bytes(b"\xff\x00[1]\n[]\n")


def left_over(_, out):
    """Something else lies there."""
    (parts_of(out) / "x.new").write_bytes(b"half")
    (parts_of(out) / TABLE).write_bytes(b"half a table")


CHANGES = {
    other_samples: ENDED_AFTER - 1,
    other_row: ENDED_AFTER - 1,
    torn_line: ENDED_AFTER - 1,
    flipped_part: ENDED_AFTER - 1,
    lost_part: ENDED_AFTER - 1,
    another_model: 0,
    rubbish: 0,
    left_over: ENDED_AFTER,
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_what_changed_is_done_again(source, flights, ended, *, tmp_path, no_progress, change):
    """And only that; the result is that of a run that begins now."""
    change(flights, ended)
    report = run(source, flights, ended, no_progress)
    run(source, flights, tmp_path / "whole.parquet", no_progress)
    assert report.resumed == CHANGES[change]
    assert ended.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_another_bundle_begins_anew(source, flights, ended, tmp_path, no_progress):
    """Parts are of one model only."""
    (tmp_path / "second").mkdir()
    second = make_small_bundle(tmp_path / "second", small_spec(), version="2.0.0", sequence=2)
    report = run(replace(source, path=second.path), flights, ended, no_progress)
    assert report.resumed == 0
    assert set(pq.read_table(ended)["bundle_id"].to_pylist()) == {"small/2.0.0"}


def test_two_runs_do_not_share_an_output(source, flights, tmp_path):
    """The second one is told, and takes nothing away from the first."""
    out = tmp_path / "r.parquet"

    def begin_another(what, done, total):
        del total
        if what == "batch" and done == 1:
            with pytest.raises(ConfigError, match=r"--output: expected a folder of its own.*wait until"):
                run(source, flights, out, lambda *_: None)

    assert run(source, flights, out, begin_another).recordings == len(NAMES)


CHILD = """
import sys, time
from pathlib import Path
from ground.batch import ModelSource
from ground.bulk.run import run_batch
from ground.engine import LocalEngine

def progress(what, done, total):
    if what == "batch" and done == 2:
        print("two", flush=True)
        time.sleep(600)

if __name__ == "__main__":
    bundle, key, data, out = sys.argv[1:]
    run_batch(ModelSource(Path(bundle), (Path(key),)), data, out, progress=progress, engine=LocalEngine(2))
"""


def test_a_killed_run_leaves_no_process_and_goes_on(source, flights, tmp_path, no_progress):
    """SIGKILL in its middle: its workers end by themselves, and the next run does what is left."""
    script, out = tmp_path / "child.py", tmp_path / "r.parquet"
    script.write_text(CHILD)
    command = [sys.executable, str(script), str(source.path), str(source.keys[0]), str(flights), str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"two\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
        wait_until(lambda: not session_of(child.pid), "the workers to end")
    assert list(tmp_path.glob(".r.parquet*")) == [parts_of(out)]
    report = run(source, flights, out, no_progress)
    assert report.resumed >= 2
    assert list(tmp_path.glob(".r.parquet*")) == []
    run(source, flights, tmp_path / "whole.parquet", no_progress)
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def session_of(session):
    """The processes of a session that run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found += [entry.name] if int(status[3]) == session and status[0] != "Z" else []
    return found


def test_what_was_left_out_is_tried_again(source, flights, tmp_path, no_progress):
    """And only that: the others are kept although the table is there, until nothing is left out."""
    out, path = tmp_path / "out" / "r.parquet", flights / "b.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:1000])
    first = run(source, flights, out, no_progress)
    assert [failure.recording_id for failure in first.failures] == ["b"]
    assert parts_of(out).is_dir()
    path.write_bytes(good)
    second = run(source, flights, out, no_progress)
    assert (second.resumed, second.failures) == (len(NAMES) - 1, ())
    run(source, flights, tmp_path / "whole.parquet", no_progress)
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert list(out.parent.iterdir()) == [out]
