"""The packaged DAG in a real Airflow: what follows from each exit code of the commands, which are played here.

``make test-airflow`` runs this, and the loop with the real commands.
"""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.airflow_rig import AIRFLOW, airflow_environment

pytestmark = [
    pytest.mark.skipif(not AIRFLOW, reason="takes an Airflow: run `make test-airflow`"),
    pytest.mark.timeout(1800),
]

NONE_YET = "echo 'error: shadow results: expected those of one bundle, got none; choose one' >&2; exit 2"
GO_ON = "echo 'verdict: go_on: 30 flights'; exit 3"
WORSE = "echo 'verdict: worse: look'; exit 3"
READY = "echo 'verdict: ready'"
MADE = "echo told >&2; echo 'candidate: d/1.1.0'"
SUCCESS, FAILED, SKIPPED, UPSTREAM = "success", "failed", "skipped", "upstream_failed"
OPTIONS = {
    "DRIFT_OPTIONS": "--data d", "RETRAIN_EVENT": "e.json", "RETRAIN_OPTIONS": "--config c",
    "GROUND_REGISTRY": "r", "SHADOW_OPTIONS": "--data d", "SHADOW_REPORT": "r.json", "SHADOW_POKE_S": "1",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's own folder, with its database."""
    folder = tmp_path_factory.mktemp("airflow")
    subprocess.run([AIRFLOW, "db", "migrate"], check=True, env=airflow_environment(folder), capture_output=True)
    return folder


@dataclass(frozen=True)
class Case:
    """What the commands answer, and what becomes of the tasks."""

    drift: str
    retrain: str
    shadow: tuple[str, ...]
    states: tuple[str, str, str]
    looks: int
    registered: str = "shadow"


CASES = {
    "ready at last": Case("exit 3", MADE, (NONE_YET, GO_ON, READY), (SUCCESS, SUCCESS, SUCCESS), 3),
    "no drift": Case("exit 0", MADE, (READY,), (SKIPPED, SKIPPED, SKIPPED), 0),
    "bad input": Case("exit 2", MADE, (READY,), (FAILED, UPSTREAM, UPSTREAM), 0),
    "not followed": Case("exit 3", "exit 5", (READY,), (SUCCESS, SKIPPED, SKIPPED), 0),
    "unsigned": Case("exit 3", "exit 6", (READY,), (SUCCESS, FAILED, UPSTREAM), 0),
    "retired meanwhile": Case("exit 3", MADE, (READY,), (SUCCESS, SUCCESS, SUCCESS), 0, registered="retired"),
    "worse": Case("exit 3", MADE, (WORSE,), (SUCCESS, SUCCESS, FAILED), 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_follows(home: Path, tmp_path: Path, case: Case) -> None:
    """Tasks go on, are skipped, wait or fail as the code says; the shadow is looked at by the name that was made."""
    looks = "\n".join(f"  {number}) {answer} ;;" for number, answer in enumerate(case.shadow, start=1))
    command = tmp_path / "ground"
    command.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncase $1 in\ndrift) {case.drift} ;;\nretrain) {case.retrain} ;;\n'
        f'registry) echo \'{{"state": "{case.registered}", "decisions": [{{"state": "shadow"}}]}}\' ;;\n'
        f"shadow) case $(grep -c ^shadow {tmp_path}/calls) in\n{looks}\n  esac ;;\nesac\n"
    )
    command.chmod(0o755)
    done = subprocess.run(
        [AIRFLOW, "dags", "test", "enginear_retraining"], check=False, capture_output=True, text=True,
        env={**airflow_environment(home), **OPTIONS, "GROUND": str(command)},
    )  # fmt: skip
    calls = (tmp_path / "calls").read_text().splitlines()
    said = done.stdout + done.stderr
    assert states_of(home) == dict(zip(("drift", "retrain", "shadow"), case.states, strict=True)), said[-4000:]
    assert calls[0] == "drift --data d --out e.json"
    assert calls.count("shadow report --data d --bundle d/1.1.0 --out r.json") == case.looks


def states_of(home: Path) -> dict[str, str]:
    """States of the tasks of the last run, as Airflow's database has them."""
    query = (
        "SELECT task_id, state FROM task_instance WHERE run_id = (SELECT run_id FROM dag_run ORDER BY id DESC LIMIT 1)"
    )
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        return dict(database.execute(query).fetchall())
