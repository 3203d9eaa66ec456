"""The simulated fleet: its pace, its connections at a real broker, and the arithmetic of what a fleet needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.fleet_agents import Fleet, Plan, _schedule
from benchmarks.fleet_costs import Bill, Operation, UnitCosts, bill
from edge_agent.result import decode_result

PLAN = Plan(host="127.0.0.1", port=0, agents=3, engines=2, hop_s=0.3, windows=4)


def test_pace() -> None:
    """Engines are spread over the hop, each comes once a hop, and time never runs back."""
    due = list(_schedule(PLAN))
    assert len(due) == PLAN.results == len({each[1:] for each in due})
    assert due == sorted(due, key=lambda each: each[0])
    times = [at_s for at_s, agent, engine, _ in due if (agent, engine) == (2, 1)]
    assert times == pytest.approx([0.2 + 0.3 * number for number in range(4)])


def test_agents_at_a_real_broker(broker: Any, peer: Any) -> None:
    """Each result arrives once and is one that our reader takes; each agent is online, and its will is quiet."""
    peer.subscribe("aircraft/+/engine/+/result")
    peer.subscribe("enginear/+/status")
    sent = Fleet(replace(PLAN, port=broker.port)).run()
    found = [peer.next() for _ in range(PLAN.results + PLAN.agents)]
    results = [decode_result(each.payload).assessment for each in found if each.topic.endswith("/result")]
    assert sorted((each.aircraft, each.engine, each.seq) for each in results) == [
        (f"OO-{agent:04d}", str(engine), seq) for agent in range(3) for engine in (1, 2) for seq in range(4)
    ]
    assert [each.payload for each in found if each.topic.endswith("/status")] == [b'{"state":"online"}'] * 3
    assert sent.acknowledged == PLAN.results


def test_bill_by_hand() -> None:
    """Two cells of 50 aircraft of 2 engines, half of them at once, a result every 2 s: 25 results a second and cell.

    A collector spends 25 * 0.004 s a second on files, which leaves 0.4 of its half core: 20 results of 0.02 s each.
    """
    costs = UnitCosts(broker_s=0.01, result_s=0.02, file_s=0.04, wire_bytes=1_000.0, stored_bytes=100.0, detect_s=0.001)
    operation = Operation(
        aircraft=100, engines=2, cell=50, hours_per_day=10.0, share_at_once=0.5, hop_s=2.0, every_s=10.0, headroom=0.5
    )
    assert bill(costs, operation) == Bill(
        results_per_s=50.0, wire_mb_per_s=0.05, brokers=2, collectors=4, files_per_day=4 * 25 * 8_640,
        stored_gb_per_day=0.36, stored_tb_per_year=pytest.approx(0.1314), batch_core_h_per_day=1.0,
    )  # fmt: skip


def test_bill_that_nobody_can_pay() -> None:
    """Files that fill a core are not paid by more collectors: each of them writes them all."""
    costs = UnitCosts(broker_s=0.0, result_s=0.0, file_s=1.0, wire_bytes=0.0, stored_bytes=0.0, detect_s=0.0)
    with pytest.raises(BenchmarkError, match="write less often"):
        bill(costs, Operation())
