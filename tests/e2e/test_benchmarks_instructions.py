"""The gate on instruction counts: what it compares, when it fails, and what it says."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import command, instructions
from benchmarks.errors import BenchmarkError
from benchmarks.instruction_child import CAL, prepares, run
from benchmarks.instructions import Count

HERE = {"architecture": "x86_64", "python": "3.11.7", "numpy": "2.4.6", "valgrind": "3.19.0"}


def counted(factor=1.0, *, cal=1e6, environment=HERE):
    """Counts at ``factor`` times 5 cal each."""
    costs = {name: factor * 5.0 * cal for name in prepares() if name != CAL}
    return Count({CAL: cal, **costs}, environment)


@pytest.fixture
def gate(tmp_path, monkeypatch, capsys):
    """Run the command on given counts and a reference of 5 cal; gives the exit code and what was printed."""
    path = tmp_path / "instructions.json"
    instructions.write_reference(path, counted())

    def run_gate(now, *options):
        monkeypatch.setattr(instructions, "count", lambda: now)
        monkeypatch.setattr(sys, "argv", ["instructions", "--reference", str(path), *options])
        return instructions.main(), capsys.readouterr().out

    return run_gate


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.019, 0), (1.021, 1), (0.5, 0)])
def test_two_per_cent_more_fail(gate, factor, code):
    """Up to two per cent above the reference passes, more does not, less always does."""
    assert gate(counted(factor))[0] == code


def test_one_cost_alone_fails(gate):
    """Each cost is held for itself: a gain elsewhere pays for nothing."""
    now = counted(0.9)
    costlier = {**now.instructions, "batch": 1.03 * 5e6}
    code, out = gate(Count(costlier, HERE))
    assert code == command.EXIT_LIMIT
    assert [line.split()[0] for line in out.splitlines() if "missed" in line] == ["batch"]


def test_costs_are_compared_in_cal(gate):
    """A machine on which everything takes half as much again, the calibration loop too, has the same costs."""
    code, out = gate(counted(cal=1.5e6))
    assert code == command.EXIT_OK
    assert "+0.00%" in out


def test_another_environment_is_told(gate):
    """A count from another numpy still counts, and the text says where the reference is from."""
    code, out = gate(counted(environment={**HERE, "numpy": "2.5.0"}))
    assert code == command.EXIT_OK
    assert "numpy 2.4.6" in out
    assert "numpy 2.5.0" in out


def test_a_gain_is_to_be_kept(gate):
    """A reference that is far too high would let the gain be lost again unseen."""
    assert "UPDATE=1" in gate(counted(0.97))[1]
    assert "UPDATE=1" not in gate(counted(0.99))[1]


def test_update_stores_what_was_counted(gate):
    """After an update the same counts pass at no change, whatever they were."""
    assert gate(counted(3.0), "--update")[0] == command.EXIT_OK
    code, out = gate(counted(3.0))
    assert code == command.EXIT_OK
    assert "+0.00%" in out


def test_missing_reference_is_no_pass(tmp_path, monkeypatch):
    """Without stored counts nothing is compared, and the message says how to make them."""
    monkeypatch.setattr(sys, "argv", ["instructions", "--reference", str(tmp_path / "none.json")])
    with pytest.raises(BenchmarkError, match=r"none.json: expected stored counts, got .*UPDATE=1"):
        instructions.main()


def test_reference_of_other_calls_is_refused(tmp_path):
    """A stored count for every measured call, and for no other."""
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"environment": HERE, "instructions": {CAL: 1, "batch": 2}}))
    with pytest.raises(BenchmarkError, match="expected counts of cal, streaming"):
        instructions.read_reference(path)


def test_stored_reference_is_of_todays_calls():
    """The reference in the repository can be read, and every cost is a few cal."""
    reference = instructions.read_reference(instructions.REFERENCE)
    assert all(0.5 < reference.in_cal(name) < 20.0 for name in instructions.gated())


def test_missing_valgrind_is_told(monkeypatch):
    """Without valgrind nothing is counted, and the message says how to get it."""
    monkeypatch.setattr(instructions.shutil, "which", lambda _name: None)
    with pytest.raises(BenchmarkError, match="apt-get install valgrind"):
        instructions.count()


def test_a_child_that_fails_is_told():
    """A call that is not known ends the child, and its last words are in the error."""
    with pytest.raises(BenchmarkError, match=r"expected 'nothing' to run, got:[\s\S]*KeyError"):
        instructions._child("nothing", 1, ())


def test_only_the_named_call_runs_again(monkeypatch):
    """A run makes every call, warms the calibration loop, and runs the named one: the difference is those alone."""
    calls = []

    def prepare(name):
        return lambda: lambda: lambda: calls.append(name)

    monkeypatch.setattr("benchmarks.instruction_child.prepares", lambda: {CAL: prepare(CAL), "b": prepare("b")})
    monkeypatch.setattr("benchmarks.instruction_child.gc.disable", lambda: None)
    run("b", 3)
    assert calls == [CAL, "b", "b", "b"]
