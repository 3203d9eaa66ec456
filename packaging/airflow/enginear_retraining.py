"""Airflow: once a day ask whether the fleet drifts; if so train anew, and wait until the shadow is ready for a person.

The tasks are the commands that a person types, with options out of the environment of the workers
(docs/how-to/retrain.md): ``GROUND``, ``GROUND_REGISTRY``, ``DRIFT_OPTIONS``, ``RETRAIN_EVENT``, ``RETRAIN_OPTIONS``,
``SHADOW_OPTIONS``, ``SHADOW_REPORT`` and ``SHADOW_POKE_S``.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import DAG

NO_DRIFT = 99
NOT_FOLLOWED = 5
"""Of ``ground retrain``: what the event is about is retired, say, or a shadow waits for a decision already."""
NOT_YET = 75

DRIFT = f"""
code=0
"${{GROUND:-ground}}" drift $DRIFT_OPTIONS --out "$RETRAIN_EVENT" || code=$?
case $code in
  3) exit 0 ;;
  0) exit {NO_DRIFT} ;;
  *) exit $code ;;
esac
"""

# What it prints last is pushed to the next task: "candidate: DETECTOR/VERSION".
RETRAIN = """
exec "${GROUND:-ground}" retrain --reason drift --event "$RETRAIN_EVENT" $RETRAIN_OPTIONS
"""

# Whoever has promoted or retired the candidate has ended the wait. A shadow that nobody has heard yet, or one of
# which too little is known, is no failure; a worse one is.
SHADOW = f"""
code=0
candidate="{{{{ ti.xcom_pull(task_ids='retrain').split()[-1] }}}}"
if [ -n "${{GROUND_REGISTRY:-}}" ]; then
  shown=$("${{GROUND:-ground}}" registry show "$candidate" --json) || exit $?
  state=$(printf '%s' "$shown" | python3 -c 'import json, sys; print(json.load(sys.stdin)["state"])') || exit $?
  if [ "$state" != shadow ]; then
    echo "$candidate is $state, no shadow any more"
    exit 0
  fi
fi
said=$("${{GROUND:-ground}}" shadow report $SHADOW_OPTIONS --bundle "$candidate" --out "$SHADOW_REPORT" 2>&1) || code=$?
printf '%s\\n' "$said"
case "$code:$said" in
  0:*) exit 0 ;;
  3:*"verdict: go_on"*) exit {NOT_YET} ;;
  2:*"of one bundle, got none"*) exit {NOT_YET} ;;
esac
exit $code
"""

with DAG(
    "enginear_retraining",
    description="drift -> retrain -> shadow; a person promotes",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # While a shadow waits, drift is known.
    max_active_runs=1,
    tags=["enginear"],
) as dag:
    drift = BashOperator(task_id="drift", bash_command=DRIFT, skip_on_exit_code=NO_DRIFT)
    retrain = BashOperator(
        task_id="retrain", bash_command=RETRAIN, skip_on_exit_code=NOT_FOLLOWED, execution_timeout=timedelta(days=1)
    )
    shadow = BashSensor(
        task_id="shadow",
        bash_command=SHADOW,
        retry_exit_code=NOT_YET,
        mode="reschedule",
        poke_interval=float(os.environ.get("SHADOW_POKE_S", "3600")),
        timeout=timedelta(days=180).total_seconds(),
    )
    drift >> retrain >> shadow
