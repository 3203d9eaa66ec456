"""The benchmark of swaps: its ledger finds what is lost, twice or out of step; its bundles are as large as it says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.mqtt_pair import Receipt
from benchmarks.swap import LARGE
from benchmarks.swap_bundles import make_swap_bundles
from benchmarks.swap_run import SwapRun, _outcome
from edge_agent.layout import MEMBER_CAPS, MODEL
from edge_agent.load import load_model
from edge_agent.policy import Policy
from edge_agent.result import Result
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from tests.e2e.test_benchmarks import receipt

MIB = 1024 * 1024


def result(end_ns: int, seq: int, digest: str = "a", state: str = "normal") -> Receipt:
    """A result, received 1 ms after its frame was sent."""
    made = receipt(end_ns, received_ns=end_ns + 1_000_000, state=state)
    assessment = dataclasses.replace(made.result.assessment, seq=seq, bundle_digest=digest)
    return Receipt(made.received_ns, Result(assessment, made.result.runtime))


def outcome(*receipts: Receipt) -> SwapRun:
    """Of four windows that were sent."""
    activator: Any = SimpleNamespace(swap_s=[0.5], uses=[], begun_ns=2)
    return _outcome({("1", end_ns): end_ns for end_ns in (1, 2, 3, 4)}, receipts, activator)


CASES = [
    ((0, 0, 0, 1), [result(1, 5), result(2, 6), result(3, 7, "b"), result(4, 8, "b")]),
    ((1, 0, 1, 1), [result(1, 5), result(3, 7, "b"), result(4, 8, "b")]),
    ((0, 1, 1, 0), [result(1, 5), result(2, 6), result(2, 6), result(3, 7), result(4, 8)]),
    ((1, 0, 0, 0), [result(1, 5), result(2, 6, state="not_assessed"), result(3, 7), result(4, 8)]),
    ((0, 0, 1, 2), [result(1, 5), result(2, 0, "b"), result(3, 1, "a"), result(4, 2, "a")]),
]


@pytest.mark.parametrize(("expected", "receipts"), CASES)
def test_ledger(expected: tuple[int, ...], receipts: list[Receipt]) -> None:
    """Windows lost and twice, jumps of `seq`, changes of the bundle."""
    run = outcome(*receipts)
    assert (run.lost, run.twice, run.jumps, run.bundles) == expected
    assert run.calm_s.tolist() == [0.001]
    assert run.total_s.tolist() == [0.001] * (3 - run.lost)


def test_bundles_are_of_the_wanted_size(tmp_path: Path) -> None:
    """To a few percent; each is accepted, and differs from the others."""
    bundles = make_swap_bundles(tmp_path, model_bytes=MIB, golden=2, n=2)
    policy = Policy(fleet="bench", agent_version=AGENT_VERSION)
    keys = TrustedKeys.from_files([bundles[0].public_key])
    models = [load_model(bundle.path, keys=keys, policy=policy) for bundle in bundles]
    assert len({model.bundle_digest for model in models}) == 2
    assert bundles[0].path.stat().st_size == pytest.approx(3 * MIB, rel=0.1)
    assert LARGE.model_bytes < MEMBER_CAPS[MODEL]
