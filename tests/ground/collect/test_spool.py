"""The spool on its own: what a batch loses to damage is told of, and what is left is done."""

from __future__ import annotations

import threading

from ground.fleet.collect.collector import Collector, CollectorPlan
from ground.fleet.collect.dataset import read_dataset
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.link import CollectError
from ground.fleet.collect.reminder import Reminder
from ground.fleet.collect.spool import Spool

QUIET = Reminder(lambda _: None)


class AwayIntake:
    """A broker that lets a collector in once, and is away from then on."""

    n_taken = 0
    loss = "lost"

    def __init__(self, stopping):
        self.opened = 0
        self.stopping = stopping

    def open(self):
        """Ends the collector when it has tried often enough."""
        self.opened += 1
        if self.opened > 1:
            self.during()
            self.stopping.set()
            raise CollectError("away")

    def during(self):
        """What a test looks at while the broker is away."""

    def turn(self, _timeout_s):
        """The connection is lost."""
        return False

    def take(self):
        """Nothing has come."""
        return []

    def close(self):
        """Nothing to do."""


def collect(tmp_path, spool, **plan):
    """Run a collector whose broker goes away; what it told, and how many batches it had told of while that was away."""
    stopping, told, during, said = threading.Event(), [], [], []
    intake = AwayIntake(stopping)
    intake.during = lambda: during.append(len(told))
    plan = CollectorPlan(root=tmp_path / "data", name="c", **plan)
    Collector(plan, spool, intake, tell=told.append, outage=Reminder(said.append), notes=QUIET).run(stopping)
    assert said == ["lost", "away"]
    return told, during[0]


def test_damaged_messages_are_told_of_and_kept(tmp_path, message):
    """Whatever is damaged, at the end or in between: the others are in the dataset, the batch stays for a person."""
    spool = Spool(tmp_path / "spool")
    spool.append([message(seq) for seq in range(4)])
    (path,) = (tmp_path / "spool" / spool.batch).glob("*.log")
    content = bytearray(path.read_bytes())
    content[len(content) // 4 + 40] ^= 0xFF
    content[-1] ^= 0xFF
    path.write_bytes(content)
    told, _ = collect(tmp_path, spool)
    assert [written.damaged for written in told] == [2]
    assert read_dataset(tmp_path / "data", Kind.RESULT).table["seq"].to_pylist() == [0, 2]
    (kept,) = (tmp_path / "spool").glob("*.damaged")
    assert (kept / path.name).read_bytes() == content
    spool.close()
    assert Spool(tmp_path / "spool").n == 0


def test_every_batch_that_was_left_is_done(tmp_path, message):
    """Two are left where a backup was put back, or the clock was: the oldest first, then the other one."""
    older = Spool(tmp_path / "older")
    older.append([message(0)])
    newer = Spool(tmp_path / "spool")
    newer.append([message(1)])
    (tmp_path / "older" / older.batch).rename(tmp_path / "spool" / older.batch)
    newer.close()
    spool = Spool(tmp_path / "spool")
    assert [each.payload for each in spool.messages()] == [message(0).payload]
    spool.end_batch()
    assert [each.payload for each in spool.messages()] == [message(1).payload]
    spool.end_batch()
    assert spool.n == 0


def test_what_has_come_does_not_wait_for_a_broker_that_is_away(tmp_path, message):
    """A batch whose time is over becomes files meanwhile."""
    spool = Spool(tmp_path / "spool")
    spool.append([message(0)])
    told, while_away = collect(tmp_path, spool, batch_s=0.2)
    assert (len(told), while_away) == (1, 1)


def test_a_batch_is_full_by_its_bytes_as_well(tmp_path, message):
    """Evidence is large: so many messages of it would not fit into memory."""
    spool = Spool(tmp_path / "spool")
    spool.append([message(0)])
    size = sum(path.stat().st_size for path in (tmp_path / "spool" / spool.batch).iterdir())
    assert spool.n_bytes == size
    spool.close()
    spool = Spool(tmp_path / "spool")
    assert spool.n_bytes == size
    _, while_away = collect(tmp_path, spool, batch_bytes=size)
    assert while_away == 1
