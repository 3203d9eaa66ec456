"""A short run of every fuzzer; `make fuzz` runs them for as long as FUZZ says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.security.fuzz.mutation import changed_json, damaged

ROOT = Path(__file__).resolve().parents[2]
TARGETS = 15
EXAMPLES = 40


def test_a_short_campaign() -> None:
    """In a child of 1 GiB that ends when one input takes too long: nothing crashes, hangs or is taken for another."""
    command = [sys.executable, "-m", "tests.security.fuzz.campaign", "all", "--examples", str(EXAMPLES)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(run.stdout.splitlines()) == TARGETS


@given(st.data())
def test_mutations_are_made_of_anything(data: st.DataObject) -> None:
    """Also of seeds that leave little to change."""
    assert isinstance(data.draw(damaged([b"", b"x"])), bytes)
    assert isinstance(data.draw(changed_json([b"{}", b"[]", b"1", b'{"a":[1,{"b":2}]}'])), bytes)
