"""A real Airflow in an environment of its own, as ``make test-airflow`` makes it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.conftest import ROOT

AIRFLOW = os.environ.get("AIRFLOW", "")
"""Its program; empty without one."""


def airflow_environment(home: Path) -> dict[str, str]:
    """Of an Airflow with its database in ``home``, and the packaged DAG installed."""
    return {
        **os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "packaging" / "airflow"),
    }  # fmt: skip
