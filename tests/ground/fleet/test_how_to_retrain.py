"""docs/how-to/retrain.md: what it says of commands, reasons, codes and files is what there is."""

from __future__ import annotations

import re

from ground.exit_code import ExitCode
from ground.fleet.retrain.selection import Reason
from ground.fleet.verdicts import Verdict
from tests.conftest import ROOT
from tests.docs.blocks import lines_of

PATH = ROOT / "docs" / "how-to" / "retrain.md"
PAGE = PATH.read_text()
DAG = (ROOT / "packaging" / "airflow" / "enginear_retraining.py").read_text()


def test_commands_are_found():
    """Those that the page is about."""
    assert {line.split()[1] for line in lines_of(PATH, "ground")} == {"verdict", "retrain"}


def test_every_reason_verdict_and_code_is_told():
    """And no other."""
    rows = set(re.findall(r"^\| `([a-z_]+)`(?:, `([a-z_]+)`)? \| (taken|left)", PAGE, re.MULTILINE))
    told = {name: outcome == "taken" for *names, outcome in rows for name in names if name}
    assert told == {reason.value: reason.is_taken for reason in Reason}
    for verdict in Verdict:
        assert f"\n| `{verdict.value}` |" in PAGE
    assert {ExitCode.NOT_FOLLOWED, ExitCode.UNSIGNED, 0, 2, 3} == set(
        map(int, re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE))
    )


def test_variables_of_the_dag_are_told():
    """Each one that it reads, and no other."""
    used = set(re.findall(r"\$\{?\{?([A-Z_]+)", DAG)) | set(re.findall(r'environ\.get\("([A-Z_]+)"', DAG))
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE))
    assert told == used
